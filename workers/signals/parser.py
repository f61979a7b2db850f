"""From the text of a condition to its tree, by a whitelist over Python's own grammar.

    RSI(14) < 30 and volume > 2 * SMA(volume, 20)
    close > HIGHEST(high, 20)[1] or not (ADX(14) < 25)
    crosses_above(EMA(12), EMA(26))

Allowed are and, or, not, comparisons (also chained), + - * / and unary minus, numbers, the five fields, the
indicators of workers/signals/indicators.py, and [n] after a field or an indicator for n candles ago. All else
is refused with its column, and so is what is too long, too nested or has too many parts.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Sequence

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
from workers.signals.indicators import FIELDS, INDICATORS, MOST_OFFSET, Term, field, reading

MOST_CHARACTERS = 2000
MOST_NODES = 500
MOST_DEPTH = 32
LARGEST_NUMBER = 1e15

_FORBIDDEN = re.compile(r"[^A-Za-z0-9_ .,()<>=!+\-*/\[\]]")
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_CROSSES = {"crosses_above": True, "crosses_below": False}


def parse(text: str) -> Condition:
    """The condition that `text` says. Raises `ConditionError`, and nothing else, where it says none."""
    flat = _check_text(text)
    start = len(flat) - len(flat.lstrip())
    tree = _read(flat.strip(), start)
    return _Parser(flat.strip(), start).parse(tree)


def parse_all(texts: Sequence[str]) -> Condition:
    """One condition that holds when all of `texts` do. An error says which of them was wrong."""
    if not texts:
        raise ConditionError("there is no condition", 1)
    if len(texts) == 1:
        return parse(texts[0])
    parsed = []
    for place, text in enumerate(texts, 1):
        try:
            parsed.append(parse(text))
        except ConditionError as error:
            raise ConditionError(
                f"in condition {place} of {len(texts)}: {error.reason}", error.column
            ) from None
    root = Every(tuple(condition.root for condition in parsed))
    shown = " and ".join(f"({condition.text})" for condition in parsed)
    return Condition(shown, root, read_terms(root))


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


def _read(text: str, start: int) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        # No offset means that the text ended where something was still to come.
        column = min(error.offset or len(text) + 1, len(text) + 1)
        raise ConditionError(f"this does not parse: {error.msg}", start + column) from None
    except (RecursionError, MemoryError):
        raise ConditionError("the condition is nested too deeply", start + 1) from None
    except ValueError as error:
        raise ConditionError(f"this does not parse: {error}", start + 1) from None


class _Parser:
    """Turns one syntax tree into nodes. `start` is the column of the text's first character, from 0."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._nodes = 0

    def parse(self, tree: ast.expr) -> Condition:
        root = self._truth(tree, 1)
        terms = read_terms(root)
        if not terms:
            raise self._error("the condition names no price, no volume and no indicator", tree)
        return Condition(self._text, root, terms)

    def _truth(self, node: ast.expr, depth: int) -> Truth:
        self._count(node, depth)
        match node:
            case ast.BoolOp(op, values):
                operands = tuple(self._truth(value, depth + 1) for value in values)
                return Every(operands) if isinstance(op, ast.And) else Some(operands)
            case ast.UnaryOp(ast.Not(), operand):
                return Negation(self._truth(operand, depth + 1), self._source(node))
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call(ast.Name(name)) if name.lower() in _CROSSES:
                return self._cross(node, name.lower(), depth)
        self._numeric(node, depth + 1)
        raise self._error(
            f"{self._source(node)!r} is a number, where something true or false is needed: compare it", node
        )

    def _comparison(self, node: ast.Compare, depth: int) -> Comparison:
        operators = []
        for op, right in zip(node.ops, node.comparators, strict=True):
            if type(op) not in _COMPARISONS:
                raise self._error("only < <= > >= == and != compare", right)
            operators.append(_COMPARISONS[type(op)])
        operands = tuple(self._numeric(one, depth + 1) for one in (node.left, *node.comparators))
        return Comparison(operands, tuple(operators), self._source(node))

    def _cross(self, node: ast.Call, name: str, depth: int) -> Cross:
        if node.keywords or len(node.args) != 2:
            raise self._error(f"{name} takes two numbers, such as {name}(EMA(12), EMA(26))", node)
        left, right = (self._numeric(one, depth + 1) for one in node.args)
        if not read_terms(left) and not read_terms(right):
            raise self._error(f"{name} compares two fixed numbers", node)
        for side in (left, right):
            if any(term.offset >= MOST_OFFSET for term in read_terms(side)):
                raise self._error(f"{name} looks back more than {MOST_OFFSET} candles", node)
        return Cross(left, right, _CROSSES[name], self._source(node))

    def _numeric(self, node: ast.expr, depth: int) -> Numeric:
        self._count(node, depth)
        match node:
            case ast.Constant():
                return Number(self._number(node))
            case ast.Name(name):
                return Read(self._field(node, name))
            case ast.UnaryOp(ast.USub(), operand):
                return Negative(self._numeric(operand, depth + 1))
            case ast.BinOp(left, op, right):
                if type(op) not in _ARITHMETIC:
                    raise self._error("only + - * and / calculate", right)
                return Arithmetic(
                    _ARITHMETIC[type(op)], self._numeric(left, depth + 1), self._numeric(right, depth + 1)
                )
            case ast.Call():
                return Read(self._call(node, depth))
            case ast.Subscript(value, index):
                return self._earlier(self._numeric(value, depth + 1), index, node)
            case ast.BoolOp() | ast.Compare() | ast.UnaryOp(ast.Not()):
                raise self._error(
                    f"{self._source(node)!r} is true or false, where a number is needed: use parentheses",
                    node,
                )
        raise self._error(f"{self._source(node)!r} is not allowed in a condition", node)

    def _number(self, node: ast.Constant) -> float:
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(f"{self._source(node)!r} is not a number", node)
        if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER or not math.isfinite(value):
            raise self._error(f"the number is larger than {LARGEST_NUMBER:g}", node)
        return float(value)

    def _field(self, node: ast.expr, name: str) -> Term:
        if name.lower() in FIELDS:
            return field(name.lower())
        if name.upper() in INDICATORS:
            raise self._error(f"{name.upper()} is an indicator: write {name.upper()}(…)", node)
        raise self._error(f"unknown name {name!r}; known are {', '.join(FIELDS)} and the indicators", node)

    def _call(self, node: ast.Call, depth: int) -> Term:
        if not isinstance(node.func, ast.Name):
            raise self._error(f"{self._source(node.func)!r} cannot be called", node)
        name = node.func.id.upper()
        if name.lower() in _CROSSES:
            raise self._error(f"{name.lower()} is true or false, where a number is needed", node)
        if name not in INDICATORS:
            raise self._error(
                f"unknown indicator {node.func.id!r}; known are {', '.join(sorted(INDICATORS))}", node
            )
        if node.keywords:
            raise self._error(f"{name} takes its arguments by place, without names", node)
        arguments = list(node.args)
        inputs: tuple[str, ...] | None = None
        if arguments and isinstance(arguments[0], ast.Name):
            first = arguments.pop(0)
            self._count(first, depth + 1)
            inputs = (str(self._field(first, self._source(first)).source),)
        values = []
        for argument in arguments:
            self._count(argument, depth + 1)
            values.append(self._argument(argument, name))
        try:
            return reading(name, inputs, tuple(values))
        except ValueError as error:
            raise self._error(str(error), node) from None

    def _argument(self, node: ast.expr, name: str) -> float:
        if isinstance(node, ast.Constant):
            return self._number(node)
        raise self._error(
            f"{name} takes at most one field, first, and then plain numbers, not {self._source(node)!r}", node
        )

    def _earlier(self, value: Numeric, index: ast.expr, node: ast.expr) -> Numeric:
        if not isinstance(value, Read):
            raise self._error("[n] belongs after a field or an indicator", node)
        if not isinstance(index, ast.Constant) or type(index.value) is not int:
            raise self._error("[n] takes a whole number of candles ago, such as close[1]", index)
        self._count(index, 1)
        if value.term.offset + index.value > MOST_OFFSET:
            raise self._error(f"at most {MOST_OFFSET} candles ago can be read", index)
        return move_back(value, index.value)

    def _count(self, node: ast.expr, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self._error(f"the condition has more than {MOST_NODES} parts", node)
        if depth > MOST_DEPTH:
            raise self._error(f"the condition is nested more than {MOST_DEPTH} deep", node)

    def _source(self, node: ast.expr) -> str:
        end = node.end_col_offset
        text = self._text[node.col_offset : end]
        return text if len(text) <= 200 else f"{text[:199]}…"

    def _error(self, reason: str, node: ast.expr) -> ConditionError:
        return ConditionError(reason, self._start + node.col_offset + 1)
