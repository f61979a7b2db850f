"""The realtime schema of the database, as a project uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.local_supabase.realtime.service import Database

USER = "11111111-1111-1111-1111-111111111111"


@pytest.fixture
def admin(realtime_database: Database) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(realtime_database.admin_url) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def owner(realtime_database: Database) -> Iterator[psycopg.Connection[Any]]:
    """As postgres, who is not a superuser."""
    with psycopg.connect(realtime_database.settings.db_url) as connection:
        yield connection
        connection.rollback()


def become(connection: psycopg.Connection[Any], role: str, sub: str = "") -> None:
    connection.execute("select set_config('role', %s, true)", [role])
    claims = json.dumps({"role": role, "sub": sub})
    connection.execute("select set_config('request.jwt.claims', %s, true)", [claims])


def sent(connection: psycopg.Connection[Any]) -> list[Any]:
    connection.execute("reset role")
    return connection.execute("select topic, event, payload, private from realtime.messages").fetchall()


def notices(connection: psycopg.Connection[Any]) -> list[str]:
    heard: list[str] = []
    connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
    return heard


def test_a_project_may_write_policies_but_nothing_else(owner: psycopg.Connection[Any]) -> None:
    owner.execute("create policy mine on realtime.messages for select to authenticated using (true)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("create table realtime.mine ()")


def test_a_trigger_of_the_project_may_send(owner: psycopg.Connection[Any]) -> None:
    owner.execute("delete from realtime.messages")
    owner.execute("""select realtime.send('{"n": 1}', 'e', 'anything')""")
    ((topic, event, payload, private),) = sent(owner)
    assert (topic, event, payload["n"], private) == ("anything", "e", 1, True)
    assert set(payload) == {"n", "id"}


def test_users_send_only_where_a_policy_lets_them(admin: psycopg.Connection[Any]) -> None:
    admin.execute("delete from realtime.messages")
    heard = notices(admin)
    become(admin, "authenticated", USER)
    for topic in ("room:1", "look:1", f"own:{USER}", "own:somebody else"):
        admin.execute("select realtime.send('{}', 'e', %s)", [topic])
    become(admin, "anon")
    admin.execute("select realtime.send('{}', 'e', 'room:1')")
    assert [topic for topic, *_ in sent(admin)] == ["room:1", f"own:{USER}"]
    assert (
        heard
        == ['WarnSendingBroadcastMessage: new row violates row-level security policy for table "messages"']
        * 3
    )


def test_a_message_that_cannot_be_sent_is_only_a_warning(admin: psycopg.Connection[Any]) -> None:
    heard = notices(admin)
    admin.execute("select realtime.send('[1]', 'e', 'room:1')")
    admin.execute("select realtime.send_binary('\\x00', 'e', null)")
    assert len(heard) == 2
    assert all(words.startswith("WarnSendingBroadcastMessage: ") for words in heard)


@pytest.mark.parametrize("arguments", ["'INSERT', 'STATEMENT'", "'TRUNCATE', 'ROW'"])
def test_only_changes_of_rows_are_broadcast(admin: psycopg.Connection[Any], arguments: str) -> None:
    operation, level = arguments.split(", ")
    query = (
        f"select realtime.broadcast_changes('t', 'e', {operation}, 'items', 'public', items, items, {level})"
        " from public.items"
    )
    admin.execute("insert into public.items (title) values ('x')")
    with pytest.raises(psycopg.errors.RaiseException, match="Failed to process the row"):
        admin.execute(query.encode())


def test_bounds_of_partitions_do_not_depend_on_the_session(admin: psycopg.Connection[Any]) -> None:
    admin.execute("delete from realtime.messages")
    admin.execute("set local timezone = 'Pacific/Kiritimati'")
    admin.execute("select realtime.send('{}', 'e', 't')")
    (age,) = admin.execute(
        "select extract(epoch from timezone('utc', now()) - inserted_at) from realtime.messages"
    ).fetchone() or ("",)
    assert age == 0


@pytest.mark.parametrize(
    ("column", "operator", "value", "words"),
    [
        ("nope", "eq", "1", "invalid column for filter nope"),
        ("id", "eq", "x", "invalid input syntax for type bigint"),
        ("id", "in", "{" + ",".join("1" * 101) + "}", "too many values"),
        ("id", "like", "1%", "needs a text column"),
        ("title", "match", "(", "invalid regular expression"),
        ("title", "is", "true", "needs a boolean column"),
        ("title", "is", "null or true", "invalid value for `is` filter"),
    ],
)
def test_filters_that_cannot_work_are_refused(
    admin: psycopg.Connection[Any], column: str, operator: str, value: str, words: str
) -> None:
    with pytest.raises(psycopg.Error, match=words):
        admin.execute(
            "insert into realtime.subscription (subscription_id, entity, claims, filters) values ("
            "  gen_random_uuid(), 'public.items', %s,"
            "  array[row(%s, %s, %s, false)::realtime.user_defined_filter])",
            ['{"role": "anon"}', column, operator, value],
        )


def test_only_the_server_may_subscribe_and_follow(owner: psycopg.Connection[Any]) -> None:
    become(owner, "authenticated", USER)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), owner.transaction():
        owner.execute(
            "insert into realtime.subscription (subscription_id, entity, claims)"
            """ values (gen_random_uuid(), 'public.items', '{"role": "service_role"}')"""
        )
    with pytest.raises(psycopg.errors.InsufficientPrivilege), owner.transaction():
        owner.execute("delete from realtime.messages")


def test_a_policy_that_fails_costs_only_its_subscriber(admin: psycopg.Connection[Any]) -> None:
    admin.execute("create table public.touchy (id int primary key)")
    admin.execute("alter table public.touchy enable row level security")
    admin.execute("create policy touchy on public.touchy to anon using (1 / 0 = 1)")
    admin.execute("create policy calm on public.touchy to authenticated using (id = 1)")
    admin.execute("grant select on public.touchy to anon, authenticated")
    admin.execute("insert into public.touchy values (1)")
    for role in ("anon", "authenticated"):
        admin.execute(
            "insert into realtime.subscription (subscription_id, entity, claims)"
            " values (gen_random_uuid(), 'public.touchy', %s)",
            [json.dumps({"role": role})],
        )
    change = {
        "action": "I",
        "schema": "public",
        "table": "touchy",
        "timestamp": "2026-01-01 00:00:00+00",
        "columns": [{"name": "id", "type": "integer", "typeoid": 23, "value": 1}],
        "pk": [{"name": "id", "type": "integer", "typeoid": 23}],
    }
    rows = admin.execute(
        "select wal -> 'record', cardinality(subscription_ids) from realtime.apply_rls(%s)",
        [json.dumps(change)],
    ).fetchall()
    assert rows == [({"id": 1}, 1)]
    assert admin.execute("select current_user, current_setting('role')").fetchone() == (
        "supabase_admin",
        "none",
    )
