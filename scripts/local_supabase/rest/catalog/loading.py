"""Reads the schema cache from the database's own catalogs, in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import dict_row

from scripts.local_supabase.rest.catalog.relationships import (
    ForeignKey,
    find_relationships,
    primary_key_of_view,
)
from scripts.local_supabase.rest.catalog.schema_cache import (
    Cardinality,
    Column,
    Function,
    Parameter,
    Relation,
    Relationship,
    SchemaCache,
)
from scripts.local_supabase.rest.catalog.view_columns import View, read_origins, shown_columns
from scripts.local_supabase.rest.tree import QualifiedName

_SQL = Path(__file__).parent / "sql"
_QUERIES = {file.stem: file.read_bytes() for file in sorted(_SQL.glob("*.sql"))}


async def load_schema_cache(
    connection: AsyncConnection[Any], schemas: Sequence[str], timezones: frozenset[str]
) -> SchemaCache:
    """schemas: the exposed ones. timezones: those of an earlier cache, to be asked for if empty.

    Raises psycopg.Error when the database cannot be asked.
    """
    async with connection.transaction(), AsyncRawCursor(connection, row_factory=dict_row) as cursor:

        async def ask(name: str, *parameters: Any) -> list[dict[str, Any]]:
            await cursor.execute(_QUERIES[name], parameters)
            return await cursor.fetchall()

        await cursor.execute("set transaction isolation level repeatable read, read only")
        await cursor.execute("set local search_path = ''")
        # These queries look expensive to the planner but read few rows: compiling them takes longer than
        # running.
        await cursor.execute("set local jit = off")
        exposed = list(schemas)
        view_rows = await ask("views")
        views = {
            row["oid"]: View(
                oid=row["oid"],
                columns={int(number): name for number, name in (row["columns"] or {}).items()},
                origins=read_origins(row["rule"]),
            )
            for row in view_rows
        }
        shown = {
            QualifiedName(row["schema"], row["name"]): shown_columns(views[row["oid"]], views)
            for row in view_rows
            if row["schema"] in exposed
        }
        primary_keys = [(row["table_oid"], row["numbers"]) for row in await ask("primary_keys")]
        relations = {}
        for row in await ask("relations", exposed):
            relation = _relation(row)
            if relation.is_view:
                relation = _relation(row, primary_key_of_view(shown[relation.name], primary_keys))
            relations[relation.name] = relation
        keys = [_foreign_key(row) for row in await ask("foreign_keys")]
        computed = [_computed(row) for row in await ask("computed_relationships")]
        functions: dict[QualifiedName, list[Function]] = {}
        for row in await ask("functions", exposed):
            function = _function(row)
            functions.setdefault(function.name, []).append(function)
        settings = {row["role"]: row["settings"] for row in await ask("role_settings")}
        if not timezones:
            timezones = frozenset((await ask("timezones"))[0]["names"])
    return SchemaCache(
        relations=relations,
        relationships=find_relationships(keys, shown, relations, computed),
        functions={name: tuple(overloads) for name, overloads in functions.items()},
        role_settings=settings,
        timezones=timezones,
    )


def _relation(row: dict[str, Any], primary_key: tuple[str, ...] | None = None) -> Relation:
    return Relation(
        name=QualifiedName(row["schema"], row["name"]),
        columns={
            column["name"]: Column(**column | {"enum": tuple(column["enum"] or ())})
            for column in row["columns"]
        },
        primary_key=tuple(row["primary_key"]) if primary_key is None else primary_key,
        is_view=row["is_view"],
        insertable=row["insertable"],
        updatable=row["updatable"],
        deletable=row["deletable"],
        comment=row["comment"],
    )


def _foreign_key(row: dict[str, Any]) -> ForeignKey:
    return ForeignKey(
        name=row["name"],
        table_oid=row["table_oid"],
        table=QualifiedName(row["table_schema"], row["table_name"]),
        foreign_oid=row["foreign_oid"],
        foreign=QualifiedName(row["foreign_schema"], row["foreign_name"]),
        table_numbers=tuple(row["table_numbers"]),
        foreign_numbers=tuple(row["foreign_numbers"]),
        columns=tuple(zip(row["table_columns"], row["foreign_columns"], strict=True)),
        one_to_one=row["one_to_one"],
    )


def _computed(row: dict[str, Any]) -> Relationship:
    return Relationship(
        table=QualifiedName(row["table_schema"], row["table_name"]),
        foreign=QualifiedName(row["foreign_schema"], row["foreign_name"]),
        cardinality=Cardinality.MANY_TO_ONE if row["to_one"] else Cardinality.ONE_TO_MANY,
        function=QualifiedName(row["function_schema"], row["function_name"]),
    )


def _function(row: dict[str, Any]) -> Function:
    return Function(
        name=QualifiedName(row["schema"], row["name"]),
        parameters=tuple(Parameter(**argument) for argument in row["arguments"]),
        returns=QualifiedName(row["type_schema"], row["type_name"]),
        returns_set=row["returns_set"],
        returns_composite=row["returns_composite"],
        volatility=row["volatility"],
        settings=row["settings"],
        comment=row["comment"],
        oid=row["oid"],
    )
