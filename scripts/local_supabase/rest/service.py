"""What the interface does with one request: understand it, plan it, run it, answer it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import orjson
import psycopg

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.asked import Asked, understand
from scripts.local_supabase.rest.catalog.schema_cache import Function, Relation, SchemaCache
from scripts.local_supabase.rest.connections import Connections
from scripts.local_supabase.rest.database_errors import from_database
from scripts.local_supabase.rest.openapi import access_statement, describe
from scripts.local_supabase.rest.parsing.media_types import OPENAPI, Shape
from scripts.local_supabase.rest.planning import lookup_errors
from scripts.local_supabase.rest.planning.call_plan import find_function, plan_call
from scripts.local_supabase.rest.planning.mutation_plan import Mutation, plan_mutation
from scripts.local_supabase.rest.planning.read_plan import plan_read
from scripts.local_supabase.rest.request import Request
from scripts.local_supabase.rest.responses import (
    Response,
    call_response,
    info_response,
    mutation_response,
    read_response,
    relation_methods,
)
from scripts.local_supabase.rest.settings import RestSettings
from scripts.local_supabase.rest.statements.result_sets import (
    Statement,
    call_statement,
    explain_statement,
    mutation_statement,
    read_statement,
)
from scripts.local_supabase.rest.tokens import Identity
from scripts.local_supabase.rest.transactions import (
    ISOLATION,
    ResultSet,
    Transaction,
    request_settings,
    run,
)
from scripts.local_supabase.rest.tree import QualifiedName

_COUNTING = ("exact", "estimated")
_EXPLAINING = ("planned", "estimated")

Check = Callable[[ResultSet], None]


class Service:
    def __init__(self, settings: RestSettings, connections: Connections) -> None:
        self._settings = settings
        self._connections = connections

    async def answer(self, request: Request, identity: Identity, cache: SchemaCache) -> Response:
        """Raises ApiError for every answer that is an error."""
        asked = understand(request, self._settings, cache.timezones)
        if asked.method == "OPTIONS":
            return self._tell_methods(asked, cache)
        try:
            if asked.function is not None:
                return await self._call(asked, asked.function, identity, cache)
            if asked.relation is None:
                return await self._describe(asked, identity, cache)
            relation = _find_relation(asked.relation, cache)
            if asked.reads:
                return await self._read(asked, relation, identity, cache)
            return await self._write(asked, relation, identity, cache)
        except psycopg.Error as error:
            raise self._translate(error, identity) from error

    def _translate(self, error: psycopg.Error, identity: Identity) -> errors.ApiError:
        if error.sqlstate is None and isinstance(error, psycopg.DataError):
            # The client library refuses null characters in texts, as PostgreSQL would.
            return errors.ApiError(400, "22021", 'invalid byte sequence for encoding "UTF8": 0x00')
        return from_database(error, anonymous=identity.role == self._settings.anon_role)

    async def _read(
        self, asked: Asked, relation: Relation, identity: Identity, cache: SchemaCache
    ) -> Response:
        max_rows = self._settings.max_rows
        tree = plan_read(cache, relation.name, asked.scope(writes=False), max_rows=max_rows)
        form = asked.form()
        count = asked.preferences.count
        statement = read_statement(
            cache,
            tree,
            None if form.without_body else form.shape,
            count=count in _COUNTING,
            max_rows=max_rows if count == "estimated" else None,
        )
        result = await self._run(
            asked,
            identity,
            cache,
            statement,
            read_only=True,
            explain=explain_statement(cache, tree) if count in _EXPLAINING else None,
            check=_check(shape=form.shape),
        )
        counted = result.with_total(count, max_rows)
        return read_response(counted, form, relation, asked.params, asked.wanted, asked.preferences)

    async def _write(
        self, asked: Asked, relation: Relation, identity: Identity, cache: SchemaCache
    ) -> Response:
        mutation = Mutation(asked.method)
        scope = asked.scope(writes=True)
        tree = plan_read(cache, relation.name, scope, max_rows=None, from_source=True)
        plan = plan_mutation(mutation, relation, asked.params, asked.preferences, asked.payload, tree)
        if self._settings.safe_update and not plan.conditions:
            if mutation is Mutation.UPDATE:
                raise errors.needs_filter("UPDATE")
            if mutation is Mutation.DELETE:
                raise errors.needs_filter("DELETE")
        form = asked.form()
        returning = asked.preferences.returning
        statement = mutation_statement(
            cache,
            plan,
            tree,
            form.shape if returning == "representation" else None,
            location=returning == "headers-only",
        )
        if mutation is Mutation.REPLACE:
            check: Check | None = _check_replaced
        elif mutation is Mutation.CREATE:
            check = _check(shape=form.shape)
        else:
            check = _check(shape=form.shape, limit=asked.preferences.limit_affected)
        result = await self._run(asked, identity, cache, statement, read_only=False, check=check)
        return mutation_response(result, form, plan, asked.preferences)

    async def _call(
        self, asked: Asked, name: QualifiedName, identity: Identity, cache: SchemaCache
    ) -> Response:
        function = _find_function(asked, name, cache)
        scope = asked.scope(writes=False)
        max_rows = self._settings.max_rows
        tree = plan_read(cache, function.source, scope, max_rows=max_rows, from_source=True)
        plan = plan_call(function, tree, asked.payload, asked.params.arguments)
        form = asked.form()
        limit = asked.preferences.limit_affected
        if limit is not None and not function.returns_set:
            raise errors.max_affected_needs_set()
        statement = call_statement(
            cache,
            plan,
            tree,
            None if form.without_body else form.shape,
            count=asked.preferences.count in _COUNTING,
        )
        result = await self._run(
            asked,
            identity,
            cache,
            statement,
            read_only=asked.reads or not function.is_volatile,
            function_settings=function.settings,
            check=_check(shape=form.shape, limit=limit),
        )
        return call_response(result, form, function, asked.wanted, asked.preferences)

    async def _describe(self, asked: Asked, identity: Identity, cache: SchemaCache) -> Response:
        asked.check_accepts_openapi()
        statement = access_statement(asked.schema)
        result = await self._run(asked, identity, cache, statement, read_only=True)
        headers = [("content-type", f"{OPENAPI}; charset=utf-8")]
        if asked.profile is not None:
            headers.append(("content-profile", asked.profile))
        host = asked.request.header("host") or ""
        body = describe(cache, asked.schema, result.body, host) if asked.method == "GET" else b""
        return Response(200, tuple(headers), body)

    def _tell_methods(self, asked: Asked, cache: SchemaCache) -> Response:
        if asked.function is not None:
            function = _find_function(asked, asked.function, cache)
            return info_response("OPTIONS,POST" if function.is_volatile else "OPTIONS,GET,HEAD,POST")
        if asked.relation is not None:
            return info_response(relation_methods(_find_relation(asked.relation, cache)))
        return info_response("OPTIONS,GET,HEAD")

    async def _run(
        self,
        asked: Asked,
        identity: Identity,
        cache: SchemaCache,
        statement: Statement,
        *,
        read_only: bool,
        explain: Statement | None = None,
        function_settings: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> ResultSet:
        role_settings = cache.role_settings.get(identity.role, {})
        own = function_settings or {}
        request = asked.request
        settings = request_settings(
            role=identity.role,
            claims_json=identity.claims_json,
            search_path=(asked.schema, *self._settings.extra_search_path),
            method=request.method,
            path=request.path,
            headers_json=orjson.dumps(request.headers_without_cookies()).decode(),
            cookies_json=orjson.dumps(request.cookies()).decode(),
            role_settings=role_settings,
            function_settings=own,
            timezone=asked.preferences.timezone,
        )
        transaction = Transaction(
            settings,
            statement,
            read_only,
            own.get(ISOLATION) or role_settings.get(ISOLATION),
            explain,
            check,
        )
        async with self._connections.acquire() as connection:
            return await run(connection, transaction)


def _find_relation(name: QualifiedName, cache: SchemaCache) -> Relation:
    relation = cache.relations.get(name)
    if relation is None:
        raise lookup_errors.unknown_relation(name, cache)
    return relation


def _find_function(asked: Asked, name: QualifiedName, cache: SchemaCache) -> Function:
    if asked.payload is None:
        arguments = frozenset(argument for argument, _ in asked.params.arguments)
    else:
        arguments = asked.payload.keys
    return find_function(cache, name, arguments, asked.content_type)


def _check(*, shape: Shape, limit: int | None = None) -> Check | None:
    """What a result must fulfil before it is committed; None if it need not be looked at."""
    if not shape.is_single and limit is None:
        return None

    def check(result: ResultSet) -> None:
        if shape.is_single and result.rows != 1:
            raise errors.not_single(result.rows)
        if limit is not None and result.rows > limit:
            raise errors.too_many_affected(result.rows)

    return check


def _check_replaced(result: ResultSet) -> None:
    """A PUT whose body and URL disagree writes nothing."""
    if result.rows != 1:
        raise errors.put_mismatch()
