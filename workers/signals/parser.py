"""From the text of a condition to its tree: what may be said, of the words that grammar.py reads.

    RSI(14) < 30 and volume > 2 * SMA(volume, 20)
    close > HIGHEST(high, 20)[1] or not (ADX(14) < 25)
    crosses_above(EMA(12), EMA(26)) and close > EMA(50)@1h
    STOCH(14, slowk_period=3).slowk < 20 and SMA(RSI(14), 9) > 50

Allowed are and, or, not, comparisons (also chained), + - * / and unary minus, numbers, the five fields, the
indicators of workers/signals/indicators.py with fields or indicators as their inputs, .output, @interval for
the candles of another interval, and [n] for n candles ago. All else is refused with its column, and so is
what is too long, too nested or has too many parts. The console refuses the same at the same column: see
tests/vectors/conditions.json.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workers.signals.condition import (
    Arithmetic,
    Comparison,
    Condition,
    ConditionError,
    Cross,
    Every,
    Negation,
    Negative,
    Number,
    Numeric,
    Read,
    Some,
    Truth,
    move_back,
    read_terms,
)
from workers.signals.grammar import (
    At,
    Calculation,
    Call,
    Compared,
    Figure,
    Item,
    Logic,
    Member,
    Minus,
    Name,
    Node,
    Not,
    read,
)
from workers.signals.indicators import (
    FIELDS,
    INDICATORS,
    MOST_OFFSET,
    Output,
    Reading,
    Term,
    take_field,
    take_output,
    take_reading,
)

MOST_CHARACTERS = 2000
MOST_NODES = 500
MOST_DEPTH = 32
LARGEST_NUMBER = 1e15
# Of all conditions of one trader together: how many indicators they compute, each within another counted, and
# how many earlier numbers they have remembered.
MOST_INDICATORS = 40
MOST_REMEMBERED = 400
MOST_WITHIN = 4

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_ .,()<>=!+\-*/\[\]@]")
_CROSSES = {"crosses_above": True, "crosses_below": False}


@dataclass(slots=True)
class _Budget:
    """What the conditions of one trader may take together, and have taken so far."""

    nodes: int = 0
    readings: set[tuple[Reading, str | None]] = field(default_factory=set)
    remembered: dict[tuple[str | Output, str | None], int] = field(default_factory=dict)


def parse(text: str) -> Condition:
    """The condition that `text` says. Raises `ConditionError`, and nothing else, where it says none."""
    return _parse(text, _Budget())


def parse_all(texts: Sequence[str]) -> Condition:
    """One condition that holds when all of `texts` do. An error says which of them was wrong."""
    if not texts:
        raise ConditionError("there is no condition", 1)
    budget = _Budget()
    if len(texts) == 1:
        return _parse(texts[0], budget)
    parsed = []
    for place, text in enumerate(texts, 1):
        try:
            parsed.append(_parse(text, budget))
        except ConditionError as error:
            raise ConditionError(
                f"in condition {place} of {len(texts)}: {error.reason}", error.column
            ) from None
    root = Every(tuple(condition.root for condition in parsed))
    shown = " and ".join(f"({condition.text})" for condition in parsed)
    return Condition(shown, root, read_terms(root))


def _parse(text: str, budget: _Budget) -> Condition:
    flat = _check_text(text)
    return _Parser(flat, budget).parse(read(flat))


def _check_text(text: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise ConditionError(
            f"the condition is {len(text)} characters long; at most {MOST_CHARACTERS} are read", 1
        )
    flat = re.sub(r"[\t\n\r]", " ", text)
    if not flat.strip():
        raise ConditionError("the condition is empty", 1)
    forbidden = _FORBIDDEN.search(flat)
    if forbidden is not None:
        raise ConditionError(f"the character {forbidden[0]!r} is not allowed", forbidden.start() + 1)
    return flat


class _Parser:
    """Turns one tree of words into nodes."""

    def __init__(self, text: str, budget: _Budget) -> None:
        self._text = text
        self._budget = budget

    def parse(self, tree: Node) -> Condition:
        root = self._truth(tree, 1)
        terms = read_terms(root)
        if not terms:
            raise self._error("the condition names no price, no volume and no indicator", tree)
        return Condition(self._text.strip(), root, terms)

    def _truth(self, node: Node, depth: int) -> Truth:
        self._count(node, depth)
        match node:
            case Logic(operator, values):
                operands = tuple(self._truth(value, depth + 1) for value in values)
                return Every(operands) if operator == "and" else Some(operands)
            case Not(operand):
                return Negation(self._truth(operand, depth + 1), self._source(node))
            case Compared(values, operators):
                sides = tuple(self._numeric(value, depth + 1) for value in values)
                return Comparison(sides, tuple(operators), self._source(node))
            case Call(Name(name)) if name.lower() in _CROSSES:
                return self._cross(node, name.lower(), depth)
        self._numeric(node, depth + 1)
        raise self._error(
            f"{self._source(node)!r} is a number, where something true or false is needed: compare it", node
        )

    def _cross(self, node: Call, name: str, depth: int) -> Cross:
        if node.named or len(node.arguments) != 2:
            raise self._error(f"{name} takes two numbers, such as {name}(EMA(12), EMA(26))", node)
        left, right = (self._numeric(one, depth + 1) for one in node.arguments)
        if not read_terms(left) and not read_terms(right):
            raise self._error(f"{name} compares two fixed numbers", node)
        for side in (left, right):
            if any(term.offset >= MOST_OFFSET for term in read_terms(side)):
                raise self._error(f"{name} looks back more than {MOST_OFFSET} candles", node)
        cross = Cross(left, right, _CROSSES[name], self._source(node))
        for term in (term for side in cross.before for term in read_terms(side)):
            self._remember(term, node)
        return cross

    def _numeric(self, node: Node, depth: int) -> Numeric:
        self._count(node, depth)
        match node:
            case Figure():
                return Number(self._number(node))
            case Name(name):
                return Read(self._field(node, name))
            case Minus(operand):
                return Negative(self._numeric(operand, depth + 1))
            case Calculation(operator, left, right):
                return Arithmetic(operator, self._numeric(left, depth + 1), self._numeric(right, depth + 1))
            case Call() | Member() | At():
                return Read(self._term(node, depth))
            case Item(value, index):
                return self._earlier(self._numeric(value, depth + 1), index, node)
            case Logic() | Compared() | Not():
                raise self._error(
                    f"{self._source(node)!r} is true or false, where a number is needed: use parentheses",
                    node,
                )

    def _number(self, node: Figure) -> float:
        if node.value > LARGEST_NUMBER:
            raise self._error(f"the number is larger than {LARGEST_NUMBER:g}", node)
        return node.value

    def _field(self, node: Node, name: str) -> Term:
        if name.lower() in FIELDS:
            return take_field(name.lower())
        if name.upper() in INDICATORS:
            raise self._error(f"{name.upper()} is an indicator: write {name.upper()}(…)", node)
        raise self._error(f"unknown name {name!r}; known are {', '.join(FIELDS)} and the indicators", node)

    def _term(self, node: Call | Member | At, depth: int) -> Term:
        """An indicator or a field, with its output and its interval, as far as they are there."""
        if not isinstance(node, At):
            term = self._source_term(node, depth)
        elif isinstance(node.value, Name | Call | Member):
            self._count(node.value, depth + 1)
            if isinstance(node.value, Name):
                return self._field(node.value, node.value.name).at(node.interval)
            term = self._source_term(node.value, depth + 1).at(node.interval)
        else:
            raise self._error(f"@{node.interval} belongs after a field or an indicator, before [n]", node)
        self._compute(term, node)
        return term

    def _source_term(self, node: Node, depth: int, within: int = 0) -> Term:
        """An indicator, with its output where it has several. `within` counts those that it stands in."""
        if within > MOST_WITHIN:
            raise self._error(f"indicators stand in one another more than {MOST_WITHIN} deep", node)
        match node:
            case Member(Call() as call, output):
                self._count(call, depth + 1)
                name, term = self._call(call, depth + 1, within)
                try:
                    return take_output(term, name, output.lower())
                except ValueError as error:
                    raise self._error(str(error), node) from None
            case Call():
                name, term = self._call(node, depth, within)
                indicator = INDICATORS[name]
                if indicator.output is None:
                    outputs = " or .".join(indicator.outputs)
                    raise self._error(f"{name} has several outputs: write {name}(…).{outputs}", node)
                return term
        raise self._error(f"{self._source(node)!r} is not allowed in a condition", node)

    def _call(self, node: Call, depth: int, within: int) -> tuple[str, Term]:
        if not isinstance(node.function, Name):
            raise self._error(f"{self._source(node.function)!r} cannot be called", node)
        name = node.function.name.upper()
        if name.lower() in _CROSSES:
            raise self._error(f"{name.lower()} is true or false, where a number is needed", node)
        if name not in INDICATORS:
            near = get_close_matches(name, INDICATORS, 1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise self._error(
                f"unknown indicator {node.function.name!r}; {guess}"
                "`sigtrail strategies indicators` lists them",
                node,
            )
        inputs: list[Term] = []
        values: list[float] = []
        for argument in node.arguments:
            self._count(argument, depth + 1)
            if values or not isinstance(argument, Name | Call | Member | At):
                values.append(self._argument(argument, name))
            elif isinstance(argument, Name):
                inputs.append(self._field(argument, argument.name))
            else:
                if isinstance(argument, At):
                    raise self._error(f"an interval belongs after {name}(…), not within", argument)
                inputs.append(self._source_term(argument, depth + 1, within + 1))
        named: dict[str, float] = {}
        for keyword, value in node.named:
            self._count(value, depth + 1)
            if keyword.lower() in named:
                raise self._error(f"{name} takes {keyword.lower()} twice here", node)
            named[keyword.lower()] = self._argument(value, name)
        try:
            return name, take_reading(name, tuple(inputs), tuple(values), named)
        except ValueError as error:
            raise self._error(str(error), node) from None

    def _argument(self, node: Node, name: str) -> float:
        match node:
            case Figure():
                return self._number(node)
            case Minus(Figure() as figure):
                return -self._number(figure)
        raise self._error(
            f"{name} takes fields or indicators first, and then plain numbers, not {self._source(node)!r}",
            node,
        )

    def _earlier(self, value: Numeric, index: Node, node: Node) -> Numeric:
        if not isinstance(value, Read):
            raise self._error("[n] belongs after a field or an indicator", node)
        if not isinstance(index, Figure) or not index.whole:
            raise self._error("[n] takes a whole number of candles ago, such as close[1]", index)
        self._count(index, 1)
        if value.term.offset + index.value > MOST_OFFSET:
            raise self._error(f"at most {MOST_OFFSET} candles ago can be read", index)
        moved = move_back(value, int(index.value))
        for term in read_terms(moved):
            self._remember(term, index)
        return moved

    def _compute(self, term: Term, node: Node) -> None:
        """Count the indicators that a term takes, each once for an interval."""
        waiting = [term.source]
        while waiting:
            source = waiting.pop()
            if isinstance(source, Output):
                self._budget.readings.add((source.reading, term.interval))
                waiting += source.reading.inputs
        if len(self._budget.readings) > MOST_INDICATORS:
            raise self._error(f"more than {MOST_INDICATORS} indicators are read", node)

    def _remember(self, term: Term, node: Node) -> None:
        """Count the earlier numbers that a term takes: all those between it and now."""
        remembered = self._budget.remembered
        key = (term.source, term.interval)
        # One more for a number as it was before, among those of several intervals.
        offset = term.offset + (term.beside is not None)
        remembered[key] = max(remembered.get(key, 0), offset)
        if sum(remembered.values()) > MOST_REMEMBERED:
            raise self._error(f"more than {MOST_REMEMBERED} earlier numbers are read in all", node)

    def _count(self, node: Node, depth: int) -> None:
        self._budget.nodes += 1
        if self._budget.nodes > MOST_NODES:
            raise self._error(f"the condition has more than {MOST_NODES} parts", node)
        if depth > MOST_DEPTH:
            raise self._error(f"the condition is nested more than {MOST_DEPTH} deep", node)

    def _source(self, node: Node) -> str:
        text = self._text[node.start : node.end]
        return text if len(text) <= 200 else f"{text[:199]}…"

    def _error(self, reason: str, node: Node) -> ConditionError:
        return ConditionError(reason, node.start + 1)
