"""A day of the main job grows cold: it is archived into Supabase Storage, read there, verified and compacted,
and says the same before and after."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from shared.settings import Settings
from tests.acceptance.journey import (
    CHECKOUT,
    Row,
    add_trader,
    ask,
    environment,
    read_record,
    read_rows,
    up,
    write_candles,
    write_rows,
)
from tests.stacks import Stack, running_stack
from workers.archive.cache import Cache
from workers.archive.cold import read_events
from workers.archive.connection import archivist
from workers.archive.finding import Report
from workers.archive.keys import SealKey, key_id, new_seal_key
from workers.archive.listing import list_files
from workers.archive.question import ask as ask_archive
from workers.archive.reading import Scope
from workers.archive.rounds import Round, compact_day, work
from workers.archive.seals import seal
from workers.archive.store import open_store
from workers.archive.verification import Verification

DAY = date(2025, 5, 4)
SYMBOLS = ("BTCUSDT", "ETHUSDT")
# From two in the afternoon until four in the morning.
MINUTES = 840
FIRST_MINUTE = 14 * 60
# What the archive answers, and what the same SQL says of the tables before.
QUESTIONS = {
    "signals": """select status, outcome_code, symbol, count(*), sum(initial_price::decimal(28, 10)),
        sum(total_pnl::decimal(28, 10)), sum(coalesce(analysis_confidence::decimal(28, 10), 0))
        from signals group by 1, 2, 3 order by 1, 2, 3""",
    "events": """select event_type, coalesce(to_status, '-'), count(*), sum(number), count(event_data)
        from events group by 1, 2 order by 1, 2""",
    "snapshots": """select action, count(*), sum(price::decimal(28, 10)),
        sum(coalesce(confidence::decimal(28, 10), 0)) from snapshots group by 1 order by 1""",
}
TABLES = {"signals": "signals", "events": "signal_events", "snapshots": "signal_monitoring_snapshots"}
# What a person reads of a run. None of it may change when its signals leave Postgres.
FIGURES = {
    "summaries": """select user_id, period_start, total_signals, approved_signals, rejected_signals,
        traded_signals, closed_signals, expired_signals, total_pnl from public.signal_metrics_summary
        where period_type = 'day' order by 1, 2""",
    "traders": """select id, total_signals_generated, total_trades_executed, winning_trades, total_pnl
        from public.traders order by 1""",
    "traded": """select id, status, outcome_code, total_pnl, position_opened_at, closed_at from public.signals
        where total_orders_count > 0 order by 1""",
}


@dataclass(frozen=True)
class Archived:
    """What was seen of the day before it was archived, after that, and after it was compacted."""

    stack: Stack
    state: Path
    key: str
    user: Any
    before: Mapping[str, list[Row]]
    events: list[Row]
    record: Mapping[str, list[Row]]
    figures: Mapping[str, list[Row]]
    round: Round
    cold: Mapping[str, list[Row]]
    cold_events: list[Row]
    verified: Report
    compacted: bool
    compacted_cold: Mapping[str, list[Row]]
    compacted_events: list[Row]
    compacted_verified: Report


@pytest.fixture(scope="module")
def own_stack(state_folder: Path) -> Iterator[Stack]:
    """A stack whose jobs run only when this test calls them."""
    with running_stack(state_folder / "archived-day") as running:
        ask(running, "select cron.unschedule(jobid) from cron.job")
        yield running


@pytest.fixture(scope="module")
async def archived(own_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    folder = tmp_path_factory.mktemp("archived-day")
    candles = await write_candles(folder / "candles", SYMBOLS, MINUTES, seed=11)
    for symbol in SYMBOLS:
        rows = read_rows(candles, symbol)
        write_rows(candles, symbol, [(int(row[0]) + FIRST_MINUTE * 60_000, *row[1:]) for row in rows])
    trader = add_trader(own_stack, "archived", SYMBOLS)
    summary = up(own_stack, folder / "state", "--candles", str(candles))
    assert summary["errors"] == []
    ((user,),) = ask(own_stack, "select user_id from public.traders where id = %s", trader)
    grow_cold(own_stack)
    before, events, record = look(own_stack), read_trail(own_stack), read_record(own_stack)
    figures = {name: ask(own_stack, text) for name, text in FIGURES.items()}

    settings = settings_of(own_stack)
    key_text = new_seal_key()
    key = SealKey.from_text(key_text)
    store, cache = await open_store(settings), Cache(folder / "cache")
    scope = Scope(user, since=datetime(2025, 5, 4, tzinfo=UTC), until=datetime(2025, 5, 5, tzinfo=UTC))

    async def question() -> dict[str, list[Row]]:
        answers = {
            name: await ask_archive(settings, store, cache, scope, text) for name, text in QUESTIONS.items()
        }
        return {name: [tuple(row.values()) for row in table.to_pylist()] for name, table in answers.items()}

    async def cold_trail() -> list[Row]:
        async with archivist(settings) as connection:
            files = await list_files(connection, first=DAY, last=DAY)
        return [
            (
                one.signal_id,
                one.number,
                one.event_type,
                one.from_status,
                one.to_status,
                one.occurred_at,
                one.tx,
            )
            async for one in read_events(store, files)
        ]

    async def verify() -> Report:
        trusted = {key_id(key.public_key): key.public_key}
        async with await psycopg.AsyncConnection.connect(own_stack.db_url, autocommit=True) as connection:
            connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
            return await Verification(connection, own_stack.db_url, store, trusted).run()  # type: ignore[arg-type]

    try:
        done = await work(settings, store, key, compact=False)
        cold, cold_events, verified = await question(), await cold_trail(), await verify()
        async with archivist(settings) as connection:
            compacted = await compact_day(connection, DAY)
            await seal(connection, store, key)
        return Archived(
            own_stack,
            folder / "state",
            key_text,
            user,
            before,
            events,
            record,
            figures,
            done,
            cold,
            cold_events,
            verified,
            compacted,
            await question(),
            await cold_trail(),
            await verify(),
        )
    finally:
        await store.close()


def settings_of(stack: Stack) -> Settings:
    """An archive in the stack's own Storage, which is what it is without a word about it."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        supabase_url=stack.url,
        SUPABASE_PUBLISHABLE_KEY=SecretStr(stack.publishable_key),
        SUPABASE_SECRET_KEY=SecretStr(stack.secret_key),
        supabase_db_url=SecretStr(stack.db_url),
    )


