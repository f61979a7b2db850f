"""What an event is to the seals: its columns, and the bytes that a digest is made of.

The bytes are those of PostgreSQL's `record_send`: the number of columns (4 bytes), then of each column its
type's oid (4), the length of its value (4, -1 for null) and the value in PostgreSQL's binary form. Columns
and types are fixed, every length is written, null differs from empty: no two rows have the same bytes.
`private.sealed_content` hashes the same ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

BYTEA, INT8, INT4, TEXT, DATE, TIMESTAMPTZ, UUID_ = 17, 20, 23, 25, 1082, 1184, 2950

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTHS = [struct.pack(">i", length) for length in range(4096)]
_NULL = struct.pack(">i", -1)


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """What of a signal's row never changes. Decimals and JSON are the texts that PostgreSQL prints."""

    id: UUID
    user_id: UUID
    trader_id: UUID
    machine_id: UUID | None
    triggered_at: datetime
    created_at: datetime
    source: str
    side: str
    symbol: str
    normalised_symbol: str
    interval: str
    initial_price: str | Decimal
    matched_conditions: str
    original_signal: str | None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One row of `signal_events`; the first event of a signal brings its `signal` along.

    JSON columns are the texts that PostgreSQL prints of jsonb, times are aware.
    """

    signal_id: UUID
    number: int
    tx: int
    user_id: UUID
    order_id: UUID | None
    position_id: UUID | None
    execution_id: UUID | None
    occurred_at: datetime
    created_at: datetime
    event_type: str
    location: str
    from_status: str | None
    to_status: str | None
    worker: str | None
    event_data: str | None
    error_info: str | None
    signal: SignalRecord | None = None


# Column and type, in the order of the payload. Free texts and JSON go as bytea: their bytes are UTF-8 then,
# whatever encoding a client asks for.
EVENT_COLUMNS: tuple[tuple[str, int], ...] = (
    ("signal_id", UUID_),
    ("user_id", UUID_),
    ("order_id", UUID_),
    ("position_id", UUID_),
    ("execution_id", UUID_),
    ("occurred_at", TIMESTAMPTZ),
    ("created_at", TIMESTAMPTZ),
    ("event_type", TEXT),
    ("location", TEXT),
    ("from_status", TEXT),
    ("to_status", TEXT),
    ("worker", BYTEA),
    ("event_data", BYTEA),
    ("error_info", BYTEA),
)
SIGNAL_COLUMNS: tuple[tuple[str, int], ...] = (
    ("id", UUID_),
    ("user_id", UUID_),
    ("trader_id", UUID_),
    ("machine_id", UUID_),
    ("triggered_at", TIMESTAMPTZ),
    ("created_at", TIMESTAMPTZ),
    ("source", TEXT),
    ("side", TEXT),
    ("symbol", BYTEA),
    ("normalised_symbol", BYTEA),
    ("interval", BYTEA),
    ("initial_price", TEXT),
    ("matched_conditions", BYTEA),
    ("original_signal", BYTEA),
)


def framer(types: Iterable[int]) -> Callable[[Sequence[bytes | None]], bytes]:
    """A function that frames the binary values of columns of these types as `record_send` does."""
    heads = [struct.pack(">I", oid) for oid in types]
    nulls = [head + _NULL for head in heads]
    count = struct.pack(">i", len(heads))

    def frame(values: Sequence[bytes | None]) -> bytes:
        parts = [
            null if value is None else head + _length(len(value)) + value
            for head, null, value in zip(heads, nulls, values, strict=True)
        ]
        return count + b"".join(parts)

    return frame


payload_of = framer(oid for _, oid in EVENT_COLUMNS + SIGNAL_COLUMNS)
"""The payload of an event out of the binary values of EVENT_COLUMNS and SIGNAL_COLUMNS."""

_PLACE = struct.Struct(">qi").pack
# Transaction (8 bytes), number (4), SHA-256 of the payload (32).
RECORD_BYTES = 44
# Which of those bytes a seal's file keeps, to find the place when the seal is broken: the last ones of
# transaction and number, and the first four of the hash. With one of them, every 256th change kept its mark.
MARK_AT = (7, 11, 12, 13, 14, 15)


def record_of(payload: bytes, number: int, tx: int) -> bytes:
    """What a seal hashes of an event, one event after the other."""
    return _PLACE(tx, number) + sha256(payload).digest()


def values_of(record: EventRecord) -> list[bytes | None]:
    """The binary values of an event's columns, those of its signal included."""
    values = [to_binary(getattr(record, name)) for name, _ in EVENT_COLUMNS]
    signal = record.signal
    return values + [
        None if signal is None else to_binary(getattr(signal, name)) for name, _ in SIGNAL_COLUMNS
    ]


def digest(record: EventRecord) -> bytes:
    """What a seal hashes of this event: no two events have the same bytes."""
    return record_of(payload_of(values_of(record)), record.number, record.tx)


def to_binary(value: Any) -> bytes | None:
    """A value as PostgreSQL sends it in binary."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return struct.pack(">q", (value - _EPOCH) // _MICROSECOND)
    if isinstance(value, Decimal):
        return format(value, "f").encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, date):
        return struct.pack(">i", (value - _EPOCH.date()).days)
    raise TypeError(f"{type(value).__name__} is no type of a sealed column")


def from_time(value: bytes) -> datetime:
    """The time out of PostgreSQL's binary form."""
    moment: int = struct.unpack(">q", value)[0]
    return _EPOCH + timedelta(microseconds=moment)


def int8(value: int | None) -> bytes | None:
    """A bigint as PostgreSQL sends it."""
    return None if value is None else struct.pack(">q", value)


def _length(length: int) -> bytes:
    return _LENGTHS[length] if length < len(_LENGTHS) else struct.pack(">i", length)
