"""A machine that only fires signals: `python -m tests.acceptance.one_machine CANDLES STATE`.

The project is in the environment. It says when it is ready, waits for a line, replays, and prints its counts.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from shared.log import setup
from shared.settings import load
from workers.machine import build
from workers.signals.feeds.recorded import RecordedFeed


async def main(candles: Path, state: Path) -> None:
    feed = RecordedFeed(candles, market="usdm")
    warm = await feed.open()
    machine = await build(load(), feed=feed, warm=warm, replaying=True, roles=("signals",), state=state)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    status = await machine.run()
    print(json.dumps(status.to_json()))


if __name__ == "__main__":
    setup(level="warning")
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
