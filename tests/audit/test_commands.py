"""What a person types: the exit status says whether the trail is intact, broken, or could not be checked."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli import audit
from cli.archive import cell as archive_cell
from cli.audit_report import COLUMNS, cell
from shared.errors import InputError, NotFound
from tests.audit.days import check, compact, make_archived_day
from tests.audit.trail import Trail, at, signals_of
from workers.archive.keys import SealKey, new_seal_key

KEY = new_seal_key()


@pytest.fixture
def project(trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """The trail as the project that the environment names."""
    trail.key = SealKey.from_text(KEY)
    settings = {
        "SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_PUBLISHABLE_KEY": "none",
        "SUPABASE_DB_URL": trail.url, "SIGTRAIL_ARCHIVE": str(trail.folder), "SIGTRAIL_SEAL_KEY": KEY,
        "SIGTRAIL_STATE": str(tmp_path / "state"),
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    trail.fire(3, at=at(0), original_signal={"close": "64000.5"})
    trail.analyse(2)
    asyncio.run(trail.seal())
    return trail


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit.app, list(arguments))


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def test_an_intact_trail(project: Trail) -> None:
    result = run("verify")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("intact: 7 events of 1 days under 1 seals\nhead 1:")
    head = document(run("verify", "--json"))["head"]
    assert run("verify", "--head", head, "--day", at(0).date().isoformat()).exit_code == 0
    assert project.stage is not None


def test_a_broken_trail(project: Trail) -> None:
    signal = signals_of(project)[1]
    project.forge("update public.signal_events set worker = 'me' where signal_id = %s and number = 1", signal)
    result = run("verify", "--json")
    assert result.exit_code == 1
    found = document(result)
    assert found["status"] == "broken"
    first = found["first"]
    assert (first["kind"], first["signal_id"], first["number"]) == ("changed", str(signal), 1)
    assert "BROKEN, changed" in run("verify").stdout


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("SUPABASE_DB_URL", "postgresql://postgres@127.0.0.1:1/postgres", "cannot be reached"),
        ("SIGTRAIL_ARCHIVE", "supabase://sigtrail-archive", "SUPABASE_SECRET_KEY is not set"),
        ("SIGTRAIL_SEAL_KEY", "nonsense", "not base64 of 32 bytes"),
    ],
)
def test_what_cannot_be_checked(
    project: Trail, monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(name, value)
    result = run("verify", "--json")
    assert result.exit_code == 2
    found = document(result)
    assert found["status"] == "unchecked"
    assert reason in found["reason"]
    assert KEY not in result.output
    assert project.key.id


def test_no_key_at_all(project: Trail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SIGTRAIL_SEAL_KEY")
    monkeypatch.setenv("SIGTRAIL_ARCHIVE", str(tmp_path / "empty"))
    assert run("verify").exit_code == 2
    assert project.key.id


def test_an_auditor_brings_the_public_key(project: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGTRAIL_SEAL_KEY")
    made = document(run("key", "--json"))
    assert run("verify", "--public-key", made["public_key"]).exit_code == 1
    public = base64.b64encode(project.key.public_key).decode()
    assert run("verify", "--public-key", public).exit_code == 0


@pytest.mark.parametrize(
    "arguments", [["--head", "7"], ["--head", "x:00"], ["--public-key", "AAAA"], ["--day", "soon"]]
)
def test_wrong_usage(project: Trail, arguments: list[str]) -> None:
    result = run("verify", *arguments)
    assert isinstance(result.exception, InputError)
    assert project.key.id


def test_each_key_is_another_and_works() -> None:
    first, second = document(run("key", "--json")), document(run("key", "--json"))
    assert first["SIGTRAIL_SEAL_KEY"] != second["SIGTRAIL_SEAL_KEY"]
    assert SealKey.from_text(first["SIGTRAIL_SEAL_KEY"]).id == first["key_id"]


def test_the_chain_is_listed(project: Trail) -> None:
    (seal,) = document(run("seals", "--json"))
    assert (seal["number"], seal["kind"], seal["event_count"]) == (1, "events", 7)
    assert document(run("verify", "--json"))["head"] == f"1:{seal['hash']}"
    assert project.key.id.startswith(seal["key_id"])


def test_the_story_of_a_signal(project: Trail) -> None:
    signal = signals_of(project)[0]
    story = document(run("show", str(signal), "--json"))
    assert [one["what"] for one in story["story"]] == [
        "fired", "signal_created", "analysis_started", "analysis_completed"
    ]  # fmt: skip
    assert story["story"][0]["data"]["original_signal"] == {"close": "64000.5"}
    assert story["story"][-1]["data"]["event_data"]["outcome_code"] == "low_confidence"
    assert {one["who"] for one in story["story"][1:]} == {one["machine_id"] for one in story["machines"]}
    text = run("show", str(signal)).stdout
    assert "rejected, low_confidence" in text
    assert "analysis_completed by test-" in text


@pytest.mark.parametrize("name", ["nonsense", "BTC-x"])
def test_no_name_of_a_signal(project: Trail, name: str) -> None:
    assert isinstance(run("show", name).exception, InputError)


def test_a_signal_that_is_nowhere(project: Trail) -> None:
    assert isinstance(run("show", "00000000-0000-4000-8000-000000000000").exception, NotFound)
    assert project.key.id


def test_an_archived_signal_tells_the_same_story(project: Trail) -> None:
    day = asyncio.run(make_archived_day(project))
    signal = next(one for one in signals_of(project) if one.int >> 80 < at(-3000).timestamp() * 1000)
    before = document(run("show", str(signal), "--json"))
    compact(project, day)
    asyncio.run(check(project))
    after = document(run("show", str(signal), "--json"))
    assert (before["archived"], after["archived"]) == (False, True)
    assert [one | {"data": None} for one in before["story"]] == [
        one | {"data": None} for one in after["story"]
    ]
    assert before["signal"]["status"] == after["signal"]["status"] == "rejected"
    unknown = str(signal)[:-4] + "0000"
    assert isinstance(run("show", unknown).exception, NotFound)


def test_the_report_of_a_user_over_warm_and_archived_days(project: Trail) -> None:
    day = asyncio.run(make_archived_day(project))
    compact(project, day)
    bounds = ["--from", day.isoformat(), "--to", (at(0).date()).isoformat()]
    result = run("report", "--user", f"{project.user_id}@test", *bounds)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 17  # six were created, five analysed in two steps, one has an order
    assert {row["initial_price"] for row in rows} == {"64000.5"}
    assert [row["number"] for row in rows[:3]] == ["1", "2", "3"]
    whole = run("report", "--user", str(project.user_id), "--from", day.isoformat(), "--to", "1s")
    assert len(list(csv.DictReader(io.StringIO(whole.stdout)))) == 17 + 7
    assert isinstance(run("report", "--user", "nobody@test", *bounds).exception, NotFound)
    assert isinstance(run("report", "--user", "x", "--from", "1h", "--to", "2h").exception, InputError)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == archive_cell(text) == f"'{text}"


def test_numbers_and_signs_are_no_formulas() -> None:
    assert archive_cell(Decimal("-1.50")) == "-1.5"
    assert cell("-") == archive_cell("-") == "-"
