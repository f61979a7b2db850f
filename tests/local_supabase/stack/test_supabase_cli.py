"""The real Supabase CLI takes the stack for its own."""

from __future__ import annotations

from scripts.local_supabase import migrations
from scripts.local_supabase.settings import CHECKOUT
from tests.stacks import Stack


def test_everything_is_pushed_already(stack: Stack) -> None:
    pushed = migrations.supabase(stack.settings, "db", "push", "--yes")
    assert pushed.returncode == 0
    assert "up to date" in pushed.stdout


def test_migration_list_shows_every_migration_as_applied(stack: Stack) -> None:
    listed = migrations.supabase(stack.settings, "migration", "list")
    assert listed.returncode == 0, listed.stderr
    files = sorted((CHECKOUT / "supabase" / "migrations").glob("*.sql"))
    assert files
    for file in files:
        assert listed.stdout.count(file.name[:14]) == 2, file.name  # as a file, and in the database


def test_db_lint_finds_no_errors(stack: Stack) -> None:
    linted = migrations.supabase(stack.settings, "db", "lint", "--level", "warning", "--fail-on", "error")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_db_advisors_has_no_warnings(stack: Stack) -> None:
    advised = migrations.supabase(stack.settings, "db", "advisors", "--level", "info", "--fail-on", "warn")
    assert advised.returncode == 0, advised.stdout + advised.stderr
