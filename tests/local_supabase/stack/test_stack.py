from __future__ import annotations

import psycopg

from tests.stacks import Stack


def test_the_migrations_are_there(stack: Stack) -> None:
    with psycopg.connect(stack.db_url) as connection:
        row = connection.execute("select count(*) from supabase_migrations.schema_migrations").fetchone()
    assert row is not None
    assert row[0] > 0
