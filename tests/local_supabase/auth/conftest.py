"""The auth server behind the gateway, on the bare cluster, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from scripts.local_supabase.auth.app import create_app as create_auth
from scripts.local_supabase.auth.config import AuthConfig
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.gateway.app import create_app
from scripts.local_supabase.settings import Settings
from tests.local_supabase.serving import echo, serving
from tests.waiting import until

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Api:
    """A gateway with its auth server, and what a test needs to speak to it."""

    settings: Settings
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return self.settings.url

    def anon(self, token: str | None = None) -> dict[str, str]:
        """The headers of a person's client, signed in if there is a token."""
        key = self.settings.keys.publishable
        return {"apikey": key, "authorization": f"Bearer {token or key}"}

    def service(self) -> dict[str, str]:
        key = self.settings.keys.secret
        return {"apikey": key, "authorization": f"Bearer {key}"}

    async def post(self, path: str, body: object = None, *, token: str | None = None) -> httpx.Response:
        return await self.http.post(f"/auth/v1{path}", json=body, headers=self.anon(token))

    async def get(self, path: str, *, token: str | None = None) -> httpx.Response:
        return await self.http.get(f"/auth/v1{path}", headers=self.anon(token))

    async def sign_up(self, email: str | None = None) -> dict[str, object]:
        """A new person, signed in: the answer of the sign-up."""
        answer = await self.post("/signup", {"email": email or new_email(), "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        signed_in: dict[str, object] = answer.json()
        return signed_in

    async def refresh(self, token: object) -> httpx.Response:
        return await self.post("/token?grant_type=refresh_token", {"refresh_token": token})


def new_email() -> str:
    return f"{uuid4().hex[:12]}@example.com"


@pytest.fixture(scope="session")
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    settings = cluster.settings
    app = create_app(settings, rest=echo, auth=create_auth(settings, AuthConfig()))
    async with (
        serving(app, settings.api_port),
        httpx.AsyncClient(base_url=settings.url, trust_env=False) as client,
    ):
        yield Api(settings, client)


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    """The database as its superuser sees it."""
    async with await psycopg.AsyncConnection.connect(cluster.admin_db_url, autocommit=True) as connection:
        yield connection


async def until_auth_waits(admin: psycopg.AsyncConnection[Any], count: int) -> None:
    """Returns once this many statements of the auth server wait for a lock."""

    async def waits() -> bool:
        row = await (
            await admin.execute(
                "select count(*) from pg_stat_activity"
                " where application_name = 'auth' and wait_event_type = 'Lock'"
            )
        ).fetchone()
        return row is not None and row[0] == count

    await until(waits)
