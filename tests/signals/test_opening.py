"""Which candles a command opens: none for roles that need none, a recording in the middle, with its past."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from cli.candles import Source, open_feed, open_live
from shared.candles import MINUTE_MS
from tests.signals.recordings import DAY, make
from tests.waiting import until


async def test_the_archive_needs_no_venue_and_runs_until_it_is_closed() -> None:
    opened = await open_live(Source(venue="nowhere"), roles=["archive"])
    assert (opened.feed.kind, opened.feed.symbols, opened.warm) == ("absent", (), ())
    got: list[object] = []

    async def read() -> None:
        got.extend([batch async for batch in opened.feed.batches()])

    reading = asyncio.create_task(read())
    await opened.feed.close()
    await until(reading.done)
    assert got == []


async def test_a_replay_from_the_middle_knows_what_came_before(tmp_path: Path) -> None:
    lines = ["ts,open,high,low,close,volume"]
    for minute in range(30):
        one = make(minute, 101.0)
        lines.append(f"{one.open_ms},{one.open},{one.high},{one.low},{one.close},{one.volume}")
    (tmp_path / "BTCUSDT_1m.csv").write_text("\n".join(lines))
    opened = await open_feed(Source(candles=tmp_path, since="2025-05-04T00:20"), Console(quiet=True))
    assert [one.close_ms for one in opened.warm] == [DAY + (1 + at) * MINUTE_MS for at in range(20)]
    assert [one.close_ms for one in opened.longer if one.interval == "15m"] == [DAY + 15 * MINUTE_MS]
    assert len([batch async for batch in opened.feed.batches()]) == 10
    whole = await open_feed(Source(candles=tmp_path), Console(quiet=True))
    assert (whole.warm, whole.longer) == ((), ())
    await whole.feed.close()


async def test_a_simulated_market_is_opened_with_its_past() -> None:
    opened = await open_feed(Source(simulate=True, symbols="BTCUSDT"), Console(quiet=True))
    intervals = {one.interval for one in opened.longer}
    assert opened.feed.kind == "simulated"
    assert {"5m", "1h", "4h", "1d"} <= intervals
    assert len(opened.warm) >= 120
    await opened.feed.close()
