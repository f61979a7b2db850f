"""However processes interleave, no window of a budget ever holds more than its limit, and the reserve of
cancels and stops is there whenever they need it."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.settings import CHECKOUT
from workers.trading.traffic import limiter_file
from workers.trading.traffic.limiter import Limiter, Wait, read_seconds
from workers.trading.traffic.limiter_budgets import TARIFFS, Budget, Tariff, tariff_of
from workers.trading.traffic.limiter_windows import Usage, carry_over, fits_at, spend, used
from workers.trading.traffic.traffic import Turn

BOOT = bytes(16)
TARIFF = Tariff(
    budgets=(
        Budget("address", "weight", 40, 1000, 12, 6),
        Budget("account", "orders", 10, 500, 4),
        Budget("account", "orders", 30, 2000, 9),
    ),
    weight=2,
    weights={"create_order": 1, "cancel_order": 1, "fetch_balance": 5},
)
NAMES: dict[Turn, str] = {
    "order": "create_order",
    "stop": "create_order",
    "cancel": "cancel_order",
    "read": "fetch_balance",
    "routine": "fetch_balance",
}


class Now:
    """A clock that the test moves."""

    def __init__(self, at: int = 10_000_000) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def process(folder: Path, account: str, now: Now, tariff: Tariff = TARIFF, boot: bytes = BOOT) -> Limiter:
    return Limiter(folder, "venue", account, tariff, now_ms=now, chance=random.Random(1), boot=boot)


def most_in_a_window(log: list[tuple[int, int]], window_ms: int) -> int:
    """The highest sum of costs within any window, wherever it begins."""
    kept: deque[tuple[int, int]] = deque()
    total = highest = 0
    for at, cost in log:
        kept.append((at, cost))
        total += cost
        while kept[0][0] <= at - window_ms:
            total -= kept.popleft()[1]
        highest = max(highest, total)
    return highest


attempts = st.lists(
    st.tuples(
        st.integers(0, 120),  # how long after the one before
        st.integers(0, 2),  # which process
        st.sampled_from(["one", "two"]),  # whose account
        st.sampled_from(["order", "cancel", "stop", "read", "routine"]),
    ),
    min_size=1,
    max_size=150,
)


@settings(max_examples=60)
@given(attempts)
def test_no_window_holds_more_than_the_limit(steps: list[tuple[int, int, str, Turn]]) -> None:
    now = Now()
    left: dict[tuple[str, str], list[tuple[int, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        opened = {
            (number, account): process(Path(folder), account, now)
            for number in range(3)
            for account in ("one", "two")
        }
        for pause, number, account, kind in steps:
            now.at += pause
            try:
                opened[number, account].take(kind, NAMES[kind])
            except Wait:
                continue
            costs = TARIFF.costs(NAMES[kind], NAMES[kind] != "fetch_balance")
            left.setdefault(("address", "all"), []).append((now.at, costs["weight"]))
            left.setdefault(("account", account), []).append((now.at, costs["orders"]))
        for limiter in opened.values():
            limiter.close()
    for budget in TARIFF.budgets:
        for (scope, _), log in left.items():
            if scope == budget.scope:
                assert most_in_a_window(log, budget.window_ms) <= budget.limit


@settings(max_examples=60)
@given(attempts, st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_nor_does_it_when_requests_that_never_left_are_given_back(
    steps: list[tuple[int, int, str, Turn]], after: list[int]
) -> None:
    """Some wait at their gate while others leave, and are given back so many requests later (0: leave)."""
    now = Now()
    left: list[tuple[int, int]] = []
    waiting: list[tuple[int, Turn, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        limiter = process(Path(folder), "one", now)
        for number, (pause, _, _, kind) in enumerate(steps):
            now.at += pause
            for one in [one for one in waiting if one[0] <= number]:
                waiting.remove(one)
                limiter.give_back(NAMES[one[1]], one[2])
            try:
                counted_at = limiter.take(kind, NAMES[kind])
            except Wait:
                continue
            assert counted_at is not None
            held = after[number % len(after)]
            if held:
                waiting.append((number + held, kind, counted_at))
            else:
                costs = TARIFF.costs(NAMES[kind], NAMES[kind] != "fetch_balance")
                left.append((now.at, costs["weight"]))
        for _, kind, counted_at in waiting:
            limiter.give_back(NAMES[kind], counted_at)
        now.at += 60_000
        limiter.take("routine", "fetch_balance")
        limiter.close()
    assert most_in_a_window(left, 1000) <= 40


@settings(max_examples=60)
@given(attempts, st.sampled_from(["cancel", "stop"]))
def test_the_reserve_is_there_for_cancels_and_stops(
    steps: list[tuple[int, int, str, Turn]], kind: Turn
) -> None:
    """Whatever entries and questions came before: as many cancels and stops leave at once as are reserved."""
    now = Now()
    with tempfile.TemporaryDirectory() as folder:
        first, second = process(Path(folder), "one", now), process(Path(folder), "one", now)
        for pause, number, _, wanted in steps:
            now.at += pause // 10
            usual: Turn = "order" if wanted in ("order", "stop") else "read"
            try:
                (first if number else second).take(usual, NAMES[usual])
            except Wait:
                continue
        # Four orders in half a second are the least reserve of all: see TARIFF.
        for _ in range(4):
            second.take(kind, NAMES[kind])
        first.close()
        second.close()


@settings(max_examples=60)
@given(attempts)
def test_questions_leave_entries_their_share_and_routine_leaves_the_others_theirs(
    steps: list[tuple[int, int, str, Turn]],
) -> None:
    """However many questions came before: what opens leaves at once, and so does what a fill asks for."""
    now = Now()
    with tempfile.TemporaryDirectory() as folder:
        limiter = process(Path(folder), "one", now)
        asked = True
        for pause, _, _, wanted in steps:
            now.at += pause // 10
            usual: Turn = "read" if wanted == "read" else "routine"
            try:
                limiter.take(usual, NAMES[usual])
            except Wait:
                continue
            asked = asked and usual == "routine"
        if asked:
            limiter.take("read", NAMES["read"])
        # Six are kept for them of the address, and of the account they take all but its reserve.
        for _ in range(6):
            limiter.take("order", NAMES["order"])
        limiter.close()


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 6)), max_size=60),
    st.integers(1, 6),
    st.sampled_from(list(NAMES)),
)
def test_what_waits_as_long_as_it_was_told_fits(spent: list[tuple[int, int]], cost: int, kind: Turn) -> None:
    budget, usage, now = Budget("address", "weight", 30, 1000, 9, 5), Usage(), 5_000_000
    for pause, one in spent:
        now += pause
        if used(budget, usage, now) + one <= budget.limit:
            spend(budget, usage, one, now)
    moment = fits_at(budget, usage, cost, kind, now)
    assert moment >= now
    room = budget.room(kind)
    assert used(budget, usage, moment) + cost <= room
    if moment > now:
        assert used(budget, usage, now) + cost > room


def test_a_cost_that_never_fits_is_an_error() -> None:
    with pytest.raises(ValueError, match="never fits"):
        fits_at(Budget("account", "orders", 10, 1000, 4), Usage(), 7, "order", 0)


@pytest.mark.parametrize("venue", [*TARIFFS, "some-other"])
def test_every_tariff_lets_every_request_through(venue: str) -> None:
    tariff = tariff_of(venue)
    for name in [*tariff.weights, "anything"]:
        for budget in tariff.budgets:
            cost = tariff.costs(name, True)[budget.unit]
            for kind in NAMES:
                assert fits_at(budget, Usage(), cost, kind, 0) == 0


def test_a_refusal_is_heard_by_every_process(tmp_path: Path) -> None:
    now = Now()
    one, other = process(tmp_path, "one", now), process(tmp_path, "two", now)
    one.hear(429, {"retry-after": "7"})
    with pytest.raises(Wait) as caught:
        other.take("stop", "create_order")
    assert (caught.value.reason, caught.value.milliseconds) == ("blocked", 7000)
    now.at += 7000
    other.take("stop", "create_order")


def test_a_ban_is_waited_out(tmp_path: Path) -> None:
    now = Now()
    limiter = process(tmp_path, "one", now)
    limiter.hear(418, {"retry-after": "120", "x-mbx-order-count-10s": "4"})
    other = process(tmp_path, "two", now)
    for kind in NAMES:
        with pytest.raises(Wait, match="120000"):
            other.take(kind, NAMES[kind])


def test_too_many_orders_of_one_account_block_no_other(tmp_path: Path) -> None:
    now = Now()
    one, other = process(tmp_path, "one", now), process(tmp_path, "two", now)
    one.hear(429, {"retry-after": "5", "x-mbx-order-count-10s": "301"})
    with pytest.raises(Wait):
        one.take("order", "create_order")
    other.take("order", "create_order")


def test_refusals_without_a_time_back_off_with_jitter(tmp_path: Path) -> None:
    now = Now()
    pauses = []
    limiter = process(tmp_path, "one", now)
    for _ in range(9):
        limiter.refused()
        with pytest.raises(Wait) as caught:
            limiter.take("read", "fetch_time")
        pauses.append(caught.value.milliseconds)
        now.at += caught.value.milliseconds
    assert all(0 < pause <= min(60_000, 1000 * 2**n) for n, pause in enumerate(pauses))
    assert len(set(pauses)) > 5
    assert max(pauses) > 8_000
    limiter.accepted()
    limiter.refused()
    with pytest.raises(Wait) as caught:
        limiter.take("read", "fetch_time")
    assert caught.value.milliseconds <= 1000


def test_what_the_venue_counted_of_others_counts(tmp_path: Path) -> None:
    tariff = Tariff(TARIFF.budgets, 2, {}, {"x-mbx-used-weight-1m": 1000})
    now = Now()
    limiter = process(tmp_path, "one", now, tariff)
    limiter.hear(200, {"x-mbx-used-weight-1m": "28"})
    with pytest.raises(Wait) as caught:
        limiter.take("read", "fetch_time")
    assert caught.value.reason == "rate_limited"
    limiter.take("cancel", "cancel_order")
    now.at += 1020
    limiter.take("read", "fetch_time")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("3", 3.0), ("0.5", 0.5), ("soon", None), ("nan", None)],
)
def test_retry_after_is_read(value: str | None, seconds: float | None) -> None:
    assert read_seconds(value) == seconds


def test_after_a_restart_of_the_machine_everything_counts_as_just_used(tmp_path: Path) -> None:
    before = process(tmp_path, "one", Now(900_000_000))
    for _ in range(6):
        before.take("order", "create_order")
    before.hear(429, {"retry-after": "2"})
    after = Now(5_000)
    limiter = process(tmp_path, "one", after, boot=b"b" * 16)
    with pytest.raises(Wait, match="blocked for 2000"):
        limiter.take("cancel", "cancel_order")
    after.at += 100
    # Six orders are in the last half second, wherever that was.
    assert carry_over(TARIFF.budgets[1], [(1, 2), (2, 4)], 5_000).slots == {500: 6}


def test_a_file_that_is_none_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "venue.address.limits").write_bytes(b"rubbish" * 1000)
    process(tmp_path, "one", Now()).take("read", "fetch_time")


class FullDisk:
    """The operating system, whose files take no writes, or are not even there."""

    def __init__(self, *failing: str) -> None:
        self._failing = failing

    def __getattr__(self, name: str) -> Any:
        return self._fail if name in self._failing else getattr(os, name)

    def _fail(self, *_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("failing", [("pwrite",), ("open",)])
def test_where_the_disk_takes_nothing_a_process_counts_by_itself(
    failing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = Now()
    limiter = process(tmp_path, "one", now)
    monkeypatch.setattr(limiter_file, "os", FullDisk(*failing))
    with capture_logs() as logs:
        for _ in range(6):
            limiter.take("order", "create_order")
        # The budget and its reserve are as they were, and what the venue says is heard.
        with pytest.raises(Wait, match="rate_limited"):
            limiter.take("order", "create_order")
        limiter.take("stop", "create_order")
        limiter.hear(429, {"retry-after": "7"})
        with pytest.raises(Wait, match="blocked for 7000"):
            limiter.take("cancel", "cancel_order")
    assert [one["event"] for one in logs].count("limits_unwritten") == 2
    # There is room again: the others hear of it.
    monkeypatch.setattr(limiter_file, "os", os)
    limiter.refused()
    with pytest.raises(Wait, match="blocked"):
        limiter.take("read", "fetch_time")
    now.at += 7000
    limiter.take("read", "fetch_time")
    limiter.hear(429, {"retry-after": "3"})
    with pytest.raises(Wait, match="blocked for 3000"):
        process(tmp_path, "two", now).take("read", "fetch_time")


# Real processes -----------------------------------------------------------------------------------------

GREEDY = """
import json, sys
from pathlib import Path
from workers.trading.traffic.limiter import Limiter, Wait
from workers.trading.traffic.limiter_budgets import Budget, Tariff
from workers.trading.traffic.limiter_file import machine_ms
folder, account = Path(sys.argv[1]), sys.argv[2]
tariff = Tariff((Budget("address", "weight", 60, 300, 10), Budget("account", "orders", 200, 300, 10)))
limiter, left = Limiter(folder, "venue", account, tariff), []
end = machine_ms() + 1500
print("ready", flush=True)
while (now := machine_ms()) < end:
    try:
        limiter.take("order", "create_order")
    except Wait:
        continue
    # Between the two looks at the clock it left: both ends of that are told.
    left.append((now, machine_ms()))
