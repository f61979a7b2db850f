"""Rows as they travel, and as they lie in a Parquet file: the same values in far fewer bytes.

A window is some ten thousand rows in order. `encode` gives the columns of the file, `decode` undoes it: every
value comes back as it was. What makes the files small:

    ids          not kept where they follow from trader, symbol, interval and time
    times        as the difference to the time at which the signal fired
    numbers      as whole numbers and their scale, as text only where they are too long
    JSON         as shapes and numbers (see shape.py)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shared.errors import SigtrailError
from workers.archive.columns import ID_COLUMN, Column, Kind
from workers.archive.ids import derive, to_bytes, to_digits
from workers.archive.shape import END, NULL
from workers.archive.texts import Slots, join_all, part_all

# Times that are kept as they are; all others as microseconds since the signal fired.
ABSOLUTE = frozenset({"triggered_at", "created_at", "updated_at"})
# Readers look for these: as text, whose smallest and greatest DuckDB compares with what it looks for.
SOUGHT = frozenset({"user_id", "trader_id"})
# Texts that repeat each other's numbers share a shape.
TOGETHER: dict[Kind, tuple[str, ...]] = {
    "signals": ("matched_conditions", "original_signal"),
    "events": (),
    "snapshots": (),
}
# The number that others are near to.
PRICE: dict[Kind, str] = {"signals": "initial_price", "events": "", "snapshots": "price"}


class Damaged(SigtrailError):
    """What is in a file of the archive cannot be what was written."""


def shapes(kind: Kind, columns: Sequence[Column]) -> list[tuple[str, ...]]:
    """Which JSON columns share a shape; the first one names it."""
    texts = [column.name for column in columns if column.form == "json"]
    together = tuple(name for name in TOGETHER[kind] if name in texts)
    alone = [(name,) for name in texts if name not in together]
    return ([together] if together else []) + alone


# Encoding ------------------------------------------------------------------------------------------------


def encode(kind: Kind, columns: Sequence[Column], window: pa.Table) -> pa.Table:
    """The window as a file holds it. Columns without any value are left out."""
    fields: dict[str, pa.Array] = {}
    base = _base(window, window.num_rows)
    for column in columns:
        values = window[column.name].combine_chunks()
        if column.name == ID_COLUMN[kind]:
            fields["id"] = to_bytes(_only_strange(values, derive(window)))
        elif column.form == "uuid":
            fields[column.name] = values if column.name in SOUGHT else to_bytes(values)
        elif column.form == "time" and column.name not in ABSOLUTE:
            fields[f"{column.name}_after"] = pc.subtract_checked(values, base)
        elif column.form == "number":
            fields |= _encode_numbers(column.name, values)
        elif column.form != "json":
            fields[column.name] = values
    prices, moments = _beside(kind, window)
    for names in shapes(kind, columns):
        fields |= _encode_texts(names, [window[name].combine_chunks() for name in names], prices, moments)
    kept = {name: values for name, values in fields.items() if values.null_count < len(values)}
    return pa.table(kept)


def _base(window: pa.Table, rows: int) -> pa.Array:
    if "triggered_at" not in window.column_names:
        return pa.array(np.zeros(rows, dtype=np.int64))
    return pc.fill_null(window["triggered_at"].combine_chunks(), 0)


def _beside(kind: Kind, window: pa.Table) -> tuple[list[str | None], list[int | None]]:
    rows = window.num_rows
    price = PRICE[kind]
    prices = window[price].to_pylist() if price in window.column_names else [None] * rows
    if "triggered_at" not in window.column_names:
        return prices, [None] * rows
    return prices, _milliseconds(window["triggered_at"].combine_chunks())


def _milliseconds(moments: pa.Array) -> list[int | None]:
    return [None if one is None else one // 1000 for one in moments.to_pylist()]


def _only_strange(ids: pa.Array, derived: pa.Array) -> pa.Array:
    same = pc.fill_null(pc.equal(ids, derived), False)
    return pc.if_else(same, pa.scalar(None, pa.string()), ids)


def _encode_numbers(name: str, values: pa.Array) -> dict[str, pa.Array]:
    coded = values.dictionary_encode()
    units: list[int | None] = []
    scales: list[int | None] = []
    texts: list[str | None] = []
    for text in coded.dictionary.to_pylist():
        whole, _, fraction = text.partition(".")
        digits = (whole + fraction).removeprefix("-")
        if digits.isdigit() and digits.isascii() and len(digits) <= 18:
            unit, scale = int(whole + fraction), len(fraction)
            if write_number(unit, scale) == text:
                units.append(unit), scales.append(scale), texts.append(None)  # type: ignore[func-returns-value]
                continue
        units.append(None), scales.append(None), texts.append(text)  # type: ignore[func-returns-value]
    return {
        name: pa.array(units, pa.int64()).take(coded.indices),
        f"{name}_scale": pa.array(scales, pa.int16()).take(coded.indices),
        f"{name}_text": pa.array(texts, pa.string()).take(coded.indices),
    }


def write_number(unit: int, scale: int) -> str:
    """A number as PostgreSQL writes it, with all its decimals."""
    if scale == 0:
        return str(unit)
    digits = str(abs(unit)).rjust(scale + 1, "0")
    return f"{'-' if unit < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def _encode_texts(
    names: tuple[str, ...], texts: list[pa.Array], prices: list[str | None], moments: list[int | None]
) -> dict[str, pa.Array]:
    whole = texts[0] if len(texts) == 1 else _together(texts)
    parted = part_all(whole.to_pylist(), prices, moments)
    fields = {f"{names[0]}_shape": pa.array(parted.shapes, pa.string())}
    for letter, columns in (("i", parted.integers), ("d", parted.doubles)):
        for place, (values, has) in enumerate(columns):
            fields[f"{names[0]}_{letter}{place}"] = pa.array(values, mask=~has)
    return fields


def _together(texts: list[pa.Array]) -> pa.Array:
    """The texts of each row as one; null where none of them is."""
    some = pa.array(np.logical_or.reduce([np.asarray(one.is_valid()) for one in texts]))
    whole = pc.binary_join_element_wise(*(pc.fill_null(one, NULL) for one in texts), END)
    return pc.if_else(some, whole, pa.scalar(None, pa.string()))


# Decoding ------------------------------------------------------------------------------------------------


def needed(kind: Kind, columns: Sequence[Column], wanted: Sequence[str]) -> list[str]:
    """The fields of a file that these columns are made of, for `choose`; a star stands for digits."""
    names = {"id", "trader_id", "symbol", "interval", "triggered_at"} if ID_COLUMN[kind] in wanted else set()
    forms = {column.name: column.form for column in columns}
    for name in wanted:
        form = forms.get(name)
        if name == ID_COLUMN[kind]:
            continue
        if form == "time" and name not in ABSOLUTE:
            names |= {f"{name}_after", "triggered_at"}
        elif form == "number":
            names |= _number_fields(name)
        elif form == "json":
            group = next(one for one in shapes(kind, columns) if name in one)
            names |= {f"{group[0]}_shape", f"{group[0]}_i*", f"{group[0]}_d*", "triggered_at"}
            names |= _number_fields(PRICE[kind]) if PRICE[kind] else set()
        else:
            names.add(name)
    return sorted(names)


def _number_fields(name: str) -> set[str]:
    return {name, f"{name}_scale", f"{name}_text"}


def choose(fields: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of a file's fields that `needed` asked for."""
    exact = {name for name in names if not name.endswith("*")}
    stems = [name[:-1] for name in names if name.endswith("*")]
    return [
        field
        for field in fields
        if field in exact or any(field.startswith(stem) and field[len(stem) :].isdigit() for stem in stems)
    ]


