"""What the service role may do with accounts, and that nobody else may."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import bcrypt
import psycopg
import pytest

from scripts.local_supabase.auth.admin import read_ban
from scripts.local_supabase.auth.errors import AuthError
from tests.local_supabase.auth.conftest import PASSWORD, Api, new_email

Admin = psycopg.AsyncConnection[tuple[Any, ...]]


async def manage(api: Api, method: str, path: str = "", body: object = None) -> Any:
    return await api.http.request(method, f"/auth/v1/admin/users{path}", json=body, headers=api.service())


async def sign_in(api: Api, email: str, password: str) -> Any:
    return await api.post("/token?grant_type=password", {"email": email, "password": password})


async def test_an_account_with_a_given_id_and_metadata(api: Api) -> None:
    user_id, email = str(uuid4()), new_email()
    answer = await manage(
        api,
        "POST",
        body={
            "id": user_id,
            "email": email,
            "password": "pw",
            "email_confirm": True,
            "user_metadata": {"name": "Demo"},
            "app_metadata": {"tier": "pro"},
        },
    )
    user = answer.json()
    assert answer.status_code == 200
    assert user["id"] == user_id
    assert user["user_metadata"] == {"name": "Demo", "email_verified": True}
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"], "tier": "pro"}
    signed_in = (await sign_in(api, email, "pw")).json()
    assert signed_in["weak_password"]["reasons"] == ["length"]
    assert api.settings.keys.verify(signed_in["access_token"])["app_metadata"]["tier"] == "pro"


async def test_an_account_that_is_not_confirmed_cannot_sign_in(api: Api) -> None:
    email = new_email()
    user = (await manage(api, "POST", body={"email": email, "password": PASSWORD})).json()
    assert "email_confirmed_at" not in user
    answer = await sign_in(api, email, PASSWORD)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "email_not_confirmed")
    await manage(api, "PUT", f"/{user['id']}", {"email_confirm": True})
    assert (await sign_in(api, email, PASSWORD)).status_code == 200


async def test_an_account_with_a_hash_from_elsewhere(api: Api) -> None:
    email = new_email()
    digest = bcrypt.hashpw(b"from elsewhere", bcrypt.gensalt(4)).decode()
    await manage(api, "POST", body={"email": email, "password_hash": digest, "email_confirm": True})
    assert (await sign_in(api, email, "from elsewhere")).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "validation_failed"),
        ({"email": "nobody"}, 400, "validation_failed"),
        ({"email": "x@example.com", "id": "7"}, 400, "validation_failed"),
        ({"email": "x@example.com", "id": "00000000-0000-0000-0000-000000000000"}, 400, "validation_failed"),
        ({"email": "x@example.com", "password": "a", "password_hash": "b"}, 400, "validation_failed"),
        ({"email": "x@example.com", "password_hash": "md5"}, 400, "validation_failed"),
        ({"email": "x@example.com", "ban_duration": "soon"}, 400, "validation_failed"),
        ({"email": "x@example.com", "email_confirm": "yes"}, 400, "bad_json"),
    ],
)
async def test_what_is_no_account(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    answer = await manage(api, "POST", body=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


async def test_an_address_or_an_id_that_is_taken(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    same_email = await manage(api, "POST", body={"email": user["email"].upper()})
    assert (same_email.status_code, same_email.json()["error_code"]) == (422, "email_exists")
    same_id = await manage(api, "POST", body={"email": new_email(), "id": user["id"]})
    assert (same_id.status_code, same_id.json()["msg"]) == (500, "Database error creating new user")


async def test_reading_and_changing_an_account(api: Api) -> None:
    own: Any = await api.sign_up()
    path = f"/{own['user']['id']}"
    assert (await manage(api, "GET", path)).json()["email"] == own["user"]["email"]
    email = new_email()
    answer = await manage(
        api,
        "PUT",
        path,
        {
            "email": email,
            "password": "another password",
            "role": "authenticated",
            "user_metadata": {"email_verified": None, "x": 1},
            "app_metadata": {"tier": "elite"},
        },
    )
    user = answer.json()
    assert (user["email"], user["app_metadata"]["tier"], user["user_metadata"]["x"]) == (email, "elite", 1)
    assert "email_verified" not in user["user_metadata"]
    assert (await api.get("/user", token=own["access_token"])).status_code == 403
    assert (await sign_in(api, email, "another password")).status_code == 200


async def test_a_banned_account_is_out_until_the_ban_is_lifted(api: Api) -> None:
    own: Any = await api.sign_up()
    path, email = f"/{own['user']['id']}", own["user"]["email"]
    assert (await manage(api, "PUT", path, {"ban_duration": "24h"})).json()["banned_until"]
    assert (await sign_in(api, email, PASSWORD)).json()["error_code"] == "user_banned"
    assert (await api.refresh(own["refresh_token"])).json()["error_code"] == "user_banned"
    assert "banned_until" not in (await manage(api, "PUT", path, {"ban_duration": "none"})).json()
    assert (await sign_in(api, email, PASSWORD)).status_code == 200


def test_bans_are_as_long_as_they_say() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert read_ban("1h30m", now) == now + timedelta(minutes=90)
    assert read_ban("300ms", now) == now + timedelta(milliseconds=300)
    assert read_ban("none", now) is read_ban(None, now) is None
    for wrong in ("1d", "h", "-1h", "1h!"):
        with pytest.raises(AuthError, match="ban duration"):
            read_ban(wrong, now)


async def test_deleting_an_account_ends_it(api: Api, admin: Admin) -> None:
    own: Any = await api.sign_up()
    user_id = own["user"]["id"]
    assert (await manage(api, "DELETE", f"/{user_id}")).json() == {}
    assert (await manage(api, "GET", f"/{user_id}")).json()["error_code"] == "user_not_found"
    assert (await api.get("/user", token=own["access_token"])).json()["error_code"] == "user_not_found"
    left = await (
        await admin.execute("select count(*) from auth.refresh_tokens where user_id = %s", [user_id])
    ).fetchone()
    assert left == (0,)


async def test_a_soft_deletion_keeps_the_row_and_frees_the_address(api: Api, admin: Admin) -> None:
    own: Any = await api.sign_up()
    user_id, email = own["user"]["id"], own["user"]["email"]
    answer = await manage(api, "DELETE", f"/{user_id}", {"should_soft_delete": True})
    assert answer.status_code == 200
    row = await (
        await admin.execute(
            "select deleted_at is not null, email, encrypted_password from auth.users where id = %s",
            [user_id],
        )
    ).fetchone()
    assert row is not None
    assert row[0] is True
    assert row[1] != email
    assert row[2] == ""
    assert (await sign_in(api, email, PASSWORD)).json()["error_code"] == "invalid_credentials"
    assert (await api.sign_up(email))["user"]


async def test_pages_of_accounts(api: Api) -> None:
    for _ in range(3):
        await api.sign_up()
    first = await manage(api, "GET", "?page=1&per_page=2")
    second = await manage(api, "GET", "?page=2&per_page=2")
    assert first.json()["aud"] == "authenticated"
    ids = [user["id"] for page in (first, second) for user in page.json()["users"]]
    assert len(ids) == len(set(ids)) >= 3
    assert int(first.headers["x-total-count"]) >= 3
    assert 'rel="next"' in first.headers["link"]
    assert 'rel="last"' in first.headers["link"]
    times = [user["created_at"] for user in first.json()["users"]]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("query", ["?page=0", "?per_page=x", "?page=-1"])
async def test_pages_that_are_none(api: Api, query: str) -> None:
    answer = await manage(api, "GET", query)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "validation_failed")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("POST", ""), ("GET", "/x"), ("PUT", "/x"), ("DELETE", "/x")]
)
async def test_only_the_service_role_manages_accounts(api: Api, method: str, path: str) -> None:
    own: Any = await api.sign_up()
    for headers in (api.anon(), api.anon(own["access_token"])):
        answer = await api.http.request(method, f"/auth/v1/admin/users{path}", headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "not_admin")


async def test_an_id_that_is_none(api: Api) -> None:
    answer = await manage(api, "GET", "/x")
    assert (answer.status_code, answer.json()["msg"]) == (404, "user_id must be an UUID")
