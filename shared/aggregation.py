"""Longer candles built from the short ones that a feed delivers."""

from __future__ import annotations

from shared.candles import Candle, interval_ms


class Aggregation:
    """Builds the candles of one symbol and interval out of shorter ones.

    Only complete buckets become candles: one whose first candles came before the feed began, or that has a
    gap, is left out and counted in `incomplete`. A bucket's candle is there with its last short candle.
    """

    __slots__ = ("_bucket", "_parts", "incomplete", "interval", "length")

    def __init__(self, interval: str) -> None:
        self.interval = interval
        self.length = interval_ms(interval)
        self.incomplete = 0
        self._bucket = -1
        self._parts: list[Candle] = []

    def add(self, candle: Candle) -> Candle | None:
        """Take the next short candle, in order of time, and return the longer one that it completes."""
        bucket = candle.open_ms - candle.open_ms % self.length
        if bucket != self._bucket:
            if self._parts:
                self.incomplete += 1
            self._bucket, self._parts = bucket, []
        self._parts.append(candle)
        if candle.close_ms != bucket + self.length:
            return None
        parts, self._parts = self._parts, []
        if len(parts) * (candle.close_ms - candle.open_ms) != self.length:
            self.incomplete += 1
            return None
        return join(parts, self.interval)

    def insert(self, candle: Candle) -> None:
        """A short candle came late: if it is of the bucket that forms, it takes its place there."""
        if self._parts and candle.open_ms - candle.open_ms % self.length == self._bucket:
            self._parts = sorted([*self._parts, candle], key=lambda part: part.open_ms)

    def correct(self, candle: Candle) -> None:
        """The venue corrected a short candle: if it is of the bucket that forms, the corrected one counts."""
        self._parts = [candle if part.open_ms == candle.open_ms else part for part in self._parts]


def join(parts: list[Candle], interval: str) -> Candle:
    """One candle over adjoining ones, the earliest first."""
    volume = 0.0
    # Added in order of time with plain floats: the same candles give the same bits on every machine.
    for part in parts:
        volume += part.volume
    return Candle(
        parts[0].symbol,
        interval,
        parts[0].open_ms,
        parts[-1].close_ms,
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        volume,
    )
