"""What a venue demands of an order on one symbol, and the reason code of each way to miss it.

ccxt enforces no minimum cost and truncates amounts silently; everything is checked here before it is sent,
so that a refusal has a reason of ours and not a venue's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ccxt.base.decimal_to_precision import DECIMAL_PLACES, TICK_SIZE

from shared.errors import OrderDenied
from shared.money import ONE, ZERO, is_multiple, money, multiply, step_down, step_nearest, step_up, text


@dataclass(frozen=True, slots=True)
class Rules:
    """Steps and limits of one symbol. Amounts in base currency whatever the venue's contract is."""

    symbol: str
    base: str
    quote: str
    amount_step: Decimal
    price_tick: Decimal
    min_amount: Decimal
    max_amount: Decimal | None
    min_cost: Decimal
    contract_size: Decimal = ONE
    spot: bool = False
    max_cost: Decimal | None = None
    # Prices that the venue takes at all, and how far from the last price a limit may be (as factors of it).
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    band: tuple[Decimal, Decimal] | None = None
    # How many orders may wait for their trigger at a time, where the venue says so.
    most_waiting: int | None = None
    # Whether the venue takes lists of this symbol in which a stop and a target, both at the market, end each
    # other.
    takes_pairs: bool = False
    # Whether the venue takes entries: what was taken off its list can only be left, if that.
    traded: bool = True

    def round_amount(self, amount: Decimal) -> Decimal:
        """Down to the venue's step: an order is never larger than what was decided."""
        return step_down(amount, self.amount_step)

    def round_price(self, price: Decimal) -> Decimal:
        """To the venue's nearest tick, but never to zero."""
        return max(step_nearest(price, self.price_tick), self.price_tick)

    def check(
        self, amount: Decimal, price: Decimal, *, last: Decimal | None = None, reduce_only: bool = False
    ) -> None:
        """Raise OrderDenied with the reason code when the venue would refuse this order.

        `last` is the last price, which the venue's band is about; None for an order without a limit.
        A reduce-only order has no minimum cost: venues let a position be closed to its last lot.
        """
        if not self.traded and not reduce_only:
            raise OrderDenied(f"{self.symbol} is not traded now", code="symbol_not_tradable")
        if amount <= ZERO or not is_multiple(amount, self.amount_step):
            raise OrderDenied(
                f"the amount {text(amount)} of {self.symbol} is no multiple of {text(self.amount_step)}",
                code="size_invalid" if amount > ZERO else "below_min_amount",
            )
        if amount < self.min_amount:
            raise OrderDenied(
                f"the amount {text(amount)} of {self.symbol} is under the least, {text(self.min_amount)}",
                code="below_min_amount",
            )
        if self.max_amount is not None and amount > self.max_amount:
            raise OrderDenied(
                f"the amount {text(amount)} of {self.symbol} is over the most, {text(self.max_amount)}",
                code="above_max_amount",
            )
        cost = multiply(amount, price)
        if not reduce_only and cost < self.min_cost:
            raise OrderDenied(
                f"the order is worth {text(cost)} {self.quote}, under the venue's least for {self.symbol}, "
                f"{text(self.min_cost)} {self.quote}",
                code="below_min_notional",
            )
        if not reduce_only and self.max_cost is not None and cost > self.max_cost:
            raise OrderDenied(
                f"the order is worth {text(cost)} {self.quote}, over the venue's most for {self.symbol}, "
                f"{text(self.max_cost)} {self.quote}",
                code="above_max_notional",
            )
        low, high = self.bounds(last)
        if (low is not None and price < low) or (high is not None and price > high):
            raise OrderDenied(
                f"the venue takes orders of {self.symbol} from {'0' if low is None else text(low)} to "
                f"{'any price' if high is None else text(high)}, not at {text(price)}",
                code="price_out_of_band",
            )

    def bounds(self, last: Decimal | None) -> tuple[Decimal | None, Decimal | None]:
        """The lowest and the highest price that the venue takes when `last` is the last one."""
        lows, highs = [self.min_price], [self.max_price]
        if self.band is not None and last is not None:
            lows.append(multiply(last, self.band[0]))
            highs.append(multiply(last, self.band[1]))
        low = max((one for one in lows if one is not None), default=None)
        return low, min((one for one in highs if one is not None), default=None)

    def closable(self, amount: Decimal) -> Decimal:
        """The part of a held amount that an order can close; the rest is dust."""
        rounded = self.round_amount(amount) if amount > ZERO else ZERO
        return rounded if rounded >= self.min_amount else ZERO

    @property
    def lot(self) -> Decimal:
        """The least amount that can be traded at all: what is below is dust."""
        return max(step_up(self.min_amount, self.amount_step), self.amount_step)