def grow_cold(stack: Stack) -> None:
    """A day is cold by the wall's clock a week after its last write: here, nine days ago."""
    with psycopg.connect(stack.db_url, autocommit=True) as owner:
        owner.execute("select private.roll_up()")
        owner.execute(
            "update private.partition_days set opened_at = now() - interval '9 days',"
            " last_write_at = now() - interval '9 days' where day = %s",
            (DAY,),
        )


def look(stack: Stack) -> dict[str, list[Row]]:
    """The answers of the tables to the questions, for signals of the day."""
    found = {}
    for name, text in QUESTIONS.items():
        id_column = "id" if name == "signals" else "signal_id"
        rows = (
            f"(select * from public.{TABLES[name]}"
            f" where {id_column} >= public.signal_id_floor('2025-05-04 00:00Z')"
            f" and {id_column} < public.signal_id_floor('2025-05-05 00:00Z')) {name}"
        )
        plain = text.replace("::decimal(28, 10)", "").replace("to_status,", "to_status::text,")
        found[name] = ask(stack, plain.replace(f"from {name} ", f"from {rows} "))
    return found


def read_trail(stack: Stack) -> list[Row]:
    """Every event of the day's signals, in order."""
    return ask(
        stack,
        """select signal_id, number, event_type::text, from_status::text, to_status::text, occurred_at, tx
        from public.signal_events where signal_id >= public.signal_id_floor('2025-05-04 00:00Z')
        and signal_id < public.signal_id_floor('2025-05-05 00:00Z') order by 1, 2""",
    )


def comparable(rows: list[Row]) -> list[Row]:
    """Numbers and order as they compare, whichever database they came from."""
    exact = [
        tuple(Decimal(value) if isinstance(value, int | Decimal) else value for value in row) for row in rows
    ]
    return sorted(exact, key=lambda row: tuple(str(value) for value in row[:3]))


