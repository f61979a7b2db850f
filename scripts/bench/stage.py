"""Where a benchmark runs: a local Supabase of its own, empty, in a temporary folder, gone when it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from scripts.local_supabase import stack
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings as StackSettings
from shared.settings import Settings

# What the database writes ahead into one file, as PostgreSQL is built.
SEGMENT_MB = 16


@contextmanager
def empty_project(*, written_log_mb: int = 0) -> Iterator[Settings]:
    """The settings of a fresh project with the migrations. It is stopped and removed when the block ends.

    What the user's own stack holds is never touched, and never distorts a figure. So much of its log is
    written once before: a project that has run for a day writes into files that are there, and each commit
    of a new one also waits for the disk to find room.
    """
    with tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as folder:
        root = Path(folder)
        root.chmod(0o755)  # the database runs as a user of its own
        settings = StackSettings(root=root).at_port(free_ports())
        if written_log_mb:
            _write_log(Cluster(settings), written_log_mb // SEGMENT_MB)
        stack.start(settings, owner=os.getpid())
        try:
            yield Settings(**_values(settings))
        finally:
            stack.stop(settings)


def _write_log(cluster: Cluster, segments: int) -> None:
    with cluster.running(), psycopg.connect(cluster.admin_db_url, autocommit=True) as connection:
        connection.execute("set wal_init_zero = on")
        for _ in range(segments):
            connection.execute("select pg_logical_emit_message(false, 'bench', 'full'), pg_switch_wal()")
        # From here on these files are used again.
        connection.execute("checkpoint")


def state_folder(settings: Settings) -> Path:
    """The folder of an empty project's stack, where its processes are on record."""
    if settings.sigtrail_state is None:
        raise ValueError("these are not the settings of an empty project")
    return settings.sigtrail_state.parent


def _values(settings: StackSettings) -> dict[str, Any]:
    """Given by name, so that a project that the environment names is out of the game."""
    return {
        "supabase_url": settings.url,
        "supabase_db_url": SecretStr(settings.db_url),
        "SUPABASE_PUBLISHABLE_KEY": SecretStr(settings.keys.publishable),
        "SUPABASE_SECRET_KEY": SecretStr(settings.keys.secret),
        "supabase_jwt_secret": SecretStr(settings.keys.jwt_secret),
        "sigtrail_state": settings.root / "machines",
    }
