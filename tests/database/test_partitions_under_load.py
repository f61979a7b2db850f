"""Opening days stalls nobody, and waits for nobody longer than it must."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.database.stage import Stage, ingest, one, row
from tests.waiting import until


def test_a_long_reader_and_an_open_writer_do_not_stand_in_the_way(stage: Stage) -> None:
    trader = stage.trader(stage.user())
    reader, writer = stage.connect(autocommit=False), stage.connect(autocommit=False)
    reader.execute("select count(*) from public.signals")
    ingest(writer, [row(trader, "BEFORE")])
    stage.operator.execute("set statement_timeout = '5s'")
    assert one(stage.operator, "select private.open_partition('2015-05-05')") is True
    ingest(stage.machine("signal_worker"), [row(trader, "BETWEEN")])
    writer.commit()
    reader.commit()
    assert one(stage.operator, "select count(*) from public.signals where trader_id = %s", trader) == 2


async def test_it_gives_way_to_a_lock_and_tries_again(stage: Stage) -> None:
    holder, opener = stage.connect(autocommit=False), stage.connect()
    holder.execute("lock table public.signals in share mode")
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(one, opener, "select private.open_partition('2015-06-06')")
        slept = "select wait_event = 'PgSleep' from pg_stat_activity where pid = %s"
        await until(lambda: one(stage.operator, slept, opener.info.backend_pid))
        assert not opening.done()
        holder.rollback()
        assert opening.result(30) is True
    assert one(stage.operator, "select count(*) from private.partition_days where day = '2015-06-06'") == 1


def test_a_day_is_opened_once_by_two_at_once(stage: Stage) -> None:
    connections = [stage.connect(), stage.connect()]
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(lambda c: one(c, "select private.open_partition('2015-07-07')"), connections))
    assert sorted(opened) == [False, True]


def test_an_opened_day_has_all_that_a_day_needs(stage: Stage) -> None:
    one(stage.operator, "select private.open_partition('2015-08-08')")
    indexes = "select count(*) from pg_indexes where schemaname = 'partitions' and tablename = %s"
    assert one(stage.operator, indexes, "signals_20150808") == 3
    # The two of every day, and those that only a hot day has.
    assert one(stage.operator, indexes, "signal_events_20150808") == 2 + one(
        stage.operator, "select count(*) from private.hot_indexes where parent = 'signal_events'"
    )
    fill = "select reloptions::text from pg_class where oid = 'partitions.signals_20150808'::regclass"
    assert "fillfactor=85" in one(stage.operator, fill)
    # No index has the status in it: a change of status then stays in its place (HOT).
    status = "select count(*) from pg_indexes where tablename like 'signals%%' and indexdef like '%%status%%'"
    assert one(stage.operator, status) == 0
