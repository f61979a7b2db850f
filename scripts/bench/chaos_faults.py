"""What goes wrong in the chaos benchmark, one after the other, while signals are made."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from scripts.bench.chaos_site import Site


@dataclass(frozen=True)
class Fault:
    """strike: does the harm, for about so many seconds, and takes it back
    needs: what not everybody may make
    long: it is held for as long as a pause"""

    name: str
    strike: Callable[[Site, float], Awaitable[None]]
    needs: Literal["", "network", "disk"] = ""
    long: bool = False

    def reason(self, site: Site) -> str:
        """Why it cannot be played here, or nothing."""
        if self.needs == "network" and site.network is None:
            return "ip netns needs root and the right to make network namespaces"
        if self.needs == "disk" and site.disk is None:
            return "mounting a small disk needs root and the right to mount"
        return ""


async def kill_machine(site: Site, seconds: float) -> None:
    """One machine is dead for a while."""
    name = site.machines[0]
    await site.kill(name)
    await asyncio.sleep(seconds)
    await site.start(name)


async def kill_machines_again(site: Site, seconds: float) -> None:
    """All machines die, start, and die again, as soon as they may have got going."""
    for _ in range(2):
        for name in site.machines:
            await site.kill(name)
            await site.start(name)
        await asyncio.sleep(seconds / 2)


def kill_part(part: str) -> Callable[[Site, float], Awaitable[None]]:
    """A part of the project dies, and again as soon as it is back."""

    async def strike(site: Site, seconds: float) -> None:
        for _ in range(2):
            site.strike(part, signal.SIGKILL)
            await asyncio.sleep(seconds / 2)

    return strike


async def kill_everything(site: Site, seconds: float) -> None:
    """A power cut, but for the disks."""
    for part in ("postgres", "api", "realtime"):
        site.strike(part, signal.SIGKILL)
    for name in site.machines:
        await site.kill(name)
    await asyncio.sleep(seconds)
    for name in site.machines:
        await site.start(name)


async def cut_network(site: Site, seconds: float) -> None:
    """Packets are lost between machines and project: nobody is told that a connection is gone."""
    if site.network is not None:
        site.network.cut()
        await asyncio.sleep(seconds)
        site.network.mend()


async def answer_for_the_project(site: Site, seconds: float) -> None:
    """The proxy before the project answers in its stead, with pages of HTML: nothing was refused by that."""
    site.gateway.fail()
    await asyncio.sleep(seconds)
    site.gateway.mend()


async def fill_disk(site: Site, seconds: float) -> None:
    """The first machine's disk is full, and stays full whatever it deletes; then the machine dies of it."""
    name, steps = site.machines[0], 10
    for _ in range(steps):
        site.fill()
        await asyncio.sleep(seconds / steps)
    await site.kill(name)
    await site.start(name)
    site.fill()
    await asyncio.sleep(seconds / 2)
    site.make_room()


async def pause_machine(site: Site, seconds: float) -> None:
    """A machine stands still, with its connections open, and does not know it."""
    name = site.machines[0]
    site.send(name, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        site.send(name, signal.SIGCONT)


async def pause_rest(site: Site, seconds: float) -> None:
    """The REST server takes connections and does not answer."""
    site.strike("api", signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        site.strike("api", signal.SIGCONT)


async def skew_clocks(site: Site, seconds: float) -> None:
    """One machine's clock jumps back an hour, the other's ahead; the first dies with it and starts again."""
    first, *others = site.machines
    site.skew(first, -3600)
    for name in others:
        site.skew(name, 3600)
    await asyncio.sleep(seconds / 2)
    await site.kill(first)
    await site.start(first)
    await asyncio.sleep(seconds / 2)
    for name in site.machines:
        site.skew(name, 0)


FAULTS = (
    Fault("a machine killed", kill_machine),
    Fault("the database killed", kill_part("postgres")),
    Fault("the REST server killed", kill_part("api")),
    Fault("Realtime killed", kill_part("realtime")),
    Fault("a gateway answering for the project", answer_for_the_project),
    Fault("the network cut", cut_network, needs="network"),
    Fault("the disk full", fill_disk, needs="disk"),
    Fault("a machine paused", pause_machine, long=True),
    Fault("the REST server paused", pause_rest, long=True),
    Fault("clocks skewed", skew_clocks),
    Fault("all machines killed again and again", kill_machines_again),
    Fault("everything killed at once", kill_everything),
)
