"""The texts of a whole window parted at once (see shape.py for what is done to each).

`part_all` and `join_all` make of every row what `part` and `join` do, a few times faster: one pass of the
pattern over all texts together, and arithmetic on all numbers together. Rows that are odd (control
characters, very many numbers) go the slow way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from workers.archive import shape
from workers.archive.shape import Parted, part

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Number = TypeVar("Number", np.int64, np.float64)

# More numbers than this in one text, and it stays a text.
MOST_INTEGERS = 48
MOST_DOUBLES = 32
# Texts with more numbers than this are rare, and go one by one.
_MOST_NUMBERS = 1000
_BREAK = "\n"
# The numbers that `shape.NUMBER` finds. What stands before them is part of the match: `re` skips to it, where
# it would look behind itself at every character.
_NUMBER = re.compile(r'(: |, |\[)("?)(-?[0-9]+(?:\.[0-9]+)?)\2(?=[,\]}])')
# What is multiplied must fit a whole number of 64 bits; floats tell whether it does, with room to err.
_FITS = float(1 << 61)
_POWERS = 10 ** np.arange(19, dtype=np.int64)


@dataclass(slots=True)
class Slots:
    """The shapes of a window's rows, and the numbers of all rows by their place in the row.

    integers[n], doubles[n]: the values of every row (anything where the row has none) and which rows have one
    """

    shapes: list[str | None]
    integers: list[tuple[Integers, Flags]]
    doubles: list[tuple[npt.NDArray[np.float64], Flags]]


# Parting -------------------------------------------------------------------------------------------------


def part_all(
    texts: Sequence[str | None], prices: Sequence[str | None], moments: Sequence[int | None]
) -> Slots:
    """What `part` makes of each text; a text that would not come back to the byte is its own shape."""
    count = len(texts)
    odd, even = _sort_out(texts)
    parted = Slots([None] * count, [], [])
    if even:
        found = _part_even(
            [texts[row] or "" for row in even], [prices[row] for row in even], [moments[row] for row in even]
        )
        parted = _spread(found, np.array(even), count)
    for row in odd:
        text = texts[row] or ""
        found_alone = part(text, prices[row], moments[row])
        if len(found_alone.integers) > MOST_INTEGERS or len(found_alone.doubles) > MOST_DOUBLES:
            found_alone = Parted(shape.PLAIN + text)
        _put(parted, row, found_alone)
    back = join_all(parted, prices, moments)
    for row in (row for row in range(count) if back[row] != texts[row]):
        _put(parted, row, Parted(shape.PLAIN + (texts[row] or "")))
    return parted


def _sort_out(texts: Sequence[str | None]) -> tuple[list[int], list[int]]:
    """Which rows go one by one, and which together; rows without a text do neither."""
    present = [row for row, text in enumerate(texts) if text is not None]
    whole = _BREAK.join(texts[row] or "" for row in present)
    bare = whole.replace(shape.NULL, "").replace(shape.END, "")
    clean = shape.RESERVED.search(bare) is None and whole.count(_BREAK) == len(present) - 1
    # A number stands behind one of these marks.
    few = all(
        (texts[row] or "").count(",") + (texts[row] or "").count(":") < _MOST_NUMBERS for row in present
    )
    if clean and few:
        return [], present
    odd = [row for row in present if _is_odd(texts[row] or "")]
    return odd, sorted(set(present).difference(odd))


def _is_odd(text: str) -> bool:
    bare = text.replace(shape.NULL, "").replace(shape.END, "")
    return (
        _BREAK in text
        or shape.RESERVED.search(bare) is not None
        or text.count(",") + text.count(":") >= _MOST_NUMBERS
    )


@dataclass(slots=True)
class _Numbers:
    """The numbers of all rows one after the other; `decimal` where `value` and `scale` tell all of it."""

    row: Integers
    value: Integers
    scale: Integers
    decimal: Flags
    size: Integers


def _part_even(texts: list[str], prices: list[str | None], moments: list[int | None]) -> Slots:
    rows = len(texts)
    pieces = _NUMBER.split(_BREAK.join(texts))
    words = pieces[3::4]
    breaks = np.array([piece.count(_BREAK) for piece in pieces[0:-1:4]], dtype=np.int64)
    coded = pa.array([*prices, *words], pa.string()).dictionary_encode()
    codes = np.asarray(coded.indices.fill_null(-1)).astype(np.int64)
    value, scale, decimal = _decimals(coded.dictionary)
    size = np.asarray(pc.binary_length(coded.dictionary)).astype(np.int64)

    # The prices of all rows come first, so that the index 0 of each row's numbers is its price.
    has_price = codes[:rows] >= 0
    own = codes[rows:]
    numbers = _Numbers(np.cumsum(breaks), value[own], scale[own], decimal[own], size[own])
    base = np.where(has_price, codes[:rows], 0)
    known = has_price & decimal[base] if len(value) else has_price
    base_value = np.where(known, value[base], 0) if len(value) else np.zeros(rows, np.int64)
    base_scale = np.where(known, scale[base], 0) if len(value) else np.zeros(rows, np.int64)

    first, rank = _first_places(codes, has_price, numbers.row, rows)
    near = _are_near(numbers, known, base_value, base_scale)
    row_scale = base_scale.copy()
    np.maximum.at(row_scale, numbers.row[near], numbers.scale[near])
    apart, fits = _apart(numbers, base_value, base_scale, row_scale)
    moment = np.array([0 if one is None else one for one in moments], dtype=np.int64)
    has_moment = np.array([one is not None for one in moments], dtype=np.bool_)
    since = numbers.value - moment[numbers.row]

    relative = first & near & fits
    timed = (
        first & ~relative & numbers.decimal & (numbers.size == 13) & (numbers.scale == 0)
        & (numbers.value >= 0) & has_moment[numbers.row] & (np.abs(since) < shape.NEAR_MS)
    )  # fmt: skip
    plain = first & numbers.decimal & ~relative & ~timed
    step = np.array(shape.LADDER)[np.searchsorted(shape.LADDER, numbers.scale.clip(0, shape.LADDER[-1]))]
    other = np.flatnonzero(first & ~numbers.decimal)
    values = [float(words[place]) for place in other.tolist()]
    exact = np.array([repr(one) == words[at] for one, at in zip(values, other.tolist(), strict=True)], bool)
    double = np.zeros(len(words), np.bool_)
    double[other[exact]] = True

    marks = np.array(words, dtype=object)
    marks[relative] = shape.RELATIVE
    marks[double] = shape.DOUBLE
    for one in shape.LADDER:
        marks[plain & (step == one)] = shape.DECIMAL + chr(shape.FIRST_LETTER + one)
    marks[timed] = [f"{shape.MOMENT}{one}{shape.MOMENT}" for one in since[timed].tolist()]
    marks[~first] = [shape.AGAIN + chr(shape.FIRST_LETTER + one) for one in rank[~first].tolist()]

    whole = [""] * (5 * len(words) + 1)
    whole[0::5], whole[1::5], whole[2::5] = pieces[0::4], pieces[1::4], pieces[2::4]
    whole[3::5], whole[4::5] = marks.tolist(), pieces[2::4]
    heads = [shape.SCALE + chr(shape.FIRST_LETTER + one) for one in range(shape.LADDER[-1] + 1)]
    bodies = "".join(whole).split(_BREAK)
    shapes: list[str | None] = [
        heads[one] + body for one, body in zip(row_scale.tolist(), bodies, strict=True)
    ]

    whole_numbers = relative | plain
    integers = np.where(relative, apart, numbers.value * _POWERS[np.where(plain, step - numbers.scale, 0)])
    doubles = np.zeros(len(words))
    doubles[other[exact]] = np.array(values)[exact]
    columns = _columns(integers, whole_numbers, numbers.row, rows)
    fractions = _columns(doubles, double, numbers.row, rows)
    parted = Slots(shapes, columns[:MOST_INTEGERS], fractions[:MOST_DOUBLES])
    full = [np.flatnonzero(has) for _, has in [*columns[MOST_INTEGERS:], *fractions[MOST_DOUBLES:]]]
    for row in sorted({int(row) for one in full for row in one}):
        _put(parted, row, Parted(shape.PLAIN + texts[row]))
    return parted


def _decimals(words: pa.Array) -> tuple[Integers, Integers, Flags]:
    """Digits as a whole number, how many stand behind the point, and whether the word is that decimal."""
    point = np.asarray(pc.find_substring(words, ".")).astype(np.int64)
    size = np.asarray(pc.binary_length(words)).astype(np.int64)
    scale = np.where(point >= 0, size - point - 1, 0)
    good = np.asarray(pc.match_substring_regex(words, r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?$"))
    good = good & (size - (point >= 0) <= shape.MOST_DIGITS) & (scale <= shape.LADDER[-1])
    digits = pc.replace_substring(words, ".", "")
    value = np.asarray(pc.if_else(pa.array(good), digits, "0").cast(pa.int64()))
    good &= ~(np.asarray(pc.starts_with(words, "-")) & (value == 0))
    return value, np.where(good, scale, 0), good


def _first_places(codes: Integers, has_price: Flags, row: Integers, rows: int) -> tuple[Flags, Integers]:
    """Which numbers are the first of their kind in their row, and the place of that first one: 0 is the
    price, then all that are new are counted."""
    own_rows = np.concatenate([np.arange(rows), row])
    width = int(codes.max(initial=0)) + 1
    # A price that is none is like no number.
    keys = own_rows * width + np.where(codes >= 0, codes, 0)
    keys[:rows][~has_price] = -1 - np.flatnonzero(~has_price)
    _, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    index = firsts[inverse][rows:]
    first = index == np.arange(rows, len(keys))
    count = np.cumsum(first)
    starts = np.searchsorted(row, np.arange(rows))
    before = np.where(starts > 0, count[starts - 1], 0) if len(count) else np.zeros(rows, np.int64)
    rank = np.concatenate([np.zeros(rows, np.int64), count - before[row]])
    return first, rank[index]


def _are_near(numbers: _Numbers, known: Flags, base_value: Integers, base_scale: Integers) -> Flags:
    own = numbers.value / _POWERS[numbers.scale]
    base = (base_value / _POWERS[base_scale])[numbers.row]
    near: Flags = (
        numbers.decimal & known[numbers.row] & (numbers.value > 0) & (base <= 2 * own) & (own <= 2 * base)
    )
    return near


def _apart(
    numbers: _Numbers, base_value: Integers, base_scale: Integers, row_scale: Integers
) -> tuple[Integers, Flags]:
    """Numbers less the price of their row, at the row's scale; and where that can be told."""
    lift = _POWERS[(row_scale[numbers.row] - numbers.scale).clip(0)]
    base_lift = _POWERS[row_scale - base_scale]
    fits: Flags = (np.abs(numbers.value.astype(float) * lift) < _FITS) & (
        np.abs(base_value.astype(float) * base_lift) < _FITS
    )[numbers.row]
    return numbers.value * np.where(fits, lift, 1) - (base_value * base_lift)[numbers.row], fits


