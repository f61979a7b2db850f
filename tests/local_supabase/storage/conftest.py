"""The storage server behind the gateway, on a cluster of its own, and the unmodified clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from storage3 import AsyncStorageClient
from storage3.exceptions import StorageApiError

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.gateway.app import create_app
from scripts.local_supabase.settings import Settings
from tests.clusters import bare_cluster
from tests.local_supabase.serving import echo, serving

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def cluster(state_folder: Path) -> Iterator[Cluster]:
    """Apart from the one that the other tests share: the policies here are nobody else's."""
    database = bare_cluster(state_folder / "storage")
    with database.running():
        with psycopg.connect(database.db_url, autocommit=True) as owner:
            owner.execute((HERE / "policies.sql").read_bytes())
        yield database


@dataclass(frozen=True)
class Storage:
    """A running server. `http` sends what no client would."""

    settings: Settings
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"{self.settings.url}/storage/v1/"

    def headers(self, token: str | None = None) -> dict[str, str]:
        """A person's with this token, a visitor's without one."""
        key = self.settings.keys.publishable
        return {"apikey": key, "Authorization": f"Bearer {token or key}"}

    def client(self, token: str | None = None) -> AsyncStorageClient:
        return AsyncStorageClient(self.url, self.headers(token), http_client=self.http)

    @property
    def service(self) -> AsyncStorageClient:
        key = self.settings.keys.secret
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        return AsyncStorageClient(self.url, headers, http_client=self.http)

    def person(self, subject: str) -> AsyncStorageClient:
        return self.client(self.settings.keys.token("authenticated", subject))

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request as the service, unless other headers are given."""
        key = self.settings.keys.secret
        headers = {"apikey": key, "Authorization": f"Bearer {key}"} | options.pop("headers", {})
        return await self.http.request(method, self.url + path, headers=headers, **options)

    def bytes_on_disk(self) -> list[int]:
        """The sizes of all files that the server keeps, whole ones and others."""
        return sorted(file.stat().st_size for file in self.settings.storage.rglob("*") if file.is_file())


@pytest.fixture(scope="session")
async def storage(cluster: Cluster) -> AsyncIterator[Storage]:
    app = create_app(cluster.settings, rest=echo, auth=echo)
    async with (
        serving(app, cluster.settings.api_port),
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        yield Storage(cluster.settings, client)


@pytest.fixture
async def bucket(storage: Storage) -> str:
    """A new private bucket."""
    name = f"bucket-{uuid4().hex[:12]}"
    await storage.service.create_bucket(name)
    return name


@pytest.fixture
def files(storage: Storage, bucket: str) -> Any:
    """The new bucket as the service sees it."""
    return storage.service.from_(bucket)


async def refusal(answer: Any) -> tuple[str, str]:
    """The status and the error with which a call is refused."""
    with pytest.raises(StorageApiError) as caught:
        await answer
    return str(caught.value.status), caught.value.code
