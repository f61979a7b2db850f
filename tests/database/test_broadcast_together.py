"""What a watcher hears adds up to what happened, whatever the throttle held back."""

from __future__ import annotations

from functools import partial

from tests.database.stage import Stage, ingest, one, row, together
from tests.waiting import until


async def test_nothing_is_lost_between_the_throttle_and_the_flush(stage: Stage) -> None:
    user = stage.user()
    trader = stage.trader(user)
    stage.person(user).execute("select public.watch_signals(300)")
    machines = [stage.machine("signal_worker") for _ in range(4)]

    def send(number: int) -> bool:
        answers = [
            ingest(machines[number], [row(trader, f"M{number}B{b}S{i}") for i in range(9)]) for b in range(25)
        ]
        return any(answer["held_back"] for answer in answers)

    assert any(together([partial(send, number) for number in range(4)])), (
        "the throttle never held anything back"
    )

    def heard() -> bool:
        machines[0].execute("select public.flush_broadcasts()")
        counted = one(
            stage.operator,
            "select coalesce(sum((payload ->> 'count')::int), 0) from realtime.messages where topic = %s",
            f"user:{user}:signals",
        )
        assert counted <= 900, "something was told twice"
        return bool(counted == 900)

    await until(heard)
    messages = stage.operator.execute(
        "select payload -> 'from_id', payload -> 'to_id' from realtime.messages where topic = %s",
        (f"user:{user}:signals",),
    ).fetchall()
    assert len(messages) < 100
    outside = """
        select count(*) from public.signals s where s.user_id = %s and not exists (
          select from realtime.messages m where m.topic = %s
            and s.id between (m.payload ->> 'from_id')::uuid and (m.payload ->> 'to_id')::uuid)
    """
    assert one(stage.operator, outside, user, f"user:{user}:signals") == 0
