"""A whole local Supabase for a test, and what a client needs to use it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.local_supabase import stack
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.clusters import copy_migrated


@dataclass(frozen=True)
class Stack:
    """A running stack: REST, auth, realtime and functions at `url`, with the project's migrations."""

    settings: Settings

    @property
    def url(self) -> str:
        return self.settings.url

    @property
    def db_url(self) -> str:
        """As postgres, who is not a superuser."""
        return self.settings.db_url

    @property
    def admin_db_url(self) -> str:
        """As supabase_admin, the superuser."""
        return self.settings.admin_db_url

    @property
    def publishable_key(self) -> str:
        return self.settings.keys.publishable

    @property
    def secret_key(self) -> str:
        return self.settings.keys.secret

    @property
    def jwt_secret(self) -> str:
        return self.settings.keys.jwt_secret

    def token(self, role: str, sub: str | None = None, **claims: Any) -> str:
        """A token of this database role, valid for an hour unless `exp` is among the claims."""
        return self.settings.keys.token(role, sub, **claims)


@contextmanager
def running_stack(root: Path, project: Path | None = None, push: bool = True) -> Iterator[Stack]:
    """A stack in this folder on free ports until the block ends, or this process does.

    Without a project of its own it begins with a copy of a database that has the migrations.
    """
    settings = Settings(root=root) if project is None else Settings(root=root, project=project)
    settings = settings.at_port(free_ports())
    if project is None and push:
        copy_migrated(settings)
        push = False
    stack.start(settings, push=push, owner=os.getpid())
    try:
        yield Stack(settings)
    finally:
        stack.stop(settings)
