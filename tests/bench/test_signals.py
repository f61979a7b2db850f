"""The signals of benchmarks are such as machines send, none twice."""

from __future__ import annotations

from uuid import UUID

import orjson

from scripts.bench.signals import SYMBOLS, Cast, Maker
from scripts.bench.twins import write_lines
from shared.candles import MINUTE_MS
from shared.identity import signal_id

FIRST = 1_763_700_000_000
TRADERS = [UUID(int=(number << 64) | (4 << 76) | (0b10 << 62)) for number in range(1, 8)]


def test_each_has_the_id_that_its_names_make() -> None:
    for row in Maker(TRADERS, FIRST).take(300):
        made = signal_id(row["trader_id"], row["symbol"], row["interval"], row["triggered_at"])
        assert row["id"] == str(made)


def test_none_comes_twice_and_a_candle_holds_so_many() -> None:
    maker = Maker(TRADERS, FIRST, per_candle=100)
    rows = [row for _ in range(9) for row in maker.take(37)]
    assert len({row["id"] for row in rows}) == len(rows) == 333
    assert [row["triggered_at"] for row in rows[:100]] == [FIRST] * 100
    assert rows[100]["triggered_at"] == FIRST + MINUTE_MS
    assert maker.candle_ms == FIRST + 3 * MINUTE_MS


def test_no_candle_holds_more_than_traders_and_symbols_make() -> None:
    maker = Maker(TRADERS, FIRST)
    most = len(TRADERS) * len(SYMBOLS)
    assert {row["triggered_at"] for row in maker.take(most)} == {FIRST}
    assert {row["triggered_at"] for row in maker.take(1)} == {FIRST + MINUTE_MS}


def test_two_runs_make_the_same_signals() -> None:
    assert Maker(TRADERS, FIRST).take(50) == Maker(TRADERS, FIRST).take(50)


def test_a_batch_comes_in_the_order_of_its_ids() -> None:
    ids = [row["id"] for row in Maker(TRADERS, FIRST).take(50)]
    assert ids == sorted(ids)


def test_copy_gets_the_same_rows() -> None:
    owner, key = UUID(int=1), UUID(int=2)
    cast = Cast(tuple((trader, owner) for trader in TRADERS), (), "bench-1", key)
    rows = Maker(TRADERS, FIRST).take(20)
    signals, events = write_lines(rows, cast, cast.owners)
    for row, line in zip(rows, signals.decode().splitlines(), strict=True):
        fields = line.split("\t")
        assert fields[:4] == [row["id"], str(owner), row["trader_id"], str(key)]
        assert orjson.loads(fields[14]) == row["original_signal"]
    assert [line.split("\t")[0] for line in events.decode().splitlines()] == [row["id"] for row in rows]
