"""The signals role against a real project: stored once, nothing lost, whatever the database goes through."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.processes import Process
from shared.client import Connection
from shared.clock import MarketClock
from shared.errors import Unavailable
from shared.identity import from_ms
from shared.market import Market
from shared.models import TRADER_COLUMNS, Trader
from shared.wakes import Wakes
from tests.machine.scenes import Scene, machine_connection
from tests.signals.recordings import DAY, make
from tests.stacks import Stack, running_stack
from tests.waiting import until
from workers.signals.evaluator import Unfit
from workers.signals.feeds.simulated import SimulatedFeed
from workers.signals.role import TRADERS, SignalsRole
from workers.signals.traders import load_traders

OUTAGE_SECONDS = 30


class Rig:
    """A signals role on a machine of its own, for the traders of its scenes, over a market of its own."""

    def __init__(
        self, connection: Connection, folder: Path, scenes: tuple[Scene, ...], *, replay: bool
    ) -> None:
        self._connection = connection
        self._ours = {scene.trader_id for scene in scenes}
        self.market = Market()
        self.clock = MarketClock(from_ms(DAY))
        self.wakes = Wakes()
        self.role = SignalsRole(
            self.market,
            self.clock,
            self.wakes,
            connection.call,
            self.load,
            folder,
            replay=replay,
        )

    async def load(self) -> tuple[list[Trader], list[Unfit]]:
        """The project is shared by all tests, and so are its traders."""
        traders, unfit = await load_traders(self._connection)
        return [one for one in traders if one.id in self._ours], unfit

    async def play(self, *closes: float, symbol: str = "BTCUSDT") -> None:
        """Candles of consecutive minutes, a step after each."""
        begin = self.market.latest(symbol)
        first = 0 if begin is None else (begin.close_ms - DAY) // 60_000
        for minute, close in enumerate(closes, first):
            candle = make(minute, close, symbol)
            self.clock.advance_ms(max(candle.close_ms, self.clock.millis()))
            self.market.publish(candle)
            await self.role.step()


@asynccontextmanager
async def rigged(folder: Path, *scenes: Scene, replay: bool = True) -> AsyncIterator[Rig]:
    async with machine_connection(scenes[0].stack, "signal_worker") as connection:
        rig = Rig(connection, folder, scenes, replay=replay)
        await rig.role.start()
        try:
            yield rig
        finally:
            await rig.role.stop()


def open_scene(stack: Stack, **trader: Any) -> Scene:
    scene = Scene(stack, **{"conditions": ["close < 100"], "symbols": ["BTCUSDT"], **trader})
    day = datetime.fromtimestamp(DAY / 1000, UTC)
    scene.open_days(day, day + timedelta(days=3))
    return scene


def query(stack: Stack, text: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(stack.db_url) as database:
        return database.execute(text.encode(), values).fetchall()


async def test_a_signal_is_stored_as_it_was_fired(stack: Stack, tmp_path: Path) -> None:
    scene = open_scene(stack, side="short")
    async with rigged(tmp_path, scene) as rig:
        await rig.play(101, 99.25, 98)
        assert rig.role.counts["rejected"] == 0, (tmp_path / "dead-letters.jsonl").read_text()
    columns = (
        "id, symbol, normalised_symbol, side::text, status::text, source::text, initial_price::text, "
        "matched_conditions, original_signal -> 'candle' ->> 'close', "
        "(extract(epoch from triggered_at) * 1000)::bigint, public.human_name(s)"
    )
    (found,) = query(stack, f"select {columns} from public.signals s where user_id = %s", scene.user_id)
    closed = DAY + 2 * 60_000
    assert found[1:] == (
        "BTCUSDT",
        "BTC/USDT:USDT",
        "short",
        "new",
        "cloud",
        "99.25",
        [{"text": "close < 100", "values": {"close": 99.25}}],
        "99.25",
        closed,
        f"BTCUSDT-{closed}",
    )
    assert [event[0] for event in scene.events(found[0])] == ["signal_created"]


async def test_two_machines_that_see_the_same_store_it_once(stack: Stack, tmp_path: Path) -> None:
    scene = open_scene(stack)
    closes = [101, 99, 101, 98, 97, 101, 96]
    async with rigged(tmp_path / "one", scene) as one, rigged(tmp_path / "two", scene) as two:
        await asyncio.gather(one.play(*closes), two.play(*closes))
        counts = one.role.counts + two.role.counts
    assert len(scene.signals()) == 3
    assert (counts["inserted"], counts["duplicates"], counts["rejected"]) == (3, 3, 0)


async def test_a_second_run_over_the_same_candles_stores_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    scene = open_scene(stack)
    for run, (inserted, duplicates) in enumerate([(2, 0), (0, 2)]):
        async with rigged(tmp_path / str(run), scene) as rig:
            await rig.play(101, 99, 101, 99)
            assert (rig.role.counts["inserted"], rig.role.counts["duplicates"]) == (inserted, duplicates)
    assert len(scene.signals()) == 2


async def test_rows_that_are_refused_are_kept_with_their_reason(stack: Stack, tmp_path: Path) -> None:
    scene = open_scene(stack, symbols=["BTCUSDT", "ETHUSDT"])
    async with rigged(tmp_path, scene) as rig:
        await rig.play(101, 99)
        with psycopg.connect(stack.db_url, autocommit=True) as database:
            database.execute("update public.traders set status = 'paused' where id = %s", [scene.trader_id])
        await rig.play(101, 99, symbol="ETHUSDT")
        assert rig.role.counts["rejected_trader_inactive"] == 1
        assert rig.role.counts["pending"] == 0
    (letter,) = [json.loads(line) for line in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
    assert (letter["code"], letter["row"]["symbol"]) == ("trader_inactive", "ETHUSDT")
    assert len(scene.signals()) == 1


async def test_one_bad_row_of_a_batch_is_refused_alone(stack: Stack, tmp_path: Path) -> None:
    """A day without partitions is refused; what fires on the open days beside it is stored."""
    scene = open_scene(stack, interval="1d")
    async with rigged(tmp_path, scene) as rig:
        await rig.play(*[101.0] * 5)
        spool = rig.role._spool
        assert spool is not None
        row: dict[str, Any] = {"trader_id": str(scene.trader_id), "symbol": "BTCUSDT", "interval": "1d"}
        row |= {"price": "1", "side": "long", "id": None}
        times = [DAY + 86_400_000, 86_400_000, DAY + 2 * 86_400_000]
        spool.append([json.dumps({**row, "triggered_at": at}).encode() for at in times])
        await rig.role.step()
        assert rig.role.counts["inserted"] == 2
        assert rig.role.counts["rejected_outside_partitions"] == 1
    assert len(scene.signals()) == 2


FAIL_OVER = """
create function public.fail_over() returns trigger language plpgsql as $$
begin
  raise exception 'it broke' using errcode = 'XX000';
