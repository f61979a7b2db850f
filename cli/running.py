"""How a command runs a machine: until its feed ends, its time is over, or somebody stops it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from shared.settings import CHECKOUT, Settings
from workers.machine import Machine


async def run_machine(machine: Machine, seconds: float | None = None) -> None:
    """Run a machine to its end; `seconds`, SIGINT or SIGTERM end it cleanly, with the step under way done."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, machine.stop)
    timer = loop.call_later(seconds, machine.stop) if seconds else None
    try:
        await machine.run()
    finally:
        if timer is not None:
            timer.cancel()
        for number in numbers:
            loop.remove_signal_handler(number)


async def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run what never ends by itself until SIGINT or SIGTERM, which is no failure."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def machine_folder(settings: Settings, name: str = "all") -> Path:
    """A machine's own folder, one for each project: its name, its spool, its paper accounts."""
    host = settings.supabase_url.split("//", 1)[-1].split("/", 1)[0].replace(":", "-")
    return (settings.sigtrail_state or CHECKOUT / ".local" / "machines") / host / name
