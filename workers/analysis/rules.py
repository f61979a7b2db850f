"""The rule-based analyst: trend, volatility, reward to risk. A pure function of candles and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from math import log, sqrt, tanh
from typing import Any, Literal

from shared.candles import MINUTE_MS, Candle, exact, interval_ms
from shared.errors import InputError
from shared.identity import from_ms
from shared.metrics import Metric
from shared.money import add, divide, money, multiply, subtract, text
from shared.work import LEASE_SECONDS, Work
from workers.analysis.analyst import NotEnoughHistory
from workers.analysis.levels import Levels, find_tick, net_reward_to_risk, place, round_to
from workers.analysis.readings import WINDOW, Readings, read
from workers.analysis.verdict import Plan, Verdict, reject


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds. Volatility bounds are for a candle of one minute and grow with the root of time."""

    volatility_low: float = 0.03
    volatility_high: float = 0.35
    # A counter-trend signal is refused only where the trend is steep and strong: many strategies buy dips.
    steep: float = 0.08
    strong: float = 30.0
    # A venue's taker fee, paid twice, in percent of the notional value.
    round_trip_cost: Decimal = Decimal("0.1")
    least_reward: Decimal = Decimal(1)
    least_confidence: Decimal = Decimal("0.6")
    # A limit entry waits this many ATR behind the price.
    pullback: Decimal = Decimal("0.8")
    valid_candles: int = 30


class RuleBasedAnalyst:
    """Judges by rules alone: no network, no clock, the same answer on every machine."""

    name = "rules"
    candles_needed = WINDOW
    batch = 500
    lease_seconds = LEASE_SECONDS
    is_remote = False

    def __init__(self, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()

    def is_open(self) -> bool:
        """Always: it asks nobody."""
        return True

    def report(self) -> dict[str, Any]:
        """See `Analyst`."""
        return {"name": self.name}

    def measure(self) -> Iterable[Metric]:
        """See `Analyst`: the role's own counts say everything."""
        return ()

    async def analyse(self, one: Work, candles: Sequence[Candle]) -> Verdict:
        """See `Analyst`."""
        return judge(one.signal, one.trader, candles, self._rules)

    async def close(self) -> None:
        """Nothing was opened."""


def judge(
    signal: Mapping[str, Any], trader: Mapping[str, Any], candles: Sequence[Candle], rules: Rules
) -> Verdict:
    """The verdict on a signal by the last WINDOW candles of its interval, the newest of which just closed."""
    side: Literal["long", "short"] = "short" if signal["side"] == "short" else "long"
    interval = str(signal["interval"])
    if len(candles) < WINDOW:
        raise NotEnoughHistory(len(candles), WINDOW, interval)
    readings = read(candles)
    if readings is None:
        return reject("volatility_too_low", reason="prices do not move")
    seen: dict[str, Any] = readings.to_json()
    scale = sqrt(interval_ms(interval) / MINUTE_MS)
    low, high = rules.volatility_low * scale, rules.volatility_high * scale
    if readings.atr_percent < low:
        return reject("volatility_too_low", reason=f"ATR is under {low:.4g} % of the price", **seen)
    if readings.atr_percent > high:
        return reject("volatility_too_high", reason=f"ATR is over {high:.4g} % of the price", **seen)
    toward = readings.slope if side == "long" else -readings.slope
    if toward < -rules.steep and readings.adx > rules.strong:
        return reject("against_trend", reason=f"a {side} against a steep, strong trend", **seen)
    try:
        entry_type, levels = _choose_entry(side, toward, readings, trader, candles, rules)
    except InputError as error:
        return reject("plan_invalid", reason=str(error), **seen)
    reward = net_reward_to_risk(levels, rules.round_trip_cost)
    seen["reward_to_risk"] = float(reward)
    if reward < rules.least_reward:
        return reject("reward_too_low", reason=f"wins {text(reward)} for each unit lost, after costs", **seen)
    calm = _centre(readings.atr_percent, low, high)
    confidence = _confidence(toward, readings.adx, calm, reward)
    wanted = money(trader.get("min_confidence") or rules.least_confidence)
    if confidence < wanted:
        return reject("low_confidence", confidence, reason=f"the trader wants {text(wanted)}", **seen)
    close_ms = candles[-1].close_ms
    plan = Plan(
        side=side,
        entry_type=entry_type,
        entry=levels.entry,
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        reward_to_risk=reward,
        valid_until=from_ms(close_ms + rules.valid_candles * interval_ms(interval)),
        size=known_size(trader, levels.entry),
        sizing=wanted_sizing(trader),
    )
    return Verdict(True, confidence, plan=plan, result=seen)


def _choose_entry(
    side: str,
    toward: float,
    readings: Readings,
    trader: Mapping[str, Any],
    candles: Sequence[Candle],
    rules: Rules,
) -> tuple[Literal["market", "limit"], Levels]:
    """With the trend at the market, once momentum confirms; else by a limit a little behind the price."""
    tick = find_tick(candles[-WINDOW:])
    close, atr = exact(readings.close), exact(readings.atr)
    if toward > 0.0:
        return "market", place(side, close, atr, trader, tick)
    behind = multiply(atr, rules.pullback)
    entry = round_to(subtract(close, behind) if side == "long" else add(close, behind), tick)
    return "limit", place(side, entry, atr, trader, tick)


def _centre(atr_percent: float, low: float, high: float) -> float:
    """1 in the middle between the bounds (by ratio), 0 at either."""
    between = log(atr_percent / low) / log(high / low)
    return 1.0 - (2.0 * between - 1.0) ** 2


def _confidence(toward: float, adx: float, calm: float, reward: Decimal) -> Decimal:
    """0..1 in four decimals: 40 % trend (by its direction and strength), 25 % volatility, 35 % reward."""
    trend = 0.5 + 0.5 * tanh(toward / 0.08) * min(adx / 40.0, 1.0)
    profit = float(reward) / (float(reward) + 1.0)
    score = 0.40 * trend + 0.25 * calm + 0.35 * profit
    return Decimal(repr(round(min(max(score, 0.0), 1.0), 4)))


def known_size(trader: Mapping[str, Any], entry: Decimal) -> Decimal | None:
    """The amount for a fixed value in quote currency; any other sizing needs the account's equity."""
    if trader.get("position_size_type") != "fixed" or trader.get("position_size_value") is None:
        return None
    amount = divide(money(trader["position_size_value"]), entry)
    amount = amount.quantize(Decimal("0.00000001"), rounding=ROUND_DOWN)
    return amount if amount > 0 else None


def wanted_sizing(trader: Mapping[str, Any]) -> dict[str, str] | None:
    """The trader's wish, for people who read the plan."""
    kind, value = trader.get("position_size_type"), trader.get("position_size_value")
    return None if kind is None or value is None else {"type": str(kind), "value": str(value)}
