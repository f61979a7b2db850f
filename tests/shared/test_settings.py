"""The environment decides, the stack's file fills in, and what is missing is named without its value."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import ConfigurationError
from shared.settings import load

FILE = """SUPABASE_URL=http://127.0.0.1:54321
SUPABASE_PUBLISHABLE_KEY=sb_publishable_file
SUPABASE_SECRET_KEY=sb_secret_file
SUPABASE_JWT_SECRET=secret-of-the-file
SOMETHING_ELSE=ignored
"""


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "URL",
        "DB_URL",
        "PUBLISHABLE_KEY",
        "ANON_KEY",
        "SECRET_KEY",
        "SERVICE_ROLE_KEY",
        "JWT_SECRET",
    ):
        monkeypatch.delenv(f"SUPABASE_{name}", raising=False)
    monkeypatch.delenv("SIGTRAIL_MASTER_KEY", raising=False)


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text(FILE)
    return path


def test_the_file_of_the_local_stack_is_enough(env_file: Path) -> None:
    settings = load(env_file)
    assert settings.supabase_url == "http://127.0.0.1:54321"
    assert settings.need("supabase_jwt_secret") == "secret-of-the-file"


def test_the_environment_wins(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "http://127.0.0.1:54321/")
    monkeypatch.setenv("SUPABASE_SECRET_KEY", "sb_secret_environment")
    settings = load(env_file)
    assert settings.need("supabase_secret_key") == "sb_secret_environment"
    assert settings.need("supabase_jwt_secret") == "secret-of-the-file"


def test_the_file_of_one_project_says_nothing_of_another(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is its trail sealed with the local key, nor do its orders go to the local fake venue."""
    env_file.write_text(f"{FILE}SIGTRAIL_SEAL_KEY=local\nSIGTRAIL_VENUE_RESOLVER=127.0.0.1:1\n")
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.co")
    with pytest.raises(ConfigurationError, match="SUPABASE_PUBLISHABLE_KEY"):
        load(env_file)
    monkeypatch.setenv("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_environment")
    settings = load(env_file)
    assert settings.supabase_url == "https://project.supabase.co"
    assert (settings.sigtrail_seal_key, settings.sigtrail_venue_resolver) == (None, None)
    assert settings.supabase_jwt_secret is None


def test_a_hosted_project_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.co")
    monkeypatch.setenv("SUPABASE_ANON_KEY", "sb_publishable_environment")
    settings = load(tmp_path / "absent")
    assert settings.supabase_publishable_key.get_secret_value() == "sb_publishable_environment"
    assert settings.supabase_db_url is None


def test_everything_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"SUPABASE_URL.*SUPABASE_PUBLISHABLE_KEY.*scripts/up"):
        load(tmp_path / "absent")


def test_a_wrong_address_is_named_and_secrets_are_not_shown(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_URL", "ftp://user:hunter2@host")
    with pytest.raises(ConfigurationError, match="SUPABASE_URL") as caught:
        load(env_file)
    assert "hunter2" not in str(caught.value)
    assert "sb_secret_file" not in str(caught.value)


def test_a_missing_optional_setting_is_named_when_it_is_needed(env_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="SIGTRAIL_MASTER_KEY is not set"):
        load(env_file).need("sigtrail_master_key")


def test_secrets_do_not_show(env_file: Path) -> None:
    shown = repr(load(env_file))
    assert "sb_secret_file" not in shown
    assert "secret-of-the-file" not in shown
