"""When a machine says that it is not well, and why."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.machine.test_life import Reel
from workers.health import Bounds, Condition, judge
from workers.observation import find_condition
from workers.signals.metrics import SpoolState
from workers.status import Status

WELL: dict[str, Any] = {"state": "running", "running_for": 3600.0}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, None),
        ({"state": "starting", "running_for": 60.0}, None),
        ({"state": "starting", "running_for": 700.0}, "starting for 700 s"),
        ({"state": "draining"}, "the machine is draining"),
        ({"steps": {"trading": 179.0}}, None),
        ({"steps": {"trading": 181.0, "signals": 0.0}}, "role trading has been in one step for 181 s"),
        ({"silent": 239.0}, None),
        ({"silent": 241.0}, "no candle has come for 241 s"),
        ({"state": "starting", "running_for": 60.0, "silent": 9000.0}, None),
        ({"away": {"analyst": 0.0, "signal_worker": 119.0}}, None),
        ({"away": {"analyst": 0.0, "signal_worker": 121.0}}, "database has not answered for 121 s"),
        ({"spool_age": 299.0}, None),
        ({"spool_alarm": "filling"}, "comes near its bound"),
        ({"spool_alarm": "full"}, "turns signals away"),
        ({"spool_alarm": "disk"}, "disk refuses"),
        ({"spool_age": 301.0}, "waited for 301 s"),
        ({"tokens": {"analyst": 1.0, "signal_worker": 86_400.0}}, None),
        ({"tokens": {"analyst": 0.0, "signal_worker": 86_400.0}}, "token for the role analyst has ended"),
    ],
)
def test_each_fault_has_its_sentence_and_nothing_else_has(found: dict[str, Any], said: str | None) -> None:
    reasons = judge(Condition(**{**WELL, **found}))
    assert len(reasons) == (said is not None)
    assert said is None or said in reasons[0]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_machine_is_well_within_its_bounds_and_nowhere_else(
    step: float, silent: float, away: float, age: float
) -> None:
    it = Condition("running", 1.0, {"signals": step}, silent, {"analyst": away}, age)
    most = Bounds()
    well = (step <= most.step, silent <= most.silence, away <= most.away, age <= most.spool)
    assert len(judge(it)) == well.count(False)


def test_only_a_live_feed_can_fall_silent() -> None:
    spool, later = SpoolState(3, 60, 100, 900.0, "filling"), time.monotonic() + 500.0
    live = Reel(1)
    live.kind = "live"
    status = Status("sig-00000001", replay=False, state="running")
    assert len(judge(find_condition(status, live, {}, spool, later))) == 3
    assert len(judge(find_condition(status, Reel(1), {}, spool, later))) == 2
    replaying = Status("sig-00000001", replay=True, state="running")
    assert len(judge(find_condition(replaying, live, {}, spool, later))) == 2
