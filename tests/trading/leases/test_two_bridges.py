"""Ten accounts, bridges as real processes, a venue on real sockets: one bridge is killed, another one sleeps
through its leases. The accounts move within fifteen seconds, and no order is there twice."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from scripts.fake_venue.process import run_process
from tests.stacks import Stack
from tests.trading.leases.scene import PRICES, Scene
from tests.trading.world import Sql, open_world
from tests.waiting import until

# What is promised: a lease of nine seconds, found out within a sixth of it, and the claim.
MOVED_WITHIN = 15.0


@pytest.fixture
async def scene(stack: Stack, sql: Sql, tmp_path: Path) -> AsyncIterator[Scene]:
    async with run_process(tmp_path / "venue", "--symbols", *PRICES) as venue, open_world(sql) as world:
        made = Scene(stack, world, venue, tmp_path)
        await made.set_up()
        try:
            yield made
        finally:
            await made.stop()


async def test_accounts_move_and_no_order_is_doubled(scene: Scene) -> None:
    await scene.keep_for("two", scene.accounts[5:])
    await scene.start("one")
    await scene.start("two")
    assert await scene.holders() == {"one": 5, "two": 5}
    await scene.fire("BTCUSDT")
    await until(lambda: scene.protected(10), timeout=60)

    # Killed with the next entries on their way.
    await scene.fire("ETHUSDT")
    scene.bridges["one"].kill()
    await scene.bridges["one"].wait()
    await until(lambda: _is(scene, {"two": 10}), timeout=MOVED_WITHIN)
    await until(lambda: scene.protected(20), timeout=60)
    await scene.check_venue(2)

    # Stopped as if its machine slept, with entries on their way again; another one takes over.
    await scene.start("three")
    await scene.fire("SOLUSDT")
    scene.bridges["two"].send_signal(signal.SIGSTOP)
    await until(lambda: _is(scene, {"three": 10}), timeout=MOVED_WITHIN)
    await until(lambda: scene.protected(30), timeout=60)
    before: dict[str, Any] = {key: await scene.venue("truth", key=key, market="usdm") for key in scene.keys}
    scene.bridges["two"].send_signal(signal.SIGCONT)
    await until(lambda: scene.log("two").count("account_lost") >= 10, timeout=60)
    for key, truth in before.items():
        assert (await scene.venue("truth", key=key, market="usdm"))["orders"] == truth["orders"]
    await scene.check_venue(3)
    assert await scene.holders() == {"three": 10}
    assert scene.bridges["two"].returncode is None


async def _is(scene: Scene, expected: dict[str, int]) -> bool:
    return await scene.holders() == expected
