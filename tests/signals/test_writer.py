"""The writer: every row is answered once and for all, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.errors import NotAllowed, NotSent, OutcomeUnknown, Unavailable
from shared.identity import floor_ms
from tests.signals.ingest import FakeIngest
from tests.waiting import until
from workers.signals.dead_letters import DeadLetters
from workers.signals.spool import Spool, SpoolError
from workers.signals.writer import AT_ONCE, BREAK_AFTER, PROBE_ROWS, Writer, name_request

AT = datetime(2025, 5, 4, 12, tzinfo=UTC)


def rows(*numbers: int) -> list[bytes]:
    return [orjson.dumps({"id": f"row {number}", "number": number}) for number in numbers]


def ids(*numbers: int) -> list[str]:
    return [f"row {number}" for number in numbers]


def open_writer(folder: Path, ingest: FakeIngest, **options: Any) -> tuple[Spool, Writer]:
    spool = Spool(folder)
    return spool, Writer(spool, DeadLetters(folder), ingest, lambda: AT, Counter(), **options)


@asynccontextmanager
async def running(writer: Writer) -> AsyncIterator[None]:
    task = asyncio.create_task(writer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_sends_in_batches_and_empties_the_spool(tmp_path: Path) -> None:
    ingest = FakeIngest()
    told: list[bool] = []
    spool, writer = open_writer(tmp_path, ingest, most_rows=10, on_stored=lambda: told.append(True))
    spool.append(rows(*range(25)))
    assert await writer.drain() == 25
    assert [len(batch) for batch in ingest.batches] == [10, 10, 5]
    assert list(ingest.stored) == ids(*range(25))
    counts = ("inserted", "duplicates", "batches", "pending")
    assert [writer.counts[name] for name in counts] == [25, 0, 3, 0]
    assert len(told) == 3
    assert await writer.drain() == 0
    assert len(ingest.batches) == 3, "an empty spool makes no call"
    spool.close()


async def test_a_bad_row_is_kept_with_its_reason_and_the_others_are_stored(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.reject = lambda row: ("in_future", "triggered_at is in the future") if row["number"] == 3 else None
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(*range(6)))
    await writer.drain()
    assert list(ingest.stored) == ids(0, 1, 2, 4, 5)
    assert writer.counts["rejected"] == writer.counts["rejected_in_future"] == 1
    (letter,) = [json.loads(line) for line in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
    assert letter == {
        "at": AT.isoformat(),
        "code": "in_future",
        "message": "triggered_at is in the future",
        "row": {"id": "row 3", "number": 3},
    }
    assert spool.pending == 0
    spool.close()


async def test_a_row_that_poisons_the_call_is_found_and_the_others_are_stored(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.poison = lambda row: row["number"] in {0, 13}
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(*range(20)))
    await writer.drain()
    assert sorted(ingest.stored) == sorted(ids(*(number for number in range(20) if number not in {0, 13})))
    assert writer.counts["rejected_22P02"] == 2
    letters = [json.loads(line) for line in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
    assert [letter["row"]["number"] for letter in letters] == [0, 13]
    assert spool.pending == 0
    spool.close()


async def test_what_the_disk_says_does_not_hide_what_the_database_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor the other way round: all is told, and the gravest is raised."""
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest, most_rows=1)
    spool.append(rows(1, 2))

    def refuse() -> int:
        raise SpoolError("the disk is broken")

    monkeypatch.setattr(writer._lanes, "leave", refuse)
    ingest.lost = 1
    with capture_logs() as entries, pytest.raises(SpoolError, match="disk"):
        await writer.send()
    assert [one["error"] for one in entries if one["event"] == "writer_troubled"] == [
        "OutcomeUnknown: ingest_signals: no answer came back"
    ]
    ingest.error = NotAllowed("permission denied", code="42501")
    with pytest.raises(NotAllowed):
        await writer.send()
    ingest.error = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        await writer.send()
    spool.close()


async def test_no_answer_keeps_the_rows_and_the_same_request_comes_again(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.lost = 1
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(1, 2))
    with pytest.raises(OutcomeUnknown):
        await writer.drain()
    assert spool.pending == 2
    spool.close()
    spool, again = open_writer(tmp_path, ingest)
    await again.drain()
    assert again.counts["duplicates"] == 2
    assert (len(ingest.stored), spool.pending) == (2, 0)
    spool.close()