def _columns(
    values: npt.NDArray[Number], chosen: Flags, row: Integers, rows: int
) -> list[tuple[npt.NDArray[Number], Flags]]:
    """The chosen values by their place among those of their row."""
    own, at = values[chosen], row[chosen]
    place = np.arange(len(at)) - np.searchsorted(at, at)
    columns = []
    for number in range(int(place.max(initial=-1)) + 1):
        here = place == number
        column, has = np.zeros(rows, values.dtype), np.zeros(rows, np.bool_)
        column[at[here]] = own[here]
        has[at[here]] = True
        columns.append((column, has))
    return columns


def _spread(found: Slots, rows: Integers, count: int) -> Slots:
    """The slots of some of a window's rows as those of the whole window."""
    if len(rows) == count:
        return found
    shapes: list[str | None] = [None] * count
    for row, one in zip(rows.tolist(), found.shapes, strict=True):
        shapes[row] = one

    def wide(column: npt.NDArray[Number], has: Flags) -> tuple[npt.NDArray[Number], Flags]:
        values, there = np.zeros(count, column.dtype), np.zeros(count, np.bool_)
        values[rows], there[rows] = column, has
        return values, there

    return Slots(shapes, [wide(*one) for one in found.integers], [wide(*one) for one in found.doubles])


