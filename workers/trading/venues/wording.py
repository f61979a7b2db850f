"""Between our words and ccxt's: what an order is asked for with, and what an answer says of it.

Floats exist only here, and only because ccxt wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ccxt.base.errors import BadResponse, InvalidOrder

from shared.errors import OrderDenied
from shared.identity import from_ms
from shared.money import ZERO, divide, money, multiply, text
from workers.trading.decisions.reconciliation import VenueOrder, VenueStatus, VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Leg, Order, Side
from workers.trading.venues.capabilities import Amend, Capabilities

_SIDES: Mapping[str, Side] = {"buy": "buy", "sell": "sell"}
_STATUS: Mapping[str, VenueStatus] = {
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "cancelled": "canceled",
    "expired": "canceled",
    "rejected": "rejected",
}
# Where an answer about a conditional order names the order that it became.
_BECAME = ("actualOrderId", "ordId")
# OKX's categories of such orders.
_LIQUIDATING = frozenset({"full_liquidation", "partial_liquidation"})
_CLIENT_IDS = ("clientOrderId", "orderLinkId", "clOrdId", "algoClOrdId", "clientAlgoId")
# What reading an answer that is none raises, in ccxt's code and in ours.
UNREADABLE = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError)


def unreadable(name: str, error: BaseException) -> BadResponse:
    """The error of an answer that says nothing: a failed operation, so the outcome is unknown."""
    return BadResponse(f"{name}: the answer cannot be read ({type(error).__name__}: {str(error)[:100]})")


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Around the reading of an answer of `name`. Raises BadResponse for one that cannot be read."""
    try:
        yield
    except UNREADABLE as error:
        raise unreadable(name, error) from error


def coins_of(symbols: Iterable[str]) -> list[str]:
    """What these contracts settle in."""
    return sorted({symbol.partition(":")[2].partition("-")[0] for symbol in symbols})


def is_conditional(order: Order) -> bool:
    """Whether an order waits for its trigger price."""
    return order.kind in ("stop", "take_profit")


# One of our prices of a symbol as ccxt takes it.
PriceOf = Callable[[str, Decimal | None], float]


def word_order(
    order: Order, attached: list[Order], row: Capabilities, rules: Rules, price: PriceOf
) -> dict[str, Any]:
    """ccxt's params for an order; `price` turns one of our prices into the venue's.

    Raises OrderDenied for what this venue does not do, since ccxt would silently do something else.
    """
    params: dict[str, Any] = {row.client_ids.parameter: row.client_ids.sent(order.client_order_id)}
    if is_conditional(order):
        if row.client_ids.conditional is not None:
            params[row.client_ids.conditional] = row.client_ids.sent(order.client_order_id)
        params |= _word_trigger(order, row, price(order.symbol, order.trigger_price))
    if order.post_only:
        if not row.post_only or order.kind != "limit":
            raise OrderDenied(f"the venue takes no post-only {order.kind} order", code="order_denied")
        params["postOnly"] = True
    if order.reduce_only and row.reduce_only and not rules.spot:
        params["reduceOnly"] = True
    if attached and not row.attached:
        raise OrderDenied("the venue takes no protection with an entry under our ids", code="order_denied")
    for leg in attached:
        params["stopLoss" if leg.leg is Leg.STOP_LOSS else "takeProfit"] = {
            "triggerPrice": price(order.symbol, leg.trigger_price),
            "clientOrderId": leg.client_order_id,
        }
    return params


def _word_trigger(order: Order, row: Capabilities, trigger: Any) -> dict[str, Any]:
    if order.leg is Leg.ENTRY:
        if order.kind != "stop" or row.stop_entry is None:
            raise OrderDenied(f"the venue takes no {order.kind} order as an entry", code="order_denied")
        if row.stop_entry == "stop_loss":
            return {"stopLossPrice": trigger}
        # A stop loss would be reduce-only at these venues, and open nothing.
        directed = {"triggerDirection": "ascending" if order.side == "buy" else "descending"}
        return {"triggerPrice": trigger, **(directed if row.stop_entry == "directed" else {})}
    if not row.stops:
        raise OrderDenied("no stop rests at this venue: the bridge watches the price", code="order_denied")
    return {"stopLossPrice" if order.kind == "stop" else "takeProfitPrice": trigger}


def word_names(order: Order, row: Capabilities) -> dict[str, Any]:
    """The venue's own id names an order best; ours does until the venue's is known, and where the venue's may
    be that of what a stop became."""
    renamed = row.triggers_anew and is_conditional(order)
    if order.venue_order_id is not None and not renamed:
        return {}
    return {row.client_ids.asked_by: row.client_ids.sent(order.client_order_id)}


def word_book(order: Order, row: Capabilities) -> dict[str, Any]:
    """In which of its books the venue has to look for an order."""
    return {"trigger": True} if is_conditional(order) and row.trigger_books else {}


def word_cancel(order: Order, row: Capabilities) -> dict[str, Any]:
    """Where the venue has to look for an order that it is to cancel."""
    book = word_book(order, row)
    if row.cancel_filter is None or not is_conditional(order):
        return book
    return {**book, "orderFilter": "StopOrder" if order.leg is Leg.ENTRY else row.cancel_filter}


