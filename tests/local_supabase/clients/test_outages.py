"""What clients see when a service of a whole stack is killed: a clear answer at once, and service again."""

from __future__ import annotations

import os
import signal

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from scripts.local_supabase.processes import Process
from tests.stacks import Stack
from tests.waiting import until


def kill(notes: Stack, name: str) -> None:
    process = Process.read(notes.settings.pids / f"{name}.json")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)


async def test_a_killed_realtime_server_closes_its_sockets_and_takes_new_ones(notes: Stack) -> None:
    url = f"{notes.url.replace('http', 'ws')}/realtime/v1/websocket?apikey={notes.publishable_key}&vsn=1.0.0"

    async def opens() -> bool:
        try:
            await (await connect(url, proxy=None)).close()
        except InvalidStatus as refused:
            if refused.response.status_code != 503:
                raise
            return False
        return True

    async with connect(url, proxy=None) as socket:
        kill(notes, "realtime")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1011
    await until(opens)


async def test_a_killed_functions_server_answers_again(notes: Stack) -> None:
    async with httpx.AsyncClient(base_url=notes.url, trust_env=False) as http:

        async def answers() -> bool:
            answer = await http.get("/functions/v1/whoami", headers={"apikey": notes.publishable_key})
            assert answer.status_code in (200, 502, 503)
            return answer.status_code == 200

        await until(answers)
        kill(notes, "functions")
        await until(answers)


async def test_a_killed_gateway_answers_again(notes: Stack) -> None:
    async with httpx.AsyncClient(base_url=notes.url, trust_env=False) as http:

        async def answers() -> bool:
            try:
                answer = await http.get("/auth/v1/health", headers={"apikey": notes.publishable_key})
            except httpx.TransportError:
                return False
            return answer.status_code == 200

        assert await answers()
        kill(notes, "api")
        await until(answers)


async def test_sign_ins_work_again_after_the_database_was_killed(notes: Stack, email: str) -> None:
    async with httpx.AsyncClient(base_url=notes.url, trust_env=False) as http:

        async def sign_in_is_judged() -> bool:
            answer = await http.post(
                "/auth/v1/token?grant_type=password",
                json={"email": email, "password": "wrong password"},
                headers={"apikey": notes.publishable_key},
                timeout=30,
            )
            assert answer.status_code in (400, 503), answer.text
            return answer.status_code == 400

        assert await sign_in_is_judged()
        kill(notes, "postgres")
        await until(sign_in_is_judged, 60)
