"""From the text of a condition to its tree, by a whitelist over Python's own grammar.

    RSI(14) < 30 and volume > 2 * SMA(volume, 20)
    close > HIGHEST(high, 20)[1] or not (ADX(14) < 25)
    crosses_above(EMA(12), EMA(26)) and close > EMA(50)@1h
    STOCH(14, slowk_period=3).slowk < 20 and SMA(RSI(14), 9) > 50

Allowed are and, or, not, comparisons (also chained), + - * / and unary minus, numbers, the five fields, the
indicators of workers/signals/indicators.py with fields or indicators as their inputs, .output, @interval for
the candles of another interval, and [n] for n candles ago. All else is refused with its column, and so is
what is too long, too nested or has too many parts.
"""

from __future__ import annotations

import ast
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from shared.candles import INTERVALS
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
_INTERVAL = re.compile(r"@([0-9]+[A-Za-z]+)?")
_DIGITS = str.maketrans("0123456789", "abcdefghij")
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
    start = len(flat) - len(flat.lstrip())
    written = flat.strip()
    tree = _read(_hide_intervals(written, start), start)
    return _Parser(written, start, budget).parse(tree)


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


def _hide_intervals(text: str, start: int) -> str:
    """The text with each `@1h` in a form that Python's grammar has, of the same length: `.bh`."""

    def hide(found: re.Match[str]) -> str:
        column = start + found.start() + 1
        if found[1] is None:
            raise ConditionError("after @ comes an interval, such as close@1h", column)
        if found[1] not in INTERVALS:
            raise ConditionError(f"unknown interval {found[1]!r}; known are {', '.join(INTERVALS)}", column)
        return f".{found[1].translate(_DIGITS)}"

    return _INTERVAL.sub(hide, text)


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

    def __init__(self, text: str, start: int, budget: _Budget) -> None:
        self._text = text
        self._start = start
        self._budget = budget

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
        cross = Cross(left, right, _CROSSES[name], self._source(node))
        for term in (term for side in cross.before for term in read_terms(side)):
            self._remember(term, node)
        return cross

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
            case ast.Call() | ast.Attribute():
                return Read(self._term(node, depth))
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
            return take_field(name.lower())
        if name.upper() in INDICATORS:
            raise self._error(f"{name.upper()} is an indicator: write {name.upper()}(…)", node)
        raise self._error(f"unknown name {name!r}; known are {', '.join(FIELDS)} and the indicators", node)

    def _term(self, node: ast.Call | ast.Attribute, depth: int) -> Term:
        """An indicator or a field, with its output and its interval, as far as they are there."""
        if isinstance(node, ast.Attribute) and self._is_interval(node):
            end = node.end_col_offset or 0
            interval = self._text[end - len(node.attr) : end]
            if not isinstance(node.value, ast.Name | ast.Call | ast.Attribute) or (
                isinstance(node.value, ast.Attribute) and self._is_interval(node.value)
            ):
                raise self._error(f"@{interval} belongs after a field or an indicator, before [n]", node)
            self._count(node.value, depth + 1)
            if isinstance(node.value, ast.Name):
                return self._field(node.value, node.value.id).at(interval)
            term = self._source_term(node.value, depth + 1).at(interval)
        else:
            term = self._source_term(node, depth)
        self._compute(term, node)
        return term

    def _is_interval(self, node: ast.Attribute) -> bool:
        place = (node.end_col_offset or 0) - len(node.attr)
        return self._text[:place].rstrip().endswith("@")

    def _source_term(self, node: ast.expr, depth: int, within: int = 0) -> Term:
        """An indicator, with its output where it has several. `within` counts those that it stands in."""
        if within > MOST_WITHIN:
            raise self._error(f"indicators stand in one another more than {MOST_WITHIN} deep", node)
        match node:
            case ast.Attribute(ast.Call() as call, output):
                self._count(call, depth + 1)
                name, term = self._call(call, depth + 1, within)
                try:
                    return take_output(term, name, output.lower())
                except ValueError as error:
                    raise self._error(str(error), node) from None
            case ast.Call():
                name, term = self._call(node, depth, within)
                indicator = INDICATORS[name]
                if indicator.output is None:
                    outputs = " or .".join(indicator.outputs)
                    raise self._error(f"{name} has several outputs: write {name}(…).{outputs}", node)
                return term
        raise self._error(f"{self._source(node)!r} is not allowed in a condition", node)

    def _call(self, node: ast.Call, depth: int, within: int) -> tuple[str, Term]:
        if not isinstance(node.func, ast.Name):
            raise self._error(f"{self._source(node.func)!r} cannot be called", node)
        name = node.func.id.upper()
        if name.lower() in _CROSSES:
            raise self._error(f"{name.lower()} is true or false, where a number is needed", node)
        if name not in INDICATORS:
            near = get_close_matches(name, INDICATORS, 1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise self._error(
                f"unknown indicator {node.func.id!r}; {guess}`sigtrail strategies indicators` lists them",
                node,
            )
        inputs: list[Term] = []
        values: list[float] = []
        for argument in node.args:
            self._count(argument, depth + 1)
            if values or not isinstance(argument, ast.Name | ast.Call | ast.Attribute):
                values.append(self._argument(argument, name))
            elif isinstance(argument, ast.Name):
                inputs.append(self._field(argument, argument.id))
            else:
                if isinstance(argument, ast.Attribute) and self._is_interval(argument):
                    raise self._error(f"an interval belongs after {name}(…), not within", argument)
                inputs.append(self._source_term(argument, depth + 1, within + 1))
        named: dict[str, float] = {}
        for keyword in node.keywords:
            self._count(keyword.value, depth + 1)
            if keyword.arg is None:
                raise self._error(f"{self._source(node)!r} is not allowed in a condition", node)
            named[keyword.arg.lower()] = self._argument(keyword.value, name)
        try:
            return name, take_reading(name, tuple(inputs), tuple(values), named)
        except ValueError as error:
            raise self._error(str(error), node) from None

    def _argument(self, node: ast.expr, name: str) -> float:
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.UnaryOp(ast.USub(), ast.Constant() as constant):
                return -self._number(constant)
        raise self._error(
            f"{name} takes fields or indicators first, and then plain numbers, not {self._source(node)!r}",
            node,
        )

    def _earlier(self, value: Numeric, index: ast.expr, node: ast.expr) -> Numeric:
        if not isinstance(value, Read):
            raise self._error("[n] belongs after a field or an indicator", node)
        if not isinstance(index, ast.Constant) or type(index.value) is not int:
            raise self._error("[n] takes a whole number of candles ago, such as close[1]", index)
        self._count(index, 1)
        if value.term.offset + index.value > MOST_OFFSET:
            raise self._error(f"at most {MOST_OFFSET} candles ago can be read", index)
        moved = move_back(value, index.value)
        for term in read_terms(moved):
            self._remember(term, index)
        return moved

    def _compute(self, term: Term, node: ast.expr) -> None:
        """Count the indicators that a term takes, each once for an interval."""
        waiting = [term.source]
        while waiting:
            source = waiting.pop()
            if isinstance(source, Output):
                self._budget.readings.add((source.reading, term.interval))
                waiting += source.reading.inputs
        if len(self._budget.readings) > MOST_INDICATORS:
            raise self._error(f"more than {MOST_INDICATORS} indicators are read", node)

    def _remember(self, term: Term, node: ast.expr) -> None:
        """Count the earlier numbers that a term takes: all those between it and now."""
        remembered = self._budget.remembered
        key = (term.source, term.interval)
        # One more for a number as it was before, among those of several intervals.
        offset = term.offset + (term.beside is not None)
        remembered[key] = max(remembered.get(key, 0), offset)
        if sum(remembered.values()) > MOST_REMEMBERED:
            raise self._error(f"more than {MOST_REMEMBERED} earlier numbers are read in all", node)

    def _count(self, node: ast.expr, depth: int) -> None:
        self._budget.nodes += 1
        if self._budget.nodes > MOST_NODES:
            raise self._error(f"the condition has more than {MOST_NODES} parts", node)
        if depth > MOST_DEPTH:
            raise self._error(f"the condition is nested more than {MOST_DEPTH} deep", node)

    def _source(self, node: ast.expr) -> str:
        end = node.end_col_offset
        text = self._text[node.col_offset : end]
        return text if len(text) <= 200 else f"{text[:199]}…"

    def _error(self, reason: str, node: ast.expr) -> ConditionError:
        return ConditionError(reason, self._start + node.col_offset + 1)
