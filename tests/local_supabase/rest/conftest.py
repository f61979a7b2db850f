"""REST servers on two databases of a cluster of their own: one with the recorded fixture, one to use."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from psycopg import AsyncConnection, sql

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.rest.app import RestApp, create_app
from scripts.local_supabase.rest.settings import RestSettings
from tests.clusters import bare_cluster
from tests.local_supabase.rest.cases import GOLDEN, SECRET
from tests.local_supabase.rest.raw_http import Answer, send_raw
from tests.local_supabase.serving import serving

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster(state_folder: Path) -> Iterator[Cluster]:
    """Apart from the one that the other tests share: the databases here bring roles along."""
    database = bare_cluster(state_folder / "rest")
    with database.running():
        yield database


@dataclass
class Rest:
    """A running server and a superuser's connection to its database."""

    settings: RestSettings
    port: int
    app: RestApp
    admin: AsyncConnection[Any]
    # Whether a recorded case may have changed the fixture's rows since they were last put back.
    touched: bool = field(default=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def send(
        self, method: str, path: str, body: Any = None, *, role: str | None = None, **headers: str
    ) -> Answer:
        """role: of the token; without one the request is anonymous. Header names have `_` for `-`."""
        lines = [(name.replace("_", "-"), value) for name, value in headers.items()]
        if role is not None:
            lines.append(("authorization", f"Bearer {token(role)}"))
        if body is not None and "content_type" not in headers:
            lines.append(("content-type", "application/json"))
            body = orjson.dumps(body)
        return await send_raw(self.port, method, path, lines, body)


def token(role: str, **claims: Any) -> str:
    return jwt.encode({"role": role, "exp": int(time.time()) + 3600, **claims}, SECRET)


async def _make_database(cluster: Cluster, name: str, script: bytes) -> None:
    async with await AsyncConnection.connect(cluster.admin_db_url, autocommit=True) as admin:
        # From template0: the baseline's own objects and event triggers are not wanted here.
        await admin.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
        # As initdb sets it for an English or C locale; the recorded server had it.
        await admin.execute(
            sql.SQL("alter database {} set default_text_search_config = 'pg_catalog.english'").format(
                sql.Identifier(name)
            )
        )
    url = cluster.settings.db_url_of("supabase_admin", name)
    async with await AsyncConnection.connect(url, autocommit=True) as admin:
        await admin.execute(script)


def rest_settings(cluster: Cluster, database: str, **changes: Any) -> RestSettings:
    settings = RestSettings(
        db_url=cluster.settings.db_url_of("authenticator", database), jwt_secret=SECRET, patience=5
    )
    return replace(settings, **changes)


@asynccontextmanager
async def running_rest(cluster: Cluster, settings: RestSettings, database: str) -> AsyncIterator[Rest]:
    port = free_ports(1)
    app = create_app(settings)
    url = cluster.settings.db_url_of("supabase_admin", database)
    async with await AsyncConnection.connect(url, autocommit=True) as admin, serving(app, port):
        yield Rest(settings, port, app, admin)


@pytest.fixture(scope="session")
async def golden(cluster: Cluster) -> AsyncIterator[Rest]:
    """As the server from which the cases were recorded."""
    await _make_database(cluster, "rest_golden", (GOLDEN / "schema.sql").read_bytes())
    settings = rest_settings(cluster, "rest_golden", schemas=("public", "reporting"))
    async with running_rest(cluster, settings, "rest_golden") as server:
        yield server


@pytest.fixture(scope="session")
async def scratch_database(cluster: Cluster) -> str:
    await _make_database(cluster, "rest_scratch", (HERE / "scratch.sql").read_bytes())
    return "rest_scratch"


@pytest.fixture(scope="session")
async def rest(cluster: Cluster, scratch_database: str) -> AsyncIterator[Rest]:
    """A server with one exposed schema, as a project's."""
    settings = rest_settings(cluster, scratch_database)
    async with running_rest(cluster, settings, scratch_database) as server:
        yield server
