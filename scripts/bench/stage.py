"""Where a benchmark runs: a local Supabase of its own, empty, in a temporary folder, gone when it ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from scripts.local_supabase import stack
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings as StackSettings
from shared.settings import Settings


@contextmanager
def empty_project() -> Iterator[Settings]:
    """The settings of a fresh project with the migrations. It is stopped and removed when the block ends.

    What the user's own stack holds is never touched, and never distorts a figure.
    """
    with tempfile.TemporaryDirectory(prefix="sigtrail-bench.") as folder:
        root = Path(folder)
        root.chmod(0o755)  # the database runs as a user of its own
        settings = StackSettings(root=root).at_port(free_ports())
        stack.start(settings, owner=os.getpid())
        try:
            yield Settings(**_values(settings))
        finally:
            stack.stop(settings)


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
