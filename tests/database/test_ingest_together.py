"""Machines that write at the same time never deadlock, double or lose a signal, nor pass a quota."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from uuid import uuid4

import pytest

from tests.database.stage import Row, Stage, ingest, one, row, together


def shuffled(rows: list[Row], seed: int) -> list[Row]:
    """The same rows in an order of their own."""
    mixed = rows.copy()
    random.Random(seed).shuffle(mixed)
    return mixed


# Limited tiers take their turn by the lock of their usage; what elite sends meets only at the signals.
@pytest.mark.parametrize("tiers", [("elite",), ("elite", "pro", "pro")])
def test_the_same_signals_in_any_order(stage: Stage, tiers: tuple[str, ...]) -> None:
    traders = [stage.trader(stage.user(tier)) for tier in tiers for _ in range(3)]
    # Batches so large that writers of an unordered insert would meet crosswise.
    rounds = [[row(t, f"R{n}S{i}") for t in traders for i in range(900 // len(traders))] for n in range(3)]
    machines = [stage.machine("signal_worker") for _ in range(6)]

    def send(number: int) -> int:
        return sum(ingest(machines[number], shuffled(rows, number))["inserted"] for rows in rounds)

    inserted = sum(together([partial(send, number) for number in range(len(machines))]))
    expected = sum(len(rows) for rows in rounds)
    assert inserted == expected
    owned = "user_id in (select user_id from public.traders where id = any(%s))"

    def count(of: str) -> int:
        return int(one(stage.operator, f"select {of} where {owned}", traders))

    assert count("count(*) from public.signals") == expected
    assert count("count(*) from public.signal_events") == expected
    assert count("sum(signals) from public.usage_daily") == expected
    assert count("sum(count) from public.signal_counts") == expected


def test_a_user_inserts_while_machines_send_the_same(stage: Stage) -> None:
    user = stage.user("pro")
    trader = stage.trader(user)
    rows = [row(trader, f"S{i}") for i in range(200)]
    person, machines = stage.person(user), [stage.machine("signal_worker") for _ in range(3)]
    insert = """
        insert into public.signals
          (id, user_id, trader_id, symbol, "interval", side, triggered_at, initial_price)
        select public.signal_id(t, s, '1m', at), %s, t, s, '1m', 'long', at, 1
        from (values (%s::uuid, %s, %s::timestamptz)) v (t, s, at)
        on conflict do nothing
    """

    def by_hand() -> int:
        return sum(
            person.execute(insert, (user, trader, r["symbol"], r["triggered_at"])).rowcount
            for r in shuffled(rows, 99)
        )

    def by_machine(number: int) -> int:
        mixed = shuffled(rows, number)
        return sum(ingest(machines[number], mixed[i : i + 20])["inserted"] for i in range(0, 200, 20))

    jobs: list[Callable[[], int]] = [by_hand, *(partial(by_machine, n) for n in range(3))]
    assert sum(together(jobs)) == 200


def test_a_quota_is_exact_however_many_send(stage: Stage) -> None:
    user = stage.user("free")
    trader = stage.trader(user)
    machines = [stage.machine("signal_worker") for _ in range(6)]

    def send(number: int) -> tuple[int, set[str]]:
        answers = [
            ingest(machines[number], [row(trader, f"M{number}B{b}S{i}") for i in range(7)]) for b in range(6)
        ]
        codes = {refused["code"] for answer in answers for refused in answer["rejected"]}
        return sum(answer["inserted"] for answer in answers), codes

    results = together([partial(send, number) for number in range(len(machines))])
    assert sum(inserted for inserted, _ in results) == 100
    assert set().union(*(codes for _, codes in results)) == {"quota_exceeded"}
    assert one(stage.operator, "select sum(signals) from public.usage_daily where user_id = %s", user) == 100


def test_one_request_sent_twice_at_once_has_one_answer(stage: Stage) -> None:
    trader = stage.trader(stage.user())
    name = stage.machine("signal_worker")
    twin = stage.connect()
    claims = one(name, "select current_setting('request.jwt.claims')")
    twin.execute("select set_config('request.jwt.claims', %s, false)", (claims,))
    twin.execute("set role signal_worker")
    for n in range(10):
        request, rows = uuid4(), [row(trader, f"R{n}S{i}") for i in range(50)]
        first, second = together([partial(ingest, c, rows, request) for c in (name, twin)])
        assert first == second
        assert first["inserted"] == 50


def test_batches_that_overlap_and_hold_bad_rows_go_in_once(stage: Stage) -> None:
    """A batch that meets what another just wrote is tried again: nothing is lost or counted twice."""
    users = [stage.user("elite"), stage.user("pro"), stage.user("free")]
    traders = [stage.trader(user) for user in users]
    good = [row(trader, f"S{n}") for n in range(150) for trader in traders]
    bad = [row(traders[0], f"B{n}", price="cheap") for n in range(15)]
    machines = [stage.machine("signal_worker") for _ in range(5)]

    def send(number: int) -> tuple[int, int]:
        chance = random.Random(number)
        inserted = refused = 0
        for _ in range(12):
            batch = chance.sample(good, 60) + chance.sample(bad, chance.choice([0, 3]))
            chance.shuffle(batch)
            answer = ingest(machines[number], batch + batch[:5])
            inserted += answer["inserted"]
            refused += sum(one["code"] != "quota_exceeded" for one in answer["rejected"])
            assert answer["inserted"] + answer["duplicates"] + len(answer["rejected"]) == len(batch) + 5
        return inserted, refused

    results = together([partial(send, number) for number in range(len(machines))])
    assert sum(refused for _, refused in results) > 0
    stored = one(
        stage.operator, "select count(*) from public.signals where trader_id = any(%s::uuid[])", traders
    )
    assert sum(inserted for inserted, _ in results) == stored
    sums = """
        select (select sum(count) from public.signal_counts where user_id = %s),
          (select sum(signals) from public.usage_daily where user_id = %s),
          (select count(*) from public.signals where user_id = %s),
          (select count(*) from public.signal_events where user_id = %s and number = 1),
          (select count(*) from private.arrivals a, unnest(a.signal_ids) i
           join public.signals s on s.id = i where s.user_id = %s)
    """
    for user in users:
        found = stage.operator.execute(sums, (user,) * 5).fetchone()
        assert found is not None
        assert len(set(found)) == 1, found
    assert one(stage.operator, "select count(*) from public.signals where user_id = %s", users[2]) == 100
