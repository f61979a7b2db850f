"""What a person does with their own account: sign up, sign in, refresh, read, change, sign out."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.auth.answers import json_response
from scripts.local_supabase.auth.database import run, transaction
from scripts.local_supabase.auth.errors import (
    AuthError,
    bad_request,
    forbidden,
    invalid_credentials,
    unprocessable,
)
from scripts.local_supabase.auth.passwords import (
    check_password,
    hash_password,
    verify_password,
    weak_password_message,
    weaknesses,
)
from scripts.local_supabase.auth.requests import (
    Body,
    Caller,
    claims_of,
    device_of,
    find_caller,
    read_body,
    server_of,
    valid_email,
)
from scripts.local_supabase.auth.sessions import (
    ReusedRefreshToken,
    end_sessions,
    open_session,
    refresh_session,
)
from scripts.local_supabase.auth.users import (
    describe_user,
    email_taken,
    find_user_by_email,
    insert_user,
    is_banned,
    is_confirmed,
    merge_metadata,
    set_email_identity,
)


class SignUp(Body):
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None


class PasswordGrant(Body):
    email: str | None = None
    phone: str | None = None
    password: str | None = None


class RefreshGrant(Body):
    refresh_token: str | None = None


class UserUpdate(Body):
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None


async def sign_up(request: Request) -> Response:
    server = server_of(request)
    config = server.config
    if not config.enable_signup:
        raise unprocessable("signup_disabled", "Signups not allowed for this instance")
    body = await read_body(request, SignUp)
    if not body.password:
        raise bad_request("validation_failed", "Signup requires a valid password")
    check_password(body.password, config.minimum_password_length)
    if body.phone:
        raise bad_request("phone_provider_disabled", "Phone signups are disabled")
    if not body.email:
        raise unprocessable("anonymous_provider_disabled", "Anonymous sign-ins are disabled")
    email = valid_email(body.email)
    password_hash = await hash_password(body.password)
    data = body.data or {}
    try:
        async with transaction(server.pool) as connection:
            known = await find_user_by_email(connection, email, config.audience)
            if known is not None:
                raise unprocessable("user_already_exists", "User already registered")
            profile = {"email": email, "email_verified": False, "phone_verified": False}
            user_id = await insert_user(
                connection,
                email=email,
                password_hash=password_hash,
                audience=config.audience,
                role=config.default_role,
                user_metadata=data,
                app_metadata={"provider": "email", "providers": ["email"]},
                identity_data={**data, **profile},
            )
            await merge_metadata(connection, user_id, user_metadata={**data, **profile, "sub": str(user_id)})
            if config.enable_confirmations:
                await run(connection, "request_confirmation", id=user_id)
                return json_response(await describe_user(connection, user_id))
            await run(connection, "confirm_user", id=user_id)
            return json_response(
                await open_session(connection, user_id, device_of(request), config, server.issuer)
            )
    except AuthError as error:
        # Two sign-ups at once: the second learns of the first only from the unique index.
        if error.code == "email_exists":
            raise unprocessable("user_already_exists", "User already registered") from error
        raise


async def issue_token(request: Request) -> Response:
    grant = request.query_params.get("grant_type")
    if grant == "password":
        return await _sign_in(request)
    if grant == "refresh_token":
        return await _refresh(request)
    raise bad_request("invalid_credentials", "unsupported_grant_type")


async def _sign_in(request: Request) -> Response:
    server = server_of(request)
    config = server.config
    body = await read_body(request, PasswordGrant)
    if body.phone:
        raise unprocessable("phone_provider_disabled", "Phone logins are disabled")
    if not body.email:
        raise bad_request("validation_failed", "missing email or phone")
    async with server.pool.connection() as connection:
        user = await find_user_by_email(connection, body.email, config.audience)
    password = body.password or ""
    # The connection went back first: hashing takes longer than all queries of a sign-in together.
    if user is None or not await verify_password(password, user["encrypted_password"]):
        raise invalid_credentials()
    if is_banned(user):
        raise bad_request("user_banned", "User is banned")
    if not is_confirmed(user):
        raise bad_request("email_not_confirmed", "Email not confirmed")
    async with transaction(server.pool) as connection:
        answer = await open_session(connection, user["id"], device_of(request), config, server.issuer)
    reasons = weaknesses(password, config.minimum_password_length)
    if reasons:
        answer["weak_password"] = {
            "message": weak_password_message(config.minimum_password_length),
            "reasons": reasons,
        }
    return json_response(answer)


async def _refresh(request: Request) -> Response:
    server = server_of(request)
    body = await read_body(request, RefreshGrant)
    if not body.refresh_token:
        raise bad_request("validation_failed", "refresh_token required")
    async with transaction(server.pool) as connection:
        answer = await refresh_session(
            connection, body.refresh_token, device_of(request), server.config, server.issuer
        )
    if isinstance(answer, ReusedRefreshToken):
        raise answer
    return json_response(answer)


async def get_user(request: Request) -> Response:
    claims = claims_of(request)
    async with server_of(request).pool.connection() as connection:
        caller = await find_caller(connection, claims)
        return json_response(await describe_user(connection, caller.user["id"]))


async def update_user(request: Request) -> Response:
    server = server_of(request)
    claims = claims_of(request)
    body = await read_body(request, UserUpdate)
    email = valid_email(body.email) if body.email else None
    if body.phone:
        raise unprocessable("phone_provider_disabled", "Phone logins are disabled")
    if body.password is not None:
        check_password(body.password, server.config.minimum_password_length)
    if body.app_metadata is not None:
        raise forbidden("not_admin", "Updating app_metadata requires admin privileges")
    async with server.pool.connection() as connection:
        caller = await find_caller(connection, claims)
    new_hash = await _changed_password(caller, body.password)
    async with transaction(server.pool) as connection:
        user_id = caller.user["id"]
        if email is not None and email != caller.user["email"]:
            if await find_user_by_email(connection, email, caller.user["aud"]) is not None:
                raise email_taken()
            await run(connection, "set_email", id=user_id, email=email)
            await set_email_identity(connection, user_id, {"sub": str(user_id), "email": email})
            await merge_metadata(connection, user_id, user_metadata={"email": email})
        if new_hash is not None:
            await run(connection, "set_password", id=user_id, encrypted_password=new_hash)
            # Whoever knew the old password is signed out; the person who changed it is not.
            await end_sessions(connection, user_id, keep=caller.session_id)
        if body.data is not None:
            await merge_metadata(connection, user_id, user_metadata=body.data)
        return json_response(await describe_user(connection, user_id))


async def _changed_password(caller: Caller, password: str | None) -> str | None:
    if password is None:
        return None
    if await verify_password(password, caller.user["encrypted_password"]):
        raise unprocessable("same_password", "New password should be different from the old password.")
    return await hash_password(password)


async def sign_out(request: Request) -> Response:
    server = server_of(request)
    scope = request.query_params.get("scope") or "global"
    if scope not in ("global", "local", "others"):
        raise bad_request("validation_failed", f'Unsupported logout scope "{scope}"')
    claims = claims_of(request)
    async with transaction(server.pool) as connection:
        caller = await find_caller(connection, claims)
        user_id = caller.user["id"]
        if caller.session_id is not None and scope == "local":
            await run(connection, "delete_session", id=caller.session_id)
        elif caller.session_id is not None and scope == "others":
            await end_sessions(connection, user_id, keep=caller.session_id)
        else:
            await end_sessions(connection, user_id)
    return Response(status_code=204)