def _put(slots: Slots, row: int, parted: Parted) -> None:
    """One row's shape and numbers in place of those that it has."""
    slots.shapes[row] = parted.shape
    count = len(slots.shapes)
    for columns, values, kind in (
        (slots.integers, parted.integers, np.int64),
        (slots.doubles, parted.doubles, np.float64),
    ):
        for _, has in columns:
            has[row] = False
        for place, value in enumerate(values):
            if place == len(columns):
                columns.append((np.zeros(count, kind), np.zeros(count, np.bool_)))
            columns[place][0][row], columns[place][1][row] = value, True


# Joining -------------------------------------------------------------------------------------------------

_RELATIVE, _DECIMAL, _DOUBLE, _AGAIN, _MOMENT, _WORD = range(6)


@dataclass(slots=True)
class _Layout:
    """A shape, read once. For each of its numbers: what kind, an argument, and which of the row's whole
    numbers or floats it takes.

    Arguments: the scale of a decimal, the number that is repeated (-1 for the price), the difference to the
    row's time, the index among `words`.
    """

    template: str
    scale: int
    kinds: list[int]
    arguments: list[int]
    slots: list[int]
    words: list[str]


def join_all(slots: Slots, prices: Sequence[str | None], moments: Sequence[int | None]) -> list[str | None]:
    """The texts that `part_all` was given.

    Raises IndexError where a shape has more numbers than its row.
    """
    known: dict[str, int] = {}
    layouts: list[_Layout] = []
    out: list[str | None] = [None] * len(slots.shapes)
    rows: list[int] = []
    chosen: list[int] = []
    for row, one in enumerate(slots.shapes):
        if one is None:
            continue
        if one[:1] == shape.PLAIN:
            out[row] = one[1:]
            continue
        number = known.get(one)
        if number is None:
            number = known[one] = len(layouts)
            layouts.append(_read(one))
        rows.append(row)
        chosen.append(number)
    if not rows:
        return out
    counts = np.array([len(one.kinds) for one in layouts], dtype=np.int64)[chosen]
    ends = np.cumsum(counts)
    words = _words(slots, layouts, np.array(rows), np.array(chosen), counts, ends - counts, prices, moments)
    templates = [one.template for one in layouts]
    start = 0
    for row, number, end in zip(rows, chosen, ends.tolist(), strict=True):
        out[row] = templates[number] % tuple(words[start:end])
        start = end
    return out


