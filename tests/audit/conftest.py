"""A database of its own with the migrations, and one trail after the other in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from tests.audit.trail import Trail
from tests.clusters import migrated_cluster
from tests.database.stage import Stage


@pytest.fixture(scope="session")
def audit_cluster(state_folder: Path) -> Iterator[Cluster]:
    """A running database with the migrations; no job runs in it."""
    cluster = migrated_cluster(state_folder / "audit")
    with cluster.running():
        with psycopg.connect(cluster.db_url, autocommit=True) as connection:
            connection.execute("select cron.unschedule(jobid) from cron.job")
        yield cluster


@pytest.fixture
def trail(audit_cluster: Cluster, tmp_path: Path) -> Iterator[Trail]:
    """An empty trail: no signals, no seals, an empty store."""
    with Stage(audit_cluster.db_url) as stage:
        made = Trail(stage, audit_cluster.admin_db_url, tmp_path / "store")
        yield made
        made.close()
