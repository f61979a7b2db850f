"""What PostgreSQL said, as an answer: its SQLSTATE decides the HTTP status, and functions may choose one."""

from __future__ import annotations

from typing import Any

import orjson
import psycopg

from scripts.local_supabase.rest import errors
from scripts.local_supabase.rest.errors import ApiError

# By the whole SQLSTATE, then by its class; everything else is the client's doing: 400.
_BY_STATE = {
    "23503": 409,
    "23505": 409,
    "25006": 405,
    "21000": 500,
    "22023": 400,
    "53400": 500,
    "57P01": 503,
    "P0001": 400,
    "42883": 404,
    "42P01": 404,
    "42P17": 500,
}
_BY_CLASS = {
    "08": 503,
    "09": 500,
    "0L": 403,
    "0P": 403,
    "25": 500,
    "28": 403,
    "2D": 500,
    "38": 500,
    "39": 500,
    "3B": 500,
    # PostgREST retries a transaction that failed so without end. Here the client is told: it lost against
    # another.
    "40": 409,
    "53": 503,
    "54": 500,
    "55": 500,
    "57": 500,
    "58": 500,
    "F0": 500,
    "HV": 500,
    "P0": 500,
    "XX": 500,
}
_MESSAGE_HINT = (
    "MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details',"
    " 'hint'."
)
_DETAIL_HINT = (
    "DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."
)


def from_database(error: psycopg.Error, *, anonymous: bool) -> ApiError:
    """The answer to what a statement failed with.

    anonymous: the request ran as the anonymous role: what it may not do, it may perhaps do after signing in
    (401).
    """
    state = error.sqlstate
    if state is None:
        return errors.connection_lost(str(error).strip())
    said = error.diag
    message = said.message_primary or ""
    if state == "PGRST":
        return _from_raise(message, said.message_detail)
    status = _status_of(state, message, anonymous=anonymous)
    headers = [("www-authenticate", "Bearer")] if status == 401 else []
    return ApiError(
        status, state, message, details=said.message_detail, hint=said.message_hint, headers=headers
    )


def _status_of(state: str, message: str, *, anonymous: bool) -> int:
    if state == "42501":
        return 401 if anonymous else 403
    if state.startswith("PT"):
        return int(state[2:]) if state[2:].isdecimal() and int(state[2:]) >= 200 else 500
    if state == "22023" and message.startswith("role") and message.endswith("does not exist"):
        return 401
    if state == "21000" and message.endswith("requires a WHERE clause"):
        return 400
    if state == "42883" and message.startswith("function xmlagg("):
        return 406
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2], 400)


def _from_raise(message: str, detail: str | None) -> ApiError:
    """`raise sqlstate 'PGRST'`: the function writes the whole answer, as two JSON objects."""
    body = _object_with(message, "code", "message")
    if body is None:
        return errors.bad_raise(f"Invalid JSON value for MESSAGE: '{message}'", _MESSAGE_HINT)
    if detail is None:
        return errors.bad_raise("DETAIL is missing in the RAISE statement", _DETAIL_HINT)
    answer = _object_with(detail, "status", "headers")
    if answer is None or not isinstance(answer["status"], int) or not isinstance(answer["headers"], dict):
        return errors.bad_raise(f"Invalid JSON value for DETAIL: '{detail}'", _DETAIL_HINT)
    return ApiError(
        answer["status"],
        str(body["code"]),
        str(body["message"]),
        details=body.get("details"),
        hint=body.get("hint"),
        headers=[(name.lower(), str(value)) for name, value in answer["headers"].items()],
    )


def _object_with(text: str, *keys: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and all(key in value for key in keys) else None
