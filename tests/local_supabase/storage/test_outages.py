"""While the database is away the storage server says so, keeps nothing, and serves again when it is back."""

from __future__ import annotations

from pathlib import Path

import httpx

from scripts.local_supabase.gateway.app import create_app
from tests.clusters import bare_cluster
from tests.local_supabase.serving import echo, serving
from tests.local_supabase.storage.conftest import Storage
from tests.waiting import until


async def test_an_outage_of_the_database_is_told_and_over_when_it_is(state_folder: Path) -> None:
    database = bare_cluster(state_folder / "storage-outage")
    settings = database.settings
    async with (
        serving(create_app(settings, rest=echo, auth=echo), settings.api_port),
        httpx.AsyncClient(trust_env=False, timeout=60) as http,
    ):
        storage = Storage(settings, http)
        with database.running():
            await storage.service.create_bucket("b")
            await storage.service.from_("b").upload("a", b"kept")
        for method, path in (("GET", "object/b/a"), ("POST", "object/b/new"), ("POST", "object/list/b")):
            answer = await storage.send(method, path, content=b"{}" if method == "POST" else None)
            assert (answer.status_code, answer.json()["statusCode"]) == (503, "503")
            assert "database cannot be reached" in answer.json()["message"]
        assert storage.bytes_on_disk() == [4]
        with database.running():

            async def answers() -> bool:
                return (await storage.send("GET", "object/b/a")).status_code == 200

            await until(answers)
            assert await storage.service.from_("b").download("a") == b"kept"