def _words(
    slots: Slots,
    layouts: Sequence[_Layout],
    rows: Integers,
    chosen: Integers,
    counts: Integers,
    starts: Integers,
    prices: Sequence[str | None],
    moments: Sequence[int | None],
) -> list[str]:
    """All numbers of all rows, as they are written."""

    def flat(of: list[list[int]]) -> Integers:
        arrays = [np.array(one, dtype=np.int64) for one in of]
        return np.concatenate([arrays[number] for number in chosen.tolist()])

    kinds = flat([one.kinds for one in layouts])
    arguments = flat([one.arguments for one in layouts])
    places = flat([one.slots for one in layouts])
    within = np.repeat(np.arange(len(rows)), counts)
    row = rows[within]
    written = np.empty(len(kinds), dtype=object)

    whole = np.flatnonzero((kinds == _RELATIVE) | (kinds == _DECIMAL))
    if len(whole):
        value = _pick(slots.integers, places[whole], row[whole])
        near = kinds[whole] == _RELATIVE
        scale = np.where(
            near, np.array([one.scale for one in layouts])[chosen][within[whole]], arguments[whole]
        )
        if near.any():
            at = np.flatnonzero(near)
            used, back = np.unique(row[whole][at], return_inverse=True)
            bases = [shape.read_decimal(prices[one] or "") or (0, 0) for one in used.tolist()]
            units = np.array([unit for unit, _ in bases])[back]
            lift = scale[at] - np.array([digits for _, digits in bases])[back]
            if (lift < 0).any():
                raise IndexError("a shape is coarser than its row's price")
            value[at] += units * _POWERS[lift]
        written[whole] = _texts(value, scale)
    double = np.flatnonzero(kinds == _DOUBLE)
    if len(double):
        written[double] = [repr(one) for one in _pick(slots.doubles, places[double], row[double]).tolist()]
    moment = np.flatnonzero(kinds == _MOMENT)
    written[moment] = [
        str((moments[at] or 0) + since)
        for at, since in zip(row[moment].tolist(), arguments[moment].tolist(), strict=True)
    ]
    for place in np.flatnonzero(kinds == _WORD).tolist():
        written[place] = layouts[chosen[within[place]]].words[arguments[place]]
    again = np.flatnonzero(kinds == _AGAIN)
    of_price = again[arguments[again] < 0]
    written[of_price] = [prices[at] or "" for at in row[of_price].tolist()]
    others = again[arguments[again] >= 0]
    written[others] = written[starts[within[others]] + arguments[others]]
    words: list[str] = written.tolist()
    return words


