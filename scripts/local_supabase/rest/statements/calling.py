# ruff: noqa: S608 - statements are put together here, of quoted names, fixed words and placeholders alone
"""A function call as SQL: arguments by name, from a JSON body or as texts, or the whole body as the only
one."""

from __future__ import annotations

from scripts.local_supabase.rest.catalog.schema_cache import Parameter
from scripts.local_supabase.rest.planning.call_plan import CallPlan
from scripts.local_supabase.rest.statements.body_records import BODY, RecordColumn, write_body_records
from scripts.local_supabase.rest.statements.fragments import array_literal, column, quote, quote_qualified
from scripts.local_supabase.rest.statements.parameters import Parameters, RawText
from scripts.local_supabase.rest.tree import QualifiedName

CALL = QualifiedName("", "pgrst_call")
SCALAR = "pgrst_scalar"


def write_call(parameters: Parameters, plan: CallPlan) -> str:
    function = plan.function
    scalar = function.returns_scalar or function.returns_set_of_scalar
    shown = ", ".join(column(CALL, name) for name in ((SCALAR,) if scalar else plan.returning))
    return f"select {shown} from {_from(parameters, plan, scalar=scalar)}"


def _from(parameters: Parameters, plan: CallPlan, *, scalar: bool) -> str:
    if plan.takes_whole_body and plan.body is not None:
        return _call(plan, _whole_body(parameters, plan), scalar=scalar)
    if not plan.parameters:
        return _call(plan, "", scalar=scalar)
    if plan.pairs is not None:
        values = _group(plan.pairs)
        arguments = ", ".join(_text_argument(parameters, p, values[p.name]) for p in plan.parameters)
        return _call(plan, arguments, scalar=scalar)
    if plan.body is None:
        raise AssertionError("a call has its arguments in a body or in pairs")
    records = [RecordColumn(p.name, p.record_type) for p in plan.parameters]
    body = write_body_records(parameters, plan.body, records, first_only=True)
    arguments = ", ".join(f"{_variadic(p)}{quote(p.name)} := {BODY}.{quote(p.name)}" for p in plan.parameters)
    return f"{body}, lateral {_call(plan, arguments, scalar=scalar)}"


def _call(plan: CallPlan, arguments: str, *, scalar: bool) -> str:
    call = f"{quote_qualified(plan.function.name)}({arguments})"
    return f"(select {call} {SCALAR}) {CALL.name}" if scalar else f"{call} {CALL.name}"


def _whole_body(parameters: Parameters, plan: CallPlan) -> str:
    if plan.body is None:
        raise AssertionError("a whole body needs a body")
    wanted = plan.function.parameters[0].type
    if wanted == "bytea":
        return parameters.add(bytes(plan.body.body))
    return f"{parameters.add(RawText(plan.body.body))}::{wanted}"


def _group(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _text_argument(parameters: Parameters, parameter: Parameter, values: list[str]) -> str:
    """A repeated argument is a list for a variadic parameter; for any other its last value counts."""
    value = array_literal(values) if parameter.variadic else values[-1]
    return (
        f"{_variadic(parameter)}{quote(parameter.name)} := {parameters.add(value)}::{parameter.record_type}"
    )


def _variadic(parameter: Parameter) -> str:
    return "variadic " if parameter.variadic else ""
