"""The analysis role claims in batches, answers every claim exactly once, and loses nothing in an outage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal as D
from typing import Any
from uuid import UUID, uuid5

import pytest

from shared.candles import Candle
from shared.clock import MarketClock
from shared.errors import InputError, NotSent, Unavailable
from shared.identity import from_ms, signal_id
from shared.market import Market
from shared.metrics import Metric
from shared.wakes import Wakes
from shared.work import Work
from tests.charts import draw
from tests.fake_database import FakeDatabase
from workers.analysis.analyst import AnalystAway, LeaseLost, Unanswerable
from workers.analysis.readings import WINDOW
from workers.analysis.role import STALE_CANDLES, AnalysisRole
from workers.analysis.rules import RuleBasedAnalyst
from workers.analysis.verdict import Verdict

TRADER = {"status": "active", "min_confidence": "0", "stop_loss_type": "percentage", "stop_loss_value": "1"}
TRADER |= {"take_profit_type": "percentage", "take_profit_value": "3"}


def trader_id(number: int) -> UUID:
    return uuid5(UUID(int=7), str(number))


class Desk:
    """A role with a market of its own, at the close of `candles`' last."""

    def __init__(self, candles: Sequence[Candle], analyst: Any = None) -> None:
        self.database = FakeDatabase()
        self.clock = MarketClock(from_ms(candles[-1].close_ms))
        self.market = Market()
        self.wakes = Wakes()
        for candle in candles:
            self.market.publish(candle)
        self.fired_ms = candles[-1].close_ms
        self.role = AnalysisRole(
            self.database, self.clock, self.market, self.wakes, analyst or RuleBasedAnalyst()
        )

    def fire(self, number: int = 1, **trader: Any) -> str:
        one = signal_id(trader_id(number), "BTCUSDT", "1m", self.fired_ms)
        signal = {"id": str(one), "symbol": "BTCUSDT", "interval": "1m", "side": "long"}
        self.database.put("analysis", signal, {**TRADER, **trader})
        self.wakes.wake("analysis")
        return str(one)

    def after(self, candles: int) -> datetime:
        return from_ms(self.fired_ms) + timedelta(minutes=candles)


@pytest.fixture
def desk() -> Desk:
    return Desk(draw(WINDOW, noise=0.0006))


async def test_a_batch_is_one_claim_and_one_answer_ordered_by_signal(desk: Desk) -> None:
    fired = [desk.fire(number) for number in range(5)]
    assert await desk.role.step() == 5
    assert [name for name, _ in desk.database.calls] == ["claim_work", "complete_analysis"]
    results = desk.database.named("complete_analysis")[0]["results"]
    assert [item["signal_id"] for item in results] == sorted(fired)
    assert {item["verdict"] for item in results} == {"approved"}
    assert results[0]["result"]["analyst"] == "rules"
    assert desk.role.counts["approved"] == 5
    assert desk.wakes.pending("monitoring")


async def test_a_claim_names_the_highest_fence_that_is_known(desk: Desk) -> None:
    for number in range(3):
        desk.fire(number)
    await desk.role.step()
    desk.wakes.wake("analysis")
    await desk.role.step()
    assert [call["after_fence"] for call in desk.database.named("claim_work")] == [0, 3]


async def test_without_a_wake_the_database_is_not_asked(desk: Desk) -> None:
    assert await desk.role.step() == 0
    assert desk.database.calls == []


async def test_a_start_looks_for_what_waited(desk: Desk) -> None:
    await desk.role.start()
    await desk.role.step()
    assert desk.database.named("claim_work")[0]["at"] == desk.clock.now().isoformat()


async def test_more_than_one_batch_is_taken_until_none_is_left() -> None:
    desk = Desk(draw(3), Moody())
    for number in range(23):
        desk.fire(number)
    assert await desk.role.step() == 23
    assert [call["max_rows"] for call in desk.database.named("claim_work")] == [10, 10, 10]
    assert [len(call["results"]) for call in desk.database.named("complete_analysis")] == [10, 10, 3]


async def test_too_little_history_defers_until_there_is_enough() -> None:
    desk = Desk(draw(WINDOW - 4, noise=0.0006))
    desk.fire()
    await desk.role.step()
    failed = desk.database.named("fail_analysis")[0]["results"][0]
    assert failed["error"] == "not_enough_history: 116 of 120 candles of 1m"
    assert failed["retry_at"] == desk.after(4).isoformat()
    desk.clock.advance(desk.after(3))
    await desk.role.step()
    assert len(desk.database.named("claim_work")) == 1
    desk.clock.advance(desk.after(4))
    await desk.role.step()
    assert len(desk.database.named("claim_work")) == 2


