"""The end of a bridge: what could not be given back is in no journal as given back, and nobody waits long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from shared.errors import NotSent, Unavailable
from tests.trading.world import Connection, World
from workers.trading.closings import Closings
from workers.trading.desk import Desk
from workers.trading.journal import Journal
from workers.trading.role import TradingRole


async def open_bridge(world: World, folder: Path, call: Any = None) -> tuple[TradingRole, Journal]:
    """A bridge with a journal of a position, which stays."""

    async def exchanges(_account: object) -> Any:
        return world.exchange

    bridge = TradingRole(
        Connection(call or world.call),
        world.clock,
        world.market,
        world.wakes,
        exchanges=exchanges,
        policy=world.policy,
        only=[world.account],
        journal=folder,
        monotonic=lambda: world.wall,
    )
    await bridge.start()
    await world.make_ready()
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    return bridge, Journal(folder / f"{world.account}.jsonl")


async def test_what_could_not_be_given_back_is_this_machines_still(world: World, tmp_path: Path) -> None:
    """The database goes away, the bridges are stopped as the manual says, and then everything is closed by
    the journals: that these accounts were given back would keep them from being closed."""
    away = False

    async def call(name: str, params: Mapping[str, Any], /) -> Any:
        if away:
            raise NotSent("the database is away")
        return await world.call(name, params)

    bridge, journal = await open_bridge(world, tmp_path, call)
    away = True
    with pytest.raises(Unavailable):
        await bridge.stop()
    assert journal.read().left_at is None
    assert len(journal.read().trades) == 1


async def test_what_was_given_back_says_so(world: World, tmp_path: Path) -> None:
    bridge, journal = await open_bridge(world, tmp_path)
    await bridge.stop()
    assert journal.read().left_at == world.clock.now()


class Gone:
    """A desk, as far as closing goes: whatever is done with its venue takes until it is let go."""

    def __init__(self, meets: asyncio.Barrier | None = None, error: Exception | None = None) -> None:
        self.account = SimpleNamespace(id=uuid4())
        self._meets = meets
        self._error = error
        self.goes_on = asyncio.Event()
        self.closed = False

    async def close(self) -> None:
        """Close its venue."""
        if self._meets is not None:
            await self._meets.wait()
        else:
            await self.goes_on.wait()
        if self._error is not None:
            raise self._error
        self.closed = True


def as_desks(*gone: Gone) -> list[Desk]:
    return [cast(Desk, one) for one in gone]


async def test_venues_are_closed_side_by_side() -> None:
    together = asyncio.Barrier(3)
    gone = [Gone(together) for _ in range(3)]
    async with asyncio.timeout(30):
        await Closings().close(as_desks(*gone), 30)
    assert all(one.closed for one in gone)


async def test_a_venue_that_answers_no_goodbye_keeps_nobody_waiting() -> None:
    closings, together = Closings(), asyncio.Barrier(1)
    dead, late, sound = Gone(), Gone(), Gone(together)
    await closings.close(as_desks(dead, late, sound), 0.05)
    assert (dead.closed, sound.closed) == (False, True)
    late.goes_on.set()
    async with asyncio.timeout(30):
        await closings.close(as_desks(Gone(together)), 30)
        await closings.give_up()
    assert (dead.closed, late.closed) == (False, True)


async def test_what_closing_raised_is_told_after_all_were_closed() -> None:
    together = asyncio.Barrier(3)
    wrong = [Gone(together, RuntimeError(f"socket {number}")) for number in range(2)]
    sound = Gone(together)
    with capture_logs() as logs, pytest.raises(RuntimeError, match="socket 0"):
        await Closings().close(as_desks(*wrong, sound), 30)
    assert sound.closed
    assert [(one["event"], one["error"]) for one in logs] == [
        ("venue_not_closed", "RuntimeError('socket 1')")
    ]


async def test_what_closing_raised_late_is_told_too() -> None:
    closings, late = Closings(), Gone(error=RuntimeError("too late"))
    await closings.close(as_desks(late), 0.05)
    with capture_logs() as logs:
        late.goes_on.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*closings._late, return_exceptions=True)
            await closings.give_up()
    assert [one["error"] for one in logs] == ["RuntimeError('too late')"]
