"""The chaos benchmark in small: real processes killed, cut off and out of disk, and the counts are equal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from scripts.bench.chaos import Load, Outcome, Window, judge, play, share_out
from scripts.bench.chaos_faults import FAULTS
from scripts.bench.chaos_gateway import gateway
from scripts.bench.chaos_plan import HISTORY, Plan, PlannedFeed
from shared.identity import triggered_ms
from shared.market import Market
from shared.models import Trader
from tests.machine.scenes import settings_of
from tests.signals.recordings import DAY
from tests.stacks import running_stack
from workers.signals.evaluator import Evaluator

PLAYED = (
    "the network cut",
    "a gateway answering for the project",
    "the disk full",
)
SMALL = Load(symbols=6, traders=20, beat=0.5, hold=0.5, pause=0.5, rest=0.1, target=None)


# The client's own reading of a connection that was cut off; it begins another.
@pytest.mark.filterwarnings("ignore:ConnectionClosed.code is deprecated:DeprecationWarning")
async def test_what_is_made_is_stored_and_received_once_whatever_dies(state_folder: Path) -> None:
    told: list[str] = []
    faults = [fault for fault in FAULTS if fault.name in PLAYED]
    assert len(faults) == len(PLAYED)
    with running_stack(state_folder / "chaos") as stack:
        settings = settings_of(stack).model_copy(update={"supabase_db_url": SecretStr(stack.db_url)})
        outcome = await play(settings, stack.settings.root, SMALL, faults, told.append)
    assert [one for one in outcome.windows if not one.equal] == [], outcome.words
    assert outcome.twice == 0
    assert outcome.ended == 0, outcome.words
    # Who may neither mount nor make a namespace plays the others, and is told which were left out.
    assert len(outcome.windows) == 1 + len(PLAYED) - len(outcome.skipped)
    assert all(one.made > 0 for one in outcome.windows)


async def test_a_gateway_passes_on_or_answers_in_its_own_words() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        gateway("127.0.0.1", 0, port) as one,
        httpx.AsyncClient(base_url=one.url, trust_env=False) as http,
    ):
        assert (await http.get("/")).text == "ok"
        one.fail()
        told = [await http.post("/rest/v1/rpc/x", content=b"0" * 500_000) for _ in range(2)]
        assert [answer.status_code for answer in told] == [502, 503]
        assert all(answer.headers["content-type"] == "text/html" for answer in told)
        assert (told[0].text.startswith("<html>"), one.refused) == (True, 2)
        one.mend()
        assert (await http.get("/")).text == "ok"
    server.close()
    await server.wait_closed()


PLAN = Plan(1.0, DAY, ("BTCUSDT", "ETHUSDT"))


async def test_the_plan_says_what_an_evaluator_makes(tmp_path: Path) -> None:
    PLAN.write(tmp_path)
    traders = [
        Trader(
            id=UUID(int=number),
            name="one",
            market="usdm",
            symbols=PLAN.symbols,
            interval="1m",
            conditions=("close > open" if number % 2 == 0 else "close < open",),
        )
        for number in range(4)
    ]
    market = Market()
    market.seed(await PlannedFeed(tmp_path, PLAN.symbols).open())
    assert len(market.history("BTCUSDT")) == HISTORY
    evaluator = Evaluator(market)
    evaluator.assign(traders)
    market.subscribe(evaluator.hear)
    for index in range(5):
        for symbol in PLAN.symbols:
            market.publish(PLAN.candle(symbol, index))
        made = {one.id for one in evaluator.evaluate()}
        wanted = list(PLAN.signals(index, [traders[0].id, traders[2].id], [traders[1].id, traders[3].id]))
        assert made == set(wanted)
        assert len(wanted) == 4
        assert {triggered_ms(one) for one in wanted} == {PLAN.close_ms(index)}


def test_all_symbols_are_somebodys_and_some_are_two_machines() -> None:
    symbols = [str(number) for number in range(20)]
    shares = share_out(symbols)
    assert set(symbols) == {one for share in shares.values() for one in share}
    assert set(shares["first"]) & set(shares["second"])


def test_whatever_is_missing_or_too_much_is_no_target_met() -> None:
    good = Window("a fault", 0, 9, made=100, stored=100, received=100)
    bad = [
        replace(good, stored=99),
        replace(good, received=99),
        replace(good, foreign=1),
    ]
    load = replace(SMALL, target=1000)
    assert all(one.met is not False for one in judge(Outcome([good], seconds=1.0), load))
    for window in bad:
        outcome = Outcome([good, window], seconds=1.0)
        assert not outcome.equal
        assert [one.met for one in judge(outcome, load)].count(False) == 1
    for wrong in (Outcome([good], twice=1, seconds=1.0), Outcome([good], ended=1, seconds=1.0)):
        assert [one.met for one in judge(wrong, load)].count(False) == 1
    assert [one.met for one in judge(Outcome([good], seconds=60.0), load)].count(False) == 1
