"""What a position needs now: stops that cover it, a take profit, cancelled siblings, or a way out.

A pure function of what is held, what is ordered and the last price; the desk asks it again after everything
that it learns, so a restart continues where a crash left off.

- Protection follows the filled quantity. More was filled: another stop for the rest, never a gap.
- A stop that moves is moved in its place where the venue can do that; elsewhere it is placed anew before the
  old one is cancelled, where the venue lets both rest.
- A stop that the venue refused, or nobody can confirm in time, ends in a market exit.
- An exit that the venue refuses is given again, after some times with growing pauses.
- What no order can take out, and is worth less than the venue's least order, is closed as dust.
- One leg filled: the position is flat, and whatever still rests of it is cancelled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from shared.money import ZERO, add, divide, multiply, subtract, text
from workers.trading.decisions.pairs import partner_of
from workers.trading.decisions.rules import Rules
from workers.trading.orders import Kind, Leg, ManagedBy, Order, OrderStatus, Position, PositionSide
from workers.trading.venues.capabilities import Capabilities

HUNDRED = Decimal(100)
REFUSED = (OrderStatus.REJECTED, OrderStatus.DENIED)
TRAIL_STEPS = Decimal(10)

DistanceType = Literal["percentage", "price", "atr"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long something may stay as it is before the bridge leaves the position at the market."""

    # An open position without a confirmed stop.
    unprotected: timedelta = timedelta(seconds=30)
    # A stop that the price has passed and that has not filled.
    overrun: timedelta = timedelta(seconds=120)
    # Market exits that the venue refused, one after the other; from then on they are spaced, by twice as
    # long after each refusal, since what a venue refuses now (a symbol that is paused) it may take later.
    exits: int = 5
    exit_again: timedelta = timedelta(minutes=1)
    exit_longest: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Place:
    """Intend and send an order of this leg; one that is `paired` together with the other leg's."""

    leg: Leg
    kind: Kind
    amount: Decimal
    trigger_price: Decimal | None = None
    managed_by: ManagedBy = "venue"
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Move a resting stop to another trigger price, in its place."""

    client_order_id: str
    trigger_price: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel a live order."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Flatten:
    """Leave the position at the market, for this outcome code."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the position as dust: what is left of it is under `lot`, and no order can take it out."""

    lot: Decimal
    message: str


Command = Place | Move | Cancel | Flatten | Drop


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that `guard` looks at. `orders` are all orders of the position's signal.

    `price` is the last price, None when there is none yet. `overrun_since` is when the price was first seen
    beyond the stop, `watched_since` when this process began to look after the account. `waiting` is how many
    orders of the account wait for their trigger in this symbol.
    """

    position: Position
    orders: Sequence[Order]
    rules: Rules
    capabilities: Capabilities
    price: Decimal | None
    now: datetime
    overrun_since: datetime | None = None
    watched_since: datetime | None = None
    # Stops that the venue refused to move, by client order id: they are replaced.
    stiff: Collection[str] = ()
    waiting: int = 0


def guard(it: Situation, patience: Patience) -> list[Command]:
    """The commands that bring the position closer to protected, or to closed. Empty when all is well."""
    held = it.rules.closable(it.position.amount)
    entries = _live(it.orders, Leg.ENTRY)
    exited = any(order.filled > ZERO for order in it.orders if order.leg is not Leg.ENTRY)
    dust = _dust(it, held)
    if dust is not None:
        # What the bridge watches itself ends first.
        return [Cancel(order.client_order_id) for order in it.orders if order.is_live] or [dust]
    if held == ZERO:
        return _cancel_all(it.orders) if exited or not entries else []
    commands: list[Command] = []
    if entries and exited:
        # The position is on its way out: what is left of the entry must not open it again.
        commands += [Cancel(order.client_order_id) for order in entries if order.is_confirmed]
    if it.position.exit_reason is not None:
        return commands + _leave(it, held, patience)
    flatten = _emergency(it, held, patience)
    if flatten is not None:
        return [*commands, flatten]
    return commands + _protect(it, held)


def beyond(side: PositionSide, price: Decimal, level: Decimal) -> bool:
    """Whether the price has reached a stop at `level`."""
    return price <= level if side == "long" else price >= level


def reached(side: PositionSide, price: Decimal, level: Decimal) -> bool:
    """Whether the price has reached a take profit at `level`."""
    return price >= level if side == "long" else price <= level


def stop_price(
    side: PositionSide, entry: Decimal, kind: DistanceType, value: Decimal, atr: Decimal | None = None
) -> Decimal | None:
    """The stop loss of a trader's settings, or None when an ATR is asked for and there is none."""
    return _level(side, entry, kind, value, atr, away=-1)


