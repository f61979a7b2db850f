"""The local Supabase's own commands; `./scripts/up` and `./scripts/down` are what people use.

python -m scripts.local_supabase start [--root DIR] [--port N] [--no-push]
python -m scripts.local_supabase stop | status [--root DIR] [--json]
python -m scripts.local_supabase supabase [--root DIR] -- migration list
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

from scripts.local_supabase import migrations, stack
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.errors import StackError
from scripts.local_supabase.processes import Process
from scripts.local_supabase.settings import Settings
from scripts.local_supabase.supervisor import supervise

HIGHEST_PORT = 65_531  # the last one that leaves room for the others


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit status: 1 for a failure, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except StackError as error:
        print(error, file=sys.stderr)
    except PermissionError as error:
        print(
            f"{error.filename} belongs to somebody else: run this as the user who made it.", file=sys.stderr
        )
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    return 1


def _start(options: argparse.Namespace) -> int:
    settings = _settings(options)
    stack.start(settings, push=options.push, owner=options.owner)
    print(f"The local Supabase runs at {settings.url}", file=sys.stderr)
    print(f"  database  postgresql://postgres@127.0.0.1:{settings.db_port}/postgres", file=sys.stderr)
    print(f"  settings  {settings.root / 'env'}", file=sys.stderr)
    print(f"  logs      {settings.logs}", file=sys.stderr)
    if settings.venue:
        print(f"  venue     127.0.0.1:{settings.venue_port}, a fake one", file=sys.stderr)
    if Cluster(settings).is_outdated():
        print(
            "Its database was made by another version of Sigtrail. If something is missing, stop it, delete"
            f" {options.root}, and start again with an empty one.",
            file=sys.stderr,
        )
    return 0


def _stop(options: argparse.Namespace) -> int:
    if not (options.root / "settings.json").exists():
        print(f"There is no local Supabase in {options.root}.", file=sys.stderr)
        return 0
    stack.stop(Settings.load(options.root))
    print("The local Supabase is stopped.", file=sys.stderr)
    return 0


def _status(options: argparse.Namespace) -> int:
    states = stack.status(Settings.load(options.root))
    if options.json:
        print(json.dumps([asdict(state) for state in states]))
    else:
        for state in states:
            word = "up" if state.answers else "down" if state.pid is None else "not answering"
            print(f"{state.name:10} port {state.port:<6} {word}")
    if not stack.is_running(Settings.load(options.root)):
        print("Nothing keeps it running: start it again.", file=sys.stderr)
        return 1
    return 0 if all(state.answers for state in states) else 1


def _supervise(options: argparse.Namespace) -> int:
    owner = Process.of(options.owner) if options.owner else None
    with os.fdopen(options.tell, "w") as tell:
        return supervise(Settings.load(options.root), tell, options.push, owner)


def _supabase(options: argparse.Namespace) -> int:
    done = migrations.supabase(Settings.load(options.root), *options.words)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    return done.returncode


def _settings(options: argparse.Namespace) -> Settings:
    """As given, else as this stack was last started, else the defaults."""
    known = (options.root / "settings.json").exists()
    settings = Settings.load(options.root) if known else Settings(root=options.root)
    settings = settings.at_port(options.port) if options.port else settings
    # Once it is part of a stack it stays: accounts of the project trade there.
    return replace(settings, venue=True) if getattr(options, "venue", False) else settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m scripts.local_supabase", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, about in (
        ("start", _start, "start it in the background and wait until it works"),
        ("stop", _stop, "stop all of it"),
        ("status", _status, "say which parts work; exit status 1 unless all do"),
        ("supabase", _supabase, "run the Supabase CLI on it"),
        ("supervise", _supervise, "run it in the foreground"),
    ):
        command = commands.add_parser(name, help=about)
        command.set_defaults(run=run)
        command.add_argument("--root", type=_folder, default=Settings.root, help="its state folder")
        if name == "start":
            command.add_argument("--port", type=_port, help="of the API; the other parts take the next ones")
            command.add_argument(
                "--venue",
                action="store_true",
                help="with a fake venue, from now on",
            )
        if name in ("start", "supervise"):
            command.add_argument(
                "--no-push", dest="push", action="store_false", help="leave the migrations to somebody else"
            )
            command.add_argument("--owner", type=int, help="process id: stop when that process ends")
        if name == "status":
            command.add_argument("--json", action="store_true", help="one JSON document")
        if name == "supervise":
            command.add_argument("--tell", type=int, default=2, help="file descriptor to report to")
        if name == "supabase":
            command.add_argument("words", nargs="*", help="what to tell it, after --")
    return parser


def _folder(text: str) -> Path:
    return Path(text).absolute()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 1 and {HIGHEST_PORT}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
