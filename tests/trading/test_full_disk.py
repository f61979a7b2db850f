"""A disk that takes nothing any more: what is open is protected and closed, and nothing new is opened."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.trading.world import World
from workers.trading import journal
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.journal import Journal
from workers.trading.keeper import AGAIN_SECONDS
from workers.trading.orders import Order
from workers.trading.role import TradingRole
from workers.trading.venues.venue import Venue


class FullDisk:
    """The operating system, whose files take nothing."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fdopen(self, file: int, mode: str) -> Any:
        """What is opened for writing fails at the first byte."""
        os.close(file)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Disk:
    """The journal of a world's account, on a disk that can be full."""

    def __init__(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.path = folder / f"{world.account}.jsonl"
        self._monkeypatch = monkeypatch

    def fill(self) -> None:
        """From now on whatever is written fails: no space left on device."""
        self._monkeypatch.setattr(journal, "os", FullDisk())

    def empty(self) -> None:
        """There is room again."""
        self._monkeypatch.setattr(journal, "os", os)


@pytest.fixture
def disk(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(world, tmp_path, monkeypatch)


async def start(world: World, disk: Disk, **others: Any) -> TradingRole:
    return await world.start(journal=disk.folder, **others)


async def test_what_is_open_is_protected_and_closed(world: World, disk: Disk) -> None:
    bridge = await start(world, disk)
    signal = await world.make_ready()
    await world.settle(bridge)
    disk.fill()
    with capture_logs() as logs:
        # The entry fills, its legs are placed, and the stop is reached.
        world.still()
        await world.settle(bridge)
        assert await world.unprotected() == []
        world.candle("100", "100", "97", "97")
        await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "closed"
    await world.check_record()
    # It is told once, and everybody who looks is told as well.
    assert [one["event"] for one in logs if "journal" in one["event"]] == ["journal_unwritten"]
    assert "No space left on device" in bridge.troubles()[str(world.account)]["journal"]
    assert bridge.counts["journals_unwritten"] == 1


async def test_nothing_new_is_opened_before_there_is_room_again(world: World, disk: Disk) -> None:
    bridge = await start(world, disk)
    first = await world.make_ready()
    disk.fill()
    await world.settle(bridge)
    # Intended before the disk was found full, and held back.
    assert (await world.orders(first))["entry", 1]["status"] == "intended"
    second = await world.make_ready("ETHUSDT")
    await world.settle(bridge)
    assert await world.orders(second) == {}
    assert not world.exchange.paper_engine.orders

    disk.empty()
    world.wall += AGAIN_SECONDS
    await world.settle(bridge)
    assert bridge.troubles() == {}
    assert set(Journal(disk.path).read().trades) == {first}
    assert (await world.orders(first))["entry", 1]["status"] == "open"
    world.still()
    world.wakes.wake("trading")
    await world.settle(bridge)
    assert (await world.signal(first))["status"] == "in_position"
    assert (await world.orders(second))["entry", 1]["status"] == "open"


async def test_an_entry_is_on_the_disk_once_before_it_leaves(
    world: World, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written while the database commits it, and not again when that answers as foreseen."""
    bridge = await start(world, disk)
    signal = await world.make_ready()
    written: list[bytes] = []
    place = Venue.place

    async def placed(venue: Venue, order: Order, attached: list[Order], held: None = None) -> VenueOrder:
        written.append(disk.path.read_bytes())
        return await place(venue, order, attached)

    monkeypatch.setattr(Venue, "place", placed)
    await world.settle(bridge)
    assert [one.count(str(signal).encode()) for one in written] == [1]
    assert (await world.orders(signal))["entry", 1]["status"] == "open"


async def test_an_entry_that_the_database_refuses_is_taken_back(world: World, disk: Disk) -> None:
    async def call(name: str, params: Any) -> Any:
        if name == "record_trading" and "intents" in params["facts"]:
            # Paused after it was claimed and decided.
            await world.set_trader(status="paused")
        return await world.call(name, params)

    bridge = await start(world, disk, call=call)
    signal = await world.make_ready()
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "expired"
    assert disk.path.read_bytes().count(str(signal).encode()) > 1
    assert Journal(disk.path).read().trades == {}


async def test_a_bridge_starts_on_a_full_disk(world: World, disk: Disk) -> None:
    """A machine whose disk is full is started anew: what it holds is taken up and looked after."""
    before = await start(world, disk)
    signal = await world.make_ready()
    await world.settle(before)
    disk.fill()
    bridge = await start(world, disk)
    world.still()
    await world.settle(bridge)
    assert (await world.signal(signal))["status"] == "in_position"
    assert await world.unprotected() == []
    assert list(bridge.troubles()) == [str(world.account)]
