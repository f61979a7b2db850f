"""The venue in a process of its own: controlled from outside, and gone with whoever started it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import ccxt.pro
import pytest

from scripts.fake_venue.keeping import FILE
from scripts.fake_venue.process import ControlError, read_card, run_process
from shared.venue_sessions import session_factory
from tests.waiting import until

WALLET = {"venue_id": "binanceusdm", "key": "k", "secret": "s", "balances": {"USDT": "1000"}}


async def test_two_processes_meet_the_same_venue(tmp_path: Path) -> None:
    async with run_process(tmp_path, "--symbols", "BTCUSDT") as venue:
        await venue("open_account", **WALLET)
        await venue("move", symbol="BTC/USDT:USDT", price="50000")
        await venue("fault", kind="error_after", route="POST /fapi/v1/order", client_id="lost")
        exchange = ccxt.pro.binanceusdm(
            {"apiKey": "k", "secret": "s", "session": session_factory(venue.resolver, venue.ca)()}
        )
        exchange.timeout_on_exit = 0
        session = exchange.session
        async with session:
            with pytest.raises(ccxt.ExchangeNotAvailable):
                await exchange.create_order(
                    "BTC/USDT:USDT", "market", "buy", 0.01, None, {"clientOrderId": "lost"}
                )
            await exchange.close()
        truth = await venue("truth", key="k", market="usdm")
        assert [order["request"]["client_id"] for order in truth["orders"]] == ["lost"]
        assert truth["positions"][0]["amount"] == "0.01"
        (fault,) = await venue("faults")
        assert fault["struck"] == 1
        with pytest.raises(ControlError, match="nowhere"):
            await venue("move", symbol="nowhere", price="1")
        with pytest.raises(ControlError, match="no command"):
            await venue("dance")
    assert read_card(tmp_path) is None


async def test_one_that_keeps_its_accounts_has_them_after_it_was_killed(tmp_path: Path) -> None:
    async with run_process(tmp_path, "--symbols", "BTCUSDT", "--keep") as venue:
        authority = venue.ca.read_bytes()
        await venue("open_account", **WALLET)
        await venue("move", symbol="BTC/USDT:USDT", price="50000")
        await until(lambda: '"secret": "s"' in (tmp_path / FILE).read_text())
        os.kill(venue.pid, signal.SIGKILL)
    async with run_process(tmp_path, "--symbols", "BTCUSDT", "--keep") as venue:
        # Who trusted the one before trusts this one.
        assert venue.ca.read_bytes() == authority
        assert (await venue("truth", key="k", market="usdm"))["balances"] == {"USDT": "1000"}
        assert await venue("ensure_account", **WALLET) is False


async def test_it_goes_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from scripts.fake_venue.process import run_process\n"
        "async def main():\n"
        "    async with run_process(Path(sys.argv[1])) as venue:\n"
        "        print(venue.pid, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", parent, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.wait()
    await until(lambda: not _lives(pid))
    assert read_card(tmp_path) is None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended and that nobody waited for is still in the table.
    return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
