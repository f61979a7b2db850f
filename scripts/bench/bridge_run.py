"""A bridge that runs as a process of its own, and what it tells."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from scripts.bench.bridge_stage import Stage, end

# How long a bridge may take for anything before the benchmark gives up on it.
PATIENCE = 120.0


class Bridge:
    """A bridge that runs, and what it tells."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self._log = log
        self.sent: dict[str, dict[str, float]] = {}
        self.running_after: float | None = None
        self.counts: dict[str, int] = {}

    async def listen(self) -> None:
        """Take what it tells until it ends."""
        if self.process.stdout is None:
            raise RuntimeError("the bridge was started without its pipes")
        async for line in self.process.stdout:
            told = json.loads(line)
            if told["event"] == "sent":
                self.sent[told["client_order_id"]] = told
            elif told["event"] == "running":
                self.running_after = told["seconds"]
            else:
                self.counts = told["counts"]

    async def until(self, what: str, holds: Callable[[], Any], seconds: float = PATIENCE) -> float:
        """Wait until this holds; answers after how many seconds it did. TimeoutError when it never does."""
        begun = perf_counter()
        while not holds():
            if self.process.returncode is not None:
                raise RuntimeError(f"the bridge ended while it was to {what}: {self.last_words()}")
            if perf_counter() - begun > seconds:
                raise TimeoutError(f"the bridge did not {what} in {seconds:g} s: {self.last_words()}")
            await asyncio.sleep(0.05)
        return perf_counter() - begun

    def told(self, event: str) -> int:
        """How often its log tells of an event."""
        return self._log.read_text().count(f'"{event}"')

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text()[-2000:]


@asynccontextmanager
async def running_bridge(stage: Stage, log: Path) -> AsyncIterator[Bridge]:
    """A bridge that has started, until the block ends."""
    process = await stage.start_bridge(log)
    bridge = Bridge(process, log)
    listening = asyncio.create_task(bridge.listen())
    try:
        await bridge.until("start", lambda: bridge.running_after is not None)
        yield bridge
    finally:
        await end(process)
        await listening
