"""One call: what is sent, what each answer means, and what may be sent twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import jwt
import orjson
import pytest
import stamina

from shared.answers import may_be_of_what_was_sent
from shared.client import Circuit, Connection, open_connection
from shared.errors import NotAllowed, NotFound, NotSent, OutcomeUnknown, Refused, SigtrailError, Unavailable
from shared.keys import LIFETIME_SECONDS, Tokens, mint, mint_for_user
from shared.settings import Settings

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


class Api:
    """Answers requests with what a test prepared, the last answer for ever."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content, headers=answer.headers)


def settings() -> Settings:
    values: dict[str, Any] = {"SUPABASE_PUBLISHABLE_KEY": "sb_publishable_x", "supabase_jwt_secret": SECRET}
    return Settings(_env_file=None, supabase_url="http://127.0.0.1:54321", **values)  # type: ignore[call-arg]


async def reach(api: Api, tokens: Callable[[], str] = lambda: "a-token") -> Connection:
    return await open_connection(settings(), tokens, "analyst", transport=httpx.MockTransport(api))


def error(status: int, code: str, message: str = "no") -> httpx.Response:
    return httpx.Response(status, json={"code": code, "message": message, "details": None, "hint": None})


async def test_a_call_posts_its_arguments_with_the_token_of_the_moment() -> None:
    tokens = iter(["for the header", "first", "second"])
    api = Api(httpx.Response(200, json={"inserted": 1}))
    connection = await reach(api, lambda: next(tokens))
    assert await connection.call("ingest_signals", {"signals": [{"price": "1.50"}]}) == {"inserted": 1}
    await connection.call("flush_broadcasts", {})
    first, second = api.requests
    assert (first.method, first.url.path) == ("POST", "/rest/v1/rpc/ingest_signals")
    assert first.content == b'{"signals":[{"price":"1.50"}]}'
    assert first.headers["apikey"] == "sb_publishable_x"
    assert first.headers["Authorization"] == "Bearer first"
    assert second.headers["Authorization"] == "Bearer second"
    await connection.close()


class Odd(Mapping[str, int]):
    """A mapping that is no dict."""

    def __getitem__(self, key: str) -> int:
        return {"a": 1}[key]

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


async def test_arguments_go_out_as_json_says() -> None:
    api = Api(httpx.Response(200, json={}))
    connection = await reach(api)
    when = datetime(2026, 5, 4, 12, tzinfo=UTC)
    rows = [
        {"price": "1.50", "text": "µ", "pair": ("a", None), "map": Odd(), "at": when},
        orjson.Fragment(b'{"b":2}'),
    ]
    await connection.call("ingest_signals", {"signals": rows})
    (request,) = api.requests
    assert (
        request.content
        == (
            '{"signals":[{"price":"1.50","text":"µ","pair":["a",null],"map":{"a":1},'
            '"at":"2026-05-04T12:00:00+00:00"},{"b":2}]}'
        ).encode()
    )
    assert request.headers["Content-Type"] == "application/json"
    await connection.close()


