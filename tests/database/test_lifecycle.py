"""The names of the lifecycle are the same in SQL, in Python and, by way of the vectors, in TypeScript."""

from __future__ import annotations

import json
from pathlib import Path

from shared.lifecycle import ENDINGS, TRANSITIONS, EventType, OutcomeCode, PipelineLocation, SignalStatus
from tests.database.stage import Stage, one


def names(stage: Stage, enum: str) -> list[str]:
    return list(one(stage.operator, f"select enum_range(null::public.{enum})::text[]"))


def test_enums_hold_the_same_names_in_the_same_order(stage: Stage) -> None:
    assert names(stage, "signal_status") == list(SignalStatus)
    assert names(stage, "pipeline_location") == list(PipelineLocation)
    assert set(names(stage, "signal_event_type")) == set(EventType)


def test_the_law_is_the_same(stage: Stage) -> None:
    rows = stage.operator.execute("select from_status, to_status from public.status_transitions").fetchall()
    assert {(SignalStatus(a), SignalStatus(b)) for a, b in rows} == {
        (origin, target) for origin, targets in TRANSITIONS.items() for target in targets
    }


def test_each_reason_ends_the_same_way(stage: Stage) -> None:
    rows = stage.operator.execute("select code, status from public.outcome_codes").fetchall()
    assert {OutcomeCode(code): SignalStatus(status) for code, status in rows} == ENDINGS


def test_the_vectors_have_the_same_reasons() -> None:
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "lifecycle.json").read_text())
    assert vectors["outcomes"] == ENDINGS


def test_final_statuses_are_those_that_reasons_end_in() -> None:
    assert {status for status in SignalStatus if status.is_final} == set(ENDINGS.values())
