"""What the signals role tells Prometheus of candles, spool and batches, and its feed of its sockets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from shared.metrics import Metric
from tests.signals.live import live_scene
from tests.signals.recordings import trader
from tests.signals.scene import Scene
from tests.waiting import until
from workers.signals.feeds.metrics import measure_feed
from workers.signals.feeds.simulated import SimulatedFeed
from workers.signals.role import SignalsRole


def read(role: SignalsRole) -> dict[tuple[str, ...], float]:
    return values_of(role.measure())


def values_of(families: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    samples = [sample for family in families for sample in family.samples]
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


async def test_a_feed_tells_of_its_sockets_and_of_what_they_left_out() -> None:
    async with live_scene() as one:
        await one.start()
        well = values_of(measure_feed(one.feed, 3.0))
        assert well["sigtrail_feed_silent_seconds",] == 3
        assert well["sigtrail_feed_symbols",] == 2
        assert (well["sigtrail_feed_sockets", "connected"], well["sigtrail_feed_sockets", "away"]) == (1, 0)
        await one.venue.cut_streams()
        await until(lambda: one.feed.sockets == (0, 1))
        one.close("BTCUSDT", 0, 101.0)
        one.venue.mend_streams()
        await until(lambda: one.subscriptions() == 2)
        one.close("BTCUSDT", 1, 102.0)
        await one.expect("BTCUSDT", 101.0, 102.0)
        after = values_of(measure_feed(one.feed, 0.0))
        assert after["sigtrail_feed_sockets", "connected"] == 1
        assert after["sigtrail_feed_reconnects_total",] >= 1
        assert after["sigtrail_feed_repairs_total", "complete"] >= 1
        assert after["sigtrail_candles_missing_total",] == 0
        one.feed.gone.add("GONEUSDT")
        assert values_of(measure_feed(one.feed, 0.0))["sigtrail_feed_symbols_gone",] == 1


def test_a_feed_without_sockets_has_none() -> None:
    told = values_of(measure_feed(SimulatedFeed(("BTCUSDT",), start_ms=0), 0.0))
    assert told["sigtrail_feed_symbols",] == 1
    assert told["sigtrail_feed_sockets", "connected"] == told["sigtrail_feed_sockets", "away"] == 0
