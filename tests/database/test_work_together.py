"""Machines that claim, finish and change signals at the same time share the work and never deadlock."""

from __future__ import annotations

import json
import random
from collections import Counter
from functools import partial
from typing import Any
from uuid import UUID

import psycopg

from tests.database.stage import Stage, ingest, one, row, together


def make_signals(stage: Stage, count: int) -> list[UUID]:
    trader = stage.trader(stage.user())
    ingest(stage.machine("signal_worker"), [row(trader, f"S{i}") for i in range(count)])
    rows = stage.operator.execute("select id from public.signals where trader_id = %s order by id", (trader,))
    return [found for (found,) in rows]


def test_every_signal_is_claimed_once(stage: Stage) -> None:
    signals = make_signals(stage, 300)
    analysts = [stage.machine("analyst") for _ in range(5)]

    def work(analyst: psycopg.Connection[Any]) -> list[UUID]:
        mine: list[UUID] = []
        while claimed := analyst.execute(
            "select signal_id from public.claim_work('analysis', 7, 600)"
        ).fetchall():
            mine.extend(found for (found,) in claimed)
        return mine

    claimed = Counter(found for mine in together([partial(work, a) for a in analysts]) for found in mine)
    assert {found: claimed[found] for found in signals} == dict.fromkeys(signals, 1)


def test_what_arrives_while_machines_claim_is_claimed_once(stage: Stage) -> None:
    trader = stage.trader(stage.user())
    workers, analysts = [[stage.machine(role) for _ in range(3)] for role in ("signal_worker", "analyst")]
    arriving = set(range(len(workers)))

    def record(number: int) -> list[UUID]:
        for batch in range(15):
            ingest(workers[number], [row(trader, f"W{number}B{batch}S{i}") for i in range(20)])
        arriving.discard(number)
        return []

    def work(analyst: psycopg.Connection[Any]) -> list[UUID]:
        mine: list[UUID] = []
        while True:
            last = not arriving
            claimed = analyst.execute(
                "select signal_id from public.claim_work('analysis', 33, 600)"
            ).fetchall()
            mine.extend(found for (found,) in claimed)
            if last and not claimed:
                return mine

    results = together([*(partial(record, n) for n in range(3)), *(partial(work, a) for a in analysts)])
    # A claim skips what another holds at that moment, so a last round takes what is left.
    results.append(work(analysts[0]))
    claimed = Counter(found for mine in results for found in mine)
    rows = stage.operator.execute("select id from public.signals where trader_id = %s", (trader,)).fetchall()
    assert len(rows) == 900
    assert {found: claimed[found] for (found,) in rows} == dict.fromkeys((found for (found,) in rows), 1)


def test_claims_results_and_operators_never_wait_crosswise(stage: Stage) -> None:
    signals = make_signals(stage, 200)
    analysts = [stage.machine("analyst") for _ in range(3)]
    operators = [stage.connect() for _ in range(2)]

    def analyse(analyst: psycopg.Connection[Any]) -> None:
        while claimed := analyst.execute(
            "select signal_id, fence from public.claim_work('analysis', 20, 600)"
        ).fetchall():
            results = [
                {"signal_id": str(found), "fence": fence, "verdict": "rejected", "confidence": "0.1",
                 "outcome_code": "low_confidence"}
                for found, fence in reversed(claimed)
            ]  # fmt: skip
            analyst.execute("select public.complete_analysis(%s)", (json.dumps(results),))

    def expire(operator: psycopg.Connection[Any], seed: int) -> None:
        mixed = signals.copy()
        random.Random(seed).shuffle(mixed)
        for i in range(0, len(mixed), 10):
            items = [{"signal_id": str(found), "outcome_code": "signal_stale"} for found in mixed[i : i + 10]]
            operator.execute("select public.expire_signals(%s)", (json.dumps(items),))
            operator.execute("select private.return_expired_leases()")

    together(
        [partial(analyse, a) for a in analysts]
        + [partial(expire, o, seed) for seed, o in enumerate(operators)]
    )
    rest = "select count(*) from public.signals where id = any(%s) and status not in ('rejected', 'expired')"
    # A claim skips what an operator holds at that moment, so a last round takes what is left.
    analyse(analysts[0])
    assert one(stage.operator, rest, signals) == 0
    assert (
        one(stage.operator, "select count(*) from public.signal_queue where signal_id = any(%s)", signals)
        == 0
    )
    wrong = """
        select count(*) from public.signals s
        where s.id = any(%s) and s.status <> (
          select e.to_status from public.signal_events e
          where e.signal_id = s.id and e.to_status is not null order by e.number desc limit 1)
    """
    assert one(stage.operator, wrong, signals) == 0


def test_events_are_numbered_without_gaps_whoever_writes(stage: Stage) -> None:
    signals = make_signals(stage, 20)
    writers = [stage.connect() for _ in range(5)]

    def write(number: int) -> None:
        chance = random.Random(number)
        for _ in range(15):
            some = chance.sample(signals, 8)
            events = [
                {"signal_id": str(found), "event_type": "monitoring_update"} for found in some + some[:3]
            ]
            writers[number].execute("select private.append_signal_events(%s, now())", (json.dumps(events),))
        if number == 0:
            writers[0].execute(
                "update public.signals set status = 'expired', outcome_code = 'signal_stale'"
                " where id = any(%s)",
                (signals,),
            )

    together([partial(write, number) for number in range(len(writers))])
    rows = stage.operator.execute(
        "select count(*), max(number) from public.signal_events where signal_id = any(%s) group by signal_id",
        (signals,),
    ).fetchall()
    assert len(rows) == 20
    assert all(count == last for count, last in rows)
    assert sum(count for count, _ in rows) == 20 + 5 * 15 * 11 + 20
