"""Objects are read whole and in part, by who may, by everybody where public, and through signed URLs."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.local_supabase.storage.conftest import Storage, refusal

CONTENT = bytes(range(200))


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=150-", CONTENT[150:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=190-500", CONTENT[190:]),
        ("bytes=-500", CONTENT),
        ("bytes=0-199", CONTENT),
    ],
)
async def test_a_range_is_sent(storage: Storage, bucket: str, files: Any, asked: str, seen: bytes) -> None:
    await files.upload("a", CONTENT)
    answer = await storage.send("GET", f"object/authenticated/{bucket}/a", headers={"range": asked})
    assert answer.content == seen
    assert answer.headers["content-length"] == str(len(seen))
    first = CONTENT.index(seen)
    if seen == CONTENT:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {first}-{first + len(seen) - 1}/200"


@pytest.mark.parametrize("asked", ["bytes=200-", "bytes=9-3", "bytes=-0"])
async def test_a_range_outside_is_refused(storage: Storage, bucket: str, files: Any, asked: str) -> None:
    await files.upload("a", CONTENT)
    answer = await storage.send("GET", f"object/{bucket}/a", headers={"range": asked})
    assert (answer.status_code, answer.json()["statusCode"]) == (400, "416")


@pytest.mark.parametrize("asked", ["lines=0-9", "bytes=-", "bytes=0-1,5-6", ""])
async def test_what_is_no_single_range_gets_all(
    storage: Storage, bucket: str, files: Any, asked: str
) -> None:
    await files.upload("a", CONTENT)
    answer = await storage.send("GET", f"object/{bucket}/a", headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_head_tells_and_sends_nothing(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", CONTENT, {"content-type": "image/png"})
    for way in ("object", "object/authenticated"):
        answer = await storage.send("HEAD", f"{way}/{bucket}/a")
        assert (answer.status_code, answer.content) == (200, b"")
        assert (answer.headers["content-length"], answer.headers["content-type"]) == ("200", "image/png")
    assert (await storage.send("HEAD", f"object/{bucket}/b")).status_code == 400


async def test_what_has_not_changed_is_not_sent_again(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", CONTENT)
    etag = (await storage.send("GET", f"object/{bucket}/a")).headers["etag"]
    again = await storage.send("GET", f"object/{bucket}/a", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")
    await files.update("a", b"other")
    changed = await storage.send("GET", f"object/{bucket}/a", headers={"if-none-match": etag})
    assert changed.content == b"other"


async def test_a_public_bucket_is_read_by_everybody(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a b.html", b"<p>", {"content-type": "text/html"})
    url = await files.get_public_url("a b.html")
    for closed in (url, url.replace("/public/", "/"), url.replace("/public/", "/info/public/")):
        assert (await storage.http.get(closed)).status_code == 400
    await storage.service.update_bucket(bucket, {"public": True})
    answer = await storage.http.get(url)
    assert (answer.status_code, answer.content) == (200, b"<p>")
    # It must not run as a page of the project.
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await storage.http.get(url.replace("/public/", "/"))).content == b"<p>"
    assert (await storage.http.get(url.replace("/public/", "/info/public/"))).json()["size"] == 3
    assert (await storage.http.head(url)).headers["content-length"] == "3"
    # To read everything is not to list or to write it.
    assert await storage.client().from_(bucket).list() == []
    assert (await storage.http.post(f"{storage.url}object/{bucket}/b", content=b"x")).status_code == 400


async def test_a_download_has_the_name_that_is_asked_for(storage: Storage, bucket: str, files: Any) -> None:
    await storage.service.update_bucket(bucket, {"public": True})
    await files.upload("a", b"x")
    named = await storage.http.get(await files.get_public_url("a", {"download": 'my "report".csv'}))
    assert named.headers["content-disposition"] == (
        "attachment; filename=my%20%22report%22.csv; filename*=UTF-8''my%20%22report%22.csv;"
    )
    plain = await storage.http.get(await files.get_public_url("a", {"download": True}))
    assert plain.headers["content-disposition"] == "attachment;"


async def test_a_signed_url_lets_anybody_read_one_object(storage: Storage, files: Any) -> None:
    for name in ("f/a b?.txt", "f/other"):
        await files.upload(name, name.encode())
    url = (await files.create_signed_url("f/a b?.txt", 60, {"download": "x.txt"}))["signedURL"]
    answer = await storage.http.get(url)
    assert (answer.status_code, answer.content) == (200, b"f/a b?.txt")
    assert answer.headers["content-disposition"].startswith("attachment; filename=x.txt")
    assert "expires" in answer.headers
    part = await storage.http.get(url, headers={"range": "bytes=0-0"})
    assert (part.status_code, part.content) == (206, b"f")
    other = (await files.create_signed_url("f/other", 60))["signedURL"]
    elsewhere = other.replace("f/other", "f/a%20b%3F.txt")
    assert (await storage.http.get(elsewhere)).json()["code"] == "InvalidSignature"
    for broken in (url.split("?")[0], url.replace("token=", "token=x")):
        assert (await storage.http.get(broken)).status_code == 400


async def test_a_signed_url_ends(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", b"x")
    keys = storage.settings.keys
    ended = keys.mint({"url": f"{bucket}/a", "for": "download", "iat": 0, "exp": 10})
    answer = await storage.http.get(f"{storage.url}object/sign/{bucket}/a?token={ended}")
    assert (answer.json()["statusCode"], answer.json()["code"]) == ("400", "InvalidJWT")
    endless = await storage.send("POST", f"object/sign/{bucket}/a", json={"expiresIn": 0})
    assert endless.json()["code"] == "InvalidRequest"


async def test_many_urls_are_signed_at_once(storage: Storage, files: Any) -> None:
    await files.upload("a", b"A")
    await files.upload("b", b"B")
    signed = await files.create_signed_urls(["a", "missing", "b"], 60)
    assert [one["error"] is None for one in signed] == [True, False, True]
    assert signed[1]["signedURL"] is None
    assert (await storage.http.get(signed[2]["signedURL"])).content == b"B"


async def test_a_signed_upload_url_lets_anybody_write_one_object(
    storage: Storage, bucket: str, files: Any
) -> None:
    signed = await files.create_signed_upload_url("in/a b")
    visitor = storage.client().from_(bucket)
    said = await visitor.upload_to_signed_url(
        "in/a b", signed["token"], b"content", {"content-type": "image/png"}
    )
    assert said.full_path == f"{bucket}/in/a b"
    assert await files.download("in/a b") == b"content"
    assert (await files.info("in/a b"))["content_type"] == "image/png"
    assert await refusal(visitor.upload_to_signed_url("in/a b", signed["token"], b"x")) == (
        "409",
        "Duplicate",
    )
    assert await refusal(visitor.upload_to_signed_url("in/b", signed["token"], b"x")) == (
        "400",
        "InvalidSignature",
    )
    assert await refusal(files.create_signed_upload_url("in/a b")) == ("409", "Duplicate")
    answer = await storage.send("POST", f"object/upload/sign/{bucket}/in/a b", headers={"x-upsert": "true"})
    token = answer.json()["url"].split("token=")[1]
    await visitor.upload_to_signed_url("in/a b", token, b"newer")
    assert await files.download("in/a b") == b"newer"


async def test_a_url_is_good_for_its_purpose_only(storage: Storage, bucket: str, files: Any) -> None:
    await files.upload("a", b"x")
    reading = (await files.create_signed_url("a", 60))["signedURL"].split("token=")[1]
    visitor = storage.client().from_(bucket)
    assert await refusal(visitor.upload_to_signed_url("a", reading, b"y")) == ("400", "InvalidSignature")
    writing = (await files.create_signed_upload_url("b"))["token"]
    url = f"{storage.url}object/sign/{bucket}/b?token={writing}"
    assert (await storage.http.get(url)).json()["code"] == "InvalidSignature"
    # Shown as somebody's own token it is nobody's.
    assert await storage.client(reading).from_(bucket).list() == []


async def test_who_uploads_by_a_signed_url_is_who_signed_it(storage: Storage) -> None:
    ada = str(uuid4())
    mine = storage.person(ada).from_("people")
    token = (await mine.create_signed_upload_url(f"{ada}/a.txt"))["token"]
    await storage.client().from_("people").upload_to_signed_url(f"{ada}/a.txt", token, b"x")
    assert len(await mine.remove([f"{ada}/a.txt"])) == 1