def target_price(
    side: PositionSide, entry: Decimal, kind: DistanceType, value: Decimal, atr: Decimal | None = None
) -> Decimal | None:
    """The take profit of a trader's settings, or None when an ATR is asked for and there is none."""
    return _level(side, entry, kind, value, atr, away=1)


def trail(position: Position, price: Decimal, rules: Rules) -> Decimal | None:
    """Where a trailing stop moves to at this price, or None when it stays. It never moves back.

    It moves only by a tenth of its distance or more: each move costs the venue two orders.
    """
    level = _behind(position, price)
    if level is None:
        return None
    level = rules.round_price(level)
    return level if _is_worth_moving(position, price, level) else None


def asks(position: Position, orders: Iterable[Order], price: Decimal) -> bool:
    """Whether this price asks for something at once: the stop is reached, or the take profit that the bridge
    watches, or a trailing stop moves. Says nothing of what is due anyway."""
    if not position.is_open:
        return False
    if beyond(position.side, price, position.stop_loss):
        return True
    level = _behind(position, price)
    if level is not None and _is_worth_moving(position, price, level):
        return True
    target = position.take_profit
    return (
        target is not None
        and reached(position.side, price, target)
        and any(o.leg is Leg.TAKE_PROFIT and o.managed_by == "bridge" and o.is_live for o in orders)
    )


def covered(orders: Iterable[Order], *, confirmed: bool = True) -> Decimal:
    """How much of a position its stops cover; with `confirmed`, only those that the venue answered for."""
    stops = (order for order in orders if order.leg is Leg.STOP_LOSS and order.is_live)
    return add(*(order.remaining for order in stops if order.is_confirmed or not confirmed))


def _behind(position: Position, price: Decimal) -> Decimal | None:
    """Where a trailing stop would be at this price, whatever the venue's tick."""
    if position.trailing_percent is None or position.exit_reason is not None:
        return None
    level = _level(position.side, price, "percentage", position.trailing_percent, None, away=-1)
    return None if level is None or level <= ZERO else level


def _is_worth_moving(position: Position, price: Decimal, level: Decimal) -> bool:
    long = position.side == "long"
    better = subtract(level, position.stop_loss) if long else subtract(position.stop_loss, level)
    least = divide(abs(subtract(price, level)), TRAIL_STEPS)
    return better > ZERO and better >= least and not beyond(position.side, price, level)


def exit_due(orders: Iterable[Order], patience: Patience) -> datetime | None:
    """From when on another market exit is sent, after the venue refused so many; None: at once."""
    refused = [o for o in orders if o.leg is Leg.EXIT and o.status is OrderStatus.REJECTED]
    more = len(refused) - patience.exits
    sent = [order.sent_at for order in refused if order.sent_at is not None]
    if more < 0 or not sent:
        return None
    doublings: int = 2 ** min(more, 16)
    return max(sent) + min(patience.exit_again * doublings, patience.exit_longest)


def _fits(stop: Order, rules: Rules) -> bool:
    """Whether a stop keeps to the steps that every new one keeps to."""
    price, amount = stop.trigger_price, stop.amount
    on_tick = price is None or rules.round_price(price) == price
    return on_tick and rules.round_amount(amount) == amount and amount >= rules.min_amount


def _emergency(it: Situation, held: Decimal, patience: Patience) -> Flatten | None:
    position = it.position
    stops = [order for order in it.orders if order.leg is Leg.STOP_LOSS]
    protected = covered(stops)
    missing = it.rules.closable(max(subtract(held, protected), ZERO))
    if missing > ZERO:
        refused = [stop for stop in stops if stop.status in REFUSED]
        latest = max(stops, key=lambda stop: stop.attempt, default=None)
        # One that was refused together with its target is tried alone first; one that misses the venue's
        # rules as they are now was refused for that, and is placed anew by them.
        if latest in refused and not _is_paired(latest, it) and _fits(latest, it.rules):
            reason = f"the venue refused the stop loss: {refused[-1].code}"
            return Flatten("protection_failed", reason)
        doubtful = [stop for stop in stops if stop.is_doubtful]
        # From the moment on that somebody looks: after a restart the venue is asked before it is given up.
        times = [position.opened_at, it.watched_since, *(stop.sent_at for stop in doubtful)]
        since = max(time for time in times if time is not None)
        if doubtful and it.now - since > patience.unprotected:
            return Flatten("protection_failed", f"no stop loss was confirmed since {since.isoformat()}")
        if it.price is not None and beyond(position.side, it.price, position.stop_loss):
            return Flatten("stop_loss", "the price had passed the stop loss before the stop could rest")
    elif it.overrun_since is not None and it.now - it.overrun_since > patience.overrun:
        return Flatten("stop_loss", "the stop loss was passed and did not fill")
    if it.price is None:
        return None
    bridge_stop = any(stop.managed_by == "bridge" and stop.is_live for stop in stops)
    if bridge_stop and beyond(position.side, it.price, position.stop_loss):
        return Flatten("stop_loss", "the price reached the stop loss that the bridge watches")
    watched = any(
        order.leg is Leg.TAKE_PROFIT and order.managed_by == "bridge" and order.is_live for order in it.orders
    )
    target = position.take_profit
    if watched and target is not None and reached(position.side, it.price, target):
        return Flatten("take_profit", "the price reached the take profit that the bridge watches")
    return None


