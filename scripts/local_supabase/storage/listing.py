"""What lies in a bucket: folder by folder, or page by page of keys."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Literal

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.storage.database import transaction
from scripts.local_supabase.storage.errors import invalid_request
from scripts.local_supabase.storage.requests import Body, caller_of, json_response, read_body, server_of

_MOST_KEYS = 1000


class FolderOrder(Body):
    column: Literal["name", "updated_at", "created_at", "last_accessed_at"] = "name"
    order: str = "asc"


class Folder(Body):
    prefix: str = ""
    limit: int = Field(default=100, ge=1, le=2**31 - 1)
    offset: int = Field(default=0, ge=0, le=2**31 - 1)
    sortBy: FolderOrder = FolderOrder()
    search: str = ""


class KeyOrder(Body):
    column: Literal["name", "updated_at", "created_at"] = "name"
    order: Literal["asc", "desc"] = "asc"


class Keys(Body):
    prefix: str = ""
    limit: int = Field(default=_MOST_KEYS, ge=1)
    cursor: str | None = None
    with_delimiter: bool = False
    sortBy: KeyOrder = KeyOrder()


async def list_folder(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, Folder)
    folder = body.prefix
    if folder and not folder.endswith("/"):
        folder += "/"
    # What is searched for may lie deeper; only its last part is looked for in no particular case.
    inner, slash, search = body.search.rpartition("/")
    async with transaction(server_of(request).pool, caller) as session:
        rows = await session.fetch_all(
            "list_folder",
            bucket=request.path_params["bucket"],
            prefix=folder + inner + slash,
            search=search,
            column=body.sortBy.column,
            descending=body.sortBy.order.lower() == "desc",
            limit=body.limit,
            offset=body.offset,
        )
    return json_response(rows)


async def list_keys(request: Request) -> Response:
    caller = caller_of(request)
    body = await read_body(request, Keys)
    place, key = _read_cursor(body.cursor)
    most = min(body.limit, _MOST_KEYS)
    async with transaction(server_of(request).pool, caller) as session:
        rows = await session.fetch_all(
            "list_keys",
            bucket=request.path_params["bucket"],
            prefix=body.prefix,
            delimiter=body.with_delimiter,
            column=body.sortBy.column,
            descending=body.sortBy.order == "desc",
            after_place=place,
            after_key=key,
            limit=most + 1,
        )
    page = rows[:most]
    answer: dict[str, Any] = {"hasNext": len(rows) > most, "folders": [], "objects": []}
    for row in page:
        described = {"name": row["key"], "key": row["key"]}
        if row["id"] is None:
            answer["folders"].append(described)
        else:
            times = {name: row[name] for name in ("updated_at", "created_at", "last_accessed_at")}
            answer["objects"].append(described | {"id": row["id"], "metadata": row["metadata"]} | times)
    if answer["hasNext"]:
        answer["nextCursor"] = _write_cursor(page[-1]["place"], page[-1]["key"])
    return json_response(answer)


def _write_cursor(place: str, key: str) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([place, key])).decode()


def _read_cursor(cursor: str | None) -> tuple[str | None, str | None]:
    if not cursor:
        return None, None
    try:
        place, key = orjson.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid_request("body/cursor is none of this server's") from error
    return str(place), str(key)
