# ruff: noqa: S608 - statements are put together here, of quoted names, fixed words and placeholders alone
"""Whole statements: whatever is read, written or called, one row with the body, the counts and the wishes of
the database for the answer."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.local_supabase.rest.catalog.schema_cache import Function, SchemaCache
from scripts.local_supabase.rest.parsing.media_types import Shape
from scripts.local_supabase.rest.planning.call_plan import CallPlan
from scripts.local_supabase.rest.planning.mutation_plan import Mutation, MutationPlan
from scripts.local_supabase.rest.planning.read_plan import ReadNode
from scripts.local_supabase.rest.statements.calling import SCALAR, write_call
from scripts.local_supabase.rest.statements.fragments import FragmentWriter, quote_literal
from scripts.local_supabase.rest.statements.mutating import write_mutation
from scripts.local_supabase.rest.statements.parameters import Parameters
from scripts.local_supabase.rest.statements.reading import write_count, write_read

_ROW = "_postgrest_t"
_GUCS = (
    "nullif(current_setting('response.headers', true), '') as response_headers, "
    "nullif(current_setting('response.status', true), '') as response_status"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with numbered placeholders, and their values."""

    text: str
    parameters: tuple[str | bytes, ...]


def read_statement(
    cache: SchemaCache, tree: ReadNode, shape: Shape | None, *, count: bool, max_rows: int | None = None
) -> Statement:
    """shape: None when nobody will see the body. count: also count all rows; max_rows: but not more than
    these."""
    parameters = Parameters()
    writer = FragmentWriter(cache, parameters)
    ctes, total = [f"pgrst_source as ({write_read(writer, tree)})"], "null::int8"
    if count:
        ctes.append(_count_cte(writer, tree, max_rows))
        total = _TOTAL
    return Statement(
        f"with {', '.join(ctes)} select {total} as total, pg_catalog.count({_ROW}) as rows, "
        f"{_body(shape, None)} as body, {_GUCS}, '' as location, '' as inserted "
        f"from (select * from pgrst_source) {_ROW}",
        tuple(parameters.values),
    )


def explain_statement(cache: SchemaCache, tree: ReadNode) -> Statement:
    """Asks the planner how many rows it expects."""
    parameters = Parameters()
    text = f"explain (format json) {write_count(FragmentWriter(cache, parameters), tree)}"
    return Statement(text, tuple(parameters.values))


def mutation_statement(
    cache: SchemaCache, plan: MutationPlan, tree: ReadNode, shape: Shape | None, *, location: bool
) -> Statement:
    """shape: None when nothing is to be shown. location: of a single new row its primary key as filters."""
    parameters = Parameters()
    writer = FragmentWriter(cache, parameters)
    source = write_mutation(writer, plan)
    rows = write_read(writer, tree) if shape else "select * from pgrst_source"
    inserted = "''"
    if plan.counts_inserted:
        inserted = "coalesce(current_setting('pgrst.inserted', true), '')"
    place = "''"
    if location and plan.mutation is Mutation.CREATE and plan.primary_key:
        place = _location(plan.primary_key)
    return Statement(
        f"with pgrst_source as ({source}) select null::int8 as total, pg_catalog.count({_ROW}) as rows, "
        f"{_body(shape, None)} as body, {_GUCS}, {place} as location, {inserted} as inserted "
        f"from ({rows}) {_ROW}",
        tuple(parameters.values),
    )


def call_statement(
    cache: SchemaCache,
    plan: CallPlan,
    tree: ReadNode,
    shape: Shape | None,
    *,
    count: bool,
    max_rows: int | None = None,
) -> Statement:
    parameters = Parameters()
    writer = FragmentWriter(cache, parameters)
    ctes, total = [f"pgrst_source as ({write_call(parameters, plan)})"], "null::int8"
    if count:
        ctes.append(_count_cte(writer, tree, max_rows))
        total = _TOTAL
    rows = f"pg_catalog.count({_ROW})" if plan.function.returns_set else "1::int8"
    return Statement(
        f"with {', '.join(ctes)} select {total} as total, {rows} as rows, "
        f"{_body(shape, plan.function)} as body, {_GUCS}, '' as location, '' as inserted "
        f"from ({write_read(writer, tree)}) {_ROW}",
        tuple(parameters.values),
    )


_TOTAL = "(select pg_catalog.count(*) from pgrst_source_count)"


def _count_cte(writer: FragmentWriter, tree: ReadNode, max_rows: int | None) -> str:
    limit = f" limit {max_rows + 1}" if max_rows is not None else ""
    return f"pgrst_source_count as ({write_count(writer, tree)}{limit})"


def _body(shape: Shape | None, function: Function | None) -> str:
    scalar = function is not None and function.returns_scalar
    rows = f"{_ROW}.{SCALAR}" if scalar or (function and function.returns_set_of_scalar) else _ROW
    match shape:
        case None:
            return "''"
        case Shape.CSV:
            return _csv()
        case Shape.GEOJSON:
            features = f"coalesce(json_agg(ST_AsGeoJSON({_ROW})::json), '[]')"
            return f"json_build_object('type', 'FeatureCollection', 'features', {features})::text"
    text = f"json_agg({rows})"
    single = shape.is_single or scalar or (function is not None and function.returns_single_composite)
    if single:
        text += "->0"
    if shape in (Shape.STRIPPED, Shape.SINGLE_STRIPPED):
        text = f"json_strip_nulls({text})"
    return f"coalesce({text}, '{'null' if single else '[]'}')::text"


def _csv() -> str:
    """The rows as PostgreSQL writes them, under the names of their columns."""
    header = (
        "(select coalesce(string_agg(keys.name, ','), '') from (select json_object_keys(first.row) as name"
        " from (select row_to_json(source.*) as row from pgrst_source as source limit 1) first) keys)"
    )
    row = f"{_ROW}::text"
    lines = f"coalesce(string_agg(substring({row}, 2, length({row}) - 2), E'\\n'), '')"
    return f"{header} || E'\\n' || {lines}"


def _location(primary_key: tuple[str, ...]) -> str:
    """`["id=eq.5"]` as JSON, for a single row."""
    keys = ", ".join(quote_literal(name) for name in primary_key)
    return (
        f"case when pg_catalog.count({_ROW}) = 1 then coalesce((select json_agg(json_build_array(pair.key,"
        " coalesce('eq.' || pair.value, 'is.null')))::text"
        " from (select row_to_json(source.*) as row from pgrst_source as source limit 1) first"
        f" cross join json_each_text(first.row) as pair where pair.key in ({keys})), '') else '' end"
    )
