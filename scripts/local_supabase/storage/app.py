"""The storage server of the local stack: what storage-api answers to supabase-py and supabase-js.

Buckets and objects are rows of the schema storage, so that a project's policies decide here as on a hosted
one; the bytes lie in a folder of the stack. Images are not transformed and uploads are not resumed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

import psycopg
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.local_supabase.settings import Settings
from scripts.local_supabase.storage import buckets, listing, objects, reading
from scripts.local_supabase.storage.config import read_storage_config
from scripts.local_supabase.storage.database import open_pool, transaction
from scripts.local_supabase.storage.errors import StorageError, from_database, not_served, render
from scripts.local_supabase.storage.files import Files
from scripts.local_supabase.storage.requests import StorageServer, json_response

log = logging.getLogger(__name__)

_OBJECT = "/{bucket}/{name:path}"
_SWEPT_AT_ONCE = 1000


def create_app(settings: Settings) -> Starlette:
    """The storage server of a stack, to be mounted at /storage/v1."""
    server = StorageServer(
        config=read_storage_config(settings.project / "supabase" / "config.toml"),
        keys=settings.keys,
        pool=open_pool(settings.storage_db_url),
        files=Files(settings.storage),
    )

    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(server.files.prepare)
        await server.pool.open(wait=False)
        sweeping = asyncio.create_task(_sweep(server, time.time()), name="storage-sweep")
        try:
            yield
        finally:
            sweeping.cancel()
            with suppress(asyncio.CancelledError):
                await sweeping
            await server.pool.close()

    app = Starlette(
        routes=[
            Route("/bucket", buckets.list_buckets, methods=["GET"]),
            Route("/bucket", buckets.create_bucket, methods=["POST"]),
            Route("/bucket/{bucket}", buckets.get_bucket, methods=["GET"]),
            Route("/bucket/{bucket}", buckets.update_bucket, methods=["PUT"]),
            Route("/bucket/{bucket}", buckets.delete_bucket, methods=["DELETE"]),
            Route("/bucket/{bucket}/empty", buckets.empty_bucket, methods=["POST"]),
            Route("/object/list/{bucket}", listing.list_folder, methods=["POST"]),
            Route("/object/list-v2/{bucket}", listing.list_keys, methods=["POST"]),
            Route("/object/move", objects.move_object, methods=["POST"]),
            Route("/object/copy", objects.copy_object, methods=["POST"]),
            Route("/object/public" + _OBJECT, reading.get_public_object, methods=["GET"]),
            Route("/object/info/public" + _OBJECT, reading.get_public_info, methods=["GET"]),
            Route("/object/info/authenticated" + _OBJECT, reading.get_info, methods=["GET"]),
            Route("/object/info" + _OBJECT, reading.get_info, methods=["GET"]),
            Route("/object/upload/sign" + _OBJECT, reading.sign_upload, methods=["POST"]),
            Route("/object/upload/sign" + _OBJECT, objects.create_signed_object, methods=["PUT"]),
            Route("/object/sign/{bucket}", reading.sign_objects, methods=["POST"]),
            Route("/object/sign" + _OBJECT, reading.sign_object, methods=["POST"]),
            Route("/object/sign" + _OBJECT, reading.get_signed_object, methods=["GET"]),
            Route("/object/authenticated" + _OBJECT, reading.get_object, methods=["GET"]),
            Route("/object/{bucket}", objects.remove_objects, methods=["DELETE"]),
            Route("/object" + _OBJECT, reading.get_object, methods=["GET"]),
            Route("/object" + _OBJECT, objects.create_object, methods=["POST"]),
            Route("/object" + _OBJECT, objects.replace_object, methods=["PUT"]),
            Route("/object" + _OBJECT, objects.remove_object, methods=["DELETE"]),
            Route("/status", get_status, methods=["GET"]),
        ],
        exception_handlers={
            StorageError: refuse,
            HTTPException: refuse_route,
            ClientDisconnect: let_go,
            PoolTimeout: refuse_without_database,
            psycopg.OperationalError: refuse_without_database,
            psycopg.Error: refuse_after_database_error,
            Exception: refuse_after_fault,
        },
        lifespan=run,
    )
    # A name may end in a slash; nothing is found by sending the client elsewhere.
    app.router.redirect_slashes = False
    app.state.server = server
    return app


async def _sweep(server: StorageServer, started: float) -> None:
    """Removes files that no row knows: a server that was killed had their bytes, and not yet their row."""
    found = await asyncio.to_thread(lambda: list(server.files.stored(started)))
    candidates = iter(found)
    while batch := list(islice(candidates, _SWEPT_AT_ONCE)):
        try:
            async with transaction(server.pool) as session:
                rows = await session.fetch_all("known_versions", versions=batch)
        except (PoolTimeout, psycopg.Error) as error:
            # They stay until the next start; nothing lists them.
            log.warning("files without rows were not looked for: %s", error)
            return
        known = {row["version"] for row in rows}
        await server.files.remove(*(version for version in batch if version not in known))


async def get_status(_: Request) -> Response:
    return json_response({"status": "ok"})


async def refuse(request: Request, error: Exception) -> Response:
    if not isinstance(error, StorageError):
        raise error
    if error.status >= 500 and error.__cause__ is not None:
        log.error("%s %s: %s: %s", request.method, request.url.path, error, error.__cause__)
    return render(error)


async def refuse_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return await refuse(request, not_served(f"{request.method} {request.url.path}"))


async def let_go(_: Request, __: Exception) -> Response:
    # Nobody is left to read it.
    return Response(status_code=499)


async def refuse_without_database(request: Request, error: Exception) -> Response:
    if isinstance(error, psycopg.Error) and error.sqlstate in ("55P03", "57014"):
        return await refuse_after_database_error(request, error)
    log.error("%s %s: the database cannot be reached: %s", request.method, request.url.path, error)
    message = "The database cannot be reached; try again later"
    return await refuse(request, StorageError(503, "DatabaseUnavailable", message))


async def refuse_after_database_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, psycopg.Error):
        raise error
    refusal = from_database(error)
    if refusal.status >= 500:
        log.error("%s %s: %s", request.method, request.url.path, error)
    return await refuse(request, refusal)


async def refuse_after_fault(request: Request, _: Exception) -> Response:
    # The server logs the exception itself, with its traceback.
    return await refuse(request, StorageError(500, "InternalError", "Internal server error"))
