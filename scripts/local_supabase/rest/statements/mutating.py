# ruff: noqa: S608 - statements are put together here, of quoted names, fixed words and placeholders alone
"""A write as SQL: INSERT with or without conflicts, UPDATE, DELETE, each returning what is to be shown."""

from __future__ import annotations

from scripts.local_supabase.rest.planning.mutation_plan import Mutation, MutationPlan, OnConflict
from scripts.local_supabase.rest.statements.body_records import BODY, RecordColumn, write_body_records
from scripts.local_supabase.rest.statements.fragments import FragmentWriter, column, quote, quote_qualified
from scripts.local_supabase.rest.tree import QualifiedName

_BODY = QualifiedName("", BODY)
_COUNTER = "coalesce(nullif(current_setting('pgrst.inserted', true), ''), '0')::int"
# Counted on the way, because not every relation can tell afterwards which rows are new: each row of the body
# is one more, each row that turned out to be there already one less. Both conditions are always true.
_COUNT_ROW = f"set_config('pgrst.inserted', ({_COUNTER} + 1)::text, true) <> '0'"
_COUNT_CONFLICT = f"set_config('pgrst.inserted', ({_COUNTER} - 1)::text, true) <> '-1'"


def write_mutation(writer: FragmentWriter, plan: MutationPlan) -> str:
    match plan.mutation:
        case Mutation.CREATE | Mutation.REPLACE:
            return _insert(writer, plan)
        case Mutation.UPDATE:
            return _update(writer, plan)
        case Mutation.DELETE:
            return f"delete from {quote_qualified(plan.target)}{_where(writer, plan)}{_returning(plan)}"


def _insert(writer: FragmentWriter, plan: MutationPlan) -> str:
    if plan.payload is None:
        raise AssertionError("a request that inserts has a body")
    names = ", ".join(quote(c.name) for c in plan.columns)
    values = ", ".join(column(_BODY, c.name) for c in plan.columns)
    body = write_body_records(
        writer.parameters, plan.payload, _records(plan), apply_defaults=plan.apply_defaults
    )
    target = quote_qualified(plan.target) + (f" ({names})" if names else "")
    where = [_COUNT_ROW] if plan.counts_inserted else []
    if plan.mutation is Mutation.REPLACE:
        where += [writer.condition(plan.target, _BODY, each) for each in plan.conditions]
    return (
        f"insert into {target} select {values} from {body}"
        + (f" where {' and '.join(where)}" if where else "")
        + _on_conflict(plan)
        + _returning(plan)
    )


def _on_conflict(plan: MutationPlan) -> str:
    if plan.on_conflict is None or not plan.conflict_columns:
        return ""
    key = ", ".join(quote(name) for name in plan.conflict_columns)
    if plan.on_conflict is OnConflict.IGNORE or not plan.columns:
        return f" on conflict ({key}) do nothing"
    changes = ", ".join(f"{quote(c.name)} = excluded.{quote(c.name)}" for c in plan.columns)
    return f" on conflict ({key}) do update set {changes} where {_COUNT_CONFLICT}"


def _update(writer: FragmentWriter, plan: MutationPlan) -> str:
    target = quote_qualified(plan.target)
    if not plan.columns or plan.payload is None:
        # Nothing to set, which SQL has no words for. The columns are still checked.
        short = QualifiedName("", plan.target.name)
        shown = ", ".join(column(short, name) for name in plan.returning) or "null"
        return f"select {shown} from {target} where false"
    changes = ", ".join(f"{quote(c.name)} = {column(_BODY, c.name)}" for c in plan.columns)
    body = write_body_records(
        writer.parameters, plan.payload, _records(plan), apply_defaults=plan.apply_defaults
    )
    return f"update {target} set {changes} from {body}{_where(writer, plan)}{_returning(plan)}"


def _records(plan: MutationPlan) -> list[RecordColumn]:
    return [RecordColumn(c.name, c.type, c.default) for c in plan.columns]


def _where(writer: FragmentWriter, plan: MutationPlan) -> str:
    conditions = [writer.condition(plan.target, plan.target, each) for each in plan.conditions]
    return f" where {' and '.join(conditions)}" if conditions else ""


def _returning(plan: MutationPlan) -> str:
    return " returning " + (", ".join(column(plan.target, name) for name in plan.returning) or "1")
