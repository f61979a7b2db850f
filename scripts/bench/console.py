"""`sigtrail bench console`: the console in Chromium, before a million signals of one person.

A browser without a window signs in as a person would, scrolls, filters, watches signals arrive, and measures
by its own clock: frames, tasks of the main thread, the heap, what was painted when. The console, the local
Supabase and the browser share this machine. Only what a person could see is read from the page.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from cli.console import open_console
from cli.project import find_user, operator
from scripts.bench.history import fill, make_people
from scripts.bench.pacing import pace
from scripts.bench.report import Progress, Result, at_least, at_most, exactly, figure, percentile
from scripts.bench.signals import Maker
from scripts.bench.sql import query
from scripts.bench.stage import empty_project
from scripts.bench.ways import Machine, by_supabase
from shared.candles import MINUTE_MS
from shared.errors import ConfigurationError, Refused
from shared.identity import floor_ms
from shared.settings import CHECKOUT, Settings

SIGNALS, QUICK_SIGNALS = 1_000_000, 100_000
SECONDS, QUICK_SECONDS = 30, 8
ROUNDS, QUICK_ROUNDS = 40, 12
PER_MINUTE = 100_000
MOST_ROWS = 1000
EMAIL = "bench-1@sigtrail.local"
MACHINE = "bench-1"
SCRIPT = CHECKOUT / "console" / "bench" / "measure.ts"


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Every figure: about four minutes, or one and a half before a tenth of the history when quick."""
    chromium = os.environ.get("SIGTRAIL_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        raise ConfigurationError("there is no Chromium: install Debian's, or name one in SIGTRAIL_CHROMIUM")
    progress("starting a local Supabase of its own")
    # Starting and stopping block; nothing else runs yet.
    with empty_project() as settings:
        url = settings.need("supabase_db_url")
        await make_people(url)
        await _give_history(url)
        await fill(url, QUICK_SIGNALS if quick else SIGNALS, progress)
        password = secrets.token_urlsafe(12)
        user = await _let_in(settings, password)
        async with (
            open_console(settings, 0) as address,
            by_supabase(settings, MACHINE) as machine,
        ):
            stage = Stage(await _maker(url, user), machine, url, user)
            task = {
                "address": address,
                "email": EMAIL,
                "password": password,
                "chromium": chromium,
                "seconds": QUICK_SECONDS if quick else SECONDS,
                "rounds": QUICK_ROUNDS if quick else ROUNDS,
            }
            return judge(await measure(task, stage.serve, progress))


class Stage:
    """What happens around the browser while it looks."""

    def __init__(self, maker: Maker, machine: Machine, url: str, user: UUID) -> None:
        self._maker = maker
        self._machine = machine
        self._url = url
        self._user = user

    async def serve(self, wish: dict[str, Any]) -> dict[str, Any]:
        """fire: one signal now; arrive: 100,000 a minute for so long; count: how many there are."""
        if wish["do"] == "fire":
            (row,) = self._maker.take(1)
            began = time.time() * 1000
            await self._machine.send([row])
            return {"id": row["id"], "began": began}
        if wish["do"] == "arrive":
            paced = await pace(
                self._machine.send,
                self._maker.take,
                per_minute=PER_MINUTE,
                seconds=wish["seconds"],
                most_rows=MOST_ROWS,
            )
            return {"made": paced.made, "per_minute": paced.per_minute}
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            found = await connection.execute(
                "select count(*) from public.signals where user_id = %s", (self._user,)
            )
            return {"count": (await found.fetchall())[0][0]}


async def measure(
    task: dict[str, Any],
    serve: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]],
    progress: Progress,
) -> dict[str, Any]:
    """Run the browser through its task, and answer its raw figures.

    It speaks in lines of JSON: {"do": …} asks for something and is answered, {"progress": …} is for the
    person, {"figures": …} is the end.
    """
    browser = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("node")),
        str(SCRIPT),
        stdin=PIPE,
        stdout=PIPE,
        cwd=SCRIPT.parents[1],
    )
    try:
        await _tell(browser, task)
        while line := await _next_line(browser):
            said = json.loads(line)
            if "figures" in said:
                figures: dict[str, Any] = said["figures"]
                return figures
            if "progress" in said:
                progress(said["progress"])
            else:
                await _tell(browser, await serve(said))
        raise Refused("the browser ended before its figures: see above")
    finally:
        if browser.returncode is None:
            browser.terminate()
        await browser.wait()


def judge(raw: dict[str, Any]) -> list[Result]:
    """The figures beside what they must reach. Times are milliseconds, frames those between two paintings."""
    frames: list[float] = raw["frames"]
    smooth = sum(one <= 50 for one in frames) / len(frames)
    return [
        at_least("scrolling, frames of at most 50 ms", smooth * 100, "%", 95),
        figure("scrolling, frame p95", percentile(frames, 0.95), "ms", percentile(raw["idle_frames"], 0.95)),
        figure("scrolling, rows passed", raw["rows_passed"], "rows"),
        at_most("scrolling, heap after over before", raw["heap_after"] / raw["heap_before"], "times", 1.2),
        figure("filter to painted rows, p50", percentile(raw["filters"], 0.5), "ms"),
        at_most("filter to painted rows, p95", percentile(raw["filters"], 0.95), "ms", 150,
                percentile(raw["questions"], 0.95), of_value=True),
        at_most("100,000 signals/min, longest task", max(raw["tasks"], default=0.0), "ms", 100),
        figure("100,000 signals/min, arrived", raw["per_minute"], "signals/min"),
        exactly("100,000 signals/min, shown minus recorded", raw["shown"] - raw["recorded"], "signals", 0),
        figure("trigger to painted row, p50", percentile(raw["painted"], 0.5), "ms"),
        at_most("trigger to painted row, p95", percentile(raw["painted"], 0.95), "ms", 250),
        at_most("script until the table is there, gzip", raw["script_bytes"] / 1000, "kB", 350),
        at_most("sign-in to painted table", raw["first_table"], "ms", 1500),
    ]  # fmt: skip


async def _next_line(browser: Process) -> bytes:
    return b"" if browser.stdout is None else await browser.stdout.readline()


async def _tell(browser: Process, document: dict[str, Any]) -> None:
    if browser.stdin is not None:
        browser.stdin.write(json.dumps(document).encode() + b"\n")
        await browser.stdin.drain()


async def _give_history(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(query("give_history"))


async def _let_in(settings: Settings, password: str) -> UUID:
    async with operator(settings) as client:
        user = UUID((await find_user(client, EMAIL))["id"])
        await client.auth.admin.update_user_by_id(str(user), {"password": password, "email_confirm": True})
        return user


async def _maker(url: str, user: UUID) -> Maker:
    """Signals of this user's traders, from the candles of now on."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute(
            "select id from public.traders where user_id = %s order by id", (user,)
        )
        traders = [row[0] for row in await found.fetchall()]
    return Maker(traders, floor_ms(datetime.now(UTC) - timedelta(minutes=1)) // MINUTE_MS * MINUTE_MS)
