"""The journal: what a killed bridge leaves on its disk, however it was cut off."""

from __future__ import annotations

import asyncio
import fcntl
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import NOW, SIGNAL, account, order, position
from tests.waiting import until
from workers.trading.book import Trade
from workers.trading.journal import (
    Closed,
    Contents,
    Journal,
    JournalUnreadable,
    JournalUnwritable,
    _line,
)
from workers.trading.orders import Leg, OrderStatus

ACCOUNT = account(
    id=UUID(int=1),
    user_id=UUID(int=2),
    sandbox=True,
    settings={"leverage": "2"},
    fence=3,
    sealed={"ciphertext": "c2VhbGVk", "salt": "c2FsdA==", "key_version": 1, "name": "not this"},
)
EXIT = Closed(SIGNAL, SIGNAL, "abc", 2, "sell", Decimal("1.5"), "fire", NOW)


def trade(signal: UUID = SIGNAL, amount: str = "10") -> Trade:
    stop = replace(order(Leg.STOP_LOSS), signal_id=signal)
    done = replace(order(Leg.ENTRY), signal_id=signal, status=OrderStatus.FILLED, filled=Decimal(10))
    gone = replace(order(Leg.EXIT, 3), signal_id=signal, status=OrderStatus.REJECTED)
    orders = {one.client_order_id + str(signal): one for one in (stop, done, gone)}
    return Trade(signal, orders, position(signal_id=signal, amount=Decimal(amount)))


def test_what_is_held_and_what_rests_is_read_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "one.jsonl")
    journal.begin(ACCOUNT, [trade()])
    found = journal.read()
    held = found.trades[SIGNAL]
    assert (held.amount, held.side, held.next_exit) == (Decimal(10), "long", 4)
    assert [(one.leg, one.trigger_price, one.remaining) for one in held.orders] == [
        (Leg.STOP_LOSS, Decimal(98), Decimal(10))
    ]
    assert found.account is not None
    assert found.account.sealed == {"ciphertext": "c2VhbGVk", "salt": "c2FsdA==", "key_version": 1}
    assert (found.account.venue, found.account.settings) == ("binanceusdm", {"leverage": "2"})
    assert journal.path.stat().st_mode & 0o077 == 0


def test_the_last_line_of_a_signal_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [trade()])
    journal.note([trade(amount="4")])
    assert journal.read().trades[SIGNAL].amount == 4
    journal.note([], over=[SIGNAL])
    assert journal.read().trades == {}


def test_an_exit_is_told_with_its_last_outcome(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    before = journal.was_added_to
    other = Journal(journal.path)
    other.note_closed(EXIT)
    other.note_closed(replace(EXIT, outcome="confirmed"))
    after = journal.was_added_to
    assert (before, after) == (False, True)
    assert list(journal.read().closed.values()) == [replace(EXIT, outcome="confirmed")]
    journal.begin(ACCOUNT, [], told=journal.read().closed.values())
    assert journal.read().closed == {}
    assert not journal.was_added_to


def test_an_exit_that_is_added_while_others_are_told_stays_to_be_told(tmp_path: Path) -> None:
    """An emergency close beside a running bridge: what it adds between reading and rewriting is kept, also
    the outcome of an exit whose sending was told already."""
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    other = Journal(journal.path)
    other.note_closed(EXIT)
    told = list(journal.read().closed.values())
    other.note_closed(replace(EXIT, outcome="confirmed"))
    other.note_closed(replace(EXIT, client_order_id="def"))
    journal.note([trade()])
    journal.begin(ACCOUNT, [trade()], told=told)
    assert {one.client_order_id: one.outcome for one in journal.read().closed.values()} == {
        "abc": "confirmed",
        "def": None,
    }
    assert journal.was_added_to
    journal.begin(ACCOUNT, [trade()], told=journal.read().closed.values())
    assert not journal.was_added_to


def test_a_journal_that_is_rewritten_loses_nothing_that_is_added_meanwhile(tmp_path: Path) -> None:
    """A bridge that begins its journal anew all the time, and emergency closes in threads of their own."""
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])

    def add(thread: int) -> None:
        other = Journal(journal.path)
        for number in range(40):
            other.note_closed(replace(EXIT, client_order_id=f"{thread}-{number}"))

    with ThreadPoolExecutor(3) as pool:
        adding = [pool.submit(add, thread) for thread in range(3)]
        while not all(one.done() for one in adding):
            journal.note([trade()])
            journal.begin(ACCOUNT, [trade()])
        for one in adding:
            one.result()
    assert len(journal.read().closed) == 120
    assert journal.was_added_to


def test_a_journal_says_who_left_the_account_until_it_is_held_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.leave(3, NOW)
    journal.hold(ACCOUNT)
    assert not journal.path.exists(), "there was nothing to leave"
    journal.begin(ACCOUNT, [trade()])
    journal.leave(3, NOW)
    left = journal.read()
    assert (left.left_at, left.account and left.account.fence) == (NOW, 3)
    journal.hold(replace(ACCOUNT, fence=4))
    found = journal.read()
    assert (found.left_at, found.account and found.account.fence) == (None, 4)
    assert set(found.trades) == {SIGNAL}


