"""What commands share that list rows of the project's database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cli.output import print_rows
from cli.project import database, run
from cli.queries import query


def list_rows(name: str, columns: Mapping[str, str], *, json: bool, empty: str, **bounds: Any) -> None:
    """Print what the query of this name answers: a table of these columns (by their headings), or JSON."""

    async def read() -> list[dict[str, Any]]:
        async with database() as connection:
            return await (await connection.execute(query(name), bounds)).fetchall()

    print_rows(run(read()), columns, json=json, empty=empty)
