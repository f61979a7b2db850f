"""How much memory the numbers of all traders may take on this machine."""

from __future__ import annotations

import os
from pathlib import Path

# However large the machine is.
MOST_BYTES = 4 * 1024**3
# What was missed while a machine was away is evaluated beside the present, and the rest has to live, too.
PART = 3
CGROUP = Path("/sys/fs/cgroup/memory.max")


def most_bytes(limit: Path = CGROUP) -> int:
    """A part of what the machine has, or of what its container may use: beyond it a trader is refused by
    name, where the whole machine would be ended otherwise."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        told = limit.read_text().strip()
    except OSError:
        # No container, or one without limits of this kind.
        told = "max"
    if told.isdigit():
        whole = min(whole, int(told))
    return min(MOST_BYTES, whole // PART)
