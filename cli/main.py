"""`sigtrail`: what people and scripts type."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

import typer

from cli.output import notes
from shared.errors import InputError, SigtrailError
from shared.log import setup

# Modules of this package with an `app` of commands each, and modules with one command of their own name.
NOUNS = (
    "users", "traders", "machines", "accounts", "signals", "orders", "positions", "partitions",
    "archive", "audit", "risk", "emergency", "alerts", "deploy", "strategies",
)  # fmt: skip
COMMANDS = ("doctor", "bench", "console", "up")


def build(arguments: Sequence[str]) -> typer.Typer:
    """The command line for these arguments: only what they name is loaded, or all of it for the help."""
    app = typer.Typer(
        name="sigtrail",
        help="Signals, orders and positions of AI traders on Supabase, and the trail behind them.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
        rich_markup_mode=None,
    )

    # Typer makes a lone command the whole program; this keeps it a command among others.
    @app.callback()
    def sigtrail() -> None:
        pass

    named = arguments[0] if arguments else None
    for name in NOUNS:
        if named == name or named not in NOUNS + COMMANDS:
            app.add_typer(import_module(f"cli.{name}").app)
    for name in COMMANDS:
        if named == name or named not in NOUNS + COMMANDS:
            app.command(name)(getattr(import_module(f"cli.{name}"), name))
    return app


def main() -> None:
    """Run a command. Exit status 0, 1 for a failure, 2 for wrong usage; errors are one sentence."""
    setup(level="warning")
    try:
        build(sys.argv[1:])(prog_name="sigtrail")
    except InputError as error:
        notes.print(f"sigtrail: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except SigtrailError as error:
        notes.print(f"sigtrail: {error}", markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
