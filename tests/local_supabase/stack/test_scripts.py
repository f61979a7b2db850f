"""The scripts that people call say how to be called."""

from __future__ import annotations

import subprocess

import pytest

from scripts.local_supabase.settings import CHECKOUT


def call(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(CHECKOUT / "scripts" / script), *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [["--only"], ["--only", "nothing"], ["--fast"], ["lint"]])
def test_wrong_usage_of_test_is_status_2(arguments: list[str]) -> None:
    refused = call("test", *arguments)
    assert refused.returncode == 2
    assert refused.stderr.startswith("Usage: ./scripts/test")
    assert refused.stdout == ""


def test_test_runs_one_kind_and_sums_it_up() -> None:
    done = call("test", "--only", "deno")
    assert done.returncode == 0, done.stdout
    assert "deno lint" in done.stdout.split("== summary")[1]
    assert done.stdout.endswith("All checks passed.\n")


def test_a_failed_check_is_named_and_fails_the_run() -> None:
    failed = call("test", "--only", "pytest", "--", "tests/no_such_folder")
    assert failed.returncode == 1
    assert "FAILED" in failed.stdout.split("== summary")[1]
    assert failed.stdout.endswith("Some checks FAILED.\n")
