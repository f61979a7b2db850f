"""The report of a backtest: one document of plain JSON, the same for the same candles on any machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from shared.identity import from_ms
from shared.money import ONE, multiply, text
from workers.backtest.figures import HUNDRED, RATIO, Trade, work_out
from workers.backtest.rows import PositionRow
from workers.backtest.run import Result
from workers.backtest.track import Curve, Point, Track
from workers.signals.feeds.recorded import RecordedFeed
from workers.trading.paper.rules import FEES

VERSION = 1


def make_report(result: Result, feed: RecordedFeed) -> dict[str, Any]:
    """The document that `sigtrail strategies backtest --json` prints; docs/strategies.md describes it."""
    strategies, played = result.strategies, result.range
    names = {one.id: one.name for one in strategies}
    trades = [_trade(one, names[one.trader_id], result.curve) for one in result.record.trades.positions]
    trades.sort(key=lambda one: (one.opened_at, one.signal_id))
    return {
        "version": VERSION,
        "name": strategies[0].name if len(strategies) == 1 else f"{len(strategies)} traders",
        "starts_at": from_ms(played.start_ms).isoformat(),
        "ends_at": from_ms(played.end_ms).isoformat(),
        "market": feed.market,
        "symbols": list(feed.symbols),
        "candles": played.candles,
        "candles_refused": dict(sorted(feed.gate.refused.items())),
        "candles_missing": feed.gate.missing,
        "terms": _terms(result, feed),
        "figures": _figures(result, trades, result.curve.total, names),
        "traders": [
            {
                "trader": one.definition(),
                "figures": _figures(
                    result,
                    [trade for trade in trades if trade.trader_id == str(one.id)],
                    result.curve.tracks[one.id],
                    [one.id],
                ),
            }
            for one in strategies
        ],
        "equity": {
            "step_ms": result.curve.step_ms,
            "points": [_point(one) for one in result.curve.points],
        },
        "trades": [one.to_json() for one in trades],
    }


def _terms(result: Result, feed: RecordedFeed) -> dict[str, Any]:
    maker, taker = FEES[feed.market]
    terms = result.terms
    return {
        "equity": text(terms.equity),
        "currency": terms.currency,
        "leverage": text(terms.leverage or ONE),
        "maker_fee": text(maker),
        "taker_fee": text(taker),
        "slippage": text(terms.slippage),
        "latency_ms": terms.latency_ms,
        "participation": text(terms.participation),
        "attached": terms.attached,
        # The paper exchange knows neither.
        "funding": "none",
        "liquidation": "none",
    }


def _figures(
    result: Result, trades: Sequence[Trade], track: Track, traders: Iterable[UUID]
) -> dict[str, Any]:
    wanted = set(traders)
    signals = result.record.signals
    statuses: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    for live in signals.live.values():
        if live.trader_id in wanted:
            statuses[live.status.value] += 1
    for ended in signals.ended.values():
        if ended.trader_id in wanted:
            statuses[ended.status.value] += 1
            outcomes[ended.outcome_code or ""] += 1
    played = result.range
    return {
        "signals": statuses.total(),
        "signals_by_status": dict(sorted(statuses.items())),
        "signals_by_outcome": dict(sorted(outcomes.items())),
        **work_out(trades, track, result.terms.equity, played.start_ms, played.end_ms),
    }


def _trade(position: PositionRow, name: str, curve: Curve) -> Trade:
    return Trade(
        position_id=str(position.id),
        signal_id=str(position.signal_id),
        trader_id=str(position.trader_id),
        trader=name,
        symbol=position.symbol,
        side=position.side,
        opened_at=position.opened_at,
        closed_at=position.closed_at,
        entry_price=position.entry_average or Decimal(0),
        exit_price=position.exit_average,
        amount=position.entry_amount,
        pnl=curve.value(position) if position.is_open else position.realized_pnl,
        fees=position.fees,
        slippage=position.slippage,
        exit_reason=position.exit_reason,
    )


def _point(point: Point) -> dict[str, Any]:
    percent = multiply(point.fall, HUNDRED).quantize(RATIO)
    return {
        "at": from_ms(point.at_ms).isoformat(),
        "equity": text(point.equity),
        "low": text(point.low),
        "drawdown_percent": text(percent),
        "open": point.open,
    }
