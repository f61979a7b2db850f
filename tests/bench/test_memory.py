"""What a machine takes over time: how its samples are read and judged."""

from __future__ import annotations

import pytest

from scripts.bench.memory import MEGABYTE, Length, Sample, judge, read_sample, tell_series
from scripts.bench.report import Result

LENGTH = Length(seconds=7200, speed=60, every=60, warming=120)


def samples(*megabytes: float) -> list[Sample]:
    return [
        Sample(60.0 * (number + 1), size * MEGABYTE, size * 1000, 30) for number, size in enumerate(megabytes)
    ]


def judged(*megabytes: float) -> dict[str, Result]:
    return {one.name: one for one in judge(samples(*megabytes), LENGTH)}


def test_the_last_quarter_is_held_against_the_first_and_the_start_does_not_count() -> None:
    flat = judged(50, *[100.0, 102.0] * 8)
    assert all(one.met is not False for one in flat.values())
    assert flat["resident memory, last quarter beside the first"].ratio == 1
    assert abs(flat["resident memory, slope"].value) < 3
    grows = judged(*[100.0 + minute for minute in range(120)])
    assert grows["resident memory, last quarter beside the first"].met is False
    assert grows["Python's blocks, last quarter beside the first"].met is False
    assert grows["resident memory, slope"].value == 60
    assert grows["resident memory, most"].value == 219


def test_a_run_without_quarters_is_an_error() -> None:
    with pytest.raises(ValueError, match="no quarters"):
        judged(1, 2, 3)


def test_every_sample_is_told() -> None:
    told = [(one.name, one.value) for one in tell_series(samples(100, 101))]
    assert told == [
        ("after 60 s, resident memory", 100),
        ("after 60 s, Python's blocks", 100_000),
        ("after 120 s, resident memory", 101),
        ("after 120 s, Python's blocks", 101_000),
    ]


def test_a_machine_that_does_not_tell_is_named() -> None:
    page = "process_resident_memory_bytes 5.0\nprocess_open_fds 7.0\n"
    with pytest.raises(LookupError, match="does not tell sigtrail_python_blocks"):
        read_sample(page, 60)
    assert read_sample(page + "sigtrail_python_blocks 6.0\n", 60) == Sample(60, 5, 6, 7)
