"""Many conditions as one program of array operations: all rules of an interval, for all symbols at once.

A condition is lowered to comparisons of two numbers, joined by and and or: `not` moves inwards until it turns
a comparison round, a cross is two comparisons. A comparison with a number that is not known (NaN) is false
either way round, so that what is left open never makes a condition true. What occurs twice, in one condition
or in two, is one node, and nodes of the same kind and level are computed by one operation of numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from workers.signals.condition import (
    Arithmetic,
    Comparison,
    Cross,
    Every,
    Negation,
    Negative,
    Number,
    Numeric,
    Read,
    Some,
    Truth,
)
from workers.signals.indicators import Term

Array = np.ndarray[Any, Any]
Node = tuple[Any, ...]

# So many symbols are computed at a time: what is computed on the way stays in the processor's cache.
BLOCK = 64

_OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
# Two operations do for four: a > b is b < a.
_TURNED = {">": "<", ">=": "<="}


class Graph:
    """The nodes of all rules of one interval, each kept once.

    A node is `("term", column)`, `("number", value)`, `(operator, left, right)` for arithmetic and
    comparisons, or `("and" | "or", *operands)`; operands are numbers of nodes, always lower than its own.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.levels: list[int] = []
        self._numbers: dict[Node, int] = {}

    def add(self, root: Truth, columns: Mapping[Term, int]) -> int:
        """The node of a condition, whose terms are these columns of the board."""
        return _Lowering(self._add, columns).truth(root, True)

    def _add(self, node: Node) -> int:
        number = self._numbers.get(node)
        if number is None:
            number = self._numbers[node] = len(self.nodes)
            self.nodes.append(node)
            inner = () if node[0] in ("term", "number") else node[1:]
            self.levels.append(1 + max((self.levels[one] for one in inner), default=-1))
        return number

    def reach(self, root: int) -> set[int]:
        """A node and all that it is made of."""
        found = {root}
        waiting = [root]
        while waiting:
            node = self.nodes[waiting.pop()]
            if node[0] not in ("term", "number"):
                new = set(node[1:]) - found
                found |= new
                waiting += new
        return found


