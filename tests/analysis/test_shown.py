"""What people see of a question to a model: that it was asked, not its pages."""

from __future__ import annotations

from typing import Any

from cli.signals import brief


def test_the_pages_of_a_question_stay_in_the_json() -> None:
    data = {"model": "m", "attempt": 1, "request": {"messages": ["x" * 9000]}}
    asked: dict[str, Any] = {"event_type": "analysis_requested", "event_data": data}
    assert brief(asked)["event_data"] == {"model": "m", "attempt": 1, "request": "see --json"}
    assert asked["event_data"]["request"] is data["request"]


def test_everything_else_is_shown_as_it_is() -> None:
    for row in (
        {"event_type": "analysis_requested", "event_data": {"model": "m", "attempt": 2}},
        {"event_type": "analysis_completed", "event_data": {"request": "kept"}},
        {"leg": "entry"},
    ):
        assert brief(row) is row