def _pick(
    columns: Sequence[tuple[npt.NDArray[Number], Flags]], places: Integers, rows: Integers
) -> npt.NDArray[Number]:
    """The values of these places of these rows."""
    if int(places.max()) >= len(columns):
        raise IndexError("a shape has more numbers than the file")
    values = np.stack([column for column, _ in columns])
    has = np.stack([has for _, has in columns])
    if not has[places, rows].all():
        raise IndexError("a shape has more numbers than the row")
    return values[places, rows]


def _texts(values: Integers, scales: Integers) -> list[str]:
    written = np.empty(len(values), dtype=object)
    for scale in np.unique(scales).tolist():
        here = np.flatnonzero(scales == scale)
        units, back = np.unique(values[here], return_inverse=True)
        made = np.array([shape.write_decimal(unit, scale) for unit in units.tolist()], dtype=object)
        written[here] = made[back]
    texts: list[str] = written.tolist()
    return texts


# The same shapes come again in every window of a day.
@lru_cache(maxsize=1 << 15)
def _read(text: str) -> _Layout:
    layout = _Layout("", ord(text[1]) - shape.FIRST_LETTER, [], [], [], [])
    pieces: list[str] = []
    # Where each number that is new stands; the price is the first of all.
    seen = [-1]
    at, integers, doubles = 2, 0, 0
    for found in shape.MARKS.finditer(text, 2):
        pieces.append(text[at : found.start()].replace("%", "%%"))
        at = found.end()
        kind, argument, slot = _read_mark(found, seen, layout.words)
        if kind in (_RELATIVE, _DECIMAL):
            slot, integers = integers, integers + 1
        elif kind == _DOUBLE:
            slot, doubles = doubles, doubles + 1
        if kind != _AGAIN:
            seen.append(len(layout.kinds))
        layout.kinds.append(kind)
        layout.arguments.append(argument)
        layout.slots.append(slot)
        quote = found[4] or ""
        pieces.append(f"{quote}%s{quote}")
    pieces.append(text[at:].replace("%", "%%"))
    layout.template = "".join(pieces)
    return layout


def _read_mark(found: re.Match[str], seen: Sequence[int], words: list[str]) -> tuple[int, int, int]:
    mark = found[0][0]
    if mark == shape.RELATIVE:
        return _RELATIVE, 0, 0
    if mark == shape.DECIMAL:
        return _DECIMAL, ord(found[1]) - shape.FIRST_LETTER, 0
    if mark == shape.DOUBLE:
        return _DOUBLE, 0, 0
    if mark == shape.AGAIN:
        return _AGAIN, seen[ord(found[2]) - shape.FIRST_LETTER], 0
    if mark == shape.MOMENT:
        return _MOMENT, int(found[3]), 0
    words.append(found[5])
    return _WORD, len(words) - 1, 0
