"""The processes that make up a stack, as data: what the supervisor runs, in the order of the start."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from scripts.local_supabase import functions
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.settings import CHECKOUT, HOST, Settings


@dataclass(frozen=True)
class Part:
    """One process.

    answers: whether it does its work right now
    stop: what ends it in good order, and what ends it when that took too long
    options: keyword arguments for Popen
    serves_schema: it shows clients what the migrations make, and waits for them
    """

    name: str
    port: int
    command: list[str]
    answers: Callable[[], bool]
    options: dict[str, Any] = field(default_factory=dict)
    stop: tuple[signal.Signals, signal.Signals] = (signal.SIGTERM, signal.SIGKILL)
    serves_schema: bool = False


def parts_of(settings: Settings) -> list[Part]:
    """The database comes first: the others need it to start."""
    cluster = Cluster(settings)
    python = {"cwd": CHECKOUT, "env": os.environ | {"PYTHONUNBUFFERED": "1"}}
    parts = [
        Part(
            "postgres",
            settings.db_port,
            cluster.command(),
            cluster.accepts,
            cluster.process_options(),
            # Fast shutdown does not wait for clients; immediate leaves recovery to the next start.
            stop=(signal.SIGINT, signal.SIGQUIT),
        ),
        Part(
            "api",
            settings.api_port,
            _serve("api", settings),
            _takes(settings.api_port),
            python,
            serves_schema=True,
        ),
        Part(
            "realtime",
            settings.realtime_port,
            _serve("realtime", settings),
            _takes(settings.realtime_port),
            python,
        ),
        Part(
            "functions",
            settings.functions_port,
            functions.command(settings),
            _takes(settings.functions_port),
            {"cwd": settings.project, "env": functions.environment(settings)},
        ),
    ]
    if settings.venue:
        parts.append(
            Part("venue", settings.venue_port, _venue(settings), _takes(settings.venue_port), python)
        )
    return parts


def _venue(settings: Settings) -> list[str]:
    folder, port = str(settings.venue_folder), str(settings.venue_port)
    words = ["--state", folder, "--port", port, "--by-candle", "--keep", "--until-told"]
    return [sys.executable, "-m", "scripts.fake_venue", *words]


def _serve(name: str, settings: Settings) -> list[str]:
    return [sys.executable, "-m", "scripts.local_supabase.serve", name, str(settings.root)]


def _takes(port: int) -> Callable[[], bool]:
    return partial(takes_connections, port)


def takes_connections(port: int) -> bool:
    """Whether something on this machine listens at the port. Our servers do so once they are ready."""
    try:
        socket.create_connection((HOST, port), timeout=2).close()
    except OSError:
        return False
    return True
