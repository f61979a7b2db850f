"""The auth server of the local stack: what GoTrue answers to supabase-py and supabase-js.

Users live in auth.users, so that triggers and foreign keys of a project see them as on a hosted one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import psycopg
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.local_supabase.auth import account, admin
from scripts.local_supabase.auth.answers import json_response
from scripts.local_supabase.auth.config import AuthConfig, read_auth_config
from scripts.local_supabase.auth.database import open_pool
from scripts.local_supabase.auth.errors import API_VERSION_HEADER, AuthError, render, unexpected
from scripts.local_supabase.auth.requests import AuthServer, server_of
from scripts.local_supabase.auth.tokens import TokenIssuer
from scripts.local_supabase.settings import Settings

log = logging.getLogger(__name__)

# Clients and gateways may keep the public keys for ten minutes, as with the hosted server.
_JWKS_CACHE = {"cache-control": "public, max-age=600"}


def create_app(settings: Settings, config: AuthConfig | None = None) -> Starlette:
    """The auth server of a stack, to be mounted at /auth/v1.

    config: its rules; read from the project's supabase/config.toml unless given.
    """
    rules = config or read_auth_config(settings.project / "supabase" / "config.toml")
    server = AuthServer(
        config=rules,
        keys=settings.keys,
        issuer=TokenIssuer(settings.keys, rules, f"{settings.url}/auth/v1"),
        pool=open_pool(settings.auth_db_url),
    )

    @asynccontextmanager
    async def run_pool(_: Starlette) -> AsyncIterator[None]:
        await server.pool.open(wait=False)
        try:
            yield
        finally:
            await server.pool.close()

    app = Starlette(
        routes=[
            Route("/signup", account.sign_up, methods=["POST"]),
            Route("/token", account.issue_token, methods=["POST"]),
            Route("/user", account.get_user, methods=["GET"]),
            Route("/user", account.update_user, methods=["PUT"]),
            Route("/logout", account.sign_out, methods=["POST"]),
            Route("/admin/users", admin.list_users, methods=["GET"]),
            Route("/admin/users", admin.create_user, methods=["POST"]),
            Route("/admin/users/{user_id}", admin.get_user, methods=["GET"]),
            Route("/admin/users/{user_id}", admin.update_user, methods=["PUT"]),
            Route("/admin/users/{user_id}", admin.delete_user, methods=["DELETE"]),
            Route("/.well-known/jwks.json", get_jwks, methods=["GET"]),
            Route("/settings", get_settings, methods=["GET"]),
            Route("/health", get_health, methods=["GET"]),
        ],
        exception_handlers={
            AuthError: refuse,
            HTTPException: refuse_route,
            PoolTimeout: refuse_without_database,
            psycopg.OperationalError: refuse_without_database,
            psycopg.DatabaseError: refuse_after_database_error,
            Exception: refuse_after_fault,
        },
        lifespan=run_pool,
    )
    app.state.server = server
    return app


async def get_jwks(request: Request) -> Response:
    return json_response(server_of(request).keys.jwks(), headers=_JWKS_CACHE)


async def get_settings(request: Request) -> Response:
    config = server_of(request).config
    return json_response(
        {
            "external": {"anonymous_users": False, "email": True, "phone": False},
            "disable_signup": not config.enable_signup,
            "mailer_autoconfirm": not config.enable_confirmations,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
        }
    )


async def get_health(_: Request) -> Response:
    return json_response(
        {"name": "GoTrue", "version": "local", "description": "The auth server of the local stack"}
    )


async def refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, AuthError):
        raise error
    if error.__cause__ is not None and error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s: %s: %s", request.method, request.url.path, error, error.__cause__)
    return render(error, request.headers.get(API_VERSION_HEADER))


async def refuse_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    message = f"{request.method} {request.url.path} is not served by the local auth server"
    return await refuse(request, AuthError(error.status_code, "validation_failed", message))


async def refuse_without_database(request: Request, error: Exception) -> Response:
    log.error("%s %s: the database cannot be reached: %s", request.method, request.url.path, error)
    return await refuse(
        request, AuthError(503, "unexpected_failure", "The database cannot be reached; try again later")
    )


async def refuse_after_database_error(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return await refuse(request, unexpected("Database error querying schema"))


async def refuse_after_fault(request: Request, _: Exception) -> Response:
    # The server logs the exception itself, with its traceback.
    message = "Unexpected failure, please check server logs for more information"
    return await refuse(request, unexpected(message))
