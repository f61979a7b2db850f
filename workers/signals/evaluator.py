"""All traders at each candle close: which conditions became true, and the signals that this makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any
from uuid import UUID

import numpy as np

from shared.candles import Candle
from shared.errors import InputError
from shared.identity import signal_id
from shared.market import Market
from shared.models import MarketKind, Side, Signal, Trader
from shared.symbols import unify
from workers.signals.board import Board, bits, place_term
from workers.signals.condition import Condition, Tell, prepare_matches
from workers.signals.indicators import FIELDS, Output, Reading, Term
from workers.signals.memory import most_bytes
from workers.signals.parser import parse_all
from workers.signals.program import Array, Graph, Program

MOST_SYMBOLS = 4096
# So many nodes of conditions that nobody has any more are kept before the graph is made anew.
SPARE_NODES = 10_000

Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Unfit:
    """A trader that cannot be evaluated, and why."""

    trader_id: UUID
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is kept of a trader: the rule that it has, and the rows of its symbols, as bits."""

    key: Key
    mask: int
    side: Side


@dataclass(slots=True)
class _Rule:
    """One condition of one interval, with every trader that has it.

    `root` is its node in the graph, `columns` are those of its terms and `needs` all that those take.
    `traders` are by the rows of their symbols, as bits, and `mask` is all of those rows; `settled` are the
    rows where its states are right. `place` is its row in the states, below zero until it has one.
    """

    condition: Condition
    interval: str
    root: int
    columns: list[int]
    needs: tuple[int, ...]
    place: int = -1
    mask: int = 0
    settled: int = 0
    traders: dict[int, dict[UUID, Side]] = field(default_factory=dict)
    tell: Tell | None = None

    @property
    def terms(self) -> dict[Term, int]:
        """The columns by what they are."""
        return dict(zip(self.condition.terms, self.columns, strict=True))


@dataclass(slots=True)
class _Section:
    """The rules of one interval and the program that evaluates them."""

    graph: Graph = field(default_factory=Graph)
    rules: dict[Key, _Rule] = field(default_factory=dict)
    program: Program | None = None
    order: list[_Rule] = field(default_factory=list)
    places: Array = field(default_factory=lambda: np.empty(0, dtype=np.intp))


