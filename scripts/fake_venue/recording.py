"""Recorded web socket frames of Binance, played again as they came, and the candles of their trades."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from scripts.fake_venue.venue import FakeVenue
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import Market


def read_frames(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name of the stream and the event of each frame: a line is the time it was received, a space, and
    the frame. Lines that are no frames (a recording holds answers, too) are passed over."""
    with gzip.open(path) as file:
        for line in file:
            frame = orjson.loads(line.split(b" ", 1)[1])
            if "stream" in frame:
                yield frame["stream"], frame["data"]


class Player:
    """Plays the frames of one symbol to whoever listens. Its trades make candles, as Binance makes them: told
    as they form, and closed by the first trade of the minute that follows.

    `played` counts frames by the name of their event.
    """

    def __init__(self, venue: FakeVenue, symbol: str, market: Market, length_ms: int = 60_000) -> None:
        self.played: dict[str, int] = {}
        self._venue = venue
        self._symbol = symbol
        self._market = market
        self._length = length_ms
        self._bar: Bar | None = None

    def play(self, stream: str, event: dict[str, Any]) -> None:
        """Send one frame verbatim, then what it makes of the candle."""
        name = str(event.get("e", "bookTicker"))
        self.played[name] = self.played.get(name, 0) + 1
        self._venue.binance.streams.tell(f"{self._market}:{stream}", name, event)
        # Futures tell trades of the insurance fund on the same stream; no candle counts them.
        if name == "trade" and event.get("X", "MARKET") == "MARKET":
            self._trade(int(event["T"]), Decimal(event["p"]), Decimal(event["q"]))

    def finish(self) -> None:
        """The minute of the last trade ends."""
        if self._bar is not None:
            self._close(self._bar)
            self._bar = None

    def _trade(self, at_ms: int, price: Decimal, amount: Decimal) -> None:
        opened = at_ms // self._length * self._length
        bar = self._bar
        if bar is not None and bar.open_ms < opened:
            self._close(bar)
            bar = None
        if bar is None:
            bar = Bar(self._symbol, opened, opened + self._length, price, price, price, price, Decimal(0))
        self._bar = Bar(
            bar.symbol,
            bar.open_ms,
            bar.close_ms,
            bar.open,
            max(bar.high, price),
            min(bar.low, price),
            price,
            bar.volume + amount,
        )
        self._venue.tell_candle(self._bar, "binance", closed=False)

    def _close(self, bar: Bar) -> None:
        self._venue.know_candle(bar, "binance")
        self._venue.tell_candle(bar, "binance")
