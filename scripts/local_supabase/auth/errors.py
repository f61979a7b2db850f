"""What the auth server answers when it refuses: GoTrue's status, error_code and msg."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from scripts.local_supabase.auth.answers import json_response

API_VERSION_HEADER = "x-supabase-api-version"
# From this version on, `code` is the error's name and `message` its text; before, `code` is the HTTP status.
NAMED_CODES_VERSION = "2024-01-01"


class AuthError(Exception):
    """A request that the auth server refuses, with what its client reads.

    status: the HTTP status. code: GoTrue's error_code. message: one sentence for a person.
    details: further top-level fields (the reasons of a weak password).
    """

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})


def bad_request(code: str, message: str) -> AuthError:
    return AuthError(400, code, message)


def forbidden(code: str, message: str) -> AuthError:
    return AuthError(403, code, message)


def unprocessable(code: str, message: str) -> AuthError:
    return AuthError(422, code, message)


def unexpected(message: str) -> AuthError:
    return AuthError(500, "unexpected_failure", message)


def invalid_credentials() -> AuthError:
    """One answer for an unknown address and for a wrong password, so that neither can be told apart."""
    return bad_request("invalid_credentials", "Invalid login credentials")


def render(error: AuthError, api_version: str | None) -> Response:
    """Writes an error in the shape of the API version that the client asked for."""
    if api_version is not None and api_version >= NAMED_CODES_VERSION:
        return json_response(
            {"code": error.code, "message": error.message, **error.details},
            status=error.status,
            headers={API_VERSION_HEADER: NAMED_CODES_VERSION},
        )
    return json_response(
        {"code": error.status, "error_code": error.code, "msg": error.message, **error.details},
        status=error.status,
    )
