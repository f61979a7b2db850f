"""The database looks like a hosted project's before the first migration."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from tests.waiting import until

API_ROLES = ("anon", "authenticated", "service_role")


@pytest.fixture
def owner(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """As postgres; what a test does is rolled back."""
    with psycopg.connect(cluster.db_url) as connection:
        yield connection
        connection.rollback()


def one(connection: psycopg.Connection, query: str, *values: object) -> object:
    row = connection.execute(query, values).fetchone()
    assert row is not None
    return row[0]


def test_postgres_has_many_rights_but_is_not_a_superuser(owner: psycopg.Connection) -> None:
    row = owner.execute(
        "select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True, True, True)
    for role in (*API_ROLES, "pg_monitor", "pg_read_all_data", "pg_signal_backend"):
        assert one(owner, "select pg_has_role('postgres', %s, 'member')", role), role


@pytest.mark.parametrize(
    ("role", "login", "inherits", "bypasses", "settings"),
    [
        ("anon", False, True, False, {"statement_timeout=3s"}),
        ("authenticated", False, True, False, {"statement_timeout=8s"}),
        ("service_role", False, True, True, set()),
        ("authenticator", True, False, False, {"statement_timeout=8s", "lock_timeout=8s"}),
        ("supabase_realtime_admin", False, False, False, set()),
    ],
)
def test_a_role_is_as_hosted(
    owner: psycopg.Connection, role: str, login: bool, inherits: bool, bypasses: bool, settings: set[str]
) -> None:
    row = owner.execute(
        "select rolcanlogin, rolinherit, rolbypassrls, rolsuper, coalesce(rolconfig, '{}')"
        " from pg_roles where rolname = %s",
        [role],
    ).fetchone()
    assert row is not None
    assert row[:4] == (login, inherits, bypasses, False)
    assert set(row[4]) == settings


def test_authenticator_may_become_the_three_roles_and_nothing_else(owner: psycopg.Connection) -> None:
    rows = owner.execute(
        "select roleid::regrole::text from pg_auth_members where member = 'authenticator'::regrole"
    )
    assert {role for (role,) in rows} == set(API_ROLES)


@pytest.mark.parametrize("role", API_ROLES)
def test_what_is_made_in_public_is_exposed_to_nobody(owner: psycopg.Connection, role: str) -> None:
    owner.execute("create table public.made (id bigserial primary key)")
    for right in ("select", "insert", "update", "delete", "truncate", "references", "trigger"):
        assert not one(owner, "select has_table_privilege(%s, 'public.made', %s)", role, right), right
    assert not one(owner, "select has_sequence_privilege(%s, 'public.made_id_seq', 'usage')", role)


@pytest.mark.parametrize("schema", ["auth", "storage", "realtime", "vault", "cron"])
def test_postgres_makes_nothing_in_the_schemas_of_the_services(
    owner: psycopg.Connection, schema: str
) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(f"create table {schema}.mine (id int)")


@pytest.mark.parametrize(
    "statement",
    [
        "create extension file_fdw",
        "alter system set work_mem = '1GB'",
        "create publication everything for all tables",
        "create role admin superuser",
        "copy (select 1) to program 'cat'",
    ],
)
def test_postgres_may_not_do_what_only_a_superuser_may(owner: psycopg.Connection, statement: str) -> None:
    owner.autocommit = True
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "create extension if not exists pg_cron",
        "create extension if not exists plpgsql_check",
        "create extension pg_trgm with schema extensions",
        "create extension btree_gin with schema extensions",
        "create extension pgtap with schema extensions",
        "create role worker nologin; grant worker to authenticator; grant worker to postgres",
        "set session_replication_role = replica",
        "create policy mine on realtime.messages for select to authenticated using (true)",
        "create policy mine on storage.objects for select to authenticated using (true)",
        "create table public.t (id uuid primary key references auth.users (id) on delete cascade)",
        "create table public.t (id int primary key); alter publication supabase_realtime add table public.t",
        "select cron.schedule('mine', '*/5 * * * *', 'select 1'); select cron.unschedule('mine')",
        "select extensions.gen_random_bytes(8), extensions.uuid_generate_v4()",
    ],
)
def test_migrations_may_do_what_they_may_do_hosted(owner: psycopg.Connection, statement: str) -> None:
    owner.execute(statement)


def test_a_trigger_on_the_users_fires_and_its_row_follows_them(owner: psycopg.Connection) -> None:
    owner.execute(
        """
        create table public.people (id uuid primary key references auth.users (id) on delete cascade);
        create function public.welcome() returns trigger
        language plpgsql security definer set search_path = ''
        as $$ begin insert into public.people values (new.id); return new; end $$;
        create trigger welcome after insert on auth.users for each row execute function public.welcome();
        """
    )
    user = uuid.uuid4()
    owner.execute("insert into auth.users (id, email) values (%s, 'a@example.com')", [user])
    assert one(owner, "select id from public.people") == user
    owner.execute("delete from auth.users where id = %s", [user])
    assert one(owner, "select count(*) from public.people") == 0


def test_claims_are_read_from_the_request(owner: psycopg.Connection) -> None:
    user = uuid.uuid4()
    read = "select array[auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'machine_id']"
    assert one(owner, read) == [None] * 4
    owner.execute("set local role authenticated")
    owner.execute(
        "select set_config('request.jwt.claims', %s, true)",
        [f'{{"sub": "{user}", "role": "authenticated", "email": "a@example.com", "machine_id": "vyx-1"}}'],
    )
    assert one(owner, read) == [str(user), "authenticated", "a@example.com", "vyx-1"]
    owner.execute("select set_config('request.jwt.claims', '', true)")
    assert one(owner, read) == [None] * 4


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_reads_the_users_through_the_api(owner: psycopg.Connection, role: str) -> None:
    owner.execute(f"set local role {role}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("select * from auth.users")


def test_the_database_is_set_up_as_hosted(owner: psycopg.Connection) -> None:
    for name, value in {
        "wal_level": "logical",
        "max_slot_wal_keep_size": "4GB",
        "timezone": "UTC",
        "synchronous_commit": "on",
        "listen_addresses": "127.0.0.1",
        "password_encryption": "scram-sha-256",
        "cron.use_background_workers": "on",
        "search_path": '"$user", public, extensions',
    }.items():
        assert one(owner, "select current_setting(%s)", name) == value, name
    assert one(owner, "select datcollate from pg_database where datname = current_database()") == "C.UTF-8"
    publication = "select pubowner::regrole::text from pg_publication where pubname = 'supabase_realtime'"
    assert one(owner, publication) == "postgres"


def test_what_is_committed_reaches_the_disk(cluster: Cluster) -> None:
    """As configured: the tests' own clusters are told on top of it not to wait for the disk."""
    configured = (
        "select setting from pg_file_settings where name = 'fsync' and sourcefile ~ '/postgresql[.]conf$'"
    )
    with psycopg.connect(cluster.admin_db_url) as admin:
        assert one(admin, configured) == "on"


