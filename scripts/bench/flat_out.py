"""As fast as it goes: COPY, SQL and supabase-py in short rounds one after the other, so that whatever else
the machine does meets all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

import psycopg

from scripts.bench.report import Progress, Result, at_least, figure
from scripts.bench.signals import Cast, Maker, Row
from scripts.bench.twins import copy_batch, make_twins, write_lines
from scripts.bench.ways import Machine, become, ingest

BATCH = 1000
IN_FLIGHT = 4
SQL_TARGET = 0.6
SUPABASE_TARGET = 0.35

Batch = TypeVar("Batch")


@dataclass
class Rates:
    """Signals a second of each round."""

    copy: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})
    sql: dict[int, list[float]] = field(default_factory=lambda: {1: [], 2: []})
    supabase: list[float] = field(default_factory=list)


async def measure_flat_out(
    url: str,
    cast: Cast,
    maker: Maker,
    machine: Machine,
    *,
    rounds: int,
    batches: int,
    seconds: float,
    progress: Progress,
) -> tuple[list[Result], int]:
    """The rate of each way beside that of COPY, the median of all rounds, and how many signals were sent.

    batches: of BATCH signals, in each round for each way; seconds: after which no round begins
    """
    rates = Rates()
    owners = cast.owners
    made = 0
    end = perf_counter() + seconds
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(2))
        plain, machines = (
            [stack.enter_context(psycopg.connect(url, autocommit=True)) for _ in range(2)] for _ in range(2)
        )
        make_twins(plain[0])
        for connection in machines:
            become(connection, cast.machine)
        for number in range(1, rounds + 1):
            for connections in (1, 2):
                work = [maker.take(BATCH) for _ in range(batches)]
                lines = [write_lines(rows, cast, owners) for rows in work]
                rates.copy[connections].append(await _share(pool, plain[:connections], copy_batch, lines))
                rates.sql[connections].append(await _share(pool, machines[:connections], ingest, work))
            work = [maker.take(BATCH) for _ in range(batches)]
            rates.supabase.append(await _send(machine, work))
            made += 3 * batches * BATCH
            progress(f"flat out, round {number} of {rounds}: {_describe(rates)}")
            if perf_counter() > end:
                break
    return judge(rates), made


def judge(rates: Rates) -> list[Result]:
    """The medians, each way against COPY with as many connections; supabase-py against the faster COPY."""
    copies = {connections: median(values) for connections, values in rates.copy.items()}
    results = []
    for connections, floor in copies.items():
        words = f"{connections} connection{'s' if connections > 1 else ''}"
        results.append(figure(f"flat out, COPY, {words}", floor, "signals/s"))
        results.append(
            at_least(
                f"flat out, SQL, {words}", median(rates.sql[connections]), "signals/s", SQL_TARGET, floor
            )
        )
    results.append(
        at_least(
            f"flat out, supabase-py, {IN_FLIGHT} in flight",
            median(rates.supabase),
            "signals/s",
            SUPABASE_TARGET,
            max(copies.values()),
        )
    )
    return results


async def _share(
    pool: ThreadPoolExecutor,
    connections: Sequence[psycopg.Connection[Any]],
    do: Callable[[psycopg.Connection[Any], Batch], None],
    batches: Sequence[Batch],
) -> float:
    """Signals a second when these connections do the batches together, each in a thread."""
    waiting = deque(batches)

    def work(connection: psycopg.Connection[Any]) -> None:
        while True:
            try:
                batch = waiting.popleft()
            except IndexError:
                return
            do(connection, batch)

    loop = asyncio.get_running_loop()
    begin = perf_counter()
    await asyncio.gather(*(loop.run_in_executor(pool, work, one) for one in connections))
    return len(batches) * BATCH / (perf_counter() - begin)


async def _send(machine: Machine, batches: Sequence[list[Row]]) -> float:
    waiting = deque(batches)

    async def work() -> None:
        while waiting:
            await machine.send(waiting.popleft())

    begin = perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return len(batches) * BATCH / (perf_counter() - begin)


def _describe(rates: Rates) -> str:
    latest = {
        "COPY": rates.copy[2][-1],
        "SQL": rates.sql[2][-1],
        "supabase-py": rates.supabase[-1],
    }
    return ", ".join(f"{name} {rate:,.0f}/s" for name, rate in latest.items())
