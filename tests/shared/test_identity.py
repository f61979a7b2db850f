"""A signal's id is its identity: the same on every machine, in every language, in order of time."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identity import LAST_MS, floor_ms, from_ms, human_name, lowest_id, signal_id, triggered_ms

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signal_ids.json").read_text("utf-8"))
names = st.text(st.characters(exclude_characters="|", exclude_categories=["Cs"]), min_size=1, max_size=40)
milliseconds = st.integers(0, LAST_MS)


def write_bits(trader: UUID, symbol: str, interval: str, ms: int) -> UUID:
    """The definition in the words of the architecture, bit by bit."""
    digest = hashlib.sha256(f"{trader}|{symbol}|{interval}".encode()).digest()
    bits = "".join(f"{byte:08b}" for byte in digest)[:74]
    return UUID(int=int(f"{ms:048b}1000{bits[:12]}10{bits[12:]}", 2))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one["id"])
def test_common_vectors(vector: dict[str, object]) -> None:
    computed = signal_id(
        str(vector["trader_id"]),
        str(vector["symbol"]),
        str(vector["interval"]),
        int(str(vector["triggered_at_ms"])),
    )
    assert str(computed) == vector["id"]


@given(st.uuids(), names, names, milliseconds)
def test_follows_the_definition_bit_by_bit(trader: UUID, symbol: str, interval: str, ms: int) -> None:
    one = signal_id(trader, symbol, interval, ms)
    assert one == write_bits(trader, symbol, interval, ms)
    assert (one.version, one.variant) == (8, "specified in RFC 4122")
    assert triggered_ms(one) == ms
    assert one == signal_id(str(trader).upper(), symbol, interval, ms)


@given(st.uuids(), st.uuids(), names, names, milliseconds, milliseconds)
def test_orders_by_time(one: UUID, other: UUID, symbol: str, interval: str, early: int, late: int) -> None:
    early, late = sorted((early, late))
    if early < late:
        assert signal_id(one, symbol, interval, early) < signal_id(other, symbol, interval, late)
    assert lowest_id(late) <= signal_id(one, symbol, interval, late)


@given(st.uuids(), st.uuids(), milliseconds)
def test_differs_with_each_part_of_the_name(one: UUID, other: UUID, ms: int) -> None:
    ids = {
        signal_id(one, "BTCUSDT", "1m", ms),
        signal_id(one, "ETHUSDT", "1m", ms),
        signal_id(one, "BTCUSDT", "5m", ms),
    }
    assert len(ids) == 3
    assert (signal_id(other, "BTCUSDT", "1m", ms) in ids) == (one == other)


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31)), st.integers(-14, 14))  # noqa: DTZ001
def test_floors_the_milliseconds_in_any_zone(naive: datetime, hours: int) -> None:
    moment = naive.replace(tzinfo=UTC)
    ms = floor_ms(moment)
    assert from_ms(ms) <= moment < from_ms(ms + 1)
    if moment.year < 9999:
        assert floor_ms(moment.astimezone(timezone(timedelta(hours=hours)))) == ms


def test_never_rounds_up() -> None:
    moment = datetime(2025, 10, 3, 10, 29, 59, 999_999, tzinfo=UTC)
    assert floor_ms(moment) == 1759487399999
    assert floor_ms(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)) == -1


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "", "1m", 1), "symbol"),
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BTC|USDT", "1m", 1), "symbol"),
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BTCUSDT", "1|m", 1), "interval"),
        (("6ba7b8109dad11d180b400c04fd430c8", "BTCUSDT", "1m", 1), "canonical"),
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BTCUSDT", "1m", -1), "48 bits"),
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BTCUSDT", "1m", LAST_MS + 1), "48 bits"),
        (("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BTCUSDT", "1m", datetime(2025, 1, 1)), "zone"),  # noqa: DTZ001
    ],
)
def test_refuses_what_has_no_identity(arguments: tuple[str, str, str, int], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        signal_id(*arguments)


def test_other_uuids_are_no_signals() -> None:
    with pytest.raises(ValueError, match="version 8"):
        triggered_ms(UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"))


def test_the_name_that_people_know() -> None:
    assert human_name("BTCUSDT", 1759487400000) == "BTCUSDT-1759487400000"
