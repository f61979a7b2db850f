"""Commands to a venue, and what became of them. Nothing here decides or records; nothing is tried twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog
from ccxt.base.errors import BaseError, ExchangeError, OperationFailed

from shared.errors import OrderDenied, Unavailable
from shared.money import text
from workers.trading.book import Book
from workers.trading.decisions.outcome import Outcome, describe, is_misfit, judge
from workers.trading.decisions.pairs import partner_of, stop_and_target
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.orders import Leg, Order
from workers.trading.traffic.traffic import Withheld
from workers.trading.venues.gate import Held
from workers.trading.venues.venue import Venue

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Results:
    """Outcomes for the record, what the venue told of orders, and orders to ask it about."""

    outcomes: list[dict[str, Any]] = field(default_factory=list)
    seen: list[VenueOrder] = field(default_factory=list)
    ask: list[Order] = field(default_factory=list)
    # Stops that the venue refused to move in their place.
    stiff: list[Order] = field(default_factory=list)
    # Orders that were not sent at all: nothing has to be asked before they are sent again.
    unsent: list[Order] = field(default_factory=list)
    # Refused as what the venue's steps, limits or list of symbols do not allow.
    misfits: list[Order] = field(default_factory=list)
    # Commands that did not reach the venue and are given again later.
    failed: int = 0


async def send(
    venue: Venue,
    book: Book,
    orders: Iterable[Order],
    results: Results,
    refuse: Callable[[Order], Awaitable[OrderDenied | None]],
    held: Held | None = None,
) -> None:
    """Send intended orders, each once, in the given order; the two of a pair with the first of them.

    `refuse` is asked right before each leaves, since those before it may have taken long. `held` may be ready
    for one of them.
    """
    orders, paired = list(orders), set[str]()
    for order in orders:
        if order.client_order_id in paired:
            continue
        if order.managed_by == "bridge":
            results.outcomes.append({"client_order_id": order.client_order_id, "outcome": "confirmed"})
            continue
        partner = None if venue.capabilities.oco is None else partner_of(order, orders)
        both = [order] if partner is None else list(stop_and_target(order, partner))
        paired |= {one.client_order_id for one in both}
        legs = _legs_of(order, book)
        try:
            if (refusal := await refuse(order)) is not None:
                raise refusal
            if partner is None:
                answers = [await venue.place(order, legs, held)]
            else:
                answers = await venue.place_pair(*stop_and_target(order, partner))
        except OrderDenied as denied:
            results.outcomes += [_told(one, "denied", code=denied.code, message=str(denied)) for one in both]
            continue
        except (Withheld, Unavailable) as error:
            # Nothing left: either the way is closed, or nobody could say whether the order is still wanted.
            reason = error.code if isinstance(error, Withheld) else str(error)
            log.warning("order_withheld", client_order_id=order.client_order_id, reason=reason)
            results.unsent += both
            continue
        except BaseError as error:
            verdict = judge(error)
            log.warning(
                "order_not_confirmed",
                client_order_id=order.client_order_id,
                leg=order.leg.value,
                symbol=order.symbol,
                outcome=verdict.outcome.value,
                error=verdict.message,
            )
            results.outcomes += [
                _told(one, verdict.outcome.value, code=verdict.code, message=verdict.message) for one in both
            ]
            if verdict.outcome is Outcome.UNRESOLVED:
                results.ask += both
            elif is_misfit(error):
                results.misfits += both
            continue
        results.outcomes += [
            _told(one, "confirmed", venue_order_id=answer.venue_order_id)
            for one, answer in zip(both, answers, strict=True)
        ]
        results.outcomes += [_told(leg, "submitted") for leg in legs]


async def move(venue: Venue, moves: Iterable[tuple[Order, Decimal]], results: Results) -> None:
    """Move resting stops in their place. Whatever comes of it, each rests somewhere: the venue says where."""
    for order, price in moves:
        try:
            await venue.amend(order, price)
        except (ExchangeError, OrderDenied) as error:
            log.info("move_refused", client_order_id=order.client_order_id, error=describe(error))
            results.stiff.append(order)
            results.ask.append(order)
        except BaseError as error:
            log.warning("move_failed", client_order_id=order.client_order_id, error=describe(error))
            results.ask.append(order)
            results.failed += 1
        else:
            results.outcomes.append(
                _told(order, "confirmed", venue_order_id=order.venue_order_id, trigger_price=text(price))
            )


async def cancel(venue: Venue, book: Book, orders: Iterable[Order], results: Results) -> None:
    """Cancel live orders; of a pair both. One that the venue does not have any more is asked about: it may
    have filled."""
    paired: set[str] = set()
    for order in orders:
        if order.client_order_id in paired:
            continue
        if order.managed_by == "bridge":
            results.outcomes.append(_told(order, "canceled"))
            continue
        partner = _live_partner(venue, book, order)
        both = [order] if partner is None else list(stop_and_target(order, partner))
        paired |= {one.client_order_id for one in both}
        answers: list[VenueOrder | None]
        try:
            if partner is None:
                answers = [await venue.cancel(order)]
            else:
                answers = [*await venue.cancel_pair(*stop_and_target(order, partner))]
        except OperationFailed as error:
            # Cancelling again is harmless: it is tried again with the next look.
            log.warning("cancel_failed", client_order_id=order.client_order_id, error=describe(error))
            results.failed += 1
            continue
        except ExchangeError as error:
            log.info("cancel_refused", client_order_id=order.client_order_id, error=describe(error))
            results.ask += both
            continue
        for one, answer in zip(both, answers, strict=True):
            if answer is None or answer.status == "open":
                results.ask.append(one)
            else:
                results.seen.append(answer)


def _live_partner(venue: Venue, book: Book, order: Order) -> Order | None:
    """The other one of its pair, if that rests for certain. While nobody knows, an order is cancelled by its
    own name: where it is of a list after all, the venue ends that as well."""
    trade = book.get(order.signal_id)
    if venue.capabilities.oco is None or trade is None:
        return None
    partner = partner_of(order, trade.orders.values())
    return partner if partner is not None and partner.is_confirmed else None


def _legs_of(order: Order, book: Book) -> list[Order]:
    trade = book.get(order.signal_id)
    if order.leg is not Leg.ENTRY or trade is None:
        return []
    return [one for one in trade.orders.values() if one.attached and one.is_doubtful]


def _told(order: Order, outcome: str, **more: Any) -> dict[str, Any]:
    return {"client_order_id": order.client_order_id, "outcome": outcome, **more}