def _dust(it: Situation, held: Decimal) -> Drop | None:
    """What is left when nothing rests any more, if it is dust by its value. A part that a grown lot left
    behind, and that is worth an order, is not: it stays open, and somebody is told."""
    left, least = it.position.amount, it.rules.min_cost
    resting = any(order.is_live and order.managed_by == "venue" for order in it.orders)
    if left < it.position.lot or it.price is None or resting:
        return None
    worth = multiply(left, it.price)
    if worth >= least:
        return None
    # Futures are left down to the last lot, whatever it is worth; on spot the venue has refused the exit.
    refused = any(order.leg is Leg.EXIT and order.status in REFUSED for order in it.orders)
    if held > ZERO and not (it.rules.spot and refused):
        return None
    above = add(it.rules.round_amount(left), it.rules.amount_step)
    return Drop(
        max(it.rules.lot, above),
        f"{text(left)} is worth {text(worth)} {it.rules.quote}, and the venue's least order {text(least)}",
    )


def _protect(it: Situation, held: Decimal) -> list[Command]:
    commands: list[Command] = []
    stops, targets = _live(it.orders, Leg.STOP_LOSS), _live(it.orders, Leg.TAKE_PROFIT)
    # By the venue's tick of today, which may be another one than that of the plan.
    level = it.rules.round_price(it.position.stop_loss)
    placed = [stop for stop in stops if _level_of(stop, it.rules) == level]
    if it.capabilities.resting_legs and any(o.leg is Leg.EXIT and o.filled > ZERO for o in it.orders):
        # Some of it was taken out on purpose: a leg over more than is held would close somebody else's, where
        # the venue nets the positions of a symbol.
        placed = [stop for stop in placed if stop.remaining <= held]
        large = [one for one in targets if one.remaining > held]
        commands += [Cancel(one.client_order_id) for one in large if one.is_confirmed]
    stale = [stop for stop in stops if stop not in placed]
    movable = [stop for stop in stale if _is_movable(stop, it, held)]
    if movable and _to_place(it, held, [*placed, *movable]) == ZERO:
        commands += [Move(stop.client_order_id, level) for stop in movable]
        placed, stale = [*placed, *movable], [stop for stop in stale if stop not in movable]
    missing = _to_place(it, held, placed)
    binding = it.capabilities.stops and not it.capabilities.resting_legs
    # Of those that cover too little, the new one takes the whole along. A target that lost its stop binds
    # what the new one needs, too.
    outgrown = [*(stale if missing < held else [*stale, *placed]), *_widowed(targets, it)]
    if missing > ZERO and outgrown and binding:
        # The old stop binds the balance that the new one needs: a gap, as short as one round trip.
        return [Cancel(stop.client_order_id) for stop in outgrown if stop.is_confirmed]
    target = it.position.take_profit
    target = None if target is None else it.rules.round_price(target)
    if missing > ZERO and target is not None and _can_pair(it, missing, held, targets):
        stop = Place(Leg.STOP_LOSS, "stop", missing, level, paired=True)
        return [stop, Place(Leg.TAKE_PROFIT, "take_profit", missing, target, paired=True)]
    if missing > ZERO:
        by: ManagedBy = "venue" if it.capabilities.stops else "bridge"
        commands.append(Place(Leg.STOP_LOSS, "stop", missing, level, by))
    commands += _surplus(placed, stale, held)
    if target is None:
        return commands
    missing = _to_place(it, held, targets)
    if missing > ZERO:
        by_both: ManagedBy = "venue" if it.capabilities.resting_legs and it.capabilities.stops else "bridge"
        commands.append(Place(Leg.TAKE_PROFIT, "take_profit", missing, target, by_both))
    return commands


def _level_of(stop: Order, rules: Rules) -> Decimal | None:
    return None if stop.trigger_price is None else rules.round_price(stop.trigger_price)