end;
$$;
create trigger fail_over before insert on public.signals for each row when (new.symbol = '%s')
  execute function public.fail_over();
"""


async def test_a_row_that_the_database_fails_over_is_kept_and_the_others_are_stored(
    stack: Stack, tmp_path: Path
) -> None:
    """A defect inside the database, that one row brings out: PostgREST answers 500 for all of its batch."""
    symbols = ["BTCUSDT", "FAILOVERUSDT", "ETHUSDT", "SOLUSDT"]
    scene = open_scene(stack, symbols=symbols)
    async with rigged(tmp_path, scene) as rig:
        with psycopg.connect(stack.admin_db_url, autocommit=True) as database:
            database.execute((FAIL_OVER % "FAILOVERUSDT").encode())
            try:
                for minute, close in enumerate([101.0, 99.0]):
                    for symbol in symbols:
                        rig.market.publish(make(minute, close, symbol))
                rig.clock.advance_ms(DAY + 2 * 60_000)
                # How many steps it takes depends on which half, by chance, is tried first.
                with pytest.raises(Unavailable, match="it broke"):
                    await rig.role.step()
                for _ in range(2 * len(symbols)):
                    if rig.role.counts["pending"]:
                        with suppress(Unavailable):
                            await rig.role.step()
            finally:
                database.execute("drop function public.fail_over cascade")
        assert (rig.role.counts["inserted"], rig.role.counts["rejected_XX000"]) == (3, 1)
        assert rig.role.counts["pending"] == 0
    (letter,) = [json.loads(line) for line in (tmp_path / "dead-letters.jsonl").read_text().splitlines()]
    assert (letter["code"], letter["row"]["symbol"]) == ("XX000", "FAILOVERUSDT")
    assert "it broke" in letter["message"]
    assert len(scene.signals()) == 3


async def test_a_changed_trader_is_evaluated_anew(stack: Stack, tmp_path: Path) -> None:
    scene = open_scene(stack, conditions=["close > 1000"])
    async with rigged(tmp_path, scene) as rig:
        await rig.play(101, 99)
        with psycopg.connect(stack.db_url, autocommit=True) as database:
            change = "update public.traders set conditions = %s where id = %s"
            database.execute(change, [["close < 100"], scene.trader_id])
        rig.wakes.wake(TRADERS)
        await rig.play(101, 99)
    assert len(scene.signals()) == 1


async def test_every_active_trader_is_read_whatever_its_owner(stack: Stack) -> None:
    active, paused = open_scene(stack), open_scene(stack, status="paused")
    async with machine_connection(stack, "signal_worker") as connection:
        traders, unfit = await load_traders(connection)
    ids = [one.id for one in traders]
    assert ids == sorted(ids)
    assert active.trader_id in ids
    assert paused.trader_id not in ids
    assert unfit == []
    (one,) = [one for one in traders if one.id == active.trader_id]
    assert (one.symbols, one.conditions, one.side) == (("BTCUSDT",), ("close < 100",), "long")
    assert set(one.model_dump()) == set(TRADER_COLUMNS.split(","))


# The database goes away ------------------------------------------------------------------------------------


class Database:
    """The database of a stack of the test's own, to be stopped and started."""

    def __init__(self, stack: Stack) -> None:
        self._settings = stack.settings
        self._mark = Cluster(stack.settings).data / "PG_VERSION"

    def stop(self) -> None:
        """Stop it, and keep the supervisor from starting it again."""
        self._mark.rename(self._mark.with_suffix(".away"))
        process = Process.read(self._settings.pids / "postgres.json")
        assert process is not None
        process.end(signal.SIGINT)

    def start(self) -> None:
        """Let the supervisor start it."""
        self._mark.with_suffix(".away").rename(self._mark)