def word_amendment(order: Order, way: Amend, price: str) -> tuple[str, dict[str, Any]]:
    """ccxt's order type and params for moving the trigger of a resting stop or take profit to `price`."""
    if way == "algo":
        leg = "Sl" if order.kind == "stop" else "Tp"
        return "conditional", {f"new{leg}TriggerPx": price, f"new{leg}OrdPx": "-1"}
    return "market", {"triggerPrice": price}


def word_amount(exchange: Any, order: Order, rules: Rules) -> float:
    """The amount in the venue's units. Raises OrderDenied when it would be another than was decided."""
    wanted = divide(order.amount, rules.contract_size)
    try:
        given = money(exchange.amount_to_precision(order.symbol, text(wanted)))
    except InvalidOrder as error:
        raise OrderDenied(
            f"{text(wanted)} of {order.symbol} is less than the venue's least step", code="below_min_amount"
        ) from error
    if given > wanted or given <= ZERO or money(float(given)) != given:
        raise OrderDenied(
            f"the venue would take {text(given)} for {text(wanted)} of {order.symbol}", code="size_invalid"
        )
    return float(given)


def word_price(exchange: Any, symbol: str, price: Decimal | None) -> float:
    """A price at the venue's ticks."""
    if price is None:
        raise ValueError(f"an order of {symbol} lacks its price")
    return float(exchange.price_to_precision(symbol, text(price)))


def read_order(answer: Mapping[str, Any], row: Capabilities, rules: Rules, order: Order | None) -> VenueOrder:
    """An order as ccxt answers it; `order` is ours that was asked for. Raises BadResponse without an id."""
    venue_order_id = answer.get("id")
    if not venue_order_id:
        # ccxt makes an order without anything of a page that is no answer at all.
        raise BadResponse("the venue answered an order without an id")
    info = answer.get("info") or {}
    amount, filled, trigger = answer.get("amount"), answer.get("filled"), answer.get("triggerPrice")
    named = answer.get("clientOrderId") or _name_in(info)
    known = ZERO if order is None else order.amount
    if order is not None and (not named or named == row.client_ids.seen(order.client_order_id)):
        named = order.client_order_id
    return VenueOrder(
        venue_order_id=str(venue_order_id),
        client_order_id=named or None,
        # An acknowledgement without a status is an order in the book.
        status=_STATUS.get(answer.get("status") or "open", "open"),
        amount=known if amount is None else multiply(money(amount), rules.contract_size),
        filled=ZERO if filled is None else multiply(money(filled), rules.contract_size),
        trigger_price=None if trigger is None else money(trigger),
        moves=row.amend is not None,
        symbol=rules.symbol,
        side=_SIDES.get(str(answer.get("side"))),
    )


def read_successor(answer: Mapping[str, Any]) -> str | None:
    """The id of the order that a conditional order became when it triggered."""
    info = answer.get("info") or {}
    became = next((str(info[name]) for name in _BECAME if info.get(name) not in (None, "", "0", 0)), None)
    return None if became == str(answer.get("id")) else became


def read_trade(trade: Mapping[str, Any], row: Capabilities, rules: Rules) -> VenueTrade:
    """A fill as ccxt answers it, without the price of a fee in a third currency."""
    fee = trade.get("fee") or {}
    maker = trade.get("takerOrMaker")
    info = trade.get("info") or {}
    number = str(trade["id"])
    return VenueTrade(
        # Some venues number the fills of each symbol anew.
        venue_trade_id=f"{rules.symbol}#{number}" if row.fills.numbered_by_symbol else number,
        venue_order_id=str(trade["order"]),
        client_order_id=trade.get("clientOrderId") or _name_in(info),
        side="buy" if trade["side"] == "buy" else "sell",
        price=_exact(info, trade["price"], "price", "execPrice", "fillPx"),
        amount=multiply(
            _exact(info, trade["amount"], "amount", "qty", "execQty", "fillSz"), rules.contract_size
        ),
        fee_cost=_exact(info, fee.get("cost") or 0, "fee", "commission", "execFee"),
        fee_currency=fee.get("currency"),
        executed_at=from_ms(int(trade["timestamp"])),
        is_maker=None if maker is None else maker == "maker",
        symbol=rules.symbol,
        # Elsewhere a field of this name says something else.
        kind=info.get("execType") if row.close_kinds else None,
    )


def read_liquidation(answer: Mapping[str, Any]) -> bool:
    """Whether an order that is not ours was the venue's, to liquidate: by its name, or by its category."""
    info = answer.get("info") or {}
    name = str(answer.get("clientOrderId") or _name_in(info) or "")
    return name.startswith("autoclose-") or info.get("category") in _LIQUIDATING


def _name_in(info: Mapping[str, Any]) -> str | None:
    return next((str(info[name]) for name in _CLIENT_IDS if info.get(name)), None)


def _exact(info: Mapping[str, Any], value: Any, *names: str) -> Decimal:
    """The number as the venue wrote it, where its raw answer has it: a float may have lost digits."""
    rounded = money(value)
    for name in names:
        raw = info.get(name)
        if isinstance(raw, str) and raw:
            exact = money(raw)
            if float(exact) == float(rounded):
                return exact
    return rounded
