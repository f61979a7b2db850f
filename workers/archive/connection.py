"""The archive's own way to the database: a direct connection that becomes `archivist` at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row, tuple_row

from shared.errors import NotAllowed, Refused, Unavailable
from shared.settings import Settings

Connection = psycopg.AsyncConnection[DictRow]

# What the texts of a row look like must not depend on a server's settings. Sorting a large day goes to disk.
SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "work_mem": "64MB",
}


@asynccontextmanager
async def archivist(settings: Settings) -> AsyncIterator[Connection]:
    """A connection of the database role `archivist`; each statement commits alone.

    Raises ConfigurationError without SUPABASE_DB_URL, `NotAllowed` when the login may not become archivist,
    `Unavailable` when the database cannot be reached or breaks off, Refused for whatever else it says no to.
    """
    try:
        connection = await psycopg.AsyncConnection.connect(
            settings.need("supabase_db_url"), autocommit=True, row_factory=dict_row, connect_timeout=10
        )
        async with connection:
            await connection.execute(_become("archivist"))
            yield connection
    except psycopg.OperationalError as error:
        raise _away(error) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_allowed(error) from error
    except psycopg.Error as error:
        raise _refused(error) from error


@contextmanager
def archivist_thread(settings: Settings) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """The same for a thread that copies whole days, outside the event loop."""
    try:
        connection = psycopg.connect(
            settings.need("supabase_db_url"), autocommit=True, row_factory=tuple_row, connect_timeout=10
        )
        with connection:
            connection.execute(_become("archivist"))
            yield connection
    except psycopg.OperationalError as error:
        raise _away(error) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise _not_allowed(error) from error
    except psycopg.Error as error:
        raise _refused(error) from error


def _become(role: str) -> str:
    settings = "; ".join(f"set {name} = '{value}'" for name, value in SETTINGS.items())
    return f"{settings}; set role {role}"


def _away(error: psycopg.OperationalError) -> Unavailable:
    # libpq's text names host and port, never the password.
    return Unavailable(f"the database cannot be reached or broke off: {str(error).splitlines()[0]}")


def _not_allowed(error: psycopg.Error) -> NotAllowed:
    return NotAllowed(f"the archive may not do this in the database: {error.diag.message_primary}")


def _refused(error: psycopg.Error) -> Refused:
    said = error.diag.message_primary or str(error)
    return Refused(
        f"the database refuses the archive: {said}", code=error.sqlstate, hint=error.diag.message_hint
    )