def test_the_day_goes_into_storage_as_one_part(archived: Archived) -> None:
    (part,) = archived.round.parts
    assert part.day == DAY
    assert part.events == len(archived.events) > 200
    assert part.signals == sum(row[3] for row in archived.before["signals"]) > 20
    assert part.snapshots == sum(row[1] for row in archived.before["snapshots"]) > 20
    stored = ask(
        archived.stack,
        "select count(*), sum((metadata ->> 'size')::int) from storage.objects"
        " where bucket_id = 'sigtrail-archive' and name like 'days/2025-05-04/%%'",
    )
    assert stored == [(part.files, part.byte_count)]


@pytest.mark.parametrize("kind", sorted(QUESTIONS))
def test_counts_and_sums_are_the_same_cold(archived: Archived, kind: str) -> None:
    assert len(archived.before[kind]) > 1
    assert comparable(archived.cold[kind]) == comparable(archived.before[kind])
    assert comparable(archived.compacted_cold[kind]) == comparable(archived.before[kind])


def test_every_event_is_read_back(archived: Archived) -> None:
    assert archived.cold_events == archived.events
    assert archived.compacted_events == archived.events


def test_the_trail_is_intact_through_archiving_and_compaction(archived: Archived) -> None:
    for report in (archived.verified, archived.compacted_verified):
        assert report.findings == []
        assert report.events_after_last_seal == 0
    assert archived.compacted_verified.seals == archived.verified.seals + 1
    assert archived.verified.events >= len(archived.events)


def test_postgres_keeps_what_was_traded_and_loses_the_rest(archived: Archived) -> None:
    assert archived.compacted
    left = look(archived.stack)
    before, kept = (sum(row[3] for row in found["signals"]) for found in (archived.before, left))
    ((traded,),) = ask(
        archived.stack,
        "select count(distinct signal_id) from public.signal_orders"
        " where signal_id >= public.signal_id_floor('2025-05-04 00:00Z')"
        " and signal_id < public.signal_id_floor('2025-05-05 00:00Z')",
    )
    assert 0 < traded <= kept < before
    ended = ask(
        archived.stack,
        "select count(*) from public.signals where id < public.signal_id_floor('2025-05-05 00:00Z')"
        " and status in ('rejected', 'expired') and total_orders_count = 0",
    )
    assert ended == [(0,)]


def test_the_figures_of_the_main_job_are_unchanged(archived: Archived) -> None:
    after = read_record(archived.stack)
    for name in ("orders", "positions", "fills"):
        assert after[name] == archived.record[name]
        assert len(after[name]) > 3
    for name, text in FIGURES.items():
        assert ask(archived.stack, text) == archived.figures[name], name
    # The next day was not touched.
    next_day = [row for row in archived.record["events"] if row[0].int >> 80 >= day_after_ms()]
    assert [row for row in after["events"] if row[0].int >> 80 >= day_after_ms()] == next_day != []


def day_after_ms() -> int:
    return int((datetime(2025, 5, 4, tzinfo=UTC) + timedelta(days=1)).timestamp() * 1000)


def test_the_command_line_finds_it_intact_and_answers_about_it(archived: Archived) -> None:
    verified = command(archived, "audit", "verify")
    assert (verified["status"], verified["findings"]) == ("intact", [])
    (listed,) = command(archived, "archive", "list")
    assert (listed["day"], listed["events"]) == ("2025-05-04", len(archived.events))
    sql = "select count(*) as signals, sum(total_pnl) as pnl from signals where triggered_at < '2025-05-05'"
    (answer,) = command(archived, "archive", "query", "--user", str(archived.user), sql)
    assert answer["signals"] == sum(row[3] for row in archived.before["signals"])
    assert Decimal(str(answer["pnl"])) == sum(row[5] for row in archived.before["signals"])


def command(archived: Archived, *words: str) -> Any:
    """What a command of an operator prints as JSON. It has to end well."""
    done = subprocess.run(
        [str(CHECKOUT / "scripts" / "sigtrail"), *words, "--json"],
        env=environment(archived.stack, archived.state) | {"SIGTRAIL_SEAL_KEY": archived.key},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
