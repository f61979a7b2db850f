"""Which stop loss and take profit rest at a venue as a pair, where one ends the other. Pure.

A pair is named by nothing but what its two orders have in common: signal and attempt. So a restart, and the
journal, know the pairs again from the orders alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workers.trading.orders import Leg, Order

_OTHER = {Leg.STOP_LOSS: Leg.TAKE_PROFIT, Leg.TAKE_PROFIT: Leg.STOP_LOSS}


def partner_of(order: Order, orders: Iterable[Order]) -> Order | None:
    """The other one of a pair among `orders`, at a venue that takes pairs; None for one that is alone."""
    leg = _OTHER.get(order.leg)
    if leg is None or order.managed_by != "venue":
        return None
    return next(
        (
            one
            for one in orders
            if one.leg is leg
            and one.attempt == order.attempt
            and one.signal_id == order.signal_id
            and one.managed_by == "venue"
        ),
        None,
    )


def stop_and_target(order: Order, partner: Order) -> tuple[Order, Order]:
    """The two of a pair, the stop loss first."""
    return (order, partner) if order.leg is Leg.STOP_LOSS else (partner, order)


def without_lone_targets(orders: Sequence[Order]) -> list[Order]:
    """Those of `orders` that can be sent at a venue that takes pairs: a target rests only with its stop."""
    return [
        one
        for one in orders
        if one.leg is not Leg.TAKE_PROFIT or one.managed_by == "bridge" or partner_of(one, orders) is not None
    ]
