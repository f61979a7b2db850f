"""The main job, `sigtrail up` as a process of its own on candles of a folder, in a project made for it."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import orjson
import psycopg

from cli.candles import USUAL_SYMBOLS
from scripts.bench.fired import WARM_DAYS, simulate_candles
from scripts.bench.report import Progress
from scripts.bench.sql import query
from scripts.bench.strategies import vary_traders
from shared.errors import InputError, SigtrailError
from shared.settings import CHECKOUT, Settings


async def find_candles(work: Path, progress: Progress) -> tuple[Path, str]:
    """The folder that SIGTRAIL_CANDLES names, and `recorded`; without it one of `simulated` candles, made
    below `work`. Raises InputError for what is no folder."""
    named = os.environ.get("SIGTRAIL_CANDLES")
    if named is None:
        progress("SIGTRAIL_CANDLES names no folder of recorded candles: a simulated market takes their place")
        return await simulate_candles(work / "candles", USUAL_SYMBOLS, 2 * WARM_DAYS), "simulated"
    folder = Path(named)
    if not await asyncio.to_thread(folder.is_dir):
        raise InputError(f"SIGTRAIL_CANDLES names {named}, which is no folder")
    return folder, "recorded"


async def start_main_job(
    settings: Settings, folder: Path, *options: str, **more: str
) -> asyncio.subprocess.Process:
    """Start it with these options, and `more` in its environment; its pipes are for the caller to read."""
    return await asyncio.create_subprocess_exec(
        str(CHECKOUT / "scripts" / "sigtrail"),
        *("up", "--json", "--candles", str(folder), *options),
        env=_environment(settings) | more,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish_main_job(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """What it says at its end. Raises SigtrailError with its last line when it failed."""
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise SigtrailError(f"the main job failed: {errors.decode().strip().splitlines()[-1:]}")
    summary: dict[str, Any] = json.loads(output)
    return summary


async def run_main_job(settings: Settings, folder: Path, until: str) -> int:
    """Replay it until this market time; answers how many signals there are."""
    summary = await finish_main_job(await start_main_job(settings, folder, "--until", until))
    return int(summary["signals"])


def multiply_traders(settings: Settings, copies: int) -> None:
    """For each of the demo's traders so many more, with other numbers."""
    with psycopg.connect(settings.need("supabase_db_url"), autocommit=True) as owner:
        rows = [row[0] for row in owner.execute(query("list_traders")).fetchall()]
        more = orjson.dumps(list(vary_traders(rows, copies))).decode()
        owner.execute(query("copy_traders"), {"traders": more})


def _environment(settings: Settings) -> dict[str, str]:
    """What `up` needs to use this project, and nothing of the user's own."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE_", "SIGTRAIL_"))
    }
    return kept | {
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_DB_URL": settings.need("supabase_db_url"),
        "SUPABASE_PUBLISHABLE_KEY": settings.supabase_publishable_key.get_secret_value(),
        "SUPABASE_SECRET_KEY": settings.need("supabase_secret_key"),
        "SUPABASE_JWT_SECRET": settings.need("supabase_jwt_secret"),
        "SIGTRAIL_STATE": str(settings.sigtrail_state),
    }
