"""The signals role: candles in, recorded signals out, live and in a replay."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from shared.clock import MarketClock
from shared.errors import ConfigurationError, NotAllowed, Unavailable
from shared.identity import from_ms
from tests.signals.disk import Disk
from tests.signals.recordings import DAY, trader, trader_id
from tests.signals.scene import Scene
from tests.waiting import until
from workers.signals.evaluator import Unfit
from workers.signals.role import TRADERS
from workers.signals.spool import SpoolError, SpoolFull


async def test_a_replay_records_a_signal_within_the_step_of_its_candle(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    done = []
    for minute, close in enumerate([101, 99, 99, 101, 98]):
        scene.publish(minute, close)
        calls = len(scene.ingest.calls)
        done.append(await scene.role.step())
        assert (len(scene.ingest.calls) > calls) == (done[-1] > 0), "no call in a step that made no signal"
        assert await scene.role.step() == 0
    assert done == [0, 1, 0, 0, 1]
    assert [row["price"] for row in scene.ingest.stored.values()] == ["99.0", "98.0"]
    assert scene.role.counts["fired"] == scene.role.counts["inserted"] == 2
    assert scene.role.counts["evaluated"] == 5
    assert scene.wakes.pending("analysis")
    await scene.role.stop()


async def test_signals_of_one_close_are_sent_in_the_order_of_their_ids(tmp_path: Path) -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    scene = Scene(
        tmp_path, *(trader("close < 100", name=str(number), symbols=symbols) for number in range(5))
    )
    await scene.role.start()
    for minute, close in enumerate([101, 99]):
        for symbol in reversed(symbols):
            scene.publish(minute, close, symbol)
    await scene.role.step()
    (batch,) = scene.ingest.batches
    assert len(batch) == 15
    assert batch == sorted(batch)
    await scene.role.stop()


async def test_an_absent_database_holds_a_replay_and_nothing_is_lost(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    scene.ingest.away = 2
    for _ in range(2):
        with pytest.raises(Unavailable):
            await scene.role.step()
    assert scene.role.counts["pending"] == 1
    assert await scene.role.step() == 1
    assert len(scene.ingest.stored) == 1
    await scene.role.stop()


@pytest.mark.parametrize("trouble", ["ingest", "traders"])
async def test_a_replay_syncs_what_the_database_has_not_answered_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fdatasync", synced.append)
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    assert await scene.role.step() == 1
    assert synced == [], "what the database answered for is durable there"
    scene.publish(2, 101)
    scene.publish(3, 99)
    if trouble == "ingest":
        scene.ingest.away = 1
    else:
        scene.away = 1
        scene.wakes.wake(TRADERS)
    with pytest.raises(Unavailable):
        await scene.role.step()
    assert len(synced) == 1
    assert await scene.role.step() == 1
    await scene.role.stop()


async def test_live_the_step_does_not_wait_for_the_database(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    scene.ingest.gate.clear()
    scene.publish(0, 101)
    scene.publish(1, 99)
    assert await scene.wakes.wait("signals", 5)
    assert await scene.role.step() == 1
    assert scene.role.counts["pending"] == 1
    assert scene.ingest.stored == {}
    scene.ingest.gate.set()
    await until(lambda: scene.ingest.stored)
    await until(lambda: scene.role.counts["pending"] == 0)
    await scene.role.stop()


async def test_what_cannot_be_sent_at_the_end_is_sent_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    scene.ingest.away = 1
    await scene.role.stop()
    assert scene.ingest.stored == {}
    role = scene.open()
    await role.start()
    assert role.counts["pending"] == 1
    assert await role.step() == 1
    assert len(scene.ingest.stored) == 1
    await role.stop()


async def test_after_stop_no_candle_is_heard(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    await scene.role.stop()
    scene.publish(1, 99)
    assert scene.role.counts["fired"] == 0


async def test_one_candle_replayed_by_two_machines_is_one_signal(tmp_path: Path) -> None:
    one = Scene(tmp_path / "one", trader("close < 100"))
    two = Scene(tmp_path / "two", trader("close < 100"))
    two.ingest = one.ingest
    two.role = two.open()
    for scene in (one, two):
        await scene.role.start()
        for minute, close in enumerate([101, 99, 101, 99]):
            scene.publish(minute, close)
            await scene.role.step()
        await scene.role.stop()
    assert len(one.ingest.stored) == 2
    assert (one.role.counts["inserted"], two.role.counts["inserted"]) == (2, 0)
    assert two.role.counts["duplicates"] == 2


# Traders ---------------------------------------------------------------------------------------------------


async def test_traders_are_read_again_when_they_were_changed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    await scene.role.start()
    scene.publish(0, 101)
    assert await scene.role.step() == 0
    scene.traders = [trader("close < 100")]
    scene.wakes.wake(TRADERS)
    await scene.role.step()
    await scene.role.step()
    assert scene.loads == 2
    scene.publish(1, 99)
    assert await scene.role.step() == 1
    await scene.role.stop()


async def test_live_traders_are_read_again_now_and_then_and_in_a_replay_only_when_woken(
    tmp_path: Path,
) -> None:
    for replay in (True, False):
        scene = Scene(tmp_path / str(replay), replay=replay)
        await scene.role.start()
        scene.clock.advance(scene.clock.now() + timedelta(hours=1))
        await scene.role.step()
        await scene.role.step()
        assert scene.loads == (1 if replay else 2)
        await scene.role.stop()


async def test_a_clock_that_is_put_back_delays_no_reload(tmp_path: Path) -> None:
    scene = Scene(tmp_path, replay=False)
    scene.clock.advance(scene.clock.now() + timedelta(days=2))
    await scene.role.start()
    scene.clock = scene.role._clock = MarketClock(scene.clock.now() - timedelta(days=1))
    await scene.role.step()
    assert scene.loads == 2
    await scene.role.step()
    assert scene.loads == 2
    await scene.role.stop()


async def test_a_reload_that_finds_no_database_is_tried_again_and_the_traders_go_on(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.away = 1
    scene.wakes.wake(TRADERS)
    scene.publish(1, 99)
    with pytest.raises(Unavailable):
        await scene.role.step()
    assert scene.role.counts["pending"] == 1, "what fired is on disk, whatever else fails"
    assert await scene.role.step() == 1
    assert scene.loads == 3
    await scene.role.stop()


async def test_a_start_that_finds_no_database_can_be_repeated(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    scene.away = 1
    with pytest.raises(Unavailable):
        await scene.role.start()
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    assert await scene.role.step() == 1
    await until(lambda: scene.ingest.stored)
    await scene.role.stop()


async def test_a_trader_that_cannot_be_evaluated_is_told(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("FOO(3) < 1", name="bad"), trader("close < 100", name="good"))
    scene.unfit = [Unfit(trader_id("odd"), "odd", "interval: field required")]
    await scene.role.start()
    assert [(one.name, one.reason[:30]) for one in scene.role.unfit] == [
        ("odd", "interval: field required"),
        ("bad", "column 1: unknown indicator 'F"),
    ]
    assert scene.role.counts["unfit"] == 2
    with capture_logs() as entries:
        scene.wakes.wake(TRADERS)
        await scene.role.step()
    assert entries == [], "what was told once is not told at every reload"
    assert scene.role.counts["traders"] == 2
    scene.publish(0, 101)
    scene.publish(1, 99)
    assert await scene.role.step() == 1
    await scene.role.stop()


# What else can go wrong ------------------------------------------------------------------------------------


async def test_a_machine_that_may_not_write_is_stopped_by_its_step(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    scene.ingest.error = NotAllowed("ingest_signals: permission denied", code="42501")
    scene.publish(0, 101)
    scene.publish(1, 99)
    await scene.role.step()

    async def failed() -> bool:
        try:
            await scene.role.step()
        except NotAllowed:
            return True
        return False

    await until(failed)
    await scene.role.stop()


async def test_a_full_spool_refuses_what_is_new_and_makes_up_for_it_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SpoolFull("the spool is full")

    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    with monkeypatch.context() as patch, capture_logs() as entries:
        patch.setattr("workers.signals.spool.Spool.append", refuse)
        assert await scene.role.step() == 0
    assert scene.role.counts["refused"] == 1
    (told,) = [entry for entry in entries if entry["event"] == "signals_refused"]
    scene.publish(2, 101)
    scene.publish(3, 99)
    assert await scene.role.step() == 1 + 2, "the one of now, and both from history"
    await scene.role.stop()
    assert len(scene.ingest.stored) == 2
    assert told["ids"][0] in scene.ingest.stored
    assert scene.role.counts["made"] == 3


async def test_an_alarm_of_the_spool_is_told_when_it_begins_and_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk()
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    with disk.mounted(), capture_logs() as entries:
        disk.room = 10
        scene.publish(0, 101)
        scene.publish(1, 99)
        for _ in range(3):
            with pytest.raises(SpoolError, match="No space left"):
                await scene.role.step()
        disk.room = None
        assert await scene.role.step() == 1
    alarms = [entry for entry in entries if entry["event"].startswith("spool_alarm")]
    assert [(entry["event"], entry.get("alarm")) for entry in alarms] == [
        ("spool_alarm", "disk"), ("spool_alarm_over", None)
    ]  # fmt: skip
    await scene.role.stop()
    assert len(scene.ingest.stored) == 1


async def test_a_disk_that_refuses_for_long_costs_no_memory_and_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.signals.role.MOST_MADE", 2)
    disk = Disk()
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    with disk.mounted():
        disk.room = 10
        for minute in range(10):
            scene.publish(minute, 101 if minute % 2 == 0 else 99)
            scene.role._evaluate()
            if scene.role.counts["fired"] > scene.role.counts["refused"]:
                with pytest.raises(SpoolError, match="No space left"):
                    await scene.role.step()
        assert scene.role.counts["refused"] == 3
        disk.room = None
        await scene.role.step()
    await scene.role.stop()
    assert len(scene.ingest.stored) == 5


async def test_in_a_replay_a_full_spool_stops_time_and_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SpoolFull("the spool is full")

    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    with monkeypatch.context() as patch:
        patch.setattr("workers.signals.spool.Spool.append", refuse)
        with pytest.raises(SpoolFull):
            await scene.role.step()
    assert await scene.role.step() == 1
    await scene.role.stop()


async def test_two_machines_do_not_share_a_folder(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    await scene.role.start()
    with pytest.raises(ConfigurationError, match="another process"):
        await scene.open().start()
    await scene.role.stop()


async def test_what_the_throttle_held_back_is_flushed_soon(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    scene.ingest.held_back = True
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    await scene.role.step()
    await until(lambda: scene.ingest.flushed == 1)
    await scene.role.stop()


async def test_the_moment_of_firing_is_remembered_for_the_latency(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    scene.publish(0, 101)
    scene.publish(1, 99)
    await scene.role.step()
    (row,) = scene.ingest.stored.values()
    fired = scene.role.fired_at(UUID(row["id"]))
    assert fired is not None
    assert fired > from_ms(DAY).timestamp(), "the wall's clock, not the market's"
    assert scene.role.fired_at(trader_id("nobody")) is None
    await scene.role.stop()


async def test_what_is_stored_can_be_read_as_json(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100 and SMA(2) < 200"))
    await scene.role.start()
    for minute, close in enumerate([101, 101, 99]):
        scene.publish(minute, close)
    await scene.role.step()
    (row,) = scene.ingest.stored.values()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    await scene.role.stop()


@pytest.mark.parametrize("replay", [True, False])
async def test_a_row_that_is_too_large_is_kept_aside_and_the_others_go_out(
    tmp_path: Path, replay: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.signals.role.LARGEST_PAYLOAD", 2000)
    long = " and ".join(["close < 100"] * 120)
    scene = Scene(tmp_path, trader("close < 100"), trader(long, name="long"), replay=replay)
    await scene.role.start()
    scene.publish(0, 101.0)
    with capture_logs() as entries:
        for minute in (1, 3):
            scene.publish(minute, 99.0)
            scene.publish(minute + 1, 101.0)
            await scene.role.step()
    await until(lambda: len(scene.ingest.stored) == 2)
    assert scene.role.counts["rejected_too_large"] == 2
    told = [entry for entry in entries if entry["event"] == "signal_too_large"]
    letters = [json.loads(line) for line in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
    assert [one["row"]["id"] for one in letters] == [entry["signal_id"] for entry in told]
    assert {one["code"] for one in letters} == {"too_large"}
    await scene.role.stop()
