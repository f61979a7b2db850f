"""The closest of some names, for hints: by common letter groups first, then by edit distance."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable

_NOT_IN_WORDS = re.compile(r"[^\w, ]|_")
_CANDIDATES = 50


def closest(
    name: str, names: Iterable[str], *, at_least: float = 0.33, below: float = math.inf
) -> str | None:
    """The name most like the given one, if it is like enough: 1 is the same, 0 has nothing in common.

    below: names that are at least this like are passed over.
    """
    known = sorted(set(names))
    if name in known:
        return name if below > 1 else None
    for size in (3, 2):
        wanted = _groups(name, size)
        scored = [(_cosine(wanted, _groups(other, size)), other) for other in known]
        near = sorted((pair for pair in scored if pair[0] > 0), reverse=True)[:_CANDIDATES]
        ranked = [(_likeness(name.lower(), other.lower()), other) for _, other in near]
        good = [pair for pair in ranked if at_least <= pair[0] < below]
        if good:
            return max(good, key=lambda pair: pair[0])[1]
    return None


def _groups(text: str, size: int) -> Counter[str]:
    """How often each group of neighbouring letters is in a text. Its ends count as letters."""
    word = f"-{_NOT_IN_WORDS.sub('', text.lower())}-".ljust(size, "-")
    return Counter(word[start : start + size] for start in range(len(word) - size + 1))


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    common = sum(count * other[group] for group, count in one.items())
    return common / math.sqrt(_square(one) * _square(other))


def _square(groups: Counter[str]) -> int:
    return sum(count * count for count in groups.values())


def _likeness(one: str, other: str) -> float:
    longest = max(len(one), len(other))
    return 1 - _distance(one, other) / longest if longest else 1.0


def _distance(one: str, other: str) -> int:
    """How many letters must be changed, added or taken away."""
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, counterpart in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (letter != counterpart))
    return row[-1]
