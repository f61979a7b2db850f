"""What a backtest came to, in figures. Pure: from trades and equities to a document of exact texts.

Every figure that cannot be said is null, never an infinity and never a guess: no profit factor without a
losing trade, no Sharpe ratio of less than two whole days or of an equity that never moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from itertools import pairwise
from typing import Any

from shared.identity import floor_ms, from_ms
from shared.money import ZERO, add, divide, multiply, subtract, text
from workers.backtest.track import Fall, Track

HUNDRED = Decimal(100)
# A market that never closes has so many trading days a year.
DAYS_A_YEAR = Decimal(365)
RATIO = Decimal("0.0001")
SHARE = Decimal("0.000001")
_ROOTS = Context(prec=40, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Trade:
    """One position: `pnl` with all fees taken off, of an open one at the last price."""

    position_id: str
    signal_id: str
    trader_id: str
    trader: str
    symbol: str
    side: str
    opened_at: datetime
    closed_at: datetime | None
    entry_price: Decimal
    exit_price: Decimal | None
    amount: Decimal
    pnl: Decimal
    fees: Decimal
    slippage: Decimal
    exit_reason: str | None

    @property
    def cost(self) -> Decimal:
        """What was entered is worth, in quote currency."""
        return multiply(self.entry_price, self.amount)

    def to_json(self) -> dict[str, Any]:
        """The trade in a report."""
        return {
            "position_id": self.position_id,
            "signal_id": self.signal_id,
            "trader_id": self.trader_id,
            "trader": self.trader,
            "symbol": self.symbol,
            "side": self.side,
            "status": "open" if self.closed_at is None else "closed",
            "opened_at": self.opened_at.isoformat(),
            "closed_at": None if self.closed_at is None else self.closed_at.isoformat(),
            "entry_price": text(self.entry_price),
            "exit_price": None if self.exit_price is None else text(self.exit_price),
            "amount": text(self.amount),
            "pnl": text(self.pnl),
            "pnl_percent": _rounded(multiply(divide(self.pnl, self.cost), HUNDRED), RATIO),
            "fees": text(self.fees),
            "slippage": text(self.slippage),
            "exit_reason": self.exit_reason,
        }


def work_out(
    trades: Sequence[Trade], track: Track, equity: Decimal, start_ms: int, end_ms: int
) -> dict[str, Any]:
    """The figures of these trades and of the equity that they made, which began as `equity`."""
    closed = [one for one in trades if one.closed_at is not None]
    won = [one.pnl for one in closed if one.pnl > 0]
    lost = [one.pnl for one in closed if one.pnl < 0]
    realized = add(*(one.pnl for one in closed))
    profit = subtract(track.equity, equity)
    days = track.days(end_ms)
    return {
        "trades": len(closed),
        "won": len(won),
        "lost": len(lost),
        "open": len(trades) - len(closed),
        "win_rate": _ratio(Decimal(len(won)), len(closed)),
        "profit": text(profit),
        "realized_pnl": text(realized),
        "open_pnl": text(subtract(profit, realized)),
        "fees": text(add(*(one.fees for one in trades))),
        "slippage": text(add(*(one.slippage for one in trades))),
        "return_percent": _rounded(multiply(divide(profit, equity), HUNDRED), RATIO),
        "gross_profit": text(add(*won)),
        "gross_loss": text(add(*lost).copy_negate()),
        "profit_factor": None if not lost else _rounded(profit_factor(won, lost), RATIO),
        "average_trade": _ratio(realized, len(closed)),
        "average_win": _ratio(add(*won), len(won)),
        "average_loss": _ratio(add(*lost), len(lost)),
        "best_trade": None if not closed else text(max(one.pnl for one in closed)),
        "worst_trade": None if not closed else text(min(one.pnl for one in closed)),
        "average_holding_seconds": _average_holding(closed),
        "longest_losing_run": longest_losing_run(one.pnl for one in sorted(closed, key=_end_of)),
        **_tell_fall(track.fall),
        "sharpe": None if (found := sharpe(days)) is None else _rounded(found, RATIO),
        "sharpe_days": len(days) - 1,
        "exposure": _rounded(exposure(trades, start_ms, end_ms), SHARE),
    }


def profit_factor(won: Iterable[Decimal], lost: Iterable[Decimal]) -> Decimal:
    """What winning trades won, divided by what losing trades lost (at least one), fees taken off both."""
    return divide(add(*won), add(*lost).copy_negate())


def sharpe(equities: Sequence[Decimal]) -> Decimal | None:
    """The annualized Sharpe ratio of equities that are 24 hours apart, with a riskless rate of zero.

    Mean over sample deviation (n - 1) of the daily simple returns, times the root of 365: W. F. Sharpe, "The
    Sharpe Ratio", Journal of Portfolio Management 21 (1994), with the usual scaling by the root of time,
    which takes returns of one day to say nothing about those of the next (A. W. Lo, "The Statistics of Sharpe
    Ratios", Financial Analysts Journal 58, 2002). The market never closes, so a year has 365 of these days.
    None for less than two returns, for an equity at or below zero, and where all returns are the same.
    """
    if len(equities) < 3 or any(one <= 0 for one in equities[:-1]):
        return None
    returns = [divide(subtract(after, before), before) for before, after in pairwise(equities)]
    if all(one == returns[0] for one in returns):
        return None
    mean = divide(add(*returns), Decimal(len(returns)))
    squares = [_ROOTS.power(_ROOTS.subtract(one, mean), 2) for one in returns]
    total = ZERO
    for one in squares:
        total = _ROOTS.add(total, one)
    deviation = _ROOTS.sqrt(_ROOTS.divide(total, Decimal(len(returns) - 1)))
    return _ROOTS.multiply(_ROOTS.divide(mean, deviation), _ROOTS.sqrt(DAYS_A_YEAR))


def exposure(trades: Iterable[Trade], start_ms: int, end_ms: int) -> Decimal:
    """The share of the time from start to end in which at least one position was open."""
    spans = sorted(
        (floor_ms(one.opened_at), end_ms if one.closed_at is None else floor_ms(one.closed_at))
        for one in trades
    )
    held, reached = 0, start_ms
    for opened, closed in spans:
        held += max(closed - max(opened, reached), 0)
        reached = max(reached, closed)
    return divide(Decimal(held), Decimal(end_ms - start_ms)) if end_ms > start_ms else ZERO


def longest_losing_run(results: Iterable[Decimal]) -> int:
    """The most losing trades in a row, in the order in which they closed."""
    longest = run = 0
    for one in results:
        run = run + 1 if one < 0 else 0
        longest = max(longest, run)
    return longest


def _tell_fall(fall: Fall) -> Mapping[str, Any]:
    return {
        "max_drawdown": text(fall.amount),
        "max_drawdown_percent": _rounded(multiply(fall.share, HUNDRED), RATIO),
        "drawdown_from": None if fall.from_ms is None else from_ms(fall.from_ms).isoformat(),
        "drawdown_to": None if fall.to_ms is None else from_ms(fall.to_ms).isoformat(),
    }


def _average_holding(closed: Sequence[Trade]) -> int | None:
    if not closed:
        return None
    total = sum((floor_ms(_end_of(one)) - floor_ms(one.opened_at)) for one in closed)
    return round(total / len(closed) / 1000)


def _end_of(trade: Trade) -> datetime:
    return trade.closed_at or trade.opened_at


def _ratio(total: Decimal, count: int) -> str | None:
    return None if count == 0 else _rounded(divide(total, Decimal(count)), RATIO)


def _rounded(value: Decimal, unit: Decimal) -> str:
    return text(value.quantize(unit, ROUND_HALF_EVEN))
