"""Work that comes by the clock, whether or not the last piece is done: as it does from a market."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from time import perf_counter

from scripts.bench.signals import Row

EVERY_MS = 100
# So many batches are under way at once; the others wait their turn, and that waiting counts.
SENDERS = 4


@dataclass
class Paced:
    """What became of a paced run, in seconds.

    acks: from when a batch was due to its answer, however long it waited to be sent
    handed: from when a batch was due to when it was handed over to the client
    made: signals that came due; seconds: from the first due time to the end of the schedule, or to the last
    answer if that came later
    """

    acks: list[float] = field(default_factory=list)
    handed: list[float] = field(default_factory=list)
    made: int = 0
    seconds: float = 0.0

    @property
    def per_minute(self) -> float:
        """Signals a minute that were answered: below the rate that was asked for when answers fell behind."""
        return self.made * 60 / self.seconds


def batch_sizes(per_minute: int, seconds: float, every_ms: int = EVERY_MS) -> Iterator[int]:
    """How many signals are due at each tick, so that every minute has exactly `per_minute`."""
    for tick in range(round(seconds * 1000 / every_ms)):
        yield (tick + 1) * per_minute * every_ms // 60_000 - tick * per_minute * every_ms // 60_000


async def pace(
    send: Callable[[list[Row]], Awaitable[None]],
    take: Callable[[int], list[Row]],
    *,
    per_minute: int,
    seconds: float,
    most_rows: int,
    every_ms: int = EVERY_MS,
    note: Callable[[list[Row], float], None] | None = None,
) -> Paced:
    """Hand a batch to `send` at every tick, in calls of at most `most_rows`, and wait for none of them.

    note: told of each call's rows and of the moment they are due (perf_counter), just before they are handed
    over. What is due is made half a tick before, when answers are rarely on their way: making signals is not
    what is measured.
    """
    paced = Paced()
    queue: asyncio.Queue[tuple[float, list[Row]] | None] = asyncio.Queue()
    begin = perf_counter() + every_ms / 1000

    async def work() -> None:
        while (waiting := await queue.get()) is not None:
            due, rows = waiting
            paced.handed.append(perf_counter() - due)
            await send(rows)
            paced.acks.append(perf_counter() - due)

    async with asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(work())
        for tick, size in enumerate(batch_sizes(per_minute, seconds, every_ms)):
            due = begin + tick * every_ms / 1000
            await _sleep_until(due - every_ms / 2000)
            rows = take(size)
            paced.made += size
            await _sleep_until(due)
            for part in split(rows, most_rows):
                if note is not None:
                    note(part, due)
                queue.put_nowait((due, part))
        for _ in range(SENDERS):
            queue.put_nowait(None)
    paced.seconds = max(seconds, perf_counter() - begin)
    return paced


async def _sleep_until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - perf_counter()))


def split(rows: list[Row], most_rows: int) -> list[list[Row]]:
    """The rows in as few parts as hold at most `most_rows` each, all of about one size."""
    parts = -(-len(rows) // most_rows)
    return [rows[len(rows) * n // parts : len(rows) * (n + 1) // parts] for n in range(parts)]
