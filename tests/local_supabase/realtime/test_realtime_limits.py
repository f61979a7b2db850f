"""What the server does not put up with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import websockets

from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.realtime import partitions
from tests.local_supabase.realtime.player import Client
from tests.local_supabase.realtime.service import FAST, Database, Service
from tests.local_supabase.realtime.subscriber import USER_1
from tests.local_supabase.realtime.transcript import mint
from tests.waiting import until

ONE_CHANNEL: dict[str, Any] = {"config": {"broadcast": {"ack": True, "self": True}}}
PRIVATE: dict[str, Any] = {"config": {"private": True}}


@asynccontextmanager
async def serving(database: Database, root: Path, **options: str) -> AsyncIterator[Service]:
    """Another server on the same database, with these options."""
    settings = replace(database.settings, root=root, realtime_port=free_ports(1))
    settings.save()
    service = Service(settings, FAST | {"SLOT_SUFFIX": root.name} | options)
    await service.start()
    try:
        yield service
    finally:
        service.stop()


@asynccontextmanager
async def connected(service: Service, who: str = "anon") -> AsyncIterator[Client]:
    token = mint(who, service.settings.jwt_secret)
    connection = await websockets.connect(
        f"{service.websocket_url}?apikey={token}&vsn=2.0.0", compression=None, ping_interval=None
    )
    client = Client(connection)
    try:
        yield client
    finally:
        await client.close()


async def send(client: Client, *fields: Any) -> None:
    await client.send(json.dumps(fields))


async def join(client: Client, topic: str, payload: Any = ONE_CHANNEL) -> Any:
    """The answer to a join whose ref is the topic."""
    await send(client, topic, topic, f"realtime:{topic}", "phx_join", payload)
    answers = await until(lambda: [each.fields[4] for each in client.came if _answers(each.fields, topic)])
    return answers[0]["response"]


def _answers(fields: Any, ref: str) -> bool:
    return isinstance(fields, list) and fields[1] == ref


def told(client: Client, event: str) -> list[Any]:
    """Payloads of the text frames of this event."""
    return [each.fields[4] for each in client.came if each.event == event and isinstance(each.fields, list)]


async def test_a_client_has_only_so_many_channels(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "channels", MAX_CHANNELS_PER_CLIENT="2") as service,
        connected(service) as client,
    ):
        for topic in ("one", "two"):
            assert await join(client, topic) == {"postgres_changes": []}
        # To join a topic again takes the place of the channel that is there.
        await send(client, "again", "again", "realtime:two", "phx_join", ONE_CHANNEL)
        await until(lambda: told(client, "phx_close"))
        refused = await join(client, "three")
        assert refused == {"reason": "ChannelRateLimitReached: Too many channels"}


async def test_only_so_many_clients_are_let_in(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "users", MAX_CONCURRENT_USERS="1") as service,
        connected(service) as client,
    ):
        assert await join(client, "alone")
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with connected(service):
                pass
        assert refusal.value.response.status_code == 429
        assert json.loads(refusal.value.response.body) == {"error": "Too many connected users"}


async def test_an_idle_client_is_disconnected(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "idle", IDLE_TIMEOUT_S="0.2") as service,
        connected(service) as client,
    ):
        await until(lambda: client.closed == 1000)


async def test_a_client_without_channels_is_disconnected(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "channelless", NO_CHANNEL_TIMEOUT_S="0.2") as service,
        connected(service) as client,
        connected(service) as member,
    ):
        await join(member, "wanted")
        await until(lambda: client.closed == 1001)
        assert member.closed is None


async def test_a_large_payload_is_refused(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "payload", MAX_PAYLOAD_KB="1") as service,
        connected(service) as client,
    ):
        await join(client, "large")
        payload = {"type": "broadcast", "event": "e", "payload": {"text": "x" * 2000}}
        await send(client, "large", "2", "realtime:large", "broadcast", payload)
        await until(
            lambda: {"status": "error", "response": "payload_size_exceeded"} in told(client, "phx_reply")
        )
        assert not told(client, "broadcast")
        async with httpx.AsyncClient() as http:
            answer = await http.post(
                f"{service.url}/api/broadcast",
                headers={"apikey": mint("anon", service.settings.jwt_secret)},
                json={"messages": [{"topic": "large", "event": "e", "payload": {"text": "x" * 2000}}]},
            )
        assert answer.status_code == 422
        assert answer.json() == {"errors": {"messages": [{"payload": ["Payload size exceeds tenant limit"]}]}}


async def test_too_many_messages_end_the_channel(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "rate", MAX_EVENTS_PER_SECOND="1") as service,
        connected(service) as client,
    ):
        await join(client, "busy")

        async def ended() -> bool:
            payload = {"type": "broadcast", "event": "e", "payload": {}}
            await send(client, "busy", "2", "realtime:busy", "broadcast", payload)
            return bool(told(client, "phx_close"))

        await until(ended)
        assert told(client, "system")[0]["message"] == "Too many messages per second"


async def test_too_many_joins_disconnect_the_client(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "joins", MAX_JOINS_PER_SECOND="1") as service,
        connected(service) as client,
    ):

        async def ended() -> bool:
            with suppress(websockets.ConnectionClosed):
                await send(client, "1", "1", "realtime:again", "phx_join", ONE_CHANNEL)
            return client.closed == 1001

        await until(ended)
        refusals = [reply["response"] for reply in told(client, "phx_reply") if reply["status"] == "error"]
        assert refusals[0] == {"reason": "ClientJoinRateLimitReached: Too many joins per second"}


async def test_a_frame_that_is_too_large_ends_the_socket(service: Service) -> None:
    async with connected(service) as client, connected(service) as other:
        with suppress(websockets.ConnectionClosed):
            await client.send("x" * 5_000_001)
        await until(lambda: client.closed == 1009)
        assert await join(other, "unharmed") == {"postgres_changes": []}


async def test_a_client_that_does_not_read_is_cut_off(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "slow", MAX_UNREAD_BYTES="1000000") as service,
        connected(service) as speaker,
        connected(service) as reader,
    ):
        token = mint("anon", service.settings.jwt_secret)
        deaf = await websockets.connect(
            f"{service.websocket_url}?apikey={token}&vsn=2.0.0", compression=None, max_queue=1
        )
        await deaf.send(json.dumps(["1", "1", "realtime:loud", "phx_join", {"config": {}}]))
        await deaf.recv()
        for each in (speaker, reader):
            await join(each, "loud")
        payload = {"type": "broadcast", "event": "e", "payload": {"text": "x" * 500_000}}

        async def cut_off() -> bool:
            await send(speaker, "loud", "2", "realtime:loud", "broadcast", payload)
            return "cut off" in service.log

        await until(cut_off)
        before = len(told(reader, "broadcast"))
        await send(speaker, "loud", "3", "realtime:loud", "broadcast", payload)
        await until(lambda: len(told(reader, "broadcast")) > before)
        deaf.transport.abort()


async def test_a_private_project_has_no_public_channels(realtime_database: Database, tmp_path: Path) -> None:
    async with (
        serving(realtime_database, tmp_path / "private", PRIVATE_ONLY="true") as service,
        connected(service, USER_1) as client,
    ):
        refused = await join(client, "public")
        assert refused == {"reason": "PrivateOnly: This project only allows private channels"}
        assert await join(client, "room:private", PRIVATE) == {"postgres_changes": []}


async def test_a_join_without_a_database_is_refused(realtime_database: Database, tmp_path: Path) -> None:
    async with serving(
        realtime_database, tmp_path / "unreachable", DATABASE_WAIT_S="0.2", STREAM_WAIT_S="0.2"
    ) as service:
        realtime_database.stop()
        try:
            async with connected(service, USER_1) as client:
                refused = await join(client, "room:gone", PRIVATE)
                assert refused == {
                    "reason": "UnableToConnectToProject:"
                    " Realtime was unable to connect to the project database"
                }
        finally:
            realtime_database.start()


async def test_a_missing_partition_is_named_and_made(service: Service, realtime_database: Database) -> None:
    now = datetime.now(UTC)
    async with await psycopg.AsyncConnection.connect(
        realtime_database.admin_url, autocommit=True
    ) as connection:
        await connection.execute(f"drop table realtime.{partitions.name_of(now.date())}".encode())
        async with connected(service, USER_1) as client:
            refused = await join(client, "room:partition", PRIVATE)
            assert refused == {
                "reason": "MissingPartition: Realtime was unable to find the expected messages partition"
            }
            await partitions.tidy(connection, now, kept_h=72)
            assert await join(client, "room:made", PRIVATE) == {"postgres_changes": []}
            await connection.execute("select realtime.send('{}', 'made', 'room:made')")
            await until(lambda: "broadcast" in [frame.event for frame in client.came])


async def test_a_long_transaction_holds_up_the_stream_but_no_join(
    realtime_database: Database, tmp_path: Path
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(realtime_database.admin_url) as writer,
        await psycopg.AsyncConnection.connect(realtime_database.admin_url, autocommit=True) as sender,
    ):
        await writer.execute("insert into public.items (title) values ('long')")
        async with (
            serving(realtime_database, tmp_path / "held", STREAM_WAIT_S="0.1") as service,
            connected(service, USER_1) as client,
        ):
            assert await join(client, "room:held", PRIVATE) == {"postgres_changes": []}
            await sender.execute("select realtime.send('{}', 'unheard', 'room:held')")
            await writer.rollback()
            # Something was missed: the client is told to join again, and from then on hears everything.
            await until(lambda: told(client, "phx_error") == [{"reason": "channel_crash"}])
            await send(client, "2", "2", "realtime:room:held", "phx_join", PRIVATE)
            await until(lambda: len(told(client, "phx_reply")) == 2)
            await sender.execute("select realtime.send('{}', 'heard', 'room:held')")
            await until(lambda: "broadcast" in [frame.event for frame in client.came])
