"""`sigtrail strategies indicators`: what it shows can be written, for every indicator."""

from __future__ import annotations

import json
from typing import Any

import pytest
import talib
from typer.testing import CliRunner

from cli.strategies import app
from shared.errors import NotFound
from workers.signals.condition import ConditionError
from workers.signals.indicators import INDICATORS
from workers.signals.parser import MOST_INDICATORS, parse


def ask(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["indicators", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    return dict(json.loads(ask("--json")))


def test_every_function_of_talib_is_there(catalogue: dict[str, Any]) -> None:
    names = {one["name"] for one in catalogue["indicators"]}
    assert names == set(INDICATORS)
    functions = set(talib.get_functions())  # type: ignore[no-untyped-call]
    assert names >= functions
    assert {one["function"] for one in catalogue["indicators"]} == functions


def test_what_it_shows_can_be_written(catalogue: dict[str, Any]) -> None:
    for one in catalogue["indicators"]:
        usage = one["usage"].replace("field", "volume")
        for output in one["outputs"]:
            text = f"{usage}.{output}" if one["output_has_to_be_named"] else usage
            bare = f"{one['name']}(volume, volume)" if "field" in one["usage"] else f"{one['name']}()"
            if "field" not in one["usage"]:
                bare += f".{output}" if one["output_has_to_be_named"] else ""
                assert parse(f"{text} > 0").terms == parse(f"{bare} > 0").terms
            else:
                parse(f"{text} > 0")


def test_the_lowest_that_it_says_is_taken_and_one_less_is_not(catalogue: dict[str, Any]) -> None:
    for one in catalogue["indicators"]:
        output = f".{one['outputs'][0]}" if one["output_has_to_be_named"] else ""
        inputs = "close, volume, " if "field" in one["usage"] else ""
        for parameter in (each for each in one["parameters"] if each["whole"]):
            parse(f"{one['name']}({inputs}{parameter['name']}={parameter['lowest']}){output} > close")
            with pytest.raises(ConditionError, match=r"begins at|cannot be"):
                parse(f"{one['name']}({inputs}{parameter['name']}={parameter['lowest'] - 1}){output} > close")


def test_the_table_says_it_to_people() -> None:
    shown = ask("stoch")
    assert "STOCH(fastk_period=5, slowk_period=3, slowk_matype=0, slowd_period=3, slowd_matype=0)" in shown
    assert ".slowk .slowd" in shown
    assert "[n] for n candles ago" in shown
    assert "RSI(" not in shown.replace("STOCHRSI(", "")


def test_limits_are_told(catalogue: dict[str, Any]) -> None:
    assert catalogue["limits"]["indicators"] == MOST_INDICATORS
    assert catalogue["limits"]["candles_ago"] == 100


def test_a_word_that_nothing_is_about_is_told() -> None:
    with pytest.raises(NotFound, match="no indicator is about 'qqqq'"):
        ask("qqqq")
