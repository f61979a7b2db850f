"""What an application does with the unmodified supabase-py, from the first sign-up to the last sign-out."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from supabase import (
    AsyncClient,
    AuthApiError,
    AuthWeakPasswordError,
    ClientOptions,
    FunctionsHttpError,
    PostgrestAPIError,
    create_client,
)

from tests.local_supabase.clients.conftest import PASSWORD, connected
from tests.stacks import Stack
from tests.waiting import until


async def sign_up(client: AsyncClient, email: str) -> str:
    answer = await client.auth.sign_up({"email": email, "password": PASSWORD})
    assert answer.user is not None
    assert answer.session is not None
    return answer.user.id


async def test_a_person_reads_and_writes_what_is_theirs(
    notes: Stack, client: AsyncClient, email: str
) -> None:
    user_id = await sign_up(client, email)
    profiles = await client.table("profiles").select("*").execute()
    assert profiles.data == [{"id": user_id, "email": email}]
    batch: list[dict[str, Any]] = [{"body": "one"}, {"body": "two", "tags": ["x"]}]
    written = await client.table("notes").insert(batch, default_to_null=False).execute()
    assert [(row["body"], row["owner"]) for row in rows(written)] == [("one", user_id), ("two", user_id)]
    assert (await client.rpc("count_notes", {"containing": "o"}).execute()).data == 2

    async with connected(notes) as stranger:
        await sign_up(stranger, f"stranger-{email}")
        assert (await stranger.table("notes").select("*").execute()).data == []
        with pytest.raises(PostgrestAPIError) as refused:
            await stranger.table("notes").insert({"body": "x", "owner": user_id}).execute()
        assert refused.value.code == "42501"


async def test_nobody_anonymous_reads_anything(client: AsyncClient) -> None:
    with pytest.raises(PostgrestAPIError) as refused:
        await client.table("notes").select("*").execute()
    assert refused.value.code == "42501"


def rows(answer: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.data
    return found


async def test_signing_in_again_refreshing_and_signing_out(client: AsyncClient, email: str) -> None:
    user_id = await sign_up(client, email)
    await client.auth.sign_out()
    assert await client.auth.get_session() is None

    signed_in = await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    assert signed_in.session is not None
    refreshed = await client.auth.refresh_session()
    assert refreshed.session is not None
    assert refreshed.session.refresh_token != signed_in.session.refresh_token
    found = await client.auth.get_user()
    assert found is not None
    assert found.user.id == user_id
    claims = await client.auth.get_claims()
    assert claims is not None
    assert claims["claims"]["sub"] == user_id
    await client.table("notes").insert({"body": "after the refresh"}).execute()

    changed = await client.auth.update_user({"data": {"theme": "dark"}})
    assert changed.user.user_metadata["theme"] == "dark"
    await client.auth.sign_out()
    with pytest.raises(PostgrestAPIError):
        await client.table("notes").select("*").execute()


async def test_errors_of_signing_in_are_told_apart(client: AsyncClient, email: str) -> None:
    await sign_up(client, email)
    with pytest.raises(AuthApiError, match="Invalid login credentials") as wrong:
        await client.auth.sign_in_with_password({"email": email, "password": "wrong password"})
    assert (wrong.value.code, wrong.value.status) == ("invalid_credentials", 400)
    with pytest.raises(AuthApiError) as taken:
        await client.auth.sign_up({"email": email, "password": PASSWORD})
    assert taken.value.code == "user_already_exists"
    with pytest.raises(AuthWeakPasswordError) as weak:
        await client.auth.sign_up({"email": f"new-{email}", "password": "short"})
    assert weak.value.reasons == ["length"]


async def test_an_expired_token_is_refused_by_every_service(notes: Stack, client: AsyncClient) -> None:
    keys = notes.settings.keys
    # The REST server allows for clocks that differ by half a minute.
    expired = keys.sign({"sub": str(uuid4()), "role": "authenticated", "exp": int(time.time()) - 60})
    client.postgrest.auth(expired)
    with pytest.raises(PostgrestAPIError, match="JWT expired"):
        await client.table("notes").select("*").execute()
    client.functions.set_auth(expired)
    with pytest.raises(FunctionsHttpError) as refused:
        await client.functions.invoke("whoami")
    assert refused.value.status == 401
    with pytest.raises(AuthApiError, match="token is expired"):
        await client.auth.get_user(expired)


async def test_a_server_manages_accounts_and_sees_everything(
    service: AsyncClient, client: AsyncClient, email: str
) -> None:
    made = await service.auth.admin.create_user(
        {
            "email": email,
            "password": PASSWORD,
            "email_confirm": True,
            "app_metadata": {"tier": "pro"},
            "user_metadata": {"name": "Ada"},
        }
    )
    user_id = made.user.id
    await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    await client.table("notes").insert({"body": "seen by the server"}).execute()
    seen = await service.table("notes").select("body", count="exact").eq("owner", user_id).execute()  # type: ignore[arg-type]
    assert (seen.data, seen.count) == ([{"body": "seen by the server"}], 1)

    assert user_id in {user.id for user in await service.auth.admin.list_users(per_page=1000)}
    await service.auth.admin.update_user_by_id(user_id, {"app_metadata": {"tier": "elite"}})
    found = await service.auth.admin.get_user_by_id(user_id)
    assert (found.user.app_metadata["tier"], found.user.user_metadata["name"]) == ("elite", "Ada")
    await service.auth.admin.delete_user(user_id)
    left = await service.table("notes").select("id").eq("owner", user_id).execute()
    assert left.data == []
    with pytest.raises(AuthApiError) as refused:
        await client.auth.admin.list_users()
    assert refused.value.code == "not_admin"


async def test_a_function_knows_its_caller(client: AsyncClient, email: str) -> None:
    assert await invoke(client, {"body": {"a": 1}}) == {"role": "anon", "sub": None, "sent": {"a": 1}}
    user_id = await sign_up(client, email)
    assert await invoke(client, {"body": {}}) == {"role": "authenticated", "sub": user_id, "sent": {}}
    with pytest.raises(FunctionsHttpError, match="as asked"):
        await client.functions.invoke("whoami", {"body": {"fail": True}})
    with pytest.raises(FunctionsHttpError) as missing:
        await client.functions.invoke("nobody")
    assert missing.value.status == 404


async def invoke(client: AsyncClient, options: dict[str, Any]) -> Any:
    return await client.functions.invoke("whoami", options | {"responseType": "json"})


def private(own: bool = False) -> Any:
    """The options of a private channel, with or without what one sends oneself."""
    return {"config": {"private": True, "broadcast": {"self": own, "ack": False}}}


async def test_a_person_hears_of_their_notes(client: AsyncClient, email: str) -> None:
    user_id = await sign_up(client, email)
    heard: list[Any] = []
    states: list[str] = []
    channel = client.channel(f"user:{user_id}", private(own=True))
    channel.on_broadcast("note", heard.append)
    channel.on_broadcast("own", heard.append)
    await channel.subscribe(lambda state, _: states.append(str(state.value)))
    await until(lambda: "SUBSCRIBED" in states)

    await client.table("notes").insert({"body": "listen"}).execute()
    await until(lambda: [each["payload"]["body"] for each in heard if each["event"] == "note"] == ["listen"])
    await channel.send_broadcast("own", {"said": "by itself"})
    await until(
        lambda: [each["payload"] for each in heard if each["event"] == "own"] == [{"said": "by itself"}]
    )


async def test_a_stranger_does_not_hear_them(notes: Stack, client: AsyncClient, email: str) -> None:
    user_id = await sign_up(client, email)
    async with connected(notes) as stranger:
        await sign_up(stranger, f"stranger-{email}")
        states: list[str] = []
        channel = stranger.channel(f"user:{user_id}", private())
        await channel.subscribe(lambda state, _: states.append(str(state.value)))
        await until(lambda: "CHANNEL_ERROR" in states)


async def test_machines_use_a_token_of_their_own_as_the_key(notes: Stack) -> None:
    token = notes.token("authenticated", "00000000-0000-4000-8000-00000000abcd")
    async with connected(notes, token) as client:
        assert (await client.table("notes").select("*").execute()).data == []


async def test_many_clients_at_once(notes: Stack, email: str) -> None:
    async def journey(number: int) -> int:
        async with connected(notes) as client:
            await sign_up(client, f"{number}-{email}")
            await client.table("notes").insert([{"body": str(each)} for each in range(number)]).execute()
            count = (await client.rpc("count_notes").execute()).data
            await client.auth.sign_out()
            assert isinstance(count, int)
            return count

    assert await asyncio.gather(*(journey(number) for number in range(1, 9))) == list(range(1, 9))


def test_the_synchronous_client(notes: Stack, email: str) -> None:
    with httpx.Client() as http:
        options = ClientOptions(httpx_client=http)
        client = create_client(notes.url, notes.publishable_key, options)
        user = client.auth.sign_up({"email": email, "password": PASSWORD}).user
        assert user is not None
        client.table("notes").insert({"body": "sync"}).execute()
        assert client.table("notes").select("body").execute().data == [{"body": "sync"}]
        assert client.rpc("count_notes").execute().data == 1
        called: Any = client.functions.invoke("whoami", {"body": {}, "responseType": "json"})
        assert called["sub"] == user.id
        assert client.auth.refresh_session().session is not None
        assert client.table("notes").update({"body": "changed"}).eq("owner", user.id).execute().data
        client.auth.sign_out()
        with pytest.raises(AuthApiError, match="Invalid login credentials"):
            client.auth.sign_in_with_password({"email": email, "password": "wrong password"})

        service = create_client(notes.url, notes.secret_key, ClientOptions(httpx_client=http))
        assert service.auth.admin.get_user_by_id(user.id).user.email == email
        service.auth.admin.delete_user(user.id)
