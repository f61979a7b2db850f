"""After a restart: what closed while the machine was away fires then, with its own time, and once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.candles import MINUTE_MS, Candle
from shared.identity import from_ms
from tests.signals.disk import Disk
from tests.signals.recordings import DAY, make, trader
from tests.signals.scene import Scene
from workers.signals.marks import Marks
from workers.signals.role import CATCH_UP
from workers.signals.spool import SpoolError

DIPS = [101, 99, 101, 99, 101, 99, 101, 99]
HOUR_MS = 60 * MINUTE_MS
HOURS = round(CATCH_UP.total_seconds() / 3600)


def candles(closes: Sequence[float], first: int = 0, symbol: str = "BTCUSDT") -> list[Candle]:
    return [make(first + number, close, symbol) for number, close in enumerate(closes)]


async def live_through(scene: Scene, closes: Sequence[float], first: int = 0) -> None:
    for number, close in enumerate(closes):
        scene.publish(first + number, close)
        await scene.role.step()


def stored_minutes(scene: Scene) -> list[int]:
    return sorted((row["triggered_at"] - DAY) // MINUTE_MS - 1 for row in scene.ingest.stored.values())


async def test_what_closed_meanwhile_fires_with_its_own_time_and_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    await live_through(scene, DIPS[:2])
    await scene.kill()
    await scene.start_again(candles(DIPS[:6]))
    assert scene.role.counts["caught_up"] == 2
    await live_through(scene, DIPS[6:], first=6)
    await scene.role.stop()
    assert stored_minutes(scene) == [1, 3, 5, 7]
    assert scene.role.counts["rejected"] == 0
    await scene.start_again(candles(DIPS))
    assert scene.role.counts["caught_up"] == 0, "nothing was missed"
    await scene.role.stop()


async def test_a_condition_that_held_before_and_holds_on_does_not_fire_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.role.start()
    await live_through(scene, [101, 99, 98])
    await scene.kill()
    await scene.start_again(candles([101, 99, 98, 97, 96]))
    await live_through(scene, [95], first=5)
    await scene.role.stop()
    assert stored_minutes(scene) == [1]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.sampled_from([96.0, 99.0, 101.0, 104.0]), min_size=6, max_size=40),
    st.lists(st.tuples(st.integers(1, 39), st.integers(0, 12), st.booleans()), max_size=4),
    st.booleans(),
)
def test_however_often_it_is_killed_it_makes_what_one_that_lived_makes(
    closes: list[float], deaths: list[tuple[int, int, bool]], lose_marks: bool
) -> None:
    """deaths: before which minute, how many minutes it is away, and whether the last candle had its step"""
    traders = [
        trader("close < 100", name="dip"),
        trader("SMA(3) > 100", name="up"),
        trader("close > close[1] and close[2] < 100", name="turn"),
    ]

    async def play(folder: Path, deaths: dict[int, tuple[int, bool]]) -> dict[str, str]:
        scene = Scene(folder, *traders, replay=False)
        minute = 3
        await scene.start_again(candles(closes[:minute]))
        while minute < len(closes):
            if minute in deaths:
                away, stepped = deaths.pop(minute)
                scene.publish(minute, closes[minute])
                if stepped:
                    await scene.role.step()
                await scene.kill()
                if lose_marks:
                    scene.role._marks.path.write_bytes(b"")
                minute = min(minute + 1 + away, len(closes))
                await scene.start_again(candles(closes[:minute]))
            else:
                scene.publish(minute, closes[minute])
                await scene.role.step()
                minute += 1
        await scene.role.stop()
        return {one: row["price"] for one, row in scene.ingest.stored.items()}

    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        undisturbed = asyncio.run(play(Path(one), {}))
        disturbed = asyncio.run(play(Path(other), {at: (away, step) for at, away, step in deaths}))
    if lose_marks:
        # Then also what fired before its first life is made, as far as history goes.
        assert undisturbed.items() <= disturbed.items()
    else:
        assert disturbed == undisturbed


async def test_longer_intervals_are_made_up_for_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100", interval="5m"), replay=False)
    closes = [101.0] * 9 + [99.0] + [101.0] * 5
    await scene.start_again(candles(closes[:6]))
    await scene.kill()
    await scene.start_again(candles(closes))
    await scene.role.stop()
    assert stored_minutes(scene) == [9]


def hours(closes: Sequence[float], first: int) -> list[Candle]:
    starts = (make((first + number) * 60, close) for number, close in enumerate(closes))
    return [replace(one, interval="1h", close_ms=one.open_ms + HOUR_MS) for one in starts]


@pytest.mark.parametrize("oldest", [0, 100], ids=["whole hours", "an hour whose minutes are not all known"])
async def test_longer_intervals_are_made_up_for_with_a_history_that_no_short_ones_reach(
    tmp_path: Path, oldest: int
) -> None:
    """The trader needs twenty hours, of which the minutes tell three."""
    scene = Scene(tmp_path, trader("close < 100 and SMA(close, 20) > 100", interval="1h"), replay=False)
    minutes = [101.0] * 119 + [99.0] + [101.0] * 80
    past = hours([104.0] * 30, -30)
    await scene.start_again(candles(minutes[oldest:110], oldest), past)
    await scene.role.step()
    await scene.kill()
    await scene.start_again(candles(minutes[oldest:], oldest), [*past, *hours([101.0, 99.0, 101.0], 0)])
    await scene.role.stop()
    assert stored_minutes(scene) == [119]


async def test_what_is_too_long_ago_is_told_and_left(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    most = HOURS * 60
    closes = [101.0, 99.0] * (most // 2 + 40)
    await scene.start_again(candles(closes[:20]))
    await scene.kill()
    with capture_logs() as entries:
        await scene.start_again(candles(closes))
    await scene.role.stop()
    assert scene.role.counts["caught_up"] == most // 2
    assert scene.role.counts["cut_off"] == len(closes) - most - 20
    assert [entry["count"] for entry in entries if entry["event"] == "closes_too_long_ago"] == [
        len(closes) - most - 20
    ]
    assert min(stored_minutes(scene)) == len(closes) - most + 1


async def test_a_trader_that_was_changed_meanwhile_fires_only_after_its_change(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.start_again(candles(DIPS[:1]))
    await scene.kill()
    at = from_ms(DAY) + timedelta(minutes=4)
    scene.traders = [one.model_copy(update={"updated_at": at}) for one in scene.traders]
    await scene.start_again(candles(DIPS))
    await scene.role.stop()
    assert stored_minutes(scene) == [5, 7]


async def test_the_first_start_of_a_machine_makes_up_for_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.start_again(candles(DIPS))
    assert scene.role.counts["caught_up"] == 0
    await scene.kill()
    await scene.start_again(candles([*DIPS, 101, 99]))
    await scene.role.stop()
    assert stored_minutes(scene) == [9], "it began with the start, though no candle closed while it lived"


async def test_what_another_machine_owes_is_made_up_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.start_again(candles(DIPS))
    scene.role.owe({"BTCUSDT": DAY + 4 * MINUTE_MS})
    assert await scene.wakes.wait("signals", 5)
    assert await scene.role.step() == 2
    await scene.role.stop()
    assert stored_minutes(scene) == [5, 7]


async def test_a_start_on_a_full_disk_makes_up_when_there_is_room(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.start_again(candles(DIPS[:2]))
    await scene.kill()
    disk = Disk()
    with disk.mounted():
        scene.market.seed(candles(DIPS[2:], first=2))
        scene.role = scene.open()
        disk.room = 0
        await scene.role.start()
        assert scene.role.counts["caught_up"] == 0
        await scene.role.step()
        disk.room = None
        assert await scene.role.step() == 3
    await scene.role.stop()
    assert stored_minutes(scene) == [3, 5, 7]


async def test_marks_that_the_disk_does_not_take_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, trader("close < 100"), replay=False)
    await scene.start_again(candles(DIPS[:1]))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_bytes", refuse)
        await live_through(scene, DIPS[1:4], first=1)
    assert scene.role.counts["unmarked"] == 3
    await scene.kill()
    await scene.start_again(candles(DIPS))
    await scene.role.stop()
    assert stored_minutes(scene) == [1, 3, 5, 7]


async def test_a_replay_has_no_marks(tmp_path: Path) -> None:
    scene = Scene(tmp_path, trader("close < 100"))
    await scene.role.start()
    await live_through(scene, DIPS)
    await scene.role.stop()
    await scene.start_again(candles(DIPS))
    assert scene.role.counts["caught_up"] == 0
    await scene.role.stop()
    assert not Marks(tmp_path).path.exists()


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 2**48), max_size=5), st.data())
@settings(max_examples=40, deadline=None)
def test_marks_are_read_as_they_were_written_or_not_at_all(
    closes: dict[str, int], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        marks = Marks(Path(name))
        marks.set({"BTCUSDT": 1} | closes)
        again = Marks(Path(name))
        again.read()
        assert again.closes == {"BTCUSDT": 1} | closes
        content = marks.path.read_bytes()
        spoilt = content[: data.draw(st.integers(0, len(content) - 1))]
        marks.path.write_bytes(spoilt)
        torn = Marks(Path(name))
        torn.read()
        assert torn.lost
        assert torn.since("ETHUSDT") == 0
        torn.set({})
        whole = Marks(Path(name))
        whole.read()
        assert not whole.lost


def test_marks_that_cannot_be_written_say_so(tmp_path: Path) -> None:
    marks = Marks(tmp_path / "gone")
    with pytest.raises(SpoolError, match="evaluated cannot be written"):
        marks.set({"BTCUSDT": 1})
    assert marks.closes == {}