def decode(
    kind: Kind, columns: Sequence[Column], stored: pa.Table, wanted: Sequence[str] | None = None
) -> dict[str, pa.Array]:
    """The wanted columns (all without it) of some rows of a file, as `encode` was given them.

    Raises Damaged where the fields of the file contradict each other.
    """
    rows = stored.num_rows
    out: dict[str, pa.Array] = {}
    base = _base(stored, rows)
    chosen = [column for column in columns if wanted is None or column.name in wanted]
    for column in chosen:
        if column.name == ID_COLUMN[kind]:
            out[column.name] = _decode_ids(stored)
        elif column.form == "uuid" and column.name not in SOUGHT:
            out[column.name] = to_digits(_take(stored, column.name, pa.binary(16)))
        elif column.form == "time" and column.name not in ABSOLUTE:
            out[column.name] = pc.add_checked(_take(stored, f"{column.name}_after", pa.int64()), base)
        elif column.form == "number":
            out[column.name] = decode_number(stored, column.name)
        elif column.form in ("time", "integer"):
            out[column.name] = _take(stored, column.name, pa.int64())
        elif column.form == "flag":
            out[column.name] = _take(stored, column.name, pa.bool_())
        elif column.form != "json":
            out[column.name] = _take(stored, column.name, pa.string())
    texts = {column.name for column in chosen if column.form == "json"}
    for names in shapes(kind, columns):
        if texts.intersection(names):
            out |= _decode_texts(kind, names, stored)
    return {column.name: out[column.name] for column in chosen}


