"""The endpoints of buckets. Policies on storage.buckets decide who may do what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.storage.database import transaction
from scripts.local_supabase.storage.errors import bucket_not_empty, invalid_request, no_such_bucket
from scripts.local_supabase.storage.names import check_bucket_name, read_size
from scripts.local_supabase.storage.requests import Body, caller_of, json_response, read_body, server_of

_MOST_BUCKETS = 1000
_SORT_COLUMNS = ("id", "name", "created_at", "updated_at")


class NewBucket(Body):
    name: str = Field(min_length=1)
    id: str | None = None
    public: bool = False
    file_size_limit: int | str | None = None
    allowed_mime_types: list[str] | None = None
    type: str | None = None


class ChangedBucket(Body):
    public: bool | None = None
    file_size_limit: int | str | None = None
    allowed_mime_types: list[str] | None = None


async def create_bucket(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, NewBucket)
    if body.type not in (None, "STANDARD"):
        raise invalid_request(f"The local storage server has no buckets of type {body.type}")
    name = check_bucket_name(body.id or body.name)
    async with transaction(server_of(request).pool, caller) as session:
        await session.run(
            "insert_bucket",
            id=name,
            name=check_bucket_name(body.name),
            owner=caller.owner,
            owner_id=caller.subject,
            public=body.public,
            file_size_limit=_limit_of(body.file_size_limit),
            allowed_mime_types=body.allowed_mime_types,
        )
    return json_response({"name": name})


async def list_buckets(request: Request) -> Response:
    query = request.query_params
    column = query.get("sortColumn", "name")
    if column not in _SORT_COLUMNS:
        raise invalid_request(f"querystring/sortColumn must be one of {', '.join(_SORT_COLUMNS)}")
    async with transaction(server_of(request).pool, caller_of(request)) as session:
        rows = await session.fetch_all(
            "list_buckets",
            search=query.get("search", ""),
            column=column,
            descending=query.get("sortOrder", "asc") == "desc",
            limit=_count(query.get("limit"), _MOST_BUCKETS),
            offset=_count(query.get("offset"), 0),
        )
    return json_response([_describe(row) for row in rows])


async def get_bucket(request: Request) -> Response:
    async with transaction(server_of(request).pool, caller_of(request)) as session:
        row = await session.fetch("find_bucket", id=request.path_params["bucket"])
    if row is None:
        raise no_such_bucket()
    return json_response(_describe(row))


async def update_bucket(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, ChangedBucket)
    async with transaction(server_of(request).pool, caller) as session:
        changed = await session.run(
            "update_bucket",
            id=request.path_params["bucket"],
            public=body.public,
            sets_limit="file_size_limit" in body.model_fields_set,
            file_size_limit=_limit_of(body.file_size_limit),
            sets_types="allowed_mime_types" in body.model_fields_set,
            allowed_mime_types=body.allowed_mime_types,
        )
        if changed.rowcount == 0:
            raise no_such_bucket()
    return json_response({"message": "Successfully updated"})


async def empty_bucket(request: Request) -> Response:
    server, bucket = server_of(request), request.path_params["bucket"]
    async with transaction(server.pool, caller_of(request)) as session:
        if await session.fetch("find_bucket", id=bucket) is None:
            raise no_such_bucket()
        removed = await session.fetch_all("empty_bucket", bucket=bucket)
    await server.files.remove(*(row["version"] for row in removed))
    return json_response({"message": "Successfully emptied"})


async def delete_bucket(request: Request) -> Response:
    bucket = request.path_params["bucket"]
    caller = caller_of(request)
    async with transaction(server_of(request).pool) as session:
        held = await session.fetch("is_any_object_in", bucket=bucket)
        await session.become(caller)
        if await session.fetch("find_bucket", id=bucket) is None:
            raise no_such_bucket()
        if held is not None and held["found"]:
            raise bucket_not_empty()
        if (await session.run("delete_bucket", id=bucket)).rowcount == 0:
            raise no_such_bucket()
    return json_response({"message": "Successfully deleted"})


def _describe(row: Mapping[str, Any]) -> dict[str, Any]:
    # Clients expect a text, which is empty for a bucket that a service made.
    described = {**row, "owner": str(row["owner"] or "")}
    del described["avif_autodetection"], described["owner_id"]
    return described


def _limit_of(limit: int | str | None) -> int | None:
    if limit is None:
        return None
    size = read_size(limit)
    if size < 0:
        raise invalid_request("file_size_limit must be at least 0")
    return size or None


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdecimal():
        raise invalid_request("limit and offset must be whole numbers")
    return min(int(text), 2**31)
