"""The texts of a row, parted into what repeats and what does not.

A trader's JSON has the same keys, conditions and order in every signal, and only its numbers differ. So a
text is kept as a shape, in which every number is a mark, and the numbers beside it in columns of their own,
where they need a tenth of the room. A number that says what the row says already (the price, its own time, a
number that stood earlier) needs none.

    {"candle": {"low": "586.74", "close": "586.76", "open_time": 1746396180000}, …     price 586.76

becomes a shape with three marks and the one number -2: low, in hundredths, relative to the price.

`join` undoes `part` to the byte; whoever writes checks that it does, and keeps the text as it is where it
doesn't.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# A number as a value of JSON, or a text that is a number and nothing else.
NUMBER = re.compile(r'(?:(?<=[:,] )|(?<=\[))("?)(-?[0-9]+(?:\.[0-9]+)?)\1(?=[,\]}])')

# Marks: control characters, which neither JSON nor a PostgreSQL text of ours holds unescaped.
PLAIN = "\x01"  # the text follows as it is, without marks
RELATIVE = "\x02"  # a decimal relative to the price, at the row's scale
DECIMAL = "\x03"  # a decimal at the scale that the next letter tells
DOUBLE = "\x04"  # a binary float
AGAIN = "\x05"  # the number of this row that the next letter counts
MOMENT = "\x06"  # milliseconds since the row's time, up to the next such mark
SCALE = "\x07"  # the row's scale, as the next letter; stands first
# Parts of the text that are absent (SQL null) or end.
NULL = "\x0e"
END = "\x0f"
RESERVED = re.compile("[\x01-\x08\x0e-\x1f]")

LADDER = (0, 2, 4, 8)
MOST_DIGITS = 15
FIRST_LETTER = 48
_MOST_AGAIN = 4000
# A moment of JSON within ten days of the row's time is told by the difference.
NEAR_MS = 10 * 86_400_000


@dataclass(slots=True)
class Parted:
    """A shape and its numbers in the order of their marks."""

    shape: str
    integers: list[int] = field(default_factory=list)
    doubles: list[float] = field(default_factory=list)


def part(text: str, price: str | None, moment_ms: int | None) -> Parted:
    """The shape and numbers of `text`; `price` and `moment_ms` are the row's own."""
    if RESERVED.search(text.replace(NULL, "").replace(END, "")) is not None:
        return Parted(PLAIN + text)
    pieces = NUMBER.split(text)
    numbers = pieces[2::3]
    base = read_decimal(price) if price is not None else None
    decimals = [read_decimal(number) for number in numbers]
    near = [_is_near(one, base) for one in decimals]
    scale = max([one[1] for one, is_near in zip(decimals, near, strict=True) if one and is_near], default=0)
    if base is not None:
        scale = max(scale, base[1])
    parted = Parted("")
    out = [SCALE, chr(FIRST_LETTER + scale), pieces[0]]
    seen: dict[str, int] = {} if price is None else {price: 0}
    for index, number in enumerate(numbers):
        quote, after = pieces[3 * index + 1], pieces[3 * index + 3]
        place = seen.get(number)
        if place is not None:
            mark = AGAIN + chr(FIRST_LETTER + place)
        else:
            mark = _mark(number, decimals[index], near[index], base, scale, moment_ms, parted)
            place = len(seen) + (price is None)
            if place <= _MOST_AGAIN:
                seen[number] = place
        out += (quote, mark, quote, after)
    parted.shape = "".join(out)
    return parted