def _can_pair(it: Situation, missing: Decimal, held: Decimal, targets: Sequence[Order]) -> bool:
    """Whether stop and target of what is missing can rest as one list; else the stop rests alone."""
    target = it.position.take_profit
    if it.capabilities.oco is None or not it.rules.takes_pairs or target is None:
        return False
    # The venue refuses a list whose target was passed already.
    if it.price is not None and reached(it.position.side, it.price, target):
        return False
    mine = [order for order in it.orders if order.leg is Leg.TAKE_PROFIT]
    refused = any(one.managed_by == "venue" and one.status in REFUSED for one in mine)
    watched = any(one.managed_by == "bridge" for one in targets)
    # Each takes two of the venue's places for such orders: half of them are kept for stops.
    most = it.rules.most_waiting
    crowded = most is not None and it.waiting + 2 > most // 2
    return not (refused or watched or crowded) and _to_place(it, held, targets) == missing


def _is_paired(order: Order | None, it: Situation) -> bool:
    return order is not None and it.capabilities.oco is not None and partner_of(order, it.orders) is not None


def _widowed(targets: Sequence[Order], it: Situation) -> list[Order]:
    """Targets of pairs that rest as far as anybody knows, although their stops ended."""
    if it.capabilities.oco is None:
        return []
    resting = [one for one in targets if one.managed_by == "venue" and one.is_confirmed]
    stops = {one.client_order_id: partner_of(one, it.orders) for one in resting}
    return [one for one in resting if (stop := stops[one.client_order_id]) is None or not stop.is_live]


def _is_movable(stop: Order, it: Situation, held: Decimal) -> bool:
    return (
        it.capabilities.amend is not None
        and stop.is_confirmed
        and stop.managed_by == "venue"
        and stop.remaining <= held
        and stop.client_order_id not in it.stiff
    )


def _to_place(it: Situation, held: Decimal, live: Sequence[Order]) -> Decimal:
    """The amount that a further order has to cover.

    A rest that is too small for an order of its own takes the whole amount along: then the smaller orders
    are surplus as soon as the new one is confirmed.
    """
    missing = max(subtract(held, add(*(order.remaining for order in live))), ZERO)
    # On spot no order is reduce-only, and each has to be worth the venue's least.
    worth = not it.rules.spot or multiply(missing, it.position.stop_loss) >= it.rules.min_cost
    if missing == ZERO or (worth and it.rules.closable(missing) == missing):
        return missing
    return held


def _surplus(placed: Sequence[Order], stale: Sequence[Order], held: Decimal) -> list[Command]:
    """Stops that are not needed, since newer ones cover the position. Unconfirmed ones cover nothing."""
    commands: list[Command] = []
    cover = ZERO
    newest_first = sorted(placed, key=lambda stop: -stop.attempt)
    for stop in [*newest_first, *sorted(stale, key=lambda stop: -stop.attempt)]:
        if cover >= held and stop.is_confirmed:
            commands.append(Cancel(stop.client_order_id))
        elif stop.is_confirmed:
            cover = add(cover, stop.remaining)
    return commands


def _leave(it: Situation, held: Decimal, patience: Patience) -> list[Command]:
    siblings = [o for leg in (Leg.STOP_LOSS, Leg.TAKE_PROFIT) for o in _live(it.orders, leg)]
    entries = _live(it.orders, Leg.ENTRY)
    commands: list[Command] = [Cancel(o.client_order_id) for o in entries if o.is_confirmed]
    if not it.capabilities.resting_legs:
        # On spot a resting stop binds the balance that the exit needs.
        bound = [o for o in siblings if o.managed_by == "venue"]
        if bound:
            return commands + [Cancel(o.client_order_id) for o in bound if o.is_confirmed]
    exits = [order for order in it.orders if order.leg is Leg.EXIT]
    on_the_way = add(*(order.remaining for order in exits if order.is_live))
    missing = it.rules.closable(max(subtract(held, on_the_way), ZERO))
    due = exit_due(it.orders, patience)
    if missing > ZERO and (due is None or it.now >= due):
        commands.append(Place(Leg.EXIT, "market", missing))
    return commands


def _cancel_all(orders: Iterable[Order]) -> list[Command]:
    return [Cancel(order.client_order_id) for order in orders if order.is_live and not order.is_doubtful]


def _live(orders: Iterable[Order], leg: Leg) -> list[Order]:
    return [order for order in orders if order.leg is leg and order.is_live]


def _level(
    side: PositionSide,
    entry: Decimal,
    kind: DistanceType,
    value: Decimal,
    atr: Decimal | None,
    *,
    away: Literal[-1, 1],
) -> Decimal | None:
    if kind == "price":
        return value
    if kind == "atr":
        if atr is None:
            return None
        distance = multiply(atr, value)
    else:
        distance = divide(multiply(entry, value), HUNDRED)
    sign = away if side == "long" else -away
    return add(entry, multiply(distance, Decimal(sign)))
