"""The project's migrations, pushed to the stack by the real Supabase CLI."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.settings import CHECKOUT, Settings

CLI = CHECKOUT / "node_modules" / ".bin" / "supabase"
MIGRATION = re.compile(r"\d{14}_\w+\.sql")


def push(settings: Settings) -> None:
    """Apply what the database does not have yet. Raises StackError that names the migration that failed."""
    if not any((settings.project / "supabase" / "migrations").glob("*.sql")):
        return
    done = supabase(settings, "db", "push", "--yes")
    if done.returncode == 0:
        return
    report = done.stdout + done.stderr
    lines = [line.strip() for line in report.splitlines() if line.strip()]
    why = next(
        (line for line in lines if "ERROR" in line or "error" in line.lower()), lines[-1] if lines else ""
    )
    # The CLI names each file when it begins with it, so the last one named is the one that failed.
    names = MIGRATION.findall(report)
    what = f"The migration {names[-1]}" if names else "Pushing the migrations"
    raise StackError(f"{what} failed, and nothing of it was applied: {why} Correct it and start again.")


def supabase(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the CLI on this stack, as if it were the one that the CLI starts itself.

    Raises StackError when the CLI is not installed.
    """
    if not CLI.exists() or shutil.which("node") is None:
        raise StackError("The Supabase CLI is not installed: run `./scripts/install`.")
    return subprocess.run(  # noqa: S603
        command(settings, arguments), env=environment(settings), capture_output=True, text=True, check=False
    )


def command(settings: Settings, arguments: Sequence[str]) -> list[str]:
    return [str(CLI), "--workdir", str(settings.project), *arguments]


def environment(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "SUPABASE_DB_PORT": str(settings.db_port),
        "SUPABASE_TELEMETRY_DISABLED": "1",
        "SUPABASE_NO_UPDATE_NOTIFIER": "1",
    }