def _mark(
    number: str,
    decimal: tuple[int, int] | None,
    near: bool,
    base: tuple[int, int] | None,
    scale: int,
    moment_ms: int | None,
    parted: Parted,
) -> str:
    if decimal is not None and near and base is not None:
        apart = decimal[0] * 10 ** (scale - decimal[1]) - base[0] * 10 ** (scale - base[1])
        if abs(apart) < 1 << 62:
            parted.integers.append(apart)
            return RELATIVE
    if moment_ms is not None and len(number) == 13 and number.isdigit():
        apart = int(number) - moment_ms
        if abs(apart) < NEAR_MS:
            return f"{MOMENT}{apart}{MOMENT}"
    if decimal is not None:
        step = next((one for one in LADDER if one >= decimal[1]), None)
        if step is not None:
            parted.integers.append(decimal[0] * 10 ** (step - decimal[1]))
            return DECIMAL + chr(FIRST_LETTER + step)
    value = float(number)
    if repr(value) == number:
        parted.doubles.append(value)
        return DOUBLE
    return number


def join(parted: Parted, price: str | None, moment_ms: int | None) -> str:
    """The text that `part` was given."""
    shape = parted.shape
    if shape[0] == PLAIN:
        return shape[1:]
    base = read_decimal(price) if price is not None else None
    scale = ord(shape[1]) - FIRST_LETTER
    integers, doubles = iter(parted.integers), iter(parted.doubles)
    seen: list[str] = [price or ""]
    known = set() if price is None else {price}
    out: list[str] = []
    at = 2
    for found in MARKS.finditer(shape, 2):
        out.append(shape[at : found.start()])
        at = found.end()
        number = _number(found, integers, doubles, base, scale, moment_ms, seen)
        if number not in known and len(seen) <= _MOST_AGAIN:
            known.add(number)
            seen.append(number)
        quote = found[4] or ""
        out += (quote, number, quote)
    out.append(shape[at:])
    return "".join(out)


# Every number of a shape: a mark, or one that was left as it is.
MARKS = re.compile(
    f"{RELATIVE}|{DECIMAL}(.)|{DOUBLE}|{AGAIN}(.)|{MOMENT}(-?[0-9]+){MOMENT}"
    r'|(?:(?<=[:,] )|(?<=\[))("?)(-?[0-9]+(?:\.[0-9]+)?)\4(?=[,\]}])',
    re.DOTALL,
)


def _number(
    found: re.Match[str],
    integers: Iterator[int],
    doubles: Iterator[float],
    base: tuple[int, int] | None,
    scale: int,
    moment_ms: int | None,
    seen: list[str],
) -> str:
    mark = found[0][0]
    if mark == RELATIVE:
        price, price_scale = base or (0, 0)
        return write_decimal(next(integers) + price * 10 ** (scale - price_scale), scale)
    if mark == DECIMAL:
        return write_decimal(next(integers), ord(found[1]) - FIRST_LETTER)
    if mark == DOUBLE:
        return repr(next(doubles))
    if mark == AGAIN:
        return seen[ord(found[2]) - FIRST_LETTER]
    if mark == MOMENT:
        return str((moment_ms or 0) + int(found[3]))
    return found[5]


def read_decimal(number: str) -> tuple[int, int] | None:
    """Its digits as a whole number and how many stand behind the point, if `write_decimal` writes it so."""
    whole, point, fraction = number.partition(".")
    digits = whole + fraction
    if len(digits) > MOST_DIGITS or len(fraction) > LADDER[-1] or (point and fraction[-1:] == "0"):
        return None
    if not digits.removeprefix("-").isdigit():
        return None
    unsigned = whole.removeprefix("-")
    if (len(unsigned) > 1 and unsigned[0] == "0") or (number[0] == "-" and int(digits) == 0):
        return None
    return int(digits), len(fraction)


def write_decimal(value: int, scale: int) -> str:
    """The shortest decimal of `value` at this scale."""
    if scale == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(scale + 1, "0")
    fraction = digits[-scale:].rstrip("0")
    return f"{sign}{digits[:-scale]}.{fraction}" if fraction else f"{sign}{digits[:-scale]}"


def _is_near(number: tuple[int, int] | None, price: tuple[int, int] | None) -> bool:
    if number is None or price is None or number[0] <= 0:
        return False
    most = max(number[1], price[1])
    own, base = number[0] * 10 ** (most - number[1]), price[0] * 10 ** (most - price[1])
    return bool(base <= own * 2 <= base * 4)
