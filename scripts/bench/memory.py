"""`sigtrail bench memory`: whether a machine that runs on needs more and more.

A machine with every role, as `up` starts it, on candles that were recorded (SIGTRAIL_CANDLES names their
folder) or, without, simulated, at 60 times the speed: two hours are five days of the market. Each minute it
is asked what it takes, from outside (resident memory, file descriptors) and over /metrics (the blocks that
Python has given out). What is kept of a series is printed whole, a figure a minute. Flat is what the last
quarter of the run takes, at most, of what the first took.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from scripts.bench.fired import days_of
from scripts.bench.main_job import (
    find_candles,
    finish_main_job,
    multiply_traders,
    run_main_job,
    start_main_job,
)
from scripts.bench.report import Progress, Result, at_most, exactly, figure
from scripts.bench.stage import empty_project
from scripts.local_supabase.ports import free_ports
from shared.vault import new_master_key

# For each of the demo's traders so many more, with other numbers.
COPIES = 3
# The last quarter may take so much of what the first took: noise, and room for what fills once.
MOST_RATIO = 1.05
MEGABYTE = 1024**2
# As many days of history as the machine begins with, where the candles reach that far.
PAST_DAYS = 24
RUNNING = 'sigtrail_machine_state{state="running"} 1.0'
READINGS = ("process_resident_memory_bytes", "sigtrail_python_blocks", "process_open_fds")


@dataclass(frozen=True, slots=True)
class Length:
    """How long the machine runs (s), at which speed, how often it is asked (s), and for how long it warms up
    before it counts (s)."""

    seconds: float
    speed: float
    every: float
    warming: float


WHOLE = Length(7200, 60, 60, 120)
QUICK = Length(40, 3600, 1, 5)


@dataclass(frozen=True, slots=True)
class Sample:
    """What the machine took at a time (seconds since it ran): resident bytes, Python's blocks, files."""

    seconds: float
    resident: float
    blocks: float
    files: float


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Two hours, or a minute when quick, which says little: a machine is still warming up then."""
    length = QUICK if quick else WHOLE
    if not quick:
        progress("this takes two hours; --quick gives a figure within a minute, of a machine that warms up")
    with tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as work:
        folder, source = await find_candles(Path(work), progress)
        days = await days_of(folder)
        # What a market keeps of each interval fills with time; a past fills it before anything is measured.
        begin = days[
            max(0, min(PAST_DAYS, len(days) - 1 - math.ceil(length.seconds * length.speed / 86_400)))
        ]
        progress("starting a local Supabase of its own")
        with empty_project() as settings:
            # A first candle makes the demo's user, account and traders.
            await run_main_job(settings, folder, days[0].isoformat())
            multiply_traders(settings, COPIES)
            port = free_ports()
            process = await start_main_job(
                settings,
                folder,
                *("--since", begin.isoformat(), "--speed", f"{length.speed:g}"),
                *("--for", f"{length.seconds:g}"),
                SIGTRAIL_MASTER_KEY=new_master_key(),
                SIGTRAIL_SEAL_KEY=new_master_key(),
                SIGTRAIL_METRICS_PORT=str(port),
            )
            progress(f"a machine with every role on {source} candles at {length.speed:g} times the speed")
            ending = asyncio.create_task(finish_main_job(process))
            try:
                samples = await watch(port, length, ending, progress)
                summary = await ending
            finally:
                if process.returncode is None:
                    process.kill()
                ending.cancel()
    return [*judge(samples, length), *_tell_work(summary), *tell_series(samples)]


async def watch(
    port: int, length: Length, ending: asyncio.Task[dict[str, Any]], progress: Progress
) -> list[Sample]:
    """Ask the machine behind this port again and again until it ends. Raises what made it end early."""
    samples: list[Sample] = []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        begun = None
        while True:
            due = length.every * (len(samples) + 1) if begun is not None else 0.2
            left = due if begun is None else begun + due - perf_counter()
            await asyncio.wait({ending}, timeout=max(0.0, left))
            if ending.done():
                ending.result()
                return samples
            try:
                page = (await client.get("/metrics")).text
            except httpx.TransportError:
                continue  # it starts, or it stops
            if RUNNING not in page:
                continue
            if begun is None:
                begun = perf_counter()
                continue
            samples.append(read_sample(page, perf_counter() - begun))
            progress(_describe(samples[-1]))


def read_sample(page: str, seconds: float) -> Sample:
    """What a page of /metrics says of the process. Raises LookupError for what it does not say."""
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in READINGS
    }
    missing = [name for name in READINGS if name not in found]
    if missing:
        raise LookupError(f"this machine does not tell {', '.join(missing)}")
    return Sample(seconds, *(found[name] for name in READINGS))


def judge(samples: Sequence[Sample], length: Length) -> list[Result]:
    """The last quarter beside the first, and how it goes on: the slope over all that was warm."""
    warm = [one for one in samples if one.seconds >= length.warming]
    quarter = len(warm) // 4
    if not quarter:
        raise ValueError(f"{len(warm)} samples of a warm machine have no quarters")
    results = []
    for name, unit, values in (
        ("resident memory", "MB", [one.resident / MEGABYTE for one in warm]),
        ("Python's blocks", "blocks", [one.blocks for one in warm]),
    ):
        first, last = statistics.median(values[:quarter]), statistics.median(values[-quarter:])
        hours = [one.seconds / 3600 for one in warm]
        slope = statistics.linear_regression(hours, values).slope
        results += [
            at_most(f"{name}, last quarter beside the first", last, unit, MOST_RATIO, first),
            figure(f"{name}, slope", slope, f"{unit}/h"),
            figure(f"{name}, most", max(values), unit),
        ]
    return [*results, figure("open files, most", max(one.files for one in warm), "files")]


def tell_series(samples: Sequence[Sample]) -> list[Result]:
    """Every sample."""
    return [
        one
        for sample in samples
        for one in (
            figure(f"after {sample.seconds:.0f} s, resident memory", sample.resident / MEGABYTE, "MB"),
            figure(f"after {sample.seconds:.0f} s, Python's blocks", sample.blocks, "blocks"),
        )
    ]


def _tell_work(summary: dict[str, Any]) -> list[Result]:
    """What the machine did meanwhile; a machine that did nothing would be flat, too."""
    return [
        figure("candles", summary["candles"], "candles"),
        figure("signals recorded", summary["inserted"], "signals"),
        figure("orders", summary["orders"], "orders"),
        figure("positions closed", summary["positions_closed"], "positions"),
        exactly("errors that it survived", len(summary["errors"]), "errors", 0),
        exactly("orders unresolved", summary["orders_unresolved"], "orders", 0),
    ]


def _describe(sample: Sample) -> str:
    return (
        f"{timedelta(seconds=round(sample.seconds))}  {sample.resident / MEGABYTE:.1f} MB resident,"
        f" {sample.blocks:,.0f} blocks, {sample.files:.0f} files"
    )
