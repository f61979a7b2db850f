"""Searching what a run leaves behind for any piece of a key: logs, output, database, files, process lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.redaction import forms
from tests.stacks import Stack
from tests.trading.world import Sql
from tests.waiting import until

WINDOW = 12
# No run of a test takes longer, in seconds.
LONGEST = 600


def pieces_of(*secrets: str) -> set[bytes]:
    """Every window of everything that these secrets may look like."""
    found = {form for secret in secrets if secret for form in forms(secret)}
    return {form[at : at + WINDOW].encode() for form in found for at in range(max(1, len(form) - WINDOW + 1))}


def search(content: bytes, pieces: set[bytes]) -> list[bytes]:
    """The windows of the content that are pieces."""
    windows = (content[at : at + WINDOW] for at in range(len(content) - WINDOW + 1))
    return [window for window in windows if window in pieces]


def read_lists(pieces: set[bytes]) -> set[str]:
    """Processes that show a piece in their arguments or their environment."""
    shown = set()
    for path in Path("/proc").iterdir():
        for name in ("cmdline", "environ") if path.name.isdigit() else ():
            try:
                content = (path / name).read_bytes()
            except OSError:
                continue
            if search(content, pieces):
                shown.add(f"{path}/{name}")
    return shown


@asynccontextmanager
async def watching_lists(pieces: set[bytes]) -> AsyncIterator[set[str]]:
    """The processes that showed a piece at any time while the block ran."""
    shown: set[str] = set()
    ended = asyncio.Event()

    async def look() -> bool:
        shown.update(await asyncio.to_thread(read_lists, pieces))
        return ended.is_set()

    watching = asyncio.create_task(until(look, timeout=LONGEST, every=0.2))
    try:
        yield shown
    finally:
        ended.set()
        await watching
        shown.update(read_lists(pieces))


async def search_database(sql: Sql, pieces: set[bytes]) -> list[str]:
    """Tables of which a row shows a piece: all that the project has, and what the server says of sessions."""
    tables = await sql.execute(
        """
        select format('%I.%I', n.nspname, c.relname) as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
          and c.relkind in ('r', 'm') and c.relispopulated and has_table_privilege(c.oid, 'select')
          and has_schema_privilege(n.oid, 'usage')
        """
    )
    names = [row["name"] for row in await tables.fetchall()]
    found = []
    for name in [*names, "pg_stat_activity"]:
        rows = await (await sql.execute(f"select row_to_json(t)::text as text from {name} t")).fetchall()
        if any(search(str(row["text"]).encode(), pieces) for row in rows):
            found.append(name)
    return found


def search_files(paths: Iterable[Path], pieces: set[bytes]) -> Iterator[str]:
    """Files whose name or content shows a piece, and core files whatever they show."""
    for path in paths:
        shows = search(str(path).encode(), pieces) or (path.is_file() and search(path.read_bytes(), pieces))
        if shows or path.name.split(".")[0] == "core":
            yield str(path)


def left_by(folder: Path, stack: Stack) -> list[Path]:
    """Everything in a folder, and the logs of the stack."""
    return [*folder.rglob("*"), *stack.settings.root.rglob("*.log")]
