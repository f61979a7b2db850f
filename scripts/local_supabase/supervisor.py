"""Keeps the parts of one stack running until it is told to stop.

It is a process of its own, which outlives the command that started it. Each part is recorded, so that a
start finds what is left of a stack whose supervisor was killed.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from scripts.local_supabase import migrations
from scripts.local_supabase.errors import StackError
from scripts.local_supabase.lock import lock
from scripts.local_supabase.parts import Part, parts_of
from scripts.local_supabase.processes import Process
from scripts.local_supabase.settings import Settings

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before a part that died is started again
SETTLED = 10.0  # seconds after which a part that died counts as having worked until then
STARTING_FAILURES = 3  # a part that ends so often before it ever answered will not get better
WATCH = 0.5  # seconds between looks at the folder, the owner and the logs
STOPPING = "stopping"  # a file beside the records: who comes now waits for the end
LARGEST_LOG = 50 * 2**20


class Supervisor:
    """Runs every part, restarts what dies, and stops them in reverse order.

    tell: hears "ready" when all parts answer, or why they do not
    push: apply the project's migrations first
    owner: the stack stops when this process ends; without one it runs until it is told
    """

    def __init__(self, settings: Settings, tell: IO[str], push: bool, owner: Process | None) -> None:
        self._settings = settings
        self._owner = owner
        self._tell = tell
        self._with_migrations = push
        self._parts = parts_of(settings)
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._records: dict[str, Process] = {}
        self._answered: set[str] = set()
        self._stopping = asyncio.Event()
        self._failure: str | None = None

    async def run(self) -> int:
        """Return when all parts have stopped: 0, or 1 if the stack could not be started."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(each, self._stopping.set)
        database, *services = self._parts
        await self._start(database)
        # Nobody is served a schema that is half there.
        await asyncio.gather(
            self._push(), *(self._start(part) for part in services if not part.serves_schema)
        )
        await asyncio.gather(*(self._start(part) for part in services if part.serves_schema))
        if not self._stopping.is_set():
            self._say("ready")
        await self._watch()
        with suppress(FileNotFoundError):  # the folder may be what has gone
            (self._settings.pids / STOPPING).touch()
        await asyncio.gather(*(self._stop(part) for part in services))
        await self._stop(database)
        if self._failure:
            self._say(self._failure)
        return 1 if self._failure else 0

    async def _start(self, part: Part) -> None:
        """Return when the part answers, or the stack is to stop."""
        if self._stopping.is_set():
            return
        self._keepers[part.name] = asyncio.create_task(self._keep(part))
        while not self._stopping.is_set():
            if part.name in self._running and await asyncio.to_thread(part.answers):
                self._answered.add(part.name)
                return
            await asyncio.sleep(0.03)

    async def _keep(self, part: Part) -> None:
        pause, failures = FIRST_PAUSE, 0
        while not self._stopping.is_set():
            began = time.monotonic()
            end = await self._run_once(part)
            if self._stopping.is_set():
                return
            failures += 1
            if part.name not in self._answered and failures >= STARTING_FAILURES:
                words = _last_words(self._log_of(part))
                self._fail(f"The local Supabase did not start: {part.name} {end} while starting{words}")
                return
            if time.monotonic() - began > SETTLED:
                pause = FIRST_PAUSE
            print(f"{_now()} {part.name} {end}; starting it again in {pause:g} s", flush=True)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _push(self) -> None:
        if self._with_migrations and not self._stopping.is_set():
            try:
                await asyncio.to_thread(migrations.push, self._settings)
            except StackError as error:
                self._fail(str(error))

    def _fail(self, why: str) -> None:
        self._failure = why
        self._stopping.set()

    async def _run_once(self, part: Part) -> str:
        """Run the part until it ends, and say how it did."""
        defaults = {"stdin": asyncio.subprocess.DEVNULL, "start_new_session": True}
        try:
            self._settings.logs.mkdir(exist_ok=True)
            with self._log_of(part).open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *part.command, stdout=log, stderr=log, **defaults | part.options
                )
        except OSError as error:
            return f"could not be run ({error})"
        self._running[part.name] = process
        if self._stopping.is_set():  # told to stop while the process was being made
            process.send_signal(part.stop[0])
        if recorded := Process.of(process.pid):
            self._records[part.name] = recorded
            recorded.record(self._settings.pids / f"{part.name}.json")
        status = await process.wait()
        del self._running[part.name]
        # What the part itself started goes with it. Only PostgreSQL's children are in groups of their own:
        # they must see for themselves that their parent has gone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    async def _watch(self) -> None:
        """Return when the stack is to stop: it was told so, its owner ended, or its folder was deleted."""
        folder = self._settings.root.stat()
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), WATCH)
            self._trim_logs()
            try:
                gone = not os.path.samestat(self._settings.root.stat(), folder)
            except FileNotFoundError:
                gone = True
            if gone or (self._owner and Process.of(self._owner.pid) != self._owner):
                self._stopping.set()

    async def _stop(self, part: Part) -> None:
        keeper = self._keepers.get(part.name)
        if keeper is None:
            return
        for each in part.stop:
            if process := self._running.get(part.name):
                with suppress(ProcessLookupError):
                    process.send_signal(each)
            done, _ = await asyncio.wait([keeper], timeout=10)
            if done:
                break
        _forget(self._settings.pids / f"{part.name}.json", self._records.get(part.name))

    def _trim_logs(self) -> None:
        # The writers append, so a file may be emptied under them.
        for log in self._settings.logs.glob("*.log"):
            if log.stat().st_size > LARGEST_LOG:
                shutil.copyfile(log, log.with_suffix(".log.old"))
                os.truncate(log, 0)

    def _log_of(self, part: Part) -> Path:
        return self._settings.logs / f"{part.name}.log"

    def _say(self, news: str) -> None:
        # Who started the stack may have gone away; that is no reason to stop.
        with suppress(BrokenPipeError, ValueError):
            print(news, file=self._tell, flush=True)
            self._tell.close()


def supervise(settings: Settings, tell: IO[str], push: bool, owner: Process | None) -> int:
    """Run the stack in this process. Raises Locked if another process does so already."""
    with lock(settings.pids / "supervisor.lock"):
        (settings.pids / STOPPING).unlink(missing_ok=True)
        Process.this().record(settings.pids / "supervisor.json")
        print(f"{_now()} started", flush=True)
        try:
            return asyncio.run(Supervisor(settings, tell, push, owner).run())
        finally:
            _forget(settings.pids / "supervisor.json", Process.this())
            print(f"{_now()} stopped", flush=True)


def _forget(file: Path, process: Process | None) -> None:
    """Delete the record of this process. In a folder that was made anew there may be another's by now."""
    if process and Process.recorded(file) == process:
        file.unlink(missing_ok=True)


def _last_words(log: Path) -> str:
    with suppress(OSError):
        lines = [line.strip() for line in log.read_text(errors="replace").splitlines()[-20:] if line.strip()]
        if lines:
            return f": {lines[-1]} (more in {log})"
    return f" (see {log})"


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
