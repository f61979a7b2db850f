"""What the bridge tells a person of its accounts: refused keys, and accounts that cannot be opened."""

from __future__ import annotations

from typing import Any

import pytest
from ccxt.base.errors import AuthenticationError, BaseError, DDoSProtection, PermissionDenied, RequestTimeout

from shared.errors import ConfigurationError
from tests.trading.venues.test_plain_venue import PlainExchange
from tests.trading.world import World
from workers.trading.role import KEEPS_FAILING, UNUSABLE_SECONDS


class Shut(PlainExchange):
    """Answers the first question of a start, and every order, with an error as long as it is told to."""

    def __init__(self, exchange: Any) -> None:
        super().__init__(exchange)
        self.at_start: BaseError | None = None
        self.of_orders: BaseError | None = None

    async def fapiprivate_get_accountconfig(self) -> Any:
        if self.at_start is not None:
            raise self.at_start
        return await super().fapiprivate_get_accountconfig()

    async def create_order(self, *args: Any) -> Any:
        if self.of_orders is not None:
            raise self.of_orders
        return await self._exchange.create_order(*args)


async def test_an_account_whose_start_keeps_failing_is_named_until_it_opens(world: World) -> None:
    exchange = Shut(world.exchange)
    exchange.at_start = RequestTimeout("no answer")
    bridge = await world.start(exchange=exchange)
    for _ in range(1, KEEPS_FAILING):
        # A venue may be away for a moment.
        assert bridge.troubles() == {}
        world.still()
        await world.settle(bridge)
    assert bridge.troubles() == {
        str(world.account): {
            "unopened": "RequestTimeout: no answer",
            "do": f"sigtrail accounts verify {world.account}",
        }
    }
    exchange.at_start = None
    world.still()
    await world.settle(bridge)
    assert bridge.troubles() == {}


async def test_an_account_that_cannot_be_opened_is_named_and_its_trail_says_why(world: World) -> None:
    why: str | None = "sealed under another master key"

    async def exchanges(_account: Any) -> Any:
        if why is not None:
            raise ConfigurationError(why)
        return world.exchange

    bridge = await world.start(exchanges=exchanges)
    told = {"unusable": why, "do": f"sigtrail accounts verify {world.account}"}

    async def again() -> list[str]:
        world.wall += UNUSABLE_SECONDS + 1
        world.still()
        await world.settle(bridge)
        rows = await world.fetch(
            "select details ->> 'reason' as why from public.account_events"
            " where account_id = %s and event_type = 'account_unusable' order by id",
            world.account,
        )
        return [row["why"] for row in rows]

    assert await again() == [why]
    assert bridge.troubles() == {str(world.account): told}
    # It is tried again every ten minutes, and said once.
    assert await again() == [why]
    why = "the key is cut off"
    assert await again() == ["sealed under another master key", why]
    why = None
    assert len(await again()) == 2
    assert bridge.troubles() == {}
    signal = await world.make_ready()
    await world.settle(bridge)
    assert ("entry", 1) in await world.orders(signal)


@pytest.mark.parametrize(
    "error",
    [
        AuthenticationError("bad key"),
        DDoSProtection('binance {"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}'),
    ],
)
async def test_a_key_that_is_refused_is_named_at_once(world: World, error: BaseError) -> None:
    exchange = Shut(world.exchange)
    exchange.at_start = error
    bridge = await world.start(exchange=exchange)
    told = bridge.troubles()[str(world.account)]
    assert told["key"].startswith(type(error).__name__)
    assert told["do"] == f"sigtrail accounts verify {world.account}"
    exchange.at_start = None
    world.still()
    await world.settle(bridge)
    assert bridge.troubles() == {}


async def test_a_key_that_may_ask_and_not_order_is_named_until_an_order_is_taken(world: World) -> None:
    exchange = Shut(world.exchange)
    bridge = await world.start(exchange=exchange)
    exchange.of_orders = PermissionDenied("no right to trade")
    await world.make_ready()
    await world.settle(bridge)
    # Questions go on being answered.
    assert await bridge._desks[world.account]._venue.equity("USDT") > 0
    assert "no right to trade" in bridge.troubles()[str(world.account)]["key"]
    exchange.of_orders = None
    await world.make_ready("ETHUSDT")
    await world.settle(bridge)
    assert bridge.troubles() == {}
