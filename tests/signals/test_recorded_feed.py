"""Recorded candles: read from a folder, merged in order of time, and every bad row shown."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.candles import INTERVALS, MINUTE_MS, Candle
from shared.errors import InputError
from shared.market import Market
from tests.signals.recordings import DAY, RECORDED, needs_recordings
from tests.waiting import until
from workers.signals.feeds.recorded import ROWS, RecordedFeed
from workers.signals.past import condense

Row = tuple[Any, ...]


def row(minute: int, close: float = 100.5, volume: float = 3.0) -> Row:
    return (DAY + minute * MINUTE_MS, 100.0, max(close, 101.0), min(close, 99.0), close, volume)


def write_parquet(path: Path, rows: list[Row], ts: pa.DataType | None = None) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * 6
    arrays = [
        pa.array(columns[0], ts or pa.int64()),
        *(pa.array(column, pa.float64()) for column in columns[1:]),
    ]
    pa.parquet.write_table(
        pa.table(dict(zip(("ts", "open", "high", "low", "close", "volume"), arrays, strict=True))), path
    )


def write_csv(path: Path, rows: list[Row], header: str = "ts,open,high,low,close,volume") -> None:
    lines = [header, *(",".join("" if cell is None else str(cell) for cell in one) for one in rows)]
    path.write_text("\n".join(lines) + "\n")


async def play(feed: RecordedFeed) -> list[list[Candle]]:
    assert await feed.open() == []
    batches = [batch async for batch in feed.batches()]
    await feed.close()
    return batches


async def test_candles_come_in_order_of_close_and_symbol(tmp_path: Path) -> None:
    write_parquet(tmp_path / "ETHUSDT_1m.parquet", [row(0), row(1), row(3)])
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(1), row(2)])
    write_csv(tmp_path / "SOLUSDT_3m.csv", [row(0)])
    write_parquet(tmp_path / "1000PEPE_USDT_1m.parquet", [row(1)])
    (tmp_path / "README.md").write_text("not candles")
    feed = RecordedFeed(tmp_path)
    batches = await play(feed)
    assert [[(one.symbol, (one.close_ms - DAY) // MINUTE_MS) for one in batch] for batch in batches] == [
        [("ETHUSDT", 1)],
        [("1000PEPE_USDT", 2), ("BTCUSDT", 2), ("ETHUSDT", 2)],
        [("BTCUSDT", 3), ("SOLUSDT", 3)],
        [("ETHUSDT", 4)],
    ]
    assert batches[0][0] == Candle("ETHUSDT", "1m", DAY, DAY + MINUTE_MS, 100.0, 101.0, 99.0, 100.5, 3.0)
    assert feed.symbols == ("1000PEPE_USDT", "BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert (feed.kind, feed.market) == ("recorded", "usdm")
    assert "4 symbols" in feed.description


async def test_span_and_bounds_of_time(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(minute) for minute in range(10)])
    feed = RecordedFeed(tmp_path)
    await feed.open()
    assert feed.span == (DAY, DAY + 10 * MINUTE_MS)
    assert feed.rows == 10
    feed = RecordedFeed(tmp_path, since_ms=DAY + 3 * MINUTE_MS, until_ms=DAY + 6 * MINUTE_MS)
    await feed.open()
    assert feed.span == (DAY + 3 * MINUTE_MS, DAY + 6 * MINUTE_MS)
    assert [batch[0].open_ms for batch in await play(feed)] == [
        DAY + minute * MINUTE_MS for minute in (3, 4, 5)
    ]


async def test_what_lies_before_a_replay_is_its_history_of_every_interval(tmp_path: Path) -> None:
    # Read in several parts, and long enough for the longest interval.
    minutes = 3 * ROWS + max(INTERVALS.values()) // MINUTE_MS
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(minute) for minute in range(minutes)])
    write_parquet(tmp_path / "ETHUSDT_1m.parquet", [row(minute) for minute in range(7)])
    since = DAY + (minutes - 3) * MINUTE_MS
    feed = RecordedFeed(tmp_path, since_ms=since)
    await feed.open()
    past = condense(feed.history())
    assert len(await play(feed)) == 3
    assert feed.gate.admitted == 3, "the gate counts what is replayed"
    market = Market()
    market.seed(past.short)
    market.seed_longer(past.longer)
    assert [one.open_ms - DAY for one in market.history("ETHUSDT")] == [at * MINUTE_MS for at in range(7)]
    assert [one.close_ms for one in market.history("ETHUSDT", "5m")] == [DAY + 5 * MINUTE_MS]
    for interval in INTERVALS:
        last = market.latest("BTCUSDT", interval)
        assert last is not None
        assert last.close_ms == since // INTERVALS[interval] * INTERVALS[interval]
    assert len(market.history("BTCUSDT", "30m")) == (minutes - 3) // 30
    assert [*RecordedFeed(tmp_path).history()] == []


async def test_a_row_with_a_wrong_time_adds_a_day_and_not_an_age(tmp_path: Path) -> None:
    day = 86_400_000
    strays = [(0, *row(0)[1:]), (DAY * 1000, *row(0)[1:]), (DAY - 1500 * day, *row(0)[1:])]
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(minute) for minute in (0, 5, 24 * 60)] + strays)
    feed = RecordedFeed(tmp_path)
    await feed.open()
    assert [str(one) for one in feed.days] == ["2021-03-26", "2025-05-04", "2025-05-05"]
    assert feed.span == (DAY - 1500 * day, DAY + day + MINUTE_MS)
    feed = RecordedFeed(tmp_path, since_ms=DAY + 5 * MINUTE_MS, until_ms=DAY + day)
    await feed.open()
    assert [str(one) for one in feed.days] == ["2025-05-04"]


@pytest.mark.parametrize("unit", [1000, 1 / 1000])
async def test_times_in_another_unit_are_named(tmp_path: Path, unit: float) -> None:
    write_csv(tmp_path / "BTCUSDT_1m.csv", [(round(DAY * unit), *row(0)[1:])])
    with pytest.raises(InputError, match=f"must be Unix milliseconds; the first is {round(DAY * unit)}"):
        await RecordedFeed(tmp_path).open()


async def test_the_shortest_interval_of_a_symbol_is_used(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT_1h.parquet", [row(0)])
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(0)])
    write_parquet(tmp_path / "BTCUSDT_5m.parquet", [row(0)])
    batches = await play(RecordedFeed(tmp_path))
    assert [one.interval for batch in batches for one in batch] == ["1m"]


async def test_a_folder_says_by_its_name_which_market_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "binance_spot_1h"
    folder.mkdir()
    write_parquet(folder / "BTCUSDT_1h.parquet", [row(0)])
    assert RecordedFeed(folder).market == "spot"
    assert RecordedFeed(folder, market="usdm").market == "usdm"


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
async def test_bad_candles_are_shown_and_the_others_come_through(tmp_path: Path, suffix: str) -> None:
    nan = float("nan")
    rows: list[Row] = [
        row(0),
        row(1),
        row(1),  # doubled
        row(0),  # out of order
        (DAY + 2 * MINUTE_MS, 100.0, 101.0, 99.0, nan, 1.0),
        (DAY + 3 * MINUTE_MS, 0.0, 101.0, 0.0, 100.0, 1.0),
        (DAY + 4 * MINUTE_MS, 100.0, 98.0, 99.0, 100.0, 1.0),
        (DAY + 5 * MINUTE_MS, 100.0, 101.0, 99.0, 100.0, -1.0),
        (DAY + 6 * MINUTE_MS + 1, 100.0, 101.0, 99.0, 100.0, 1.0),
        (None, 100.0, 101.0, 99.0, 100.0, 1.0),
        (DAY + 7 * MINUTE_MS, None, 101.0, 99.0, 100.0, 1.0),
        row(8),
    ]
    path = tmp_path / f"BTCUSDT_1m.{suffix}"
    (write_parquet if suffix == "parquet" else write_csv)(path, rows)
    feed = RecordedFeed(tmp_path)
    batches = await play(feed)
    assert [(batch[0].open_ms - DAY) // MINUTE_MS for batch in batches] == [0, 1, 8]
    assert feed.gate.refused == Counter(
        doubled=1, out_of_order=1, bad_number=2, bad_price=1, bad_range=1, bad_volume=1, bad_time=2
    )
    assert feed.gate.admitted + sum(feed.gate.refused.values()) == len(rows)
    assert feed.gate.missing == 6
    assert all(refusal.detail and refusal.symbol == "BTCUSDT" for refusal in feed.gate.refusals)


async def test_a_csv_cell_that_is_no_number_is_a_bad_candle(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "BTCUSDT_1m.csv",
        [row(0), (DAY + MINUTE_MS, "oops", 1, 1, 1, 1), ("later", 1, 1, 1, 1, 1), row(2)],
    )
    feed = RecordedFeed(tmp_path)
    assert len(await play(feed)) == 2
    assert feed.gate.refused == Counter(bad_number=1, bad_time=1)


async def test_times_may_be_timestamps(tmp_path: Path) -> None:
    rows = [
        (datetime(2025, 5, 4, 0, minute, tzinfo=UTC), 100.0, 101.0, 99.0, 100.0, 1.0) for minute in range(3)
    ]
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", rows, pa.timestamp("us", tz="UTC"))
    batches = await play(RecordedFeed(tmp_path))
    assert [batch[0].open_ms for batch in batches] == [DAY, DAY + MINUTE_MS, DAY + 2 * MINUTE_MS]


@pytest.mark.parametrize(
    ("prepare", "says"),
    [
        (lambda folder: None, "no file named"),
        (lambda folder: (folder / "BTCUSDT_7m.parquet").write_bytes(b""), "no file named"),
        (lambda folder: (folder / "BTCUSDT_1m.parquet").write_bytes(b"not parquet"), "cannot be read"),
        (lambda folder: (folder / "BTCUSDT_1m.csv").write_bytes(b""), "cannot be read"),
        (
            lambda folder: write_csv(folder / "BTCUSDT_1m.csv", [(1, 2, 3)], "ts,open,high"),
            "no column low, close, volume",
        ),
        (
            lambda folder: pa.parquet.write_table(
                pa.table({name: [[1]] for name in ("ts", "open", "high", "low", "close", "volume")}),
                folder / "BTCUSDT_1m.parquet",
            ),
            "not in whole milliseconds",
        ),
    ],
)
async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path, prepare: Any, says: str) -> None:
    prepare(tmp_path)
    with pytest.raises(InputError, match=says):
        await RecordedFeed(tmp_path).open()


def test_a_folder_or_symbol_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        RecordedFeed(tmp_path / "nowhere")
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(0)])
    with pytest.raises(InputError, match="no candles of ETHUSDT, SOLUSDT"):
        RecordedFeed(tmp_path, symbols=["BTCUSDT", "SOLUSDT", "ETHUSDT"])
    with pytest.raises(InputError, match="above zero"):
        RecordedFeed(tmp_path, speed=0)


async def test_an_empty_file_has_no_candles(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [])
    feed = RecordedFeed(tmp_path)
    assert await play(feed) == []
    await feed.open()
    assert feed.span is None


async def test_a_paced_feed_holds_candles_back_until_their_turn(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT_1m.parquet", [row(minute) for minute in range(5)])
    fast = RecordedFeed(tmp_path, speed=60_000)  # a minute in a millisecond
    assert len(await play(fast)) == 5
    slow = RecordedFeed(tmp_path, speed=1)
    await slow.open()
    seen: list[int] = []

    async def read() -> None:
        async for batch in slow.batches():
            seen.append(batch[0].open_ms)

    reading = asyncio.create_task(read())
    await until(lambda: seen == [DAY])
    assert not reading.done(), "the second candle is a minute away"
    await slow.close()
    await asyncio.wait_for(reading, 10)
    assert seen == [DAY]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=30), min_size=1, max_size=4))
def test_whatever_the_files_hold_time_runs_forward(files: list[list[int]]) -> None:
    async def check(folder: Path) -> None:
        for number, minutes in enumerate(files):
            write_parquet(folder / f"S{number}_1m.parquet", [row(minute) for minute in minutes])
        feed = RecordedFeed(folder)
        batches = await play(feed)
        order = [(one.close_ms, one.symbol) for batch in batches for one in batch]
        assert order == sorted(set(order))
        assert all(len({one.close_ms for one in batch}) == 1 for batch in batches)
        assert len(order) + sum(feed.gate.refused.values()) == sum(map(len, files))
        for number, minutes in enumerate(files):
            newest, kept = -1, []
            for minute in minutes:
                if minute > newest:
                    kept.append(minute)
                    newest = minute
            assert [(at - DAY) // MINUTE_MS - 1 for at, symbol in order if symbol == f"S{number}"] == kept

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(check(Path(name)))


@needs_recordings
async def test_a_recorded_month_is_complete_and_in_order() -> None:
    end = DAY + 2 * 86_400_000
    feed = RecordedFeed(RECORDED, since_ms=DAY, until_ms=end)
    await feed.open()
    assert feed.rows == 448_984
    times = [pa.parquet.read_table(path, columns=["ts"])["ts"] for path in RECORDED.glob("*.parquet")]
    expected = sum(at.as_py() + MINUTE_MS <= end for column in times for at in column)
    last, count = 0, 0
    async for batch in feed.batches():
        assert batch[0].close_ms > last
        last = batch[0].close_ms
        count += len(batch)
    assert count == feed.gate.admitted == expected
    assert sum(feed.gate.refused.values()) == 0
    assert feed.gate.missing == 0
