"""Ids of a whole window at once: as digits, as bytes, and derived from what the signals are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.identity import LAST_MS, signal_id

Octets = npt.NDArray[np.uint8]

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)
_NO_DIGIT = 255
_VALUES = np.full(256, _NO_DIGIT, np.uint8)
_VALUES[_DIGITS] = np.arange(16)
_SEPARATOR = "|"


def to_bytes(digits: pa.Array) -> pa.Array:
    """Ids of 32 lower-case hexadecimal digits as 16 bytes. Raises ValueError for anything else."""
    present = pc.fill_null(digits, "0" * 32)
    if not pc.all(pc.equal(pc.binary_length(present), 32), min_count=0).as_py():
        raise ValueError("an id has not 32 hexadecimal digits")
    values = _VALUES[_octets(present, 32)]
    if (values == _NO_DIGIT).any():
        raise ValueError("an id has not 32 hexadecimal digits")
    whole: Octets = ((values[:, 0::2] << 4) | values[:, 1::2]).astype(np.uint8, copy=False)
    return _fixed(whole, digits)


def to_digits(ids: pa.Array) -> pa.Array:
    """The 32 hexadecimal digits of ids of 16 bytes."""
    octets = _octets(pc.fill_null(ids, bytes(16)), 16)
    return pc.if_else(ids.is_valid(), _texts(octets), pa.scalar(None, pa.string()))


def derive(window: pa.Table) -> pa.Array:
    """The ids that follow from what the signals are, as 32 hexadecimal digits; null where nothing follows."""
    parts = [window[name].combine_chunks() for name in ("trader_id", "symbol", "interval")]
    moments = window["triggered_at"].combine_chunks()
    rows = window.num_rows
    # No trader's id and no symbol of a derived id holds the separator: `signal_id` refuses it.
    coded = pc.binary_join_element_wise(*parts, _SEPARATOR).dictionary_encode()
    high, low = np.zeros(len(coded.dictionary), np.uint64), np.zeros(len(coded.dictionary), np.uint64)
    named = np.zeros(len(coded.dictionary) + 1, np.bool_)
    for place, name in enumerate(coded.dictionary.to_pylist()):
        trader, _, rest = name.partition(_SEPARATOR)
        symbol, _, interval = rest.partition(_SEPARATOR)
        try:
            bits = signal_id(_dashed(trader), symbol, interval, 0).int
        except ValueError:
            continue
        high[place], low[place], named[place] = bits >> 64, bits & ((1 << 64) - 1), True
    codes = np.asarray(pc.fill_null(coded.indices, -1)).astype(np.int64)
    ms = np.asarray(pc.fill_null(moments, -1)) // 1000
    good = named[codes] & (codes >= 0) & (ms >= 0) & (ms <= LAST_MS)
    if not good.any():
        return pa.nulls(rows, pa.string())
    octets = np.empty((rows, 2), dtype=">u8")
    octets[:, 0] = (np.where(good, ms, 0).astype(np.uint64) << np.uint64(16)) | high[np.where(good, codes, 0)]
    octets[:, 1] = low[np.where(good, codes, 0)]
    return pc.if_else(pa.array(good), _texts(octets.view(np.uint8)), pa.scalar(None, pa.string()))


def _dashed(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _octets(values: pa.Array, width: int) -> Octets:
    """The bytes of values that all have this width, without nulls, one row a value."""
    if pa.types.is_fixed_size_binary(values.type):
        data, start = values.buffers()[1], values.offset * width
    else:
        _, offsets, data = values.buffers()
        start = (
            int(np.frombuffer(offsets, np.int32)[values.offset]) if offsets is not None and len(values) else 0
        )
    if data is None or not len(values):
        return np.zeros((0, width), np.uint8)
    return np.frombuffer(data, np.uint8)[start : start + width * len(values)].reshape(-1, width)


def _texts(octets: Octets) -> pa.Array:
    digits = np.empty((len(octets), 32), np.uint8)
    digits[:, 0::2], digits[:, 1::2] = _DIGITS[octets >> 4], _DIGITS[octets & 15]
    offsets = np.arange(0, 32 * len(octets) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(octets), pa.py_buffer(offsets), pa.py_buffer(digits))


def _fixed(octets: Octets, like: pa.Array) -> pa.Array:
    whole = pa.Array.from_buffers(
        pa.binary(16), len(octets), [None, pa.py_buffer(np.ascontiguousarray(octets))]
    )
    return pc.if_else(like.is_valid(), whole, pa.scalar(None, pa.binary(16)))
