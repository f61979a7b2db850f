"""The unmodified supabase-py client, through the gateway's prefix and keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from postgrest import CountMethod
from postgrest.exceptions import APIError
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from scripts.local_supabase.gateway.app import create_app as create_gateway
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.rest.app import create_app
from scripts.local_supabase.rest.settings import RestSettings
from scripts.local_supabase.settings import Settings
from tests.local_supabase.rest.conftest import Rest
from tests.local_supabase.serving import echo, serving


@pytest.fixture
async def client(rest: Rest, tmp_path: Path) -> AsyncIterator[AsyncClient]:
    await rest.admin.execute("truncate gauges restart identity cascade")
    settings = Settings(root=tmp_path).at_port(free_ports())
    gateway = create_gateway(settings, rest=create_app(rest.settings), auth=echo)
    async with serving(gateway, settings.api_port), httpx.AsyncClient() as http:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        yield await acreate_client(settings.url, settings.keys.publishable, options)


def _rows(answer: Any) -> list[dict[str, Any]]:
    """The rows of an answer, whose type the client cannot know."""
    return list(answer.data)


def _object(answer: Any) -> dict[str, Any]:
    return dict(answer.data)


async def test_rows_go_in_change_and_leave(client: AsyncClient) -> None:
    gauges = client.table("gauges")
    made = await gauges.insert([{"name": "a", "level": "1.50"}, {"name": "b"}]).execute()
    assert [row["id"] for row in _rows(made)] == [1, 2]
    changed = await client.table("gauges").update({"level": 7}).eq("name", "b").execute()
    assert changed.data == [{"id": 2, "name": "b", "level": 7}]
    merged = await client.table("gauges").upsert({"id": 2, "name": "c", "level": 8}).execute()
    assert _rows(merged)[0]["name"] == "c"
    removed = await client.table("gauges").delete().eq("id", 1).execute()
    assert [row["name"] for row in _rows(removed)] == ["a"]


async def test_rows_are_found(client: AsyncClient) -> None:
    await client.table("gauges").insert([{"name": f"g{n}", "level": n} for n in range(10)]).execute()
    page = (
        await client.table("gauges")
        .select("name", count=CountMethod.exact)
        .gte("level", 2)
        .order("level")
        .range(1, 2)
        .execute()
    )
    assert ([row["name"] for row in _rows(page)], page.count) == (["g3", "g4"], 8)
    either = await client.table("gauges").select("name").or_("name.eq.g1,level.gt.8").order("name").execute()
    assert [row["name"] for row in _rows(either)] == ["g1", "g9"]
    one = await client.table("gauges").select("*").eq("name", "g5").single().execute()
    assert _object(one)["level"] == 5
    none = await client.table("gauges").select("*").eq("name", "nobody").maybe_single().execute()
    assert none is None
    table = await client.table("gauges").select("name,level").lt("level", 2).order("id").csv().execute()
    assert table.data == "name,level\ng0,0.00\ng1,1.00"


async def test_functions_are_called(client: AsyncClient) -> None:
    assert (await client.rpc("echo", {"words": "hé"}).execute()).data == "hé"
    assert (await client.rpc("add_all", {"numbers": [1, 2]}).execute()).data == 3
    assert _object(await client.rpc("who", {}, get=True).execute())["role"] == "anon"


async def test_errors_carry_what_the_database_said(client: AsyncClient) -> None:
    with pytest.raises(APIError) as refused:
        await client.table("machines_only").select("*").execute()
    assert refused.value.code == "42501"
    with pytest.raises(APIError) as unknown:
        await client.rpc("ecko", {}).execute()
    assert (unknown.value.code, unknown.value.hint) == (
        "PGRST202",
        "Perhaps you meant to call the function public.echo",
    )
    with pytest.raises(APIError) as invalid:
        await client.table("gauges").insert({"level": 1}).execute()
    assert invalid.value.code == "23502"


async def test_a_stack_refuses_to_write_every_row_by_mistake(rest: Rest, tmp_path: Path) -> None:
    """As a hosted project does: an update or delete that forgot its filter changes nothing."""
    await rest.admin.execute("truncate gauges restart identity cascade")
    settings = Settings(root=tmp_path).at_port(free_ports())
    careful = replace(rest.settings, safe_update=RestSettings.of_stack(settings).safe_update)
    gateway = create_gateway(settings, rest=create_app(careful), auth=echo)
    async with serving(gateway, settings.api_port), httpx.AsyncClient() as http:
        options = AsyncClientOptions(auto_refresh_token=False, persist_session=False, httpx_client=http)
        client = await acreate_client(settings.url, settings.keys.publishable, options)
        await client.table("gauges").insert([{"name": "a"}, {"name": "b"}]).execute()
        for statement, forgetful in (
            ("UPDATE", client.table("gauges").update({"name": "x"})),
            ("DELETE", client.table("gauges").delete()),
        ):
            with pytest.raises(APIError) as refused:
                await forgetful.execute()
            assert refused.value.code == "21000"
            assert refused.value.message == f"{statement} requires a WHERE clause"
        kept = await client.table("gauges").select("name").order("id").execute()
        assert kept.data == [{"name": "a"}, {"name": "b"}]