def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    journal.path.unlink()
    journal.path.symlink_to("/dev/full")
    (tmp_path / "one.new").symlink_to("/dev/full")
    with pytest.raises(JournalUnwritable, match="cannot be written"):
        journal.note([trade()])
    with pytest.raises(JournalUnwritable, match="cannot be written"):
        journal.note_closed(EXIT)
    journal.path.unlink()
    with pytest.raises(JournalUnwritable, match="make room on the disk"):
        journal.begin(ACCOUNT, [])


def test_a_process_that_stopped_while_it_wrote_blocks_nobody_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.trading.journal.LOCK_SECONDS", 0.0)
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    with (tmp_path / "one.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(JournalUnwritable, match="another process"):
            journal.note([trade()])
    journal.note([trade()])


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").mkdir()
    with pytest.raises(JournalUnreadable, match="cannot be read"):
        Journal(tmp_path / "one.jsonl").read()


def test_a_line_of_an_unknown_kind_is_counted_and_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [trade()])
    with journal.path.open("ab") as file:
        file.write(_line({"kind": "news"}) + _line({"kind": "trade", "signal_id": "nobody"}))
    found = journal.read()
    assert (found.damaged, set(found.trades)) == (2, {SIGNAL})


def test_a_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "none.jsonl")
    assert journal.read() == Contents()
    assert not journal.was_added_to


async def test_a_killed_process_leaves_a_journal_that_reads(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: all but the last line are whole."""
    path = tmp_path / "one.jsonl"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.trading.test_journal", str(path)
    )
    try:
        await until(lambda: path.is_file() and path.stat().st_size > 20_000)
    finally:
        process.kill()
        await process.wait()
    found = Journal(path).read()
    assert found.account is not None
    assert found.damaged <= 1
    assert found.trades[SIGNAL].amount > 1


@given(amounts=st.lists(st.integers(1, 99), min_size=1, max_size=6), cut=st.integers(0, 5000))
def test_a_cut_off_file_says_what_was_whole(tmp_path_factory: object, amounts: list[int], cut: int) -> None:
    """Wherever a kill cut the file, it reads as some earlier moment, and what is added later is read."""
    folder = tmp_path_factory.mktemp("journal")  # type: ignore[attr-defined]
    journal = Journal(folder / "one.jsonl")
    journal.begin(ACCOUNT, [])
    for amount in amounts:
        journal.note([trade(amount=str(amount))])
    raw = journal.path.read_bytes()
    journal.path.write_bytes(raw[: max(len(raw) - cut, 0)])
    again = Journal(journal.path)
    found = again.read()
    assert found.damaged <= 1
    earlier = {Decimal(one) for one in amounts}
    assert {one.amount for one in found.trades.values()} <= earlier
    again.note([trade(UUID(int=9), "7")])
    assert again.read().trades[UUID(int=9)].amount == 7


@given(place=st.integers(0, 3000), byte=st.integers(0, 255))
def test_a_damaged_line_is_left_out_and_counted(tmp_path_factory: object, place: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("journal")  # type: ignore[attr-defined]
    journal = Journal(folder / "one.jsonl")
    journal.begin(ACCOUNT, [])
    for signal in range(3):
        journal.note([trade(UUID(int=signal))])
    raw = bytearray(journal.path.read_bytes())
    place %= len(raw)
    raw[place] = byte
    journal.path.write_bytes(bytes(raw))
    found = journal.read()
    # A line, or two where their separation was hit, or none where nothing changed.
    known = len(found.trades) + (found.account is not None)
    assert known >= 2
    assert (known == 4) or found.damaged >= 1


def write_without_end(path: Path) -> None:
    """What the process does that is killed."""
    journal = Journal(path)
    journal.begin(ACCOUNT, [])
    amount = 1
    while True:
        amount += 1
        journal.note([trade(amount=str(amount))])


if __name__ == "__main__":
    write_without_end(Path(sys.argv[1]))


def entering(**fields: Any) -> Trade:
    entry = replace(order(Leg.ENTRY), status=OrderStatus.INTENDED, **fields)
    return Trade(SIGNAL, {entry.client_order_id: entry})


def test_what_was_foreseen_and_came_so_is_not_written_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    sync = journal.foresee([entering()])
    assert SIGNAL in journal.read().trades
    sync()
    before = journal.path.read_bytes()
    journal.note([entering()])
    assert journal.path.read_bytes() == before
    assert not journal.was_added_to
    # Once: what is noted of it later is written.
    journal.note([entering()])
    assert len(journal.path.read_bytes()) > len(before)


def test_what_came_otherwise_than_foreseen_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    journal.foresee([entering()])()
    journal.note([entering(amount=Decimal(7))])
    (held,) = journal.read().trades.values()
    assert held.orders[0].amount == 7


def test_what_is_not_on_the_disk_yet_is_written_and_synced(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    sync = journal.foresee([entering()])
    size = journal.path.stat().st_size
    journal.note([entering()])
    assert journal.path.stat().st_size > size
    sync()


def test_what_was_foreseen_and_did_not_come_is_taken_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.begin(ACCOUNT, [])
    journal.foresee([entering()])()
    journal.note([], over=[SIGNAL])
    assert journal.read().trades == {}
    # And written again when it is intended again.
    journal.note([entering()])
    assert SIGNAL in journal.read().trades


def test_a_full_disk_foresees_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "one.jsonl")
    journal.path.symlink_to("/dev/full")
    with pytest.raises(JournalUnwritable, match="No space left"):
        journal.foresee([entering()])
