"""The payloads of a window of archived events at once: the bytes of `record_send`, out of Arrow columns."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from hashlib import sha256
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.archive.ids import to_bytes
from workers.archive.records import BYTEA, EVENT_COLUMNS, SIGNAL_COLUMNS, TEXT, TIMESTAMPTZ, UUID_

# Microseconds from 1970 to 2000, where PostgreSQL's time begins.
_EPOCH = 946_684_800_000_000
_COLUMNS = len(EVENT_COLUMNS) + len(SIGNAL_COLUMNS)


def hash_payloads(events: Mapping[str, pa.Array], signals: Mapping[str, pa.Array], rows: int) -> list[bytes]:
    """SHA-256 of each row's payload. Columns that are missing are null in all rows.

    Values travel as in columns.py: ids as digits, times as microseconds, all else as text.
    """
    pieces = [_texts([struct.pack(">i", _COLUMNS)], np.zeros(rows, np.int64))]
    for values, columns in ((events, EVENT_COLUMNS), (signals, SIGNAL_COLUMNS)):
        for name, type_ in columns:
            pieces += _frame(values.get(name), type_, rows)
    whole = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.binary()))
    _, offsets, data = whole.buffers()
    if data is None:
        return []
    places = np.frombuffer(offsets, np.int32)[whole.offset : whole.offset + rows + 1].tolist()
    view = memoryview(data)
    return [sha256(view[start:end]).digest() for start, end in pairwise(places)]


def _frame(values: pa.Array | None, type_: int, rows: int) -> list[pa.Array]:
    """Type and length of each row's value, and the value."""
    if values is None or values.null_count == rows:
        return [_texts([struct.pack(">Ii", type_, -1)], np.zeros(rows, np.int64))]
    if type_ == UUID_:
        binary = _fixed(to_bytes(values), 16)
    elif type_ == TIMESTAMPTZ:
        micros = np.asarray(pc.fill_null(values, 0)) - _EPOCH
        binary = _from_octets(micros.astype(">i8").view(np.uint8).reshape(-1, 8))
    elif type_ in (TEXT, BYTEA):
        binary = pc.fill_null(values, "").cast(pa.binary())
    else:
        raise TypeError(f"no sealed column has the type {type_}")
    head = np.empty(rows, dtype=[("type", ">u4"), ("length", ">i4")])
    head["type"] = type_
    valid = np.asarray(values.is_valid())
    head["length"] = np.where(valid, np.asarray(pc.binary_length(binary)), -1)
    if not valid.all():
        binary = pc.if_else(pa.array(valid), binary, pa.scalar(b"", pa.binary()))
    return [_from_octets(head.view(np.uint8).reshape(-1, 8)), binary]


def _fixed(values: pa.Array, width: int) -> pa.Array:
    data = values.buffers()[1]
    octets = np.frombuffer(data, np.uint8)[values.offset * width :][: width * len(values)]
    return _from_octets(octets.reshape(-1, width))


def _from_octets(octets: npt.NDArray[np.uint8]) -> pa.Array:
    rows, width = octets.shape
    offsets = np.arange(0, rows * width + 1, width, dtype=np.int32)
    data = pa.py_buffer(np.ascontiguousarray(octets))
    return pa.Array.from_buffers(pa.binary(), rows, [None, pa.py_buffer(offsets), data])


def _texts(texts: list[bytes], chosen: npt.NDArray[np.int64]) -> pa.Array:
    return pa.array(texts, pa.binary()).take(pa.array(chosen))
