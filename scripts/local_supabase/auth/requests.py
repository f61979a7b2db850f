"""What a request to the auth server carries: its JSON, its user, and the server it reached."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from scripts.local_supabase.auth.config import AuthConfig
from scripts.local_supabase.auth.database import Connection, Pool, fetch
from scripts.local_supabase.auth.errors import bad_request, forbidden
from scripts.local_supabase.auth.sessions import Device
from scripts.local_supabase.auth.tokens import TokenIssuer, bearer_token, read_claims, require_admin
from scripts.local_supabase.auth.users import Row, find_user
from scripts.local_supabase.keys import Keys

_EMAIL = re.compile(r"[^@\s,;<>()\[\]\\\"]+@[^@\s.]+(\.[^@\s.]+)+")
_LONGEST_EMAIL = 255


class Body(BaseModel):
    """A request's JSON. Keys that it does not name are ignored, as GoTrue does; types must be exact."""

    model_config = ConfigDict(strict=True, extra="ignore")


AnyBody = TypeVar("AnyBody", bound=Body)


@dataclass(frozen=True, slots=True)
class AuthServer:
    """What every endpoint works with."""

    config: AuthConfig
    keys: Keys
    issuer: TokenIssuer
    pool: Pool


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in user of a request. session_id is None for a token that no sign-in made."""

    user: Row
    session_id: UUID | None


def server_of(request: Request) -> AuthServer:
    server: AuthServer = request.app.state.server
    return server


async def read_body(request: Request, model: type[AnyBody]) -> AnyBody:
    """The request's JSON. Raises AuthError bad_json that names the first thing wrong."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise bad_request("bad_json", f"Could not parse request body as JSON: {reason}") from error


def valid_email(email: str) -> str:
    """The address in lower case. Raises AuthError validation_failed if it is none."""
    if len(email) > _LONGEST_EMAIL or not _EMAIL.fullmatch(email):
        raise bad_request("validation_failed", "Unable to validate email address: invalid format")
    return email.lower()


def valid_id(text: str, message: str) -> UUID:
    """Raises AuthError validation_failed with this message if the text is no UUID."""
    try:
        return UUID(text)
    except ValueError as error:
        raise bad_request("validation_failed", message) from error


def device_of(request: Request) -> Device:
    return Device(
        user_agent=request.headers.get("user-agent"),
        ip=request.client.host if request.client else None,
    )


def claims_of(request: Request) -> dict[str, Any]:
    return read_claims(server_of(request).keys, bearer_token(request.headers.get("authorization")))


def require_service_role(request: Request) -> None:
    """Raises AuthError unless the request's token is the service role's."""
    require_admin(claims_of(request))


async def find_caller(connection: Connection, claims: Mapping[str, Any]) -> Caller:
    """The user that a token names. Raises AuthError when the user or the session is gone."""
    subject = claims.get("sub")
    if not subject:
        raise forbidden("bad_jwt", "invalid claim: missing sub claim")
    user_id = valid_id(str(subject), "invalid claim: sub claim must be a UUID")
    user = await find_user(connection, user_id)
    if user is None:
        raise forbidden("user_not_found", "User from sub claim in JWT does not exist")
    session_id = claims.get("session_id")
    if not session_id:
        return Caller(user, None)
    session = await fetch(
        connection,
        "find_session",
        id=valid_id(str(session_id), "invalid claim: session_id claim must be a UUID"),
    )
    if session is None:
        raise forbidden("session_not_found", "Session from session_id claim in JWT does not exist")
    return Caller(user, session["id"])
