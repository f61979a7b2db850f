"""What the chaos benchmark does harm to: machines as processes, the parts of a project, a disk, a network."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.chaos_gateway import Gateway
from scripts.bench.chaos_machine import SKEW
from scripts.bench.chaos_network import Network
from scripts.bench.chaos_plan import Plan
from scripts.local_supabase.processes import Process as Recorded
from shared.settings import CHECKOUT, Settings

FAREWELL_SECONDS = 30.0
LOOK_SECONDS = 0.1
DISK_MEGABYTES = 192
BALLAST = "ballast"


@dataclass(slots=True)
class Site:
    """Everything of one run. `pids` is where the project's parts are on record; `disk` is the folder on a
    small disk where the first machine keeps its spool, None where none may be mounted.

    `ended` are machines that ended without anybody having told them to.
    """

    settings: Settings
    folder: Path
    pids: Path
    plan: Plan
    shares: dict[str, Sequence[str]]
    network: Network | None
    disk: Path | None
    # The only way that the machines have to the project.
    gateway: Gateway
    ended: list[str] = field(default_factory=list)
    _running: dict[str, Process] = field(default_factory=dict)
    _watching: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def machines(self) -> tuple[str, ...]:
        return tuple(self.shares)

    async def start(self, name: str) -> None:
        """Start this machine, as whoever runs it would after it died."""
        state = self.state(name)
        state.mkdir(exist_ok=True)
        (self.folder / name).mkdir(exist_ok=True)
        command = [sys.executable, "-m", "scripts.bench.chaos_machine", str(self.folder), str(state)]
        command += self.shares[name]
        if self.network is not None:
            command = self.network.enter(*command)
        with (self.folder / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=DEVNULL, stderr=log, cwd=CHECKOUT, env=self._environment()
            )
        self._running[name] = process
        self._watching[name] = asyncio.create_task(self._watch(name, process))

    def state(self, name: str) -> Path:
        """Where this machine keeps its spool."""
        first = next(iter(self.shares))
        return (self.folder if self.disk is None or name != first else self.disk) / f"{name}.state"

    async def begun(self, name: str, since: float = 0.0) -> None:
        """Return once this machine has noted after `since` (Unix seconds) how far it is: it is at work, and
        makes up for what it misses from then on."""
        marks = self.state(name) / "spool" / "evaluated"
        while not (marks.exists() and marks.stat().st_mtime > since):  # noqa: ASYNC110 - another process
            await asyncio.sleep(LOOK_SECONDS)

    async def kill(self, name: str) -> None:
        """SIGKILL, whatever it is doing."""
        process = self._running.pop(name)
        self._watching.pop(name).cancel()
        process.kill()
        await process.wait()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a machine a signal, as SIGSTOP."""
        self._running[name].send_signal(number)

    def strike(self, part: str, number: signal.Signals) -> None:
        """Send a part of the project a signal: postgres, api (REST) or realtime. Its supervisor starts what
        died anew."""
        process = Recorded.read(self.pids / f"{part}.json")
        if process is not None:
            os.kill(process.pid, number)

    def skew(self, name: str, seconds: float) -> None:
        """Put a machine's clock ahead, or back."""
        (self.folder / name / SKEW).write_text(str(seconds))

    def fill(self) -> None:
        """Leave no room on the small disk."""
        if self.disk is None:
            return
        with (self.disk / BALLAST).open("ab") as file, suppress(OSError):
            while True:
                free = os.statvfs(self.disk)
                block = max(free.f_bavail * free.f_frsize, 1)
                os.write(file.fileno(), b"\0" * min(block, 1 << 22))

    def make_room(self) -> None:
        if self.disk is not None:
            (self.disk / BALLAST).unlink(missing_ok=True)

    async def stop(self) -> None:
        """End every machine in good order, or, when that takes too long, at once."""
        for task in self._watching.values():
            task.cancel()
        for process in self._running.values():
            if process.stdin is not None:
                process.stdin.close()
        for name, process in self._running.items():
            try:
                async with asyncio.timeout(FAREWELL_SECONDS):
                    if await process.wait() != 0:
                        self.ended.append(name)
            except TimeoutError:
                self.ended.append(name)
                process.kill()
                await process.wait()
        self._running.clear()

    def last_words(self, characters: int = 2000) -> str:
        """The end of every machine's log."""
        logs = (self.folder / f"{name}.log" for name in self.machines)
        return "\n".join(log.read_text()[-characters:] for log in logs if log.exists())

    async def _watch(self, name: str, process: Process) -> None:
        await process.wait()
        self.ended.append(name)
        del self._running[name], self._watching[name]
        await self.start(name)

    def _environment(self) -> dict[str, str]:
        """The project, and nothing of another one that the environment names."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("SUPABASE", "SIGTRAIL"))
        }
        return kept | {
            "SUPABASE_URL": self.gateway.url,
            "SUPABASE_PUBLISHABLE_KEY": self.settings.supabase_publishable_key.get_secret_value(),
            "SUPABASE_JWT_SECRET": self.settings.need("supabase_jwt_secret"),
        }


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[None]:
    """The machines of the site, until the block ends."""
    try:
        for name in site.machines:
            await site.start(name)
        yield
    finally:
        await site.stop()


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A disk of DISK_MEGABYTES in memory, gone at the end; None where mounting is not permitted."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607
