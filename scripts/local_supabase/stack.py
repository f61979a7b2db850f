"""Start, stop and look at one stack, from the outside."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from scripts.local_supabase import migrations
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.environment import write_environment
from scripts.local_supabase.errors import StackError
from scripts.local_supabase.lock import is_locked, lock
from scripts.local_supabase.parts import parts_of
from scripts.local_supabase.processes import Process
from scripts.local_supabase.settings import CHECKOUT, HOST, Settings
from scripts.local_supabase.supervisor import STOPPING

LETTING_GO = 3  # seconds for another stack to leave its ports
PATIENCE = 120  # seconds for a stack to start; it takes a few


@dataclass(frozen=True)
class PartState:
    """pid is None for a part that does not run; answers is whether it does its work."""

    name: str
    port: int
    pid: int | None
    answers: bool


def start(settings: Settings, push: bool = True, owner: int | None = None) -> None:
    """Have this stack running, with the project's migrations applied. Does nothing twice.

    A stack that this call started and that does not come up whole is stopped again. With an owner (a process
    id) it stops by itself when that process ends, however it does. Raises StackError.
    """
    settings.root.mkdir(parents=True, exist_ok=True)
    with lock(settings.root / "start.lock", wait=True):
        if is_running(settings):
            _check_same_ports(settings)
            if settings.venue and not Settings.load(settings.root).venue:
                # A part more: the supervisor takes them as it starts. Data stays.
                stop(settings)
            elif _becomes_healthy(settings):
                if push:
                    migrations.push(settings)
                return
        _end_leftovers(settings)
        _check_ports(settings)
        settings.save()
        write_environment(settings)
        Cluster(settings).prepare()
        started = _spawn(settings, push, owner)
        try:
            started.wait()
        except BaseException:
            stop(settings)
            raise
        finally:
            started.close()


def stop(settings: Settings) -> None:
    """Have nothing of this stack running any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        if supervisor := Process.read(settings.pids / "supervisor.json"):
            supervisor.end(signal.SIGTERM, signal.SIGKILL, patience=45)
        # A supervisor is on record a moment after it holds its lock, and off it a moment before it lets go.
        if not is_running(settings) or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    _end_leftovers(settings)


def is_running(settings: Settings) -> bool:
    """Whether a supervisor keeps this stack up. It may still be starting."""
    return settings.pids.is_dir() and is_locked(settings.pids / "supervisor.lock")


def is_stopping(settings: Settings) -> bool:
    """Whether the supervisor that still runs has begun to stop the stack."""
    return (settings.pids / STOPPING).exists()


def status(settings: Settings) -> list[PartState]:
    states = []
    for part in parts_of(settings):
        process = Process.read(settings.pids / f"{part.name}.json")
        answers = process is not None and part.answers()
        states.append(PartState(part.name, part.port, process.pid if process else None, answers))
    return states


@dataclass(frozen=True)
class _Started:
    """A supervisor that was just started, and the pipe it reports through."""

    pipe: int
    log: Path
    deadline: float

    def wait(self) -> None:
        """Return when the supervisor says "ready". Raises StackError with what else it says, if anything."""
        line = b""
        while not line.endswith(b"\n"):
            left = self.deadline - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                raise StackError(
                    f"The local Supabase did not start within {PATIENCE} s: see {self.log.parent}."
                )
            byte = os.read(self.pipe, 1)
            if not byte:
                raise StackError(f"The local Supabase's supervisor ended while starting: see {self.log}.")
            line += byte
        said = line.decode().strip()
        if said != "ready":
            raise StackError(said)

    def close(self) -> None:
        os.close(self.pipe)


def _spawn(settings: Settings, push: bool, owner: int | None) -> _Started:
    settings.logs.mkdir(parents=True, exist_ok=True)
    log = settings.logs / "supervisor.log"
    reading, writing = os.pipe()
    with log.open("ab") as output:
        # A session of its own: Ctrl-C in the terminal ends what the user runs there, and not their database.
        subprocess.run(  # noqa: S603
            [
                *("/usr/bin/setsid", "--fork"),
                sys.executable,
                "-m",
                "scripts.local_supabase",
                "supervise",
                "--root",
                str(settings.root),
                "--tell",
                str(writing),
                *([] if push else ["--no-push"]),
                *([] if owner is None else ["--owner", str(owner)]),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=CHECKOUT,
            pass_fds=[writing],
            check=True,
        )
    os.close(writing)
    return _Started(reading, log, time.monotonic() + PATIENCE)


def _becomes_healthy(settings: Settings) -> bool:
    """Wait until every part of a running stack answers. False if it stops instead."""
    deadline = time.monotonic() + PATIENCE
    while is_running(settings):
        silent = [part.name for part in parts_of(settings) if not part.answers()]
        if not silent and not is_stopping(settings):
            return True
        if time.monotonic() > deadline:
            raise StackError(
                f"{' and '.join(silent)} of the running local Supabase do not answer: see {settings.logs},"
                " or stop it with `./scripts/down` and start again."
            )
        time.sleep(0.05)
    return False


def _check_same_ports(settings: Settings) -> None:
    running = Settings.load(settings.root)
    if running.api_port != settings.api_port:
        raise StackError(
            f"The local Supabase in {settings.root} already runs on port {running.api_port}:"
            f" `./scripts/down` stops it, `--root` starts another one beside it."
        )


def _check_ports(settings: Settings) -> None:
    # A stack whose folder was deleted a moment ago may still be on its way out.
    deadline = time.monotonic() + LETTING_GO
    for part in parts_of(settings):
        while problem := _port_problem(part.port):
            if time.monotonic() > deadline:
                raise StackError(f"Port {part.port}, which {part.name} needs, {problem}.")
            time.sleep(0.1)


def _port_problem(port: int) -> str | None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            return "is for root only: choose higher ones with `--port NUMBER`"
        except OSError:
            return "is taken by another program: end that one, or choose other ports with `--port NUMBER`"
    return None


def _end_leftovers(settings: Settings) -> None:
    """End the parts of a supervisor that was killed."""
    cluster = Cluster(settings)
    database = Process.recorded(settings.pids / "postgres.json")
    for part in reversed(parts_of(settings)):
        file = settings.pids / f"{part.name}.json"
        if process := Process.read(file):
            process.end(*part.stop)
        file.unlink(missing_ok=True)
    # One that is told to end when it was about to may be gone before it has taken itself off the record.
    file = settings.pids / "supervisor.json"
    if Process.recorded(file) and not Process.read(file):
        file.unlink(missing_ok=True)
    cluster.end()
    if database and database.boot != Process.this().boot:
        # PostgreSQL's own note is a bare number, which may be somebody else's since the reboot: it would not
        # start then. Nothing of before a reboot runs any more.
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)
