"""What the signals role tells Prometheus of its candles, its spool and its batches."""

from __future__ import annotations

from pathlib import Path

from tests.signals.recordings import trader
from tests.signals.scene import Scene
from workers.signals.role import SignalsRole


def read(role: SignalsRole) -> dict[tuple[str, ...], float]:
    samples = [sample for family in role.measure() for sample in family.samples]
    return {
        (one.name, *one.labels.values()): one.value for one in samples if not one.name.endswith("_bucket")
    }


async def test_what_fired_waits_in_the_spool_and_then_is_stored(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=True)
    assert read(scene.role)["sigtrail_spool_rows",] == 0
    await scene.role.start()
    scene.ingest.away = 1_000
    for minute, close in enumerate([101, 99, 101, 98]):
        scene.publish(minute, close)
    spool = scene.role._spool
    assert spool is not None
    scene.role._spool_made(spool, sync=True)
    waiting = read(scene.role)
    assert waiting["sigtrail_signals_fired_total",] == waiting["sigtrail_spool_rows",] == 2
    assert waiting["sigtrail_evaluation_seconds_count",] == 1
    assert 0 < waiting["sigtrail_spool_bytes",] < waiting["sigtrail_spool_limit_bytes",]
    assert waiting["sigtrail_spool_oldest_age_seconds",] > 0
    spool._trouble = "disk"
    assert read(scene.role)["sigtrail_spool_alarm", "disk"] == 1 > waiting["sigtrail_spool_alarm", "disk"]
    spool._trouble = ""
    scene.ingest.away = 0
    scene.ingest.reject = lambda row: ("no_trader", "gone") if row["price"] == "98.0" else None
    await scene.role.step()
    done = read(scene.role)
    assert done["sigtrail_spool_rows",] == done["sigtrail_spool_oldest_age_seconds",] == 0
    assert done["sigtrail_signals_stored_total", "inserted"] == 1
    assert done["sigtrail_signals_rejected_total", "no_trader"] == 1
    assert (done["sigtrail_ingest_batch_rows_count",], done["sigtrail_ingest_batch_rows_sum",]) == (1, 2)
    assert done["sigtrail_ingest_batch_seconds_count",] == 1
    await scene.role.stop()
