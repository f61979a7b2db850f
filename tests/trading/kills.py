"""A bridge that dies at a chosen await: before the call took effect, or after, before the answer came."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

Moment = Literal["before", "after"]


class Killed(BaseException):
    """The process is gone. No handler of the product may catch this."""


class Axe:
    """Counts the bridge's calls to the database and to the venue, and falls at one of them."""

    def __init__(self, at: int | None = None, moment: Moment = "before") -> None:
        self.at = at
        self.moment = moment
        self.calls: list[str] = []

    async def strike(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Do the call, unless this is where the process dies."""
        number = len(self.calls)
        self.calls.append(name)
        if number == self.at and self.moment == "before":
            raise Killed(f"before call {number}, {name}")
        answer = await call()
        if number == self.at:
            raise Killed(f"after call {number}, {name}")
        return answer


class AxedCall:
    """The database behind an axe."""

    def __init__(self, call: Any, axe: Axe) -> None:
        self._call = call
        self._axe = axe

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        return await self._axe.strike(name, lambda: self._call(name, params))


class AxedExchange:
    """A paper exchange behind an axe; it also sees every order that is sent although it was taken before."""

    def __init__(self, exchange: Any, axe: Axe) -> None:
        self._exchange = exchange
        self._axe = axe
        self.doubled: list[str] = []

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._exchange, name)
        if not inspect.iscoroutinefunction(attribute) or name == "close":
            return attribute

        async def struck(*args: Any, **kwargs: Any) -> Any:
            if name == "create_order":
                client_id = args[5]["clientOrderId"]
                if client_id in self._exchange.paper_engine.by_client_id:
                    self.doubled.append(client_id)
            return await self._axe.strike(name, lambda: attribute(*args, **kwargs))

        return struck
