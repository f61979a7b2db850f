"""Days are warmed and compacted beside readers and writers, and nobody stands in line for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Event
from typing import Any

import psycopg
import pytest

from tests.database.days import archive, compact, events_of, open_day, record, reject, signals_of, trade
from tests.database.stage import Stage, ingest, one, row
from tests.waiting import until

# Far above what anyone may have to wait, far below what the reader holds its locks for.
IMPATIENT = "set lock_timeout = '1s'"


@pytest.fixture
def day(request: pytest.FixtureRequest, stage: Stage) -> date:
    """A day of its own for each test: three rejected signals and a traded one, counted and archived."""
    days = {name: date(2017, 1, 1 + place) for place, name in enumerate(sorted(TESTS))}
    day: date = days[request.function.__name__]
    open_day(stage, day)
    signals = record(stage, stage.trader(stage.user()), day, 4)
    reject(stage, *signals[:3])
    trade(stage, signals[3])
    stage.operator.execute("select private.roll_up()")
    archive(stage, day)
    return day


TESTS = (
    "test_a_long_reader_delays_the_swap_and_nobody_else",
    "test_a_long_reader_delays_warming_and_nobody_else",
    "test_busy_readers_and_writers_never_wait_for_a_swap",
    "test_two_at_once_compact_a_day_once",
    "test_a_killed_compaction_leaves_the_day_as_it_was",
    "test_a_change_while_the_swap_waits_is_not_lost",
)


def busy(stage: Stage, day: date, done: Event) -> list[Callable[[], int]]:
    """Clients that read and write until `done`, and fail when they have to wait; each answers how often."""
    trader = stage.trader(stage.user())
    reader, historian, machine = stage.connect(), stage.connect(), stage.machine("signal_worker")
    for connection in (reader, historian, machine):
        connection.execute(IMPATIENT)

    def repeat(act: Callable[[int], object]) -> Callable[[], int]:
        def run() -> int:
            times = 0
            while not done.is_set():
                act(times)
                times += 1
            return times

        return run

    return [
        repeat(lambda _: one(reader, "select count(*) from public.signals")),
        repeat(lambda _: events_of(historian, day)),
        repeat(lambda n: ingest(machine, [row(trader, f"BUSY{n}")])),
    ]


async def run_beside(
    stage: Stage, day: date, act: Callable[[], Any], while_waiting: Callable[[], Any]
) -> Any:
    """What `act` answers, run beside busy clients and after `while_waiting`, when it waits."""
    done = Event()
    clients = busy(stage, day, done)
    with ThreadPoolExecutor(len(clients) + 1) as pool:
        running = [pool.submit(client) for client in clients]
        acting = pool.submit(act)
        try:
            await until(lambda: acting.done() or while_waiting())
            answer = acting.result(60)
        finally:
            done.set()
        # A client that had to wait for long raises its LockNotAvailable here.
        assert all(future.result(30) > 0 for future in running)
    return answer


def waits(stage: Stage, pid: int) -> Callable[[], bool]:
    query = "select wait_event = 'PgSleep' from pg_stat_activity where pid = %s"
    return lambda: one(stage.operator, query, pid) is True


async def test_a_long_reader_delays_the_swap_and_nobody_else(stage: Stage, day: date) -> None:
    one(stage.operator, "select private.warm_day(%s)", day)
    reader, compacter = stage.connect(autocommit=False), stage.connect()
    reader.execute("select count(*) from public.signals")
    asleep = waits(stage, compacter.info.backend_pid)

    def let_go() -> bool:
        if not asleep():
            return False
        # It waits for the reader, and nobody waits for it.
        assert one(stage.operator, "select pg_blocking_pids(%s) = '{}'", compacter.info.backend_pid) is True
        reader.commit()
        return True

    # The busy clients may leave no moment to the transaction that made the copy, but one to the next.
    answer = await run_beside(stage, day, lambda: settled(compacter, day), let_go)
    assert answer["state"] == "compacted"
    assert len(signals_of(stage.operator, day)) == 1


def settled(connection: psycopg.Connection[Any], day: date) -> dict[str, Any]:
    """The answer once the day is compacted; busy readers may cost a second call."""
    answer: dict[str, Any] = {}
    for _ in range(5):
        answer = compact(connection, day, "5 s")
        if answer["state"] == "compacted":
            break
    return answer


async def test_a_long_reader_delays_warming_and_nobody_else(stage: Stage, day: date) -> None:
    reader, warmer = stage.connect(autocommit=False), stage.connect()
    events_of(reader, day)
    asleep = waits(stage, warmer.info.backend_pid)

    def let_go() -> bool:
        if not asleep():
            return False
        reader.commit()
        return True

    assert (
        await run_beside(stage, day, lambda: one(warmer, "select private.warm_day(%s)", day), let_go) is True
    )
    hot = (
        "select count(*) from pg_indexes where schemaname = 'partitions' and indexname = any (array("
        "select private.partition_name(name, %s) from private.hot_indexes))"
    )
    assert one(stage.operator, hot, day) == 0
    assert one(stage.operator, "select private.warm_day(%s)", day) is False


async def test_busy_readers_and_writers_never_wait_for_a_swap(stage: Stage, day: date) -> None:
    one(stage.operator, "select private.warm_day(%s)", day)
    compacter = stage.connect()
    answer = await run_beside(stage, day, lambda: settled(compacter, day), lambda: False)
    assert answer["state"] == "compacted"
    assert (answer["kept_signals"], answer["removed_signals"]) == (1, 3)


def test_two_at_once_compact_a_day_once(stage: Stage, day: date) -> None:
    one(stage.operator, "select private.warm_day(%s)", day)
    connections = [stage.connect(), stage.connect()]
    with ThreadPoolExecutor(2) as pool:
        states = [answer["state"] for answer in pool.map(lambda c: compact(c, day), connections)]
    assert "compacted" in states
    removed = "select sum(removed_signals) from private.compactions where day = %s"
    assert one(stage.operator, removed, day) == 3


async def test_a_killed_compaction_leaves_the_day_as_it_was(stage: Stage, day: date) -> None:
    before = events_of(stage.operator, day)
    holder, compacter = stage.connect(autocommit=False), stage.connect()
    one(stage.operator, "select private.warm_day(%s)", day)
    holder.execute("select count(*) from public.signal_events")
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(compact, compacter, day)
        await until(waits(stage, compacter.info.backend_pid))
        one(stage.operator, "select pg_terminate_backend(%s)", compacter.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            acting.result(30)
    holder.commit()
    assert events_of(stage.operator, day) == before
    leftovers = "select count(*) from pg_tables where schemaname = 'partitions' and tablename ~ %s"
    assert one(stage.operator, leftovers, f"_{day:%Y%m%d}_") == 0
    assert compact(stage.operator, day)["state"] == "compacted"


async def test_a_change_while_the_swap_waits_is_not_lost(stage: Stage, day: date) -> None:
    one(stage.operator, "select private.warm_day(%s)", day)
    reader, compacter = stage.connect(autocommit=False), stage.connect()
    reader.execute("set transaction isolation level repeatable read")
    reader.execute("select 1 from pg_catalog.pg_class limit 1")
    # The copy is made and committed, the reader keeps it out.
    assert compact(compacter, day, "0 s")["state"] == "waiting"
    tagged = signals_of(stage.operator, day)[0]
    with ThreadPoolExecutor(1) as pool:
        acting = pool.submit(compact, compacter, day)
        await until(waits(stage, compacter.info.backend_pid))
        stage.operator.execute("update public.signals set tags = '{late}' where id = %s", (tagged,))
        reader.commit()
        assert acting.result(60)["state"] == "changed"
    assert compact(stage.operator, day)["state"] == "compacted"
    assert one(stage.operator, "select tags from public.signals where id = %s", tagged) == ["late"]
