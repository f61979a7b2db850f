"""The monitoring role looks at every candle once, writes at the trader's interval, forgets no lease."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import NotSent
from shared.identity import from_ms, signal_id
from shared.market import Market
from shared.wakes import Wakes
from tests.charts import draw, follow
from tests.fake_database import FakeDatabase
from workers.monitoring.role import MonitoringRole
from workers.monitoring.view import View

Prices = tuple[float, float, float]
FLAT: Prices = (100.4, 99.6, 99.9)
UP: Prices = (100.8, 99.8, 100.6)
STOPPED: Prices = (100.0, 97.0, 98.5)


class Desk:
    """A role on one symbol whose last candle closed at 100, with a wall clock that the test moves."""

    def __init__(self) -> None:
        self.history = [*draw(5), *follow(draw(5)[-1], [(100.2, 99.8, 100.0)])]
        self.seconds = 1000.0
        self.database = FakeDatabase()
        self.clock = MarketClock(from_ms(self.history[-1].close_ms))
        self.market = Market()
        self.wakes = Wakes()
        for candle in self.history:
            self.market.publish(candle)
        self.role = self.make_role()

    def make_role(self) -> MonitoringRole:
        return MonitoringRole(
            self.database,
            self.clock,
            self.market,
            self.wakes,
            lease_seconds=30,
            monotonic=lambda: self.seconds,
        )

    def approve(self, number: int = 1, *, minutes: int = 30, seconds: int = 3600, **plan: Any) -> str:
        now = self.clock.now()
        one = signal_id(uuid5(UUID(int=9), str(number)), "BTCUSDT", "1m", now)
        prices = {"entry": "100", "stop_loss": "98", "take_profit": "106"}
        until = (now + timedelta(minutes=minutes)).isoformat()
        plan = {"side": "long", "entry_type": "market", **prices, "valid_until": until, **plan}
        signal: dict[str, Any] = {
            "id": str(one),
            "symbol": "BTCUSDT",
            "analyzed_at": now.isoformat(),
            "initial_price": "100",
        }
        signal = {**signal, "analysis_trade_plan": plan}
        self.database.put("monitoring", signal, {"monitoring_interval_seconds": seconds})
        self.wakes.wake("monitoring")
        return str(one)

    async def close(self, *prices: Prices) -> None:
        for candle in follow(self.last, list(prices)):
            self.history.append(candle)
            self.clock.advance_ms(candle.close_ms)
            self.market.publish(candle)
            await self.role.step()

    @property
    def last(self) -> Candle:
        return self.history[-1]

    @property
    def recorded(self) -> list[dict[str, Any]]:
        return [item for call in self.database.named("record_monitoring") for item in call["snapshots"]]


@pytest.fixture
async def desk() -> Desk:
    one = Desk()
    await one.role.start()
    await one.role.step()
    one.database.calls.clear()
    return one


async def test_the_candle_that_was_analysed_is_not_looked_at(desk: Desk) -> None:
    desk.approve()
    await desk.role.step()
    assert desk.role.watching == 1
    assert desk.recorded == []


async def test_ready_is_recorded_at_the_close_that_confirms(desk: Desk) -> None:
    one = desk.approve(seconds=60)
    await desk.close(FLAT, UP)
    assert actions(desk) == [(one, "ready")]
    item = desk.recorded[-1]
    assert (item["price"], item["volume"], item["price_change_1m"]) == ("100.6", "1", "0.7007")
    assert desk.database.named("record_monitoring")[-1]["at"] == from_ms(desk.last.close_ms).isoformat()
    assert desk.wakes.pending("trading")
    assert desk.role.watching == 0


async def test_an_entry_is_looked_for_only_when_the_traders_interval_is_due(desk: Desk) -> None:
    one = desk.approve(seconds=300)
    rising = [(100.8 + step / 100, 99.8, 100.6 + step / 100) for step in range(5)]
    await desk.close(*rising)
    assert actions(desk) == [(one, "ready")]
    assert desk.database.named("record_monitoring")[-1]["at"].endswith(("0:00+00:00", "5:00+00:00"))


async def test_a_stop_is_heard_at_every_candle_whatever_the_interval(desk: Desk) -> None:
    one = desk.approve(seconds=3600)
    await desk.close(FLAT, STOPPED)
    assert actions(desk) == [(one, "exit")]


async def test_a_touched_stop_ends_it(desk: Desk) -> None:
    desk.approve()
    await desk.close(STOPPED)
    assert [(item["action"], item["outcome_code"]) for item in desk.recorded] == [
        ("exit", "setup_invalidated")
    ]
    assert not desk.wakes.pending("trading")


async def test_snapshots_come_at_the_traders_interval_and_share_calls(desk: Desk) -> None:
    fired = sorted(desk.approve(number, seconds=300) for number in range(4))
    await desk.close(*[FLAT] * 12)
    calls = desk.database.named("record_monitoring")
    assert [[item["signal_id"] for item in call["snapshots"]] for call in calls] == [fired] * len(calls)
    times = [call["at"] for call in calls]
    assert len(times) in {2, 3}
    assert all(at.endswith(("0:00+00:00", "5:00+00:00")) for at in times)
    assert all(item["hold"] and item["action"] == "continue" for item in desk.recorded)
    nexts = {item["next_at"] for item in calls[0]["snapshots"]}
    assert nexts == {times[1]}


async def test_a_close_without_anything_due_asks_nothing_of_the_database(desk: Desk) -> None:
    desk.approve()
    await desk.role.step()
    desk.database.calls.clear()
    await desk.close(FLAT, FLAT, FLAT)
    assert desk.database.calls == []


async def test_the_plan_runs_out(desk: Desk) -> None:
    desk.approve(minutes=3)
    await desk.close(FLAT, FLAT, FLAT)
    assert [(item["action"], item["outcome_code"]) for item in desk.recorded] == [
        ("stop_monitoring", "monitoring_timeout")
    ]


async def test_a_symbol_without_candles_does_not_hold_a_plan_for_ever(desk: Desk) -> None:
    desk.approve(minutes=3)
    await desk.role.step()
    desk.clock.advance(desk.clock.now() + timedelta(minutes=5))
    await desk.role.step()
    assert [item["outcome_code"] for item in desk.recorded] == ["monitoring_timeout"]
    assert desk.recorded[0]["price"] == "100"


def actions(desk: Desk) -> list[tuple[str, str]]:
    return [(item["signal_id"], item["action"]) for item in desk.recorded if item["action"] != "continue"]


async def test_after_a_restart_the_candles_since_the_approval_are_looked_at_once(desk: Desk) -> None:
    one = desk.approve(seconds=60)
    missed: Sequence[Candle] = follow(desk.last, [FLAT, UP, FLAT])
    for candle in missed:
        desk.clock.advance_ms(candle.close_ms)
        desk.market.publish(candle)
    again = desk.make_role()
    await again.start()
    await again.step()
    assert actions(desk) == [(one, "ready")]
    assert desk.recorded[0]["price"] == "100.6"
    await again.step()
    assert len(desk.recorded) == 1


async def test_a_symbol_that_this_machine_does_not_see_is_left_to_others(desk: Desk) -> None:
    one = desk.approve(minutes=10)
    row = desk.database.queue["monitoring"][0]
    row["signal"]["symbol"] = "ETHUSDT"
    await desk.role.step()
    released = desk.database.named("release_work")[0]
    assert [item["signal_id"] for item in released["signals"]] == [one]
    assert desk.role.watching == 0
    desk.clock.advance(desk.clock.now() + timedelta(minutes=12))
    desk.database.queue["monitoring"].append({**row, "available_at": "", "attempts": 0})
    await desk.role.step()
    await desk.role.step()
    assert [item["outcome_code"] for item in desk.recorded] == ["monitoring_timeout"]


async def test_stopping_releases_every_lease(desk: Desk) -> None:
    fired = sorted(desk.approve(number) for number in range(3))
    await desk.role.step()
    await desk.role.stop()
    released = desk.database.named("release_work")[0]
    assert [one["signal_id"] for one in released["signals"]] == fired
    assert released["available_at"] == desk.clock.now().isoformat()
    assert desk.role.watching == 0


async def test_leases_are_renewed_in_one_call_before_they_run_out(desk: Desk) -> None:
    for number in range(3):
        desk.approve(number)
    await desk.role.step()
    desk.seconds += 9
    await desk.role.step()
    assert desk.database.named("renew_work") == []
    desk.seconds += 2
    await desk.role.step()
    assert [len(call["signals"]) for call in desk.database.named("renew_work")] == [3]
    await desk.role.step()
    assert len(desk.database.named("renew_work")) == 1


async def test_a_lost_lease_is_watched_no_more(desk: Desk) -> None:
    lost, kept = desk.approve(1, seconds=60), desk.approve(2, seconds=60)
    await desk.role.step()
    desk.database.lose = {lost}
    desk.seconds += 20
    await desk.role.step()
    await desk.close(UP)
    assert actions(desk) == [(kept, "ready")]


async def test_what_was_lost_is_looked_for_again_at_its_next_snapshot(desk: Desk) -> None:
    lost = desk.approve(seconds=300)
    await desk.role.step()
    desk.database.lose = {lost}
    desk.seconds += 20
    await desk.role.step()
    claims = len(desk.database.named("claim_work"))
    await desk.close(*[FLAT] * 6)
    assert len(desk.database.named("claim_work")) == claims + 1


async def test_a_claim_names_the_highest_fence_that_is_known(desk: Desk) -> None:
    for number in range(3):
        desk.approve(number)
    await desk.role.step()
    desk.wakes.wake("monitoring")
    await desk.role.step()
    assert [call["after_fence"] for call in desk.database.named("claim_work")] == [0, 3]


async def test_ready_whose_answer_was_lost_still_wakes_trading(desk: Desk) -> None:
    desk.database.refuse[desk.approve(seconds=60)] = "lease_lost"
    await desk.close(UP)
    assert desk.wakes.pending("trading")


async def test_a_refused_snapshot_is_watched_no_more(desk: Desk) -> None:
    one = desk.approve(seconds=300)
    desk.database.refuse[one] = "lease_lost"
    await desk.close(*[FLAT] * 6)
    assert len(desk.recorded) == 1
    assert desk.role.counts["refused"] == 1
    assert desk.role.watching == 0


async def test_decisions_survive_an_outage_and_candles_go_on_being_heard(desk: Desk) -> None:
    first, second = (
        desk.approve(1, seconds=60),
        desk.approve(2, seconds=60, entry_type="limit", entry="99"),
    )
    await desk.role.step()
    desk.database.away = 2
    with pytest.raises(NotSent):
        await desk.close(UP)
    candle = follow(desk.last, [(100.7, 98.9, 100.0)])[0]
    desk.clock.advance_ms(candle.close_ms)
    desk.market.publish(candle)
    with pytest.raises(NotSent):
        await desk.role.step()
    await desk.role.step()
    assert sorted(actions(desk)) == sorted([(first, "ready"), (second, "ready")])


async def test_a_plan_that_cannot_be_read_ends_with_its_reason(desk: Desk) -> None:
    desk.approve(side="sideways")
    await desk.role.step()
    item = desk.recorded[0]
    assert (item["action"], item["outcome_code"]) == ("exit", "setup_invalidated")
    assert "sideways" in item["reasoning"]


async def test_two_runs_record_the_same(desk: Desk) -> None:
    walk = [(99.9 + step % 5 / 10 + 0.5, 99.2, 99.9 + step % 5 / 10) for step in range(20)]

    async def run() -> list[tuple[str, dict[str, Any]]]:
        one = Desk()
        await one.role.start()
        for number in range(6):
            one.approve(number, entry=str(100 + number / 10), entry_type="limit" if number % 2 else "market")
        await one.close(*walk)
        return one.database.calls

    assert await run() == await run()


async def test_a_signal_that_is_claimed_again_goes_on_where_it_was(desk: Desk) -> None:
    """Its lease ran out and nobody else took it: neither candles nor its next snapshot begin anew."""
    one = desk.approve(seconds=600, minutes=60)
    row = desk.database.queue["monitoring"][0]
    while not desk.recorded:
        await desk.close(FLAT)
    desk.database.queue["monitoring"].append(row)
    desk.wakes.wake("monitoring")
    await desk.close(UP)
    assert desk.role.watching == 1
    assert len(desk.recorded) == 1
    assert desk.role._watches.find(UUID(one)).fence == row["fence"]  # type: ignore[union-attr]


async def test_after_a_long_outage_a_candle_is_compared_with_the_one_before_it(desk: Desk) -> None:
    one = desk.approve(seconds=60, minutes=600)
    missed = follow(desk.last, [FLAT, UP, *[FLAT] * 100])
    for candle in missed:
        desk.clock.advance_ms(candle.close_ms)
        desk.market.publish(candle)
    await desk.role.step()
    assert actions(desk) == [(one, "ready")]
    assert desk.recorded[0]["at"] == from_ms(missed[1].close_ms).isoformat()


async def test_a_thousand_signals_on_a_symbol_read_its_figures_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1000):
        desk.approve(number, seconds=60)
    read: list[View] = []
    figures = View._read_indicators

    def count(view: View) -> dict[str, float]:
        read.append(view)
        return figures(view)

    monkeypatch.setattr(View, "_read_indicators", count)
    await desk.close(FLAT)
    assert [len(call["snapshots"]) for call in desk.database.named("record_monitoring")] == [500, 500]
    assert len(read) == 1
