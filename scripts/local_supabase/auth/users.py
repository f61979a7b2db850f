"""Users: rows of auth.users with their identities, and the JSON that clients know them by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb

from scripts.local_supabase.auth.database import Connection, fetch, fetch_all, run
from scripts.local_supabase.auth.errors import AuthError, unexpected, unprocessable

Row = Mapping[str, Any]

_OPTIONAL_TIMES = (
    "email_confirmed_at",
    "phone_confirmed_at",
    "invited_at",
    "confirmation_sent_at",
    "confirmed_at",
    "recovery_sent_at",
    "email_change_sent_at",
    "last_sign_in_at",
    "banned_until",
    "deleted_at",
)


def email_taken() -> AuthError:
    return unprocessable("email_exists", "A user with this email address has already been registered")


def is_banned(user: Row) -> bool:
    until = user["banned_until"]
    return until is not None and until > datetime.now(UTC)


def is_confirmed(user: Row) -> bool:
    return user["email_confirmed_at"] is not None


def user_json(user: Row, identities: Iterable[Row]) -> dict[str, Any]:
    """A user as GoTrue answers it; times that are not set are left out."""
    times = {name: user[name] for name in _OPTIONAL_TIMES if user.get(name) is not None}
    return {
        "id": user["id"],
        "aud": user["aud"],
        "role": user["role"],
        "email": user["email"] or "",
        "phone": user["phone"] or "",
        **times,
        "app_metadata": user["raw_app_meta_data"] or {},
        "user_metadata": user["raw_user_meta_data"] or {},
        "identities": [_identity_json(identity) for identity in identities],
        "created_at": user["created_at"],
        "updated_at": user["updated_at"],
        "is_anonymous": user["is_anonymous"],
    }


def _identity_json(identity: Row) -> dict[str, Any]:
    return {
        "identity_id": identity["id"],
        "id": identity["provider_id"],
        "user_id": identity["user_id"],
        "identity_data": identity["identity_data"],
        "provider": identity["provider"],
        "last_sign_in_at": identity["last_sign_in_at"],
        "created_at": identity["created_at"],
        "updated_at": identity["updated_at"],
        "email": identity["email"],
    }


async def find_user(connection: Connection, user_id: UUID) -> Row | None:
    return await fetch(connection, "find_user", id=user_id)


async def find_user_by_email(connection: Connection, email: str, audience: str) -> Row | None:
    return await fetch(connection, "find_user_by_email", email=email, aud=audience)


async def describe_users(connection: Connection, users: list[Any]) -> list[dict[str, Any]]:
    """The JSON of users, their identities read at once."""
    identities = await fetch_all(connection, "find_identities", user_ids=[user["id"] for user in users])
    return [
        user_json(user, (identity for identity in identities if identity["user_id"] == user["id"]))
        for user in users
    ]


async def describe_user(connection: Connection, user_id: UUID) -> dict[str, Any]:
    """A user's JSON as it stands now, with what triggers made of it."""
    user = await find_user(connection, user_id)
    if user is None:
        raise unexpected("Database error loading user")
    return (await describe_users(connection, [user]))[0]


async def insert_user(
    connection: Connection,
    *,
    email: str,
    password_hash: str,
    audience: str,
    role: str,
    user_metadata: Mapping[str, Any],
    app_metadata: Mapping[str, Any],
    identity_data: Mapping[str, Any],
    user_id: UUID | None = None,
    failure: str = "Database error saving new user",
) -> UUID:
    """Inserts a user with its email identity; triggers on auth.users see the row first without the identity.

    Raises AuthError email_exists for an address that is taken, and `failure` when a trigger refuses.
    """
    new_id = user_id or uuid4()
    try:
        await run(
            connection,
            "insert_user",
            id=new_id,
            aud=audience,
            role=role,
            email=email,
            encrypted_password=password_hash,
            app_metadata=Jsonb(app_metadata),
            user_metadata=Jsonb(user_metadata),
        )
        await set_email_identity(connection, new_id, {**identity_data, "sub": str(new_id), "email": email})
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "users_email_partial_key":
            raise email_taken() from error
        raise unexpected(failure) from error
    except psycopg.OperationalError:
        raise
    except psycopg.DatabaseError as error:
        raise unexpected(failure) from error
    return new_id


async def set_email_identity(connection: Connection, user_id: UUID, data: Mapping[str, Any]) -> None:
    await run(connection, "upsert_email_identity", user_id=user_id, identity_data=Jsonb(data))


async def merge_metadata(
    connection: Connection,
    user_id: UUID,
    *,
    user_metadata: Mapping[str, Any] | None = None,
    app_metadata: Mapping[str, Any] | None = None,
) -> None:
    """Merges top-level keys; a null value removes its key, as GoTrue does."""
    await run(
        connection,
        "merge_metadata",
        id=user_id,
        user_metadata=None if user_metadata is None else Jsonb(user_metadata),
        user_removed=_removed(user_metadata),
        app_metadata=None if app_metadata is None else Jsonb(app_metadata),
        app_removed=_removed(app_metadata),
    )


def _removed(patch: Mapping[str, Any] | None) -> list[str]:
    return [key for key, value in (patch or {}).items() if value is None]