async def test_a_signal_too_old_to_matter_expires(desk: Desk) -> None:
    one = desk.fire()
    desk.clock.advance(desk.after(STALE_CANDLES) + timedelta(milliseconds=1))
    await desk.role.step()
    expired = desk.database.named("expire_signals")[0]["items"]
    assert expired == [{"signal_id": one, "fence": 1, "outcome_code": "signal_stale"}]
    assert not desk.database.named("complete_analysis")


@pytest.mark.parametrize(("missing", "again"), [(STALE_CANDLES, True), (STALE_CANDLES + 1, False)])
async def test_history_that_would_come_too_late_is_not_waited_for(missing: int, again: bool) -> None:
    desk = Desk(draw(WINDOW - missing, noise=0.0006))
    desk.fire()
    await desk.role.step()
    failed = desk.database.named("fail_analysis")[0]["results"][0]
    assert failed["error"].startswith("not_enough_history")
    assert (failed["retry_at"] is not None) == again


async def test_a_signal_of_the_future_is_given_back_until_it_fires(desk: Desk) -> None:
    desk.fired_ms += 3 * 60_000
    one = desk.fire()
    assert await desk.role.step() == 0
    released = desk.database.named("release_work")[0]
    assert released["signals"] == [{"signal_id": one, "fence": 1}]
    assert released["available_at"] == desk.after(0).isoformat()
    assert not desk.database.named("complete_analysis")
    desk.clock.advance(desk.after(0))
    await desk.role.step()
    assert len(desk.database.named("claim_work")) == 2


@pytest.mark.parametrize("strange", [{"symbol": "ETHUSDT"}, {"market": "spot"}])
async def test_a_symbol_that_this_machine_does_not_see_is_left_to_others(
    desk: Desk, strange: dict[str, str]
) -> None:
    desk.fire()
    row = desk.database.queue["analysis"][0]
    for part in ("signal", "trader"):
        row[part] |= strange
    await desk.role.step()
    assert desk.database.named("release_work")[0]["available_at"] == desk.after(5).isoformat()
    desk.clock.advance(desk.after(STALE_CANDLES + 1))
    desk.database.queue["analysis"].append({**row, "available_at": "", "attempts": 0})
    await desk.role.step()
    assert desk.database.named("expire_signals")[0]["items"][0]["outcome_code"] == "signal_stale"


async def test_the_signals_of_a_paused_trader_are_rejected(desk: Desk) -> None:
    desk.fire(status="paused")
    await desk.role.step()
    result = desk.database.named("complete_analysis")[0]["results"][0]
    assert (result["verdict"], result["outcome_code"]) == ("rejected", "trader_inactive")
    assert not desk.wakes.pending("monitoring")


class Moody:
    """An analyst that raises what it is told, and approves nothing."""

    name = "moody"
    candles_needed = 1
    batch = 10
    lease_seconds = 60

    def __init__(self, *, is_remote: bool = False) -> None:
        self.moods: dict[str, Exception] = {}
        self.is_remote = is_remote
        self.open = True
        self.closed = False

    def is_open(self) -> bool:
        return self.open

    def report(self) -> dict[str, Any]:
        return {"name": self.name}

    def measure(self) -> Sequence[Metric]:
        return ()

    async def close(self) -> None:
        self.closed = True

    async def analyse(self, one: Work, candles: Sequence[Candle]) -> Verdict:
        if str(one.signal_id) in self.moods:
            raise self.moods[str(one.signal_id)]
        return Verdict(False, D("0.1"), outcome_code="low_confidence")


async def test_one_failing_analysis_fails_alone_and_at_last_for_good() -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    bad, good = desk.fire(1), desk.fire(2)
    analyst.moods[bad] = InputError("the model answered nonsense")
    await desk.role.step()
    assert [item["signal_id"] for item in desk.database.named("complete_analysis")[0]["results"]] == [good]
    failed = desk.database.named("fail_analysis")[0]["results"]
    assert [(item["signal_id"], item["error"]) for item in failed] == [(bad, "the model answered nonsense")]
    assert failed[0]["retry_at"] == desk.after(1).isoformat()
    desk.fire(1)
    desk.database.queue["analysis"][0]["signal"]["error_count"] = 2
    await desk.role.step()
    assert desk.database.named("fail_analysis")[1]["results"][0]["retry_at"] is None


async def test_verdicts_survive_an_outage_and_are_handed_over_once(desk: Desk) -> None:
    desk.fire()
    claim = desk.database.__call__

    async def fail_after_claim(name: str, params: Mapping[str, Any], /) -> Any:
        if name == "complete_analysis":
            raise NotSent("the database went away")
        return await claim(name, params)

    desk.role._call = fail_after_claim
    with pytest.raises(NotSent):
        await desk.role.step()
    desk.role._call = desk.database
    assert await desk.role.step() == 1
    assert len(desk.database.named("complete_analysis")) == 1


