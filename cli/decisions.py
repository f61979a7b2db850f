"""What commands share in which a person decides about accounts: sure of it, for a reason, under a name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli.key_store import operator_name
from cli.output import notes, print_json
from cli.project import ask, operator, run
from shared.errors import InputError

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
Why = Annotated[str, typer.Option(help="The reason, which the account's trail keeps.")]


def be_sure(yes: bool, what: str) -> None:
    """Ask a person who did not say --yes; refuse where there is nobody to ask."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"this would {what}: say --yes")
    if not typer.confirm(f"{what[0].upper()}{what[1:]}?", err=True):
        raise typer.Exit(1)


def carry_out(name: str, told: Callable[[Any], str], *, json: bool, **parameters: Any) -> None:
    """Call such a function and print its answer: as JSON, or as `told` says it."""
    answer = run(call(name, **parameters))
    if json:
        print_json(answer)
    else:
        notes.print(told(answer), soft_wrap=True)


async def call(name: str, **parameters: Any) -> Any:
    """Call one of the functions by which a person decides about accounts, under the operator's own name."""
    async with operator() as client:
        return await ask(name, client.rpc(name, {**parameters, "who": operator_name()}).execute)
