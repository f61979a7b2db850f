"""Processes of the bridge, as seen from outside: begun, spoken to, ended."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.settings import CHECKOUT
from tests.waiting import until


@dataclass(eq=False)
class Life:
    """One process. `ended` is its exit status, negative for a signal; `held` is set while it waits at its
    place; `seen` counts the places that it told of."""

    id: int
    ended: asyncio.Future[int]
    pid: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    seen: dict[str, int] = field(default_factory=dict)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    _writer: asyncio.StreamWriter | None = None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: list[bytes] = field(default_factory=list)

    @property
    def is_stopped(self) -> bool:
        """Whether it runs no more, but could go on; or is gone."""
        if not self.pid:
            return False
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] in "TZX"

    def tell(self, **what: Any) -> None:
        """A line to the process, which reads it when it is there; nothing to one that hangs up."""
        line = json.dumps(what).encode() + b"\n"
        if self._writer is None:
            self._waiting.append(line)
        elif not self._writer.is_closing():
            self._writer.write(line)

    async def end(self) -> int:
        """Wait until it has ended and all that it said is heard; its exit status."""
        # Whoever waits may be cancelled; the end may not.
        status = await asyncio.shield(self.ended)
        if self._writer is not None:
            await self._heard.wait()
        return status

    async def ask_seen(self) -> dict[str, int]:
        """The places that it has passed; what is known when it is gone."""
        self.told.clear()
        self.tell(seen=True)
        await until(lambda: self.told.is_set() or self.ended.done())
        return self.seen

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Listen to the process until it has nothing more to say."""
        self._writer = writer
        writer.writelines(self._waiting)
        with suppress(ConnectionError):
            while line := await reader.readline():
                told = json.loads(line)
                if "held" in told:
                    self.held.set()
                else:
                    self.seen = told["seen"]
                    self.told.set()
        self._heard.set()


class Nursery:
    """Begins processes; see `nursery.py`."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self._process = process
        self._lives: dict[int, Life] = {}
        self._count = 0
        self.channel = str(folder / "lives.sock")

    def begin(self, **job: Any) -> Life:
        """Begin a process with this job."""
        self._count += 1
        life = Life(self._count, asyncio.get_running_loop().create_future())
        self._lives[life.id] = life
        assert self._process.stdin is not None
        line = json.dumps({**job, "id": life.id, "channel": self.channel}).encode() + b"\n"
        self._process.stdin.write(line)
        return life

    async def watch(self) -> None:
        """Hear which processes have ended."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            life = self._lives.get(told["job"])
            if life is not None and "pid" in told:
                life.pid = told["pid"]
            elif life is not None:
                del self._lives[life.id]
                life.ended.set_result(told["status"])

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A process says which job it has."""
        try:
            if not (line := await reader.readline()):
                return
            life = self._lives.get(json.loads(line)["job"])
            if life is not None:
                await life.hear(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def open_nursery(folder: Path) -> AsyncIterator[Nursery]:
    """A nursery of bridges with their points woven in. What it began ends with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.kill_matrix.nursery"),
        cwd=CHECKOUT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    nursery = Nursery(process, folder)
    # A process tells of every place that it passed in one line.
    server = await asyncio.start_unix_server(nursery.meet, nursery.channel, limit=1 << 24)
    try:
        if not await process.stdout.readline():
            raise RuntimeError("the nursery did not start: see its messages")
        watching = asyncio.create_task(nursery.watch())
        yield nursery
        process.stdin.close()
        await process.wait()
        await watching
    finally:
        server.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
