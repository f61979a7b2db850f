"""After everything that can go wrong with a key: nothing that a run leaves behind shows any piece of it.

Log, output, database, files, process lists: all are searched for the key, the secret, their encodings, and
every twelve characters of them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from scripts.fake_venue.process import run_process
from shared.settings import CHECKOUT
from tests.stacks import Stack
from tests.trading.key_venue import Key
from tests.trading.keys.search import (
    left_by,
    pieces_of,
    read_lists,
    search,
    search_database,
    search_files,
    watching_lists,
)
from tests.trading.keys.typist import Operator
from tests.trading.leases.scene import PRICES, Scene, secret_of
from tests.trading.world import Sql, World, open_world
from tests.waiting import until


def test_the_search_finds_what_it_should() -> None:
    key = Key("k" + "0123456789abcdef" * 2, "s" + "fedcba9876543210" * 2)
    pieces = pieces_of(key.key, key.secret)
    for echo in (key.secret, key.secret.encode().hex(), key.secret[5:17]):
        assert search(f"prefix {echo} suffix".encode(), pieces)
    assert not search(b"prefix and suffix alone", pieces)


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
    pieces = pieces_of(key.key, key.secret, key.passphrase)
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
    assert read_lists(pieces) == set()
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
    # The master key is in the environment of whoever opens keys, and nowhere else.
    pieces |= pieces_of(operator.master_key)
    assert await search_database(operator.sql, pieces) == []
    assert list(search_files(left_by(operator.folder, operator.stack), pieces)) == []


async def test_no_piece_of_a_key_is_left_by_a_run_that_trades(stack: Stack, sql: Sql, tmp_path: Path) -> None:
    """Entries, stops, a journal, a killed bridge, an emergency close without it, and one that takes over."""
    async with run_process(tmp_path / "venue", "--symbols", *PRICES) as venue, open_world(sql) as world:
        scene = Scene(stack, world, venue, tmp_path / "run", accounts=2)
        pieces = pieces_of(*scene.keys, *(secret_of(key) for key in scene.keys))
        said = b""
        try:
            async with watching_lists(pieces) as shown:
                await scene.set_up()
                await scene.start("one")
                await scene.fire("BTCUSDT")
                await until(lambda: scene.protected(2), timeout=60)
                scene.bridges["one"].kill()
                await scene.bridges["one"].wait()
                closing = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-m", "cli.main", "emergency", "close", "--from-journal", "--yes", "--json"),
                    *("--journals", str(scene.journals("one"))),
                    cwd=CHECKOUT,
                    env=scene.environment,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                )
                said, _ = await closing.communicate()
                assert closing.returncode == 0, said
                await scene.start("one")
                await until(lambda: _closed(world, 2), timeout=60)
                said += (await operator_list(scene)).encode()
            assert shown == set()
            for key in scene.keys:
                assert (await venue("truth", key=key, market="usdm"))["positions"] == []
        finally:
            await scene.stop()
        journal = b"".join(path.read_bytes() for path in scene.journals("one").iterdir())
        assert b"ciphertext" in journal
        pieces |= pieces_of(scene.master_key)
        assert search(said, pieces) == []
        assert await search_database(sql, pieces) == []
        assert list(search_files(left_by(tmp_path / "run", stack), pieces)) == []


async def _closed(world: World, positions: int) -> bool:
    rows = await world.fetch(
        "select from public.positions where user_id = %s and status = 'closed'", world.user
    )
    return len(rows) == positions


async def operator_list(scene: Scene) -> str:
    """What `sigtrail accounts list` says."""
    environment = scene.environment | {"SUPABASE_DB_URL": scene.stack.db_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", "accounts", "list", "--json"),
        cwd=CHECKOUT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said
    return said.decode()


@pytest.mark.parametrize("command", ["add", "rotate"])
async def test_no_command_takes_a_key_as_an_argument(operator: Operator, command: str) -> None:
    said = await operator.type(command, "--help")
    assert said.status == 0
    for word in ("--secret", "--api-key", "--key ", "--password", "--passphrase"):
        assert word not in said.out