async def test_a_backlog_goes_out_in_two_batches_together(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.gate.clear()
    spool, writer = open_writer(tmp_path, ingest, most_rows=10)
    spool.append(rows(*range(25)))
    sending = asyncio.create_task(writer.send())
    await until(lambda: len(ingest.calls) == 2)
    assert spool.pending == 25
    ingest.gate.set()
    assert await sending == 20
    assert ingest.batches == [ids(*range(10)), ids(*range(10, 20))]
    assert spool.pending == 5
    spool.close()


async def test_a_batch_that_was_answered_is_not_sent_again_with_the_one_before_it(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.lost = 1
    ingest.reject = lambda row: ("in_future", "no") if row["number"] == 13 else None
    spool, writer = open_writer(tmp_path, ingest, most_rows=10)
    spool.append(rows(*range(25)))
    with pytest.raises(OutcomeUnknown):
        await writer.send()
    assert spool.pending == 25, "the first row of the spool has no answer yet"
    assert await writer.drain() == 25
    assert ingest.batches == [
        ids(*range(10)), ids(*range(10, 20)), ids(*range(10)), ids(*range(20, 25))
    ]  # fmt: skip
    assert ingest.requests[2] == ingest.requests[0]
    counts = ("inserted", "duplicates", "rejected", "rejected_in_future", "batches", "pending")
    assert [writer.counts[name] for name in counts] == [14, 10, 1, 1, 3, 0]
    assert len((tmp_path / "dead-letters.jsonl").read_text().splitlines()) == 1
    spool.close()


def test_a_request_is_named_by_its_rows() -> None:
    run = uuid4()
    one = name_request(run, [{"id": "a"}, {"id": "b"}])
    assert one == name_request(run, [{"id": "a"}, {"id": "b"}])
    assert one != name_request(run, [{"id": "b"}, {"id": "a"}])
    assert one != name_request(run, [{"id": "a"}])
    assert one != name_request(uuid4(), [{"id": "a"}, {"id": "b"}])


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {"inserted": 1},
        {"inserted": 1, "duplicates": 0, "rejected": [{"index": 9, "code": "x", "message": "y"}]},
        {"inserted": "many", "duplicates": 0, "rejected": []},
    ],
)
async def test_an_answer_that_makes_no_sense_is_no_answer(tmp_path: Path, answer: object) -> None:
    async def call(name: str, params: object, /) -> object:
        return answer

    spool = Spool(tmp_path)
    writer = Writer(spool, DeadLetters(tmp_path), call, lambda: AT, Counter())
    spool.append(rows(1))
    with pytest.raises(OutcomeUnknown, match="answered what it never should"):
        await writer.drain()
    assert spool.pending == 1
    spool.close()


# In the background -----------------------------------------------------------------------------------------


async def test_sends_at_once_when_idle_and_together_under_load(tmp_path: Path) -> None:
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest)
    async with running(writer):
        spool.append(rows(0))
        writer.notice()
        await until(lambda: ingest.stored)
        ingest.gate.clear()
        spool.append(rows(1))
        writer.notice()
        await until(lambda: len(ingest.calls) == 2)
        for number in range(2, 50):
            spool.append(rows(number))
            writer.notice()
        ingest.gate.set()
        await until(lambda: len(ingest.stored) == 50)
    assert ingest.batches == [ids(0), ids(1), ids(*range(2, 50))]
    spool.close()


