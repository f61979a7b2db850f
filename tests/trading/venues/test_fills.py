"""Every fill is told once, whatever pages and windows a venue answers in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.trading.venues.capabilities import TABLE, Fills, Paging
from workers.trading.venues.fills import Raw, list_bills, list_fills

HOUR = 3_600_000
NOW = 1_000 * HOUR


class Venue:
    """Answers pages of one symbol's fills as venues do: from the oldest on, or from the newest back."""

    def __init__(self, rule: Fills, times: list[int], *, inclusive: bool = True) -> None:
        self.rule = rule
        # Whether the end of a window belongs to it: venues differ, and do not say.
        self.inclusive = inclusive
        self.trades: list[Raw] = [
            {"id": str(number), "timestamp": at} for number, at in enumerate(sorted(times), 100)
        ]
        self.asked = 0

    async def __call__(self, symbol: str, since: int | None, limit: int, params: dict[str, Any]) -> list[Raw]:
        self.asked += 1
        assert self.asked < 500, "it asks for ever"
        assert limit == self.rule.page
        if "fromId" in params:
            assert since is None, "Binance takes an id or a time, not both"
            return [t for t in self.trades if int(t["id"]) >= params["fromId"]][:limit]
        start, end = since or 0, params.get("until", NOW)
        if self.rule.window is not None and since is not None:
            end = min(end, start + self.rule.window // timedelta(milliseconds=1))
        within: list[dict[str, Any]] = [
            dict(t)
            for t in self.trades
            if start <= t["timestamp"] <= end and (self.inclusive or t["timestamp"] < end or end == NOW)
        ]
        if self.rule.paging in ("id", "time"):
            return [*within[:limit]]
        within.reverse()
        first = int(params.get("cursor", 0))
        page = within[first : first + limit]
        if self.rule.paging == "cursor" and page:
            page[0]["info"] = {"nextPageCursor": str(first + limit)}
        pages: list[Raw] = [*reversed(page)]
        return pages


PLANS = [
    Fills(page=3, paging="id"),
    Fills(page=3, paging="id", window=timedelta(hours=7)),
    Fills(page=3, paging="cursor", window=timedelta(hours=7)),
    Fills(page=3, paging="cursor"),
    Fills(page=3, paging="time"),
    Fills(page=3, paging="backwards"),
    Fills(page=3, paging="backwards", window=timedelta(hours=7)),
]


@pytest.mark.parametrize("rule", PLANS, ids=lambda rule: f"{rule.paging}-{rule.window}")
@given(
    # No two at one moment for who pages back by time: a venue's hundred fills in one millisecond aside.
    st.lists(st.integers(900 * HOUR, NOW), max_size=40, unique=True),
    st.integers(880 * HOUR, NOW),
    st.booleans(),
)
async def test_nothing_is_missed_or_told_twice(
    rule: Fills, times: list[int], since: int, inclusive: bool
) -> None:
    venue = Venue(rule, times, inclusive=inclusive)
    found = await list_fills(venue, rule, "BTC/USDT", since, NOW)
    ids = [trade["id"] for trade in found]
    assert [t["id"] for t in venue.trades if t["timestamp"] >= since] == [
        trade["id"] for trade in found if trade["timestamp"] >= since
    ]
    assert len(ids) == len(set(ids))


async def test_fills_of_one_moment_are_all_told_by_id() -> None:
    rule = Fills(page=3, paging="id")
    venue = Venue(rule, [950 * HOUR] * 11)
    assert len(await list_fills(venue, rule, "BTC/USDT", 950 * HOUR, NOW)) == 11


@pytest.mark.parametrize("paging", ["backwards", "time"])
async def test_fills_of_one_moment_are_not_lost_between_two_pages(paging: Paging) -> None:
    rule = Fills(page=3, paging=paging)
    venue = Venue(rule, [950 * HOUR + n // 2 for n in range(10)])
    assert len(await list_fills(venue, rule, "BTC/USDT", 949 * HOUR, NOW)) == 10


def test_every_venue_has_one_of_the_plans_that_were_tried() -> None:
    tried = {(plan.paging, plan.window is not None) for plan in PLANS}
    rules = [rule for row in TABLE.values() for rule in (row.fills, row.fundings)]
    assert {(rule.paging, rule.window is not None) for rule in rules} <= tried


@given(st.lists(st.integers(900 * HOUR, NOW), max_size=40), st.integers(880 * HOUR, NOW))
async def test_bills_of_all_symbols_are_gone_through_back_to_the_time_that_was_asked_for(
    times: list[int], since: int
) -> None:
    bills: list[Raw] = [{"id": str(n), "timestamp": at} for n, at in enumerate(sorted(times), 95)]

    async def ask(_symbol: str, start: int | None, limit: int, params: dict[str, Any]) -> list[Raw]:
        assert start is None
        older = [one for one in bills if int(one["id"]) < int(params.get("after", 10**9))]
        return older[-limit:]

    found = await list_bills(ask, 3, "BTC/USDT:USDT", since)
    wanted = [one["id"] for one in bills if one["timestamp"] >= since]
    assert sorted(one["id"] for one in found) == sorted(wanted)