def _take(stored: pa.Table, name: str, kind: pa.DataType) -> pa.Array:
    if name not in stored.column_names:
        return pa.nulls(stored.num_rows, kind)
    values = stored[name].combine_chunks()
    return values if values.type == kind else values.cast(kind)


def _decode_ids(stored: pa.Table) -> pa.Array:
    kept = to_digits(_take(stored, "id", pa.binary(16)))
    if kept.null_count == 0:
        return kept
    sources = {name: _take(stored, name, pa.string()) for name in ("trader_id", "symbol", "interval")}
    derived = derive(pa.table(sources | {"triggered_at": _take(stored, "triggered_at", pa.int64())}))
    ids = pc.coalesce(kept, derived)
    if ids.null_count:
        raise Damaged("a row of the archive has no id, and nothing that it would follow from")
    return ids


def decode_number(stored: pa.Table, name: str) -> pa.Array:
    """A column of numbers as texts."""
    units, scales = _take(stored, name, pa.int64()), _take(stored, f"{name}_scale", pa.int16())
    texts = _take(stored, f"{name}_text", pa.string())
    if units.null_count == len(units):
        return texts
    unit, scale = np.asarray(pc.fill_null(units, 0)), np.asarray(pc.fill_null(scales, 0))
    written = np.empty(len(unit), dtype=object)
    for one in np.unique(scale).tolist():
        here = np.flatnonzero(scale == one)
        distinct, back = np.unique(unit[here], return_inverse=True)
        written[here] = np.array([write_number(value, one) for value in distinct.tolist()], dtype=object)[
            back
        ]
    kept = pa.array(written, pa.string(), mask=~np.asarray(units.is_valid()))
    return pc.coalesce(kept, texts)


def _decode_texts(kind: Kind, names: tuple[str, ...], stored: pa.Table) -> dict[str, pa.Array]:
    shapes_ = _take(stored, f"{names[0]}_shape", pa.string()).to_pylist()
    slots = Slots(
        shapes_,
        _slots(stored, f"{names[0]}_i", pa.int64()),
        _slots(stored, f"{names[0]}_d", pa.float64()),
    )
    price, rows = PRICE[kind], stored.num_rows
    prices: list[Any] = decode_number(stored, price).to_pylist() if price else [None] * rows
    moments = _milliseconds(_take(stored, "triggered_at", pa.int64()))
    try:
        whole = join_all(slots, prices, moments)
    except (IndexError, TypeError, ValueError) as error:
        raise Damaged(f"a shape of {names[0]} does not fit its row: {error}") from error
    if len(names) == 1:
        return {names[0]: pa.array(whole, pa.string())}
    parts: list[list[str | None]] = [[] for _ in names]
    for text in whole:
        texts = [NULL] * len(names) if text is None else text.split(END)
        if len(texts) != len(names):
            raise Damaged(f"a shape holds {len(texts)} texts instead of {len(names)}")
        for values, one in zip(parts, texts, strict=True):
            values.append(None if one == NULL else one)
    return {name: pa.array(values, pa.string()) for name, values in zip(names, parts, strict=True)}


def _slots(stored: pa.Table, stem: str, kind: pa.DataType) -> list[Any]:
    names = [name for name in stored.column_names if name.startswith(stem) and name[len(stem) :].isdigit()]
    names.sort(key=lambda name: int(name[len(stem) :]))
    found = []
    for name in names:
        values = _take(stored, name, kind)
        found.append((np.asarray(pc.fill_null(values, 0)), np.asarray(values.is_valid())))
    return found
