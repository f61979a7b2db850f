"""What the service role does with anybody's account."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.auth.answers import json_response
from scripts.local_supabase.auth.database import Connection, fetch, fetch_all, run, transaction
from scripts.local_supabase.auth.errors import AuthError, bad_request
from scripts.local_supabase.auth.passwords import (
    check_password,
    hash_password,
    is_bcrypt_hash,
    random_password,
)
from scripts.local_supabase.auth.requests import (
    Body,
    read_body,
    require_service_role,
    server_of,
    valid_email,
    valid_id,
)
from scripts.local_supabase.auth.sessions import end_sessions
from scripts.local_supabase.auth.users import (
    Row,
    describe_user,
    describe_users,
    email_taken,
    find_user,
    find_user_by_email,
    insert_user,
    merge_metadata,
    set_email_identity,
)

_DEFAULT_PAGE_SIZE = 50
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class AdminUser(Body):
    id: str | None = None
    aud: str | None = None
    role: str | None = None
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    password_hash: str | None = None
    email_confirm: bool | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    ban_duration: str | None = None


class Deletion(Body):
    should_soft_delete: bool | None = None


def read_ban(duration: str | None, now: datetime) -> datetime | None:
    """Until when a ban holds; None for no ban, which `none` means too.

    duration: like Go's, `24h` or `1h30m`. Raises AuthError validation_failed for anything else.
    """
    if not duration or duration == "none":
        return None
    parts = _DURATION_PART.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise bad_request(
            "validation_failed",
            f'invalid format for ban duration: time: invalid duration "{duration}"',
        )
    return now + timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


async def list_users(request: Request) -> Response:
    require_service_role(request)
    server = server_of(request)
    page = _page_number(request, "page", 1)
    per_page = _page_number(request, "per_page", _DEFAULT_PAGE_SIZE)
    audience = server.config.audience
    async with server.pool.connection() as connection:
        counted = await fetch(connection, "count_users", aud=audience)
        users = await fetch_all(
            connection, "list_users", aud=audience, limit=per_page, offset=(page - 1) * per_page
        )
        described = await describe_users(connection, users)
    total = counted["count"] if counted else 0
    return json_response(
        {"users": described, "aud": audience},
        headers={"x-total-count": str(total), "link": _page_links(request, page, per_page, total)},
    )


def _page_number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise bad_request(
            "validation_failed", f"Bad Pagination Parameters: {name} must be a whole number above 0"
        )
    return int(text)


def _page_links(request: Request, page: int, per_page: int, total: int) -> str:
    last = -(-total // per_page)

    def link(number: int, relation: str) -> str:
        query = request.url.include_query_params(page=number).query
        return f'</admin/users?{query}>; rel="{relation}"'

    following = [link(page + 1, "next")] if page < last else []
    return ", ".join([*following, link(last, "last")])


async def create_user(request: Request) -> Response:
    require_service_role(request)
    server = server_of(request)
    body = await read_body(request, AdminUser)
    if not body.email:
        raise bad_request("validation_failed", "Cannot create a user without either an email or phone")
    email = valid_email(body.email)
    user_id = None
    if body.id:
        user_id = valid_id(body.id, "ID must conform to the uuid v4 format")
        if user_id.int == 0:
            raise bad_request("validation_failed", "ID cannot be a nil uuid")
    banned_until = read_ban(body.ban_duration, datetime.now(UTC))
    password_hash = await _new_password_hash(body)
    async with transaction(server.pool) as connection:
        audience = body.aud or server.config.audience
        if await find_user_by_email(connection, email, audience) is not None:
            raise email_taken()
        user_id = await insert_user(
            connection,
            user_id=user_id,
            email=email,
            password_hash=password_hash,
            audience=audience,
            role=body.role or server.config.default_role,
            user_metadata=body.user_metadata or {},
            app_metadata={"provider": "email", "providers": ["email"]},
            identity_data={"email_verified": False, "phone_verified": False},
            failure="Database error creating new user",
        )
        if body.app_metadata is not None:
            await merge_metadata(connection, user_id, app_metadata=body.app_metadata)
        if body.email_confirm:
            await run(connection, "confirm_user", id=user_id)
        if banned_until is not None:
            await run(connection, "set_banned_until", id=user_id, banned_until=banned_until)
        return json_response(await describe_user(connection, user_id))


async def _new_password_hash(body: AdminUser) -> str:
    if body.password is not None and body.password_hash:
        raise bad_request("validation_failed", "Only a password or a password hash should be provided")
    if body.password_hash:
        if not is_bcrypt_hash(body.password_hash):
            raise bad_request("validation_failed", "The password hash must be one of bcrypt")
        return body.password_hash
    password = body.password or random_password()
    # An admin may set a password that a sign-up would refuse as too weak, as with the hosted server.
    check_password(password, 0)
    return await hash_password(password)


async def get_user(request: Request) -> Response:
    require_service_role(request)
    async with server_of(request).pool.connection() as connection:
        user = await _load_user(connection, request)
        return json_response(await describe_user(connection, user["id"]))


async def update_user(request: Request) -> Response:
    require_service_role(request)
    server = server_of(request)
    body = await read_body(request, AdminUser)
    email = valid_email(body.email) if body.email else None
    new_hash = None
    if body.password is not None:
        check_password(body.password, server.config.minimum_password_length)
        new_hash = await hash_password(body.password)
    banned_until = read_ban(body.ban_duration, datetime.now(UTC))
    async with transaction(server.pool) as connection:
        user = await _load_user(connection, request)
        user_id: UUID = user["id"]
        if body.role:
            await run(connection, "set_role", id=user_id, role=body.role)
        if email is not None and email != user["email"]:
            if await find_user_by_email(connection, email, user["aud"]) is not None:
                raise email_taken()
            await run(connection, "set_email", id=user_id, email=email)
            await set_email_identity(
                connection,
                user_id,
                {"sub": str(user_id), "email": email, "email_verified": bool(body.email_confirm)},
            )
        if body.email_confirm:
            await run(connection, "confirm_user", id=user_id)
        if new_hash is not None:
            await run(connection, "set_password", id=user_id, encrypted_password=new_hash)
            await end_sessions(connection, user_id)
        await merge_metadata(
            connection, user_id, user_metadata=body.user_metadata, app_metadata=body.app_metadata
        )
        if body.ban_duration:
            await run(connection, "set_banned_until", id=user_id, banned_until=banned_until)
        return json_response(await describe_user(connection, user_id))


async def delete_user(request: Request) -> Response:
    require_service_role(request)
    body = await read_body(request, Deletion) if await request.body() else Deletion()
    async with transaction(server_of(request).pool) as connection:
        user = await _load_user(connection, request)
        if body.should_soft_delete:
            await end_sessions(connection, user["id"])
            await run(connection, "delete_identities", user_id=user["id"])
            await run(connection, "soft_delete_user", id=user["id"])
        else:
            await run(connection, "delete_user", id=user["id"])
    return json_response({})


async def _load_user(connection: Connection, request: Request) -> Row:
    text = request.path_params["user_id"]
    try:
        user_id = UUID(text)
    except ValueError as error:
        raise AuthError(404, "validation_failed", "user_id must be an UUID") from error
    user = await find_user(connection, user_id)
    if user is None:
        raise AuthError(404, "user_not_found", "User not found")
    return user
