"""What the console knows of conditions is what the workers know of them.

`scripts/console-catalogue` writes both files; console/src/conditions/condition.test.ts holds the console's
parser to the vectors.
"""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from cli.strategies import app
from scripts.local_supabase.settings import CHECKOUT
from tests.console.conditions import build


def test_the_catalogue_is_that_of_the_workers() -> None:
    told = CliRunner().invoke(app, ["indicators", "--json"], catch_exceptions=False)
    assert read("console/src/conditions/catalogue.json") == json.loads(told.stdout)


def test_the_vectors_are_what_the_parser_says() -> None:
    vectors = read("tests/vectors/conditions.json")
    assert vectors == build()
    sound = [one for one in vectors["conditions"] if "terms" in one]
    assert len(sound) > 200
    assert len(vectors["conditions"]) - len(sound) > 200


def read(name: str) -> Any:
    return json.loads((CHECKOUT / name).read_text("utf-8"))
