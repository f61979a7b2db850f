"""What the server decides without asking anybody."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from scripts.local_supabase.realtime import bindings, join, partitions, replay
from scripts.local_supabase.realtime.bindings import BadBinding, Filter
from scripts.local_supabase.realtime.inspection import inspect
from scripts.local_supabase.realtime.outbox import Close, Outbox
from scripts.local_supabase.realtime.presence import Presences
from scripts.local_supabase.realtime.rates import Rate, Window
from scripts.local_supabase.realtime.tokens import BadToken, Fault, Verifier

SECRET = "a-secret-of-the-tests-that-is-at-least-32-characters"
KEY = ec.generate_private_key(ec.SECP256R1())
JWK: dict[str, Any] = {**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k1", "alg": "ES256"}
VERIFIER = Verifier(SECRET, {"keys": [JWK]})


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


# -- tokens ----------------------------------------------------------------------------------------


def claims(**rest: Any) -> dict[str, Any]:
    return {"role": "anon", "exp": int(time.time()) + 86_400, **rest}


def test_tokens_of_the_secret_and_of_the_key_are_good() -> None:
    assert VERIFIER.verify(jwt.encode(claims(), SECRET)).role == "anon"
    signed = jwt.encode(claims(sub="u"), KEY, algorithm="ES256", headers={"kid": "k1"})
    assert VERIFIER.verify(f" {signed}\n").claims["sub"] == "u"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault.MALFORMED),
        ("a.b.c", Fault.MALFORMED),
        (jwt.encode(claims(), SECRET + "x"), Fault.SIGNATURE),
        (jwt.encode(claims(), KEY, algorithm="ES256", headers={"kid": "k2"}), Fault.SIGNER),
        (jwt.encode(claims(), "", algorithm="none"), Fault.SIGNER),
        (jwt.encode({"role": "anon"}, SECRET), Fault.CLAIMS),
        (jwt.encode(claims(role=""), SECRET), Fault.CLAIMS),
        (jwt.encode(claims(exp="soon"), SECRET), Fault.EXPIRATION),
        (jwt.encode(claims(exp=1), SECRET), Fault.EXPIRED),
    ],
    ids=[
        "empty",
        "dots",
        "other secret",
        "unknown key",
        "no signature",
        "no end",
        "no role",
        "end soon",
        "ended",
    ],
)
def test_bad_tokens(text: str, fault: Fault) -> None:
    with pytest.raises(BadToken) as refusal:
        VERIFIER.verify(text)
    assert refusal.value.fault is fault


def test_the_key_cannot_be_used_as_a_secret() -> None:
    forged = jwt.encode(claims(), SECRET, headers={"kid": "k1"})
    assert VERIFIER.verify(forged).role == "anon"  # signed with the secret: it is who it says
    with pytest.raises(BadToken):
        VERIFIER.verify(jwt.encode(claims(), str(JWK["x"]), headers={"kid": "k1"}))


# -- rates -----------------------------------------------------------------------------------------


def test_a_burst_passes_until_its_bucket_is_full() -> None:
    clock = Clock()
    rate = Rate(100, clock)
    rate.add(10_000)
    seen = [rate.exceeded]
    clock.now += 5
    seen.append(rate.exceeded)
    assert seen == [False, True]
    assert rate.average == 2000
    clock.now += 55
    assert rate.average == pytest.approx(10_000 / 60)
    clock.now += 5
    assert rate.average == 0


@given(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 1000)), max_size=60))
def test_the_average_is_that_of_the_last_minute(steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    rate = Rate(1, clock)
    seen: list[tuple[float, int]] = []
    for pause, count in steps:
        clock.now += pause
        rate.add(count)
        seen.append((clock.now, count))
    now = (clock.now - 100) // 5
    buckets = [
        sum(count for at, count in seen if (at - 100) // 5 == number)
        for number in range(max(0, int(now) - 12), int(now))
    ]
    assert rate.average == pytest.approx(sum(buckets) / (len(buckets) * 5) if buckets else 0)


def test_calls_within_a_window() -> None:
    clock = Clock()
    window = Window(2, 30, clock)
    assert [window.take() for _ in range(3)] == [True, True, False]
    clock.now += 30
    assert window.take()


# -- bindings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "filters"),
    [
        ("id=eq.1", [("id", "eq", "1", False)]),
        ("a=not.in.(1,2),b=is.null", [("a", "in", "{1,2}", True), ("b", "is", "null", False)]),
        ('t=in.("a,b","c)")', [("t", "in", '{"a,b","c)"}', False)]),
        ('t=eq."a,b",u=gt.1', [("t", "eq", "a,b", False), ("u", "gt", "1", False)]),
        (r't=eq."say \"hi\""', [("t", "eq", 'say "hi"', False)]),
        ("t=like.a.b%", [("t", "like", "a.b%", False)]),
        ("t=eq.", [("t", "eq", "", False)]),
        ("", []),
    ],
)
def test_filters(text: str, filters: list[tuple[str, str, str, bool]]) -> None:
    binding = bindings.parse({"event": "insert", "schema": "public", "table": "t", "filter": text})
    assert binding.event == "INSERT"
    assert list(binding.filters) == [Filter(*each) for each in filters]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"filter": "a=eq.1,", "schema": "s", "table": "t"}, 'Error parsing `filter` params: [""]'),
        ({"filter": "a=in.1", "schema": "s", "table": "t"}, 'Error parsing `filter` params: ["in", "1"]'),
        ({"filter": "a=eq", "schema": "s", "table": "t"}, 'Error parsing `filter` params: ["eq"]'),
        ({"select": "a", "schema": "s", "table": "t"}, "Error parsing `select` params"),
        ({"select": ["a"], "schema": "s"}, "Column selection is not supported"),
        ({"schema": 5}, "No subscription params provided. Please provide at least a `schema` or `table`"),
    ],
)
def test_bad_bindings(params: dict[str, Any], words: str) -> None:
    with pytest.raises(BadBinding) as refusal:
        bindings.parse(params)
    assert str(refusal.value).startswith(words)


@given(st.text(max_size=30))
def test_any_filter_is_read_or_refused(text: str) -> None:
    with suppress(BadBinding):
        bindings.parse({"schema": "s", "table": "t", "filter": text})


def test_equal_bindings_have_equal_ids() -> None:
    one = bindings.binding_id({"event": "*", "schema": "public"})
    assert one == bindings.binding_id({"schema": "public", "event": "*"})
    assert one != bindings.binding_id({"schema": "public", "event": "INSERT"})
    assert 0 <= one < 2**27


def test_values_in_the_notation_of_the_real_server() -> None:
    value = {"b": [1, 2.5, True, None], "a": 'x"\n#{y}'}
    assert inspect(value) == '%{"a" => "x\\"\\n\\#{y}", "b" => [1, 2.5, true, nil]}'


# -- joins and replay ------------------------------------------------------------------------------


def test_a_join_without_a_config_is_its_own_binding() -> None:
    wanted = join.parse("public:items:id=eq.1:2", {"user_token": "t", "access_token": "u"})
    assert wanted.legacy
    assert wanted.bindings == [{"schema": "public", "table": "items", "filter": "id=eq.1:2"}]
    assert wanted.token == "t"


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=3))
def test_odd_configs_are_read_or_refused(value: Any) -> None:
    for name in ("broadcast", "presence", "postgres_changes", "private"):
        try:
            wanted = join.parse("x", {"config": {name: value}})
        except join.Refused:
            continue
        assert isinstance(wanted.private, bool)


@pytest.mark.parametrize(("limit", "effective"), [(None, 25), (0, 1), (-5, 1), (7, 7), (100, 25)])
def test_the_limit_of_a_replay(limit: int | None, effective: int) -> None:
    params = {"since": 0} | ({} if limit is None else {"limit": limit})
    assert replay.parse(params, private=True, most=25).limit == effective


@pytest.mark.parametrize("params", [{}, "x", {"since": "1"}, {"since": True}, {"since": 0, "limit": "5"}])
def test_bad_replays(params: Any) -> None:
    with pytest.raises(join.Refused, match="Replay params are not valid"):
        replay.parse(params, private=True, most=25)


# -- presence --------------------------------------------------------------------------------------

ROOM = (False, "room")


def test_presence_under_a_shared_key() -> None:
    presences = Presences()
    for owner in ("one", "two"):
        diff = presences.track(ROOM, owner, "key", {"who": owner})
        assert diff is not None
        assert diff.payload()["leaves"] == {}
    assert [meta["who"] for meta in presences.state(ROOM)["key"]["metas"]] == ["one", "two"]
    gone = presences.untrack(ROOM, "one")
    assert gone is not None
    assert gone.payload()["leaves"]["key"]["metas"][0]["who"] == "one"
    assert [meta["who"] for meta in presences.state(ROOM)["key"]["metas"]] == ["two"]


def test_presence_that_says_the_same_again_says_nothing() -> None:
    presences = Presences()
    first = presences.track(ROOM, "one", "key", {"n": 1})
    assert presences.track(ROOM, "one", "key", {"n": 1}) is None
    second = presences.track(ROOM, "one", "key", {"n": 2})
    assert first is not None
    assert second is not None
    was, is_now = first.payload()["joins"]["key"], second.payload()["joins"]["key"]
    assert second.payload()["leaves"]["key"] == was
    assert is_now["metas"][0]["phx_ref_prev"] == was["metas"][0]["phx_ref"]
    assert presences.untrack(ROOM, "stranger") is None


# -- partitions ------------------------------------------------------------------------------------


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.integers(0, 10))  # noqa: DTZ001
def test_partitions_of_the_next_days_are_made_and_old_ones_dropped(now: datetime, age: int) -> None:
    old = partitions.name_of((now - timedelta(days=age)).date())
    make, drop = partitions.plan({old, "something_else"}, now, kept_h=72)
    days = {now.date() + timedelta(days=offset) for offset in range(-1, 4)}
    assert set(make) == days - {(now - timedelta(days=age)).date()}
    assert drop == ([old] if age > 3 else [])


def test_names_of_partitions() -> None:
    assert partitions.name_of(date(2026, 1, 2)) == "messages_2026_01_02"


# -- outbox ----------------------------------------------------------------------------------------


async def test_a_join_is_answered_before_what_came_meanwhile() -> None:
    outbox, sent = Outbox(1000), []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("text", message.get("code")))

    outbox.hold()
    outbox.put("later")
    outbox.put("answer", first=True)
    outbox.release()
    outbox.put(Close(1000))
    await outbox.drain(send)
    assert sent == ["answer", "later", 1000]


def test_what_is_left_unread_is_bounded() -> None:
    outbox = Outbox(100)
    for _ in range(11):
        outbox.put("x" * 10)
    assert outbox.overflowed.is_set()
