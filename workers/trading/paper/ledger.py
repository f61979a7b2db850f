"""Money of one paper account: balances, positions, margin. Exact to the last digit."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

from workers.trading.paper.order import ZERO, Order, Position, Side
from workers.trading.paper.rules import Rule

# A part of a position's cost is rounded to this; the rest stays in the position, so nothing is lost.
_COST_UNIT = Decimal("1e-12")

PositionSide = Literal["long", "short"]


def position_side(side: Side, *, reduce_only: bool) -> PositionSide:
    """Which position an order acts on: the venue is in hedge mode, where long and short live side by side."""
    opens_long = side == "buy"
    return "long" if opens_long != reduce_only else "short"


@dataclass(slots=True)
class PaperLedger:
    """What the account owns. Futures settle profit and fees in the quote currency, spot swaps currencies.

    `netting`: the account is in one-way mode, where an order first closes what the other side holds.
    """

    balances: dict[str, Decimal]
    leverage: Decimal
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    netting: bool = False

    def position(self, symbol: str, side: PositionSide) -> Position:
        """The position of a symbol and side; an empty one if there is none."""
        return self.positions.setdefault((symbol, side), Position(symbol, side))

    def reducible(self, symbol: str, side: Side) -> Decimal:
        """How much a reduce-only order of `side` may close."""
        held = self.positions.get((symbol, position_side(side, reduce_only=True)))
        return held.amount if held else ZERO

    def netted(self, rule: Rule, side: Side, amount: Decimal) -> Decimal:
        """How much of an order that may open closes instead, in one-way mode."""
        if not self.netting or rule.market == "spot":
            return ZERO
        return min(amount, self.reducible(rule.symbol, side))

    def used(self, currency: str, orders: list[tuple[Order, Rule, Decimal]]) -> Decimal:
        """What is bound of `currency`: margin of positions, and what open orders will need."""
        total = ZERO
        for position in self.positions.values():
            if position.amount and position.symbol.endswith(f":{currency}"):
                total += position.cost / self.leverage
        for order, rule, price in orders:
            if order.request.reduce_only or order.parent is not None:
                continue
            if rule.market == "usdm" and rule.quote == currency:
                total += order.remaining * price / self.leverage
            elif rule.market == "spot" and order.request.side == "buy" and rule.quote == currency:
                total += order.remaining * price
            elif rule.market == "spot" and order.request.side == "sell" and rule.base == currency:
                total += order.remaining
        return total

    def book(
        self, rule: Rule, order: Order, price: Decimal, amount: Decimal, fee_rate: Decimal, at_ms: int
    ) -> tuple[Decimal, str]:
        """Account for one fill and answer its fee and the fee's currency."""
        if rule.market == "spot":
            return self._book_spot(rule, order.request.side, price, amount, fee_rate)
        fee = price * amount * fee_rate
        side, closes = order.request.side, order.request.reduce_only
        closed = ZERO if closes else self.netted(rule, side, amount)
        profit = self._move(rule.symbol, side, True, price, closed, at_ms) if closed else ZERO
        if amount > closed:
            profit += self._move(rule.symbol, side, closes, price, amount - closed, at_ms)
        self._add(rule.quote, profit - fee)
        return fee, rule.quote

    def _book_spot(
        self, rule: Rule, side: Side, price: Decimal, amount: Decimal, fee_rate: Decimal
    ) -> tuple[Decimal, str]:
        # Binance takes the fee of a spot trade from what is received: the base on a buy, the quote on a sell.
        if side == "buy":
            fee = amount * fee_rate
            self._add(rule.quote, -price * amount)
            self._add(rule.base, amount - fee)
            return fee, rule.base
        fee = price * amount * fee_rate
        self._add(rule.base, -amount)
        self._add(rule.quote, price * amount - fee)
        return fee, rule.quote

    def _move(
        self, symbol: str, side: Side, reduce_only: bool, price: Decimal, amount: Decimal, at_ms: int
    ) -> Decimal:
        """Change a position and answer the profit that was realized."""
        held = self.position(symbol, position_side(side, reduce_only=reduce_only))
        if not reduce_only:
            if not held.amount:
                held.opened_ms = at_ms
            held.amount += amount
            held.cost += price * amount
            return ZERO
        if amount == held.amount:
            released = held.cost
        else:
            released = (held.cost * amount / held.amount).quantize(_COST_UNIT, ROUND_HALF_EVEN)
        held.amount -= amount
        held.cost -= released
        return price * amount - released if held.side == "long" else released - price * amount

    def _add(self, currency: str, amount: Decimal) -> None:
        self.balances[currency] = self.balances.get(currency, ZERO) + amount