@pytest.mark.parametrize("login", ["postgres", "supabase_admin", "authenticator", "supabase_auth_admin"])
def test_nobody_gets_in_without_the_password(cluster: Cluster, login: str) -> None:
    psycopg.connect(cluster.settings.db_url_of(login)).close()
    wrong = cluster.settings.db_url_of(login).replace(":postgres@", ":wrong@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_the_rest_server_hears_of_changes_to_the_schema(cluster: Cluster) -> None:
    with (
        psycopg.connect(cluster.settings.authenticator_db_url, autocommit=True) as server,
        psycopg.connect(cluster.db_url, autocommit=True) as owner,
    ):
        server.execute("listen pgrst")
        for statement in (
            "create table public.watched (id int)",
            "alter table public.watched add column more int",
            "drop table public.watched",
        ):
            owner.execute(statement)
            heard = next(server.notifies(timeout=10, stop_after=1))
            assert (heard.channel, heard.payload) == ("pgrst", "reload schema"), statement
        owner.execute("create temporary table passing (id int)")
        assert list(server.notifies(timeout=0.2, stop_after=1)) == []


@pytest.mark.timeout(150)
async def test_a_scheduled_job_runs(cluster: Cluster) -> None:
    with psycopg.connect(cluster.db_url, autocommit=True) as owner:
        owner.execute("create table public.ticks (at timestamptz, who text)")
        job = "insert into public.ticks values (now(), current_user)"
        owner.execute("select cron.schedule('tick', '* * * * *', %s)", [job])
        try:
            # pg_cron's clock has minutes.
            await until(lambda: one(owner, "select count(*) > 0 from public.ticks"), timeout=90)
            assert one(owner, "select min(who) from public.ticks") == "postgres"
        finally:
            owner.execute("select cron.unschedule('tick')")
            owner.execute("drop table public.ticks")