def rules_of(market: Mapping[str, Any], precision_mode: int) -> Rules:
    """The rules in ccxt's unified market.

    Raises OrderDenied (`symbol_not_tradable`) for a market that is inactive, inverse, or has no precision.
    """
    symbol = str(market["symbol"])
    if market.get("active") is False:
        raise OrderDenied(f"{symbol} is not traded now", code="symbol_not_tradable")
    if market.get("inverse"):
        raise OrderDenied(
            f"{symbol} is settled in its base currency, which is not supported", code="symbol_not_tradable"
        )
    contract = money(market.get("contractSize") or 1)
    limits = market.get("limits") or {}
    amounts, costs = limits.get("amount") or {}, limits.get("cost") or {}
    least, most = amounts.get("min"), _most(market, amounts.get("max"))
    step = multiply(_step(market, "amount", precision_mode), contract)
    return Rules(
        symbol=symbol,
        base=str(market["base"]),
        quote=str(market["quote"]),
        amount_step=step,
        price_tick=_step(market, "price", precision_mode),
        min_amount=multiply(money(least), contract) if least else step,
        max_amount=None if most is None else multiply(most, contract),
        min_cost=money(costs.get("min") or 0),
        max_cost=_bound(costs.get("max")),
        min_price=_bound((limits.get("price") or {}).get("min")),
        max_price=_bound((limits.get("price") or {}).get("max")),
        band=_band(market),
        contract_size=contract,
        spot=bool(market.get("spot")),
        most_waiting=_most_waiting(market),
        takes_pairs=_takes_pairs(market),
    )


def _most(market: Mapping[str, Any], told: Any) -> Decimal | None:
    """The most of one order, also at the market: its stop and its exit leave so, whatever the entry is."""
    info = market.get("info") or {}
    told_of_market = (
        ((market.get("limits") or {}).get("market") or {}).get("max"),
        # ccxt leaves these in the raw answer: Bybit's (of futures, of spot), and OKX's for contracts (on spot
        # it counts money).
        (info.get("lotSizeFilter") or {}).get("maxMktOrderQty"),
        (info.get("lotSizeFilter") or {}).get("maxMarketOrderQty"),
        None if market.get("spot") else info.get("maxMktSz"),
    )
    bounds = [bound for one in (told, *told_of_market) if (bound := _bound(one)) is not None]
    return min(bounds, default=None)


def _bound(value: Any) -> Decimal | None:
    # Venues write zero for "no bound".
    bound = money(value) if value else ZERO
    return bound if bound > ZERO else None


def _band(market: Mapping[str, Any]) -> tuple[Decimal, Decimal] | None:
    """How far from the last price Binance takes orders, which ccxt leaves in the raw answer."""
    for one in (market.get("info") or {}).get("filters") or ():
        if one.get("filterType") == "PERCENT_PRICE":
            return money(one["multiplierDown"]), money(one["multiplierUp"])
        if one.get("filterType") == "PERCENT_PRICE_BY_SIDE":
            # A filter of spot, where an entry always buys.
            return money(one["bidMultiplierDown"]), money(one["bidMultiplierUp"])
    return None


def _most_waiting(market: Mapping[str, Any]) -> int | None:
    """How many conditional orders of a symbol Binance takes, which ccxt leaves in the raw answer."""
    for one in (market.get("info") or {}).get("filters") or ():
        if one.get("filterType") == "MAX_NUM_ALGO_ORDERS":
            return int(one.get("maxNumAlgoOrders") or one["limit"])
    return None


def _takes_pairs(market: Mapping[str, Any]) -> bool:
    info = market.get("info") or {}
    return bool(info.get("ocoAllowed")) and {"STOP_LOSS", "TAKE_PROFIT"} <= set(info.get("orderTypes") or ())


def _step(market: Mapping[str, Any], what: str, precision_mode: int) -> Decimal:
    value = (market.get("precision") or {}).get(what)
    if value is None:
        raise OrderDenied(
            f"the venue tells no {what} precision for {market['symbol']}", code="symbol_not_tradable"
        )
    if precision_mode == TICK_SIZE:
        return money(value)
    if precision_mode == DECIMAL_PLACES:
        return ONE.scaleb(-int(value))
    raise OrderDenied(
        f"the venue counts the precision of {market['symbol']} in significant digits, which is not supported",
        code="symbol_not_tradable",
    )
