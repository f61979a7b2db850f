"""Holdings against the record: what a fill of the same look explains is no alarm, and what lasts is one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from structlog.testing import capture_logs

from tests.trading.made import NOW, RULES, SIGNAL, order, position
from workers.trading.book import Book
from workers.trading.comparison import Comparison
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.hearing import Hearing
from workers.trading.ledger import Facts, State
from workers.trading.orders import Leg, Order, OrderStatus
from workers.trading.policy import Policy
from workers.trading.venues.assets import Holdings
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.venue import Venue

POLICY = Policy()
ENTRY = order(status=OrderStatus.FILLED, filled=Decimal(10))
STOP = order(Leg.STOP_LOSS)
FILL = VenueTrade(
    "7", str(STOP.venue_order_id), None, "sell", Decimal(98), Decimal(10), Decimal(0), "USDT", NOW
)


class Flat:
    """A venue that holds nothing any more; what it tells of why is the test's."""

    is_authoritative = nets = False
    activity = stream = None
    counts_trades = False
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.told: list[VenueTrade] = []
        self.stop: VenueOrder | None = None

    async def rules(self, _symbol: str) -> Rules:
        return RULES

    async def holdings(self, _symbols: list[str]) -> Holdings:
        return Holdings()

    async def trades(self, _symbol: str, _since: object, _kind: str | None = None) -> list[VenueTrade]:
        return self.told

    async def open_orders(self, _symbol: str) -> list[VenueOrder]:
        return []

    async def find(self, _order: Order) -> VenueOrder | None:
        return self.stop

    async def is_liquidation(self, _trade: VenueTrade) -> bool:
        return False


class Scene:
    """A position with its stop in the record."""

    def __init__(self) -> None:
        self.venue, book = Flat(), Book()
        book.update(State(orders=(ENTRY, STOP), positions=(position(),)))
        venue = cast(Venue, self.venue)
        self.comparison = Comparison(venue, book, POLICY, Hearing(venue, book, POLICY))
        self.logs: list[tuple[str, str]] = []

    async def look(self, number: int = 0) -> Facts:
        """One look, so many spacings later."""
        with capture_logs() as logs:
            facts = await self.comparison.look(NOW + number * POLICY.probe_spacing)
        self.comparison.looked()
        differing: list[Any] = [one for one in logs if one["event"] == "holdings_differ"]
        self.logs += [(one["log_level"], one["missing"]) for one in differing]
        return facts


async def test_what_a_fill_of_the_same_look_explains_is_no_alarm() -> None:
    scene = Scene()
    scene.venue.told = [FILL]
    scene.venue.stop = VenueOrder(
        str(STOP.venue_order_id), STOP.client_order_id, "filled", Decimal(10), Decimal(10)
    )
    facts = await scene.look()
    assert [fill["client_order_id"] for fill in facts.fills] == [STOP.client_order_id]
    assert (facts.exits, facts.venue_closes, scene.logs) == ([], [], [])


async def test_nor_is_a_stop_that_filled_and_whose_fills_are_told_later() -> None:
    scene = Scene()
    scene.venue.stop = VenueOrder(
        str(STOP.venue_order_id), STOP.client_order_id, "filled", Decimal(10), Decimal(10)
    )
    facts = await scene.look()
    assert (facts.fills, facts.exits, scene.logs) == ([], [], [])
    scene.venue.told = [FILL]
    assert len((await scene.look(1)).fills) == 1
    assert scene.logs == []


async def test_what_nothing_explains_is_an_alarm_once_it_lasts() -> None:
    scene = Scene()
    found = [await scene.look(number) for number in range(POLICY.probes)]
    assert scene.logs == [("warning", "10"), ("warning", "10"), ("error", "10")]
    assert [len(facts.exits) for facts in found] == [0, 0, 1]
    assert found[-1].exits[0]["position_id"] == str(SIGNAL)
