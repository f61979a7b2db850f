"""A fake venue in a process of its own, so that whoever is killed and started again meets the same one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

CARD = "venue.json"
CERTIFICATE = "ca.pem"
_START = 30.0


class ControlError(Exception):
    """The venue refused a command; the message says why."""


@dataclass(slots=True)
class Remote:
    """A venue in another process. `resolver` and `ca` are what SIGTRAIL_VENUE_RESOLVER and SIGTRAIL_VENUE_CA
    want; calling it with a command and its arguments does what `Control` says."""

    resolver: str
    ca: Path
    control: str
    pid: int
    _session: aiohttp.ClientSession | None = None

    async def __call__(self, command: str, **arguments: Any) -> Any:
        if self._session is not None:
            return await self._command(self._session, command, arguments)
        async with aiohttp.ClientSession() as session:
            return await self._command(session, command, arguments)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Remote]:
        """One connection for all commands of the block."""
        async with aiohttp.ClientSession() as session:
            self._session = session
            try:
                yield self
            finally:
                self._session = None

    async def _command(
        self, session: aiohttp.ClientSession, command: str, arguments: Mapping[str, Any]
    ) -> Any:
        async with session.post(f"http://{self.control}/{command}", json=arguments) as answer:
            told = await answer.json()
        if not told["ok"]:
            raise ControlError(told["error"])
        return told["result"]


def read_card(state: Path) -> Remote | None:
    """The venue whose state folder this is; None if none has started there."""
    path = state / CARD
    if not path.exists():
        return None
    card = json.loads(path.read_text())
    return Remote(card["resolver"], Path(card["ca"]), card["control"], int(card["pid"]))


@asynccontextmanager
async def run_process(state: Path, *arguments: str) -> AsyncIterator[Remote]:
    """Start a venue in a process of its own and end it. `arguments` are those of the command line.

    It ends with its caller also if the caller is killed: it holds a pipe, and goes when the pipe closes.
    """
    command = [sys.executable, "-m", "scripts.fake_venue", "--state", str(state), *arguments]
    # A session of its own: Ctrl-C in the terminal is for whoever trades here, and they end it.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the venue was started without its pipes")
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START)
        remote = read_card(state)
        if not line or remote is None:
            raise RuntimeError(f"the fake venue in {state} did not start: see its messages")
        yield remote
    finally:
        process.stdin.close()
        await process.wait()
