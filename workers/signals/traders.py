"""The traders that the signals role evaluates, read from the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

import httpx
from postgrest.exceptions import APIError
from pydantic import ValidationError

from shared.client import Connection, translate
from shared.errors import NotSent
from shared.models import TRADER_COLUMNS, Trader
from workers.signals.evaluator import Unfit

PAGE = 1000
LoadTraders = Callable[[], Awaitable[tuple[list[Trader], list[Unfit]]]]


async def load_traders(connection: Connection) -> tuple[list[Trader], list[Unfit]]:
    """All active traders, and those rows that cannot be read as one.

    Raises what `shared.client` makes of a failed request.
    """
    traders: list[Trader] = []
    unfit: list[Unfit] = []
    last = UUID(int=0)
    while rows := await _read_page(connection, last):
        for row in rows:
            last = UUID(row["id"])
            try:
                traders.append(Trader.model_validate(row))
            except ValidationError as error:
                reason = "; ".join(
                    f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()
                )
                unfit.append(Unfit(last, str(row.get("name")), reason))
        if len(rows) < PAGE:
            break
    return traders, unfit


async def _read_page(connection: Connection, after: UUID) -> Sequence[dict[str, Any]]:
    query = (
        connection.client.table("traders")
        .select(TRADER_COLUMNS)
        .eq("status", "active")
        .gt("id", str(after))
        .order("id")
        .limit(PAGE)
    )
    try:
        response = await query.execute()
    except APIError as error:
        raise translate("traders", error) from error
    except httpx.TransportError as error:
        raise NotSent(
            f"traders: the Supabase API cannot be reached ({error or type(error).__name__})"
        ) from error
    rows: Any = response.data
    return [] if rows is None else list(rows)
