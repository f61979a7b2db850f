"""Bybit's candles: over REST, the newest first, and on the streams with whether they are confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.fake_venue.call import Call
from scripts.fake_venue.numbers import plain
from workers.trading.paper.path import Bar

if TYPE_CHECKING:
    from scripts.fake_venue.bybit.wire import Bybit

INTERVALS = {
    60_000: "1",
    180_000: "3",
    300_000: "5",
    900_000: "15",
    1_800_000: "30",
    3_600_000: "60",
    14_400_000: "240",
    86_400_000: "D",
}


def klines(wire: Bybit, call: Call) -> dict[str, Any]:
    """GET kline: the newest of the span, the candle that forms among them."""
    symbol = wire.find_listing(call).rule.symbol
    start, end = int(call.params.get("start") or 0), int(call.params.get("end") or 2**62)
    asked = call.params.get("interval", "1")
    length = next((length for length, name in INTERVALS.items() if name == asked), 60_000)
    found = wire.candles.between(symbol, length, start, end)
    limit = min(int(call.params.get("limit") or 200), 1000)
    rows = [
        [
            str(bar.open_ms),
            *(plain(value) for value in (bar.open, bar.high, bar.low, bar.close, bar.volume)),
            plain(bar.volume * bar.close),
        ]
        for bar in reversed(found)
    ]
    return {"category": call.need("category"), "symbol": call.params["symbol"], "list": rows[:limit]}


def tell_candle(wire: Bybit, bar: Bar, *, closed: bool) -> None:
    """A state of a candle; its last frame is confirmed."""
    rule = wire.tape.listings[bar.symbol].rule
    interval = INTERVALS.get(bar.close_ms - bar.open_ms, "1")
    row = {
        "start": bar.open_ms,
        "end": bar.close_ms - 1,
        "interval": interval,
        "open": plain(bar.open),
        "close": plain(bar.close),
        "high": plain(bar.high),
        "low": plain(bar.low),
        "volume": plain(bar.volume),
        "turnover": plain(bar.volume * bar.close),
        "confirm": closed,
        "timestamp": wire.told_ms(),
    }
    topic = f"kline.{interval}.{rule.id}"
    payload = {"topic": topic, "ts": row["timestamp"], "type": "snapshot", "data": [row]}
    wire.streams.tell(f"{rule.market}:{topic}", "kline", payload)
