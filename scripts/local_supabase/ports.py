"""Free ports for stacks that tests and benchmarks start."""

from __future__ import annotations

import random
import socket

# Below the range that Linux takes outgoing connections from, so that none of those gets in between.
LOWEST, HIGHEST = 20_000, 32_000


def free_ports(count: int = 4) -> int:
    """The first of `count` ports in a row that nobody uses."""
    while True:
        first = random.randrange(LOWEST, HIGHEST, count)  # noqa: S311 - nothing secret
        if all(_free(port) for port in range(first, first + count)):
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


if __name__ == "__main__":
    print(free_ports())
