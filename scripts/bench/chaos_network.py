"""A network between machines and the project that can be cut: a namespace and a pair of ends.

Machines in the namespace reach nothing but the host's end of the pair, where a gateway takes their
connections to the project on loopback. The addresses are of the range that is set aside for benchmarks
(RFC 2544).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PREFIX = "sigtrail-chaos-"


@dataclass(frozen=True)
class Network:
    """A namespace that machines live in. `address` is where they find the gateway."""

    namespace: str
    cable: str
    address: str

    def enter(self, *command: str) -> list[str]:
        """The command, run in the namespace: it keeps its process id."""
        return ["ip", "netns", "exec", self.namespace, *command]

    def cut(self) -> None:
        """Let every packet be lost, in both directions and without a word."""
        _run("ip", "link", "set", self.cable, "down")

    def mend(self) -> None:
        _run("ip", "link", "set", self.cable, "up")


@contextmanager
def own_network() -> Iterator[Network | None]:
    """A namespace of this process's own, gone at the end; None where that is not permitted."""
    number = os.getpid()
    name = f"{PREFIX}{number}"
    third, fourth = number // 64 % 256, number % 64 * 4
    network = Network(name, f"sig{number}", f"198.18.{third}.{fourth + 1}")
    other, inside = f"{network.cable}n", f"198.18.{third}.{fourth + 2}"
    if os.geteuid() != 0 or not _may("ip", "netns", "add", name):
        yield None
        return
    _sweep()
    try:
        if not _may("ip", "link", "add", network.cable, "type", "veth", "peer", "name", other, "netns", name):
            yield None
            return
        _run("ip", "address", "add", f"{network.address}/30", "dev", network.cable)
        _run("ip", "link", "set", network.cable, "up")
        _run(*network.enter("ip", "address", "add", f"{inside}/30", "dev", other))
        _run(*network.enter("ip", "link", "set", other, "up"))
        _run(*network.enter("ip", "link", "set", "lo", "up"))
        yield network
    finally:
        _run("ip", "netns", "delete", name)


def _sweep() -> None:
    """Remove what runs left behind that were killed themselves."""
    for path in Path("/run/netns").glob(f"{PREFIX}*"):
        if not Path("/proc", path.name.removeprefix(PREFIX)).exists():
            _may("ip", "netns", "delete", path.name)


def _may(*command: str) -> bool:
    with suppress(FileNotFoundError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - of this file alone
