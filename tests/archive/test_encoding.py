"""Whatever a row holds, its file gives it back: to the byte, in the order, with every null."""

from __future__ import annotations

import hashlib
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.identity import signal_id
from workers.archive.columns import CREATION, IDENTITY, Column, Kind, schema
from workers.archive.content import digest_window
from workers.archive.encoding import decode, encode
from workers.archive.files import ArchiveFile, write_files
from workers.archive.shape import join, part

SIGNALS = [
    Column("id", "uuid"),
    Column("user_id", "uuid"),
    *IDENTITY,
    Column("created_at", "time"),
    Column("closed_at", "time"),
    Column("status", "text"),
    Column("error_count", "integer"),
    Column("has_open_position", "flag"),
    Column("initial_price", "number"),
    Column("total_pnl", "number"),
    Column("matched_conditions", "json"),
    Column("original_signal", "json"),
    Column("analysis_result", "json"),
    Column("tags", "list"),
    *CREATION,
]

hexes = st.uuids().map(lambda one: one.hex)
# Every text that PostgreSQL can hold: any character but NUL and lone surrogates.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
# Up to the ends of what PostgreSQL calls a time, and near those that signals have.
times = st.one_of(st.integers(-(1 << 62), 1 << 62), st.integers(1_700_000_000_000_000, 1_800_000_000_000_000))
plain_numbers = st.decimals(allow_nan=False, allow_infinity=False).map(lambda one: format(one, "f"))
numbers = st.one_of(
    plain_numbers,
    st.sampled_from(
        [
            "0",
            "0.00",
            "-0.5",
            "1" * 40,
            "0." + "0" * 30 + "1",
            "NaN",
            "-999999999999999999.9",
            "123456789012345678",
        ]
    ),
    st.from_regex(r"\A(0|[1-9][0-9]{0,12})(\.[0-9]{1,12})?\Z"),
)
# As texts of JSON, not as values: 1.50 and 1.5 differ.
json_numbers = st.one_of(
    st.from_regex(r"\A-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?\Z"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
json_texts = st.recursive(
    st.one_of(
        json_numbers,
        texts.map(lambda one: orjson.dumps(one).decode()),
        st.sampled_from(["null", "true", "{}"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda some: f"[{', '.join(some)}]"),
        st.dictionaries(texts, inner, max_size=4).map(
            lambda some: (
                "{" + ", ".join(f"{orjson.dumps(name).decode()}: {one}" for name, one in some.items()) + "}"
            )
        ),
        json_numbers.map(
            lambda number: f'{{"a": "{number}", "b": {number}, "c": [{number}, "x, 5, {number}"]}}'
        ),
    ),
    max_leaves=12,
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "uuid": hexes,
    "time": times,
    "number": numbers,
    "json": json_texts,
    "list": st.lists(maybe(texts), max_size=3).map(lambda some: orjson.dumps(some).decode()),
    "text": texts,
    "integer": st.integers(-(1 << 63), (1 << 63) - 1),
    "flag": st.booleans(),
}


@st.composite
def signals(draw: st.DrawFn) -> dict[str, Any]:
    row = {column.name: draw(maybe(VALUES[column.form])) for column in SIGNALS}
    row["user_id"] = draw(hexes)
    row["id"] = draw(hexes)
    if draw(st.booleans()):
        # A signal as it should be: its id follows from what it is.
        trader, symbol = draw(st.uuids()), draw(st.sampled_from(["BTCUSDT", "ÄÖ/X"]))
        ms = draw(st.integers(0, (1 << 48) - 1))
        row |= {"trader_id": trader.hex, "symbol": symbol, "interval": "1m", "triggered_at": ms * 1000}
        row["id"] = signal_id(trader, symbol, "1m", ms).hex
    return row


def table(rows: list[dict[str, Any]], columns: list[Column]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema(columns))


@given(rows=st.lists(signals(), min_size=1, max_size=12))
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_odd_rows_come_back(rows: list[dict[str, Any]]) -> None:
    window = table(rows, SIGNALS)
    # Differences of times at both ends would not fit; PostgreSQL's own times are not that far apart.
    stored = encode("signals", SIGNALS, window)
    assert pa.table(decode("signals", SIGNALS, stored)).to_pylist() == rows


@given(rows=st.lists(signals(), min_size=1, max_size=30), cut=st.integers(1, 10))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_files_say_what_the_rows_said(rows: list[dict[str, Any]], cut: int) -> None:
    windows = [table(rows[at : at + cut], SIGNALS) for at in range(0, len(rows), cut)]
    with tempfile.TemporaryDirectory() as folder:
        (written,) = write_files(Path(folder), "signals", SIGNALS, windows)
        file = ArchiveFile(written.path)
        found = [row for window in file.windows() for row in pa.table(window).to_pylist()]
        assert found == rows
        digests = [
            digest_window(SIGNALS, dict(zip(one.column_names, _arrays(one), strict=True))) for one in windows
        ]
        assert file.content_hash() == written.content_hash == hashlib.sha256(b"".join(digests)).digest()
        file.close()


def _arrays(window: pa.Table) -> list[pa.Array]:
    return [column.combine_chunks() for column in window.columns]


@given(text=json_texts, price=maybe(numbers), moment=maybe(st.integers(0, 1 << 48)))
@example(text='{"a": 1.50, "b": 1.5, "c": "1.50"}', price="1.50", moment=None)
@example(text='{"low": "586.74", "t": 1746396180000}', price="586.76", moment=1746396240000)
@example(text="[0, -0, 1e5, 1.0E-3, 00, 12345678901234567890.5]", price="0", moment=0)
@example(text="[14.406671359787634, 173.3933333333331, 0.1, 100.00]", price=None, moment=None)
@example(text='["abc: 5", "a, 5, b", "[5]", 5]', price="5", moment=None)
@settings(max_examples=200, deadline=None)
def test_a_shape_gives_back_its_text(text: str, price: str | None, moment: int | None) -> None:
    assert join(part(text, price, moment), price, moment) == text


def test_texts_of_one_trader_have_one_shape() -> None:
    shapes = set()
    for number in range(50):
        price = f"{586 + number}.76"
        text = orjson.dumps({"low": f"{586 + number}.74", "close": price, "rsi": 14.4 + number / 7}).decode()
        shapes.add(part(text.replace(":", ": ").replace(",", ", "), price, None).shape)
    assert len(shapes) <= 2


def one_row(**more: Any) -> dict[str, Any]:
    return {column.name: None for column in SIGNALS} | {"user_id": "0" * 32, "id": "f" * 32} | more


@pytest.mark.parametrize(
    "change",
    [
        {"initial_price": "1.50"},
        {"initial_price": "1.500"},
        {"original_signal": '{"a": 1.0}'},
        {"tags": '["a", null]'},
        {"status": ""},
        {"closed_at": 1},
        {"has_open_position": False},
        {"error_count": 0},
    ],
)
def test_the_hash_tells_every_difference(change: dict[str, Any]) -> None:
    plain, changed = ({**one_row(initial_price="1.5")}, {**one_row(initial_price="1.5"), **change})
    hashes = {
        digest_window(SIGNALS, dict(zip(window.column_names, _arrays(window), strict=True)))
        for window in (table([row], SIGNALS) for row in (plain, changed))
    }
    assert len(hashes) == 2


@pytest.mark.parametrize("kind", ["events", "snapshots"])
def test_rows_without_their_signal_come_back(kind: Kind) -> None:
    columns = [
        Column("signal_id", "uuid"),
        Column("user_id", "uuid"),
        Column("occurred_at", "time"),
        Column("price", "number"),
        Column("event_data", "json"),
        *IDENTITY,
    ]
    rows = [
        {column.name: None for column in columns}
        | {
            "signal_id": "a" * 32,
            "user_id": "b" * 32,
            "occurred_at": 5,
            "price": "1.5",
            "event_data": '{"a": 1.6}',
        }
    ]
    stored = encode(kind, columns, table(rows, columns))
    assert pa.table(decode(kind, columns, stored)).to_pylist() == rows


def test_decimals_of_any_length_are_exact() -> None:
    values = ["0.1", "1" * 18, "1" * 19, "-0.000000000000000001", "1e5", str(Decimal(2) ** 200)]
    rows = [one_row(initial_price=value) for value in values]
    stored = encode("signals", SIGNALS, table(rows, SIGNALS))
    assert decode("signals", SIGNALS, stored, ["initial_price"])["initial_price"].to_pylist() == values
