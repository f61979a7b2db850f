"""`sigtrail bench`: how fast this is here, beside what this machine could do at best."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import notes, print_json, show
from cli.project import run
from shared.errors import InputError, NotFound

# What there is: the module of the same name in scripts/bench has `async def run(*, quick, progress)`.
BENCHMARKS: dict[str, str] = {
    "ingest": "signals in: flat out beside COPY, sustained, in a burst",
    "latency": "from a signal's firing to its owner's screen, through Realtime",
    "partitions": "how long anyone waits while days are opened, warmed and compacted",
    "query": "reading millions of signals as a user, through REST and by SQL, and how it grows",
    "cold": "questions to archived days, as the command line asks them",
    "storage": "bytes a signal, hot, warm and cold, and what a billion would take",
    "monitor": "5,000 approved signals on 200 symbols: a price round, snapshots a second, memory",
    "evaluate": "ten thousand traders on two hundred symbols at the close of a minute, on one core",
    "bridge": "from an order's decision to its bytes, and a thousand open positions in one process",
    "kill-matrix": "the bridge killed at every await, by every answer of the venue, and what came of it",
    "chaos": "signals made, stored and received while everything breaks: equal, and nothing twice",
    "memory": "two hours of a machine with every role at 60 times the speed: what it takes, each minute",
    "console": "the console in Chromium before a million signals: frames, filters, arrivals, first load",
    "export": "seven days of one user as CSV through the edge function, beside COPY TO",
}


def bench(
    name: Annotated[str, typer.Argument(help="Which one; without it they are listed.")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A figure within a minute.")] = False,
    cases: Annotated[int | None, typer.Option("--cases", min=1, help="kill-matrix: play so many.")] = None,
    whole: Annotated[bool, typer.Option("--all", help="kill-matrix: play every case.")] = False,
) -> None:
    """Measure on a local Supabase made for this and removed again. Exit status 0 whatever the figures are."""
    if not name:
        for one, purpose in BENCHMARKS.items():
            print(f"{one:<12} {purpose}")
        return
    if name not in BENCHMARKS:
        raise InputError(f"there is no benchmark {name}: choose from {', '.join(BENCHMARKS)}")
    if name != "kill-matrix" and (whole or cases is not None):
        raise InputError("--cases and --all are for sigtrail bench kill-matrix")
    extent = {"cases": cases, "whole": whole} if name == "kill-matrix" else {}
    document = _measure(name, quick, extent)
    if json:
        print_json(document)
    else:
        _print_report(document)


def _measure(name: str, quick: bool, extent: dict[str, Any]) -> dict[str, Any]:
    if not (Path(__file__).resolve().parents[1] / "scripts" / "bench").is_dir():
        raise NotFound("benchmarks need the checkout: run ./scripts/sigtrail bench in it")
    report = import_module("scripts.bench.report")
    module = import_module(f"scripts.bench.{name.replace('-', '_')}")

    def progress(text: str) -> None:
        notes.print(f"{name}: {text}", markup=False)

    results = run(module.run(quick=quick, progress=progress, **extent))
    document: dict[str, Any] = report.to_document(name, results)
    return document


def _print_report(document: dict[str, Any]) -> None:
    print(f"{document['bench']} on {document['machine']}")
    for one in document["results"]:
        words = [f"  {one['name']:<44} {one['value']:>12g} {one['unit']}"]
        if one["ratio"] is not None:
            words.append(f"floor {one['floor']:g}, ratio {one['ratio']:g}")
        if one["target"] is not None:
            words.append(f"target {one['target']:g}: {'met' if one['met'] else 'MISSED'}")
        print("  ".join(words))
    print(f"all targets met: {show(document['met'])}")
