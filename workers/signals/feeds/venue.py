"""Public market data of a venue through ccxt.pro, without keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.errors import InputError
from shared.models import MarketKind

# ccxt's exchange objects are not typed. The feed uses load_markets, markets, ohlcvs, milliseconds,
# fetch_ohlcv, watch_ohlcv_for_symbols, close_ws_clients and close of them.
Exchange = Any
# ccxt's class and options of each venue's market. Only what candles need is loaded.
VENUES: dict[tuple[str, MarketKind], tuple[str, dict[str, Any]]] = {
    ("binance", "usdm"): ("binanceusdm", {"fetchMarkets": {"types": ["linear"]}}),
    ("binance", "spot"): ("binance", {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}),
    ("bybit", "usdm"): ("bybit", {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}}),
    ("bybit", "spot"): ("bybit", {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}),
}
TIMEOUT_MS = 10_000


def open_exchange(venue: str, market: MarketKind, session: Callable[[], Any] | None = None) -> Exchange:
    """An exchange object for public candles; nothing is asked of the venue yet.

    `session` makes the aiohttp session that it shall use, for tests and proxies. Raises `InputError` for a
    venue that is not known.
    """
    # Half a second and a hundred megabytes: only for those who want live candles.
    import ccxt.pro

    known = VENUES.get((venue, market))
    if known is None:
        names = ", ".join(sorted({name for name, _ in VENUES}))
        raise InputError(f"unknown venue {venue!r} for {market} candles; known are {names}")
    name, options = known
    config: dict[str, Any] = {
        "enableRateLimit": True,
        "timeout": TIMEOUT_MS,
        "aiohttp_trust_env": True,
        "options": {**options, "fetchCurrencies": False, "fetchMargins": False},
    }
    if session is not None:
        config["session"] = session()
    return getattr(ccxt.pro, name)(config)


def find_unified(exchange: Exchange, symbol: str, market: MarketKind) -> str:
    """ccxt's name of a venue's symbol (`BTCUSDT` is `BTC/USDT:USDT` on USD-M). Markets must be loaded."""
    for one in exchange.markets.values():
        kind = one.get("linear") and one.get("swap") if market == "usdm" else one.get("spot")
        if one["id"] == symbol and kind and one.get("active") is not False:
            return str(one["symbol"])
    raise InputError(f"{exchange.id} does not trade {symbol} on its {market} market")
