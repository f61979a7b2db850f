"""What is tested: a trader's definition out of a JSON file, with the defaults of the table of traders."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.candles import INTERVALS
from shared.errors import InputError
from shared.models import MarketKind, Side, Trader
from shared.money import text
from workers.signals.parser import parse_all

# Columns of the table that say nothing about when it fires and how it trades.
UNREAD = frozenset(
    {
        "user_id", "default_exchange_account_id", "status", "created_at", "updated_at", "counted_at",
        "total_signals_generated", "successful_signals", "total_trades_executed", "winning_trades",
        "total_pnl",
    }
)  # fmt: skip
Amount = Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Strategy(BaseModel):
    """A trader as `sigtrail traders add` takes it. Amounts, percentages and prices are exact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID
    name: Annotated[str, Field(min_length=1, max_length=100)]
    market: MarketKind = "usdm"
    symbols: Annotated[tuple[str, ...], Field(min_length=1, max_length=500)]
    interval: str
    side: Side = "long"
    strategy: str = ""
    conditions: Annotated[tuple[str, ...], Field(min_length=1, max_length=20)]
    indicators: Any = Field(default_factory=list)
    ai_analysis_limit: Annotated[int, Field(ge=0)] | None = 10
    min_confidence: Annotated[Decimal, Field(ge=0, le=1)] = Decimal("0.6")
    monitoring_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    position_size_type: Literal["fixed", "percentage", "risk_based"] = "fixed"
    position_size_value: Amount | None = None
    max_concurrent_positions: Annotated[int, Field(ge=1, le=100)] = 1
    stop_loss_type: Literal["percentage", "price", "atr"] | None = None
    stop_loss_value: Amount | None = None
    take_profit_type: Literal["percentage", "price", "atr"] | None = None
    take_profit_value: Amount | None = None
    trailing_stop_type: Literal["percentage", "atr"] | None = None
    trailing_stop_value: Amount | None = None
    max_holding_seconds: Annotated[int, Field(ge=60, le=31_536_000)] | None = None

    @property
    def trader(self) -> Trader:
        """What the evaluator reads of it."""
        return Trader.model_validate(self.model_dump(include=set(Trader.model_fields)))

    @property
    def intervals(self) -> set[str]:
        """The intervals whose candles it reads."""
        return {self.interval} | {term.interval or self.interval for term in parse_all(self.conditions).terms}

    def definition(self) -> dict[str, Any]:
        """Ready for JSON, exact numbers as text: what `traders add` takes."""
        return {name: _plain(value) for name, value in self.model_dump().items()}

    def row(self, account: UUID) -> dict[str, Any]:
        """The trader as `private.trader_json` answers it, on this account."""
        return {**self.definition(), "status": "active", "default_exchange_account_id": str(account)}


def read_strategies(path: Path) -> list[Strategy]:
    """The traders of a file: an object or a list of them. Raises InputError that names file and column."""
    try:
        found = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    rows = found if isinstance(found, list) else [found]
    if not rows or not all(isinstance(one, dict) for one in rows):
        raise InputError(f"{path} must hold one JSON object with a trader's columns, or a list of them")
    return [read_strategy(row, str(path)) for row in rows]


def read_strategy(row: dict[str, Any], source: str) -> Strategy:
    """A trader from its columns. One without an id has one that follows from its definition.

    Raises InputError that begins with `source`.
    """
    known = {name: value for name, value in row.items() if name not in UNREAD}
    if known.get("id") is None:
        content = orjson.dumps(known, option=orjson.OPT_SORT_KEYS).decode()
        known["id"] = uuid5(NAMESPACE_URL, f"backtest|{content}")
    try:
        strategy = Strategy.model_validate(known)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(f"{source}: {wrong}") from error
    if strategy.interval not in INTERVALS:
        raise InputError(f"{source}: interval {strategy.interval!r} is none of {', '.join(INTERVALS)}")
    for name in ("stop_loss", "take_profit", "trailing_stop"):
        if (getattr(strategy, f"{name}_type") is None) != (getattr(strategy, f"{name}_value") is None):
            raise InputError(f"{source}: {name} has a type and a value, or neither")
    if strategy.market == "spot" and strategy.side == "short":
        raise InputError(f"{source}: on spot a trader can only go long")
    try:
        parse_all(strategy.conditions)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return strategy


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return text(value)
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
