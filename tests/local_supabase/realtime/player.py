"""Plays a transcript against a server: sends what the clients sent, and compares what comes back."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import websockets

from tests.local_supabase.realtime.comparison import Comparison, Frame, read_frame, read_json
from tests.local_supabase.realtime.service import Service
from tests.local_supabase.realtime.transcript import Transcript, mint
from tests.waiting import until

TOKEN = re.compile(r"<jwt:([^>]*)>")
# How much longer than the real server a busy machine may take for what it listed.
PATIENCE_S = 10.0


class Client:
    """One WebSocket; collects what comes."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self._connection = connection
        self.came: list[Frame] = []
        self.closed: int | None = None
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(websockets.ConnectionClosed):
            while True:
                frame = read_frame(await self._connection.recv())
                self.came.append(frame)
        self.closed = self._connection.close_code

    async def send(self, data: str | bytes) -> None:
        await self._connection.send(data)

    async def close(self) -> None:
        await self._connection.close()
        await self._reader


class Player:
    def __init__(self, transcript: Transcript, service: Service, database_url: str) -> None:
        self._transcript = transcript
        self._service = service
        self._database_url = database_url
        self._secret = service.settings.jwt_secret
        self._comparison = Comparison()
        self._clients: dict[str, Client] = {}

    async def play(self) -> None:
        """Raises AssertionError at the first difference."""
        async with await psycopg.AsyncConnection.connect(self._database_url, autocommit=True) as database:
            self._database = database
            if self._transcript.resets:
                await database.execute("select fixture.reset()")
            try:
                await self._play()
            finally:
                for client in self._clients.values():
                    await client.close()

    async def _play(self) -> None:
        listed: dict[str, list[Frame]] = {}
        closed: dict[str, int] = {}
        steps = self._transcript.steps
        last = max(number for number, step in enumerate(steps) if step["op"] == "settled")
        for number, step in enumerate(steps):
            match step["op"]:
                case "recv":
                    data = step["text"] if "text" in step else bytes.fromhex(step["hex"])
                    listed.setdefault(step["client"], []).append(read_frame(data))
                case "closed":
                    closed[step["client"]] = step["code"]
                case "settled":
                    optional = self._transcript.optional_at_the_end if number == last else []
                    await self._settle(listed, closed, optional, step, is_last=number == last)
                    listed, closed = {}, {}
                case "send":
                    await self._send(step)
                case "open":
                    await self._open(step)
                case "close":
                    await self._clients.pop(step["client"]).close()
                case "sql":
                    await self._sql(step["sql"])
                case "http":
                    await self._http(step)

    async def _settle(
        self,
        listed: dict[str, list[Frame]],
        closed: dict[str, int],
        optional: list[str],
        step: dict[str, Any],
        *,
        is_last: bool,
    ) -> None:
        """Wait for what is listed; where nothing is, as long as the recording, to show that nothing comes."""

        def complete() -> bool:
            return all(
                len(self._clients[name].came) >= len([f for f in frames if f.event not in optional])
                for name, frames in listed.items()
            ) and all(self._clients[name].closed is not None for name in closed)

        def more() -> bool:
            return any(len(client.came) > len(listed.get(name, [])) for name, client in self._clients.items())

        if listed or closed:
            with suppress(TimeoutError):
                await until(complete, PATIENCE_S, every=0.005)
        if is_last or not (listed or closed):
            # At the end there is no next step at which a stray frame would be found.
            quiet_ms = min(step["ms"], 300) if listed else step["ms"]
            with suppress(TimeoutError):
                await until(more, quiet_ms / 1000)
        for name, client in self._clients.items():
            came, client.came = client.came, []
            try:
                self._comparison.window(listed.get(name, []), came, optional)
            except AssertionError as error:
                raise AssertionError(f"at {step['t_ms']} ms, client {name}: {error}") from None
            assert client.closed == closed.get(name, client.closed if client.closed and is_last else None)

    async def _send(self, step: dict[str, Any]) -> None:
        data = self._fill(step["text"]) if "text" in step else bytes.fromhex(step["hex"])
        await self._clients[step["client"]].send(data)

    async def _open(self, step: dict[str, Any]) -> None:
        params = {}
        if step["key"] is not None:
            params["apikey"] = mint(step["key"], self._secret)
        if step["vsn"] is not None:
            params["vsn"] = step["vsn"]
        query = step.get("query", "&".join(f"{name}={value}" for name, value in params.items()))
        headers = {name: self._fill(value) for name, value in step.get("headers", {}).items()}
        expected = step["result"]
        try:
            connection = await websockets.connect(
                f"{self._service.websocket_url}?{query}",
                additional_headers=headers,
                ping_interval=None,
                compression=None,
                max_size=None,
            )
        except websockets.InvalidStatus as refusal:
            answer = refusal.response
        else:
            self._clients[step["client"]] = Client(connection)
            assert expected == {"status": 101}
            return
        assert answer.status_code == expected["status"]
        assert answer.body.decode() == expected["body_text"]

    async def _sql(self, text: str) -> None:
        if text.startswith("set role"):
            # A connection of its own: the role would stay.
            async with await psycopg.AsyncConnection.connect(
                self._database_url, autocommit=True
            ) as connection:
                await connection.execute(text.encode())
        else:
            await self._database.execute(text.encode())

    async def _http(self, step: dict[str, Any]) -> None:
        request, expected = step["request"], step["response"]
        if "body" in request:
            content = json.dumps(request["body"]).encode()
        elif "body_hex" in request:
            content = bytes.fromhex(request["body_hex"])
        else:
            content = request.get("body_text", "").encode()
        async with httpx.AsyncClient() as client:
            response = await client.request(
                request["method"],
                self._service.url + request["path"],
                headers={name: self._fill(value) for name, value in request["headers"].items()},
                content=content,
            )
        assert response.status_code == expected["status"], response.text
        for name, value in expected["headers"].items():
            assert response.headers[name] == value
        if "body" in expected:
            listed = read_json(json.dumps(expected["body"]))
            assert self._comparison.equal(listed, read_json(response.text)), response.text
        else:
            assert response.text == expected["body_text"]

    def _fill(self, text: str) -> str:
        return TOKEN.sub(lambda match: mint(match[1], self._secret), text)
