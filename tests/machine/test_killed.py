"""A machine is killed in the middle of its work and started again: nothing is lost, nothing doubled."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

from shared.settings import CHECKOUT
from tests.machine.recording import Recording
from tests.machine.scenes import wipe
from tests.stacks import Stack
from tests.waiting import until


@pytest.fixture
def recording(own_stack: Stack, tmp_path: Path) -> Recording:
    wipe(own_stack)
    return Recording(own_stack, tmp_path)


async def start(recording: Recording) -> asyncio.subprocess.Process:
    """The machine as a process; the same folder makes it the same machine."""
    environment = {
        **{
            name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "SIGTRAIL"))
        },
        "SUPABASE_URL": recording.stack.url,
        "SUPABASE_PUBLISHABLE_KEY": recording.stack.publishable_key,
        "SUPABASE_JWT_SECRET": recording.stack.jwt_secret,
    }
    arguments = ["-m", "tests.machine.victim", str(recording.candles), str(recording.folder / "machine")]
    return await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=CHECKOUT, env=environment)


def count(recording: Recording, query: str) -> int:
    (row,) = recording.ask(query)
    return int(row[0])


SIGNALS = "select count(*) from public.signals"
CLOSED = "select count(*) from public.positions where status = 'closed'"
# Every change of status begins where the one before it ended.
BROKEN_TRAILS = """
select count(*) from (
  select e.from_status, lag(e.to_status) over (partition by e.signal_id order by e.number) as before
  from public.signal_events e where e.to_status is not null
) t where t.from_status is distinct from t.before
"""
TWICE = """
select count(*) from (
  select signal_id from public.signal_events where event_type in ('position_opened', 'position_closed')
  group by signal_id, event_type having count(*) > 1
) t
"""
LEFT_OVER = "select count(*) from public.signals where status in ('new', 'analyzing')"


def has_closed_or_ended(recording: Recording, victim: asyncio.subprocess.Process, least: int) -> bool:
    return victim.returncode is not None or count(recording, CLOSED) >= least


async def test_killed_twice_it_ends_with_every_signal_and_a_whole_trail(recording: Recording) -> None:
    for closed in (2, 5):
        victim = await start(recording)
        await until(partial(has_closed_or_ended, recording, victim, closed), timeout=120, every=0.1)
        assert victim.returncode is None
        victim.kill()
        assert await victim.wait() == -signal.SIGKILL
    last = await start(recording)
    assert await last.wait() == 0
    undisturbed = count(recording, SIGNALS)
    assert undisturbed > 20
    assert count(recording, BROKEN_TRAILS) == 0
    assert count(recording, TWICE) == 0
    assert count(recording, LEFT_OVER) == 0
    assert count(recording, "select count(*) from public.orders where status = 'unresolved'") == 0
    assert count(recording, "select count(*) from private.unprotected_positions()") == 0
    again = await start(recording)
    assert await again.wait() == 0
    assert count(recording, SIGNALS) == undisturbed
