"""A Realtime server small enough to misbehave on command: it speaks the text protocol of the real one."""

from __future__ import annotations

import json
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve


class Phoenix:
    """Answers joins and heartbeats on a port of its own until told otherwise."""

    def __init__(self) -> None:
        self.port = 0
        self.joins: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.heartbeats = 0
        self.deaf = False
        self.refusal: str | None = None
        self.sockets: set[ServerConnection] = set()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await serve(self._serve, "127.0.0.1", self.port)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def broadcast(self, topic: str, event: str, payload: dict[str, Any]) -> None:
        body = {"event": event, "payload": payload, "type": "broadcast"}
        await self._push(topic, "broadcast", body)

    async def announce_replication(self, topic: str) -> None:
        body = {"extension": "system", "status": "ok", "message": "Replication connection established"}
        await self._push(topic, "system", {**body, "channel": topic})

    async def _push(self, topic: str, event: str, payload: dict[str, Any]) -> None:
        frame = {"topic": f"realtime:{topic}", "event": event, "payload": payload, "ref": None}
        for socket in list(self.sockets):
            await socket.send(json.dumps(frame))

    async def _serve(self, socket: ServerConnection) -> None:
        self.sockets.add(socket)
        try:
            async for raw in socket:
                if not self.deaf:
                    await self._answer(socket, json.loads(raw))
        finally:
            self.sockets.discard(socket)

    async def _answer(self, socket: ServerConnection, frame: dict[str, Any]) -> None:
        event, body = frame["event"], {"status": "ok", "response": {}}
        if event == "phx_join":
            self.joins.append(frame["payload"])
            body["response"] = {"postgres_changes": []}
            if self.refusal is not None:
                body = {"status": "error", "response": {"reason": self.refusal}}
        elif event == "heartbeat":
            self.heartbeats += 1
        elif event == "access_token":
            self.tokens.append(frame["payload"]["access_token"])
            return
        reply = {"topic": frame["topic"], "event": "phx_reply", "payload": body, "ref": frame["ref"]}
        await socket.send(json.dumps(reply))