async def test_waits_out_an_absent_database_and_loses_nothing(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.away = 4
    spool, writer = open_writer(tmp_path, ingest)
    async with running(writer):
        for number in range(40):
            spool.append(rows(number))
            writer.notice()
        await until(lambda: len(ingest.stored) == 40)
    assert writer.counts["retries"] == 4
    assert writer.counts["inserted"] == 40
    assert writer.failure is None
    assert spool.pending == 0
    spool.close()


async def test_what_waiting_does_not_heal_is_told_and_the_rows_stay(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.error = NotAllowed("ingest_signals: permission denied", code="42501")
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(1, 2))
    async with running(writer):
        await until(lambda: isinstance(writer.failure, NotAllowed))
        assert spool.pending == 2
        ingest.error = None
        await until(lambda: len(ingest.stored) == 2)
        await until(lambda: writer.failure is None)
    assert not (tmp_path / "dead-letters.jsonl").exists()
    spool.close()


async def test_what_a_crash_left_behind_is_sent_at_the_start(tmp_path: Path) -> None:
    ingest = FakeIngest()
    spool, _ = open_writer(tmp_path, ingest)
    spool.append(rows(1, 2, 3))
    spool.close()
    spool, writer = open_writer(tmp_path, ingest)
    async with running(writer):
        await until(lambda: len(ingest.stored) == 3)
    spool.close()


async def test_a_broadcast_that_was_held_back_is_told(tmp_path: Path) -> None:
    ingest = FakeIngest()
    told: list[bool] = []
    spool, writer = open_writer(tmp_path, ingest, on_held_back=lambda: told.append(True))
    spool.append(rows(1))
    await writer.drain()
    assert told == []
    ingest.held_back = True
    spool.append(rows(2))
    await writer.drain()
    assert told == [True]
    spool.close()


async def test_while_a_backlog_drains_a_new_row_waits_for_no_more_than_the_round_under_way(
    tmp_path: Path,
) -> None:
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest, most_rows=10)
    spool.append(rows(*range(200)))
    made: dict[str, int] = {}

    async def call(name: str, params: Any, /) -> Any:
        if len(ingest.batches) % 3 == 0 and len(made) < 8:
            made[f"row {1000 + len(made)}"] = len(ingest.batches)
            spool.append(rows(999 + len(made)))
        return await ingest(name, params)

    writer._call = call
    async with running(writer):
        await until(lambda: len(ingest.stored) == 208)
        await until(lambda: spool.pending == 0)
    place = {one: number for number, batch in enumerate(ingest.batches) for one in batch}
    assert len(made) == 8
    assert all(place[one] - began <= AT_ONCE for one, began in made.items())
    backlog = [one for batch in ingest.batches for one in batch if one not in made]
    assert backlog == ids(*range(200)), "the backlog goes out in its order"
    spool.close()


async def test_after_failures_a_few_rows_look_whether_the_database_is_back(tmp_path: Path) -> None:
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(*range(300)))
    sizes: list[int] = []

    async def call(name: str, params: Any, /) -> Any:
        sizes.append(len(params["signals"]))
        return await ingest(name, params)

    writer._call = call
    ingest.error = Unavailable("away")
    async with running(writer):
        await until(lambda: len(sizes) == BREAK_AFTER + 2)
        assert writer.counts["breaker_open"] == 1
        ingest.error = None
        await until(lambda: len(ingest.stored) == 300)
        await until(lambda: spool.pending == 0)
    assert sizes[:BREAK_AFTER] == [300] * BREAK_AFTER
    assert set(sizes[BREAK_AFTER:-1]) == {PROBE_ROWS}
    assert sizes[-1] == 300 - PROBE_ROWS
    assert (writer.counts["breaker_open"], writer.counts["breaker_opened"]) == (0, 1)
    spool.close()


async def test_a_row_that_was_refused_beside_an_answer_that_was_lost_is_one_letter(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.poison = lambda row: row["number"] == 0
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(*range(8)))

    async def call(name: str, params: Any, /) -> Any:
        if [row["number"] for row in params["signals"]] == [4, 5, 6, 7]:
            ingest.lost = not ingest.stored.keys() & set(ids(4))
        return await ingest(name, params)

    writer._call = call
    with pytest.raises(OutcomeUnknown):
        await writer.send()
    assert await writer.drain() == 4
    assert len((tmp_path / "dead-letters.jsonl").read_text().splitlines()) == 1
    assert (writer.counts["rejected"], writer.counts["duplicates"]) == (1, 4)
    spool.close()


