"""Money is exact: nothing of the bridge makes a float, but what speaks with ccxt."""

from __future__ import annotations

import ast
from pathlib import Path

TRADING = Path(__file__).resolve().parents[2] / "workers" / "trading"
# ccxt's surface: its own words on one side, the paper exchange in its place on the other.
SURFACE = {"venues/wording.py", "paper/exchange.py", "paper/unified.py"}
# Seconds, as a venue tells how long it takes no more requests.
TIMES = {"traffic/limiter.py"}


def floats_in(tree: ast.AST) -> list[int]:
    """The lines on which a number becomes a float; infinities stand for times that never were."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "float"
        and not (isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str))
    ]


def test_floats_are_made_at_ccxts_surface_alone() -> None:
    makers = {
        str(path.relative_to(TRADING))
        for path in TRADING.rglob("*.py")
        if floats_in(ast.parse(path.read_text()))
    }
    assert makers == SURFACE | TIMES
