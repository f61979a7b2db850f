"""A realtime server of the tests' own: a database with the golden fixture, and the server as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
import psycopg

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.settings import CHECKOUT, Settings
from tests.clusters import copy_baseline
from tests.waiting import until

FIXTURE = Path(__file__).parent / "golden" / "schema.sql"
FAST = {
    # The real waits are there against clients in a loop; nothing here is shown by them.
    "CONNECT_ERROR_BACKOFF_S": "0.1",
    "CHANNEL_ERROR_BACKOFF_S": "0.1",
    "POLL_IDLE_S": "0.05",
    "POLL_INTERVAL_S": "0.05",
    # All scenarios and tests together are more than one project's worth.
    "MAX_EVENTS_PER_SECOND": "1000000",
    "MAX_JOINS_PER_SECOND": "1000000",
    "MAX_CONCURRENT_USERS": "10000",
}


class Database:
    """A cluster that can be stopped and started again."""

    def __init__(self, root: Path, first_port: int) -> None:
        self.settings = Settings(root=root).at_port(first_port)
        self.settings.save()
        copy_baseline(self.settings)
        self._cluster = Cluster(self.settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def admin_url(self) -> str:
        return self.settings.admin_db_url

    def start(self) -> None:
        self._cluster.prepare()
        with (self.settings.root / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._cluster.command(), stdout=log, stderr=log, **self._cluster.process_options()
            )
        self._cluster.wait(self._process)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def load_fixture(self) -> None:
        with psycopg.connect(self.admin_url, autocommit=True) as connection:
            connection.execute(FIXTURE.read_bytes())


class Service:
    """The realtime server as a process that can be killed and started again.

    options: as in the environment, without the prefix
    """

    def __init__(self, settings: Settings, options: Mapping[str, str] = FAST) -> None:
        self.settings = settings
        self._options = {f"REALTIME_{name}": value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.settings.realtime_url

    @property
    def websocket_url(self) -> str:
        return f"{self.url.replace('http', 'ws', 1)}/socket/websocket"

    @property
    def log(self) -> str:
        return (self.settings.root / "realtime.log").read_text()

    async def start(self) -> None:
        with (self.settings.root / "realtime.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes a few milliseconds
                [sys.executable, "-m", "scripts.local_supabase.serve", "realtime", str(self.settings.root)],
                cwd=CHECKOUT,
                env=os.environ | self._options,
                stdout=log,
                stderr=log,
            )
        await until(self._answers)

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"{self.url}/api/ping")).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None
