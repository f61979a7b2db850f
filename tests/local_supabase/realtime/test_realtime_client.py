"""What the client of supabase-py sees."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.local_supabase.realtime.service import Database, Service
from tests.local_supabase.realtime.subscriber import USER_1, USER_2, subscriber
from tests.local_supabase.realtime.transcript import mint
from tests.waiting import until

# The client asks a closed connection for its code in a way that websockets deprecates; as an error, that
# would end its listener.
pytestmark = pytest.mark.filterwarnings("ignore:ConnectionClosed:DeprecationWarning")


@pytest.fixture
async def sql(realtime_database: Database) -> Any:
    """Runs a statement as the superuser, on empty tables."""
    async with await psycopg.AsyncConnection.connect(
        realtime_database.admin_url, autocommit=True
    ) as connection:
        await connection.execute("select fixture.reset()")
        yield connection.execute


async def test_a_private_channel_hears_what_the_database_sends(service: Service, sql: Any) -> None:
    async with subscriber(service, USER_1, "room:client") as member:
        await member.subscribe()
        assert member.statuses == ["SUBSCRIBED"]
        await sql("""select realtime.send('{"price": 1.50}', 'tick', 'room:client')""")
        await until(lambda: member.broadcasts)
        (broadcast,) = member.broadcasts
        assert broadcast["event"] == "tick"
        assert broadcast["payload"]["price"] == 1.5
        assert broadcast["payload"]["id"] == broadcast["meta"]["id"]


async def test_a_private_channel_is_closed_to_strangers(service: Service, sql: Any) -> None:
    async with subscriber(service, "anon", "room:client") as stranger:
        await stranger.subscribe()
        assert stranger.statuses == ["CHANNEL_ERROR"]
        assert json.loads(stranger.errors[0])["reason"] == (
            "Unauthorized: You do not have permissions to read from this Channel topic: room:client"
        )


async def test_changes_are_told_to_those_who_may_read_the_row(service: Service, sql: Any) -> None:
    async with (
        subscriber(service, USER_1, "first", private=False) as first,
        subscriber(service, USER_2, "second", private=False) as second,
    ):
        for member in (first, second):
            member.on_changes("private_items")
            await member.subscribe()
            await member.subscribed_to_changes()
        await sql(
            "insert into public.private_items (owner, title) values"
            " ('11111111-1111-1111-1111-111111111111', 'mine'),"
            " ('22222222-2222-2222-2222-222222222222', 'yours')"
        )
        await until(lambda: first.changes and second.changes)
        assert [change["data"]["record"]["title"] for change in first.changes] == ["mine"]
        assert [change["data"]["record"]["title"] for change in second.changes] == ["yours"]


async def test_changes_are_filtered(service: Service, sql: Any) -> None:
    async with subscriber(service, "anon", "filtered", private=False) as member:
        member.on_changes("items", filter="qty=gt.5,title=in.(a,b)")
        await member.subscribe()
        await member.subscribed_to_changes()
        await sql("insert into public.items (title, qty) values ('a', 5), ('c', 6), ('b', 7)")
        await until(lambda: member.changes)
        assert [change["data"]["record"]["title"] for change in member.changes] == ["b"]


async def test_clients_hear_each_other_by_socket_and_by_http(service: Service) -> None:
    async with (
        subscriber(service, "anon", "talk", private=False) as speaker,
        subscriber(service, "anon", "talk", private=False) as listener,
    ):
        for member in (speaker, listener):
            await member.subscribe()
        await speaker.channel.send_broadcast("said", {"word": "hello"})
        await until(lambda: listener.events == ["said"])
        await speaker.channel.http_send("posted", {"word": "hello"})
        await until(lambda: listener.events == ["said", "posted"])
        # What one says is not sent back to oneself; what comes by HTTP reaches everyone, in no set order.
        await until(lambda: speaker.events)
        assert speaker.events == ["posted"]


async def test_presence_is_seen_by_others(service: Service) -> None:
    async with (
        subscriber(service, "anon", "present", private=False) as one,
        subscriber(service, "anon", "present", private=False) as other,
    ):
        other.channel.on_presence_sync(lambda: None)
        for member in (one, other):
            await member.subscribe()
        await one.channel.track({"mood": "awake"})
        await until(other.channel.presence_state)
        (metas,) = other.channel.presence_state().values()
        assert "'mood': 'awake'" in str(metas)
        await one.client.close()
        await until(lambda: not other.channel.presence_state())


async def test_a_channel_ends_with_its_token(service: Service) -> None:
    async with subscriber(service, f"{USER_1},exp=2", "room:short") as member:
        await member.subscribe()
        await until(lambda: "CLOSED" in member.statuses)
        assert "Token has expired" in member.errors[0]
        assert member.channel.is_closed


async def test_a_renewed_token_keeps_the_channel(service: Service, sql: Any) -> None:
    async with subscriber(service, f"{USER_1},exp=2", "room:renewed") as member:
        await member.subscribe()
        await member.client.set_auth(mint(USER_1, service.settings.jwt_secret))
        async with subscriber(service, f"{USER_1},exp=2", "room:doomed") as doomed:
            await doomed.subscribe()
            await until(lambda: "CLOSED" in doomed.statuses)
        await sql("select realtime.send('{}', 'still', 'room:renewed')")
        await until(lambda: member.events == ["still"])
        assert member.statuses == ["SUBSCRIBED"]


async def test_a_killed_server_is_found_again(service: Service, sql: Any) -> None:
    async with subscriber(service, USER_1, "room:again") as member:
        member.on_changes("private_items")
        await member.subscribe()
        await member.subscribed_to_changes()
        service.kill()
        await service.start()
        await until(lambda: member.subscribed == 2)
        # Joined means heard: the server answers a join only when it follows the database.
        await sql("select realtime.send('{}', 'back', 'room:again')")
        await until(lambda: member.events == ["back"])
        await member.subscribed_to_changes(2)
        await sql("insert into public.private_items (owner) values ('11111111-1111-1111-1111-111111111111')")
        await until(lambda: len(member.changes) == 1)


async def test_a_stopped_server_says_that_it_comes_back(service: Service) -> None:
    async with subscriber(service, USER_1, "room:restart") as member:
        await member.subscribe()
        service.stop()
        await service.start()
        await until(lambda: member.subscribed == 2)


async def test_clients_join_again_when_the_database_is_back(
    service: Service, realtime_database: Database
) -> None:
    async with (
        subscriber(service, USER_1, "room:restarted") as member,
        subscriber(service, "anon", "restarted", private=False) as speaker,
        subscriber(service, "anon", "restarted", private=False) as listener,
    ):
        member.on_changes("private_items")
        for each in (member, speaker, listener):
            await each.subscribe()
        await member.subscribed_to_changes()
        realtime_database.stop()
        # Who is there needs no database to talk to each other.
        await speaker.channel.send_broadcast("meanwhile", {})
        await until(lambda: listener.events == ["meanwhile"])
        realtime_database.start()
        await until(lambda: member.subscribed == listener.subscribed == 2)
        await member.subscribed_to_changes(2)
        async with await psycopg.AsyncConnection.connect(
            realtime_database.admin_url, autocommit=True
        ) as connection:
            await connection.execute("select realtime.send('{}', 'back', 'room:restarted')")
            await until(lambda: member.events == ["back"])
            await connection.execute(
                "insert into public.private_items (owner) values ('11111111-1111-1111-1111-111111111111')"
            )
            await until(lambda: len(member.changes) == 1)


TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"


async def test_a_lost_message_stream_makes_clients_join_again(service: Service, sql: Any) -> None:
    async with subscriber(service, USER_1, "room:stream") as member:
        await member.subscribe()
        await sql(TERMINATE, ["realtime_replication_connection"])
        await until(lambda: member.subscribed == 2)
        assert "channel_crash" in member.errors[0]
        await sql("select realtime.send('{}', 'back', 'room:stream')")
        await until(lambda: member.events == ["back"])


async def test_a_lost_poller_is_made_up_for_by_the_server(service: Service, sql: Any) -> None:
    async with subscriber(service, "anon", "poller", private=False) as member:
        member.on_changes("items")
        await member.subscribe()
        await member.subscribed_to_changes()
        await sql(TERMINATE, ["realtime_rls"])
        await member.subscribed_to_changes(2)
        await sql("insert into public.items (title) values ('after')")
        await until(lambda: member.changes)
        assert member.subscribed == 1