@dataclass(frozen=True, slots=True)
class _Lowering:
    add: Callable[[Node], int]
    columns: Mapping[Term, int]

    def truth(self, node: Truth, wanted: bool) -> int:
        match node:
            case Comparison(operands, operators):
                sides = [self.number(one) for one in operands]
                pairs = zip(operators, sides, sides[1:], strict=False)
                parts = [self.compare(operator, left, right, wanted) for operator, left, right in pairs]
                return self.join(parts, wanted)
            case Cross(left, right, upward):
                now, then = (">", "<=") if upward else ("<", ">=")
                before = [self.number(one) for one in node.before]
                is_there = self.compare(now, self.number(left), self.number(right), wanted)
                return self.join([is_there, self.compare(then, before[0], before[1], wanted)], wanted)
            case Negation(operand):
                return self.truth(operand, not wanted)
            case Every(operands):
                return self.join([self.truth(one, wanted) for one in operands], wanted)
            case Some(operands):
                return self.join([self.truth(one, wanted) for one in operands], not wanted)

    def compare(self, operator: str, left: int, right: int, wanted: bool) -> int:
        if not wanted:
            operator = _OPPOSITE[operator]
        if operator in _TURNED:
            operator, left, right = _TURNED[operator], right, left
        return self.add((operator, left, right))

    def join(self, parts: Sequence[int], all_of_them: bool) -> int:
        several = sorted(set(parts))
        return several[0] if len(several) == 1 else self.add(("and" if all_of_them else "or", *several))

    def number(self, node: Numeric) -> int:
        match node:
            case Number(value):
                return self.add(("number", value))
            case Read(term):
                return self.add(("term", self.columns[term]))
            case Negative(operand):
                return self.add(("-", self.add(("number", 0.0)), self.number(operand)))
            case Arithmetic(operator, left, right):
                return self.add((operator, self.number(left), self.number(right)))


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation of numpy: `into` rows from those of each of `operands`."""

    operation: Callable[..., Any]
    into: slice
    operands: tuple[Array, ...]


class Program:
    """What evaluates `roots` of a graph, in their order.

    `reads` says which columns of the board each root reads: they all have to be known for it to be. `size` is
    of how many nodes it is made.
    """

    def __init__(self, graph: Graph, roots: Sequence[int], reads: Sequence[Sequence[int]]) -> None:
        live = sorted(set[int]().union(*(graph.reach(root) for root in dict.fromkeys(roots))))
        self.size = len(live)
        kinds = {number: graph.nodes[number][0] for number in live}
        terms = [number for number in live if kinds[number] == "term"]
        numbers = [number for number in live if kinds[number] == "number"]
        self._terms = np.array([graph.nodes[number][1] for number in terms], dtype=np.intp)
        self._numbers = np.array([graph.nodes[number][1] for number in numbers], dtype=np.float64)
        places = {number: place for place, number in enumerate([*terms, *numbers])}
        self._arithmetic = self._plan(graph, live, kinds, "+-*/", places)
        self._cells = len(places)
        truths: dict[int, int] = {}
        self._comparisons = self._plan(graph, live, kinds, ("<", "<=", "==", "!="), truths, places)
        self._logic = self._plan(graph, live, kinds, ("and", "or"), truths)
        self._truths = len(truths)
        self._roots = np.array([truths[root] for root in roots], dtype=np.intp)
        place_of = {int(column): place for place, column in enumerate(self._terms)}
        self._reads = np.array([place_of[one] for read in reads for one in read], dtype=np.intp)
        lengths = np.array([len(read) for read in reads], dtype=np.intp)
        self._starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(reads) else lengths

    @staticmethod
    def _plan(
        graph: Graph,
        live: Sequence[int],
        kinds: Mapping[int, str],
        wanted: Sequence[str],
        into: dict[int, int],
        of: Mapping[int, int] | None = None,
    ) -> list[_Step]:
        """Steps for the nodes of these kinds, level by level; their places are added to `into`."""
        steps = []
        chosen = [number for number in live if kinds[number] in wanted]

        def sort_key(number: int) -> tuple[int, str, int]:
            return graph.levels[number], kinds[number], len(graph.nodes[number])

        for (_, kind, length), group in groupby(sorted(chosen, key=sort_key), key=sort_key):
            members = list(group)
            first = len(into)
            source = into if of is None else of
            operands = tuple(
                np.array([source[graph.nodes[number][place]] for number in members], dtype=np.intp)
                for place in range(1, length)
            )
            into.update((number, first + place) for place, number in enumerate(members))
            steps.append(_Step(_OPERATIONS[kind], slice(first, len(into)), operands))
        return steps

    def run(self, board: Array, rows: Array) -> tuple[Array, Array]:
        """Which roots hold, and which are known, for these rows of symbols: two arrays of root by row.

        board: the numbers, column by symbol. A root that is not known does not hold.
        """
        held = np.empty((len(self._roots), len(rows)), dtype=np.bool_)
        known = np.empty_like(held)
        with np.errstate(all="ignore"):
            for first in range(0, len(rows), BLOCK):
                block = slice(first, min(first + BLOCK, len(rows)))
                held[:, block], known[:, block] = self._run(board, rows[block])
        held &= known
        return held, known

    def _run(self, board: Array, rows: Array) -> tuple[Array, Array]:
        cells = np.empty((self._cells, len(rows)), dtype=np.float64)
        terms = len(self._terms)
        cells[:terms] = board[self._terms[:, None], rows]
        cells[terms : terms + len(self._numbers)] = self._numbers[:, None]
        for step in self._arithmetic:
            left, right = step.operands
            step.operation(cells[left], cells[right], cells[step.into])
        truths = np.empty((self._truths, len(rows)), dtype=np.bool_)
        for step in self._comparisons:
            left, right = step.operands
            step.operation(cells[left], cells[right], truths[step.into])
        for step in self._logic:
            found = truths[step.operands[0]]
            for operand in step.operands[1:]:
                step.operation(found, truths[operand], found)
            truths[step.into] = found
        return truths[self._roots], self._find_known(cells[:terms])

    def _find_known(self, terms: Array) -> Array:
        finite = np.isfinite(terms)
        known = np.ones((len(self._roots), terms.shape[1]), dtype=np.bool_)
        # Nearly always all is known: only the roots that read something else are looked at one by one.
        gaps = np.logical_not(np.logical_and.reduce(finite, axis=1))
        if gaps.any():
            touched: Array = np.asarray(np.logical_or.reduceat(gaps[self._reads], self._starts))
            ends = np.append(self._starts[1:], len(self._reads))
            for root in np.flatnonzero(touched):
                reads = self._reads[self._starts[root] : ends[root]]
                known[root] = finite[reads].all(axis=0)
        return known


def _divide(left: Array, right: Array, out: Array) -> None:
    np.divide(left, right, out=out)
    out[right == 0.0] = np.nan


def _differ(left: Array, right: Array, out: Array) -> None:
    # NaN differs from everything, but here it is neither equal nor different.
    np.less(left, right, out=out)
    np.logical_or(out, np.greater(left, right), out=out)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": _divide,
    "<": np.less,
    "<=": np.less_equal,
    "==": np.equal,
    "!=": _differ,
    "and": np.logical_and,
    "or": np.logical_or,
}
