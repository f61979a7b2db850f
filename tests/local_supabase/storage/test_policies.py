"""Policies on storage.objects decide: for the owner, a stranger, a visitor, the service and other roles."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from tests.local_supabase.storage.conftest import Storage, refusal

DENIED = ("403", "Unauthorized")
MISSING = ("404", "not_found")


@pytest.fixture
def ada() -> str:
    return str(uuid4())


@pytest.fixture
def bob() -> str:
    return str(uuid4())


def people(storage: Storage, subject: str) -> Any:
    return storage.person(subject).from_("people")


async def test_the_owner_does_it_all_in_a_folder_of_their_own(storage: Storage, ada: str) -> None:
    mine = people(storage, ada)
    await mine.upload(f"{ada}/a.txt", b"one")
    await mine.upload(f"{ada}/a.txt", b"two", {"upsert": "true"})
    await mine.update(f"{ada}/a.txt", b"three")
    assert await mine.download(f"{ada}/a.txt") == b"three"
    await mine.copy(f"{ada}/a.txt", f"{ada}/b.txt")
    await mine.move(f"{ada}/b.txt", f"{ada}/c.txt")
    assert [row["name"] for row in await mine.list(ada)] == ["a.txt", "c.txt"]
    assert len(await mine.remove([f"{ada}/a.txt", f"{ada}/c.txt"])) == 2


async def test_the_owner_is_held_to_the_policies_checks(storage: Storage, ada: str, bob: str) -> None:
    mine = people(storage, ada)
    before = storage.bytes_on_disk()
    assert await refusal(mine.upload(f"{bob}/a.txt", b"x")) == DENIED
    assert await refusal(mine.upload(f"{ada}/a.exe", b"x")) == DENIED
    assert await refusal(mine.upload("a.txt", b"x")) == DENIED
    assert storage.bytes_on_disk() == before
    await mine.upload(f"{ada}/a.txt", b"x")
    assert await refusal(mine.move(f"{ada}/a.txt", f"{bob}/a.txt")) == DENIED
    assert await refusal(mine.copy(f"{ada}/a.txt", f"{bob}/a.txt")) == DENIED
    assert await mine.download(f"{ada}/a.txt") == b"x"
    assert len(storage.bytes_on_disk()) == len(before) + 1


async def test_a_stranger_sees_and_changes_nothing(storage: Storage, ada: str, bob: str) -> None:
    await people(storage, ada).upload(f"{ada}/a.txt", b"secret")
    his = people(storage, bob)
    name = f"{ada}/a.txt"
    for call in (his.download, his.info):
        assert await refusal(call(name)) == MISSING
    assert not await his.exists(name)
    assert await his.list(ada) == []
    assert (await his.list_v2({"prefix": ada})).objects == []
    assert await refusal(his.update(name, b"x")) == MISSING
    assert await refusal(his.upload(name, b"x", {"upsert": "true"})) == DENIED
    assert await refusal(his.move(name, f"{bob}/a.txt")) == MISSING
    assert await refusal(his.copy(name, f"{bob}/a.txt")) == MISSING
    assert await refusal(his.create_signed_url(name, 60)) == MISSING
    assert (await his.create_signed_urls([name], 60))[0]["error"] is not None
    assert await refusal(his.create_signed_upload_url(name)) == DENIED
    assert await his.remove([name]) == []
    assert await people(storage, ada).download(name) == b"secret"


async def test_what_is_shared_is_read_and_not_changed(storage: Storage, ada: str) -> None:
    name = f"shared/{uuid4().hex}"
    await storage.service.from_("people").upload(name, b"for all")
    mine = people(storage, ada)
    assert await mine.download(name) == b"for all"
    assert await refusal(mine.update(name, b"x")) == MISSING
    assert await mine.remove([name]) == []


async def test_a_visitor_leaves_something_and_sees_nothing(storage: Storage) -> None:
    name = f"box/{uuid4().hex}"
    visitor = storage.client().from_("people")
    assert (await visitor.upload(name, b"a letter")).full_path == f"people/{name}"
    assert await refusal(visitor.download(name)) == MISSING
    assert await refusal(visitor.upload(name, b"again")) == ("409", "Duplicate")
    assert await refusal(visitor.upload(f"shared/{uuid4().hex}", b"x")) == DENIED
    assert await visitor.list("box") == []
    assert await storage.service.from_("people").download(name) == b"a letter"


async def test_the_owner_columns_name_who_uploaded(storage: Storage, cluster: Cluster, ada: str) -> None:
    await people(storage, ada).upload(f"{ada}/a.txt", b"x")
    await storage.service.from_("people").upload(f"shared/{ada}", b"x")
    with psycopg.connect(cluster.db_url) as owner:
        rows = owner.execute(
            "select owner::text, owner_id from storage.objects where name like %s order by name", [f"%{ada}%"]
        ).fetchall()
    assert sorted(rows, key=str) == sorted([(ada, ada), (None, None)], key=str)


async def test_a_role_of_the_projects_own_is_bound_by_its_policies(storage: Storage, ada: str) -> None:
    await people(storage, ada).upload(f"{ada}/a.txt", b"x")
    keys = storage.settings.keys
    inspector = storage.client(keys.token("inspector", machine_id="m-1")).from_("people")
    assert await inspector.download(f"{ada}/a.txt") == b"x"
    assert await refusal(inspector.upload(f"{ada}/b.txt", b"x")) == DENIED
    other = storage.client(keys.token("inspector", machine_id="m-2")).from_("people")
    assert await refusal(other.download(f"{ada}/a.txt")) == MISSING


@pytest.mark.parametrize("role", ["postgres", "supabase_admin", "supabase_storage_admin", "none", "nobody"])
async def test_a_token_makes_nobody_more_than_the_api_roles(storage: Storage, role: str) -> None:
    client = storage.client(storage.settings.keys.token(role)).from_("people")
    assert await refusal(client.list()) == DENIED


async def test_a_request_without_a_good_token_is_refused(storage: Storage, bucket: str) -> None:
    keys = storage.settings.keys
    old = storage.client(keys.token("authenticated", lifetime=-60)).from_(bucket)
    assert await refusal(old.list()) == DENIED
    forged = storage.client(keys.token("service_role")[:-4] + "AAAA").from_(bucket)
    assert await refusal(forged.list()) == DENIED
    answer = await storage.http.post(f"{storage.url}object/list/{bucket}", json={})
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "400")
    wrong_key = await storage.http.get(f"{storage.url}bucket", headers={"apikey": "sb_secret_nobodys"})
    assert wrong_key.status_code == 401


async def test_rows_are_deleted_by_the_server_only(cluster: Cluster) -> None:
    with (
        psycopg.connect(cluster.db_url) as owner,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="Use the Storage API"),
    ):
        owner.execute("delete from storage.objects where name = 'x'")
