"""The replay loop: market time moves from candle close to candle close, and never while work is under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Sequence
from typing import Protocol

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import SigtrailError
from shared.market import Market
from shared.role import Role

# Far more rounds than a signal has stages; a role that always finds something to do is a defect.
MOST_ROUNDS = 1_000


class NeverSettled(SigtrailError):
    """The roles went on finding work at one moment of market time."""


class Steps(Protocol):
    """What takes the steps: see `Stepping`."""

    async def finish(self, role: Role) -> int:
        """Have a role take its step, and answer how many things it did."""


async def replay(
    batches: AsyncIterable[list[Candle]],
    clock: MarketClock,
    market: Market,
    roles: Sequence[Role],
    stepping: Steps,
    stopping: asyncio.Event,
    *,
    on_batch: Callable[[list[Candle]], None] | None = None,
) -> None:
    """Play `batches` (candles that closed together, in order of time) until they end or `stopping` is set.

    After each close the roles take their steps in the given order, again and again until none finds anything
    to do. So what comes out depends on the candles alone, not on how fast this machine is.
    """
    await settle(roles, stepping)
    async for batch in batches:
        if stopping.is_set():
            return
        clock.advance_ms(batch[0].close_ms)
        for candle in batch:
            market.publish(candle)
        if on_batch is not None:
            on_batch(batch)
        await settle(roles, stepping)


async def settle(roles: Sequence[Role], stepping: Steps) -> int:
    """Take steps until every role answered 0 in one round; answers how many things were done."""
    total = 0
    for _ in range(MOST_ROUNDS):
        done = 0
        for role in roles:
            done += await stepping.finish(role)
        if done == 0:
            return total
        total += done
    raise NeverSettled(f"the roles found work {MOST_ROUNDS} times in a row without market time moving")
