"""In a replay market time moves only when every role has nothing left to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import NotAllowed, NotSent, Refused
from shared.identity import from_ms
from shared.market import Market
from shared.wakes import Wakes
from tests.charts import START_MS, draw
from tests.machine.roles import FakeRole
from workers.replay import MOST_ROUNDS, NeverSettled, replay, settle
from workers.status import Status
from workers.stepping import MOST_FAILURES, Stepping, Stopped

MINUTE = timedelta(minutes=1)
START = from_ms(START_MS)


class Tape:
    """A replay of one symbol with the four roles in their order."""

    def __init__(self, count: int = 3) -> None:
        self.candles = draw(count)
        self.clock = MarketClock(START)
        self.market = Market()
        self.wakes = Wakes()
        self.status = Status("sig-00000001", replay=True)
        self.stopping = asyncio.Event()
        self.stepping = Stepping(self.status, self.stopping, first_pause=0.01)
        self.log: list[tuple[str, str, datetime]] = []
        names = ["signals", "analysis", "monitoring", "trading"]
        self.roles = [
            FakeRole(name, self.clock, self.wakes, self.log, then)
            for name, then in zip(names, [*names[1:], None], strict=True)
        ]

    async def batches(self) -> AsyncIterator[list[Candle]]:
        for candle in self.candles:
            yield [candle]

    async def play(self) -> None:
        self.market.subscribe(lambda candle: self.wakes.wake("signals"))
        await replay(self.batches(), self.clock, self.market, self.roles, self.stepping, self.stopping)

    @property
    def steps(self) -> list[tuple[str, datetime]]:
        return [(name, at) for name, what, at in self.log if what == "step"]


async def test_each_close_is_worked_off_by_all_roles_in_order_before_the_next() -> None:
    tape = Tape()
    await tape.play()
    names = ["signals", "analysis", "monitoring", "trading"]
    assert tape.steps == [(name, START + MINUTE * n) for n in (1, 2, 3) for name in names]
    assert tape.status.done == dict.fromkeys(names, 3)


async def test_work_that_an_earlier_role_gets_late_is_done_at_the_same_time() -> None:
    tape = Tape(1)
    tape.roles[3]._then = "analysis"
    tape.roles[3].on_step = lambda: setattr(tape.roles[3], "_then", None) if len(tape.steps) > 5 else None
    await tape.play()
    assert {at for _, at in tape.steps} == {START + MINUTE}
    assert [name for name, _ in tape.steps].count("analysis") > 1


async def test_market_time_waits_for_an_absent_database() -> None:
    tape = Tape(2)
    tape.roles[2].faults = [NotSent("away")] * 3
    await tape.play()
    assert [at for name, at in tape.steps if name == "monitoring"] == [START + MINUTE, START + 2 * MINUTE]
    assert tape.status.waits["monitoring"] == 3
    assert tape.status.error_count == 0


async def test_what_stood_before_the_first_candle_is_done_first() -> None:
    tape = Tape(1)
    tape.wakes.wake("trading")
    await tape.play()
    assert tape.steps[0] == ("trading", START)


async def test_told_to_stop_it_ends_between_two_closes() -> None:
    tape = Tape(5)

    def stop_at_two() -> None:
        if tape.clock.now() >= START + 2 * MINUTE:
            tape.stopping.set()

    tape.roles[0].on_step = stop_at_two
    await tape.play()
    assert [name for name, at in tape.steps if at == START + 2 * MINUTE] == [
        "signals",
        "analysis",
        "monitoring",
        "trading",
    ]
    assert max(at for _, at in tape.steps) == START + 2 * MINUTE


async def test_told_to_stop_while_the_database_is_away_it_does_not_wait() -> None:
    tape = Tape(1)
    tape.roles[1].faults = [NotSent("away")] * 1000

    def stop_at_work() -> None:
        if tape.wakes.pending("analysis"):
            tape.stopping.set()

    tape.roles[1].on_step = stop_at_work
    with pytest.raises(Stopped):
        await tape.play()


async def test_a_refusal_that_stays_ends_the_replay_with_its_error() -> None:
    tape = Tape(1)
    tape.roles[1].faults = [Refused("signal cannot go from closed to ready")] * MOST_FAILURES
    with pytest.raises(Refused, match="closed to ready"):
        await tape.play()
    assert tape.status.errors == ["analysis: signal cannot go from closed to ready"]
    assert tape.status.error_count == MOST_FAILURES


async def test_what_no_waiting_heals_ends_it_at_once() -> None:
    tape = Tape(1)
    tape.roles[0].faults = [NotAllowed("the token is not valid")]
    with pytest.raises(NotAllowed):
        await tape.play()


async def test_roles_that_never_settle_are_a_defect() -> None:
    tape = Tape(1)
    tape.roles[3]._then = "signals"
    tape.wakes.wake("signals")
    with pytest.raises(NeverSettled, match=str(MOST_ROUNDS)):
        await settle(tape.roles, tape.stepping)
