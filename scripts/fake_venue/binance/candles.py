"""Binance's candles: over REST, and on the streams with whether they are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.fake_venue.call import Call
from scripts.fake_venue.numbers import plain
from workers.trading.paper.path import Bar

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance

INTERVALS = {
    "1m": 60_000,
    "3m": 180_000,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "4h": 14_400_000,
    "1d": 86_400_000,
}


def klines(wire: Binance, call: Call) -> list[list[Any]]:
    """GET klines: the candle that forms is the last of them, as at the real one."""
    symbol = wire.find_listing(call).rule.symbol
    start, end = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 2**62))
    length = INTERVALS.get(call.params.get("interval", "1m"), 60_000)
    found = wire.candles.between(symbol, length, start, end)
    limit = min(int(call.params.get("limit", 500)), 1000)
    chosen = found[:limit] if "startTime" in call.params else found[-limit:]
    return [_kline(bar) for bar in chosen]


def _kline(bar: Bar) -> list[Any]:
    prices = [plain(bar.open), plain(bar.high), plain(bar.low), plain(bar.close), plain(bar.volume)]
    turnover = plain(bar.volume * bar.close)
    return [bar.open_ms, *prices, bar.close_ms - 1, turnover, 1, plain(bar.volume), turnover, "0"]


def tell_candle(wire: Binance, bar: Bar, *, closed: bool) -> None:
    """A state of a candle; its last frame says that it is closed."""
    rule = wire.tape.listings[bar.symbol].rule
    span = bar.close_ms - bar.open_ms
    name = next((interval for interval, length in INTERVALS.items() if length == span), "1m")
    kline = {
        "t": bar.open_ms,
        "T": bar.close_ms - 1,
        "s": rule.id,
        "i": name,
        "f": 1,
        "L": 2,
        "o": plain(bar.open),
        "c": plain(bar.close),
        "h": plain(bar.high),
        "l": plain(bar.low),
        "v": plain(bar.volume),
        "n": 1,
        "x": closed,
        "q": plain(bar.volume * bar.close),
        "V": plain(bar.volume),
        "Q": plain(bar.volume * bar.close),
        "B": "0",
    }
    payload = {"e": "kline", "E": wire.told_ms(), "s": rule.id, "k": kline}
    wire.streams.tell(f"{rule.market}:{rule.id.lower()}@kline_{name}", "kline", payload)
