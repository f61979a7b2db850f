"""What the log tells of a signal's orders: each line has the signal's id, by which its whole way is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import structlog

from workers.trading.book import Book
from workers.trading.ledger import Facts, State

log = structlog.get_logger(__name__)


def tell_wanted(account_id: UUID, facts: Facts) -> None:
    """The orders and the refusals of these facts are in the record."""
    account = str(account_id)
    for intent in facts.intents:
        told = {name: intent.get(name) for name in ("leg", "side", "kind", "amount", "code")}
        log.info("order_intended", signal_id=str(intent["signal_id"]), account_id=account, **told)
    for denial in facts.denials:
        log.info("signal_denied", signal_id=str(denial["signal_id"]), account_id=account, code=denial["code"])


def tell(
    account_id: UUID, book: Book, facts: Facts, fills: Iterable[Mapping[str, Any]], state: State
) -> None:
    """What happened, by these facts, is in the record, which answered `state` and took these fills; `book`
    shows what was before."""
    orders = book.orders | {order.client_order_id: order for order in state.orders}
    account = str(account_id)
    for what, items, names in (
        ("order_answered", facts.outcomes, ("outcome", "code", "venue_order_id")),
        ("order_filled", fills, ("price", "amount", "venue_trade_id")),
    ):
        for item in items:
            order = orders.get(item["client_order_id"])
            log.info(
                what,
                signal_id=None if order is None else str(order.signal_id),
                account_id=account,
                client_order_id=item["client_order_id"],
                leg=None if order is None else order.leg.value,
                **{name: item.get(name) for name in names},
            )
    for position in state.positions:
        trade = book.get(position.signal_id)
        if not position.is_open and trade is not None:
            told = {"reason": position.exit_reason, "realized": str(position.realized)}
            log.info("position_closed", signal_id=str(position.signal_id), account_id=account, **told)
