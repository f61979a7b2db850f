"""The hash of what rows say, however they are stored: in the database, or in a file.

For each window of rows, for each column in order: its name and form, one byte a row (1 where there is a
value), then the values that are there. Whole numbers and times take 8 bytes, little-endian; flags one; texts
are the lengths of their UTF-8 as 4 bytes each, then the bytes one after the other. A file has the SHA-256 of
the hashes of its windows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workers.archive.columns import Column


def digest_window(columns: Sequence[Column], values: Mapping[str, pa.Array]) -> bytes:
    """SHA-256 of one window, whose columns all have the same length."""
    digest = hashlib.sha256()
    for column in columns:
        array = values[column.name]
        digest.update(f"{column.name}:{column.form}:{len(array)}\n".encode())
        digest.update(np.asarray(array.is_valid()).astype(np.uint8).tobytes())
        present = array.drop_null()
        if pa.types.is_string(array.type):
            digest.update(pc.binary_length(present).to_numpy(zero_copy_only=False).astype("<i4").tobytes())
            digest.update(_bytes_of(present))
        elif pa.types.is_boolean(array.type):
            digest.update(present.to_numpy(zero_copy_only=False).astype(np.uint8).tobytes())
        else:
            digest.update(present.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    return digest.digest()


def _bytes_of(texts: pa.Array) -> bytes:
    _, offsets, data = texts.buffers()
    if data is None or len(texts) == 0:
        return b""
    places = np.frombuffer(offsets, np.int32)
    return bytes(data[int(places[texts.offset]) : int(places[texts.offset + len(texts)])])
