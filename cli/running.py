"""How a command runs a machine: until its feed ends, its time is over, or somebody stops it."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

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


def machine_folder(settings: Settings, name: str = "all") -> Path:
    """A machine's own folder, one for each project: its name, its spool, its paper accounts."""
    host = settings.supabase_url.split("//", 1)[-1].split("/", 1)[0].replace(":", "-")
    return (settings.sigtrail_state or CHECKOUT / ".local" / "machines") / host / name
