"""Public market data of a venue through ccxt.pro, without keys."""

from __future__ import annotations

import asyncio
from typing import Any

from shared.errors import InputError
from shared.models import MarketKind
from shared.venue_sessions import SessionFactory

# ccxt's exchange objects are not typed. The feed uses load_markets, set_markets, markets, ohlcvs,
# milliseconds, fetch_time, fetch_ohlcv, watch_ohlcv_for_symbols, handle_message, clients and close of them.
Exchange = Any
# ccxt's class and options of each venue's market. Only what candles need is loaded.
VENUES: dict[tuple[str, MarketKind], tuple[str, dict[str, Any]]] = {
    ("binance", "usdm"): ("binanceusdm", {"fetchMarkets": {"types": ["linear"]}}),
    ("binance", "spot"): ("binance", {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}),
    ("bybit", "usdm"): ("bybit", {"defaultType": "swap", "fetchMarkets": {"types": ["linear"]}}),
    ("bybit", "spot"): ("bybit", {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}),
}
TIMEOUT_MS = 10_000
# How many symbols one subscribing message may name, by ccxt's id: Bybit takes ten on spot.
CHUNKS: dict[tuple[str, MarketKind], int] = {("bybit", "spot"): 10}
# How long a sample of the venue's clock is good for.
SAMPLE_SECONDS = 300.0


def open_exchange(venue: str, market: MarketKind, session: SessionFactory | None = None) -> Exchange:
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
    exchange = getattr(ccxt.pro, name)(config)
    if session is not None:
        # ccxt waits after closing for its own sessions' sake; these close for themselves.
        exchange.timeout_on_exit = 0
    return exchange


async def close_exchange(exchange: Exchange) -> None:
    """Close its connections, also the session that it was given."""
    session = None if exchange.own_session else exchange.session
    await exchange.close()
    if session is not None:
        await session.close()


def find_unified(exchange: Exchange, symbol: str, market: MarketKind) -> str:
    """ccxt's name of a venue's symbol (`BTCUSDT` is `BTC/USDT:USDT` on USD-M). Markets must be loaded."""
    for one in exchange.markets.values():
        kind = one.get("linear") and one.get("swap") if market == "usdm" else one.get("spot")
        if one["id"] == symbol and kind and one.get("active") is not False:
            return str(one["symbol"])
    raise InputError(f"{exchange.id} does not trade {symbol} on its {market} market")


class VenueClock:
    """The venue's time: whether a candle ended is for its clock to say, and this machine's may be wrong."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._offset_ms = 0
        self._sampled_at: float | None = None

    def now_ms(self) -> int:
        """Unix milliseconds at the venue, as far as is known."""
        return int(self._exchange.milliseconds()) + self._offset_ms

    async def sample(self) -> None:
        """Ask the venue. Never ahead of it: what the answer took is counted as if it took it coming back."""
        told = await self._exchange.fetch_time()
        self._offset_ms = int(told) - int(self._exchange.milliseconds())
        self._sampled_at = asyncio.get_running_loop().time()

    async def keep(self) -> None:
        """Ask again when the last answer is old."""
        now = asyncio.get_running_loop().time()
        if self._sampled_at is None or now - self._sampled_at > SAMPLE_SECONDS:
            self._sampled_at = now
            await self.sample()
