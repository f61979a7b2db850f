"""Conditions and what the workers' parser says of them, for the console's own parser.

`python -m tests.console.conditions` prints them; tests/vectors/conditions.json keeps them.
"""

from __future__ import annotations

import json
import random
import re
import sys
from typing import Any

from tests.signals.test_conditions import REFUSED
from tests.signals.texts import Writer
from workers.signals.condition import ConditionError
from workers.signals.indicators import INDICATORS, MOST_HISTORY
from workers.signals.parser import parse, parse_all

SEED = 20261122
SOUND, BROKEN, LIMITS, AGAINST = 150, 350, 4, 250
_GUESS = re.compile(r"; (did you mean \w+\? )?`sigtrail strategies indicators` lists them$")
# fmt: off
WORDS = [
    "(", ")", "[", "]", "<", ">", "<=", "==", "!=", "=", "!", "+", "-", "*", "/", "**", ",", ".", "@", "@1h",
    "@5m", "@2h", ".macd", ".slowk", "and", "or", "not", "if", "is", "AND", "0", "1", "14", "2.5", "1e9",
    "1.", ".5", "007", "1_0", "7x", "crosses_above", "RSI", "MACD", "SMA", "close", "volume", "timeperiod=",
    "timeperiod=3", "é",
]
# fmt: on
SEVERAL = (
    ["close > 1", "  x > 1"],
    ["close > 1", "close > 2"],
    [" or ".join(f"{name}({period}) > 1" for period in range(10, 40)) for name in ("RSI", "EMA")],
    ["close[90] > 1", "open[90] > 1", "high[90] > 1", "low[90] > 1", "volume[90] > 1"],
    [" and ".join(["close > 1"] * 100), " and ".join(["close > 1"] * 40)],
)


def build() -> dict[str, Any]:
    """All vectors, the same each time."""
    chance = random.Random(SEED)
    writer = Writer(SEED)
    sound = [writer.sound() for _ in range(SOUND)]
    texts = [*(text for text, _, _ in REFUSED), *sound]
    texts += [_break(chance, chance.choice(sound)) for _ in range(BROKEN)]
    texts += [text for name in INDICATORS for text in _ask_much(chance, name)]
    texts += [" ".join(chance.choices(WORDS, k=chance.randint(1, 9))) for _ in range(AGAINST)]
    return {
        "conditions": [describe(text) for text in dict.fromkeys(texts)],
        "several": [describe_all(texts) for texts in SEVERAL],
    }


def describe(text: str) -> dict[str, Any]:
    """What the parser says of one condition: the numbers that it reads, or where it is wrong and why."""
    try:
        condition = parse(text)
    except ConditionError as error:
        return {"text": text, "column": error.column, "reason": _GUESS.sub("", error.reason)}
    return {"text": text, "terms": [term.text for term in condition.terms]}


def describe_all(texts: list[str]) -> dict[str, Any]:
    """The same of several conditions of one trader: the first that is wrong, from 0, and its column."""
    try:
        parse_all(texts)
    except ConditionError as error:
        place = int(error.reason.split("in condition ")[1].split(" ")[0]) - 1
        return {"texts": texts, "place": place, "column": error.column}
    return {"texts": texts}


def _break(chance: random.Random, text: str) -> str:
    """One of the words left out, doubled, exchanged or put in."""
    words = re.findall(r"[A-Za-z_]+|[0-9.]+|\s+|.", text)
    place = chance.randrange(len(words))
    change = chance.randrange(4)
    if change == 0:
        del words[place]
    elif change == 1:
        words.insert(place, words[place])
    else:
        words[place : place + change - 2] = [chance.choice(WORDS)]
    return "".join(words)


def _ask_much(chance: random.Random, name: str) -> list[str]:
    """An indicator with long periods, some of which need more history than is kept."""
    indicator = INDICATORS[name]
    inputs = ["close", "volume"] if None in indicator.inputs else []
    output = f".{indicator.outputs[-1]}" if indicator.output is None else ""
    made = []
    for _ in range(LIMITS if indicator.parameters else 0):
        share = chance.choice([1.0, 1.0, 0.5, 0.34, 0.2, 0.12])
        words = list(inputs)
        for one in indicator.parameters:
            if not one.whole:
                words.append(
                    f"{one.keyword}={chance.choice([-1, 0, 0.005, 0.01, 0.5, 0.99, 1, 1.5, 100, 101])}"
                )
            elif "matype" in one.keyword:
                words.append(f"{one.keyword}={chance.randint(-1, 14)}")
            else:
                length = chance.choice(
                    [int(MOST_HISTORY * share) + chance.randint(-3, 3), chance.randint(0, 9)]
                )
                words.append(f"{one.keyword}={length}")
        chosen = [word for word in words if "=" not in word or chance.random() < 0.75]
        made.append(f"{name}({', '.join(chosen)}){output} > 0")
    return made


if __name__ == "__main__":
    json.dump(build(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
