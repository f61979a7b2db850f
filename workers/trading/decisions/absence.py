"""What becomes of orders that were intended and are proven absent at the venue: sent again under the same id,
or over."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from workers.trading.decisions.pairs import without_lone_targets
from workers.trading.orders import Leg, Order, Position


def part_absent(
    absent: Iterable[Order], position_of: Callable[[Order], Position | None], *, pairs: bool
) -> tuple[list[Order], list[dict[str, Any]]]:
    """The orders that are sent again, and the outcomes of the others. `pairs`: the venue takes a stop and a
    target as one request, and neither of them twice."""
    absent = list(absent)
    wanted = [order for order in absent if is_wanted(order, position_of(order))]
    if pairs:
        wanted = without_lone_targets(wanted)
    outcomes = [
        {
            "client_order_id": order.client_order_id,
            "code": "signal_stale",
            "outcome": "denied" if order.leg is Leg.ENTRY else "canceled",
            "message": "it never reached the venue",
        }
        for order in absent
        if order not in wanted
    ]
    return wanted, outcomes


def is_wanted(order: Order, position: Position | None) -> bool:
    """Whether an order that is proven absent is sent again, under the same id."""
    if order.leg is Leg.ENTRY:
        return True
    # Attached legs cannot be sent without their entry: a stop of its own takes their place.
    if order.attached or position is None or not position.is_open or position.amount < position.lot:
        return False
    if order.leg is Leg.STOP_LOSS:
        return order.trigger_price == position.stop_loss
    return (order.leg is Leg.EXIT) == (position.exit_reason is not None)
