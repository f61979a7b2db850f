"""`sigtrail`: what people and scripts type."""

from __future__ import annotations

import sys

import typer

from cli import (
    accounts,
    archive,
    audit,
    bench,
    doctor,
    machines,
    orders,
    partitions,
    positions,
    signals,
    traders,
    up,
    users,
)
from cli.output import notes
from shared.errors import InputError, SigtrailError
from shared.log import setup

app = typer.Typer(
    name="sigtrail",
    help="Signals, orders and positions of AI traders on Supabase, and the trail behind them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
for noun in (users, traders, machines, accounts, signals, orders, positions, partitions, archive, audit):
    app.add_typer(noun.app)
app.command("doctor")(doctor.examine)
app.command("bench")(bench.bench)
app.command("up")(up.up)


def main() -> None:
    """Run a command. Exit status 0, 1 for a failure, 2 for wrong usage; errors are one sentence."""
    setup(level="warning")
    try:
        app(prog_name="sigtrail")
    except InputError as error:
        notes.print(f"sigtrail: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except SigtrailError as error:
        notes.print(f"sigtrail: {error}", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
