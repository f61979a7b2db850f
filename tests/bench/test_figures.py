"""How figures are judged: what was lost, what was doubled, what was told, and which target counts."""

from __future__ import annotations

from collections import Counter

import pytest

from scripts.bench.flat_out import Rates
from scripts.bench.flat_out import judge as judge_rates
from scripts.bench.ingest import BURST, SUSTAINED, judge_counts, judge_pace
from scripts.bench.latency import Subscriber
from scripts.bench.pacing import Paced
from scripts.bench.report import Result, at_most, percentile


def by_name(results: list[Result]) -> dict[str, Result]:
    return {result.name.rpartition(", ")[2]: result for result in results}


@pytest.mark.parametrize(
    ("found", "lost", "duplicated"),
    [((10, 10), 0, 0), ((9, 10), 1, 0), ((10, 8), 2, 0), ((10, 11), 0, 1), ((9, 12), 1, 2)],
)
def test_what_is_in_the_database_is_held_against_what_was_made(
    found: tuple[int, int], lost: int, duplicated: int
) -> None:
    judged = by_name(judge_counts("x", 10, found, Counter()))
    assert (judged["lost"].value, judged["lost"].met) == (lost, lost == 0)
    assert (judged["duplicated"].value, judged["duplicated"].met) == (duplicated, duplicated == 0)


def test_a_rejected_signal_is_a_failure() -> None:
    assert by_name(judge_counts("x", 10, (10, 10), Counter(rejected=1)))["rejected"].met is False


def test_the_median_of_each_way_is_held_against_copy() -> None:
    rates = Rates(
        copy={1: [100.0, 1.0, 100.0], 2: [200.0, 200.0]},
        sql={1: [59.0, 59.0, 500.0], 2: [120.0]},
        supabase=[70.0],
    )
    judged = {result.name: result for result in judge_rates(rates)}
    assert (judged["flat out, SQL, 1 connection"].ratio, judged["flat out, SQL, 1 connection"].met) == (
        0.59,
        False,
    )
    assert judged["flat out, SQL, 2 connections"].met is True
    supabase = judged["flat out, supabase-py, 4 in flight"]
    assert (supabase.floor, supabase.ratio, supabase.met) == (200, 0.35, True)


def paced(milliseconds: float) -> Paced:
    return Paced(acks=[milliseconds / 1000] * 100, handed=[0.0] * 100, made=100_000, seconds=60.0)


def test_sustained_answers_have_their_own_limits_whatever_the_floor() -> None:
    assert by_name(judge_pace("x", SUSTAINED, paced(9), paced(1)))["ack p95"].met is True
    late = by_name(judge_pace("x", SUSTAINED, paced(11), paced(10)))
    assert (late["ack p95"].met, late["ack p99"].met) == (False, True)
    assert late["ack p95"].floor == pytest.approx(10)
    assert late["answered"].met is True


def test_a_burst_is_judged_by_its_slowest_answers_alone() -> None:
    judged = by_name(judge_pace("x", BURST, paced(249), paced(1)))
    assert (judged["ack p95"].met, judged["ack p99"].met, judged["answered"].met) == (None, True, False)


def test_a_limit_of_the_value_ignores_the_ratio() -> None:
    assert at_most("x", 9, "ms", 10, floor=0.1, of_value=True).met is True
    assert at_most("x", 9, "ms", 10, floor=0.1).met is False


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99)) == (51, 96, 100)
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


async def test_a_batch_is_told_when_the_counts_reach_it() -> None:
    subscriber = Subscriber()
    subscriber.expect(10, 1.0)
    subscriber.expect(5, 1.1)
    subscriber.hear(9, 1.2)
    assert subscriber.latencies == []
    subscriber.hear(6, 1.3)
    assert subscriber.latencies == [pytest.approx(0.3), pytest.approx(0.2)]
    assert subscriber.complete.is_set()
    subscriber.expect(1, 2.0)
    assert not subscriber.complete.is_set()
