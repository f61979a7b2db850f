"""The records of the paper exchange: orders, trades and positions. All numbers are Decimal."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal

Side = Literal["buy", "sell"]
Kind = Literal["market", "limit"]
Trigger = Literal["stop", "take_profit"]
Status = Literal["open", "filled", "canceled", "expired"]

ZERO = Decimal(0)


class Refused(Exception):
    """The venue refuses the command; nothing changed. `code` says why, the message which value was wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Attached:
    """A protective order that the venue places itself as soon as the entry fills."""

    trigger: Trigger
    trigger_price: Decimal
    client_id: str


@dataclass(frozen=True, slots=True)
class Request:
    """An order as it is sent. `trigger` rests unseen until `trigger_price` is touched."""

    symbol: str
    side: Side
    kind: Kind
    amount: Decimal
    client_id: str
    price: Decimal | None = None
    trigger: Trigger | None = None
    trigger_price: Decimal | None = None
    reduce_only: bool = False
    post_only: bool = False
    attached: tuple[Attached, ...] = ()


@dataclass(slots=True)
class Order:
    """An order at the venue. Times are milliseconds of the market's clock."""

    id: str
    sequence: int
    request: Request
    created_ms: int
    arrives_ms: int
    amount: Decimal
    status: Status = "open"
    filled: Decimal = ZERO
    cost: Decimal = ZERO
    fee: Decimal = ZERO
    fee_currency: str = ""
    triggered: bool = False
    rested: bool = False  # lay in the book when a candle began: then it pays the maker's fee
    parent: str | None = None  # the entry that it is attached to
    sibling: str | None = None  # cancelled when this one fills
    updated_ms: int = 0
    legs: list[str] = field(default_factory=list)  # the attached orders that were placed

    @property
    def remaining(self) -> Decimal:
        return self.amount - self.filled

    @property
    def average(self) -> Decimal | None:
        return self.cost / self.filled if self.filled else None

    @property
    def working(self) -> bool:
        """Whether it acts on the book now, not waiting for its trigger."""
        return self.request.trigger is None or self.triggered


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill. `id` counts up from one, so that a reader can ask for what came after the last one it saw."""

    id: int
    order_id: str
    client_id: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool
    at_ms: int


@dataclass(slots=True)
class Position:
    """Contracts of one symbol and side. `cost` is what they cost, so that the sum of all P&L is exact."""

    symbol: str
    side: Literal["long", "short"]
    amount: Decimal = ZERO
    cost: Decimal = ZERO
    opened_ms: int = 0

    @property
    def entry_price(self) -> Decimal | None:
        return self.cost / self.amount if self.amount else None


def to_json(record: Order | Trade | Position) -> dict[str, Any]:
    """A record as plain JSON; Decimals become text."""

    def plain(value: Any) -> Any:
        if isinstance(value, Decimal):
            return str(value)
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(inner) for inner in value]
        return value

    return {key: plain(value) for key, value in asdict(record).items()}


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def order_from_json(data: dict[str, Any]) -> Order:
    """The inverse of `to_json` for orders."""
    asked = dict(data["request"])
    asked["amount"] = Decimal(asked["amount"])
    asked["price"] = _decimal(asked["price"])
    asked["trigger_price"] = _decimal(asked["trigger_price"])
    asked["attached"] = tuple(
        Attached(leg["trigger"], Decimal(leg["trigger_price"]), leg["client_id"]) for leg in asked["attached"]
    )
    numbers = {name: Decimal(data[name]) for name in ("amount", "filled", "cost", "fee")}
    return Order(**{**data, **numbers, "request": Request(**asked)})


def trade_from_json(data: dict[str, Any]) -> Trade:
    """The inverse of `to_json` for trades."""
    return Trade(**{**data, **{name: Decimal(data[name]) for name in ("price", "amount", "fee")}})


def position_from_json(data: dict[str, Any]) -> Position:
    """The inverse of `to_json` for positions."""
    return Position(**{**data, "amount": Decimal(data["amount"]), "cost": Decimal(data["cost"])})
