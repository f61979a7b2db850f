"""Rows that the database itself fails over are found and kept aside; an ill database and a gateway are told
from that."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from postgrest.exceptions import APIError

from shared.answers import translate
from shared.errors import NotSent, OutcomeUnknown, Unavailable
from tests.signals.ingest import FakeIngest
from tests.signals.test_writer import ids, open_writer, rows
from workers.signals.writer import MOST_CONVICTED, Writer


def letters_in(folder: Path) -> list[dict[str, Any]]:
    path = folder / "dead-letters.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def drain_patiently(writer: Writer, rounds: int = 60) -> None:
    """As the writer does by itself, without its pauses."""
    for _ in range(rounds):
        with suppress(Unavailable):
            await writer.drain()
            return


@pytest.mark.parametrize("code", ["XX000", "XX001", "57014", "53200"])
async def test_a_row_that_the_database_fails_over_is_found_and_the_others_are_stored(
    tmp_path: Path, code: str
) -> None:
    ingest = FakeIngest()
    bad = {0, 7, 13}
    failure = translate("ingest_signals", APIError({"code": code, "message": "it broke"}), 500)
    ingest.fails = lambda row: failure if row["number"] in bad else None
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(*range(20)))
    with pytest.raises(Unavailable):
        await writer.send()
    assert letters_in(tmp_path) == [], "once may be by chance"
    await drain_patiently(writer)
    assert sorted(ingest.stored) == sorted(ids(*(n for n in range(20) if n not in bad)))
    letters = {one["row"]["number"]: one for one in letters_in(tmp_path)}
    assert letters.keys() == bad
    assert {(one["code"], "it broke" in one["message"]) for one in letters.values()} == {(code, True)}
    assert (writer.counts[f"rejected_{code}"], spool.pending) == (3, 0)
    spool.close()


@pytest.mark.parametrize(
    "failure",
    [
        OutcomeUnknown("ingest_signals: <html>bad gateway</html> (502)"),
        OutcomeUnknown("ingest_signals: Internal Server Error (500)"),
        NotSent("ingest_signals: the Supabase API cannot be reached"),
        NotSent("ingest_signals: no memory of connections (53300)", code="53300"),
        NotSent("ingest_signals: could not extend file (53100)", code="53100"),
        NotSent("ingest_signals: lock timeout (55P03)", code="55P03"),
        OutcomeUnknown("ingest_signals: database client error (PGRST001)", code="PGRST001"),
    ],
)
async def test_what_says_nothing_about_rows_makes_no_dead_letter(tmp_path: Path, failure: Exception) -> None:
    ingest = FakeIngest()
    ingest.fails = lambda row: failure if row["number"] == 13 else None
    spool, writer = open_writer(tmp_path, ingest, most_rows=10)
    spool.append(rows(*range(30)))
    await drain_patiently(writer, 40)
    assert letters_in(tmp_path) == []
    ingest.fails = lambda _: None
    await writer.drain()
    assert sorted(ingest.stored) == sorted(ids(*range(30)))
    spool.close()


async def test_a_database_that_fails_over_everything_makes_no_dead_letter(tmp_path: Path) -> None:
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(0, 1))
    await writer.drain()
    ingest.fails = lambda _: OutcomeUnknown("index is corrupt", code="XX002")
    spool.append(rows(*range(2, 40)))
    await drain_patiently(writer)
    assert (letters_in(tmp_path), spool.pending) == ([], 38)
    ingest.fails = lambda _: None
    await writer.drain()
    assert sorted(ingest.stored) == sorted(ids(*range(40)))
    spool.close()


async def test_a_database_that_takes_only_what_it_knows_makes_few_dead_letters(tmp_path: Path) -> None:
    """As one whose disk is damaged where it would write: it answers for old rows, and fails over each new
    one."""
    ingest = FakeIngest()
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(0))
    await writer.drain()
    ingest.fails = lambda row: None if row["id"] in ingest.stored else OutcomeUnknown("damaged", code="XX001")
    spool.append(rows(*range(1, 200)))
    await drain_patiently(writer)
    assert len(letters_in(tmp_path)) <= MOST_CONVICTED
    assert spool.pending >= 199 - MOST_CONVICTED
    spool.close()


async def test_a_row_alone_waits_until_another_was_stored(tmp_path: Path) -> None:
    ingest = FakeIngest()
    ingest.fails = lambda row: OutcomeUnknown("no", code="XX000") if row["number"] == 1 else None
    spool, writer = open_writer(tmp_path, ingest)
    spool.append(rows(1))
    await drain_patiently(writer, 5)
    assert (letters_in(tmp_path), spool.pending) == ([], 1)
    spool.append(rows(2))
    await drain_patiently(writer, 5)
    assert [one["row"]["number"] for one in letters_in(tmp_path)] == [1]
    assert (list(ingest.stored), spool.pending) == (ids(2), 0)
    spool.close()
