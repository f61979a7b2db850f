"""The tree of a parsed condition, and how it becomes a code object.

Everything a condition can say is one of these nodes; what the parser cannot turn into them does not exist.
The source that is compiled is written from these nodes alone, so that no text of the user's is ever executed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType

from shared.errors import InputError
from workers.signals.indicators import Term

Values = list[float]
Test = Callable[[Values], bool]


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
    """`left` is on the other side of `right` than one candle ago: above it now with `upward`, else below."""

    left: Numeric
    right: Numeric
    upward: bool
    text: str


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

    def compile(self, slots: Mapping[Term, int]) -> Test:
        """The test as a function of the values, where `slots` says which value each term is."""
        return compile_test(self.root, slots)


@dataclass(frozen=True, slots=True)
class Match:
    """A part of a condition that held, with the numbers it read."""

    text: str
    values: dict[str, float]


def compile_matches(root: Truth, slots: Mapping[Term, int]) -> Callable[[Values], list[Match]]:
    """What tells, once `root` is true, which parts made it so: each comparison that held, none of an
    alternative that did not."""
    if isinstance(root, Every):
        parts = [compile_matches(operand, slots) for operand in root.operands]
        return lambda values: [match for part in parts for match in part(values)]
    if isinstance(root, Some):
        ways = [(compile_test(one, slots), compile_matches(one, slots)) for one in root.operands]
        return lambda values: [match for test, way in ways if _holds(test, values) for match in way(values)]
    text, named = root.text, [(term.text, slots[term]) for term in read_terms(root)]
    return lambda values: [Match(text, {name: values[slot] for name, slot in named})]


def read_terms(node: Truth | Numeric) -> tuple[Term, ...]:
    """Every term that a node reads, each once, in order of appearance."""
    found: dict[Term, None] = {}
    waiting: list[Truth | Numeric] = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Read):
            found[one.term] = None
        elif isinstance(one, Cross):
            # Popped in reverse: what is appended last is read first.
            waiting += [move_back(one.right, 1), move_back(one.left, 1), one.right, one.left]
        else:
            waiting += reversed(_children(one))
    return tuple(found)


def move_back(node: Numeric, by: int) -> Numeric:
    """The same number as it was `by` candles before."""
    match node:
        case Number():
            return node
        case Read(term):
            return Read(term.earlier(by))
        case Negative(operand):
            return Negative(move_back(operand, by))
        case Arithmetic(operator, left, right):
            return Arithmetic(operator, move_back(left, by), move_back(right, by))


def compile_test(node: Truth, slots: Mapping[Term, int]) -> Test:
    """One boolean node as a function of the values."""
    code = _compile(f"lambda v: {_write(node, slots)}")
    test: Test = eval(code, {"__builtins__": {}})  # noqa: S307 - written by _write from checked nodes only
    return test


def _holds(test: Test, values: Values) -> bool:
    try:
        return test(values)
    except ZeroDivisionError:
        return False


def _children(node: Truth | Numeric) -> tuple[Truth | Numeric, ...]:
    match node:
        case Comparison(operands) | Every(operands) | Some(operands):
            return operands
        case Negation(operand) | Negative(operand):
            return (operand,)
        case Arithmetic(_, left, right) | Cross(left, right):
            return left, right
        case _:
            return ()


def _write(node: Truth | Numeric, slots: Mapping[Term, int]) -> str:
    match node:
        case Number(value):
            return repr(float(value))
        case Read(term):
            return f"v[{slots[term]:d}]"
        case Negative(operand):
            return f"(-{_write(operand, slots)})"
        case Arithmetic(operator, left, right):
            return f"({_write(left, slots)} {operator} {_write(right, slots)})"
        case Comparison(operands, operators):
            words = [_write(operands[0], slots)]
            for operator, operand in zip(operators, operands[1:], strict=True):
                words += [operator, _write(operand, slots)]
            return f"({' '.join(words)})"
        case Cross(left, right, upward):
            now, before = (">", "<=") if upward else ("<", ">=")
            earlier = f"{_write(move_back(left, 1), slots)} {before} {_write(move_back(right, 1), slots)}"
            return f"({_write(left, slots)} {now} {_write(right, slots)} and {earlier})"
        case Negation(operand):
            return f"(not {_write(operand, slots)})"
        case Every(operands):
            return f"({' and '.join(_write(operand, slots) for operand in operands)})"
        case Some(operands):
            return f"({' or '.join(_write(operand, slots) for operand in operands)})"


def _compile(source: str) -> CodeType:
    return compile(source, "<condition>", "eval")
