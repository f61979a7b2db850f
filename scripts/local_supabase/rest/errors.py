"""The errors of the interface, as PostgREST answers them.

ApiError                  code, message, details, hint, HTTP status, headers
├── (functions below)     PGRST1xx: the request; PGRST2xx: the schema cache; PGRST3xx: the token
└── from_database(…)      what PostgreSQL said, with the status that its SQLSTATE means
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import orjson

Details: TypeAlias = str | list[dict[str, str]] | None
Header: TypeAlias = tuple[str, str]


class ApiError(Exception):
    """An answer that is an error. details: a text, or a list of objects for an ambiguous relationship."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Details = None,
        hint: str | None = None,
        headers: Sequence[Header] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details
        self.hint = hint
        self.headers = tuple(headers)

    @property
    def body(self) -> bytes:
        return orjson.dumps(
            {"code": self.code, "details": self.details, "hint": self.hint, "message": self.message}
        )


# ---------------------------------------------------------------- PGRST0xx: the database is away


def database_away(reason: str) -> ApiError:
    message = "Database connection error. Retrying the connection."
    return ApiError(503, "PGRST000", message, details=reason)


def connection_lost(reason: str) -> ApiError:
    message = "Database client error. Retrying the connection."
    return ApiError(503, "PGRST001", message, details=reason)


def no_schema_cache() -> ApiError:
    return ApiError(503, "PGRST002", "Could not query the database for the schema cache. Retrying.")


def pool_exhausted() -> ApiError:
    return ApiError(504, "PGRST003", "Timed out acquiring connection from connection pool.")


# ---------------------------------------------------------------- PGRST1xx: the request


def unparsable(what: str, column: int, details: str) -> ApiError:
    return ApiError(400, "PGRST100", f'"{what}" (line 1, column {column})', details=details)


def method_on_function(method: str) -> ApiError:
    return ApiError(405, "PGRST101", f"Cannot use the {method} method on RPC")


def bad_body(reason: str) -> ApiError:
    return ApiError(400, "PGRST102", reason)


def bad_range(details: str) -> ApiError:
    return ApiError(416, "PGRST103", "Requested range not satisfiable", details=details)


def offset_out_of_bounds(offset: int, total: int) -> ApiError:
    return bad_range(f"An offset of {offset} was requested, but there are only {total} rows.")


def put_filters() -> ApiError:
    message = "Filters must include all and only primary key columns with 'eq' operators"
    return ApiError(405, "PGRST105", message)


def needs_filter(statement: str) -> ApiError:
    # In the words of the extension safeupdate, which a hosted project loads for the login of this interface.
    return ApiError(400, "21000", f"{statement} requires a WHERE clause")


def unknown_schema(schema: str, exposed: Sequence[str]) -> ApiError:
    hint = f"Only the following schemas are exposed: {', '.join(exposed)}"
    return ApiError(406, "PGRST106", f"Invalid schema: {schema}", hint=hint)


def unacceptable(media_types: Sequence[str]) -> ApiError:
    return ApiError(406, "PGRST107", f"None of these media types are available: {', '.join(media_types)}")


def not_embedded(name: str) -> ApiError:
    return ApiError(
        400,
        "PGRST108",
        f"'{name}' is not an embedded resource in this request",
        hint=f"Verify that '{name}' is included in the 'select' query parameter.",
    )


def bad_response_headers() -> ApiError:
    message = (
        "response.headers guc must be a JSON array composed of objects with a single key and a string value"
    )
    return ApiError(500, "PGRST111", message)


def bad_response_status() -> ApiError:
    return ApiError(500, "PGRST112", "response.status guc must be a valid status code")


def put_range() -> ApiError:
    return ApiError(400, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")


def put_mismatch() -> ApiError:
    return ApiError(400, "PGRST115", "Payload values do not match URL in primary key column(s)")


def not_single(rows: int) -> ApiError:
    message = "Cannot coerce the result to a single JSON object"
    return ApiError(406, "PGRST116", message, details=f"The result contains {rows} rows")


def unsupported_method(method: str) -> ApiError:
    return ApiError(405, "PGRST117", f"Unsupported HTTP method: {method}")


def related_order(origin: str, target: str) -> ApiError:
    return ApiError(
        400,
        "PGRST118",
        f"A related order on '{target}' is not possible",
        details=f"'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship",
    )


def bad_raise(what: str, hint: str) -> ApiError:
    message = "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
    return ApiError(500, "PGRST121", message, details=what, hint=hint)


def bad_preferences(preferences: Sequence[str]) -> ApiError:
    message = "Invalid preferences given with handling=strict"
    return ApiError(400, "PGRST122", message, details=f"Invalid preferences: {', '.join(preferences)}")


def aggregates_disabled() -> ApiError:
    return ApiError(400, "PGRST123", "Use of aggregate functions is not allowed")


def too_many_affected(rows: int) -> ApiError:
    message = "Query result exceeds max-affected preference constraint"
    return ApiError(400, "PGRST124", message, details=f"The query affects {rows} rows")


def bad_path() -> ApiError:
    return ApiError(404, "PGRST125", "Invalid path specified in request URL")


def max_affected_needs_set() -> ApiError:
    message = "Function must return SETOF or TABLE when max-affected preference is used with handling=strict"
    return ApiError(400, "PGRST128", message)


# ---------------------------------------------------------------- PGRST3xx: the token


def bad_token(message: str, details: str | None = None) -> ApiError:
    return ApiError(401, "PGRST301", message, details=details, headers=[_challenge(message)])


def bad_claims(message: str) -> ApiError:
    return ApiError(401, "PGRST303", message, headers=[_challenge(message)])


def _challenge(message: str) -> Header:
    return ("www-authenticate", f'Bearer error="invalid_token", error_description="{message}"')
