"""The operator's ways to the project: its REST interface with the secret key, and its database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import psycopg
import uvloop
from postgrest.exceptions import APIError
from psycopg.rows import DictRow, dict_row
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from shared.answers import translate
from shared.errors import InputError, NotFound, NotSent
from shared.settings import Settings, load

Answer = TypeVar("Answer")
Database = psycopg.AsyncConnection[DictRow]


def run(command: Coroutine[Any, Any, Answer]) -> Answer:
    """Run one command to its end."""
    return uvloop.run(command)


@asynccontextmanager
async def operator(settings: Settings | None = None) -> AsyncIterator[AsyncClient]:
    """supabase-py with the secret key: what the operator may do, row level security aside."""
    chosen = settings or load()
    async with httpx.AsyncClient(timeout=30.0, trust_env=chosen.supabase_url.startswith("https://")) as http:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        yield await acreate_client(chosen.supabase_url, chosen.need("supabase_secret_key"), options)


@asynccontextmanager
async def database(settings: Settings | None = None) -> AsyncIterator[Database]:
    """The project's database as its owner, for what no interface exposes. Each statement commits alone."""
    chosen = settings or load()
    try:
        opened = await psycopg.AsyncConnection.connect(
            chosen.need("supabase_db_url"), autocommit=True, row_factory=dict_row, connect_timeout=10
        )
    except psycopg.OperationalError as error:
        # libpq's text names host and port, never the password.
        raise NotSent(f"the database cannot be reached: {str(error).splitlines()[0]}") from error
    try:
        async with opened:
            yield opened
    except psycopg.OperationalError as error:
        raise NotSent(f"the database broke off: {str(error).splitlines()[0]}") from error


async def ask(name: str, query: Callable[[], Awaitable[Any]]) -> Any:
    """Execute one REST query and answer its data; errors come out as Sigtrail's, `name` says what failed."""
    try:
        response = await query()
    except APIError as error:
        raise translate(name, error) from error
    except httpx.TransportError as error:
        raise NotSent(f"{name}: the Supabase API cannot be reached ({error})") from error
    return response.data


async def find_user(client: AsyncClient, name: str) -> dict[str, Any]:
    """The user with this email or id."""
    column = "email" if "@" in name else "id"
    rows = await ask("users", client.table("users").select("*").eq(column, name).execute)
    if not rows:
        raise NotFound(f"there is no user {name}: see `sigtrail users list`")
    return dict(rows[0])


async def find_trader(client: AsyncClient, name: str) -> dict[str, Any]:
    """The trader with this id, or the only one with this name."""
    column = "id" if len(name) == 36 and name.count("-") == 4 else "name"
    rows = await ask("traders", client.table("traders").select("*").eq(column, name).limit(2).execute)
    if not rows:
        raise NotFound(f"there is no trader {name}: see `sigtrail traders list`")
    if len(rows) > 1:
        raise InputError(f"several traders are named {name}: give the id from `sigtrail traders list`")
    return dict(rows[0])
