"""A server that speaks OpenAI's chat completions over real sockets, and misbehaves as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

KEY = "sk-test-5f0c1d9a77e24b6c"
MODEL = "gpt-test"


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = orjson.loads(self.body)
        return parsed


# What a server does about a request: the bytes that it sends, one part after the other. HANG waits until the
# server is closed; then, as after the last part, the connection is closed.
HANG = b"\0hang"
Behaviour = Callable[[Asked], list[bytes]]


@dataclass
class ModelServer:
    """`asked` has every request. `behaviours` are played in turn, the last one from then on."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    behaviours: list[Behaviour] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def play(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {
                name.lower(): value.strip() for name, _, value in (one.partition(":") for one in head[1:-2])
            }
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.asked.append(Asked(method, path, headers, body))
            behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
            for part in behaviour(self.asked[-1]):
                if part == HANG:
                    await self.closing.wait()
                    continue
                writer.write(part)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client had enough
        finally:
            writer.close()


@asynccontextmanager
async def open_model() -> AsyncIterator[ModelServer]:
    """A server on a free port that, until it is told otherwise, approves whatever it is asked."""
    model = ModelServer(behaviours=[says(approve())])
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.port = server.sockets[0].getsockname()[1]
    try:
        yield model
    finally:
        model.closing.set()
        server.close()
        await server.wait_closed()


# Answers


def approve(**changes: Any) -> dict[str, Any]:
    """A sound answer about the last of `tests.charts.draw`'s calm candles, which closes near 100."""
    plan: dict[str, Any] = {
        "side": "long",
        "entry_type": "market",
        "entry": "100",
        "stop_loss": "99.6",
        "take_profit": "101.2",
    }
    plan = {**plan, "valid_candles": 30, **changes.pop("plan", {})}
    sound = {"decision": "approve", "confidence": 0.8, "reason": None, "reasoning": "It rises."}
    return {**sound, "plan": plan, **changes}


def decline(reason: str | None = "against_trend", **changes: Any) -> dict[str, Any]:
    """An answer against the signal."""
    body = {"decision": "reject", "confidence": 0.7, "reason": reason, "reasoning": "It falls.", "plan": None}
    return {**body, **changes}


def completion(message: dict[str, Any], finish: str = "stop", usage: Any = ...) -> dict[str, Any]:
    """The body of a chat completion with this message."""
    counted = (
        {"prompt_tokens": 1200, "completion_tokens": 150, "total_tokens": 1350} if usage is ... else usage
    )
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [choice],
        "usage": counted,
    }


# Behaviours


def response(status: int, body: Any, *headers: str, kind: str = "application/json") -> bytes:
    """A whole response; a body that is no bytes is written as JSON."""
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    head = [f"HTTP/1.1 {status} Told", f"Content-Type: {kind}", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + data


def sends(*parts: bytes) -> Behaviour:
    """These bytes, whatever is asked."""
    return lambda asked: list(parts)


def answers(status: int, body: Any, *headers: str, kind: str = "application/json") -> Behaviour:
    """One response, whatever is asked."""
    return sends(response(status, body, *headers, kind=kind))


def says(content: Any, finish: str = "stop", usage: Any = ...) -> Behaviour:
    """A completion with this content; what is no text is written as JSON."""
    told = content if isinstance(content, str) else orjson.dumps(content).decode()
    return answers(200, completion({"content": told}, finish, usage))


def tells(**message: Any) -> Behaviour:
    """A completion with a message of this shape."""
    return answers(200, completion(message))


def fails(status: int, message: str = "no", *headers: str) -> Behaviour:
    """An error in OpenAI's form."""
    return answers(status, {"error": {"message": message, "type": "test", "code": None}}, *headers)


def breaks_off(body: bytes = b'{"id": "chatcmpl-1", "choices": [{"mess') -> Behaviour:
    """The connection ends in the middle of the body."""
    return sends(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n" + body)


def lists(*models: str) -> Behaviour:
    """The list of models."""
    return answers(200, {"object": "list", "data": [{"id": one, "object": "model"} for one in models]})
