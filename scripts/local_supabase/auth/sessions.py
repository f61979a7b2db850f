"""Sessions: what a sign-in opens, a refresh token keeps alive, and a sign-out ends."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from scripts.local_supabase.auth.config import AuthConfig
from scripts.local_supabase.auth.database import Connection, fetch, fetch_all, run
from scripts.local_supabase.auth.errors import AuthError, bad_request, unexpected
from scripts.local_supabase.auth.tokens import TokenIssuer
from scripts.local_supabase.auth.users import Row, describe_users, find_user, is_banned

_REFRESH_TOKEN_ALPHABET = string.ascii_lowercase + string.digits
_REFRESH_TOKEN_LENGTH = 12


@dataclass(frozen=True, slots=True)
class Device:
    """Where a request came from, kept with the session."""

    user_agent: str | None
    ip: str | None


class ReusedRefreshToken(AuthError):
    """A refresh token that was used before: somebody else may hold a copy, so its session ended.

    The transaction that found it must commit: the end of the session is its point.
    """

    def __init__(self) -> None:
        super().__init__(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")


def new_refresh_token() -> str:
    return "".join(secrets.choice(_REFRESH_TOKEN_ALPHABET) for _ in range(_REFRESH_TOKEN_LENGTH))


async def open_session(
    connection: Connection, user_id: UUID, device: Device, config: AuthConfig, issuer: TokenIssuer
) -> dict[str, Any]:
    """Signs a user in: a session, its first refresh token, and the answer of a sign-in."""
    session_id = uuid4()
    await run(connection, "note_sign_in", id=user_id)
    await run(
        connection,
        "insert_session",
        id=session_id,
        user_id=user_id,
        user_agent=device.user_agent,
        ip=device.ip,
    )
    await run(connection, "insert_authentication_method", session_id=session_id, method="password")
    refresh_token = await _insert_refresh_token(connection, user_id, session_id, parent=None)
    user = await find_user(connection, user_id)
    if user is None:
        raise unexpected("Database error granting user")
    return await _answer(connection, user, session_id, refresh_token, config, issuer)


async def refresh_session(
    connection: Connection, refresh_token: str, device: Device, config: AuthConfig, issuer: TokenIssuer
) -> dict[str, Any] | ReusedRefreshToken:
    """Exchanges a refresh token for a new pair.

    A used token may come again when its answer was lost: the parent of the active token, or any token within
    the reuse interval, still works. Otherwise the session ends, and that is returned rather than raised, so
    that the caller commits first.
    """
    token = await fetch(connection, "find_refresh_token", token=refresh_token)
    if token is None:
        raise bad_request("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    session = await fetch(connection, "lock_session", id=token["session_id"])
    # Read again: while this transaction waited for the session, another may have used the token.
    token = await fetch(connection, "find_refresh_token", token=refresh_token)
    if session is None or token is None:
        raise bad_request("session_not_found", "Invalid Refresh Token: No Valid Session Found")
    user = await find_user(connection, session["user_id"])
    if user is None:
        raise bad_request("session_not_found", "Invalid Refresh Token: No Valid Session Found")
    if is_banned(user):
        raise bad_request("user_banned", "Invalid Refresh Token: User Banned")
    if session["not_after"] is not None and session["not_after"] < datetime.now(UTC):
        raise bad_request("session_expired", "Invalid Refresh Token: Session Expired")

    next_token: str | None = None
    if token["revoked"]:
        active = await fetch(connection, "find_active_refresh_token", session_id=session["id"])
        if active is not None and active["parent"] == refresh_token:
            next_token = active["token"]
        elif not await _may_be_reused(connection, token["id"], config):
            if config.refresh_token_rotation:
                await run(connection, "delete_session", id=session["id"])
            return ReusedRefreshToken()
    if next_token is None:
        await run(connection, "revoke_refresh_token", id=token["id"])
        next_token = await _insert_refresh_token(
            connection, session["user_id"], session["id"], parent=refresh_token
        )
    await run(connection, "note_refresh", id=session["id"], user_agent=device.user_agent, ip=device.ip)
    return await _answer(connection, user, session["id"], next_token, config, issuer)


async def end_sessions(connection: Connection, user_id: UUID, *, keep: UUID | None = None) -> None:
    """Ends every session of a user, but one if that is to stay."""
    await run(connection, "delete_sessions_of_user", user_id=user_id, keep=keep)


async def _may_be_reused(connection: Connection, token_id: int, config: AuthConfig) -> bool:
    row = await fetch(
        connection, "within_reuse_interval", id=token_id, seconds=config.refresh_token_reuse_interval
    )
    return row is not None and bool(row["allowed"])


async def _insert_refresh_token(
    connection: Connection, user_id: UUID, session_id: UUID, *, parent: str | None
) -> str:
    token = new_refresh_token()
    await run(
        connection, "insert_refresh_token", token=token, user_id=user_id, session_id=session_id, parent=parent
    )
    return token


async def _answer(
    connection: Connection,
    user: Row,
    session_id: UUID,
    refresh_token: str,
    config: AuthConfig,
    issuer: TokenIssuer,
) -> dict[str, Any]:
    methods = await fetch_all(connection, "find_authentication_methods", session_id=session_id)
    access_token, expires_at = issuer.issue(user, session_id, methods)
    return {
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": config.jwt_expiry,
        "expires_at": expires_at,
        "refresh_token": refresh_token,
        "user": (await describe_users(connection, [user]))[0],
    }
