# ruff: noqa: S608 - statements are put together here, of quoted names, fixed words and placeholders alone
"""A JSON body as rows: the FROM clause that takes columns or arguments out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scripts.local_supabase.rest.parsing.payload import Payload
from scripts.local_supabase.rest.statements.fragments import quote, quote_literal
from scripts.local_supabase.rest.statements.parameters import Parameters, RawText

BODY = "pgrst_body"


@dataclass(frozen=True, slots=True)
class RecordColumn:
    """default: an expression of SQL for rows that leave the column out."""

    name: str
    type: str
    default: str | None = None


def write_body_records(
    parameters: Parameters,
    payload: Payload,
    columns: Sequence[RecordColumn],
    *,
    apply_defaults: bool = False,
    first_only: bool = False,
) -> str:
    """`(select $1::json …) pgrst_payload, lateral (…) pgrst_body`: one row an object of the body.

    first_only: of a list only the first object
    """
    kind = "jsonb" if apply_defaults else "json"
    place = parameters.add(RawText(payload.body))
    text = f"(select {place}::{kind} as json_data) pgrst_payload, "
    value = "pgrst_payload.json_data"
    if apply_defaults:
        defaults = ", ".join(
            f"{quote_literal(column.name)}, {column.default}"
            for column in columns
            if column.default is not None
        )
        base = f"jsonb_build_object({defaults})"
        if payload.is_object:
            merged = f"select {base} || {value} as val"
        else:
            merged = f"select jsonb_agg({base} || element) as val from jsonb_array_elements({value}) element"
        text += f"lateral ({merged}) pgrst_json_defs, "
        value = "pgrst_json_defs.val"
    names = ", ".join(quote(column.name) for column in columns)
    if columns:
        function = f"{kind}_to_record" if payload.is_object else f"{kind}_to_recordset"
        typed = ", ".join(f"{quote(column.name)} {column.type}" for column in columns)
        rows = f"{function}({value}) as _({typed})"
    elif payload.is_object:
        rows = "(values (1)) _"
    else:
        rows = f"{kind}_array_elements({value}) _"
    limit = " limit 1" if first_only and not payload.is_object else ""
    return f"{text}lateral (select {names} from {rows}{limit}) {BODY}"
