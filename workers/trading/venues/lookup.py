"""Looking for an order in every place where a venue may show it, before anybody calls it absent."""

from __future__ import annotations

from datetime import timedelta

from shared.money import add
from workers.trading.decisions.reconciliation import VenueOrder
from workers.trading.orders import Order
from workers.trading.venues.venue import Venue


async def find_anywhere(venue: Venue, order: Order, overlap: timedelta) -> VenueOrder | None:
    """Ask for an order by its id, then among the open ones, then by its fills since `overlap` before it was
    sent. None: the venue shows it nowhere, at this moment."""
    found = await venue.find(order)
    if found is not None:
        return found
    # Some venues answer "not found" for an order that is only not indexed yet, and list it as open.
    listed = await venue.open_orders(order.symbol)
    named = next((one for one in listed if one.client_order_id == order.client_order_id), None)
    return named or await _find_by_fills(venue, order, overlap)


async def _find_by_fills(venue: Venue, order: Order, overlap: timedelta) -> VenueOrder | None:
    """An order that filled at once may be in no listing yet, and its fills name it."""
    if venue.is_authoritative or order.sent_at is None:
        return None
    trades = await venue.trades(order.symbol, order.sent_at - overlap)
    ours = [trade for trade in trades if trade.client_order_id == order.client_order_id]
    if not ours:
        return None
    filled = add(*(trade.amount for trade in ours))
    return VenueOrder(ours[0].venue_order_id, order.client_order_id, "open", order.amount, filled)