async def test_an_outage_before_the_claim_keeps_the_wake(desk: Desk) -> None:
    desk.fire()
    desk.database.away = 1
    with pytest.raises(NotSent):
        await desk.role.step()
    assert await desk.role.step() == 1


async def test_a_verdict_that_the_database_cannot_use_fails_the_analysis_for_good(desk: Desk) -> None:
    one = desk.fire()
    desk.database.refuse[one] = "bad_result"
    await desk.role.step()
    failed = desk.database.named("fail_analysis")[0]["results"][0]
    assert (failed["signal_id"], failed["fence"], failed["retry_at"]) == (one, 1, None)


async def test_a_refused_verdict_is_counted_and_not_repeated(desk: Desk) -> None:
    desk.database.refuse[desk.fire()] = "lease_lost"
    await desk.role.step()
    assert (desk.role.counts["refused"], desk.role.counts["approved"]) == (1, 0)
    await desk.role.step()
    assert len(desk.database.named("complete_analysis")) == 1


async def test_one_step_of_an_analyst_that_asks_others_is_one_batch() -> None:
    """Between two batches a machine can be told to stop."""
    desk = Desk(draw(3), Moody(is_remote=True))
    for number in range(23):
        desk.fire(number)
    assert [await desk.role.step() for _ in range(4)] == [10, 10, 3, 0]


async def test_while_nobody_can_be_asked_signals_stay_in_the_queue() -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    desk.fire()
    analyst.open = False
    assert await desk.role.step() == 0
    assert desk.database.calls == []
    analyst.open = True
    assert await desk.role.step() == 1


@pytest.mark.parametrize("candles", [STALE_CANDLES - 1, STALE_CANDLES])
async def test_an_absent_analyst_is_asked_again_as_long_as_the_signal_is_worth_it(candles: int) -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    one = desk.fire()
    desk.database.queue["analysis"][0]["signal"]["error_count"] = 9
    analyst.moods[one] = AnalystAway("no answer")
    desk.clock.advance(desk.after(candles))
    await desk.role.step()
    failed = desk.database.named("fail_analysis")[0]["results"][0]
    later = desk.after(candles + 1).isoformat()
    assert failed["retry_at"] == (later if candles < STALE_CANDLES else None)


async def test_in_a_replay_market_time_waits_for_an_analyst_that_is_away() -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    desk.role._replay = True
    one = desk.fire()
    analyst.moods[one] = AnalystAway("no answer")
    for _ in range(3):
        with pytest.raises(Unavailable, match="no answer"):
            await desk.role.step()
    assert desk.database.named("fail_analysis") == []
    analyst.open = False
    with pytest.raises(Unavailable, match="the analyst is away"):
        await desk.role.step()
    analyst.open = True
    del analyst.moods[one]
    await desk.role.step()
    (judged,) = desk.database.named("complete_analysis")
    assert [item["signal_id"] for item in judged["results"]] == [one]


async def test_what_is_never_answered_fails_at_once_and_what_is_lost_is_left_alone() -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    refused, lost = desk.fire(1), desk.fire(2)
    analyst.moods = {refused: Unanswerable("no such question"), lost: LeaseLost("somebody else's")}
    await desk.role.step()
    assert [item["signal_id"] for item in desk.database.named("fail_analysis")[0]["results"]] == [refused]
    assert desk.database.named("fail_analysis")[0]["results"][0]["retry_at"] is None
    assert desk.role.counts["lost"] == 1


async def test_an_outage_in_the_midst_of_a_batch_loses_no_verdict_and_judges_nothing_twice() -> None:
    analyst = Moody()
    desk = Desk(draw(3), analyst)
    fired = sorted(desk.fire(number) for number in range(3))
    analyst.moods[fired[1]] = NotSent("the database went away")
    with pytest.raises(NotSent):
        await desk.role.step()
    analyst.moods = {one: InputError("asked twice") for one in fired if one != fired[1]}
    await desk.role.step()
    told = [
        item["signal_id"] for call in desk.database.named("complete_analysis") for item in call["results"]
    ]
    assert sorted(told) == fired
    assert len(desk.database.named("claim_work")) == 2


async def test_stopping_closes_what_the_analyst_opened() -> None:
    analyst = Moody()
    await Desk(draw(3), analyst).role.stop()
    assert analyst.closed


async def test_what_is_due_and_cannot_be_claimed_is_not_asked_for_for_ever() -> None:
    desk = Desk(draw(3), Moody(is_remote=True))
    desk.fire()
    desk.database.stuck = 2
    assert [await desk.role.step() for _ in range(2)] == [1, 0]
    assert len(desk.database.named("work_waiting")) == 2
