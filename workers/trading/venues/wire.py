"""One account's wire to its venue: requests of ccxt in their turn, and what is known of how each ended.

An answer that nobody can read, and an error of which only the transport is known, rise as failed operations:
what they were about may have happened.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import aiohttp
from ccxt.base.errors import BadResponse, BaseError, ExchangeError, ExchangeNotAvailable

from workers.trading.decisions.outcome import describe, is_key_refused
from workers.trading.traffic.traffic import Traffic, Turn
from workers.trading.venues.gate import gate_of_request
from workers.trading.venues.wording import UNREADABLE, readable, unreadable

_SERVER_ERROR = 500
# No account has so many orders or positions open that a listing of them is longer.
MOST_PAGES = 200


@dataclass(slots=True)
class _Answered:
    """The HTTP status of the last answer within one request."""

    status: int = 0


_answered: ContextVar[_Answered | None] = ContextVar("answered", default=None)


class Wire:
    """Asks one ccxt exchange. Every exception of ccxt rises."""

    def __init__(self, exchange: Any, traffic: Traffic) -> None:
        self.exchange = exchange
        self.traffic = traffic
        # What the venue said when it refused the key, while it does: of questions (True), and of commands.
        self._key_errors: dict[bool, str] = {}
        self._session: aiohttp.ClientSession | None = getattr(exchange, "session", None)
        if hasattr(exchange, "on_rest_response"):
            exchange.on_rest_response = self._hear_answer
        # What ccxt sends a request by, once it is signed.
        self._fetch: Any = None
        if hasattr(exchange, "fetch") and exchange.id != "paper":
            self._fetch, exchange.fetch = exchange.fetch, self._leave

    @property
    def has_gates(self) -> bool:
        """Whether a request can be made without leaving: where its time alone says how long it is good for.
        One that carries a number that has to grow may be overtaken by a later one."""
        return self._fetch is not None and "recvWindow" in self.exchange.options

    @property
    def key_error(self) -> str | None:
        """What the venue said when it refused the key, or a right of it, for the last question or command."""
        return next(iter(self._key_errors.values()), None)

    async def close(self) -> None:
        """Close all connections."""
        await self.exchange.close()
        # A session that was handed to ccxt is not closed by it.
        if self._session is not None and not self._session.closed:
            await self._session.close()

    async def read(self, name: str, *args: Any) -> Any:
        """Ask something, by the name of ccxt's method."""
        return await self.request("read", name, *args)

    async def read_pages(self, name: str, *args: Any, page: int, params: dict[str, Any]) -> list[Any]:
        """Ask for a listing until a page is not full, as Bybit tells them: by a cursor in its first item.

        Raises BadResponse for one that does not end: a part of it would say of the rest that it is not there.
        """
        found: list[Any] = []
        for _ in range(MOST_PAGES):
            answers = await self.read(name, *args, dict(params))
            found += answers
            with readable(name):
                cursor = next((c for one in answers if (c := one["info"].get("nextPageCursor"))), None)
            if not cursor or len(answers) < page:
                return found
            params = {**params, "cursor": cursor}
        raise BadResponse(f"{name}: the listing does not end after {MOST_PAGES} pages of {page}")

    async def request(self, kind: Turn, name: str, *args: Any) -> Any:
        """One request in its turn. What fails in a way that tells nothing of its outcome says so."""
        answered = _Answered()
        token = _answered.set(answered)
        asks = kind == "read"
        try:
            async with self.traffic.turn(kind, name):
                try:
                    answer = await getattr(self.exchange, name)(*args)
                except ExchangeError as error:
                    # ccxt calls an answer that broke off, and codes of a server in trouble, refusals.
                    if answered.status >= _SERVER_ERROR or isinstance(error.__cause__, aiohttp.ClientError):
                        raise ExchangeNotAvailable(f"{answered.status or 'no'} answer: {error}") from error
                    raise
                except UNREADABLE as error:
                    raise unreadable(name, error) from error
        except BaseError as error:
            if is_key_refused(error):
                self._key_errors[asks] = describe(error)
            raise
        else:
            # Markets are told to everybody.
            if name != "load_markets":
                self._key_errors.pop(asks, None)
            return answer
        finally:
            _answered.reset(token)

    async def _leave(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None, *more: Any, **named: Any
    ) -> Any:
        gate = gate_of_request()
        if gate is not None:
            await gate.wait()
            self.traffic.leave()
        return await self._fetch(url, method, headers, body, *more, **named)

    def _hear_answer(
        self, status: int, reason: str, url: str, method: str, headers: Any, body: str, *_: Any
    ) -> str:
        answered = _answered.get()
        if answered is not None:
            answered.status = status
        self.traffic.hear(status, {str(name).lower(): str(value) for name, value in headers.items()})
        return body.strip()
