"""The search for one order, in the way that its venue answers: by itself, by a filter, or in its listings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ccxt.base.errors import OperationFailed, OrderNotFound

from shared.identity import floor_ms
from workers.trading.orders import Order
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.wire import Wire
from workers.trading.venues.wording import word_book, word_names

# Listings answer twenty orders or so when no number is asked for.
_LISTED = 50
# Where a venue lists orders that have ended, by ccxt's name of the ability.
_ENDED = (
    ("fetchClosedOrders", "fetch_closed_orders"),
    ("fetchCanceledOrders", "fetch_canceled_orders"),
    ("fetchOrders", "fetch_orders"),
)
# The venue's clock may be behind ours.
_EARLIER_MS = 60_000


class Search:
    """Of one account's orders."""

    def __init__(self, wire: Wire, capabilities: Capabilities) -> None:
        self._wire = wire
        self._row = capabilities

    async def look_up(self, order: Order) -> Mapping[str, Any] | None:
        """What the venue tells of an order, as ccxt answers it; None: it says that there is no such order."""
        ways = {"order": self._ask_itself, "filter": self._ask_filtered, "listing": self._ask_listings}
        with suppress(OrderNotFound):
            return await ways[self._row.lookup](order)
        return None

    async def _ask_itself(self, order: Order) -> Mapping[str, Any] | None:
        params = {**word_names(order, self._row), **word_book(order, self._row)}
        answer: Mapping[str, Any] = await self._wire.read(
            "fetch_order", order.venue_order_id, order.symbol, params
        )
        return answer

    async def _ask_filtered(self, order: Order) -> Mapping[str, Any] | None:
        # By our id always: it is known before the venue's, and holds for every state of the order.
        params = {self._row.client_ids.asked_by: self._row.client_ids.seen(order.client_order_id)}
        for name in ("fetch_open_orders", "fetch_canceled_and_closed_orders"):
            answers = await self._wire.read(name, order.symbol, None, _LISTED, dict(params))
            found = self._pick(order, answers)
            if found is not None:
                return found
        return None

    async def _ask_listings(self, order: Order) -> Mapping[str, Any] | None:
        if order.venue_order_id is not None:
            answer: Mapping[str, Any] = await self._wire.read(
                "fetch_order", order.venue_order_id, order.symbol, {}
            )
            return answer
        since = None if order.sent_at is None else floor_ms(order.sent_at) - _EARLIER_MS
        ended = [method for name, method in _ENDED if self._wire.exchange.has.get(name)]
        if not ended:
            # Nothing proves here that an order is absent: it stays unresolved, and a person looks.
            raise OperationFailed(f"{self._wire.exchange.id} lists no orders that have ended")
        for method in ("fetch_open_orders", *ended):
            found = self._pick(order, await self._wire.read(method, order.symbol, since))
            if found is not None:
                return found
        return None

    def _pick(self, order: Order, answers: list[Any]) -> Mapping[str, Any] | None:
        seen = self._row.client_ids.seen(order.client_order_id)
        return next(
            (
                one
                for one in answers
                if one.get("clientOrderId") == seen or one.get("id") == order.venue_order_id is not None
            ),
            None,
        )
