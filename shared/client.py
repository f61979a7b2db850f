"""A machine's connection to Supabase: supabase-py with a token that never runs out, and one way to call.

`Connection.call` is the only place that decides whether a call may be sent twice; shared/answers.py says what
each answer means.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import orjson
import stamina
import structlog
from postgrest.exceptions import APIError, APIErrorFromJSON, generate_default_error_message
from pydantic import ValidationError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from shared.answers import may_be_of_what_was_sent, translate
from shared.errors import ConfigurationError, DatabaseError, NotSent, OutcomeUnknown, Unavailable
from shared.keys import USER_ROLE, Tokens
from shared.machine_tokens import GivenToken, GivenTokens
from shared.settings import Settings
from shared.transport import Session, Sockets

log = structlog.get_logger(__name__)

# Calling one of these twice does what calling it once does: ids deduplicate, fences refuse, leases run out.
IDEMPOTENT = frozenset(
    {
        "ingest_signals",
        "claim_work",
        "renew_work",
        "release_work",
        "complete_analysis",
        "fail_analysis",
        "begin_model_call",
        "end_model_call",
        "record_monitoring",
        "expire_signals",
        "register_machine",
        "machine_heartbeat",
        "flush_broadcasts",
        "watch_signals",
        "unwatch_signals",
        "claim_alerts",
        "record_deliveries",
        "resolve_alert",
    }
)

# Handshakes cost more than calls: connections stay open between a candle and the next, and less long than a
# server keeps them (75 s): one that ends just as a call goes out leaves its outcome unknown.
KEEP_SECONDS = 70.0


class Circuit:
    """Stops asking a database that does not answer: after `limit` failures in a row only one call every
    `pause` seconds is let through to look, everything else fails at once."""

    def __init__(self, limit: int = 8, pause: float = 2.0, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._pause = pause
        self._now = now
        self._failures = 0
        self._failing_since: float | None = None
        self._look_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being turned away."""
        return self._failures >= self._limit

    @property
    def away_seconds(self) -> float:
        """For how long no call has been answered; 0 while they are."""
        return 0.0 if self._failing_since is None else self._now() - self._failing_since

    def admit(self) -> None:
        """Let a call pass, or raise `NotSent`."""
        if not self.is_open:
            return
        if self._now() < self._look_at:
            raise NotSent("the database does not answer; waiting before it is asked again")
        self._look_at = self._now() + self._pause

    def succeeded(self) -> None:
        """An answer came, whatever it says."""
        self._failures = 0
        self._failing_since = None

    def failed(self) -> None:
        """No answer came."""
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = self._now()
        if self._failures >= self._limit:
            self._look_at = self._now() + self._pause


