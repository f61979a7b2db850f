"""The endpoints that write objects. Policies on storage.objects decide: each statement runs as the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from psycopg.types.json import Jsonb
from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.storage import tokens
from scripts.local_supabase.storage.caller import Caller
from scripts.local_supabase.storage.database import Session, transaction
from scripts.local_supabase.storage.errors import no_such_bucket, no_such_key
from scripts.local_supabase.storage.files import Written
from scripts.local_supabase.storage.names import check_key
from scripts.local_supabase.storage.requests import (
    Body,
    StorageServer,
    caller_of,
    json_response,
    place_of,
    read_body,
    server_of,
)
from scripts.local_supabase.storage.upload import Description, Rules, receive

# How an object's row comes to be: new only, new or in place of another, in place of another only.
Way = Literal["insert_object", "upsert_object", "update_object"]


class Move(Body):
    bucketId: str
    sourceKey: str
    destinationKey: str
    destinationBucket: str | None = None


class Copy(Move):
    copyMetadata: bool = True
    metadata: dict[str, Any] | None = None


class Removal(Body):
    prefixes: list[str]


@dataclass(frozen=True, slots=True)
class Upload:
    """caller: None when a signed URL has decided already; then `owner` is who made that URL."""

    bucket: str
    name: str
    way: Way
    caller: Caller | None
    owner: str | None


async def create_object(request: Request) -> Response:
    bucket, name = place_of(request)
    caller = caller_of(request)
    way: Way = "upsert_object" if _wants_upsert(request) else "insert_object"
    row = await upload(request, Upload(bucket, check_key(name), way, caller, caller.subject))
    return json_response({"Id": row["id"], "Key": f"{bucket}/{name}"})


async def replace_object(request: Request) -> Response:
    bucket, name = place_of(request)
    caller = caller_of(request)
    row = await upload(request, Upload(bucket, check_key(name), "update_object", caller, caller.subject))
    return json_response({"Id": row["id"], "Key": f"{bucket}/{name}"})


async def create_signed_object(request: Request) -> Response:
    server = server_of(request)
    bucket, name = place_of(request)
    claims = tokens.read(server.keys, "upload", bucket, name, request.query_params.get("token"))
    way: Way = "upsert_object" if claims.get("upsert") is True else "insert_object"
    await upload(request, Upload(bucket, check_key(name), way, None, claims.get("owner")))
    return json_response({"Key": f"{bucket}/{name}"})


async def upload(request: Request, wanted: Upload) -> Mapping[str, Any]:
    """The row of an object whose bytes came in whole. Refused ones leave nothing.

    The caller's right is tried before the bytes are taken, and decided when the row is written.
    """
    server = server_of(request)
    rules = await may_write(server, wanted)
    async with server.files.receive() as draft:
        description = await receive(request, draft, rules)
        written = await draft.close()
        await server.files.place(written)
        undone = True
        try:
            async with transaction(server.pool) as session:
                row, replaced = await _write_row(
                    session,
                    wanted,
                    written.version,
                    _metadata(written, description),
                    description.user_metadata,
                )
                # From here on it may be committed, whatever comes back; what no row names goes at the
                # next start.
                undone = False
        except BaseException:
            if undone:
                await server.files.remove(written.version)
            raise
    if replaced is not None:
        await server.files.remove(replaced)
    return row


async def may_write(server: StorageServer, wanted: Upload) -> Rules:
    """What the bucket takes. Raises StorageError if there is none, or if the caller may not write this."""
    async with transaction(server.pool, keep=False) as session:
        bucket = await session.fetch("find_any_bucket", id=wanted.bucket)
        if bucket is None:
            raise no_such_bucket()
        await _write_row(session, wanted, "", {}, None)
    own_limit = bucket["file_size_limit"]
    most = server.config.file_size_limit
    return Rules(most if own_limit is None else min(most, own_limit), bucket["allowed_mime_types"])


async def _write_row(
    session: Session,
    wanted: Upload,
    version: str,
    metadata: dict[str, Any],
    user_metadata: dict[str, Any] | None,
) -> tuple[Mapping[str, Any], str | None]:
    """The object's row and, if it took the place of another, that one's version."""
    await session.run("lock_name", bucket=wanted.bucket, name=wanted.name)
    before = await session.fetch("find_any_object", bucket=wanted.bucket, name=wanted.name)
    if wanted.caller is not None:
        await session.become(wanted.caller)
    changed = await session.run(
        wanted.way,
        bucket=wanted.bucket,
        name=wanted.name,
        owner=_uuid_or_none(wanted.owner),
        owner_id=wanted.owner,
        version=version,
        metadata=Jsonb(metadata),
        user_metadata=None if user_metadata is None else Jsonb(user_metadata),
    )
    if changed.rowcount == 0:
        # An update sees only what the caller may see and change.
        raise no_such_key()
    await session.become(None)
    row = await session.fetch("find_any_object", bucket=wanted.bucket, name=wanted.name)
    if row is None:
        raise no_such_key()
    return row, None if before is None else before["version"]


async def remove_objects(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, Removal)
    return json_response(
        await _remove(server_of(request), caller, request.path_params["bucket"], body.prefixes)
    )


async def remove_object(request: Request) -> Response:
    bucket, name = place_of(request)
    if not await _remove(server_of(request), caller_of(request), bucket, [name]):
        raise no_such_key()
    return json_response({"message": "Successfully deleted"})


async def _remove(
    server: StorageServer, caller: Caller, bucket: str, names: list[str]
) -> list[dict[str, Any]]:
    """The rows that the caller could remove; the others are left, and not told."""
    async with transaction(server.pool, caller) as session:
        rows = await session.fetch_all("delete_objects", bucket=bucket, names=names)
    await server.files.remove(*(row["version"] for row in rows))
    return rows


async def move_object(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, Move)
    target = body.destinationBucket or body.bucketId
    async with transaction(server_of(request).pool) as session:
        await _require_bucket(session, target)
        await session.run("lock_name", bucket=target, name=check_key(body.destinationKey))
        await session.become(caller)
        moved = await session.run(
            "move_object",
            bucket=body.bucketId,
            name=body.sourceKey,
            new_bucket=target,
            new_name=body.destinationKey,
        )
        if moved.rowcount == 0:
            raise no_such_key()
    return json_response({"message": "Successfully moved"})


async def copy_object(request: Request) -> Response:
    """The copy shares the bytes, which never change, under a name of its own."""
    server, caller = server_of(request), caller_of(request)
    body = await read_body(request, Copy)
    target = body.destinationBucket or body.bucketId
    way: Way = "upsert_object" if _wants_upsert(request) else "insert_object"
    wanted = Upload(target, check_key(body.destinationKey), way, caller, caller.subject)
    async with transaction(server.pool, caller) as session:
        source = await session.fetch("find_object", bucket=body.bucketId, name=body.sourceKey)
    version = None if source is None else await server.files.link(source["version"])
    if source is None or version is None:
        raise no_such_key()
    metadata = {**source["metadata"], "lastModified": _now()}
    user_metadata = source["user_metadata"] if body.copyMetadata else body.metadata
    undone = True
    try:
        async with transaction(server.pool) as session:
            await _require_bucket(session, target)
            row, replaced = await _write_row(session, wanted, version, metadata, user_metadata)
            undone = False
    except BaseException:
        if undone:
            await server.files.remove(version)
        raise
    if replaced is not None:
        await server.files.remove(replaced)
    return json_response({"Id": row["id"], "Key": f"{target}/{body.destinationKey}", **_without_tokens(row)})


async def _require_bucket(session: Session, bucket: str) -> None:
    if await session.fetch("find_any_bucket", id=bucket) is None:
        raise no_such_bucket()


def _metadata(written: Written, description: Description) -> dict[str, Any]:
    """What the row says of the bytes, in the hosted server's words."""
    metadata: dict[str, Any] = {
        "eTag": written.etag,
        "size": written.size,
        "mimetype": description.mime_type,
        "cacheControl": description.cache_control,
        "lastModified": _now(),
        "contentLength": written.size,
        "httpStatusCode": 200,
    }
    if description.content_encoding:
        metadata["contentEncoding"] = description.content_encoding
    return metadata


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _without_tokens(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path_tokens"}


def _wants_upsert(request: Request) -> bool:
    return request.headers.get("x-upsert", "").lower() == "true"


def _uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
