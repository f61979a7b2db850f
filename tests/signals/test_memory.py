"""What all traders may take fits into where the machine runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.signals.memory import MOST_BYTES, most_bytes


@pytest.mark.parametrize(
    ("told", "most"),
    [("1073741824\n", 1073741824 // 3), ("max\n", None), ("", None), (None, None)],
    ids=["a container of 1 GB", "a container without a limit", "an empty file", "no container"],
)
def test_a_container_has_what_it_was_given(tmp_path: Path, told: str | None, most: int | None) -> None:
    limit = tmp_path / "memory.max"
    if told is not None:
        limit.write_text(told)
    free = most_bytes(tmp_path / "absent")
    assert 0 < free <= MOST_BYTES
    assert most_bytes(limit) == (free if most is None else min(free, most))
