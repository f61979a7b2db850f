"""The database looks like a hosted project's before the first migration."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster


@pytest.fixture
def owner(cluster: Cluster) -> Iterator[psycopg.Connection]:
    """As postgres; what a test does is rolled back."""
    with psycopg.connect(cluster.db_url) as connection:
        yield connection
        connection.rollback()


def test_postgres_is_not_a_superuser(owner: psycopg.Connection) -> None:
    row = owner.execute(
        "select rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    assert row == (False, True, True, True, True, True)
