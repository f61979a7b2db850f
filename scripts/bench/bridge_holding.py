"""What it takes to hold many open positions: memory and processor of one bridge, and taking them over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from scripts.bench.bridge_run import Bridge, running_bridge
from scripts.bench.bridge_stage import PRICES, Stage
from scripts.bench.processor import list_processes, sum_tree
from scripts.bench.report import Progress, Result, at_most, exactly, figure

VENUE = "bybit"
MOST_MEMORY_MB = 1024.0
MOST_CORES = 1.0
# Long enough for candles, and for every question that is asked once or twice a minute.
WINDOW_SECONDS, QUICK_WINDOW_SECONDS = 120.0, 12.0
# An empty bridge is looked at for so long; and one that took over comes to rest meanwhile.
REST_SECONDS = 5.0


@dataclass(frozen=True)
class Size:
    """So many accounts with so many positions each."""

    accounts: int
    positions: int

    @property
    def all(self) -> int:
        """All positions."""
        return self.accounts * self.positions


FULL, QUICK = Size(100, 10), Size(10, 10)


@dataclass(frozen=True)
class Spent:
    """What a bridge took in a window: memory at its end and at most (MB), and cores."""

    memory: float
    peak: float
    cores: float


async def measure_holding(
    stage: Stage, folder: Path, size: Size, progress: Progress, *, window: float
) -> list[Result]:
    """Open the positions by ready signals, as all positions are; then let a new bridge take them over."""
    progress("an empty bridge, for the floor")
    async with running_bridge(stage, folder / "empty.log") as bridge:
        empty = await watch(bridge, REST_SECONDS)
    desks = await stage.add_desks(VENUE, size.accounts)
    progress(f"opening {size.all} positions on {size.accounts} accounts of {VENUE}")
    async with running_bridge(stage, folder / "opening.log") as bridge:
        begun = perf_counter()
        for number, symbol in enumerate(sorted(PRICES)[: size.positions], start=1):
            stage.fire([(desk, symbol) for desk in desks])
            await _until_held(bridge, stage, number * size.accounts)
        opened = perf_counter() - begun
    progress("another bridge takes them over")
    begun = perf_counter()
    async with running_bridge(stage, folder / "holding.log") as bridge:
        await bridge.until("take every account over", lambda: bridge.told("account_opened") >= size.accounts)
        taken_over, spent_on_it = perf_counter() - begun, processor_time(bridge)
        await asyncio.sleep(REST_SECONDS)
        progress(f"holding for {window:g} s")
        holding = await watch(bridge, window)
        at_the_end = stage.held()
    return [
        *judge_holding(size, window, empty, holding, at_the_end, bridge.counts),
        figure(f"opening and protecting {size.all} positions", size.all / opened, "positions/s"),
        figure(f"taking over {size.accounts} accounts from cold", taken_over, "s"),
        figure("processor time of taking over", spent_on_it, "s"),
    ]


async def _until_held(bridge: Bridge, stage: Stage, positions: int) -> None:
    await bridge.until(f"protect {positions} positions", lambda: stage.held() == (positions, positions))


def judge_holding(
    size: Size, window: float, empty: Spent, holding: Spent, held: Sequence[int], counts: dict[str, int]
) -> list[Result]:
    """The floor is a bridge of the same kind that holds nothing."""
    what = f"{size.all} positions on {size.accounts} accounts"
    return [
        exactly(f"{what}, open and protected at the end", min(held), "positions", size.all),
        at_most(f"{what}, memory", holding.memory, "MB", MOST_MEMORY_MB, empty.memory, of_value=True),
        figure(f"{what}, most memory", holding.peak, "MB", empty.peak),
        at_most(f"{what}, processor over {window:g} s", holding.cores, "cores", MOST_CORES, of_value=True),
        figure("a bridge that holds nothing, processor", empty.cores, "cores"),
        exactly(f"{what}, questions that failed", counts.get("venue_errors", 0), "questions", 0),
    ]


async def watch(bridge: Bridge, seconds: float) -> Spent:
    """What this bridge takes from now on, for so long."""
    begun, before = perf_counter(), processor_time(bridge)
    await asyncio.sleep(seconds)
    cores = (processor_time(bridge) - before) / (perf_counter() - begun)
    now, peak = memory_of(bridge)
    return Spent(now, peak, cores)


def processor_time(bridge: Bridge) -> float:
    """Seconds of processor that the process took so far."""
    return sum_tree(list_processes(Path("/proc")), bridge.process.pid)


def memory_of(bridge: Bridge) -> tuple[float, float]:
    """Resident memory of the process now and at most, in MB."""
    status = Path(f"/proc/{bridge.process.pid}/status").read_text()
    found = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return int(found["VmRSS"].split()[0]) / 1024, int(found["VmHWM"].split()[0]) / 1024
