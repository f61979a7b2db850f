"""Whatever happens between candles (batches, restarts, outages, lost leases, two machines), the decisions are
the same."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal as D
from typing import Any, Literal
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import Unavailable
from shared.identity import from_ms, signal_id
from shared.market import Market
from shared.money import text
from shared.wakes import Wakes
from tests.charts import START_MS
from tests.monitoring.monitored_queue import MonitoredQueue
from workers.monitoring.decision import Bar, decide, read_setup
from workers.monitoring.role import MonitoringRole
from workers.monitoring.snapshot import iso

SYMBOLS = ("AUSDT", "BUSDT")
LENGTH = 60
MINUTE = 60_000
# What ends a signal: action, reason, price, and the close of the candle that it was decided by.
End = tuple[str, str | None, str | None, str | None]


@st.composite
def charts(draw: st.DrawFn) -> dict[str, list[Candle]]:
    """Minutes of both symbols around 100, some of them missing."""
    found = {}
    for symbol in SYMBOLS:
        rng = random.Random(draw(st.integers(0, 1_000_000)))
        price, candles = 100.0, []
        for place in range(LENGTH):
            opened, price = price, round(price + rng.uniform(-0.6, 0.6), 2)
            high = round(max(opened, price) + rng.uniform(0, 0.3), 2)
            low = round(min(opened, price) - rng.uniform(0, 0.3), 2)
            start = START_MS + place * MINUTE
            if place == 0 or rng.random() > 0.1:
                candles.append(Candle(symbol, "1m", start, start + MINUTE, opened, high, low, price, 1.0))
        found[symbol] = candles
    return found


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], int]:
    """A signal with its plan, its trader, and the minute in which it was approved."""
    minute = draw(st.integers(1, 20))
    approved = START_MS + minute * MINUTE
    up = draw(st.booleans())
    entry = D(100) + D(draw(st.integers(-100, 100))) / 100
    stop, target = D(draw(st.integers(50, 400))) / 100, D(draw(st.integers(50, 800))) / 100
    plan = {
        "side": "long" if up else "short",
        "entry_type": draw(st.sampled_from(["market", "limit", "post_only", "stop"])),
        "entry": str(entry),
        "stop_loss": str(entry - stop if up else entry + stop),
        "take_profit": str(entry + target if up else entry - target),
        "valid_until": (from_ms(approved) + timedelta(seconds=draw(st.integers(60, 2400)))).isoformat(),
    }
    symbol = draw(st.sampled_from(SYMBOLS))
    name = signal_id(uuid5(UUID(int=3), str(draw(st.integers(0, 10**9)))), symbol, "1m", approved)
    signal = {"id": str(name), "symbol": symbol, "analyzed_at": iso(approved), "analysis_trade_plan": plan}
    seconds = draw(st.sampled_from([1, 60, 120, 300, 900]))
    return {**signal, "initial_price": "100"}, {"monitoring_interval_seconds": seconds}, minute


def expect(signal: dict[str, Any], trader: dict[str, Any], candles: list[Candle]) -> End | None:
    """The decision by looking at one candle after the other."""
    setup = read_setup(signal["analysis_trade_plan"])
    step = trader["monitoring_interval_seconds"] * 1000
    seen = int(UUID(signal["id"]).int >> 80)
    due_ms = seen - seen % step + step
    for place, candle in enumerate(candles):
        if candle.close_ms <= seen:
            continue
        due = candle.close_ms >= due_ms
        before = Bar.of(candles[place - 1]).close if place else None
        decision = decide(setup, Bar.of(candle), before, due=due)
        if decision.action != "continue":
            # When a plan's time runs out where candles are missing, the clock may notice first.
            if decision.action == "stop_monitoring":
                return (decision.action, decision.outcome_code, None, None)
            return (decision.action, decision.outcome_code, text(candle.price), iso(candle.close_ms))
        if due:
            due_ms = candle.close_ms - candle.close_ms % step + step
    if setup.valid_until_ms + 2 * MINUTE <= START_MS + LENGTH * MINUTE:
        return ("stop_monitoring", "monitoring_timeout", None, None)
    return None


class Floor:
    """Two machines on the same candles, which may be taken away and come back at any moment."""

    def __init__(self, chart: dict[str, list[Candle]]) -> None:
        self.chart = chart
        self.queue = MonitoredQueue()
        self.minute = 1
        self.wall = 0.0
        self.clock = MarketClock(from_ms(START_MS + MINUTE))
        self.markets: dict[str, Market] = {}
        self.roles: dict[str, MonitoringRole] = {}
        self.wakes: dict[str, Wakes] = {}

    def past(self) -> list[Candle]:
        now = self.clock.millis()
        known = [one for candles in self.chart.values() for one in candles if one.close_ms <= now]
        return sorted(known, key=lambda one: one.close_ms)

    async def begin(self, machine: str) -> None:
        self.markets[machine], self.wakes[machine] = Market(), Wakes()
        self.markets[machine].seed(self.past())
        self.roles[machine] = MonitoringRole(
            self.queue.call_as(machine),
            self.clock,
            self.markets[machine],
            self.wakes[machine],
            monotonic=lambda: self.wall,
        )
        await self.roles[machine].start()

    async def step(self, machine: str, *, woken: bool = True) -> None:
        if woken:
            self.wakes[machine].wake("monitoring")
        with suppress(Unavailable):
            await self.roles[machine].step()

    async def stop(self, machine: str) -> None:
        with suppress(Unavailable):
            await self.roles[machine].stop()
        await self.begin(machine)

    def close_minute(self) -> None:
        if self.minute == LENGTH:
            return
        self.minute += 1
        now = START_MS + self.minute * MINUTE
        self.clock.advance_ms(now)
        for candles in self.chart.values():
            for market in self.markets.values():
                for one in candles:
                    if one.close_ms == now:
                        market.publish(one)


Machine = Literal["A", "B"]
machines: st.SearchStrategy[Machine] = st.sampled_from(["A", "B"])
acts = st.one_of(
    st.tuples(st.just("candles"), st.integers(1, 20)),
    st.tuples(st.just("step"), machines),
    st.tuples(st.just("candle and step"), machines),
    st.tuples(st.just("kill"), machines),
    st.tuples(st.just("stop"), machines),
    st.tuples(st.just("expire"), st.none()),
    st.tuples(st.just("wait"), st.integers(1, 90)),
    st.tuples(st.just("outage"), st.sampled_from(["before", "after"])),
)


async def play(floor: Floor, waiting: list[Any], script: list[Any]) -> None:
    def approve() -> None:
        for signal, trader, minute in waiting:
            if minute == floor.minute:
                floor.queue.approve(signal, trader)

    def close() -> None:
        floor.close_minute()
        approve()

    approve()
    for machine in ("A", "B"):
        await floor.begin(machine)
    for act, what in script:
        if act == "candles":
            for _ in range(what):
                close()
        elif act == "step":
            await floor.step(what)
        elif act == "candle and step":
            close()
            await floor.step(what, woken=False)
        elif act == "kill":
            await floor.begin(what)
        elif act == "stop":
            await floor.stop(what)
        elif act == "expire":
            floor.queue.expire_leases()
        elif act == "wait":
            floor.wall += what
        else:
            floor.queue.outages.append(what)
    floor.queue.outages.clear()
    while floor.minute < LENGTH:
        close()
    for _ in range(3):
        floor.queue.expire_leases()
        for machine in ("A", "B"):
            await floor.step(machine)


@settings(max_examples=100)
@given(chart=charts(), signals=st.lists(plans(), min_size=1, max_size=6), script=st.lists(acts, max_size=30))
def test_the_decisions_depend_on_the_candles_alone(
    chart: dict[str, list[Candle]], signals: list[Any], script: list[Any]
) -> None:
    floor = Floor(chart)
    unique = list({signal["id"]: (signal, trader, minute) for signal, trader, minute in signals}.values())
    asyncio.run(play(floor, unique, script))
    for signal, trader, _ in unique:
        row = floor.queue.rows[signal["id"]]
        ends: list[End] = []
        for item in row.ends:
            timed_out = item["action"] == "stop_monitoring"
            price, at = (None, None) if timed_out else (item["price"], item["at"])
            ends.append((item["action"], item.get("outcome_code"), price, at))
        expected = expect(signal, trader, chart[signal["symbol"]])
        assert ends == ([] if expected is None else [expected])
        times = [item["at"] for item in row.snapshots]
        assert times == sorted(set(times))
        assert all(item["at"] >= times[-1] for item in row.ends[:1] if times)
