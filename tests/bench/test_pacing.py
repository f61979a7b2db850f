"""A paced run asks for exactly its rate, and hides no waiting."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.bench.pacing import SENDERS, Paced, batch_sizes, pace, split

Rows = list[dict[str, Any]]


@given(
    per_minute=st.integers(1, 2_000_000),
    minutes=st.integers(1, 3),
    every_ms=st.sampled_from([50, 100, 200, 1000]),
)
def test_every_minute_has_exactly_its_signals(per_minute: int, minutes: int, every_ms: int) -> None:
    sizes = list(batch_sizes(per_minute, minutes * 60, every_ms))
    ticks = 60_000 // every_ms
    assert [sum(sizes[n * ticks : (n + 1) * ticks]) for n in range(minutes)] == [per_minute] * minutes
    assert max(sizes) - min(sizes) <= 1


@given(count=st.integers(1, 5000), most=st.integers(1, 2000))
def test_a_batch_is_split_into_few_parts_of_one_size(count: int, most: int) -> None:
    rows: Rows = [{"id": number} for number in range(count)]
    parts = split(rows, most)
    assert [row for part in parts for row in part] == rows
    assert len(parts) == -(-count // most)
    assert max(map(len, parts)) <= most
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


async def run_against(answered: asyncio.Event, ticks: int) -> tuple[Paced, list[tuple[Rows, float]]]:
    """A run of one row every 10 ms whose answers all come when `answered` is set by the last tick."""
    noted: list[tuple[Rows, float]] = []

    async def send(rows: Rows) -> None:
        await answered.wait()

    def note(rows: Rows, due: float) -> None:
        noted.append((rows, due))
        if len(noted) == ticks:
            answered.set()

    paced = await pace(
        send,
        lambda count: [{"id": number} for number in range(count)],
        per_minute=6000,
        seconds=ticks / 100,
        most_rows=10,
        every_ms=10,
        note=note,
    )
    return paced, noted


async def test_batches_come_due_whether_or_not_the_last_was_answered() -> None:
    ticks = SENDERS * 3
    paced, noted = await run_against(asyncio.Event(), ticks)
    assert len(noted) == len(paced.acks) == paced.made == ticks
    dues = [due for _, due in noted]
    assert [round((later - first) * 1000) for first, later in itertools.pairwise(dues)] == [10] * (ticks - 1)


async def test_a_batch_that_waited_for_its_turn_has_waited() -> None:
    ticks = SENDERS * 3
    paced, _ = await run_against(asyncio.Event(), ticks)
    # Nothing was answered before the last tick: the first batch waited for all the others, 10 ms each.
    assert max(paced.acks) >= (ticks - 1) * 0.01
    assert max(paced.handed) >= (ticks - 1 - SENDERS) * 0.01


async def test_a_batch_that_cannot_be_sent_ends_the_run() -> None:
    async def refuse(rows: Rows) -> None:
        raise ValueError("no")

    with pytest.raises(ExceptionGroup) as raised:
        await pace(
            refuse, lambda count: [{}] * count, per_minute=6000, seconds=0.1, most_rows=10, every_ms=10
        )
    assert raised.group_contains(ValueError, match="no")


def test_the_rate_counts_until_the_last_answer() -> None:
    assert Paced(made=1000, seconds=60.0).per_minute == 1000
    assert Paced(made=1000, seconds=120.0).per_minute == 500