async def test_what_json_cannot_hold_is_not_sent() -> None:
    api = Api(httpx.Response(200, json={}))
    connection = await reach(api)
    with pytest.raises(TypeError):
        await connection.call("ingest_signals", {"signals": [{"price": Decimal("1.50")}]})
    assert api.requests == []
    await connection.close()


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (error(400, "23514", "signal x cannot go from closed to ready"), Refused, "from closed to ready"),
        (error(400, "22023", "at most 10,000 rows"), Refused, "10,000"),
        (error(403, "42501", "permission denied"), NotAllowed, "permission denied"),
        (error(401, "PGRST301", "JWT expired"), NotAllowed, "JWT expired"),
        (error(404, "PGRST202", "Could not find the function"), NotFound, "could not find"),
        (error(400, "40P01", "deadlock detected"), NotSent, "deadlock"),
        (error(500, "57P01", "terminating connection"), NotSent, "terminating"),
        (error(503, "PGRST000", "Could not connect"), NotSent, "connect"),
        (error(503, "PGRST003", "Timed out acquiring connection"), NotSent, "acquiring"),
        (error(503, "PGRST001", "Database client error"), OutcomeUnknown, "client error"),
        (error(503, "PGRST002", "Could not query the database"), NotSent, "query"),
        (error(400, "25006", "cannot execute INSERT in a read-only transaction"), NotSent, "read-only"),
        (error(503, "53100", "could not extend file"), NotSent, "extend"),
        (error(500, "F0000", "config file"), OutcomeUnknown, "config"),
        (error(400, "P0001", "a rule says no"), Refused, "says no"),
        (error(400, "PGRST102", "Empty or invalid json"), Refused, "invalid"),
        (error(500, "PGRSTX00", "internal library error"), OutcomeUnknown, "internal"),
        (httpx.Response(502, text="<html>bad gateway</html>"), OutcomeUnknown, "502"),
        (httpx.Response(503, json={"message": "name resolution failed"}), OutcomeUnknown, "resolution.*503"),
        (httpx.Response(502, json={"message": "An invalid response"}), OutcomeUnknown, "invalid response"),
        (httpx.Response(522, text="error code: 522"), OutcomeUnknown, "522"),
        (httpx.Response(524, text="error code: 524"), OutcomeUnknown, "524"),
        (httpx.Response(408, text=""), OutcomeUnknown, "408"),
        (httpx.Response(429, json={"message": "too many requests"}), NotSent, "too many"),
        (httpx.Response(540, json={"message": "Project paused"}), NotSent, "paused"),
        (httpx.Response(302, headers={"Location": "/"}), OutcomeUnknown, "302"),
        (httpx.Response(401, json={"message": "No API key found in request"}), NotAllowed, "API key"),
        (httpx.Response(413, text="Request Entity Too Large"), Refused, ""),
        (error(500, "XX000", "internal"), OutcomeUnknown, "internal"),
        (httpx.ConnectError("connection refused"), NotSent, "cannot be reached"),
        (httpx.ReadTimeout("too slow"), OutcomeUnknown, "no answer"),
        (httpx.RemoteProtocolError("cut off"), OutcomeUnknown, "no answer"),
    ],
)
async def test_each_answer_has_one_meaning(
    answer: httpx.Response | Exception, kind: type[SigtrailError], text: str
) -> None:
    connection = await reach(Api(answer))
    with pytest.raises(kind, match=f"(?i){text}") as caught:
        await connection.call("claim_work", {})
    assert str(caught.value).startswith("claim_work")
    await connection.close()


async def test_a_refusal_carries_what_the_database_said() -> None:
    body = {"code": "23514", "message": "no", "details": "the row", "hint": "do this"}
    connection = await reach(Api(httpx.Response(400, json=body)))
    with pytest.raises(Refused) as caught:
        await connection.call("claim_work", {})
    assert (caught.value.code, caught.value.details, caught.value.hint) == ("23514", "the row", "do this")
    await connection.close()


LOST = httpx.ReadError("cut off")
ABSENT = httpx.ConnectError("refused")
FINE = httpx.Response(200, json=1)


@pytest.mark.parametrize(
    ("name", "trouble", "sent"),
    [
        ("ingest_signals", LOST, 2),
        ("ingest_signals", ABSENT, 2),
        ("record_fills", ABSENT, 2),
        ("record_fills", error(400, "40001"), 2),
    ],
)
async def test_what_is_safe_is_sent_again(name: str, trouble: httpx.Response | Exception, sent: int) -> None:
    api = Api(trouble, FINE)
    connection = await reach(api)
    assert await connection.call(name, {}) == 1
    assert len(api.requests) == sent
    await connection.close()


