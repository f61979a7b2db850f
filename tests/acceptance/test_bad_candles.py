"""Dirty candles: each bad one is refused and named, and the others make the record that they always make."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from tests.acceptance.conftest import SYMBOLS
from tests.acceptance.journey import (
    DAY_MS,
    START_MS,
    add_trader,
    ask,
    read_rows,
    running,
    sigtrail,
    write_rows,
)
from tests.stacks import Stack

MINUTE = 60_000
HOLE = range(300, 307)


def dirty(clean: Path, folder: Path) -> Path:
    """The candles of `clean` with a hole in one symbol, once as they are and once among dirt."""
    sound, soiled = folder / "sound", folder / "soiled"
    for symbol in SYMBOLS:
        rows = read_rows(clean, symbol)
        if symbol == "ETHUSDT":
            del rows[HOLE.start : HOLE.stop]
        write_rows(sound, symbol, rows)
        if symbol == "BTCUSDT":
            rows = soil(rows)
        write_rows(soiled, symbol, rows)
    return folder


def soil(rows: list[tuple[str, ...]]) -> list[tuple[object, ...]]:
    """These rows, with what a broken download or a careless hand puts between them."""
    ts, opened, high, low, close, volume = rows[100]
    before: list[tuple[object, ...]] = [
        (ts, "NaN", high, low, close, volume),
        (ts, opened, high, low, "", volume),
        (ts, opened, "n/a", low, close, volume),
        (ts, opened, high, "0", "0", volume),
        (ts, "-1", high, low, close, volume),
        (ts, opened, low, high, close, volume),
        (ts, opened, high, low, close, "-5"),
        ("2025-05-04 01:40", opened, high, low, close, volume),
        (int(ts) + 1, opened, high, low, close, volume),
        (0, opened, high, low, close, volume),
        (START_MS * 1000, opened, high, low, close, volume),
    ]
    after: list[tuple[object, ...]] = [
        (ts, *(Decimal(number) * 2 for number in rows[100][1:])),
        rows[40],
        rows[99],
        (ts, opened, high, low, close, volume),
    ]
    return [*rows[:100], *before, rows[100], *after, *rows[101:]]


def test_bad_candles_are_refused_by_name_and_change_nothing(
    project: Stack, busy_candles: Path, tmp_path: Path
) -> None:
    add_trader(project, "busy", SYMBOLS)
    folder = dirty(busy_candles, tmp_path)
    with running(project, tmp_path / "state", "--candles", str(folder / "soiled")) as run:
        soiled, told = run.end()
    assert soiled["candles_refused"] == {
        "bad_number": 3,
        "bad_price": 2,
        "bad_range": 1,
        "bad_time": 4,
        "bad_volume": 1,
        "doubled": 2,
        "out_of_order": 2,
    }
    assert soiled["candles_missing"] == len(HOLE)
    assert soiled["candles"] == sum(len(read_rows(busy_candles, symbol)) for symbol in SYMBOLS) - len(HOLE)
    assert soiled["signals"] == soiled["inserted"] > 10
    assert soiled["errors"] == []
    for line in (
        "15 candles were refused, the others used:",
        "  BTCUSDT 1m 2025-05-04 01:40: bad_number, open is nan",
        "7 candles are missing:",
        "  ETHUSDT 1m: 7 between 2025-05-04 04:59 and 2025-05-04 05:07",
    ):
        assert line in told.splitlines()
    with running(project, tmp_path / "state", "--candles", str(folder / "sound")) as run:
        sound, told = run.end()
    assert (sound["inserted"], sound["duplicates"]) == (0, soiled["signals"])
    assert sound["candles_refused"] == {}
    assert sound["candles_missing"] == len(HOLE)
    assert "were refused" not in told


def test_a_wrong_time_opens_no_age_of_partitions(project: Stack, busy_candles: Path, tmp_path: Path) -> None:
    """Days are made for candles, not for the span from the first time in a file to its last."""
    add_trader(project, "busy", ["BTCUSDT"], conditions=["close > 1e9"])
    rows = read_rows(busy_candles, "BTCUSDT")[:10]
    stray = START_MS - 400 * DAY_MS
    write_rows(
        tmp_path / "candles", "BTCUSDT", [*rows[:5], (0, *rows[0][1:]), *rows[5:], (stray, *rows[0][1:])]
    )
    days = "select count(*) from private.partition_days"
    ((before,),) = ask(project, days)
    with running(project, tmp_path / "state", "--candles", str(tmp_path / "candles")) as run:
        summary, _ = run.end()
    ((after,),) = ask(project, days)
    assert summary["candles_refused"] == {"bad_time": 1, "out_of_order": 1}
    assert after - before <= 2


def test_times_in_seconds_are_one_sentence_and_status_2(project: Stack, tmp_path: Path) -> None:
    rows = [(START_MS // 1000 + minute * 60, 1, 1, 1, 1, 1) for minute in range(3)]
    write_rows(tmp_path / "candles", "BTCUSDT", rows)
    done = sigtrail(project, tmp_path / "state", "up", "--json", "--candles", str(tmp_path / "candles"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"must be Unix milliseconds; the first is {START_MS // 1000}" in done.stderr
    assert "Traceback" not in done.stderr
