"""ccxt's unified names of venues' symbols: BTCUSDT is BTC/USDT on spot and BTC/USDT:USDT as a perpetual.

SQL holds the same definition for whoever does not send the name; a test keeps the two together.
"""

from __future__ import annotations

from functools import lru_cache

from shared.models import MarketKind

# Where two could be meant (FDUSD ends in USD), the longer one stands first.
QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD", "BTC", "ETH", "BNB", "EUR", "TRY")


@lru_cache(maxsize=4096)
def unify(symbol: str, market: MarketKind) -> str:
    """The unified name of a symbol; the symbol itself when it ends in no currency that is known."""
    for quote in QUOTES:
        base = symbol.removesuffix(quote)
        if base and base != symbol:
            return f"{base}/{quote}:{quote}" if market == "usdm" else f"{base}/{quote}"
    return symbol