@pytest.fixture
async def own_stack(state_folder: Path) -> AsyncIterator[Stack]:
    with running_stack(state_folder / "outage") as running:
        yield running


async def test_the_database_stopped_for_thirty_seconds_under_load_loses_nothing(
    own_stack: Stack, tmp_path: Path
) -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "BNBUSDT")
    scenes = [open_scene(own_stack, symbols=list(symbols), conditions=["close > open"]) for _ in range(4)]
    feed = SimulatedFeed(symbols, start_ms=DAY)
    database = Database(own_stack)
    fired: set[UUID] = set()
    async with rigged(tmp_path, *scenes, replay=False) as rig:
        counts = rig.role.counts
        batches = feed.batches()

        async def load() -> None:
            """One close after another, each as soon as the loop has had its turn."""
            async for batch in batches:
                for candle in batch:
                    rig.market.publish(candle)
                rig.role._evaluate()
                fired.update(one.id for one in rig.role._made)
                try:
                    await rig.role.step()
                except Unavailable:
                    continue
                await asyncio.wait([stopped], timeout=0.02)
                if stopped.done():
                    return

        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        loading = asyncio.create_task(load())
        await until(lambda: counts["inserted"] > 300)
        database.stop()
        began, before = time.monotonic(), counts["inserted"]
        await until(lambda: time.monotonic() - began > OUTAGE_SECONDS, timeout=OUTAGE_SECONDS + 30)
        assert counts["retries"] > 0
        assert counts["pending"] > 300
        waiting = counts["pending"]
        database.start()
        await until(lambda: counts["inserted"] > before + waiting, timeout=90)
        stopped.set_result(None)
        await loading
        await feed.close()
        await until(lambda: counts["pending"] == 0, timeout=60)
        assert counts["fired"] == len(fired) == counts["inserted"] + counts["duplicates"]
        assert counts["rejected"] == counts["refused"] == 0
    stored = {row[0] for scene in scenes for row in scene.signals()}
    assert stored == fired
    doubled = query(
        own_stack, "select signal_id from public.signal_events group by signal_id having count(*) <> 1"
    )
    assert doubled == []
