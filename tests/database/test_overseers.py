"""`sigtrail users operator`: who looks after the platform in a browser, and for how long."""

from __future__ import annotations

import secrets
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from cli.users import app
from shared.errors import NotFound
from tests.stacks import Stack


def users(stack: Stack, *arguments: str, **more: str) -> None:
    settings = {
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "SUPABASE_SECRET_KEY": stack.secret_key,
    }
    done = CliRunner().invoke(app, arguments, env={**settings, **more})
    if done.exception is not None:
        raise done.exception


class Browser:
    """One who signed in, as the console does."""

    def __init__(self, stack: Stack, email: str, password: str) -> None:
        self._http = httpx.Client(base_url=stack.url, headers={"apikey": stack.publishable_key})
        self._credentials = {"email": email, "password": password}
        self.sign_in()

    def sign_in(self) -> None:
        answer = self._http.post(
            "/auth/v1/token?grant_type=password", json=self._credentials
        ).raise_for_status()
        self._http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"

    def machines(self) -> list[Any]:
        return list(self._http.get("/rest/v1/cloud_machines?select=machine_id").raise_for_status().json())

    def close(self) -> None:
        self._http.close()


def test_the_right_begins_with_a_sign_in_and_ends_at_once(stack: Stack) -> None:
    email, password = f"{uuid4()}@example.com", secrets.token_urlsafe(12)
    users(stack, "add", email, SIGTRAIL_PASSWORD=password)
    with psycopg.connect(stack.db_url, autocommit=True) as database:
        database.execute(
            "insert into public.cloud_machines (machine_id) values ('overseen-1') on conflict do nothing"
        )
    browser = Browser(stack, email, password)
    try:
        assert browser.machines() == []
        users(stack, "operator", email)
        assert browser.machines() == [], "a token of before does not say it"
        browser.sign_in()
        assert {"machine_id": "overseen-1"} in browser.machines()
        users(stack, "operator", email, "--remove")
        assert browser.machines() == [], "a token that still says so is not believed"
        browser.sign_in()
        assert browser.machines() == []
    finally:
        browser.close()


def test_nobody_unknown_is_made_one(stack: Stack) -> None:
    with pytest.raises(NotFound, match=r"there is no user nobody@example\.com"):
        users(stack, "operator", "nobody@example.com")
