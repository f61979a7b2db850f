"""A client that goes away in the middle of an export stops it: nobody reads pages for nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from scripts.local_supabase import functions
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.functions.fake_project import listening, send
from tests.waiting import until

PROJECT = Path(__file__).parents[2]


async def test_an_export_stops_when_its_client_leaves(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, project=PROJECT).at_port(free_ports())
    held, left = asyncio.Event(), asyncio.Event()

    async def answer(
        path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if path.endswith("/count_signals"):
            await send(writer, b"1000000")
        elif json.loads(body)["before"] is None:
            await send(writer, json.dumps([{"body": "a\r\n", "signals": 1, "next": "1"}]).encode())
        else:
            # The second page takes for ever, unless whoever asked for it gives up.
            held.set()
            await reader.read()
            left.set()

    process = await asyncio.create_subprocess_exec(
        *functions.command(settings), env=functions.environment(settings), stdout=asyncio.subprocess.DEVNULL
    )
    token = settings.keys.token("authenticated", "00000000-0000-4000-8000-000000000001")
    headers = {"authorization": f"Bearer {token}"}
    try:
        async with (
            listening(answer, settings.api_port),
            httpx.AsyncClient(base_url=settings.functions_url, trust_env=False, timeout=60) as http,
        ):
            await until(lambda: _answers(http))
            query = {"columns": "symbol"}
            async with http.stream("GET", "/export-signals", params=query, headers=headers) as response:
                assert response.headers["x-total-count"] == "1000000"
                async for text in response.aiter_text():
                    if "a" in text:
                        break
                await asyncio.wait_for(held.wait(), 30)
                assert not left.is_set()
            # Sooner than the function's own patience with the database would end.
            await asyncio.wait_for(left.wait(), 15)
    finally:
        process.terminate()
        await process.wait()


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/_internal/health")).is_success
    except httpx.ConnectError:
        return False
