"""`python -m scripts.fake_venue --state DIR [--port P]`: a fake venue until standard input closes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from scripts.fake_venue.control import Control
from scripts.fake_venue.keeping import keep, load, save
from scripts.fake_venue.process import CARD, CERTIFICATE
from scripts.fake_venue.venue import FakeVenue
from shared.clock import MarketClock
from shared.identity import from_ms
from workers.trading.paper.engine import Terms


def main() -> int:
    """Read the command line and serve. Exit status 2 for wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.fake_venue",
        description="Binance spot, Binance USD-M and Bybit on loopback, with imagined money. Ends when its "
        "standard input closes (hold the pipe open for as long as you need it) or at SIGTERM.",
    )
    parser.add_argument("--state", type=Path, required=True, help="folder for its address and certificate")
    parser.add_argument("--port", type=int, default=0, help="port to serve on; a free one without it")
    parser.add_argument("--for", dest="seconds", type=float, help="end after so many seconds")
    parser.add_argument("--time", type=int, help="market time in Unix ms; without it the wall's clock")
    parser.add_argument("--symbols", nargs="*", help="the venue's names of what is listed")
    parser.add_argument("--recorded", type=Path, help="folder with a recorded exchangeInfo")
    parser.add_argument("--keep", action="store_true", help="go on with the accounts of the last run")
    parser.add_argument(
        "--until-told", action="store_true", help="end at SIGTERM, whatever becomes of standard input"
    )
    parser.add_argument("--by-candle", action="store_true", help="orders wait for a candle, as on paper")
    asyncio.run(_serve(parser.parse_args()))
    return 0


async def _serve(asked: argparse.Namespace) -> None:
    asked.state.mkdir(parents=True, exist_ok=True)
    clock = None if asked.time is None else MarketClock(from_ms(asked.time))
    venue = FakeVenue(
        clock,
        recorded=asked.recorded,
        symbols=asked.symbols,
        immediate=not asked.by_candle,
        terms=Terms() if asked.by_candle else None,
        kept=asked.state if asked.keep else None,
    )
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    if asked.keep:
        load(venue, asked.state)
    control = Control(venue, over.set)
    await venue.start(asked.port)
    await control.start()
    card = asked.state / CARD
    keeping = asyncio.create_task(keep(venue, asked.state)) if asked.keep else None
    try:
        _write_card(asked.state, card, venue, control)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(asked.seconds):
                if asked.until_told:
                    await over.wait()
                else:
                    await _first(over, await _input_closed())
    finally:
        card.unlink(missing_ok=True)
        await control.close()
        await venue.stop()
        if keeping is not None:
            keeping.cancel()
            save(venue, asked.state)


def _write_card(state: Path, card: Path, venue: FakeVenue, control: Control) -> None:
    certificate = state / CERTIFICATE
    certificate.write_bytes(venue.ca_pem)
    told = {
        "resolver": venue.address,
        "ca": str(certificate.resolve()),
        "control": f"127.0.0.1:{control.port}",
        "pid": os.getpid(),
    }
    # Whoever finds the card finds the whole of it.
    fresh = card.with_suffix(".new")
    fresh.write_text(json.dumps(told))
    fresh.replace(card)


async def _input_closed() -> asyncio.Task[bytes]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return asyncio.create_task(reader.read())


async def _first(over: asyncio.Event, closed: asyncio.Task[bytes]) -> None:
    told = asyncio.create_task(over.wait())
    try:
        await asyncio.wait({told, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        closed.cancel()


if __name__ == "__main__":
    sys.exit(main())