print(json.dumps(left))
"""


def spawn(folder: Path, account: str, code: str = GREEDY) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), account], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )


def test_real_processes_together_stay_within_the_address(tmp_path: Path) -> None:
    processes = [spawn(tmp_path, f"account-{number}") for number in range(3)]
    left: list[tuple[int, int]] = []
    for one in processes:
        said, _ = one.communicate(timeout=60)
        assert one.returncode == 0
        left += [(int(before), int(after)) for before, after in json.loads(said.splitlines()[-1])]
    left.sort()
    assert len(left) > 60
    # As far apart as they may have left: first early, last late. Three lie within a slot at either end.
    for first in range(len(left) - 60):
        assert left[first + 60][1] - left[first][0] >= 300


HOLDER = """
import fcntl, os, signal, sys
from pathlib import Path
fd = os.open(Path(sys.argv[1]) / "venue.address.limits", os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
signal.pause()
"""


def test_a_process_that_stopped_with_the_lock_stops_no_cancel(tmp_path: Path) -> None:
    holder = spawn(tmp_path, "any", HOLDER)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    os.kill(holder.pid, signal.SIGSTOP)
    now = Now()
    limiter = process(tmp_path, "one", now)
    try:
        for kind in NAMES:
            with pytest.raises(Wait, match="locked"):
                limiter.take(kind, NAMES[kind])
        now.at += 300
        limiter.take("cancel", "cancel_order")
        limiter.take("stop", "create_order")
        with pytest.raises(Wait, match="locked"):
            limiter.take("order", "create_order")
    finally:
        holder.kill()
        holder.communicate()
    # It died: its lock is gone with it.
    limiter.take("order", "create_order")