@pytest.mark.parametrize(
    ("name", "trouble", "kind"),
    [
        ("record_fills", LOST, OutcomeUnknown),
        ("record_fills", httpx.Response(504, text=""), OutcomeUnknown),
        ("ingest_signals", error(400, "22023"), Refused),
        ("ingest_signals", error(403, "42501"), NotAllowed),
    ],
)
async def test_what_is_not_safe_or_no_use_is_sent_once(
    name: str, trouble: httpx.Response | Exception, kind: type[SigtrailError]
) -> None:
    api = Api(trouble, FINE)
    connection = await reach(api)
    with pytest.raises(kind):
        await connection.call(name, {})
    assert len(api.requests) == 1
    await connection.close()


async def test_a_caller_may_know_better_what_is_idempotent() -> None:
    api = Api(LOST, FINE)
    connection = await reach(api)
    assert await connection.call("record_fills", {}, idempotent=True) == 1
    await connection.close()


async def test_a_database_that_does_not_answer_is_left_alone_for_a_while() -> None:
    api = Api(ABSENT)
    connection = await reach(api)
    for _ in range(10):
        with pytest.raises(NotSent):
            await connection.call("claim_work", {})
    assert len(api.requests) < 12
    await connection.close()


async def test_a_database_that_fails_over_a_call_answers_all_the_same() -> None:
    api = Api(error(500, "XX000", "internal"))
    connection = await reach(api)
    for _ in range(10):
        with pytest.raises(OutcomeUnknown) as caught:
            await connection.call("ingest_signals", {})
        assert may_be_of_what_was_sent(caught.value)
    assert (len(api.requests), connection.away_seconds) == (30, 0)
    await connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        error(503, "PGRST003", "Timed out acquiring connection"),
        error(503, "53300", "too many connections"),
        error(500, "57P01", "terminating connection"),
        httpx.Response(500, text="Internal Server Error"),
        httpx.Response(502, text="<html>bad gateway</html>"),
        httpx.Response(500, json={"message": "an invalid response", "code": 500}),
        httpx.ReadTimeout("too slow"),
    ],
)
async def test_what_stands_in_between_never_fails_over_what_was_sent(
    answer: httpx.Response | Exception,
) -> None:
    connection = await reach(Api(answer))
    with pytest.raises(Unavailable) as caught:
        await connection.call("claim_work", {})
    assert not may_be_of_what_was_sent(caught.value)
    await connection.close()


def test_an_open_circuit_lets_one_call_look_now_and_then() -> None:
    seconds = [0.0]
    circuit = Circuit(limit=2, pause=5.0, now=lambda: seconds[0])
    circuit.admit()
    circuit.failed()
    circuit.admit()
    circuit.failed()
    with pytest.raises(NotSent):
        circuit.admit()
    seconds[0] = 5.0
    circuit.admit()
    with pytest.raises(NotSent):
        circuit.admit()
    circuit.succeeded()
    circuit.admit()
    circuit.admit()


def test_a_machine_token_names_its_role_and_its_machine() -> None:
    claims = jwt.decode(
        mint(SECRET, "analyst", "vyx-63eea370"), SECRET, algorithms=["HS256"], audience="authenticated"
    )
    assert (claims["role"], claims["machine_id"]) == ("analyst", "vyx-63eea370")
    assert "sub" not in claims
    assert claims["exp"] - claims["iat"] == LIFETIME_SECONDS


def test_a_machine_cannot_be_given_another_role() -> None:
    with pytest.raises(SigtrailError, match="'service_role' is not a machine role"):
        mint(SECRET, "service_role", "vyx-63eea370")


def test_a_user_token_names_the_user() -> None:
    claims = jwt.decode(mint_for_user(SECRET, "u-1"), SECRET, algorithms=["HS256"], audience="authenticated")
    assert (claims["role"], claims["sub"]) == ("authenticated", "u-1")


def test_tokens_are_renewed_long_before_they_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("shared.keys.time.time", lambda: now[0])
    tokens = Tokens(lambda moment: f"made at {moment:g}", lifetime=100)
    assert tokens() == "made at 1000"
    now[0] = 1049
    assert tokens() == "made at 1000"
    now[0] = 1050
    assert tokens() == "made at 1050"
