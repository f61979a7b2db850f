"""The endpoints that read objects: download, info, and signed URLs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import IO, Any
from urllib.parse import quote

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from scripts.local_supabase.storage import tokens
from scripts.local_supabase.storage.caller import Caller
from scripts.local_supabase.storage.database import transaction
from scripts.local_supabase.storage.errors import (
    access_denied,
    invalid_range,
    no_such_bucket,
    no_such_key,
    not_served,
)
from scripts.local_supabase.storage.names import check_key
from scripts.local_supabase.storage.objects import Upload, Way, may_write
from scripts.local_supabase.storage.requests import (
    Body,
    StorageServer,
    caller_of,
    json_response,
    place_of,
    read_body,
    server_of,
)

Row = Mapping[str, Any]

_CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_UPLOAD_URL_SECONDS = 2 * 3600


class SigningOne(Body):
    expiresIn: int = Field(ge=1)
    transform: dict[str, Any] | None = None


class SigningMany(Body):
    expiresIn: int = Field(ge=1)
    paths: list[str] = Field(min_length=1)


async def get_object(request: Request) -> Response:
    """Anybody gets what lies in a public bucket; the rest only who has a token whose role may see it."""
    bucket, name = place_of(request)
    server = server_of(request)
    asks = request.headers.get("authorization")
    public = await _is_public(server, bucket)
    if not asks and not public:
        raise access_denied("Access denied to this bucket")
    if public is None:
        raise no_such_bucket()
    return await _send(request, bucket, name, None if public else caller_of(request))


async def get_public_object(request: Request) -> Response:
    bucket, name = place_of(request)
    if not await _is_public(server_of(request), bucket):
        raise no_such_bucket()
    return await _send(request, bucket, name, None)


async def get_signed_object(request: Request) -> Response:
    bucket, name = place_of(request)
    server = server_of(request)
    claims = tokens.read(server.keys, "download", bucket, name, request.query_params.get("token"))
    expires = format_datetime(datetime.fromtimestamp(int(claims["exp"]), UTC), usegmt=True)
    return await _send(request, bucket, name, None, {"expires": expires})


async def get_info(request: Request) -> Response:
    bucket, name = place_of(request)
    return json_response(_describe(await _find(server_of(request), bucket, name, caller_of(request))))


async def get_public_info(request: Request) -> Response:
    bucket, name = place_of(request)
    server = server_of(request)
    if not await _is_public(server, bucket):
        raise no_such_bucket()
    return json_response(_describe(await _find(server, bucket, name, None)))


async def sign_object(request: Request) -> Response:
    bucket, name = place_of(request)
    server, caller = server_of(request), caller_of(request)
    body = await read_body(request, SigningOne)
    if body.transform:
        raise not_served("transformed images")
    await _find(server, bucket, name, caller)
    return json_response({"signedURL": tokens.sign(server.keys, "download", bucket, name, body.expiresIn)})


async def sign_objects(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    server, caller = server_of(request), caller_of(request)
    body = await read_body(request, SigningMany)
    async with transaction(server.pool, caller) as session:
        rows = await session.fetch_all("find_objects", bucket=bucket, names=body.paths)
    seen = {row["name"] for row in rows}
    refusal = "Either the object does not exist or you do not have access to it"
    return json_response(
        [
            {
                "error": None,
                "path": path,
                "signedURL": tokens.sign(server.keys, "download", bucket, path, body.expiresIn),
            }
            if path in seen
            else {"error": refusal, "path": path, "signedURL": None}
            for path in body.paths
        ]
    )


async def sign_upload(request: Request) -> Response:
    bucket, name = place_of(request)
    server, caller = server_of(request), caller_of(request)
    upsert = request.headers.get("x-upsert", "").lower() == "true"
    way: Way = "upsert_object" if upsert else "insert_object"
    await may_write(server, Upload(bucket, check_key(name), way, caller, caller.subject))
    url = tokens.sign(
        server.keys, "upload", bucket, name, _UPLOAD_URL_SECONDS, owner=caller.subject, upsert=upsert
    )
    return json_response({"url": url})


async def _is_public(server: StorageServer, bucket: str) -> bool | None:
    """None when there is no such bucket."""
    async with transaction(server.pool) as session:
        row = await session.fetch("find_any_bucket", id=bucket)
    return None if row is None else bool(row["public"])


async def _find(server: StorageServer, bucket: str, name: str, caller: Caller | None) -> Row:
    """The object's row if the caller may see it; the server itself sees all."""
    async with transaction(server.pool) as session:
        if await session.fetch("find_any_bucket", id=bucket) is None:
            raise no_such_bucket()
        if caller is not None:
            await session.become(caller)
        row = await session.fetch("find_object", bucket=bucket, name=name)
    if row is None:
        raise no_such_key()
    return row


