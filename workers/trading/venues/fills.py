"""All fills, and all payments of funding, since a time, whatever pages and windows a venue tells them in.

A venue that answers its newest hundred and stops there would hide the others for good, so every way of
asking goes on until a page is not full. What is told twice is answered once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from workers.trading.venues.capabilities import Fills

Raw = Mapping[str, Any]
# ccxt's fetchMyTrades: symbol, since, limit, params.
Ask = Callable[[str, int | None, int, dict[str, Any]], Awaitable[list[Raw]]]


async def list_fills(ask: Ask, rule: Fills, symbol: str, since: int | None, now: int) -> list[Raw]:
    """ccxt's trades of a symbol since a time in milliseconds, oldest first. Raises what `ask` raises."""
    found: dict[str, Raw] = {}
    start = since
    while True:
        end = (
            None if start is None or rule.window is None else start + rule.window // timedelta(milliseconds=1)
        )
        end = None if end is None or end >= now else end
        whole = await _list_window(ask, rule, symbol, start, end, found)
        if whole or end is None:
            break
        start = end
    return sorted(found.values(), key=lambda trade: (trade["timestamp"], len(str(trade["id"])), trade["id"]))


async def list_bills(ask: Ask, page: int, symbol: str, since: int) -> list[Raw]:
    """Payments since a time, of a venue that tells those of all symbols, the newest first, and back by id.

    ccxt leaves out what was not asked for after it came, so nothing but the venue's own numbers tells whether
    there is more.
    """
    found: dict[str, Raw] = {}
    params: dict[str, Any] = {}
    while True:
        answers = await ask(symbol, None, page, dict(params))
        found |= {str(one["id"]): one for one in answers}
        if len(answers) < page or min(int(one["timestamp"]) for one in answers) < since:
            break
        params["after"] = min((str(one["id"]) for one in answers), key=lambda one: (len(one), one))
    return [one for one in found.values() if int(one["timestamp"]) >= since]


async def _list_window(
    ask: Ask, rule: Fills, symbol: str, start: int | None, end: int | None, found: dict[str, Raw]
) -> bool:
    """Find what lies in one window; True when what was found reaches to the present."""
    params: dict[str, Any] = {} if end is None else {"until": end}
    page = await ask(symbol, start, rule.page, dict(params))
    while page:
        fresh = [trade for trade in page if str(trade["id"]) not in found]
        found |= {str(trade["id"]): trade for trade in page}
        full = len(page) >= rule.page
        if rule.paging == "time":
            if not full:
                return "until" not in params
            latest = max(int(trade["timestamp"]) for trade in page)
            # Asked again from the same moment on, unless that told nothing new.
            start = latest if fresh else latest + 1
            page = await ask(symbol, start, rule.page, dict(params))
            continue
        if rule.paging == "id":
            # An id leads on from window to window: the last page that is not full ends at the present.
            if not full and "until" not in params:
                return True
            params = {"fromId": 1 + max(int(trade["id"]) for trade in page)}
            page = await ask(symbol, None, rule.page, dict(params))
            continue
        cursor = next((c for trade in page if (c := (trade.get("info") or {}).get("nextPageCursor"))), None)
        if not full or (rule.paging == "cursor" and cursor is None):
            return False
        if rule.paging == "cursor":
            params["cursor"] = cursor
        else:
            oldest = min(int(trade["timestamp"]) for trade in page)
            # Asked again from the same moment on, unless that told nothing new.
            params["until"] = oldest if fresh else oldest - 1
        page = await ask(symbol, start, rule.page, dict(params))
    return "fromId" in params
