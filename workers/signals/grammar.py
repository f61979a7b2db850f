"""From the text of a condition to a tree of its words: how it is written, and nothing of what the words mean.

    either    = both {"or" both}
    both      = negated {"and" negated}
    negated   = "not" negated | compared
    compared  = sum {("<" | "<=" | ">" | ">=" | "==" | "!=") sum}
    sum       = product {("+" | "-") product}
    product   = signed {("*" | "/") signed}
    signed    = "-" signed | reading
    reading   = atom {"(" [argument {"," argument} [","]] ")" | "[" either "]" | "." name | "@" interval}
    argument  = name "=" either | either
    atom      = number | name | "(" either ")"

What does not parse is refused at the first word that cannot stand where it does. The console reads conditions
by the same rules (console/src/conditions/grammar.ts); tests/vectors/conditions.json holds both to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from shared.candles import INTERVALS
from workers.signals.condition import ConditionError

# Far more than MOST_DEPTH of the parser allows, and far less than Python's own stack.
MOST_NESTED = 100

_WORD = re.compile(
    r" *(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<rest>[A-Za-z0-9_.]*)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<interval>@[0-9]+[A-Za-z]+)"
    r"|(?P<sign>\*\*|//|[<>=!]=|.))"
)
_COMPARE = 4
_LEVELS = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _COMPARE),
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
}
_NOT, _SUM, _SIGNED = 3, 5, 7
_LOGIC = ("or", "and", "not")


@dataclass(slots=True)
class _Word:
    kind: str  # number, name, interval, sign, wrong, end
    text: str
    level: int  # how tightly it binds as an operator between two; 0 for what is none
    start: int
    end: int


# Every node says where it stands: `start` and `end` count from 0 in the text.
@dataclass(slots=True)
class Figure:
    """A number as it is written; `whole` without a point and an exponent."""

    value: float
    whole: bool
    start: int
    end: int


@dataclass(slots=True)
class Name:
    name: str
    start: int
    end: int


@dataclass(slots=True)
class Call:
    function: Node
    arguments: list[Node]
    named: list[tuple[str, Node]]
    start: int
    end: int


@dataclass(slots=True)
class Member:
    """`value.name`."""

    value: Node
    name: str
    start: int
    end: int


@dataclass(slots=True)
class At:
    """`value@interval`."""

    value: Node
    interval: str
    start: int
    end: int


@dataclass(slots=True)
class Item:
    """`value[index]`."""

    value: Node
    index: Node
    start: int
    end: int


@dataclass(slots=True)
class Minus:
    operand: Node
    start: int
    end: int


@dataclass(slots=True)
class Calculation:
    operator: str
    left: Node
    right: Node
    start: int
    end: int


@dataclass(slots=True)
class Compared:
    operands: list[Node]
    operators: list[str]
    start: int
    end: int


@dataclass(slots=True)
class Not:
    operand: Node
    start: int
    end: int


@dataclass(slots=True)
class Logic:
    """`operands` joined by `operator`, which is `and` or `or`."""

    operator: str
    operands: list[Node]
    start: int
    end: int


Node = Figure | Name | Call | Member | At | Item | Minus | Calculation | Compared | Not | Logic


def read(text: str) -> Node:
    """The tree of a text, which has no white space but blanks. Raises `ConditionError` where it has none."""
    reader = _Reader(text)
    tree = reader.expression(1)
    reader.expect_end()
    return tree


def _split(text: str) -> Iterator[_Word]:
    written = text.rstrip()
    for found in _WORD.finditer(written):
        kind = found.lastgroup or ""
        if kind == "rest":
            kind = "wrong" if found["rest"] else "number"
        word, end = found[0].lstrip(" "), found.end()
        yield _Word(kind, word, _LEVELS.get(word, 0), end - len(word), end)
    yield _Word("end", "", 0, len(written), len(written))


class _Reader:
    def __init__(self, text: str) -> None:
        self._words = _split(text)
        self._word = next(self._words)
        self._end = 0
        self._nested = 0

    def expect_end(self) -> None:
        if self._word.kind != "end":
            raise self._unexpected()

    def expression(self, least: int) -> Node:
        """The longest expression from here on whose operators bind at least so tightly."""
        start = self._word.start
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise ConditionError("the condition is nested too deeply", start + 1)
        if self._is("-"):
            self._take()
            left: Node = Minus(self.expression(_SIGNED), start, self._end)
        elif least <= _NOT and self._is("not"):
            self._take()
            left = Not(self.expression(_NOT), start, self._end)
        else:
            left = self._reading()
        while (level := self._word.level) >= least:
            left = self._operation(left, start, level)
        self._nested -= 1
        return left

    def _operation(self, left: Node, start: int, level: int) -> Node:
        operator = self._word.text
        if level >= _SUM:
            self._take()
            right = self.expression(level + 1)
            return Calculation(operator, left, right, start, self._end)
        operands, operators = [left], []
        while self._word.level == level:
            operators.append(self._word.text)
            self._take()
            operands.append(self.expression(level + 1))
        if level == _COMPARE:
            return Compared(operands, operators, start, self._end)
        return Logic(operator, operands, start, self._end)

    def _reading(self) -> Node:
        start = self._word.start
        node = self._atom()
        while True:
            if self._is("("):
                node = self._call(node, start)
            elif self._is("["):
                self._take()
                index = self.expression(1)
                self._expect("]")
                node = Item(node, index, start, self._end)
            elif self._is("."):
                self._take()
                name = self._word
                if name.kind != "name" or name.text in _LOGIC:
                    raise self._unexpected()
                self._take()
                node = Member(node, name.text, start, self._end)
            elif self._word.kind == "interval":
                node = At(node, self._interval(), start, self._end)
            else:
                return node

    def _atom(self) -> Node:
        word = self._word
        if word.kind == "number":
            self._take()
            return Figure(float(word.text), word.text.isdigit(), word.start, word.end)
        if word.kind == "name" and word.text not in _LOGIC:
            self._take()
            return Name(word.text, word.start, word.end)
        if not self._is("("):
            raise self._unexpected()
        self._take()
        inner = self.expression(1)
        self._expect(")")
        return inner

    def _call(self, function: Node, start: int) -> Call:
        self._take()
        arguments: list[Node] = []
        named: list[tuple[str, Node]] = []
        while not self._is(")"):
            begin = self._word.start
            one = self.expression(1)
            if isinstance(one, Name) and self._is("="):
                self._take()
                named.append((one.name, self.expression(1)))
            elif named:
                raise ConditionError("arguments by name come last", begin + 1)
            else:
                arguments.append(one)
            if not self._is(","):
                break
            self._take()
        self._expect(")")
        return Call(function, arguments, named, start, self._end)

    def _interval(self) -> str:
        word = self._word
        interval = word.text[1:]
        if interval not in INTERVALS:
            raise ConditionError(
                f"unknown interval {interval!r}; known are {', '.join(INTERVALS)}", word.start + 1
            )
        self._take()
        return interval

    def _is(self, text: str) -> bool:
        return self._word.text == text

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise self._unexpected(sign)
        self._take()

    def _take(self) -> None:
        self._end = self._word.end
        self._word = next(self._words)

    def _unexpected(self, missing: str = "") -> ConditionError:
        word = self._word
        if word.kind == "end":
            reason = f"this does not parse: {missing or 'something'} is missing at its end"
        elif word.kind == "wrong":
            reason = f"{word.text!r} is not a number"
        elif word.text == "@":
            reason = "after @ comes an interval, such as close@1h"
        elif word.text in ("**", "//"):
            reason = "only + - * and / calculate"
        elif word.text in ("is", "in"):
            reason = "only < <= > >= == and != compare"
        elif word.text == "=":
            reason = "this does not parse: == compares"
        elif word.kind == "name" and word.text.lower() in _LOGIC and word.text not in _LOGIC:
            reason = f"this does not parse: write {word.text.lower()} in small letters"
        else:
            reason = f"this does not parse: {word.text!r} cannot stand here"
        return ConditionError(reason, word.start + 1)
