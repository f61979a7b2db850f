"""The body of an upload, bytes or a form, as a draft on the disk and what was said of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from scripts.local_supabase.storage.errors import invalid_mime_type, invalid_request, too_large
from scripts.local_supabase.storage.files import Draft
from scripts.local_supabase.storage.names import is_allowed_type

_MOST_FIELD_BYTES = 1 << 20


@dataclass(slots=True)
class Description:
    """What a client said of the object that it sent."""

    mime_type: str = "application/octet-stream"
    cache_control: str = "no-cache"
    user_metadata: dict[str, Any] | None = None
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a bucket takes. limit: bytes."""

    limit: int
    allowed_mime_types: list[str] | None = None


async def receive(request: Request, draft: Draft, rules: Rules) -> Description:
    """Streams the object of a request into the draft.

    Raises StorageError for one that is too large or of a type that the bucket does not take, and starlette's
    ClientDisconnect when the client goes away before the end.
    """
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/form-data"):
        return await _receive_form(request, draft, rules, kind)
    description = Description(
        mime_type=kind or "application/octet-stream",
        cache_control=request.headers.get("cache-control", "no-cache"),
        user_metadata=_read_encoded_metadata(request.headers.get("x-metadata")),
        content_encoding=request.headers.get("content-encoding"),
    )
    _check_type(description.mime_type, rules)
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > rules.limit:
        raise too_large()
    async for chunk in request.stream():
        await _keep(draft, chunk, rules)
    return description


async def _receive_form(request: Request, draft: Draft, rules: Rules, kind: str) -> Description:
    found = None
    fields: dict[str, str] = {}
    async for part, content in _read_parts(request, kind):
        if part.is_file:
            if found is None:
                found = part
                _check_type(part.mime_type, rules)
            if part is found:
                await _keep(draft, content, rules)
        else:
            text = fields.get(part.name, "") + content.decode(errors="replace")
            if len(text) > _MOST_FIELD_BYTES:
                raise too_large()
            fields[part.name] = text
    if found is None:
        raise invalid_request("No content provided")
    seconds = fields.get("cacheControl")
    return Description(
        mime_type=found.mime_type,
        cache_control=f"max-age={seconds}" if seconds else "no-cache",
        user_metadata=_read_metadata(fields.get("metadata")),
        content_encoding=fields.get("contentEncoding"),
    )


@dataclass(eq=False, slots=True)
class _Part:
    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    is_file: bool = False

    @property
    def mime_type(self) -> str:
        return self.headers.get("content-type", "application/octet-stream")

    def read_disposition(self) -> None:
        _, options = parse_options_header(self.headers.get("content-disposition", ""))
        self.name = options.get(b"name", b"").decode(errors="replace")
        self.is_file = b"filename" in options


async def _read_parts(request: Request, kind: str) -> AsyncIterator[tuple[_Part, bytes]]:
    """The parts of a form with their content, piece by piece as it comes in."""
    _, options = parse_options_header(kind)
    boundary = options.get(b"boundary")
    if not boundary:
        raise invalid_request("The form has no boundary")
    events: list[tuple[_Part, bytes]] = []
    part = _Part()
    header = [b"", b""]

    def begin_part() -> None:
        nonlocal part
        part = _Part()

    def add_header_name(data: bytes, start: int, end: int) -> None:
        header[0] += data[start:end]

    def add_header_value(data: bytes, start: int, end: int) -> None:
        header[1] += data[start:end]

    def end_header() -> None:
        part.headers[header[0].decode("latin-1").lower()] = header[1].decode("latin-1")
        header[:] = b"", b""

    def end_headers() -> None:
        part.read_disposition()
        events.append((part, b""))

    def add_content(data: bytes, start: int, end: int) -> None:
        events.append((part, data[start:end]))

    ended = False

    def end() -> None:
        nonlocal ended
        ended = True

    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": begin_part,
            "on_header_field": add_header_name,
            "on_header_value": add_header_value,
            "on_header_end": end_header,
            "on_headers_finished": end_headers,
            "on_part_data": add_content,
            "on_end": end,
        },
    )
    async for chunk in request.stream():
        try:
            parser.write(chunk)
        except FormParserError as error:
            raise invalid_request(f"The form cannot be read: {error}") from error
        for event in events:
            yield event
        events.clear()
    if not ended:
        # A body may end where its Content-Length says and still be cut: half an object is none.
        raise invalid_request("The form ends in the middle")


async def _keep(draft: Draft, chunk: bytes, rules: Rules) -> None:
    if draft.size + len(chunk) > rules.limit:
        raise too_large()
    if chunk:
        await draft.write(chunk)


def _check_type(mime_type: str, rules: Rules) -> None:
    if not is_allowed_type(mime_type, rules.allowed_mime_types):
        raise invalid_mime_type(mime_type)


def _read_encoded_metadata(header: str | None) -> dict[str, Any] | None:
    if not header:
        return None
    try:
        return _read_metadata(base64.b64decode(header, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError) as error:
        raise invalid_request("The x-metadata header is no base64 of JSON") from error


def _read_metadata(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        metadata = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise invalid_request("The metadata is no JSON") from error
    if not isinstance(metadata, dict):
        raise invalid_request("The metadata is no JSON object")
    return metadata
