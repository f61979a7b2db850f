"""On PostgreSQL 17 the migrations apply as postgres, who is no superuser, and behave as they do on 15.

The server is real; pg_cron is a stand-in that schedules jobs and never runs them (see tests/postgres_17.py).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts.local_supabase import migrations
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.settings import CHECKOUT, HOST
from tests.postgres_17 import CAN_RUN, WHY_NOT, running_17

pytestmark = pytest.mark.skipif(not CAN_RUN, reason=WHY_NOT)
PGTAP = CHECKOUT / "supabase" / "tests" / "database"


@pytest.fixture(scope="module")
def cluster_17(state_folder: Path) -> Iterator[Cluster]:
    """PostgreSQL 17 with the migrations, which the real CLI pushed as postgres."""
    with running_17(state_folder / "17") as cluster:
        migrations.push(cluster.settings)
        with psycopg.connect(cluster.db_url) as connection:
            connection.execute("create extension pgtap with schema extensions")
        yield cluster


def test_the_server_is_17_and_whoever_pushed_is_no_superuser(cluster_17: Cluster) -> None:
    with psycopg.connect(cluster_17.db_url) as connection:
        assert connection.info.server_version // 10000 == 17
        row = connection.execute("select rolsuper from pg_roles where rolname = current_user").fetchone()
        assert row == (False,)
        pushed = connection.execute("select count(*) from supabase_migrations.schema_migrations").fetchone()
    assert pushed == (len(list((CHECKOUT / "supabase" / "migrations").glob("*.sql"))),)


@pytest.mark.parametrize("file", sorted(file.name for file in PGTAP.glob("*.sql")))
def test_pgtap_with_a_stand_in_for_pg_cron(cluster_17: Cluster, file: str) -> None:
    settings = cluster_17.settings
    proved = subprocess.run(
        [
            "pg_prove",
            "-h",
            HOST,
            "-p",
            str(settings.db_port),
            "-U",
            "postgres",
            "-d",
            "postgres",
            PGTAP / file,
        ],
        env=os.environ | {"PGPASSWORD": settings.db_password},
        capture_output=True,
        text=True,
        check=False,
    )
    assert proved.returncode == 0, proved.stdout + proved.stderr
