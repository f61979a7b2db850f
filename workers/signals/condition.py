"""The tree of a parsed condition, and what it says of the numbers of one moment.

Everything a condition can say is one of these nodes; what the parser cannot turn into them does not exist,
and no text of a user's is ever executed. A number that is not known (too little history, a division by zero)
makes the comparison that reads it neither true nor false: `not` of it does not hold either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne

from shared.errors import InputError
from workers.signals.indicators import Term

# Answers the number that a term is at the moment in question, NaN when it is not known.
Look = Callable[[Term], float]


class ConditionError(InputError):
    """A condition that cannot be used. `column` counts from 1 in the text as it was given."""

    def __init__(self, reason: str, column: int) -> None:
        super().__init__(f"column {column}: {reason}")
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Read:
    term: Term


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Numeric


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: str
    left: Numeric
    right: Numeric


Numeric = Number | Read | Negative | Arithmetic


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operands[0] operators[0] operands[1] …`, chained as in mathematics. `text` is what was written."""

    operands: tuple[Numeric, ...]
    operators: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Cross:
    """`left` is on the other side of `right` than one candle ago: above it now with `upward`, else below.

    Where they read several intervals, the candle is one of the shortest.
    """

    left: Numeric
    right: Numeric
    upward: bool
    text: str

    @property
    def before(self) -> tuple[Numeric, Numeric]:
        """Both sides as they were one candle ago."""
        beside = frozenset(term.interval for side in (self.left, self.right) for term in read_terms(side))
        return move_before(self.left, beside), move_before(self.right, beside)


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Truth
    text: str


@dataclass(frozen=True, slots=True)
class Every:
    operands: tuple[Truth, ...]


@dataclass(frozen=True, slots=True)
class Some:
    operands: tuple[Truth, ...]


Truth = Comparison | Cross | Negation | Every | Some


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold for a trader to fire. `terms` are all the numbers it reads, in order of appearance."""

    text: str
    root: Truth
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A part of a condition that held, with the numbers it read."""

    text: str
    values: dict[str, float]


# Tells, once a condition is true, which parts made it so, from the numbers of its terms in their order.
Tell = Callable[[Sequence[float]], list[Match]]


def prepare_matches(condition: Condition) -> Tell:
    """What tells which parts made a condition true, once it is: each comparison that held, none of an
    alternative that did not."""
    return _prepare(condition.root, {term: place for place, term in enumerate(condition.terms)})


def _prepare(node: Truth, places: Mapping[Term, int]) -> Tell:
    if isinstance(node, Every):
        parts = [_prepare(operand, places) for operand in node.operands]
        return lambda numbers: [match for part in parts for match in part(numbers)]
    if isinstance(node, Some):
        ways = [(operand, _prepare(operand, places)) for operand in node.operands]
        return lambda numbers: [
            match
            for operand, way in ways
            if holds(operand, lambda term: numbers[places[term]])
            for match in way(numbers)
        ]
    text, named = node.text, [(term.text, places[term]) for term in read_terms(node)]
    return lambda numbers: [Match(text, {name: numbers[place] for name, place in named})]


def holds(node: Truth, look: Look) -> bool | None:
    """Whether a condition holds for these numbers; None where they leave it open."""
    match node:
        case Comparison(operands, operators):
            sides = [calculate(operand, look) for operand in operands]
            pairs = zip(operators, sides, sides[1:], strict=False)
            return _all([_compare(operator, left, right) for operator, left, right in pairs])
        case Cross(left, right, upward):
            now, then = (">", "<=") if upward else ("<", ">=")
            is_there = _compare(now, calculate(left, look), calculate(right, look))
            left, right = node.before
            return _all([is_there, _compare(then, calculate(left, look), calculate(right, look))])
        case Negation(operand):
            held = holds(operand, look)
            return None if held is None else not held
        case Every(operands):
            return _all([holds(operand, look) for operand in operands])
        case Some(operands):
            found = [holds(operand, look) for operand in operands]
            return True if True in found else None if None in found else False


def calculate(node: Numeric, look: Look) -> float:
    """The number that a node says; NaN when it is not known or divides by zero."""
    match node:
        case Number(value):
            return value
        case Read(term):
            return look(term)
        case Negative(operand):
            return -calculate(operand, look)
        case Arithmetic(operator, left, right):
            one, other = calculate(left, look), calculate(right, look)
            if operator == "/":
                return one / other if other else math.nan
            return one + other if operator == "+" else one - other if operator == "-" else one * other


def read_terms(node: Truth | Numeric) -> tuple[Term, ...]:
    """Every term that a node reads, each once, in order of appearance."""
    found: dict[Term, None] = {}
    waiting: list[Truth | Numeric] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Read):
            found[one.term] = None
        else:
            waiting += reversed(_children(one))
    return tuple(found)


def move_back(node: Numeric, by: int) -> Numeric:
    """The same number as it was `by` candles before."""
    return _move(node, lambda term: term.earlier(by))


def move_before(node: Numeric, beside: frozenset[str | None]) -> Numeric:
    """The same number as it was one candle before, among numbers of these intervals."""
    return _move(node, lambda term: term.before(beside))


def _move(node: Numeric, move: Callable[[Term], Term]) -> Numeric:
    match node:
        case Number():
            return node
        case Read(term):
            return Read(move(term))
        case Negative(operand):
            return Negative(_move(operand, move))
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, _move(left, move), _move(right, move))


_COMPARE = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def _compare(operator: str, left: float, right: float) -> bool | None:
    if math.isnan(left) or math.isnan(right):
        return None
    return bool(_COMPARE[operator](left, right))


def _all(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def _children(node: Truth | Numeric) -> tuple[Truth | Numeric, ...]:
    match node:
        case Comparison(operands) | Every(operands) | Some(operands):
            return operands
        case Negation(operand) | Negative(operand):
            return (operand,)
        case Cross(left, right):
            return (left, right, *node.before)
        case Arithmetic(_, left, right):
            return left, right
        case _:
            return ()
