"""SQL makes the same ids as Python and TypeScript, to the bit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.identity import signal_id
from shared.models import MarketKind
from shared.symbols import QUOTES, unify
from tests.database.stage import Stage, one

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "signal_ids.json").read_text())
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_common_vectors(stage: Stage) -> None:
    assert len(VECTORS) >= 20
    for vector in VECTORS:
        made = one(
            stage.operator,
            "select private.signal_id(%s::uuid, %s, %s, %s::bigint)",
            vector["trader_id"], vector["symbol"], vector["interval"], vector["triggered_at_ms"],
        )  # fmt: skip
        assert str(made) == vector["id"], vector
        ms = one(stage.operator, "select private.unix_ms(public.signal_time(%s::uuid))", vector["id"])
        assert ms == vector["triggered_at_ms"], vector


def test_any_signal_has_the_same_id_in_python(stage: Stage) -> None:
    @settings(max_examples=200, deadline=None)
    @given(
        st.uuids(),
        st.text("ABCDEFXYZ0123456789-_/:é", min_size=1, max_size=20),
        st.sampled_from(["1m", "5m", "1h", "1d"]),
        st.integers(0, 4_102_444_800_000),
    )
    def same(trader_id: UUID, symbol: str, interval: str, ms: int) -> None:
        at = EPOCH + timedelta(milliseconds=ms)
        made = one(stage.operator, "select public.signal_id(%s, %s, %s, %s)", trader_id, symbol, interval, at)
        assert made == signal_id(trader_id, symbol, interval, ms)

    same()


def test_milliseconds_are_floored(stage: Stage) -> None:
    made = "select public.signal_id(%s, 'X', '1m', timestamptz '2026-01-01T00:00:00Z' + %s::interval)"
    trader = UUID(int=1)
    whole = one(stage.operator, made, trader, "0.123 seconds")
    assert one(stage.operator, made, trader, "0.123999 seconds") == whole
    assert one(stage.operator, made, trader, "0.124 seconds") != whole


def test_any_symbol_has_the_same_unified_name_in_python(stage: Stage) -> None:
    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.sampled_from([*QUOTES, "A", "1000PEPE", "U", "F", "é", "-"]), min_size=1, max_size=4).map(
            "".join
        ),
        st.sampled_from(["usdm", "spot"]),
    )
    def same(symbol: str, market: MarketKind) -> None:
        assert one(stage.operator, "select private.normalised_symbol(%s, %s)", symbol, market) == unify(
            symbol, market
        )

    same()