async def test_live_a_signal_of_the_databases_future_waits_until_its_clock_has_come_so_far(
    tmp_path: Path,
) -> None:
    ingest = FakeIngest()
    now = floor_ms(AT)
    clock = now - 600_000
    ingest.reject = lambda row: ("in_future", "too far") if row["triggered_at"] > clock + 60_000 else None
    spool, writer = open_writer(tmp_path, ingest, waits_for_clock=True)
    bogus = now + 2 * 86_400_000
    times = [now - 660_000, now, now + 60_000, bogus]
    spool.append([orjson.dumps({"id": f"row {place}", "triggered_at": at}) for place, at in enumerate(times)])
    await writer.send()
    with pytest.raises(NotSent, match="clock is behind"):
        await writer.send()
    assert list(ingest.stored) == ["row 0"]
    assert writer.counts["rejected_in_future"] == 1, "no clock is two days off: that one is a mistake"
    assert writer.counts["early"] == 4
    spool.append([orjson.dumps({"id": "row 4", "triggered_at": now - 660_000})])
    await writer.send()
    assert "row 4" in ingest.stored, "others go on meanwhile"
    clock = now
    assert await writer.drain() == 4
    assert sorted(ingest.stored) == ["row 0", "row 1", "row 2", "row 4"]
    spool.close()


def spoil(folder: Path, *places: bytes) -> None:
    """Change a byte of the spool at each of these texts."""
    (path,) = folder.glob("*.segment")
    content = path.read_bytes()
    for place in places:
        assert place in content
        content = content.replace(place, place[:-1] + b"X")
    path.write_bytes(content)


async def test_rows_that_go_bad_on_the_disk_are_counted_and_the_others_go_out(tmp_path: Path) -> None:
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest, most_rows=2)
    spool.append(rows(*range(9)))
    spoil(tmp_path, b'"number":4', b'"number":8')
    await writer.drain()
    assert list(ingest.stored) == ids(0, 1, 2, 3, 5, 6, 7)
    assert (writer.counts["gone_bad"], spool.pending) == (2, 0)
    spool.append(rows(10))
    await writer.drain()
    assert "row 10" in ingest.stored
    spool.close()
    assert "00000000000000000001.damaged" in os.listdir(tmp_path), "kept for whoever may look"


# Whatever happens ------------------------------------------------------------------------------------------


troubles = st.lists(
    st.sampled_from(["append", "send", "away", "lost", "restart", "poison", "reject", "fail", "ill"]),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(troubles, st.integers(1, 7))
def test_every_row_is_stored_once_or_dead_with_a_reason(steps: list[str], most_rows: int) -> None:
    async def play(folder: Path) -> None:
        ingest = FakeIngest()
        bad: dict[str, set[int]] = {"poison": set(), "reject": set(), "fail": set()}
        ill = 0
        ingest.poison = lambda row: row["number"] in bad["poison"]
        ingest.reject = lambda row: ("bad_row", "no side") if row["number"] in bad["reject"] else None

        def fails(row: Any) -> Exception | None:
            nonlocal ill
            if ill > 0:
                ill -= 1
                return OutcomeUnknown("the database is ill", code="XX000")
            return NotSent("too long", code="57014") if row["number"] in bad["fail"] else None

        ingest.fails = fails
        spool, writer = open_writer(folder, ingest, most_rows=most_rows)
        made = 0
        for step in steps:
            if step in {"append", "poison", "reject", "fail"}:
                bad.get(step, set()).add(made + 1)
                spool.append(rows(*range(made, made + 3)))
                made += 3
            elif step == "send":
                with suppress(Unavailable):
                    await writer.send()
            elif step == "restart":
                spool.close()
                spool, writer = open_writer(folder, ingest, most_rows=most_rows)
            elif step == "ill":
                ill = 3
            else:
                setattr(ingest, step, 1)
        ingest.away = ingest.lost = ill = 0
        # What is sound comes on, as it does on a machine at work: by it the others are found out.
        spool.append(rows(*range(made, made + 3)))
        made += 3
        for _ in range(10 * len(steps)):
            with suppress(Unavailable):
                await writer.drain()
        assert spool.pending == 0
        spool.close()
        wrong = bad["poison"] | bad["reject"] | bad["fail"]
        assert sorted(row["number"] for row in ingest.stored.values()) == [
            number for number in range(made) if number not in wrong
        ]
        path = folder / "dead-letters.jsonl"
        letters = path.read_text().splitlines() if path.exists() else []
        assert {json.loads(line)["row"]["number"] for line in letters} == wrong

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(play(Path(name)))
