"""All traders at each candle close: which conditions became true, and the signals that this makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from shared.candles import Candle
from shared.errors import InputError
from shared.identity import signal_id
from shared.market import Market
from shared.models import Signal, Trader
from shared.symbols import unify
from workers.signals.condition import Condition, Test, compile_matches
from workers.signals.indicators import Reading
from workers.signals.parser import parse_all
from workers.signals.series import Series, Slots

Conditions = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A trader that cannot be evaluated, and why."""

    trader_id: UUID
    name: str
    reason: str


class _Rule:
    """One condition on one series, with every trader that has it.

    `held` is whether the condition was true at the last candle, None while that is not known.
    """

    __slots__ = ("condition", "held", "indicators", "matches", "places", "test", "traders")

    def __init__(self, condition: Condition, slots: Slots) -> None:
        self.condition = condition
        self.places = [slots[term] for term in condition.terms]
        self.indicators = [
            (term.text, slots[term]) for term in condition.terms if isinstance(term.source, Reading)
        ]
        self.test: Test = condition.compile(slots)
        self.matches = compile_matches(condition.root, slots)
        self.held: bool | None = None
        self.traders: list[Trader] = []

    def is_known(self, values: list[float]) -> bool:
        return all(math.isfinite(values[place]) for place in self.places)


class _Watch:
    """One series and the rules that read it."""

    __slots__ = ("rules", "series")

    def __init__(self, series: Series) -> None:
        self.series = series
        self.rules: dict[Conditions, _Rule] = {}


class Evaluator:
    """Fires a trader at the candle close at which its condition becomes true.

    A condition that stays true does not fire again, and one that is true when it is first known does not fire
    either: what was before is not known. Indicators are computed once for all traders.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._slots = Slots()
        self._watches: dict[tuple[str, str], _Watch] = {}
        self._parsed: dict[Conditions, Condition | InputError] = {}
        # How often a condition could not be computed because it divided by zero: it counts as not true.
        self.undefined = 0

    @property
    def rules(self) -> int:
        """How many conditions are tested over all series, each shared by the traders that have it."""
        return sum(len(watch.rules) for watch in self._watches.values())

    def assign(self, traders: Iterable[Trader]) -> list[Unfit]:
        """Evaluate these traders, and only these, from the next candle on.

        Traders of another market are left out. Answers those that cannot be evaluated; the others go on.
        What was computed for traders that stay is kept.
        """
        unfit: list[Unfit] = []
        wanted: dict[tuple[str, str], dict[Conditions, list[Trader]]] = {}
        for trader in sorted(traders, key=lambda one: one.id):
            if trader.market != self._market.kind:
                continue
            try:
                self._market.follow(trader.interval)
                self._parse(trader.conditions)
            except (InputError, ValueError) as error:
                unfit.append(Unfit(trader.id, trader.name, str(error)))
                continue
            for symbol in dict.fromkeys(trader.symbols):
                rules = wanted.setdefault((symbol, trader.interval), {})
                rules.setdefault(trader.conditions, []).append(trader)
        self._watches = {
            key: self._watch(key, rules, self._watches.get(key)) for key, rules in sorted(wanted.items())
        }
        used = {texts for rules in wanted.values() for texts in rules}
        self._parsed = {texts: parsed for texts, parsed in self._parsed.items() if texts in used}
        return unfit

    def evaluate(self, candle: Candle) -> list[Signal]:
        """The signals of one closed candle, the latest that the market shows."""
        watch = self._watches.get((candle.symbol, candle.interval))
        if watch is None:
            return []
        values = watch.series.update(candle)
        signals: list[Signal] = []
        for rule in watch.rules.values():
            try:
                held = rule.test(values)
            except ZeroDivisionError:
                self.undefined += 1
                held = False
            if held is rule.held:
                continue
            before, rule.held = rule.held, held
            if (held or before is None) and not rule.is_known(values):
                rule.held = None if before is None else False
            elif held and before is False:
                signals += self._fire(rule, candle, values)
        return signals

    def _parse(self, texts: Conditions) -> Condition:
        parsed = self._parsed.get(texts)
        if parsed is None:
            try:
                parsed = parse_all(texts)
            except InputError as error:
                parsed = error
            self._parsed[texts] = parsed
        if isinstance(parsed, InputError):
            raise parsed
        return parsed

    def _watch(
        self, key: tuple[str, str], wanted: dict[Conditions, list[Trader]], watch: _Watch | None
    ) -> _Watch:
        if watch is None:
            history: Callable[[], list[Candle]] = partial(self._market.history, *key)
            watch = _Watch(Series(history))
        if wanted.keys() != watch.rules.keys():
            watch.series.read((term for texts in wanted for term in self._parse(texts).terms), self._slots)
        rules = {}
        for texts, traders in wanted.items():
            rule = watch.rules.get(texts)
            if rule is None:
                rule = _Rule(self._parse(texts), self._slots)
                self._settle(rule, watch.series.values)
            rule.traders = traders
            rules[texts] = rule
        watch.rules = rules
        return watch

    def _settle(self, rule: _Rule, values: list[float]) -> None:
        """Find out whether the condition of a new rule holds already: then it is not what fires next."""
        if rule.is_known(values):
            try:
                rule.held = rule.test(values)
            except ZeroDivisionError:
                rule.held = False

    def _fire(self, rule: _Rule, candle: Candle, values: list[float]) -> list[Signal]:
        matched = tuple({"text": match.text, "values": match.values} for match in rule.matches(values))
        original = {
            "candle": describe(candle),
            "condition": rule.condition.text,
            "indicators": {name: values[slot] for name, slot in rule.indicators},
        }
        return [
            Signal(
                id=signal_id(trader.id, candle.symbol, candle.interval, candle.close_ms),
                trader_id=trader.id,
                symbol=candle.symbol,
                normalised_symbol=unify(candle.symbol, self._market.kind),
                interval=candle.interval,
                side=trader.side,
                triggered_ms=candle.close_ms,
                price=candle.price,
                matched_conditions=matched,
                original_signal=original,
            )
            for trader in rule.traders
        ]


def describe(candle: Candle) -> dict[str, Any]:
    """A candle for the record: prices and volume as text, as exact as the venue sent them."""
    numbers = {name: getattr(candle, name) for name in ("open", "high", "low", "close", "volume")}
    return {"open_time": candle.open_ms, **{name: repr(number) for name, number in numbers.items()}}
