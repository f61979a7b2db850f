"""A whole stack with a small project of its own, for clients that know nothing of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from tests.stacks import Stack, running_stack

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def notes(state_folder: Path) -> Iterator[Stack]:
    """A stack with the tables and functions of tests/local_supabase/clients/project."""
    project = state_folder / "notes-project"
    shutil.copytree(Path(__file__).with_name("project"), project)
    with running_stack(state_folder / "notes", project) as running:
        yield running


@pytest.fixture
def email() -> str:
    return f"{uuid4().hex[:12]}@example.com"


@asynccontextmanager
async def connected(notes: Stack, key: str | None = None) -> AsyncIterator[AsyncClient]:
    """A client with the publishable key or another one, closed at the end.

    A sign-in replaces the client's parts without closing the old ones, so they share one pool of connections.
    """
    async with httpx.AsyncClient(http2=True, follow_redirects=True) as http:
        options = AsyncClientOptions(httpx_client=http)
        client = await acreate_client(notes.url, key or notes.publishable_key, options)
        yield client
        await client.remove_all_channels()
        await client.realtime.close()
        await client.auth.close()


@pytest.fixture
async def client(notes: Stack) -> AsyncIterator[AsyncClient]:
    """A person's client, not signed in."""
    async with connected(notes) as made:
        yield made


@pytest.fixture
async def service(notes: Stack) -> AsyncIterator[AsyncClient]:
    """A server's client, with the secret key."""
    async with connected(notes, notes.secret_key) as made:
        yield made
