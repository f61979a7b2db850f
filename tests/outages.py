"""Parts of a stack that go away for a while."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.local_supabase.parts import parts_of
from scripts.local_supabase.processes import Process
from tests.stacks import Stack


@contextmanager
def absent(stack: Stack, name: str) -> Iterator[None]:
    """Without this part of the stack (postgres, api, realtime, functions) until the block ends.

    It is ended in good order, and the supervisor, which would start it again at once, sleeps meanwhile.
    """
    pids = stack.settings.pids
    supervisor, process = (Process.read(pids / f"{one}.json") for one in ("supervisor", name))
    assert supervisor is not None
    assert process is not None
    (part,) = (one for one in parts_of(stack.settings) if one.name == name)
    os.kill(supervisor.pid, signal.SIGSTOP)
    try:
        process.end(*part.stop)
        yield
    finally:
        os.kill(supervisor.pid, signal.SIGCONT)
