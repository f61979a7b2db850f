"""No honest operation breaks a seal: the whole life of history, and the trail stays what was signed."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

from tests.audit.days import archive, check, compact, make_archived_day
from tests.audit.trail import Trail, at, signals_of
from tests.database.stage import ingest, one, row

# The night in which Europe's clocks go forward.
PAST = date(2024, 3, 31)


async def test_signals_live_their_lives(trail: Trail) -> None:
    trail.fire(6, at=at(0))
    await check(trail, seals=1)
    assert trail.analyse(2) == 2  # claimed and rejected
    await check(trail)

    claimed = trail.analyst.execute(
        "select signal_id, fence from public.claim_work('analysis', 3, 600)"
    ).fetchall()
    results = [
        {"signal_id": str(found), "fence": fence, "verdict": "approved", "confidence": "0.8", "result": {},
         "plan": {"side": "long", "entry": "64000", "entry_type": "market", "stop_loss": "63000",
                  "take_profit": "66000", "reward_to_risk": "2",
                  "valid_until": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}}
        for found, fence in claimed
    ]  # fmt: skip
    assert one(trail.analyst, "select public.complete_analysis(%s)", json.dumps(results))["done"] == 3
    await check(trail)
    watched = trail.analyst.execute(
        "select signal_id, fence from public.claim_work('monitoring', 3, 600)"
    ).fetchall()
    snapshots = [
        {"signal_id": str(found), "fence": fence, "action": action, "price": "64000"}
        for (found, fence), action in zip(watched, ["continue", "ready", "exit"], strict=True)
    ]
    assert one(trail.analyst, "select public.record_monitoring(%s)", json.dumps(snapshots))["done"] == 3
    await check(trail)
    ready = str(watched[1][0])
    one(trail.stage.operator, "select private.move_signal(%s, 'in_position', now(), null, '{}')", ready)
    one(
        trail.stage.operator,
        "select private.append_signal_events(%s::jsonb, now())",
        json.dumps([{"signal_id": ready, "event_type": "order_filled", "event_data": {"price": "64000.50"}}]),
    )
    one(trail.stage.operator, "select private.move_signal(%s, 'closed', now(), 'take_profit', '{}')", ready)
    trail.stage.operator.execute(
        "update public.signals set total_pnl = 12.5, tags = '{won}' where id = %s", (ready,)
    )
    await check(trail)
    expired = [{"signal_id": str(found), "outcome_code": "signal_stale"} for found in signals_of(trail)]
    one(trail.stage.operator, "select public.expire_signals(%s)", json.dumps(expired))
    await check(trail)


async def test_late_rows_new_days_and_a_backfill(trail: Trail) -> None:
    trail.fire(3, at=at(0))
    await check(trail)
    trail.stage.operator.execute("select private.open_partitions(%s, %s)", (PAST, PAST + timedelta(days=2)))
    trail.fire(3, at=datetime(2024, 3, 31, 1, 30, tzinfo=UTC), prefix="BACK")
    await check(trail)
    trail.fire(3, at=at(-600), prefix="LATE")
    trail.stage.operator.execute("select private.ensure_partitions(20)")
    ingest(trail.worker, [row(trail.trader_id, "S0USDT", at(0))])  # known already
    report = await check(trail)
    assert report.days == 2
    assert report.events == 9


async def test_vacuum_freeze_and_reindex(trail: Trail) -> None:
    trail.fire(5, at=at(0))
    await trail.seal()
    for table in ("signals", "signal_events"):
        trail.admin.execute(f"vacuum (freeze, full, analyze) public.{table}".encode())
        trail.admin.execute(f"reindex table public.{table}".encode())
    await check(trail)


async def test_a_day_is_archived_compacted_and_archived_again(trail: Trail) -> None:
    day = await make_archived_day(trail)
    before = (await check(trail)).events
    compact(trail, day)
    assert one(trail.stage.operator, "select count(*) from public.signals") == 1
    assert (await check(trail)).events == before

    trail.stage.operator.execute(
        "select private.append_signal_events(%s::jsonb, now())",
        (json.dumps([{"signal_id": str(signals_of(trail)[0]), "event_type": "order_filled"}]),),
    )
    assert (await check(trail)).events == before + 1
    await archive(trail, day)
    assert (await check(trail)).events == before + 1
    kinds = trail.admin.execute("select kind from public.audit_seals order by number").fetchall()
    assert [kind for (kind,) in kinds].count("archive") == 2
    assert [kind for (kind,) in kinds].count("compaction") == 1
