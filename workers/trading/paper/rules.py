"""What a venue demands of an order: steps, limits and fees of one symbol."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Market = Literal["spot", "usdm"]

# Binance, fee schedule of the lowest tier: USD-M futures 0.02 % maker and 0.05 % taker, spot 0.1 % both.
FEES: dict[Market, tuple[Decimal, Decimal]] = {
    "usdm": (Decimal("0.0002"), Decimal("0.0005")),
    "spot": (Decimal("0.001"), Decimal("0.001")),
}

# Quote currencies by which a venue's symbol is split, the longer names first: `BTCFDUSD` is BTC and FDUSD.
QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "BTC", "ETH", "BNB", "EUR")

# Price tick, amount step and least notional of Binance's USD-M perpetuals, as its exchangeInfo tells them.
_USDM = {
    "BTCUSDT": ("0.1", "0.001", "100"),
    "ETHUSDT": ("0.01", "0.001", "20"),
    "SOLUSDT": ("0.01", "0.01", "5"),
    "XRPUSDT": ("0.0001", "0.1", "5"),
    "BNBUSDT": ("0.01", "0.01", "5"),
    "LINKUSDT": ("0.001", "0.01", "20"),
    "LTCUSDT": ("0.01", "0.001", "20"),
    "ADAUSDT": ("0.0001", "1", "5"),
    "AVAXUSDT": ("0.001", "1", "5"),
    "BCHUSDT": ("0.01", "0.001", "20"),
}
_SPOT = {
    "BTCUSDT": ("0.01", "0.00001", "5"),
    "ETHUSDT": ("0.01", "0.0001", "5"),
    "SOLUSDT": ("0.01", "0.001", "5"),
    "XRPUSDT": ("0.0001", "0.1", "5"),
    "BNBUSDT": ("0.01", "0.001", "5"),
    "LINKUSDT": ("0.01", "0.01", "5"),
    "LTCUSDT": ("0.01", "0.001", "5"),
    "ADAUSDT": ("0.0001", "0.1", "5"),
    "AVAXUSDT": ("0.01", "0.01", "5"),
    "BCHUSDT": ("0.1", "0.001", "5"),
}
KNOWN: dict[Market, tuple[str, ...]] = {"usdm": tuple(_USDM), "spot": tuple(_SPOT)}
# A symbol that neither table knows trades in steps that suit most altcoins.
_UNKNOWN = ("0.0001", "0.001", "5")
_MOST_STEPS = Decimal("10000000")  # the largest order, counted in steps of its amount


@dataclass(frozen=True, slots=True)
class Rule:
    """One symbol at the venue. Prices are in `quote`, amounts in `base`, fees a share of the notional."""

    id: str  # the venue's name, `BTCUSDT`
    symbol: str  # ccxt's unified name, `BTC/USDT:USDT`
    market: Market
    base: str
    quote: str
    tick: Decimal
    step: Decimal
    least_amount: Decimal
    most_amount: Decimal
    least_notional: Decimal
    maker: Decimal
    taker: Decimal


def rule_for(venue_id: str, market: Market) -> Rule:
    """The rule of a symbol, by the venue's name for it.

    Raises ValueError if the name ends in no quote currency that is known.
    """
    name = venue_id.upper()
    quote = next((q for q in QUOTES if name.endswith(q) and len(name) > len(q)), None)
    if quote is None:
        raise ValueError(f"{venue_id!r} is no symbol: it must end in one of {', '.join(QUOTES)}")
    base = name[: -len(quote)]
    tick, step, least = (_USDM if market == "usdm" else _SPOT).get(name, _UNKNOWN)
    maker, taker = FEES[market]
    unified = f"{base}/{quote}:{quote}" if market == "usdm" else f"{base}/{quote}"
    return Rule(
        id=name,
        symbol=unified,
        market=market,
        base=base,
        quote=quote,
        tick=Decimal(tick),
        step=Decimal(step),
        least_amount=Decimal(step),
        most_amount=Decimal(step) * _MOST_STEPS,
        least_notional=Decimal(least),
        maker=maker,
        taker=taker,
    )
