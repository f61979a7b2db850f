"""`sigtrail strategies`: what the conditions of traders may say, and what traders would have come to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cli.backtest import backtest
from cli.output import print_json
from shared.candles import INTERVALS
from shared.errors import NotFound
from workers.signals.indicators import (
    FIELDS,
    INDICATORS,
    LARGEST_ARGUMENT,
    MOST_HISTORY,
    MOST_OFFSET,
    NAMES,
    Indicator,
    Parameter,
    find_bounds,
    find_lookback,
)
from workers.signals.parser import (
    LARGEST_NUMBER,
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_INDICATORS,
    MOST_NODES,
    MOST_REMEMBERED,
    MOST_WITHIN,
)

app = typer.Typer(
    name="strategies",
    help="What the conditions of traders may say, and what traders would have come to.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]


app.command("backtest")(backtest)


@app.command("indicators")
def list_indicators(
    word: Annotated[str, typer.Argument(help="Only those with this in their name, title or group.")] = "",
    json: AsJson = False,
) -> None:
    """Show every indicator with its arguments, their defaults and its outputs."""
    chosen = [one for one in INDICATORS.values() if _is_about(one, word.lower())]
    if not chosen:
        raise NotFound(f"no indicator is about {word!r}: leave it out to see them all")
    if json:
        print_json(
            {
                "fields": FIELDS,
                "intervals": list(INTERVALS),
                "limits": _list_limits(),
                "indicators": [_describe(one) for one in chosen],
            }
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("INDICATOR", "OUTPUTS", "READS", "GROUP", "WHAT"):
        table.add_column(heading, no_wrap=True)
    for one in chosen:
        outputs = " ".join(f".{name}" for name in one.outputs) if one.output is None else "-"
        reads = ", ".join(name or "a field" for name in one.inputs)
        table.add_row(one.usage, outputs, reads, one.group, one.title)
    console = Console(highlight=False, width=1000)
    console.print(table, soft_wrap=True)
    console.print(
        f"\n{len(chosen)} of {len(INDICATORS)} indicators. Fields: {', '.join(FIELDS)}. An argument may be "
        "given by place or by name; a field or another indicator may come first where one is shown.\n"
        f"After it: .output, @interval ({', '.join(INTERVALS)}) and [n] for n candles ago.",
        soft_wrap=True,
        markup=False,
    )


def _is_about(one: Indicator, word: str) -> bool:
    return not word or any(word in text.lower() for text in (one.name, one.title, one.group))


def _describe(one: Indicator) -> dict[str, Any]:
    return {
        "name": one.name,
        "usage": one.usage,
        "function": one.function,
        "group": one.group,
        "title": one.title,
        "inputs": [{"default": name, "choosable": place < one.free} for place, name in enumerate(one.inputs)],
        "parameters": [_describe_parameter(one, parameter) for parameter in one.parameters],
        "outputs": one.outputs if one.output is None else [one.outputs[one.output]],
        "output_has_to_be_named": one.output is None,
        "all_outputs": one.outputs,
        "output": one.output,
        "own_name": one.name in NAMES,
        "lookback": find_lookback(one.name),
    }


def _describe_parameter(one: Indicator, parameter: Parameter) -> dict[str, Any]:
    lowest, highest = find_bounds(one.name, parameter.keyword)
    return {
        "name": parameter.keyword,
        "default": parameter.default,
        "whole": parameter.whole,
        "lowest": lowest,
        "highest": highest,
    }


def _list_limits() -> dict[str, float]:
    return {
        "characters": MOST_CHARACTERS,
        "parts": MOST_NODES,
        "depth": MOST_DEPTH,
        "indicators": MOST_INDICATORS,
        "indicators_within_one_another": MOST_WITHIN,
        "candles_of_history": MOST_HISTORY,
        "candles_ago": MOST_OFFSET,
        "earlier_numbers": MOST_REMEMBERED,
        "argument": LARGEST_ARGUMENT,
        "number": LARGEST_NUMBER,
    }
