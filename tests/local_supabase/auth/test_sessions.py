"""Signing in, staying signed in, and signing out."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from tests.local_supabase.auth.conftest import PASSWORD, Api, new_email, until_auth_waits

Admin = psycopg.AsyncConnection[tuple[Any, ...]]


async def sign_in(api: Api, email: str, password: str = PASSWORD) -> Any:
    return await api.post("/token?grant_type=password", {"email": email, "password": password})


async def test_a_person_signs_in_again_with_a_session_of_its_own(api: Api) -> None:
    first: Any = await api.sign_up()
    second = (await sign_in(api, first["user"]["email"].upper())).json()
    sessions = {api.settings.keys.verify(each["access_token"])["session_id"] for each in (first, second)}
    assert len(sessions) == 2
    assert second["user"]["id"] == first["user"]["id"]


async def test_a_wrong_password_and_an_unknown_address_look_alike(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    wrong = await sign_in(api, user["email"], "something else")
    unknown = await sign_in(api, new_email())
    assert wrong.status_code == unknown.status_code == 400
    assert (
        wrong.json()
        == unknown.json()
        == {"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"}
    )


async def test_a_password_longer_than_bcrypt_reads_is_just_wrong(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    assert (await sign_in(api, user["email"], "x" * 100)).json()["error_code"] == "invalid_credentials"


@pytest.mark.parametrize("grant", ["", "?grant_type=magic"])
async def test_other_grants_are_refused(api: Api, grant: str) -> None:
    answer = await api.post(f"/token{grant}", {"email": "x@example.com", "password": "x"})
    assert (answer.status_code, answer.json()["msg"]) == (400, "unsupported_grant_type")


async def test_the_user_of_a_token(api: Api) -> None:
    body: Any = await api.sign_up()
    answer = await api.get("/user", token=body["access_token"])
    assert answer.status_code == 200
    assert answer.json()["id"] == body["user"]["id"]


async def test_a_token_by_the_shared_secret_is_as_good(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    token = api.settings.keys.token("authenticated", user["id"], aud="authenticated")
    assert (await api.get("/user", token=token)).json()["email"] == user["email"]


async def test_an_expired_token_says_so(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    expired = api.settings.keys.sign(
        {"sub": user["id"], "role": "authenticated", "exp": int(time.time()) - 1}
    )
    answer = await api.get("/user", token=expired)
    assert answer.status_code == 403
    assert answer.json()["error_code"] == "bad_jwt"
    assert "token is expired" in answer.json()["msg"]


@pytest.mark.parametrize(
    ("claims", "status", "code"),
    [
        ({}, 403, "bad_jwt"),
        ({"sub": "me"}, 400, "validation_failed"),
        ({"sub": str(uuid4())}, 403, "user_not_found"),
    ],
)
async def test_tokens_of_nobody(api: Api, claims: dict[str, str], status: int, code: str) -> None:
    token = api.settings.keys.mint({"role": "authenticated", "exp": int(time.time()) + 60, **claims})
    answer = await api.get("/user", token=token)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "e30.e30.e30"])
async def test_what_is_no_token(api: Api, token: str) -> None:
    answer = await api.get("/user", token=token)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "bad_jwt")


async def test_a_foreign_key_signs_nothing(api: Api) -> None:
    user: Any = (await api.sign_up())["user"]
    foreign = type(api.settings.keys).create()
    token = foreign.sign({"sub": user["id"], "role": "authenticated", "exp": int(time.time()) + 60})
    assert (await api.get("/user", token=token)).json()["error_code"] == "bad_jwt"


async def test_a_refresh_gives_a_new_pair(api: Api) -> None:
    first: Any = await api.sign_up()
    second = (await api.refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    verify = api.settings.keys.verify
    assert verify(second["access_token"])["session_id"] == verify(first["access_token"])["session_id"]
    assert (await api.get("/user", token=second["access_token"])).status_code == 200


async def test_an_answer_that_was_lost_can_be_asked_for_again(api: Api, admin: Admin) -> None:
    first: Any = await api.sign_up()
    second = (await api.refresh(first["refresh_token"])).json()
    await age_tokens(admin, first)
    again = (await api.refresh(first["refresh_token"])).json()
    assert again["refresh_token"] == second["refresh_token"]


async def test_a_refresh_token_that_comes_back_ends_its_session(api: Api, admin: Admin) -> None:
    first: Any = await api.sign_up()
    second = (await api.refresh(first["refresh_token"])).json()
    third = (await api.refresh(second["refresh_token"])).json()
    await age_tokens(admin, first)

    stolen = await api.refresh(first["refresh_token"])
    assert stolen.status_code == 400
    assert stolen.json() == {
        "code": 400,
        "error_code": "refresh_token_already_used",
        "msg": "Invalid Refresh Token: Already Used",
    }
    assert (await api.refresh(third["refresh_token"])).json()["error_code"] == "refresh_token_not_found"
    after = await api.get("/user", token=third["access_token"])
    assert (after.status_code, after.json()["error_code"]) == (403, "session_not_found")


async def test_within_the_reuse_interval_nobody_is_signed_out(api: Api) -> None:
    first: Any = await api.sign_up()
    second = (await api.refresh(first["refresh_token"])).json()
    await api.refresh(second["refresh_token"])
    assert (await api.refresh(first["refresh_token"])).status_code == 200


async def test_refreshes_at_once_agree_on_one_token(api: Api, cluster: Cluster, admin: Admin) -> None:
    first: Any = await api.sign_up()
    session = api.settings.keys.verify(first["access_token"])["session_id"]
    async with await psycopg.AsyncConnection.connect(cluster.admin_db_url) as gate:
        await gate.execute("select from auth.sessions where id = %s for update", [session])
        refreshes = [asyncio.create_task(api.refresh(first["refresh_token"])) for _ in range(3)]
        # All of them have read the token as unused by now.
        await until_auth_waits(admin, 3)
        await gate.commit()
        answers = await asyncio.gather(*refreshes)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [({"refresh_token": "unknown"}, "refresh_token_not_found"), ({}, "validation_failed")],
)
async def test_refresh_tokens_that_do_not_exist(api: Api, body: dict[str, str], code: str) -> None:
    answer = await api.post("/token?grant_type=refresh_token", body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)


async def age_tokens(admin: Admin, signed_in: Any) -> None:
    """Lets the reuse interval pass for a session."""
    await admin.execute(
        "update auth.refresh_tokens set updated_at = updated_at - interval '1 hour' where user_id = %s",
        [signed_in["user"]["id"]],
    )


@pytest.mark.parametrize(
    ("scope", "left"),
    [("", set()), ("?scope=global", set()), ("?scope=local", {"other"}), ("?scope=others", {"own"})],
)
async def test_whom_a_sign_out_signs_out(api: Api, scope: str, left: set[str]) -> None:
    own: Any = await api.sign_up()
    other = (await sign_in(api, own["user"]["email"])).json()
    answer = await api.post(f"/logout{scope}", token=own["access_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    alive = {
        name
        for name, session in (("own", own), ("other", other))
        if (await api.get("/user", token=session["access_token"])).status_code == 200
    }
    assert alive == left
    for name, session in (("own", own), ("other", other)):
        assert ((await api.refresh(session["refresh_token"])).status_code == 200) is (name in left)


async def test_an_unknown_scope_signs_nobody_out(api: Api) -> None:
    own: Any = await api.sign_up()
    answer = await api.post("/logout?scope=all", token=own["access_token"])
    assert answer.status_code == 400
    assert (await api.get("/user", token=own["access_token"])).status_code == 200


async def change(api: Api, token: str, body: dict[str, Any]) -> Any:
    return await api.http.put("/auth/v1/user", json=body, headers=api.anon(token))


async def test_a_new_password_signs_the_others_out(api: Api) -> None:
    own: Any = await api.sign_up()
    email = own["user"]["email"]
    other = (await sign_in(api, email)).json()
    assert (await change(api, own["access_token"], {"password": "another password"})).status_code == 200
    assert (await api.get("/user", token=own["access_token"])).status_code == 200
    assert (await api.get("/user", token=other["access_token"])).status_code == 403
    assert (await sign_in(api, email)).status_code == 400
    assert (await sign_in(api, email, "another password")).status_code == 200


async def test_changing_metadata_merges_and_removes(api: Api) -> None:
    own: Any = await api.sign_up()
    await change(api, own["access_token"], {"data": {"name": "Ada", "theme": "dark"}})
    answer = await change(api, own["access_token"], {"data": {"theme": None, "lang": {"ui": "en"}}})
    metadata = answer.json()["user_metadata"]
    assert (metadata["name"], metadata["lang"]) == ("Ada", {"ui": "en"})
    assert "theme" not in metadata


async def test_changing_the_address(api: Api) -> None:
    own: Any = await api.sign_up()
    taken: Any = (await api.sign_up())["user"]
    answer = await change(api, own["access_token"], {"email": taken["email"]})
    assert (answer.status_code, answer.json()["error_code"]) == (422, "email_exists")
    free = new_email()
    answer = await change(api, own["access_token"], {"email": free})
    assert answer.json()["email"] == answer.json()["identities"][0]["email"] == free
    assert (await sign_in(api, free)).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"password": PASSWORD}, 422, "same_password"),
        ({"password": "short"}, 422, "weak_password"),
        ({"app_metadata": {"tier": "elite"}}, 403, "not_admin"),
    ],
)
async def test_changes_that_are_refused(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    own: Any = await api.sign_up()
    answer = await change(api, own["access_token"], body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