class Connection:
    """One machine's way to the database, as one database role."""

    def __init__(self, client: AsyncClient, http: Session, tokens: Callable[[], str], role: str) -> None:
        self.client = client
        self.role = role
        self.token = tokens
        self._http = http
        self._addresses: dict[str, httpx.URL] = {}
        self._headers = httpx.Headers({**client.postgrest.headers, "Content-Type": "application/json"})
        self._circuit = Circuit()

    @property
    def away_seconds(self) -> float:
        """For how long the database has answered no call of this connection; 0 while it does."""
        return self._circuit.away_seconds

    async def call(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        attempts: int = 4,
        patience: float = 10.0,
        idempotent: bool | None = None,
    ) -> Any:
        """Call the function `name` and answer what it returned, parsed from JSON.

        A call that certainly did nothing is sent again, up to `attempts` times within `patience` seconds; one
        whose outcome is unknown only when it is idempotent (by name, unless said otherwise).
        Raises `Refused`, `NotAllowed`, `NotFound` or `Unavailable`.
        """
        repeatable = name in IDEMPOTENT if idempotent is None else idempotent
        again = Unavailable if repeatable else NotSent
        async for attempt in stamina.retry_context(
            on=again, attempts=attempts, timeout=patience, wait_initial=0.05, wait_max=2.0, wait_jitter=0.2
        ):
            with attempt:
                return await self._once(name, params)
        raise AssertionError("unreachable: the retry context either returns or raises")

    async def _once(self, name: str, params: Mapping[str, Any]) -> Any:
        self._circuit.admit()
        try:
            answer = await self._ask(name, params)
        except Unavailable as error:
            if may_be_of_what_was_sent(error):
                self._circuit.succeeded()
            else:
                self._circuit.failed()
            raise
        except DatabaseError:
            self._circuit.succeeded()
            raise
        self._circuit.succeeded()
        return answer

    async def _ask(self, name: str, params: Mapping[str, Any]) -> Any:
        """Call one function once; errors come out as Sigtrail's. Raises TypeError for arguments that JSON
        cannot hold.

        As supabase-py does it, without its builder, which takes as long as the sockets do. The arguments are
        written by orjson: not-a-number is null, and an orjson.Fragment goes out as it is.
        """
        content = orjson.dumps(dict(params), default=_plain)
        address = self._addresses.get(name)
        if address is None:
            # Taken apart once, not with each call.
            address = self._addresses[name] = httpx.URL(f"{self.client.rest_url}/rpc/{name}")
        try:
            answer = await self._http.post_plainly(address, self._headers, content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NotSent(f"{name}: the Supabase API cannot be reached ({_reason(error)})") from error
        except httpx.UnsupportedProtocol as error:
            raise ConfigurationError(f"SUPABASE_URL is not an http or https address: {error}") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"{name}: no answer came back ({_reason(error)})") from error
        try:
            return _told(answer)
        except APIError as error:
            raise translate(name, error, answer.status_code) from error

    async def close(self) -> None:
        """Close every socket that this connection opened."""
        await self._http.aclose()


def _plain(value: object) -> object:
    """What orjson does not know, as postgrest's own encoder would take it."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _told(answer: httpx.Response) -> Any:
    """What a function returned. Raises APIError, as supabase-py's client does."""
    if not answer.is_success:
        try:
            told = dict(APIErrorFromJSON.model_validate_json(answer.content))
        except ValidationError:
            told = generate_default_error_message(answer)
        raise APIError(told)
    try:
        return json.loads(answer.content)
    except ValueError:
        return answer.text or []


async def connect(
    settings: Settings, role: str, machine_id: str, given: GivenTokens | None = None
) -> Connection:
    """Open a connection as database role `role` for the machine `machine_id`; no request is made yet.

    With the tokens that a machine was `given` it signs none. Raises ConfigurationError where none is for this
    role, or they are another machine's, or over.
    """
    if given is None:
        return await open_connection(settings, Tokens.for_machine(settings, role, machine_id), role)
    if given.machine != machine_id:
        raise ConfigurationError(
            f"this is machine {machine_id}, and its tokens are of machine {given.machine}: make tokens with"
            f" `--machine {machine_id}`, or give {given.machine} a state folder of its own (SIGTRAIL_STATE)"
        )
    return await open_connection(settings, GivenToken(given, role), role)


async def connect_user(settings: Settings, user_id: str) -> Connection:
    """Open a connection that sees what this user sees."""
    return await open_connection(settings, Tokens.for_user(settings, user_id), USER_ROLE)


async def open_connection(
    settings: Settings,
    tokens: Callable[[], str],
    role: str,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Connection:
    """Open a connection that sends the token that `tokens` gives at the time of each request.

    `transport` replaces the network, for tests.
    """

    hosted = settings.supabase_url.startswith("https://")
    sockets = transport or Sockets(most=32, keep_seconds=KEEP_SECONDS, trust_env=hosted)
    http = Session(sockets, tokens, httpx.Timeout(30.0, connect=5.0))
    key = settings.supabase_publishable_key.get_secret_value()
    options = AsyncClientOptions(
        headers={"Authorization": f"Bearer {tokens()}"},
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=http,
    )
    client = await acreate_client(settings.supabase_url, key, options)
    return Connection(client, http, tokens, role)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
