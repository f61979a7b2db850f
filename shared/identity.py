"""The identity of a signal: a UUIDv8 (RFC 9562) that any machine computes alike.

Layout, most significant bit first:

    48 bits  Unix milliseconds of `triggered_at`, floored
     4 bits  version, 8
    12 bits  bits 1-12 of the digest
     2 bits  variant, 10
    62 bits  bits 13-74 of the digest

The digest is SHA-256 over the UTF-8 text `trader_id|symbol|interval`, with the trader's id in its canonical
lower-case form. SQL and TypeScript hold the same definition; tests/vectors/signal_ids.json keeps the three
together.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
LAST_MS = (1 << 48) - 1

_VERSION_AND_VARIANT = (0x8 << 76) | (0b10 << 62)
_LOW_62 = (1 << 62) - 1


def signal_id(trader_id: UUID | str, symbol: str, interval: str, triggered_at: datetime | int) -> UUID:
    """The id of the signal that this trader fires on this symbol and interval at this candle's close.

    `triggered_at` is an aware datetime or whole Unix milliseconds. Raises ValueError for a time that has no
    zone or does not fit 48 bits, for an empty name and for a name with the separator in it.
    """
    ms = triggered_at if isinstance(triggered_at, int) else floor_ms(triggered_at)
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"triggered_at {ms} ms does not fit the 48 bits of a signal's id")
    return UUID(int=(ms << 80) | _name_bits(str(trader_id).lower(), symbol, interval))


def floor_ms(moment: datetime) -> int:
    """Whole Unix milliseconds of an aware datetime, floored (also before 1970), never rounded."""
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment.isoformat()} has no time zone")
    return (moment - EPOCH) // MILLISECOND


def from_ms(ms: int) -> datetime:
    """The aware UTC datetime of whole Unix milliseconds, without passing through a float."""
    return EPOCH + timedelta(milliseconds=ms)


def triggered_ms(signal: UUID) -> int:
    """The Unix milliseconds that a signal's id carries. Raises ValueError for an id that is no UUIDv8."""
    if signal.version != 8:
        raise ValueError(f"{signal} is not a signal's id (UUID version 8)")
    return signal.int >> 80


def lowest_id(ms: int) -> UUID:
    """The bound below which no signal of `ms` or later lies: for ranges of time on the id."""
    if not 0 <= ms <= LAST_MS:
        raise ValueError(f"{ms} ms does not fit the 48 bits of a signal's id")
    return UUID(int=ms << 80)


def human_name(symbol: str, ms: int) -> str:
    """The name people know a signal by, such as `BTCUSDT-1759487400000`; not unique over traders."""
    return f"{symbol}-{ms}"


# A trader fires on the same symbol again and again: the digest is the same each time.
@lru_cache(maxsize=65536)
def _name_bits(trader_id: str, symbol: str, interval: str) -> int:
    canonical = str(UUID(trader_id))
    if canonical != trader_id:
        raise ValueError(f"the trader id {trader_id!r} is not in canonical form ({canonical})")
    for field, text in (("symbol", symbol), ("interval", interval)):
        if not text or "|" in text:
            raise ValueError(f"the {field} {text!r} must not be empty and must not contain '|'")
    digest = hashlib.sha256(f"{trader_id}|{symbol}|{interval}".encode()).digest()
    first_74 = int.from_bytes(digest[:10], "big") >> 6
    return _VERSION_AND_VARIANT | ((first_74 >> 62) << 64) | (first_74 & _LOW_62)
