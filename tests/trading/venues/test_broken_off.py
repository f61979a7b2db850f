"""What breaks off half-way leaves no account untended, and a failing question no position."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ccxt.base.errors import BadResponse, RequestTimeout

from shared.clock import WallClock
from shared.errors import NotSent, OrderDenied, Refused
from tests.trading.made import RULES, order
from tests.trading.venues.test_plain_venue import PlainExchange, play
from tests.trading.world import World
from workers.trading.leases import Leases
from workers.trading.orders import Leg
from workers.trading.role import LEASE_LOST
from workers.trading.traffic.traffic import FreeTraffic
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.venue import Venue


class Refusing:
    """A database that answers the next call of this name with an error."""

    def __init__(self, world: World, name: str, error: Exception) -> None:
        self.world, self.name, self.error = world, name, error
        self.left = 1

    async def __call__(self, name: str, params: Mapping[str, Any], /) -> Any:
        if name == self.name and self.left:
            self.left -= 1
            raise self.error
        return await self.world.call(name, params)


async def test_an_account_that_was_claimed_and_not_seated_is_seated_later(world: World) -> None:
    bridge = world.bridge(Refusing(world, "list_trading", NotSent("the database is away")))
    with pytest.raises(NotSent):
        await bridge.start()
    # As if it had broken off one account earlier.
    bridge._desks.clear()
    await world.settle(bridge)
    assert set(bridge._desks) == {world.account}
    assert bridge._desks[world.account].is_open


async def test_a_lease_that_is_lost_while_its_account_opens_is_left(world: World) -> None:
    bridge = world.bridge(Refusing(world, "list_trading", Refused("taken over", code=LEASE_LOST)))
    await bridge.start()
    assert bridge.counts["accounts_lost"] == 1
    assert bridge._desks == {}


async def test_leases_are_kept_while_accounts_open(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    call = world.call

    async def listen(name: str, params: Mapping[str, Any], /) -> Any:
        told.append(name)
        return await call(name, params)

    monkeypatch.setattr(Leases, "keep", lambda _self: told.append("keep"))
    bridge = world.bridge(listen)
    bridge._clock = WallClock()
    await bridge.start()
    assert told.index("keep") < told.index("claim_accounts")
    await bridge.stop()


async def test_questions_that_fail_keep_no_stop_from_being_watched(world: World) -> None:
    exchange = PlainExchange(world.exchange, "kraken")
    bridge = await world.start(exchange=exchange)
    signal = await world.make_ready()
    await world.settle(bridge)
    await play(world, bridge, "100")
    assert (await world.signal(signal))["status"] == "in_position"

    async def silent(*_: Any, **__: Any) -> Any:
        raise RequestTimeout("no answer")

    vars(exchange).update(fetch_my_trades=silent, fetch_open_orders=silent, fetch_balance=silent)
    for price in ("97", "96"):
        world.candle(price)
        # A sweep is due, and fails.
        bridge._desks[world.account]._hearing._swept_at = None
        await bridge.step()
    assert bridge.counts["venue_errors"] > 0
    assert ("exit", 1) in await world.orders(signal)
    assert not any(one.amount for one in world.exchange.paper_engine.ledger.positions.values())


@pytest.mark.parametrize(
    ("leg", "kind"),
    [(Leg.ENTRY, "order"), (Leg.TAKE_PROFIT, "order"), (Leg.STOP_LOSS, "stop"), (Leg.EXIT, "stop")],
)
async def test_what_closes_at_the_market_leaves_as_a_stop_does(
    leg: Leg, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: list[str] = []

    class Traffic(FreeTraffic):
        @asynccontextmanager
        async def turn(self, kind: str, name: str) -> AsyncIterator[None]:
            kinds.append(kind)
            if kinds:
                raise RequestTimeout("enough")
            yield

    venue: Any = Venue(type("Exchange", (), {"id": "test"})(), Capabilities(), Traffic())
    venue._markets._rules = {RULES.symbol: RULES}
    monkeypatch.setattr("workers.trading.venues.venue.word_amount", lambda *_: 1.0)
    monkeypatch.setattr("workers.trading.venues.venue.word_order", lambda *_: {})
    with pytest.raises(RequestTimeout):
        await venue.place(order(leg), [])
    assert kinds == [kind]


@pytest.mark.parametrize(
    "error", [OrderDenied("gone", code="symbol_not_tradable"), Refused("a rule", code="23514")]
)
async def test_a_desk_that_fails_stops_no_step(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = await world.start()

    async def fail(*_: Any) -> int:
        raise error

    monkeypatch.setattr(bridge._desks[world.account], "step", fail)
    await bridge.step()
    assert bridge.counts["desks_failed"] == 1


async def test_entries_that_the_database_refuses_wait(world: World) -> None:
    call = Refusing(world, "record_trading", Refused("a rule", code="23514"))
    bridge = await world.start(call=call)
    signal = await world.make_ready()
    await bridge.step()
    assert bridge.counts["desks_failed"] == 1
    for _ in range(3):
        world.still()
        world.wakes.wake("trading")
        await world.settle(bridge)
    assert ("entry", 1) in await world.orders(signal)


async def test_the_database_being_away_still_stops_a_step(world: World) -> None:
    bridge = await world.start(call=Refusing(world, "record_trading", NotSent("away")))
    await world.make_ready()
    with pytest.raises(NotSent):
        await bridge.step()


async def test_a_symbol_that_is_not_traded_any_more_hides_no_holdings() -> None:
    venue: Any = Venue(type("Exchange", (), {"id": "test"})(), Capabilities())
    asked: list[list[str]] = []

    async def rules(symbol: str) -> Any:
        if symbol != RULES.symbol:
            raise OrderDenied(symbol, code="symbol_not_tradable")
        return RULES

    async def positions(symbols: list[str]) -> dict[Any, Any]:
        asked.append(symbols)
        return {}

    venue._markets.rules, venue._assets._positions = rules, positions
    await venue.holdings(["GONE", RULES.symbol])
    assert asked == [[RULES.symbol]]


@pytest.mark.parametrize(
    "ask",
    [lambda venue: venue.open(), lambda venue: venue.rules("X"), lambda venue: venue.rate("BNB", "USDT")],
)
async def test_public_answers_that_nobody_can_read_are_failed_questions(ask: Callable[[Any], Any]) -> None:
    class Garbage:
        markets: Any = None

        async def load_markets(self, reload: bool = False) -> Any:
            raise KeyError("symbols")

        async def fetch_ticker(self, _symbol: str) -> Any:
            raise TypeError("'NoneType' object is not subscriptable")

    venue: Any = Venue(
        type("Exchange", (), {"id": "test", "markets": None})(), Capabilities(), data=Garbage()
    )
    with pytest.raises(BadResponse):
        await ask(venue)