def _describe(row: Row) -> dict[str, Any]:
    said = row["metadata"] or {}
    return {
        "id": row["id"],
        "name": row["name"],
        "version": row["version"],
        "bucket_id": row["bucket_id"],
        "size": said.get("size"),
        "content_type": said.get("mimetype"),
        "cache_control": said.get("cacheControl"),
        "etag": said.get("eTag"),
        "metadata": row["user_metadata"],
        "last_modified": row["updated_at"],
        "created_at": row["created_at"],
    }


async def _send(
    request: Request, bucket: str, name: str, caller: Caller | None, more: Mapping[str, str] | None = None
) -> Response:
    server = server_of(request)
    row = await _find(server, bucket, name, caller)
    file = await server.files.open(row["version"])
    if file is None:
        # Replaced between the two: the row says by which version.
        row = await _find(server, bucket, name, caller)
        file = await server.files.open(row["version"])
    if file is None:
        raise no_such_key()
    try:
        return _respond(request, row, file, {**_headers(request, row), **(more or {})})
    except BaseException:
        file.close()
        raise


def _headers(request: Request, row: Row) -> dict[str, str]:
    said = row["metadata"]
    kind = str(said["mimetype"])
    headers = {
        "accept-ranges": "bytes",
        # A page of a stranger must not run with the project's address as its own.
        "content-type": "text/plain" if "text/html" in kind else kind,
        "etag": str(said["eTag"]),
        "cache-control": str(said["cacheControl"]),
        "last-modified": format_datetime(
            row["updated_at"].astimezone(UTC).replace(microsecond=0), usegmt=True
        ),
    }
    if encoding := said.get("contentEncoding"):
        headers["content-encoding"] = str(encoding)
    download = request.query_params.get("download")
    if download is not None:
        named = quote(download, safe="")
        headers["content-disposition"] = (
            f"attachment; filename={named}; filename*=UTF-8''{named};" if download else "attachment;"
        )
    return headers


def _respond(request: Request, row: Row, file: IO[bytes], headers: dict[str, str]) -> Response:
    size = int(row["metadata"]["size"])
    if request.headers.get("if-none-match") == headers["etag"]:
        file.close()
        return Response(status_code=304, headers=headers)
    first, last = _read_range(request.headers.get("range"), size)
    length = last - first + 1
    status = 200
    if length < size:
        status = 206
        headers["content-range"] = f"bytes {first}-{last}/{size}"
    headers["content-length"] = str(length)
    if request.method == "HEAD":
        file.close()
        return Response(status_code=status, headers=headers)
    return StreamingResponse(_read(file, first, length), status, headers)


def _read_range(header: str | None, size: int) -> tuple[int, int]:
    """The first and the last byte that are asked for. What is no single range of bytes asks for all."""
    found = _RANGE.fullmatch(header or "")
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        first, last = max(size - int(found[2]), 0), size - 1
    else:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
    if first > last:
        raise invalid_range()
    return first, last


async def _read(file: IO[bytes], first: int, length: int) -> AsyncIterator[bytes]:
    try:
        await asyncio.to_thread(file.seek, first)
        while length > 0:
            chunk = await asyncio.to_thread(file.read, min(length, _CHUNK_BYTES))
            if not chunk:
                break
            length -= len(chunk)
            yield chunk
    finally:
        file.close()
