"""A listing in pages is told whole or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ccxt.base.errors import BadResponse

from workers.trading.venues.wire import MOST_PAGES, Wire


class Listing:
    """A venue that tells items by two, for as long as there are any."""

    def __init__(self, items: int | None) -> None:
        self.items = items
        self.asked = 0

    async def read(self, _name: str, params: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked += 1
        first = int(params.get("cursor", 0))
        left = 2 if self.items is None else max(min(2, self.items - first), 0)
        page: list[dict[str, Any]] = [{"id": first + place, "info": {}} for place in range(left)]
        if page:
            page[0]["info"] = {"nextPageCursor": str(first + 2)}
        return page


async def pages(listing: Listing) -> list[Any]:
    wire = cast(Wire, SimpleNamespace(read=listing.read))
    return await Wire.read_pages(wire, "fetch_open_orders", page=2, params={"settleCoin": "USDT"})


@pytest.mark.parametrize("items", [0, 1, 2, 3, 4, 7])
async def test_all_pages_are_told(items: int) -> None:
    assert [one["id"] for one in await pages(Listing(items))] == list(range(items))


async def test_a_listing_without_an_end_is_no_answer() -> None:
    endless = Listing(None)
    with pytest.raises(BadResponse, match="does not end"):
        await pages(endless)
    assert endless.asked == MOST_PAGES
