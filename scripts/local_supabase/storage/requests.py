"""What every endpoint works with: the server, the caller, and a request's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.keys import Keys
from scripts.local_supabase.storage.caller import Caller, identify
from scripts.local_supabase.storage.config import StorageConfig
from scripts.local_supabase.storage.database import Pool
from scripts.local_supabase.storage.errors import invalid_request
from scripts.local_supabase.storage.files import Files


class Body(BaseModel):
    """A request's JSON. Keys that it does not name are ignored."""

    model_config = ConfigDict(extra="ignore")


AnyBody = TypeVar("AnyBody", bound=Body)


@dataclass(frozen=True, slots=True)
class StorageServer:
    config: StorageConfig
    keys: Keys
    pool: Pool
    files: Files


def server_of(request: Request) -> StorageServer:
    server: StorageServer = request.app.state.server
    return server


def caller_of(request: Request) -> Caller:
    """Raises StorageError for a request whose token is missing, foreign or old."""
    return identify(server_of(request).keys, request.headers.get("authorization"))


def place_of(request: Request) -> tuple[str, str]:
    """The bucket and the object that the path names."""
    return request.path_params["bucket"], request.path_params["name"]


async def read_body(request: Request, model: type[AnyBody]) -> AnyBody:
    """The request's JSON; nothing counts as an empty object. Raises StorageError that names what is wrong."""
    try:
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise invalid_request(f"body/{place} {first['msg']}" if place else first["msg"]) from error


def json_response(body: Any, status: int = 200) -> Response:
    content = orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)
    return Response(content, status, media_type="application/json")
