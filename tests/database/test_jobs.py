"""Jobs go in steps that stay done, run once at a time, and leave a report whatever happens to them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.database.stage import Stage, one
from tests.waiting import until

# A job that takes one row a step, and stumbles over the third.
WORK = """
create table private.test_work (number integer primary key, taken boolean not null default false);
create function private.test_step() returns jsonb language plpgsql set search_path = '' as $$
declare
  next_number integer;
begin
  select min(w.number) into next_number from private.test_work w where not w.taken;
  if next_number is null then
    return null;
  end if;
  update private.test_work w set taken = true where w.number = next_number;
  if next_number = 3 and current_setting('test.stumble', true) = 'on' then
    raise exception 'three is too many';
  end if;
  return jsonb_build_object('rows', 1, 'numbers', jsonb_build_array(next_number), 'last', next_number::text);
end;
$$;
insert into private.jobs (job, schedule, step, late_after, purpose)
values ('test', '0 0 1 1 *', 'test_step', '1 hour', 'tries the others');
"""


@pytest.fixture
def work(stage: Stage) -> Iterator[None]:
    stage.operator.execute(WORK)
    stage.operator.execute("insert into private.test_work (number) select generate_series(1, 5)")
    yield
    stage.operator.execute("delete from private.jobs where job = 'test'")
    stage.operator.execute("drop function private.test_step(); drop table private.test_work;")


def reports(stage: Stage, job: str = "test") -> list[tuple[Any, ...]]:
    return stage.operator.execute(
        "select ok, steps, did, error from private.job_runs where job = %s order by id", (job,)
    ).fetchall()


def run(connection: psycopg.Connection[Any], job: str = "test") -> None:
    """Run a job as pg_cron does."""
    connection.execute(one(connection, "select private.job_command(%s)", job))


@pytest.mark.usefixtures("work")
def test_a_run_tells_what_its_steps_did_together(stage: Stage) -> None:
    run(stage.operator)
    assert reports(stage) == [(True, 5, {"rows": 5, "numbers": [1, 2, 3, 4, 5], "last": "5"}, None)]
    run(stage.operator)
    assert reports(stage)[1] == (True, 0, {}, None)


@pytest.mark.usefixtures("work")
def test_a_failed_step_is_reported_and_what_was_done_stays(stage: Stage) -> None:
    stage.operator.execute("set test.stumble = 'on'")
    run(stage.operator)
    ((ok, steps, did, error),) = reports(stage)
    assert (ok, steps, did) == (False, 2, {"rows": 2, "numbers": [1, 2], "last": "2"})
    assert "three is too many" in error
    assert "in step 3" in error
    assert one(stage.operator, "select count(*) from private.test_work where taken") == 2
    failing = "select private.check_jobs() -> 'found' -> 'failing' -> 0 ->> 'job'"
    assert one(stage.operator, failing) == "test"
    # The next run goes on where this one stopped.
    stage.operator.execute("set test.stumble = 'off'")
    run(stage.operator)
    assert reports(stage)[1][:2] == (True, 3)
    assert one(stage.operator, failing) is None


@pytest.mark.usefixtures("work")
async def test_each_step_is_a_transaction_of_its_own_and_two_runs_are_one(stage: Stage) -> None:
    first, second, holder = stage.connect(), stage.connect(), stage.connect(autocommit=False)
    holder.execute("update private.test_work set number = number where number = 3")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, first)
        done = "select count(*) = 2 from private.test_work where taken"
        await until(lambda: one(stage.operator, done))
        run(second)
        assert one(second, "select private.run_job('test')") is None
        holder.rollback()
        running.result(30)
    assert [report[:2] for report in reports(stage)] == [(True, 5)]


@pytest.mark.usefixtures("work")
async def test_a_run_that_was_cut_off_is_closed_by_the_next(stage: Stage) -> None:
    victim, holder = stage.connect(), stage.connect(autocommit=False)
    holder.execute("update private.test_work set number = number where number = 3")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, victim)
        await until(lambda: one(stage.operator, "select count(*) = 2 from private.test_work where taken"))
        one(stage.operator, "select pg_terminate_backend(%s)", victim.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            running.result(30)
    holder.rollback()
    await until(
        lambda: one(
            stage.operator,
            "select count(*) = 0 from pg_stat_activity where pid = %s",
            victim.info.backend_pid,
        )
    )
    stuck = (
        "update private.job_runs set started_at = now() - interval '1 hour' where job = 'test' and ok is null"
    )
    stage.operator.execute(stuck)
    assert one(stage.operator, "select private.check_jobs() #>> '{found,stuck,0}'") == "test"
    run(stage.operator)
    cut, whole = reports(stage)
    assert cut[:2] == (False, 2)
    assert "without a report" in cut[3]
    assert whole[:2] == (True, 3)


def test_every_job_runs_as_pg_cron_runs_it(stage: Stage) -> None:
    jobs = [job for (job,) in stage.operator.execute("select job from private.jobs order by job")]
    assert {"compaction", "expiry", "leases", "orphans", "partitions", "prune", "rollup", "warming"} <= set(
        jobs
    )
    for job in jobs:
        run(stage.operator, job)
        assert reports(stage, job)[-1][0] is True, (job, reports(stage, job)[-1])


def test_a_job_that_is_late_is_told(stage: Stage) -> None:
    late = "select private.check_jobs() -> 'found' -> 'late' ? 'rollup'"
    run(stage.operator, "rollup")
    assert one(stage.operator, late) is False
    with stage.connect(autocommit=False) as connection:
        connection.execute("update private.jobs set late_after = '0 s' where job = 'rollup'")
        assert one(connection, late) is True
        connection.rollback()


def test_an_unknown_job_is_named(stage: Stage) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="no job tidy"):
        one(stage.operator, "select private.run_job('tidy')")
