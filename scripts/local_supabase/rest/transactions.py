"""One request, one transaction: the role and its settings, the statement, the end; sent together in one
go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import orjson
import psycopg

from scripts.local_supabase.rest.connections import Connection
from scripts.local_supabase.rest.pipeline import one_piece
from scripts.local_supabase.rest.statements.fragments import quote
from scripts.local_supabase.rest.statements.parameters import Parameters
from scripts.local_supabase.rest.statements.result_sets import Statement

Cursor: TypeAlias = psycopg.AsyncCursor[Any]

# Settings of a function that count for the whole transaction when it is called.
HOISTED = ("statement_timeout", "plan_filter.statement_cost_limit")
ISOLATION = "default_transaction_isolation"


@dataclass(frozen=True, slots=True)
class ResultSet:
    """The one row of a statement.

    total: rows before limit and offset, if they were counted; rows: those of the answer
    location: pairs of primary key columns and filters; inserted: of an upsert, how many rows were new
    expected: rows before limit and offset, as the planner guesses
    """

    total: int | None
    rows: int
    body: bytes
    response_headers: bytes | None
    response_status: bytes | None
    location: tuple[tuple[str, str], ...]
    inserted: int | None
    expected: int | None = None

    def with_total(self, count: str | None, max_rows: int | None) -> ResultSet:
        """The total as it was asked for: exact, the planner's guess, or the guess only where there are many
        rows."""
        total = self.total
        if count == "planned":
            total = self.expected
        elif count == "estimated" and total is not None and max_rows is not None and total > max_rows:
            total = max(total, self.expected or 0)
        return replace(self, total=total)


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Command:
    query: bytes
    parameters: Sequence[str | bytes] | None = None
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """isolation: other than the database's default. check: judges the result before the commit; what it
    raises rolls back."""

    settings: Sequence[Setting]
    statement: Statement
    read_only: bool
    isolation: str | None = None
    explain: Statement | None = None
    check: Callable[[ResultSet], None] | None = None

    @property
    def begin(self) -> str:
        level = f" isolation level {self.isolation}" if self.isolation else ""
        return f"begin{level} read {'only' if self.read_only else 'write'}"


def request_settings(
    *,
    role: str,
    claims_json: str,
    search_path: Sequence[str],
    method: str,
    path: str,
    headers_json: str,
    cookies_json: str,
    role_settings: Mapping[str, str],
    function_settings: Mapping[str, str],
    timezone: str | None,
) -> list[Setting]:
    """The settings of a request's transaction. The role comes after its own settings: it may lack the right
    to them."""
    settings = [Setting("search_path", ", ".join(quote(schema) for schema in search_path))]
    settings += [Setting(name, value) for name, value in role_settings.items() if name != ISOLATION]
    settings += [
        Setting("role", role),
        Setting("request.jwt.claims", claims_json),
        Setting("request.method", method),
        Setting("request.path", path),
        Setting("request.headers", headers_json),
        Setting("request.cookies", cookies_json),
    ]
    if timezone is not None:
        settings.append(Setting("timezone", timezone))
    settings += [Setting(name, value) for name, value in function_settings.items() if name in HOISTED]
    return settings


async def run(connection: Connection, transaction: Transaction) -> ResultSet:
    """Run the transaction in one round trip; in two, if the result is to be judged before the commit.

    Raises psycopg.Error, or what the check raises; either way nothing is left behind.
    """
    commands: list[Command] = [
        Command(transaction.begin.encode()),
        _settings_command(transaction.settings),
        _asking(transaction.statement),
    ]
    if transaction.explain is not None:
        commands.append(_asking(transaction.explain))
    if transaction.check is None:
        commands.append(Command(b"commit"))
    try:
        answers = await _send(connection, commands)
        result = _read(*answers)
        if transaction.check is not None:
            transaction.check(result)
            await connection.execute(b"commit")
    except BaseException:
        await _roll_back(connection)
        raise
    return result


async def _send(connection: Connection, commands: Sequence[Command]) -> list[Cursor]:
    """Send the commands together and return those that answer.

    Raises what the first of them failed with; the others are then not run.
    """
    answers: list[Cursor] = []
    # One is enough for all that answer nothing: making a cursor costs more than sending a short command.
    silent = connection.cursor()
    failure: psycopg.Error | None = None
    try:
        async with one_piece(connection):
            # Caught in here: leaving a pipeline by an exception writes a warning about what follows from it.
            try:
                for command in commands:
                    cursor = connection.cursor() if command.answers else silent
                    await cursor.execute(command.query, command.parameters)
                    if command.answers:
                        answers.append(cursor)
            except psycopg.Error as error:
                failure = error
    except psycopg.Error as error:
        failure = failure or error
    if failure is not None:
        raise failure
    return answers


async def _roll_back(connection: Connection) -> None:
    """Also makes psycopg forget its prepared statements: of those in a pipeline that failed it believes that
    they were prepared. A connection that is gone needs neither."""
    with suppress(psycopg.OperationalError):
        if not connection.closed:
            await connection.rollback()


def _asking(statement: Statement) -> Command:
    # Statements are built of parts that are quoted or fixed; see the package `statements`.
    return Command(statement.text.encode(), statement.parameters, answers=True)


def _settings_command(settings: Sequence[Setting]) -> Command:
    parameters = Parameters()
    calls = [f"set_config({parameters.add(s.name)}, {parameters.add(s.value)}, true)" for s in settings]
    return Command(f"select {', '.join(calls)}".encode(), tuple(parameters.values))


def _read(cursor: Cursor, explanation: Cursor | None = None) -> ResultSet:
    """The row as it came, without turning its body into a text and back."""
    row = cursor.pgresult
    if row is None or row.ntuples != 1:
        raise AssertionError("a statement answers with one row")
    total, rows, body, headers, status, location, inserted = (row.get_value(0, n) for n in range(7))
    return ResultSet(
        total=int(total) if total is not None else None,
        rows=int(rows or 0),
        body=body or b"",
        response_headers=headers,
        response_status=status,
        location=tuple((name, value) for name, value in orjson.loads(location)) if location else (),
        inserted=int(inserted) if inserted else None,
        expected=_read_plan(explanation) if explanation is not None else None,
    )


def _read_plan(cursor: Cursor) -> int:
    if cursor.pgresult is None:
        raise AssertionError("EXPLAIN answers with a plan")
    return int(orjson.loads(cursor.pgresult.get_value(0, 0) or b"")[0]["Plan"]["Plan Rows"])
