"""`sigtrail signals export`: a file that is whole or not there."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cli.export import RowCount, fetch
from shared.errors import InputError, NotAllowed, SigtrailError, Unavailable
from shared.settings import CHECKOUT, Settings
from tests.functions.fake_project import listening, send
from tests.functions.people import Person
from tests.stacks import Stack

SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"


def settings_of(url: str) -> Settings:
    given: dict[str, Any] = {
        "supabase_url": url,
        "SUPABASE_PUBLISHABLE_KEY": SecretStr("sb_publishable_test"),
        "supabase_jwt_secret": SecretStr(SECRET),
    }
    return Settings(**given)


async def sigtrail(stack: Stack, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command against this stack."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli.main",
        *arguments,
        cwd=CHECKOUT,
        env=os.environ
        | {
            "SUPABASE_URL": stack.url,
            "SUPABASE_DB_URL": stack.db_url,
            "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
            "SUPABASE_SECRET_KEY": stack.secret_key,
            "SUPABASE_JWT_SECRET": stack.jwt_secret,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_a_users_signals_become_a_file(ann: Person, bob: Person, stack: Stack, tmp_path: Path) -> None:
    await bob.ingest([bob.row("BOBS")])
    await ann.ingest([ann.row("BTCUSDT"), ann.row("ETHUSDT", age=90)])
    target = tmp_path / "signals.csv"
    status, out, errors = await sigtrail(
        stack, "signals", "export", "--user", ann.id, "--from", "1h", "--output", str(target)
    )
    assert (status, out) == (0, ""), errors
    assert "2 signals in" in errors
    with target.open(newline="") as file:
        assert [row["symbol"] for row in csv.DictReader(file)] == ["BTCUSDT", "ETHUSDT"]
    assert os.listdir(tmp_path) == [target.name]

    status, out, errors = await sigtrail(
        stack, "signals", "export", "--trader", ann.trader, "--symbol", "ETHUSDT", "--format", "ndjson"
    )
    assert status == 0, errors
    assert [json.loads(line)["symbol"] for line in out.splitlines()] == ["ETHUSDT"]


async def test_wrong_usage_is_told(ann: Person, bob: Person, stack: Stack) -> None:
    assert (await sigtrail(stack, "signals", "export"))[0] == 2
    assert (await sigtrail(stack, "signals", "export", "--user", ann.id, "--columns", "x"))[0] == 2
    status, _, errors = await sigtrail(stack, "signals", "export", "--user", ann.id, "--trader", bob.trader)
    assert (status, "has no trader" in errors) == (1, True)


async def test_a_file_that_broke_off_never_gets_its_name(tmp_path: Path) -> None:
    target = tmp_path / "signals.csv"
    target.write_text("what was there before")

    async def answer(
        path: str, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        assert path.startswith("/functions/v1/export-signals?")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-total-count: 9\r\n\r\n")
        writer.write(b"10\r\nid,symbol\r\n1,A\r\n\r\n")
        await writer.drain()

    async with listening(answer) as url:
        with pytest.raises(Unavailable, match=r"broke off after 1 signals; .*signals\.csv was not written"):
            await asyncio.to_thread(fetch, settings_of(url), "u", {"format": "csv"}, target)
    assert target.read_text() == "what was there before"
    assert os.listdir(tmp_path) == [target.name]


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        ("400 Bad Request", b'{"code":"bad_parameter","message":"limit is wrong"}', InputError, "limit is"),
        ("401 Unauthorized", b'{"code":401,"message":"Invalid JWT"}', NotAllowed, "Invalid JWT"),
        ("503 Service Unavailable", b"<html>", Unavailable, "status 503"),
    ],
)
async def test_a_refusal_leaves_no_file(
    tmp_path: Path, status: str, body: bytes, error: type[SigtrailError], words: str
) -> None:
    async def answer(
        path: str, sent: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await send(writer, body, status)

    async with listening(answer) as url:
        with pytest.raises(error, match=words):
            await asyncio.to_thread(fetch, settings_of(url), "u", {"format": "csv"}, tmp_path / "signals.csv")
    assert os.listdir(tmp_path) == []


async def test_a_folder_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    async def answer(
        path: str, sent: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await send(writer, b"id\r\n")

    async with listening(answer) as url:
        with pytest.raises(InputError, match="cannot be written"):
            await asyncio.to_thread(
                fetch, settings_of(url), "u", {"format": "csv"}, tmp_path / "none" / "signals.csv"
            )


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_rows_are_counted_wherever_chunks_end(size: int) -> None:
    text = b'id,say\r\n1,"a ""b""\r\nc"\r\n2,"\n"\r\n3,d\r\n'
    count = RowCount(header=True)
    for start in range(0, len(text), size):
        count.push(text[start : start + size])
    assert count.rows == 3
    lines = RowCount(header=False)
    lines.push(b'{"a": "\\""}\n{}\n')
    assert lines.rows == 2
