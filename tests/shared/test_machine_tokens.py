"""A machine that was given tokens: whose they are, what they are for, and how their end is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.client import connect, open_connection
from shared.errors import ConfigurationError, NotSent
from shared.keys import LIFETIME_SECONDS, MACHINE_ROLES, mint
from shared.machine_tokens import GivenToken, GivenTokens, given_tokens, read_tokens, warn_of
from shared.settings import Settings

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
NOW = 1_780_000_000.0
DAY = 86_400


def settings_of(**values: Any) -> Settings:
    base: dict[str, Any] = {"SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x"}
    return Settings(_env_file=None, supabase_url="http://127.0.0.1:1", **base, **values)  # type: ignore[call-arg]


def make(role: str = "analyst", machine: str = "sig-one", days: float = 30) -> str:
    return mint(SECRET, role, machine, now=NOW, lifetime=int(days * DAY))


def given_of(*tokens: str) -> GivenTokens:
    return GivenTokens(settings_of(sigtrail_machine_token=SecretStr(",".join(tokens))))


@settings(max_examples=30)
@given(st.sets(st.sampled_from(sorted(MACHINE_ROLES)), min_size=1), st.sampled_from([",", "\n", " ", ", \n"]))
def test_each_role_finds_its_token_whatever_stands_between_them(roles: set[str], between: str) -> None:
    made = {role: make(role) for role in roles}
    found = read_tokens(between.join(made.values()) + "\n")
    assert {role: one.text for role, one in found.items()} == made
    assert {(one.machine, one.ends_at) for one in found.values()} == {("sig-one", NOW + 30 * DAY)}


NO_NAME = jwt.encode({"role": "analyst", "exp": 1}, SECRET)
NO_END = jwt.encode({"role": "analyst", "machine_id": "sig-one"}, SECRET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "there is no machine token: make one"),
        ("not-a-token", "machine token 1 is no token"),
        (make() + "," + make("signal_worker")[:40], "machine token 2 is no token"),
        (
            jwt.encode({"role": "service_role", "exp": 1}, SECRET),
            "machine token 1 is for the role 'service_role'",
        ),
        (
            jwt.encode({"role": "authenticated", "sub": "u"}, SECRET),
            "for the role 'authenticated'; machines have",
        ),
        (NO_NAME, "names no machine"),
        (NO_END, "names no machine or no end"),
        (f"{make()},{make()}", "two machine tokens are for the role analyst"),
        (f"{make()} {make('signal_worker', 'sig-two')}", "several machines (sig-one, sig-two)"),
    ],
)
def test_what_is_no_token_of_a_machine_is_named_and_not_shown(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_tokens(text)
    assert said in str(caught.value)
    assert "eyJ" not in str(caught.value)


async def test_a_role_without_a_token_is_named_with_what_to_do() -> None:
    with pytest.raises(
        ConfigurationError, match="no token for the role trading_bridge, only for analyst: make"
    ):
        await connect(settings_of(), "trading_bridge", "sig-one", given_of(make()))


async def test_tokens_of_another_machine_are_not_used() -> None:
    with pytest.raises(
        ConfigurationError, match="this is machine sig-two, and its tokens are of machine sig-one"
    ):
        await connect(settings_of(), "analyst", "sig-two", given_of(make()))


def test_one_way_to_be_given_tokens() -> None:
    assert given_tokens(settings_of(supabase_jwt_secret=SecretStr(SECRET))) is None
    with pytest.raises(ConfigurationError, match="both set"):
        given_tokens(
            settings_of(sigtrail_machine_token=SecretStr(make()), sigtrail_machine_token_file=Path("token"))
        )
    with pytest.raises(ConfigurationError, match="SIGTRAIL_MACHINE_TOKEN_FILE: /nowhere/token: No such file"):
        given_tokens(settings_of(sigtrail_machine_token_file=Path("/nowhere/token")))


def test_an_end_is_told_before_it_comes_and_once_a_day() -> None:
    now = [NOW]
    token = GivenToken(given_of(make(days=30)), "analyst", lambda: now[0])
    with capture_logs() as entries:
        for hour in range(30 * 24):
            now[0] = NOW + hour * 3600
            assert token() == make(days=30)
    assert [entry["end"] for entry in entries] == ["2026-06-27 20:26 UTC"] * 7
    assert token.seconds_left == 3600
    now[0] = NOW + 30 * DAY
    with pytest.raises(
        NotSent, match="token of machine sig-one for the role analyst ended at 2026-06-27 20:26"
    ):
        token()
    assert token.seconds_left == 0


def test_a_machine_does_not_start_with_a_token_that_has_ended() -> None:
    with pytest.raises(
        ConfigurationError, match=r"ended at .*: make one with `sigtrail machines token --role analyst"
    ):
        GivenToken(given_of(make(days=1)), "analyst", lambda: NOW + DAY)


async def test_calls_wait_while_a_token_has_ended_and_go_on_with_another(tmp_path: Path) -> None:
    sent: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["Authorization"])
        return httpx.Response(200, json=1)

    now = [NOW]
    path = tmp_path / "token"
    path.write_text(make(days=1))
    tokens = GivenTokens(settings_of(sigtrail_machine_token_file=path))
    token = GivenToken(tokens, "analyst", lambda: now[0])
    connection = await open_connection(settings_of(), token, "analyst", transport=httpx.MockTransport(answer))
    assert await connection.call("claim_work", {}) == 1
    now[0] += DAY + 1
    with pytest.raises(NotSent, match="the role analyst ended"):
        await connection.call("claim_work", {}, attempts=1)
    path.write_text(make(days=3))
    assert await connection.call("claim_work", {}) == 1
    assert sent == [f"Bearer {make(days=1)}", f"Bearer {make(days=3)}"]
    await connection.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("half a tok", "no token"),
        (make("signal_worker"), "lack the roles analyst"),
        (make(machine="sig-two"), "of machine sig-two, not sig-one"),
    ],
)
def test_a_file_that_cannot_be_used_leaves_the_token_that_was_there(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "token"
    path.write_text(make())
    token = GivenToken(GivenTokens(settings_of(sigtrail_machine_token_file=path)), "analyst", lambda: NOW)
    path.write_text(text)
    with capture_logs() as entries:
        assert [token(), token()] == [make(), make()]
    assert [said in entry["error"] for entry in entries] == [True], "told once"
    path.unlink()
    with capture_logs() as entries:
        assert token() == make()
    assert [entry["event"] for entry in entries] == ["machine_tokens_not_read"]
    path.write_text(f"{make(days=60)}\n{make('signal_worker')}")
    assert token() == make(days=60)


def test_who_watches_hears_a_week_before() -> None:
    assert warn_of({"analyst": 8.0 * DAY, "archivist": -1.0}) == []
    assert warn_of({"signal_worker": 6.5 * DAY, "analyst": 8.0 * DAY}) == [
        "the token for the role signal_worker ends in 6.5 days: give the machine another one"
    ]
    assert LIFETIME_SECONDS < DAY, "what machines sign for themselves is not told of"
