"""What the auth server says of itself, its rules in config.toml, and how it behaves without a database."""

from __future__ import annotations

from pathlib import Path

import httpx
import jwt
import pytest
from jwt import PyJWKSet

from scripts.local_supabase.auth import database
from scripts.local_supabase.auth.app import create_app
from scripts.local_supabase.auth.config import AuthConfig, read_auth_config
from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.settings import Settings
from tests.local_supabase.auth.conftest import PASSWORD, Api, new_email
from tests.local_supabase.serving import serving


async def test_anybody_can_verify_tokens_with_the_public_keys(api: Api) -> None:
    token = str((await api.sign_up())["access_token"])
    answer = await api.http.get("/auth/v1/.well-known/jwks.json")
    assert answer.headers["cache-control"].startswith("public")
    key = PyJWKSet.from_dict(answer.json())[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["ES256"], audience="authenticated")["role"] == "authenticated"
    assert all("d" not in each for each in answer.json()["keys"])


async def test_settings_and_health(api: Api) -> None:
    settings = (await api.get("/settings")).json()
    assert settings["external"]["email"] is True
    assert settings["mailer_autoconfirm"] is True
    assert settings["disable_signup"] is False
    assert (await api.get("/health")).json()["name"] == "GoTrue"


@pytest.mark.parametrize("path", ["/", "/otp", "/admin/nothing"])
async def test_a_path_that_is_not_served_says_so(api: Api, path: str) -> None:
    answer = await api.get(path)
    assert answer.status_code == 404
    assert "is not served by the local auth server" in answer.json()["msg"]


async def test_a_wrong_method_says_so(api: Api) -> None:
    assert (await api.get("/signup")).status_code == 405


async def test_without_a_token_nobody_is_let_in(api: Api) -> None:
    token_only = {"apikey": api.settings.keys.publishable, "authorization": "Basic eDp5"}
    answer = await api.http.get("/auth/v1/user", headers=token_only)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "no_authorization")


def test_rules_come_from_config_toml(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert read_auth_config(file) == AuthConfig()
    file.write_text(
        "[auth]\njwt_expiry = 60\nminimum_password_length = 10\nenable_signup = true\n"
        "enable_refresh_token_rotation = false\nrefresh_token_reuse_interval = 3\n"
        "[auth.email]\nenable_signup = false\nenable_confirmations = true\n"
    )
    assert read_auth_config(file) == AuthConfig(
        jwt_expiry=60,
        minimum_password_length=10,
        enable_signup=False,
        enable_confirmations=True,
        refresh_token_rotation=False,
        refresh_token_reuse_interval=3,
    )


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[auth]\njwt_expiry = "1h"', "jwt_expiry"),
        ("[auth]\nminimum_password_length = -1", "minimum_password_length"),
        ("[auth.email]\nenable_confirmations = 1", "enable_confirmations"),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=key):
        read_auth_config(file)


async def test_rules_are_kept(cluster: Cluster) -> None:
    """HS256 tokens, confirmations and longer passwords; and no sign-ups at all."""
    strict = AuthConfig(algorithm="HS256", minimum_password_length=12, enable_confirmations=True)
    port = free_ports(1)
    async with (
        serving(create_app(cluster.settings, strict), port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        weak = await http.post("/signup", json={"email": new_email(), "password": "elevenchars"})
        assert weak.json()["msg"] == "Password should be at least 12 characters."
        email = new_email()
        user = (await http.post("/signup", json={"email": email, "password": PASSWORD})).json()
        assert "access_token" not in user
        assert user["confirmation_sent_at"]
        service = {"authorization": f"Bearer {cluster.settings.keys.token('service_role')}"}
        await http.put(f"/admin/users/{user['id']}", json={"email_confirm": True}, headers=service)
        answer = await http.post("/token?grant_type=password", json={"email": email, "password": PASSWORD})
        assert jwt.get_unverified_header(answer.json()["access_token"])["alg"] == "HS256"

    closed = AuthConfig(enable_signup=False)
    async with (
        serving(create_app(cluster.settings, closed), port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http,
    ):
        answer = await http.post("/signup", json={"email": new_email(), "password": PASSWORD})
        assert (answer.status_code, answer.json()["error_code"]) == (422, "signup_disabled")


async def test_without_a_database_it_starts_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAIT_FOR_CONNECTION_SECONDS", 0.2)
    settings = Settings(root=tmp_path).at_port(free_ports())
    async with (
        serving(create_app(settings), settings.api_port),
        httpx.AsyncClient(base_url=settings.url, trust_env=False) as http,
    ):
        assert (await http.get("/health")).status_code == 200
        answer = await http.post("/token?grant_type=password", json={"email": "a@b.co", "password": "x"})
        assert answer.status_code == 503
        assert answer.json()["msg"] == "The database cannot be reached; try again later"
