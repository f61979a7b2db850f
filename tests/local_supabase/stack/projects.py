"""Small projects in folders of their own, for stacks that a test starts itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.local_supabase.settings import CHECKOUT


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that the database's user can enter too, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="sigtrail-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


def write_project(folder: Path) -> Path:
    """A project with one small migration, so that a stack of it starts at once."""
    migrations = folder / "project" / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    shutil.copy(CHECKOUT / "supabase" / "config.toml", migrations.parent)
    (migrations / "20261121000000_notes.sql").write_text(
        "create table public.notes (id bigint generated always as identity primary key, body text);\n"
        "grant select, insert on public.notes to service_role;\n"
    )
    return folder / "project"
