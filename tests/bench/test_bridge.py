"""What the benchmark of the bridge makes of its notes."""

from __future__ import annotations

import pytest

from scripts.bench.bridge import judge_sending, leaving
from scripts.bench.bridge_floor import Floor
from scripts.bench.report import Result


def judged(sent_ms: list[float], rest_ms: list[float]) -> dict[str, Result]:
    sent = [{"committed_ms": one - 4, "sent_ms": one} for one in sent_ms]
    return {one.name: one for one in judge_sending(sent, len(sent), Floor([5.0] * len(sent), rest_ms))}


def test_the_promise_is_one_of_the_99th_percentile_whatever_the_floor_is() -> None:
    quick = judged([10.0] * 99 + [19.9], [1.0] * 100)
    assert quick["from the decision to the bytes, p99"].met is True
    slow = judged([10.0] * 98 + [20.1, 20.1], [20.1] * 100)
    late = slow["from the decision to the bytes, p99"]
    assert (late.met, late.value, late.ratio, late.target) == (False, 20.1, 1.0, 20.0)


def test_the_way_is_told_in_its_parts_beside_the_same_commit() -> None:
    found = judged([10.0] * 100, [3.0] * 100)
    assert found["of it to the commit, p50"].value == 6.0
    assert found["of it to the commit, p50"].ratio == 2.0
    assert found["of it from the commit to the bytes, p50"].value == 4.0
    assert found["the same commit by SQL alone, p50"].value == 5.0


def test_an_entry_has_left_when_the_venue_has_it_and_when_its_write_returned() -> None:
    told = {"committed_ms": 8.0, "sent_ms": 12.0, "decided_at": 100.0}
    assert leaving(told, None)["sent_ms"] == 12.0
    assert leaving(told, 100.0105)["sent_ms"] == pytest.approx(10.5)
    assert leaving(told, 100.02)["sent_ms"] == 12.0


def test_an_entry_that_never_left_is_missed() -> None:
    sent = [{"committed_ms": 1.0, "sent_ms": 2.0}] * 9
    first = judge_sending(sent, 10, Floor([1.0] * 10, [1.0] * 10))[0]
    assert (first.name, first.met) == ("entries that left", False)
