"""Servers that receive alerts, and misbehave when they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web

from workers.alerts.delivery import Delivery

Answer = Callable[[web.Request], Any]


def delivery(channel: str = "webhook", news: str = "raised", **alert: Any) -> Delivery:
    """A delivery about a position that has no stop."""
    number = str(uuid4())
    told = {
        "id": number,
        "kind": "position_unprotected",
        "severity": "critical",
        "title": "the open position in BTC/USDT:USDT has no protection",
        "details": {"account_id": "acc-1", "since": "2026-11-22T03:00:00+00:00"},
        "machine_id": None,
        "times": 3,
        "raised_at": "2026-11-22T03:00:00+00:00",
        "resolved_at": None,
        **alert,
    }
    return Delivery(f"{number}:{news}:{channel}", number, news, channel, 1, told)


@dataclass
class Receiver:
    """An HTTP server on loopback that answers as `answer` says and keeps what it got."""

    answer: Answer
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def hear(self, request: web.Request) -> Any:
        self.paths.append(request.path)
        self.got.append((dict(request.headers), await request.read()))
        answer = self.answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def receiving(answer: Answer | int = 200, **headers: str) -> AsyncIterator[Receiver]:
    """A receiver that answers with a status, or as a function says."""
    given = (lambda _: web.Response(status=answer, headers=headers)) if isinstance(answer, int) else answer
    receiver = Receiver(given)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.hear)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class MailServer:
    """A mail server on loopback that speaks as much SMTP as it has to. `replies` replace its answer to a
    command; a reply of None cuts the line off, an empty one says nothing any more."""

    replies: dict[str, str | None] = field(default_factory=dict)
    port: int = 0
    mails: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {
            "EHLO": "250 mail.test",
            "MAIL": "250 ok",
            "RCPT": "250 ok",
            "QUIT": "221 bye",
            "RSET": "250 ok",
        }
        writer.write(b"220 mail.test\r\n")
        while line := (await reader.readline()).decode():
            command = line[:4].upper().strip()
            self.commands.append(line.strip())
            reply = self.replies.get(
                command, usual.get(command, "354 go on" if command == "DATA" else "250 ok")
            )
            if reply is None:
                break
            if reply == "":
                await reader.read()
                break
            writer.write(f"{reply}\r\n".encode())
            if command == "DATA" and reply.startswith("354"):
                told = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(told.decode())
                writer.write(self.replies.get("BODY", "250 taken").encode() + b"\r\n")  # type: ignore[union-attr]
        writer.close()


@asynccontextmanager
async def mail_server(**replies: str | None) -> AsyncIterator[MailServer]:
    """A mail server with replies of its own."""
    made = MailServer(dict(replies))
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
