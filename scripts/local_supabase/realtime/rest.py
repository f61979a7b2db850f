"""Broadcast over HTTP: a batch of messages, or one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import psycopg
from starlette.requests import Request
from starlette.responses import Response

from scripts.local_supabase.realtime import authorization, jsontext
from scripts.local_supabase.realtime.authorization import Identity
from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.channel import PREFIX
from scripts.local_supabase.realtime.database import Unreachable
from scripts.local_supabase.realtime.delivery import Delivery
from scripts.local_supabase.realtime.tokens import BadToken, Token

if TYPE_CHECKING:
    from scripts.local_supabase.realtime.server import Server

JSON_TYPE, BINARY_TYPE = "application/json", "application/octet-stream"
FORM_TYPE = "application/x-www-form-urlencoded"
LARGEST_BODY = 8_000_000
BLANK, INVALID = "can't be blank", "is invalid"


class Answer(Exception):
    """The request ends here, with this status and JSON, or text when it is none."""

    def __init__(self, status: int, body: dict[str, Any] | str) -> None:
        super().__init__(status)
        self.status = status
        self.body = body

    def response(self) -> Response:
        if isinstance(self.body, str):
            content, kind = self.body, "text/html"
        else:
            content, kind = jsontext.write(self.body), JSON_TYPE
        return Response(content, self.status, {"content-type": f"{kind}; charset=utf-8"})


async def handle(server: Server, request: Request) -> Response:
    """Answer any HTTP request."""
    # Topics and events may hold slashes, so the path is split before it is decoded.
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    parts = [unquote(part) for part in raw.decode("latin-1").strip("/").split("/")]
    try:
        match request.method, parts:
            case "GET", ["api", "ping"]:
                response = Answer(200, {"message": "Success"}).response()
            case "GET", ["healthcheck"]:
                response = Response("ok", media_type="text/plain")
            case "OPTIONS", ["api", *_]:
                response = _preflight(request)
            case "POST", ["api", "broadcast"]:
                response = await _batch(server, request)
            case "POST", ["api", "broadcast", topic, "events", event]:
                response = await _single(server, request, topic, event)
            case _:
                response = Answer(404, "Not Found").response()
    except Answer as answer:
        response = answer.response()
    except (psycopg.Error, Unreachable):
        response = Answer(
            503, {"message": "Realtime was unable to connect to the project database"}
        ).response()
    rate, limit = int(server.requests.average), int(server.requests.limit)
    response.headers.update(
        {
            "access-control-allow-origin": "*",
            "x-rate-rolling": str(rate),
            "x-rate-limit": str(limit),
            "x-rate-limit-remaining": str(max(0, limit - rate)),
        }
    )
    return response


async def _batch(server: Server, request: Request) -> Response:
    body = await _params(request)
    token = _authorize(server, request)
    messages = body.get("messages")
    if messages is None or messages == []:
        raise _invalid([BLANK])
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise _invalid([INVALID])
    errors = [_errors(message, server.options.max_payload_bytes) for message in messages]
    if any(errors):
        raise _invalid(errors)
    if len(messages) + server.events.average > server.events.limit:
        raise Answer(429, {"message": "Too many messages to broadcast, please reduce the batch size"})
    # Who may send to which topic is asked once each; what may not be sent is dropped without a word.
    allowed: dict[str, bool] = {}
    for message in messages:
        topic, private = message["topic"], message.get("private") is True
        if private and topic not in allowed:
            allowed[topic] = await _may_write(server, request, token, topic)
        if not private or allowed[topic]:
            payload = {"event": message["event"], "payload": message["payload"], "type": "broadcast"}
            if isinstance(message.get("id"), str):
                payload["meta"] = {"id": message["id"]}
            server.hub.publish((private, topic), Delivery(PREFIX + topic, "broadcast", payload))
    return Response(status_code=202)


async def _single(server: Server, request: Request, topic: str, event: str) -> Response:
    kind = _kind(request)
    if kind == BINARY_TYPE:
        broadcast = UserBroadcast(event, await _body(request), is_json=False)
    elif kind in (JSON_TYPE, ""):
        text = jsontext.write(await _params(request))
        broadcast = UserBroadcast(event, text.encode(), is_json=True)
    else:
        raise Answer(415, {"error": f"Unsupported Media Type. Use {JSON_TYPE} or {BINARY_TYPE}"})
    token = _authorize(server, request)
    if not topic.strip() or not event.strip():
        blank = {name: [BLANK] for name, value in (("topic", topic), ("event", event)) if not value.strip()}
        raise Answer(422, {"errors": blank})
    if len(broadcast.payload) > server.options.max_payload_bytes:
        raise Answer(422, {"errors": {"payload": ["Payload size exceeds tenant limit"]}})
    private = request.query_params.get("private", "").lower() == "true"
    if private and not await _may_write(server, request, token, topic):
        raise Answer(403, {"message": "Unauthorized"})
    server.hub.publish((private, topic), Delivery(PREFIX + topic, "broadcast", broadcast))
    return Response(status_code=202)


def _authorize(server: Server, request: Request) -> Token:
    server.requests.add()
    header = request.headers.get("authorization")
    text = header.removeprefix("Bearer ") if header is not None else request.headers.get("apikey", "")
    try:
        token = server.verifier.verify(text)
    except BadToken:
        raise Answer(401, {"message": "Unauthorized"}) from None
    if server.requests.exceeded:
        raise Answer(429, {"message": "Too many requests"})
    if server.events.exceeded:
        raise Answer(429, {"message": "You have exceeded your rate limit"})
    return token


async def _may_write(server: Server, request: Request, token: Token, topic: str) -> bool:
    headers = {name: value for name, value in request.headers.items() if name.startswith("x-")}
    return await authorization.writable(server.database, Identity(token.claims, headers), topic, "broadcast")


def _errors(message: dict[str, Any], most: int) -> dict[str, list[str]]:
    """What is wrong with one message of a batch, by field."""
    errors: dict[str, list[str]] = {}
    for name in ("topic", "event"):
        value = message.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            errors[name] = [BLANK]
        elif not isinstance(value, str):
            errors[name] = [INVALID]
    payload = message.get("payload")
    if payload is None:
        errors["payload"] = [BLANK]
    elif not isinstance(payload, dict):
        errors["payload"] = [INVALID]
    elif len(jsontext.write(payload)) > most:
        errors["payload"] = ["Payload size exceeds tenant limit"]
    if message.get("private") not in (None, True, False, "true", "false"):
        errors["private"] = [INVALID]
    return errors


def _invalid(messages: list[Any]) -> Answer:
    return Answer(422, {"errors": {"messages": messages}})


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _params(request: Request) -> dict[str, Any]:
    """The body as named values. JSON that is not an object is called `_json`."""
    body = await _body(request)
    kind = _kind(request)
    if kind == FORM_TYPE:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if kind not in (JSON_TYPE, "") or not body:
        return {}
    try:
        value = jsontext.read(body)
    except ValueError:
        raise Answer(400, "Bad Request") from None
    return value if isinstance(value, dict) else {"_json": value}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise Answer(413, "Request Entity Too Large")
    return bytes(body)


def _preflight(request: Request) -> Response:
    asked = request.headers.get("access-control-request-headers", "*")
    return Response(
        status_code=200,
        headers={
            "access-control-allow-methods": "GET, POST, OPTIONS",
            "access-control-allow-headers": asked,
            "access-control-max-age": "86400",
        },
    )
