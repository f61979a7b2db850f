"""What machines and the database say to each other about traders and signals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.identity import human_name

Side = Literal["long", "short"]
MarketKind = Literal["usdm", "spot"]


class Trader(BaseModel):
    """A trader as the signals role reads it: who fires, on what, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    name: str
    market: MarketKind
    symbols: tuple[str, ...]
    interval: str
    side: Side = "long"
    conditions: tuple[str, ...]
    status: str = "active"
    # When it was last changed by anybody; None where nobody asks.
    updated_at: datetime | None = None


# What `Trader` needs of the table, as a select list.
TRADER_COLUMNS = ",".join(Trader.model_fields)


@dataclass(frozen=True, slots=True)
class Signal:
    """A trader's condition became true at the close of a candle.

    `normalised_symbol` is ccxt's unified name of the symbol: finding it here costs the database nothing.
    `price` is that close. `matched_conditions` are the parts that held, each {text, values};
    `original_signal` is what the trader saw: the candle, the condition and the indicators.
    """

    id: UUID
    trader_id: UUID
    symbol: str
    normalised_symbol: str
    interval: str
    side: Side
    triggered_ms: int
    price: Decimal
    matched_conditions: tuple[Mapping[str, Any], ...] = ()
    original_signal: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name people know it by."""
        return human_name(self.symbol, self.triggered_ms)

    def row(self) -> dict[str, Any]:
        """The row for `ingest_signals`, ready for JSON: money as text, the time in milliseconds."""
        return {
            "id": str(self.id),
            "trader_id": str(self.trader_id),
            "symbol": self.symbol,
            "normalised_symbol": self.normalised_symbol,
            "interval": self.interval,
            "triggered_at": self.triggered_ms,
            "price": format(self.price, "f"),
            "side": self.side,
            "matched_conditions": list(self.matched_conditions),
            "original_signal": dict(self.original_signal),
        }
