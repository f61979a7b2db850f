"""The comparison with the transcripts can fail."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local_supabase.realtime.comparison import Comparison, Frame, read_frame


def frame(payload: Any, event: str = "broadcast", topic: str = "realtime:t") -> Frame:
    return read_frame(json.dumps([None, None, topic, event, payload]))


@pytest.mark.parametrize(
    ("listed", "came"),
    [
        ([{"a": 1}], []),
        ([], [{"a": 1}]),
        ([{"a": 1}], [{"a": 2}]),
        ([{"a": 1}], [{"a": "1"}]),
        ([{"a": 1}], [{"a": 1, "b": 2}]),
        ([{"a": None}], [{}]),
        ([{"a": 1}, {"a": 2}], [{"a": 2}, {"a": 1}]),
        ([{"ids": [1, 2]}], [{"ids": [2, 1]}]),
        ([{"id": "<uuid:1>"}], [{"id": "not one"}]),
        ([{"at": "<timestamp>"}], [{"at": "2026-01-01"}]),
    ],
)
def test_differences_are_found(listed: list[Any], came: list[Any]) -> None:
    with pytest.raises(AssertionError):
        Comparison().window([frame(each) for each in listed], [frame(each) for each in came], [])


def test_the_text_of_numbers_counts() -> None:
    with pytest.raises(AssertionError):
        Comparison().window(
            [read_frame('[null,null,"t","e",{"n":1.50}]')], [read_frame('[null,null,"t","e",{"n":1.5}]')], []
        )


def test_a_placeholder_means_one_thing() -> None:
    one, other = "0" * 8 + "-0000-4000-8000-" + "1" * 12, "0" * 8 + "-0000-4000-8000-" + "2" * 12
    comparison = Comparison()
    comparison.window([frame({"id": "<uuid:1>"})], [frame({"id": one})], [])
    comparison.window([frame({"<uuid:1>": 1})], [frame({one: 1})], [])
    for wrong in ("<uuid:1>", "<uuid:2>"):
        with pytest.raises(AssertionError):
            comparison.window(
                [frame({"id": wrong})], [frame({"id": other if wrong == "<uuid:1>" else one})], []
            )


def test_an_answer_that_comes_late_is_found() -> None:
    answer = frame({"status": "ok", "response": {"postgres_changes": []}}, "phx_reply")
    state = frame({}, "presence_state")
    Comparison().window([state, answer], [answer, state], [])
    with pytest.raises(AssertionError, match="before the answer"):
        Comparison().window([answer, state], [state, answer], [])


def test_metas_may_come_in_any_order() -> None:
    listed = frame({"k": {"metas": [{"phx_ref": "<phx_ref:1>", "n": 1}, {"phx_ref": "<phx_ref:2>", "n": 2}]}})
    came = frame({"k": {"metas": [{"phx_ref": "b", "n": 2}, {"phx_ref": "a", "n": 1}]}})
    comparison = Comparison()
    comparison.window([listed], [came], [])
    assert comparison.meanings == {"<phx_ref:1>": "a", "<phx_ref:2>": "b"}
