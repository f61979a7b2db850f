"""How the marks of a seal's events lie in its file: column by column, where transaction and number repeat
themselves, packed. Of a mark's six bytes about four are left, which are a hash's."""

from __future__ import annotations

import zlib

import numpy as np

from workers.archive.records import MARK_AT

MARK_BYTES = len(MARK_AT)


def pack(marks: bytes) -> bytes:
    """Marks, one event after the other, as a file keeps them."""
    return zlib.compress(_turn(marks, MARK_BYTES), 9)


def unpack(packed: bytes, count: int) -> bytes:
    """The marks of `count` events. Raises ValueError when these are others."""
    reader = zlib.decompressobj()
    try:
        # No more than there should be: whoever writes to the store could have a file fill the memory.
        columns = reader.decompress(packed, MARK_BYTES * count + 1)
    except zlib.error as error:
        raise ValueError(f"its marks cannot be read: {error}") from error
    if len(columns) != MARK_BYTES * count or not reader.eof:
        raise ValueError(f"its marks are not those of {count} events")
    return _turn(columns, count)


def _turn(table: bytes, columns: int) -> bytes:
    """Bytes in rows of so many columns, with the columns as rows."""
    return np.frombuffer(table, np.uint8).reshape(-1, max(1, columns)).T.tobytes()