class Evaluator:
    """Fires a trader at the candle close at which its condition becomes true.

    A condition that stays true does not fire again, and one that is true when it is first known does not fire
    either: what was before is not known. A condition of several intervals sees, of each, the latest candle
    that is closed at that moment. Indicators and what conditions have in common are computed once for all.
    """

    def __init__(self, market: Market, most: int | None = None) -> None:
        self._market = market
        # What the indicators of all traders may take; a trader beyond it is refused, those before it go on.
        self._most_bytes = most_bytes() if most is None else most
        self._board = Board(market.history)
        self._sections: dict[str, _Section] = {}
        self._entries: dict[UUID, _Entry] = {}
        self._unfit: dict[UUID, Unfit] = {}
        self._masks: dict[tuple[str, ...], int] = {}
        self._heard: list[Candle] = []
        self._fired: list[Signal] = []
        # By rule and symbol: whether it held at the last candle, whether it was ever known, and whether any
        # trader looks there at all.
        self._held = np.zeros((64, 16), dtype=np.bool_)
        self._seen = np.zeros_like(self._held)
        self._member = np.zeros_like(self._held)
        self._free: list[int] = []
        self._used = 0

    @property
    def rules(self) -> int:
        """How many conditions are tested over all symbols, each shared by the traders that have it."""
        return sum(rule.mask.bit_count() for one in self._sections.values() for rule in one.rules.values())

    @property
    def traders(self) -> int:
        """How many traders are evaluated."""
        return len(self._entries)

    @property
    def unfit(self) -> list[Unfit]:
        """Those of the market's traders that cannot be evaluated, in the order of their ids."""
        return [self._unfit[one] for one in sorted(self._unfit)]

    @property
    def readings(self) -> tuple[tuple[str, Reading], ...]:
        """The indicators that are computed, each with its interval."""
        return self._board.readings

    @property
    def waiting(self) -> int:
        """How many candles were heard and not evaluated."""
        return len(self._heard)

    @property
    def memory(self) -> int:
        """About how many bytes indicators, numbers and states take."""
        return self._board.memory + 3 * self._held.nbytes

    def assign(self, traders: Iterable[Trader]) -> list[Unfit]:
        """Evaluate these traders, and only these, from the next candle on.

        Traders of another market are left out. Answers those that cannot be evaluated; the others go on.
        """
        wanted = {one.id: one for one in traders}
        gone = [one for one in (*self._entries, *self._unfit) if one not in wanted]
        self.change(wanted.values(), gone)
        return self.unfit

    def change(self, changed: Iterable[Trader], gone: Iterable[UUID] = ()) -> None:
        """Evaluate these traders as they are now, and those no more, from the next candle on.

        All others go on as if nothing had happened, and so does what was computed for them. What holds
        already for a new trader is not what fires next.
        """
        self._advance()
        touched: set[str] = set()
        for one in gone:
            self._unfit.pop(one, None)
            touched |= self._remove(one)
        for trader in sorted(changed, key=attrgetter("id")):
            entry = self._enter(trader)
            if entry is None or entry != self._entries.get(trader.id):
                touched |= self._remove(trader.id)
                if entry is not None:
                    touched |= self._add(trader, entry)
        if touched:
            self._settle(touched)

    def hear(self, candle: Candle) -> None:
        """Take a closed candle, to be evaluated with all others that closed when it did."""
        self._heard.append(candle)

    def evaluate(self) -> list[Signal]:
        """The signals of the candles that were heard since the last time, in the order of their closes."""
        self._advance()
        fired, self._fired = self._fired, []
        return fired

    # Candles

    def _advance(self) -> None:
        heard, self._heard = self._heard, []
        heard.sort(key=attrgetter("close_ms"))
        for _, closed in groupby(heard, key=attrgetter("close_ms")):
            candles = {(one.interval, one.symbol): one for one in closed}
            for interval, rows in self._board.advance(list(candles.values())).items():
                section = self._sections.get(interval)
                if section is not None and section.program is not None:
                    here = {row: candles[interval, self._board.symbols[row]] for row in rows.tolist()}
                    self._test(section, section.program, rows, here)

    def _test(self, section: _Section, program: Program, rows: Array, candles: Mapping[int, Candle]) -> None:
        held, known = program.run(self._board.numbers, rows)
        places = (section.places[:, None], rows)
        rising = held & ~self._held[places] & self._seen[places] & self._member[places]
        self._held[places] = held
        self._seen[places] |= known
        for number, place in zip(*(one.tolist() for one in np.nonzero(rising)), strict=True):
            row = int(rows[place])
            self._fire(section.order[number], row, candles[row])

    def _fire(self, rule: _Rule, row: int, candle: Candle) -> None:
        if rule.tell is None:
            rule.tell = prepare_matches(rule.condition)
        values: list[float] = self._board.numbers[rule.columns, row].tolist()
        matched = tuple({"text": match.text, "values": match.values} for match in rule.tell(values))
        original = {
            "candle": describe(candle),
            "condition": rule.condition.text,
            "indicators": {
                term.text: value
                for term, value in zip(rule.condition.terms, values, strict=True)
                if isinstance(term.source, Output)
            },
        }
        price, name = candle.price, _unify(candle.symbol, self._market.kind)
        self._fired += [
            Signal(
                id=signal_id(trader, candle.symbol, candle.interval, candle.close_ms),
                trader_id=trader,
                symbol=candle.symbol,
                normalised_symbol=name,
                interval=candle.interval,
                side=side,
                triggered_ms=candle.close_ms,
                price=price,
                matched_conditions=matched,
                original_signal=original,
            )
            for mask, traders in rule.traders.items()
            if mask >> row & 1
            for trader, side in traders.items()
        ]

    # Traders

    def _enter(self, trader: Trader) -> _Entry | None:
        """What to keep of a trader; None for one that is not evaluated here."""
        self._unfit.pop(trader.id, None)
        if trader.market != self._market.kind:
            return None
        mask = self._masks.get(trader.symbols)
        if mask is None:
            new = [one for one in dict.fromkeys(trader.symbols) if one not in self._board.rows]
            if len(self._board.rows) + len(new) > MOST_SYMBOLS:
                reason = f"the traders of this machine name more than {MOST_SYMBOLS} symbols together"
                self._unfit[trader.id] = Unfit(trader.id, trader.name, reason)
                return None
            mask = self._masks[trader.symbols] = self._board.mask(trader.symbols)
        return _Entry((trader.interval, trader.conditions), mask, trader.side)

    def _add(self, trader: Trader, entry: _Entry) -> set[str]:
        interval = trader.interval
        section = self._sections.get(interval) or _Section()
        try:
            rule = section.rules.get(entry.key) or self._make_rule(section, entry.key)
            self._board.reserve(rule.needs, entry.mask, self._most_bytes - 3 * self._held.nbytes)
        except (InputError, ValueError) as error:
            self._unfit[trader.id] = Unfit(trader.id, trader.name, str(error))
            return set()
        self._sections[interval] = section
        section.rules[entry.key] = rule
        rule.traders.setdefault(entry.mask, {})[trader.id] = entry.side
        rule.mask |= entry.mask
        self._entries[trader.id] = entry
        return {interval}

    def _remove(self, trader: UUID) -> set[str]:
        entry = self._entries.pop(trader, None)
        if entry is None:
            return set()
        interval = entry.key[0]
        rule = self._sections[interval].rules[entry.key]
        having = rule.traders[entry.mask]
        del having[trader]
        if not having:
            del rule.traders[entry.mask]
            rule.mask = 0
            for mask in rule.traders:
                rule.mask |= mask
        return {interval}

    def _make_rule(self, section: _Section, key: Key) -> _Rule:
        interval, texts = key
        self._market.follow(interval)
        condition = parse_all(texts)
        columns = {term: place_term(term, interval) for term in condition.terms}
        for one in columns.values():
            self._market.follow(one.interval)
        terms = {term: self._board.place(column) for term, column in columns.items()}
        needs = {self._board.place(one): None for column in columns.values() for one in column.feeds()}
        return _Rule(
            condition, interval, section.graph.add(condition.root, terms), list(terms.values()), tuple(needs)
        )

    def _settle(self, touched: Iterable[str]) -> None:
        """Make what was added and removed take effect."""
        new: dict[str, list[_Rule]] = {}
        for interval in touched:
            section = self._sections[interval]
            for key, rule in tuple(section.rules.items()):
                if not rule.traders:
                    del section.rules[key]
                    if rule.place >= 0:
                        self._member[rule.place] = False
                        self._free.append(rule.place)
                elif rule.mask != rule.settled:
                    new.setdefault(interval, []).append(rule)
        masks: dict[int, int] = {}
        used = 0
        for section in self._sections.values():
            for rule in section.rules.values():
                used |= rule.mask
                for place in rule.needs:
                    masks[place] = masks.get(place, 0) | rule.mask
        self._board.want(masks)
        if self._board.forget(used):
            self._masks = {symbols: mask for symbols, mask in self._masks.items() if not mask & ~used}
        for interval in touched:
            self._plan(interval)
        for rules in new.values():
            self._begin(rules)

    def _plan(self, interval: str) -> None:
        section = self._sections[interval]
        rules = section.order = list(section.rules.values())
        if not rules:
            del self._sections[interval]
            return
        for rule in rules:
            if rule.place < 0:
                rule.place = self._free.pop() if self._free else self._used
                self._used = max(self._used, rule.place + 1)
        section.places = np.array([rule.place for rule in rules], dtype=np.intp)
        self._grow()
        section.program = _write_program(section.graph, rules)
        if len(section.graph.nodes) > 2 * section.program.size + SPARE_NODES:
            section.graph = Graph()
            for rule in rules:
                rule.root = section.graph.add(rule.condition.root, rule.terms)
            section.program = _write_program(section.graph, rules)

    def _begin(self, rules: Sequence[_Rule]) -> None:
        """Find out which of these rules hold already where they are new: it is not what fires next."""
        interval = self._sections[rules[0].interval]
        rows = self._board.all_rows
        held, known = _write_program(interval.graph, rules).run(self._board.numbers, rows)
        for number, rule in enumerate(rules):
            fresh = list(bits(rule.mask & ~rule.settled))
            self._held[rule.place, fresh] = held[number, fresh]
            self._seen[rule.place, fresh] = known[number, fresh]
            self._member[rule.place] = False
            self._member[rule.place, list(bits(rule.mask))] = True
            rule.settled = rule.mask

    def _grow(self) -> None:
        rules, rows = self._held.shape
        if self._used <= rules and self._board.numbers.shape[1] <= rows:
            return
        shape = max(rules, self._used * 3 // 2), max(rows, self._board.numbers.shape[1])
        for name in ("_held", "_seen", "_member"):
            wider = np.zeros(shape, dtype=np.bool_)
            wider[:rules, :rows] = getattr(self, name)
            setattr(self, name, wider)


def _write_program(graph: Graph, rules: Sequence[_Rule]) -> Program:
    roots = [rule.root for rule in rules]
    return Program(graph, roots, [tuple(dict.fromkeys(rule.columns)) for rule in rules])


def describe(candle: Candle) -> dict[str, Any]:
    """A candle for the record: prices and volume as text, as exact as the venue sent them."""
    numbers = {name: getattr(candle, name) for name in FIELDS}
    return {"open_time": candle.open_ms, **{name: repr(number) for name, number in numbers.items()}}


@lru_cache(maxsize=MOST_SYMBOLS)
def _unify(symbol: str, market: MarketKind) -> str:
    return unify(symbol, market)
