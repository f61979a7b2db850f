"""The traders that the signals role evaluates, read from the database: all of them at first, and then those
that were changed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from postgrest import CountMethod
from postgrest.exceptions import APIError
from pydantic import ValidationError

from shared.answers import translate
from shared.client import Connection
from shared.errors import NotSent
from shared.models import TRADER_COLUMNS, Trader
from workers.signals.evaluator import Unfit

PAGE = 1000
# A change carries the time at which its transaction began, and is seen when that ends.
OVERLAP = timedelta(minutes=2)
# All are read again now and then: what took longer than OVERLAP is found then, at the latest.
WHOLE_EVERY = 50
LoadTraders = Callable[[], Awaitable[tuple[list[Trader], list[Unfit]]]]


class TraderList:
    """All active traders as the database has them, kept up to date by what was changed since."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._traders: dict[UUID, Trader] = {}
        self._unfit: dict[UUID, Unfit] = {}
        self._symbols: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._changed_at: datetime | None = None
        self._loads = 0

    async def load(self) -> tuple[list[Trader], list[Unfit]]:
        """All active traders by their ids, and those rows that cannot be read as one.

        Raises what `shared.client` makes of a failed request; then the next time begins where this one did.
        """
        if self._changed_at is None or self._loads % WHOLE_EVERY == 0:
            await self._read_all()
        else:
            await self._take(self._changed_at - OVERLAP)
            # What is gone altogether has no time of a change.
            if await _count(self._connection) != len(self._traders) + len(self._unfit):
                await self._read_all()
        self._loads += 1
        ids = sorted(self._traders)
        return [self._traders[one] for one in ids], [self._unfit[one] for one in sorted(self._unfit)]

    async def _read_all(self) -> None:
        traders, unfit, symbols = self._traders, self._unfit, self._symbols
        self._traders, self._unfit, self._symbols = {}, {}, {}
        try:
            await self._take(None)
        except BaseException:
            self._traders, self._unfit, self._symbols = traders, unfit, symbols
            raise

    async def _take(self, since: datetime | None) -> None:
        last = UUID(int=0)
        newest = self._changed_at
        while rows := await _read_page(self._connection, last, since):
            for row in rows:
                last = UUID(row["id"])
                changed_at = self._keep(last, row)
                newest = changed_at if newest is None else max(newest, changed_at)
            if len(rows) < PAGE:
                break
        self._changed_at = newest

    def _keep(self, trader_id: UUID, row: dict[str, Any]) -> datetime:
        """Take one row as it is now, and answer when it was changed."""
        self._traders.pop(trader_id, None)
        self._unfit.pop(trader_id, None)
        if row["status"] == "active":
            try:
                trader = Trader.model_validate(row)
            except ValidationError as error:
                reason = "; ".join(
                    f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
                )
                self._unfit[trader_id] = Unfit(trader_id, str(row.get("name")), reason)
            else:
                # Thousands of traders watch the same symbols: their names are kept once.
                symbols = self._symbols.setdefault(trader.symbols, trader.symbols)
                self._traders[trader_id] = trader.model_copy(update={"symbols": symbols})
        return datetime.fromisoformat(row["updated_at"])


async def load_traders(connection: Connection) -> tuple[list[Trader], list[Unfit]]:
    """All active traders, and those rows that cannot be read as one.

    Raises what `shared.client` makes of a failed request.
    """
    return await TraderList(connection).load()


def intervals_of(traders: Iterable[Trader]) -> dict[str, set[str]]:
    """On which intervals these traders watch each symbol."""
    found: dict[str, set[str]] = {}
    for trader in traders:
        for symbol in trader.symbols:
            found.setdefault(symbol, set()).add(trader.interval)
    return found


async def _read_page(connection: Connection, after: UUID, since: datetime | None) -> Sequence[dict[str, Any]]:
    query = connection.client.table("traders").select(TRADER_COLUMNS)
    query = query.eq("status", "active") if since is None else query.gte("updated_at", since.isoformat())
    response = await _ask(query.gt("id", str(after)).order("id").limit(PAGE).execute)
    rows: Any = response.data
    return [] if rows is None else list(rows)


async def _count(connection: Connection) -> int | None:
    query = connection.client.table("traders").select("id", count=CountMethod.exact, head=True)
    response = await _ask(query.eq("status", "active").execute)
    count: int | None = response.count
    return count


async def _ask(execute: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await execute()
    except APIError as error:
        raise translate("traders", error) from error
    except httpx.TransportError as error:
        raise NotSent(
            f"traders: the Supabase API cannot be reached ({error or type(error).__name__})"
        ) from error
