"""The project's migrations, pushed to the stack by the real Supabase CLI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.settings import CHECKOUT, Settings

CLI = CHECKOUT / "node_modules" / ".bin" / "supabase"


def push(settings: Settings) -> None:
    """Apply what the database does not have yet. Raises StackError that names the migration that failed."""
    if not any((settings.project / "supabase" / "migrations").glob("*.sql")):
        return
    done = supabase(settings, "db", "push", "--yes")
    report = done.stderr + done.stdout
    if skipped := re.findall(r"Skipping migration (.+?)\.\.\.", report):
        raise StackError(
            f"{skipped[0]} is no name for a migration: call it `<14 digits>_name.sql`, and start again."
        )
    if done.returncode:
        raise StackError(_explain(report))


def _explain(report: str) -> str:
    """One sentence out of what the CLI printed when a push failed."""
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    wrong = [line for line in lines if "error" in line.lower() and "--debug" not in line]
    why = (wrong or lines or ["it did not say why"])[0].removeprefix("ERROR: ").rstrip(".")
    # The CLI names each file when it begins with it, so the last one named is the one that failed.
    begun = re.findall(r"Applying migration (.+?)\.\.\.", report)
    if begun:
        return f"The migration {begun[-1]} failed: {why}. Nothing of it was applied: mend it and start again."
    return f"The migrations could not be pushed: {why}. `supabase db push --debug` says more."


def supabase(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI on this stack, as if it were the one that the CLI starts itself.

    Raises StackError when the CLI is not installed.
    """
    if not CLI.exists() or shutil.which("node", path=_path()) is None:
        raise StackError("The Supabase CLI is not installed: run `./scripts/install`.")
    return subprocess.run(  # noqa: S603
        command(settings, arguments), env=environment(settings), capture_output=True, text=True, check=False
    )


def command(settings: Settings, arguments: Sequence[str]) -> list[str]:
    return [str(CLI), "--workdir", str(settings.project), *arguments]


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "PATH": _path(),
        "SUPABASE_DB_PORT": str(settings.db_port),
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "SUPABASE_NO_UPDATE_NOTIFIER": "1",
    }


def _path() -> str:
    """Where commands are looked for: the environment's own Node before the system's, which may be too old."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
