"""Signing up: who gets an account, and what the database sees of it."""

from __future__ import annotations

import asyncio
from typing import Any

import bcrypt
import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from tests.local_supabase.auth.conftest import PASSWORD, Api, new_email, until_auth_waits

Admin = psycopg.AsyncConnection[tuple[Any, ...]]


async def test_a_person_who_signs_up_is_signed_in(api: Api) -> None:
    email = new_email()
    answer = await api.post(
        "/signup", {"email": email.upper(), "password": PASSWORD, "data": {"name": "Ada"}}
    )
    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == {"access_token", "token_type", "expires_in", "expires_at", "refresh_token", "user"}
    user = body["user"]
    assert user["email"] == email
    assert user["role"] == user["aud"] == "authenticated"
    assert user["email_confirmed_at"].endswith("Z")
    assert user["app_metadata"] == {"provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {
        "name": "Ada",
        "sub": user["id"],
        "email": email,
        "email_verified": True,
        "phone_verified": False,
    }
    assert [(each["provider"], each["id"]) for each in user["identities"]] == [("email", user["id"])]


async def test_the_database_has_the_hash_and_never_the_password(api: Api, admin: Admin) -> None:
    user: Any = (await api.sign_up())["user"]
    row = await (
        await admin.execute("select encrypted_password from auth.users where id = %s", [user["id"]])
    ).fetchone()
    assert row is not None
    assert bcrypt.checkpw(PASSWORD.encode(), str(row[0]).encode())


async def test_the_claims_of_an_access_token(api: Api) -> None:
    body: Any = await api.sign_up()
    claims = api.settings.keys.verify(body["access_token"])
    assert claims["sub"] == body["user"]["id"]
    assert claims["role"] == claims["aud"] == "authenticated"
    assert claims["email"] == body["user"]["email"]
    assert claims["iss"] == f"{api.url}/auth/v1"
    assert claims["exp"] - claims["iat"] == body["expires_in"] == 3600
    assert claims["exp"] == body["expires_at"]
    assert claims["aal"] == "aal1"
    assert [entry["method"] for entry in claims["amr"]] == ["password"]
    assert claims["session_id"]
    assert claims["app_metadata"]["provider"] == "email"
    assert claims["user_metadata"]["email_verified"] is True
    assert claims["is_anonymous"] is False


async def test_triggers_on_users_fire_in_the_same_transaction(api: Api, admin: Admin) -> None:
    await admin.execute("""
        create table public.profile_of_user (
            id uuid primary key references auth.users, email text, name text
        );
        create function public.make_profile() returns trigger
        language plpgsql security definer set search_path = '' as $$
        begin
            if new.raw_user_meta_data ->> 'name' = 'refused' then
                raise exception 'no such name';
            end if;
            insert into public.profile_of_user values (new.id, new.email, new.raw_user_meta_data ->> 'name');
            return new;
        end $$;
        create trigger make_profile after insert on auth.users
            for each row execute function public.make_profile();
    """)
    try:
        email = new_email()
        answer = await api.post("/signup", {"email": email, "password": PASSWORD, "data": {"name": "Ada"}})
        user_id = answer.json()["user"]["id"]
        row = await (
            await admin.execute("select email, name from public.profile_of_user where id = %s", [user_id])
        ).fetchone()
        assert row == (email, "Ada")

        refused = new_email()
        answer = await api.post(
            "/signup", {"email": refused, "password": PASSWORD, "data": {"name": "refused"}}
        )
        assert answer.status_code == 500
        assert answer.json() == {
            "code": 500,
            "error_code": "unexpected_failure",
            "msg": "Database error saving new user",
        }
        count = await (
            await admin.execute("select count(*) from auth.users where email = %s", [refused])
        ).fetchone()
        assert count == (0,)
    finally:
        await admin.execute("drop trigger make_profile on auth.users")
        await admin.execute("drop table public.profile_of_user")
        await admin.execute("drop function public.make_profile()")


async def test_an_address_has_one_account(api: Api) -> None:
    email = new_email()
    await api.sign_up(email)
    again = await api.post("/signup", {"email": email.upper(), "password": PASSWORD})
    assert again.status_code == 422
    assert again.json() == {
        "code": 422,
        "error_code": "user_already_exists",
        "msg": "User already registered",
    }


async def test_of_two_sign_ups_at_once_one_wins(api: Api) -> None:
    email = new_email()
    answers = await asyncio.gather(
        *(api.post("/signup", {"email": email, "password": PASSWORD}) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_a_sign_up_that_lost_by_a_hair_reads_like_any_other(
    api: Api, cluster: Cluster, admin: Admin
) -> None:
    email = new_email()
    async with await psycopg.AsyncConnection.connect(cluster.admin_db_url) as winner:
        await winner.execute("insert into auth.users (id, email) values (gen_random_uuid(), %s)", [email])
        loser = asyncio.create_task(api.post("/signup", {"email": email, "password": PASSWORD}))
        await until_auth_waits(admin, 1)
        await winner.commit()
        answer = await loser
    assert (answer.status_code, answer.json()["error_code"]) == (422, "user_already_exists")


async def test_a_weak_password_is_named_as_such(api: Api) -> None:
    answer = await api.post("/signup", {"email": new_email(), "password": "short"})
    assert answer.status_code == 422
    assert answer.json() == {
        "code": 422,
        "error_code": "weak_password",
        "msg": "Password should be at least 6 characters.",
        "weak_password": {"reasons": ["length"]},
    }


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "nobody", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "two@@example.com", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "x@example", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "a" * 250 + "@example.com", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "x@example.com"}, 400, "validation_failed"),
        ({"email": "x@example.com", "password": "é" * 37}, 400, "validation_failed"),
        ({"password": PASSWORD}, 422, "anonymous_provider_disabled"),
        ({"phone": "+4912345678", "password": PASSWORD}, 400, "phone_provider_disabled"),
        ({"email": 5, "password": PASSWORD}, 400, "bad_json"),
        ([], 400, "bad_json"),
    ],
)
async def test_what_is_no_sign_up(api: Api, body: object, status: int, code: str) -> None:
    answer = await api.post("/signup", body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


async def test_newer_clients_get_the_name_of_an_error_as_its_code(api: Api) -> None:
    headers = api.anon() | {"x-supabase-api-version": "2024-01-01"}
    answer = await api.http.post(
        "/auth/v1/signup", json={"email": new_email(), "password": "short"}, headers=headers
    )
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"
    assert answer.json() == {
        "code": "weak_password",
        "message": "Password should be at least 6 characters.",
        "weak_password": {"reasons": ["length"]},
    }
