"""What of our positions the venue does not hold any more, and the trades by which it went. Pure.

A liquidation, auto-deleveraging, a settlement, a person at the venue's own page: nobody tells the bridge.
Only the venue's holdings are believed about whether something is missing; trades that are not ours explain
it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from shared.money import ZERO, add, divide, multiply, subtract, text
from workers.trading.decisions.reconciliation import VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Position, PositionSide

# To a dozen digits: what is left of a fee goes with the last part.
_FEE_STEP = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class VenueClose:
    """A trade that closed what an account held, and was no order of ours: a liquidation, or any other."""

    trade: VenueTrade
    liquidated: bool


@dataclass(frozen=True, slots=True)
class Shortage:
    """So much of our positions in these symbols is not at the venue; `whole` when nothing of them is."""

    symbols: frozenset[str]
    side: PositionSide
    amount: Decimal
    whole: bool


def shortages(
    ours: Iterable[Position],
    balances: Mapping[str, Decimal],
    positions: Mapping[tuple[str, str], Decimal],
    rules: Mapping[str, Rules],
    *,
    hedged: bool = False,
) -> list[Shortage]:
    """What is missing of `ours`. The venue holds `balances` by currency, `positions` by symbol and side.

    On spot all symbols of one currency draw on one balance. On futures a venue that nets shows of a long and
    a short only the difference, of which neither is missing; not so in hedge mode (`hedged`). Less than a lot
    is no shortage.
    """
    ours = [one for one in ours if one.is_open and one.amount > ZERO and one.symbol in rules]
    found: list[Shortage] = []
    for base in sorted({rules[one.symbol].base for one in ours if rules[one.symbol].spot}):
        mine = [one for one in ours if rules[one.symbol].spot and rules[one.symbol].base == base]
        held = balances.get(base, ZERO)
        # A fee of a buy that was taken from what was bought may have been rounded.
        lot = max(one.lot for one in mine)
        missing = subtract(add(*(one.amount for one in mine)), held)
        if missing >= lot:
            symbols = frozenset(one.symbol for one in mine)
            found.append(Shortage(symbols, "long", missing, held < lot))
    for symbol in sorted({one.symbol for one in ours if not rules[one.symbol].spot}):
        found += _shortages_of(symbol, [one for one in ours if one.symbol == symbol], positions, hedged)
    return found


def _shortages_of(
    symbol: str, mine: Sequence[Position], positions: Mapping[tuple[str, str], Decimal], hedged: bool
) -> list[Shortage]:
    lot = max(one.lot for one in mine)
    sides: tuple[PositionSide, PositionSide] = ("long", "short")
    held = {side: positions.get((symbol, side), ZERO) for side in sides}
    missing = {
        side: max(subtract(add(*(p.amount for p in mine if p.side == side)), held[side]), ZERO)
        for side in sides
    }
    netted = ZERO if hedged else min(missing.values())
    return [
        Shortage(frozenset({symbol}), side, subtract(missing[side], netted), held[side] < lot)
        for side in sides
        if subtract(missing[side], netted) >= lot
    ]


def explain(shortage: Shortage, trades: Iterable[VenueTrade]) -> tuple[list[VenueTrade], Decimal]:
    """The trades behind a shortage, each no larger than what it explains, and what stays unexplained.

    `trades` are those of nobody's known orders. The latest explain first: what was traded by hand long ago
    was something else.
    """
    closing = "sell" if shortage.side == "long" else "buy"
    fitting = [one for one in trades if one.symbol in shortage.symbols and one.side == closing]
    left, chosen = shortage.amount, []
    for trade in sorted(fitting, key=lambda one: (one.executed_at, one.venue_trade_id), reverse=True):
        part = min(left, trade.amount)
        if part <= ZERO:
            break
        left = subtract(left, part)
        chosen.append(trade if part == trade.amount else _part_of(trade, part))
    return chosen[::-1], left


def strangers(
    trades: Iterable[VenueTrade], known: Collection[str], since: Mapping[tuple[str, PositionSide], Any]
) -> list[VenueTrade]:
    """Trades that may have closed a position: not among those that are `known`, by the venue's trade id, and
    not from before the positions of that symbol and side were opened (`since`)."""
    found: dict[tuple[str, str], VenueTrade] = {}
    for trade in trades:
        side: PositionSide = "long" if trade.side == "sell" else "short"
        opened = since.get((trade.symbol, side))
        # One that was shared out is known by the numbers of its parts.
        name = trade.venue_trade_id
        if (
            opened is not None
            and trade.executed_at >= opened
            and name not in known
            and f"{name}/1" not in known
        ):
            found[trade.symbol, name] = trade
    return list(found.values())


def share_closes(closes: Iterable[VenueClose], positions: Iterable[Position]) -> list[dict[str, Any]]:
    """The facts of several closes, one after the other: what one closed is not there for the next."""
    held = {one.id: one for one in positions}
    facts: list[dict[str, Any]] = []
    for close in closes:
        for fact in share_close(close, held.values()):
            facts.append(fact)
            position = next(one for one in held.values() if str(one.id) == fact["position_id"])
            left = subtract(position.amount, Decimal(fact["fill"]["amount"]))
            held[position.id] = replace(position, amount=left)
    return facts


def share_close(close: VenueClose, positions: Iterable[Position]) -> list[dict[str, Any]]:
    """The facts of a close by the venue, on our positions of that symbol and side, in order of signal.

    A venue that nets closes one position where we have several signals': each is closed whole before the
    next one is touched, and the fee goes along by size.
    """
    trade = close.trade
    side = "long" if trade.side == "sell" else "short"
    held = sorted(
        (
            p
            for p in positions
            if p.is_open and p.symbol == trade.symbol and p.side == side and p.amount > ZERO
        ),
        key=lambda one: one.signal_id,
    )
    left = amount = min(trade.amount, sum((one.amount for one in held), ZERO))
    fee_left = trade.fee_cost
    facts: list[dict[str, Any]] = []
    for number, position in enumerate(held, start=1):
        part = min(left, position.amount)
        if part <= ZERO:
            break
        left = subtract(left, part)
        fee = fee_left if left == ZERO else _share(trade.fee_cost, part, amount)
        fee_left = subtract(fee_left, fee)
        whole = number == 1 and left == ZERO
        fill: dict[str, Any] = {
            "venue_trade_id": trade.venue_trade_id if whole else f"{trade.venue_trade_id}/{number}",
            "price": text(trade.price),
            "amount": text(part),
            "fee_cost": text(fee),
            "fee_currency": trade.fee_currency,
            "executed_at": trade.executed_at.isoformat(),
        }
        if trade.fee_rate is not None:
            fill["fee_rate"] = text(trade.fee_rate)
        facts.append(
            {
                "position_id": str(position.id),
                "venue_order_id": trade.venue_order_id,
                "reason": "liquidated" if close.liquidated else "venue_closed",
                "fill": fill,
            }
        )
    return facts


def _part_of(trade: VenueTrade, part: Decimal) -> VenueTrade:
    return replace(trade, amount=part, fee_cost=_share(trade.fee_cost, part, trade.amount))


def _share(fee: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return divide(multiply(fee, part), whole).quantize(_FEE_STEP)
