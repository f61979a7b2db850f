"""The table of what venues can do agrees with what ccxt says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import ccxt.pro
import pytest

from workers.trading.orders import Leg, client_order_id
from workers.trading.venues.capabilities import TABLE, UNVERIFIED, Capabilities, ClientIds, capabilities_of
from workers.trading.venues.venue import camel_case

ROWS = [(venue, market, row) for (venue, market), row in TABLE.items() if venue != "paper"]
NAMES = [f"{venue}-{market}" for venue, market, _ in ROWS]
OURS = client_order_id(UUID("01985f3f-e000-8abc-9def-0123456789ab"), Leg.ENTRY, 1)
every_row = pytest.mark.parametrize(("venue", "market", "row"), ROWS, ids=NAMES)


def features(venue: str, market: str) -> tuple[Any, Mapping[str, Any]]:
    exchange = getattr(ccxt.pro, venue)()
    told = exchange.features["spot"] if market == "spot" else exchange.features["swap"]["linear"]
    return exchange.has, told


@every_row
def test_a_row_claims_of_orders_only_what_ccxt_claims(venue: str, market: str, row: Capabilities) -> None:
    has, told = features(venue, market)
    create = told["createOrder"]
    if row.stops:
        assert create["stopLossPrice"]
        assert create["takeProfitPrice"]
    assert row.attaches_unnamed is bool(create["attachedStopLossTakeProfit"])
    assert not row.attached, "no venue takes our ids for attached legs"
    assert not row.post_only or create["timeInForce"]["PO"]
    assert not row.amend or has["editOrder"]
    if row.oco is not None:
        # A way of the venue's own: ccxt has it as implicit methods, and no unified one.
        assert not has["createOrderWithTakeProfitAndStopLoss"]
        exchange = getattr(ccxt.pro, venue)()
        assert all(callable(getattr(exchange, name)) for name in (row.oco.place, row.oco.cancel))
        assert not row.resting_legs
    assert row.dead_man is bool(has.get("cancelAllOrdersAfter"))
    if row.reduce_only:
        assert market == "usdm"
        assert has["createReduceOnlyOrder"]


@every_row
def test_transfers_are_asked_for_where_there_is_a_ledger(venue: str, market: str, row: Capabilities) -> None:
    has, _ = features(venue, market)
    assert not row.transfers or (has["fetchLedger"] and row.wallet is not None)


@every_row
def test_a_stop_that_opens_is_asked_for_as_ccxt_demands(venue: str, market: str, row: Capabilities) -> None:
    _, told = features(venue, market)
    create = told["createOrder"]
    if row.stop_entry in ("trigger", "directed"):
        assert create["triggerPrice"]
    if row.stop_entry is not None:
        assert (row.stop_entry == "directed") is bool(create.get("triggerDirection"))


@every_row
def test_listings_stay_within_what_the_venue_answers(venue: str, market: str, row: Capabilities) -> None:
    has, told = features(venue, market)
    if row.trigger_books:
        assert told["fetchOpenOrders"]["trigger"]
    trades = told["fetchMyTrades"]
    assert row.fills.page <= (trades["limit"] or 1000)
    if row.fills.window is not None and trades["untilDays"]:
        assert row.fills.window <= timedelta(days=trades["untilDays"])
    # Only who asks on from an id may ignore that the venue looks no further than a few days.
    if trades["untilDays"] and trades["untilDays"] < 100:
        assert row.fills.window is not None or row.fills.paging == "id"
    for method in row.streams:
        assert has[camel_case(method)]


@every_row
def test_every_venue_takes_an_id_that_derives_from_ours(venue: str, market: str, row: Capabilities) -> None:
    assert OURS.startswith(row.client_ids.sent(OURS))
    assert len(row.client_ids.sent(OURS)) >= 26
    assert row.client_ids.seen(OURS).endswith(row.client_ids.sent(OURS))


def test_an_id_that_the_venue_would_refuse_is_never_sent() -> None:
    with pytest.raises(ValueError, match="takes no client order id"):
        ClientIds(pattern=r"[0-9a-f]{32}").sent("not-hex")
    assert re.fullmatch(r"[0-9a-f]{32}", OURS)


class Named:
    """An exchange of which only the name is known."""

    def __init__(self, venue: str) -> None:
        self.id = venue


def test_a_venue_that_nobody_verified_is_managed_by_the_bridge() -> None:
    assert capabilities_of(Named("bitfinex"), "spot") is UNVERIFIED
    # Verified on one market says nothing about the other.
    assert capabilities_of(Named("kraken"), "usdm") is UNVERIFIED
    assert not UNVERIFIED.stops


@pytest.mark.parametrize("venue", ["kraken", "coinbase", "gate"])
def test_where_ccxt_is_silently_wrong_no_stop_rests_at_the_venue(venue: str) -> None:
    rows = [row for (name, _), row in TABLE.items() if name == venue]
    assert rows
    assert not any(row.stops or row.resting_legs or row.stop_entry for row in rows)
