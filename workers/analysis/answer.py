"""What a language model is to answer: its form, and how an answer becomes a verdict. Pure.

Nothing that a model says is believed: its text is data, its plan has to lie within the trader's limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.candles import Candle, exact, interval_ms
from shared.errors import InputError
from shared.identity import from_ms
from shared.money import divide, money, multiply, subtract, text
from shared.work import Work
from workers.analysis.levels import Levels, find_tick, net_reward_to_risk, place, round_to
from workers.analysis.readings import Readings
from workers.analysis.rules import Rules, known_size, wanted_sizing
from workers.analysis.verdict import Plan, Verdict, reject

Price = Annotated[Decimal, Field(gt=0, lt=Decimal(10) ** 12, max_digits=30, allow_inf_nan=False)]
# Why a model may turn a signal down: those reasons of the lifecycle that are its to judge.
Reason = Literal[
    "low_confidence", "against_trend", "volatility_too_high", "volatility_too_low", "reward_too_low"
]
LONGEST_REASONING = 1000


class PlanAnswer(BaseModel):
    """A trade as a model proposes it."""

    model_config = ConfigDict(extra="forbid")

    side: Literal["long", "short"]
    entry_type: Literal["market", "limit"]
    entry: Price
    stop_loss: Price
    take_profit: Price
    valid_candles: int = Field(ge=1, le=10_000)


class Answer(BaseModel):
    """The whole answer."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "reject"]
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)
    reason: Reason | None
    reasoning: str
    plan: PlanAnswer | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan may at most be, beside the trader's own settings."""

    # How far the entry may lie from the last close: the larger of these, in ATR and in percent.
    entry_atr: Decimal = Decimal(5)
    entry_percent: Decimal = Decimal("0.5")
    # How far the stop may lie from the entry where the trader set none, in percent.
    stop_percent: Decimal = Decimal(10)
    # Prices are rounded: so much wider than the trader's setting a plan may be, in percent of the distance.
    tolerance: Decimal = Decimal(1)
    least_candles: int = 5
    most_candles: int = 240


def form() -> dict[str, Any]:
    """The response_format that asks for an `Answer`: strict, every field required, nothing else allowed."""
    # By hand and not from pydantic: strict servers know a part of JSON schema only. A test holds the two
    # together.
    price = {"type": "string", "description": "a decimal number, such as 64000.5"}
    plan = {
        "side": {"type": "string", "enum": ["long", "short"]},
        "entry_type": {"type": "string", "enum": ["market", "limit"]},
        "entry": price,
        "stop_loss": price,
        "take_profit": price,
        "valid_candles": {"type": "integer"},
    }
    fields = {
        "decision": {"type": "string", "enum": ["approve", "reject"]},
        "confidence": {"type": "number", "description": "0 to 1"},
        "reason": {"anyOf": [{"type": "string", "enum": list(Reason.__args__)}, {"type": "null"}]},  # type: ignore[attr-defined]
        "reasoning": {"type": "string", "description": "two or three sentences"},
        "plan": {"anyOf": [_strict(plan), {"type": "null"}]},
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "verdict", "strict": True, "schema": _strict(fields)},
    }


