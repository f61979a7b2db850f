"""After everything that can go wrong with a key: nothing that a run leaves behind shows any piece of it.

Log, output, database, files, process lists: all are searched for the key, the secret, their encodings, and
every twelve characters of them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from shared.redaction import forms
from shared.settings import CHECKOUT
from tests.trading.key_venue import Key
from tests.trading.keys.typist import Operator

WINDOW = 12


def pieces_of(key: Key) -> set[bytes]:
    """Every window of everything that a secret may look like."""
    found = {form for secret in (key.key, key.secret, key.passphrase) if secret for form in forms(secret)}
    return {form[at : at + WINDOW].encode() for form in found for at in range(max(1, len(form) - WINDOW + 1))}


def search(content: bytes, pieces: set[bytes]) -> list[bytes]:
    """The windows of the content that are pieces."""
    windows = (content[at : at + WINDOW] for at in range(len(content) - WINDOW + 1))
    return [window for window in windows if window in pieces]


def test_the_search_finds_what_it_should() -> None:
    key = Key("k" + "0123456789abcdef" * 2, "s" + "fedcba9876543210" * 2)
    pieces = pieces_of(key)
    for echo in (key.secret, key.secret.encode().hex(), key.secret[5:17]):
        assert search(f"prefix {echo} suffix".encode(), pieces)
    assert not search(b"prefix and suffix alone", pieces)


def processes() -> Iterable[Path]:
    """All processes of this machine."""
    return (path for path in Path("/proc").iterdir() if path.name.isdigit())


def read_lists(pieces: set[bytes]) -> list[str]:
    """Processes that show a piece in their arguments or their environment."""
    shown = []
    for path in processes():
        for name in ("cmdline", "environ"):
            try:
                content = (path / name).read_bytes()
            except OSError:
                continue
            if search(content, pieces):
                shown.append(f"{path}/{name}")
    return shown


async def dump(operator: Operator) -> bytes:
    """Every row of every table that the project has, as text."""
    tables = await operator.fetch(
        """
        select format('%%I.%%I', n.nspname, c.relname) as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('public', 'private', 'partitions', 'realtime', 'storage', 'cron')
          and c.relkind = 'r' and has_table_privilege(c.oid, 'select')
        """
    )
    found = bytearray()
    for table in tables:
        for row in await operator.fetch(f"select row_to_json(t)::text as text from {table['name']} t"):
            found += str(row["text"]).encode()
    for row in await operator.fetch("select query from pg_stat_activity where query is not null"):
        found += str(row["query"]).encode()
    return bytes(found)


class Bridge:
    """A bridge that is told what to do, step by step."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    async def hear(self) -> str:
        """The next line that it says."""
        assert self.process.stdout is not None
        return (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode().strip()

    async def tell(self, word: str) -> None:
        """One thing to do, and done."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())
        assert await self.hear() == f"{word} done"


async def start(operator: Operator, log: str, **environment: str) -> Bridge:
    """A bridge, always of the same machine: it takes up its own leases after a restart."""
    path = operator.folder / log
    with path.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.trading.keys.bridge", str(operator.folder / f"bridge-{operator.user.hex[:8]}")),
            cwd=CHECKOUT,
            env=operator.environment | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    return Bridge(process, path)


async def stop(bridge: Bridge) -> None:
    assert bridge.process.stdin is not None
    bridge.process.stdin.write(b"stop\n")
    bridge.process.stdin.close()
    await asyncio.wait_for(bridge.process.wait(), 60)


async def test_no_piece_of_a_key_is_left_anywhere(operator: Operator) -> None:
    key = operator.make_key(passphrase="passphrase-of-the-account")
    pieces = pieces_of(key)
    typed: list[str] = []

    async def type_in(*arguments: str, status: int = 0, given: str = "", **environment: str) -> None:
        said = await operator.type(*arguments, given=given, **environment)
        assert said.status == status, said.errors
        typed.append(said.out + said.errors)

    given = f"{key.key}\n{key.secret}\n"
    options = ("--user", str(operator.user), "--venue", "bybit", "--live", "--from", "-")
    # A key in the wrong order, a venue that echoes, a wrong master key, and then what is right.
    await type_in("add", *options, "--name", "Main", given=f"{key.secret}\n{key.key}\n", status=1)
    operator.venue.echo = True
    await type_in("add", *options, "--name", "Main", given=given, status=1)
    operator.venue.echo = False
    await type_in("add", *options, "--name", "Main", given=given)
    await type_in("verify", "Main")
    await type_in("verify", "Main", status=1, SIGTRAIL_MASTER_KEY=f"7:{operator.master_key}")
    operator.venue.echo = True
    await type_in("verify", "Main", status=1)
    await type_in("history", "Main", "--json")
    await type_in("list", "--json")

    # A bridge at a venue that echoes everything: reconciliation fails, again and again.
    bridge = await start(operator, "echoed.log")
    assert await bridge.hear() == "started"
    await bridge.tell("step")
    await bridge.tell("fail")
    assert read_lists(pieces) == []
    # What a process leaves that is aborted, as with a fault in a library: the stacks of all threads.
    bridge.process.send_signal(6)
    await asyncio.wait_for(bridge.process.wait(), 60)
    said = bridge.log.read_text()
    assert "reconciliation_failed" in said
    assert "step_failed" in said
    assert "[redacted]" in said
    assert "Fatal Python error" in said

    # One with another master key, and one that stops as it should.
    wrong = await start(operator, "wrong.log", SIGTRAIL_MASTER_KEY=f"9:{operator.master_key}")
    assert await wrong.hear() == "started"
    await stop(wrong)
    assert "does not hold" in wrong.log.read_text()

    assert search("".join(typed).encode(), pieces) == []
    assert search(await dump(operator), pieces) == []
    names = [str(path) for path in operator.folder.rglob("*")]
    assert not [name for name in names if "core" in Path(name).name]
    assert search("\n".join(names).encode(), pieces) == []
    for path in operator.folder.rglob("*"):
        if path.is_file():
            assert search(path.read_bytes(), pieces) == [], path
    for path in operator.stack.settings.root.rglob("*.log"):
        assert search(path.read_bytes(), pieces) == [], path


@pytest.mark.parametrize("command", ["add", "rotate"])
async def test_no_command_takes_a_key_as_an_argument(operator: Operator, command: str) -> None:
    said = await operator.type(command, "--help")
    assert said.status == 0
    for word in ("--secret", "--api-key", "--key ", "--password", "--passphrase"):
        assert word not in said.out
