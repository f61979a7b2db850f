"""The running main job that the console is driven against: `python -m tests.console.site`.

A stack of its own, and `up` on it as a new user would start it. It replays a simulated market at a steady
pace, so that signals keep coming. Once it serves the console, one line of JSON on standard output says where
and as whom. It ends when its standard input does, and leaves nothing.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from cli.demo import EMAIL
from scripts.local_supabase.settings import CHECKOUT
from shared.identity import from_ms
from tests.acceptance.journey import START_MS, Run, ask, running, sigtrail, write_candles
from tests.stacks import Stack, running_stack
from tests.waiting import until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
# Two days are history, so that every indicator has what it needs. Of the five days after them five minutes
# pass in a second: they last longer than the tests do.
HISTORY = timedelta(days=2)
MINUTES = 7 * 24 * 60
SPEED = "300"
SINCE = (from_ms(START_MS) + HISTORY).isoformat()
# Then there is something on every page.
CLOSED = "select count(*) from public.positions where status = 'closed'"
STRANGER, PASSWORD = "stranger@example.com", "nothing here is mine"


async def serve() -> None:
    with tempfile.TemporaryDirectory(prefix="sigtrail-site-") as name:
        root = Path(name)
        root.chmod(0o755)  # noqa: ASYNC240 - PostgreSQL's own user has to get in
        candles = await write_candles(root / "candles", SYMBOLS, MINUTES, seed=7)
        with (
            running_stack(root / "stack", CHECKOUT) as stack,
            running(
                stack, root / "machine", "--candles", str(candles), "--since", SINCE, "--speed", SPEED
            ) as run,
        ):
            made = sigtrail(stack, root, "users", "add", STRANGER, more={"SIGTRAIL_PASSWORD": PASSWORD})
            assert made.returncode == 0, made.stderr
            told = await until(partial(look, stack, run, root / "machine"), timeout=300, every=0.2)
            print(json.dumps(told), flush=True)
            await asyncio.to_thread(sys.stdin.read)


def look(stack: Stack, run: Run, state: Path) -> dict[str, Any]:
    """Where the console is and who may sign in, once there is something to see."""
    if not run.is_running:
        raise RuntimeError(f"the main job ended: {run.log}")
    address = re.search(r"the console is at (http\S+?),? ", run.log)
    if address is None or ask(stack, CLOSED)[0][0] < 1:
        return {}
    (password,) = state.rglob("demo-password")
    return {
        "url": address[1],
        "supabaseUrl": stack.url,
        "dbUrl": stack.db_url,
        "email": EMAIL,
        "password": password.read_text().strip(),
        "stranger": STRANGER,
        "strangerPassword": PASSWORD,
        "candles": str(state.parent / "candles"),
    }


if __name__ == "__main__":
    asyncio.run(serve())