def read_answer(content: str) -> Answer:
    """The answer that a model's message holds. Raises InputError that says what is wrong with it."""
    try:
        return Answer.model_validate(orjson.loads(content))
    except orjson.JSONDecodeError as error:
        raise InputError(f"no JSON: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the answer"
        raise InputError(f"{plain(place)}: {first['msg']}") from error


def judge_answer(
    answer: Answer, one: Work, candles: Sequence[Candle], readings: Readings, rules: Rules, limits: Limits
) -> Verdict:
    """The verdict that follows from an answer, by the last candles of the signal's interval."""
    said: dict[str, Any] = {"reasoning": plain(answer.reasoning)[:LONGEST_REASONING], **readings.to_json()}
    confidence = exact(answer.confidence).quantize(Decimal("0.0001"), rounding=ROUND_DOWN)
    if answer.decision == "reject":
        return reject(answer.reason or "low_confidence", confidence, **said)
    if answer.plan is None:
        return reject("answer_malformed", confidence, problem="it approves without a plan", **said)
    levels = _round(answer.plan, find_tick(candles))
    side = str(one.signal["side"])
    problem = _find_wrong_side(answer.plan.side, side, levels)
    if problem is not None:
        return reject("plan_wrong_side", confidence, problem=problem, **said)
    problem = _find_excess(answer.plan, levels, one.trader, candles, readings, limits)
    if problem is not None:
        return reject("plan_outside_limits", confidence, problem=problem, **said)
    reward = net_reward_to_risk(levels, rules.round_trip_cost)
    said["reward_to_risk"] = float(reward)
    if reward < rules.least_reward:
        problem = f"wins {text(reward)} for each unit lost, after costs"
        return reject("reward_too_low", confidence, problem=problem, **said)
    wanted = money(one.trader.get("min_confidence") or rules.least_confidence)
    if confidence < wanted:
        return reject("low_confidence", confidence, problem=f"the trader wants {text(wanted)}", **said)
    until = candles[-1].close_ms + answer.plan.valid_candles * interval_ms(str(one.signal["interval"]))
    plan = Plan(
        side=answer.plan.side,
        entry_type=answer.plan.entry_type,
        entry=levels.entry,
        stop_loss=levels.stop_loss,
        take_profit=levels.take_profit,
        reward_to_risk=reward,
        valid_until=from_ms(until),
        size=known_size(one.trader, levels.entry),
        sizing=wanted_sizing(one.trader),
    )
    return Verdict(True, confidence, plan=plan, result=said)


def plain(said: str) -> str:
    """A model's text in one line, without characters that do something to a terminal or a log."""
    return re.sub(r"\s+", " ", "".join(letter if letter.isprintable() else " " for letter in said)).strip()


def _strict(fields: Mapping[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "properties": dict(fields), "required": list(fields)}
    return {**body, "additionalProperties": False}


def _round(plan: PlanAnswer, tick: Decimal) -> Levels:
    return Levels(
        round_to(plan.entry, tick), round_to(plan.stop_loss, tick), round_to(plan.take_profit, tick)
    )


def _find_wrong_side(proposed: str, side: str, levels: Levels) -> str | None:
    if proposed != side:
        return f"a plan of a {proposed} for a {side}"
    low, high = levels.stop_loss, levels.take_profit
    if side == "short":
        low, high = high, low
    if not (low > 0 and low < levels.entry < high):
        return (
            f"stop loss {text(levels.stop_loss)}, entry {text(levels.entry)} and take profit "
            f"{text(levels.take_profit)} are not in the order of a {side}"
        )
    return None


def _find_excess(
    plan: PlanAnswer,
    levels: Levels,
    trader: Mapping[str, Any],
    candles: Sequence[Candle],
    readings: Readings,
    limits: Limits,
) -> str | None:
    """Why a plan risks more than it may, or is of another market than the one that was shown."""
    if not limits.least_candles <= plan.valid_candles <= limits.most_candles:
        return (
            f"valid for {plan.valid_candles} candles, not for {limits.least_candles} to {limits.most_candles}"
        )
    close, atr = exact(candles[-1].close), exact(readings.atr)
    away = abs(subtract(levels.entry, close))
    room = max(multiply(atr, limits.entry_atr), divide(multiply(close, limits.entry_percent), Decimal(100)))
    if away > room:
        return f"the entry {text(levels.entry)} is far from the price {text(close)}"
    risk = abs(subtract(levels.entry, levels.stop_loss))
    most = divide(multiply(levels.entry, limits.stop_percent), Decimal(100))
    whose = f"{text(limits.stop_percent)} %"
    if trader.get("stop_loss_type") is not None and trader.get("stop_loss_value") is not None:
        try:
            own = place(
                plan.side, levels.entry, atr, {**trader, "take_profit_type": None}, find_tick(candles)
            )
        except InputError as error:
            return str(error)
        # The trader's stop is the most that it wants to lose: a model may be more careful, never less.
        distance = abs(subtract(levels.entry, own.stop_loss))
        allowed = divide(multiply(distance, Decimal(100) + limits.tolerance), Decimal(100))
        if allowed < most:
            most, whose = allowed, "the trader's own"
    if risk > most:
        return f"the stop loss {text(levels.stop_loss)} is farther from the entry than {whose}"
    return None
