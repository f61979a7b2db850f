"""Protection: whatever happens, a position comes to rest protected, or flat with nothing left of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.money import add, money, subtract
from tests.trading.made import NOW, RULES, order, position
from workers.trading.decisions.pairs import partner_of
from workers.trading.decisions.protection import (
    Cancel,
    Command,
    Drop,
    Flatten,
    Move,
    Patience,
    Place,
    Situation,
    beyond,
    covered,
    guard,
    stop_price,
    target_price,
    trail,
)
from workers.trading.orders import Leg, Order, OrderStatus, Position
from workers.trading.venues.capabilities import Capabilities, Pairs

FUTURES = Capabilities()
SPOT = Capabilities(resting_legs=False)
AMENDING = Capabilities(amend="trigger")
PAIRING = Capabilities(resting_legs=False, oco=Pairs("place", "cancel", "STOP", "TARGET"))
NOTHING = Capabilities(stops=False, resting_legs=False)
PRICE = Decimal(100)
LISTING = replace(RULES, takes_pairs=True)


def look(
    held: Position,
    *orders: Order,
    capabilities: Capabilities = FUTURES,
    price: Decimal | None = PRICE,
    **more: Any,
) -> list[Command]:
    rules = more.pop("rules", LISTING if capabilities.oco else RULES)
    it = Situation(held, orders, rules, capabilities, price, more.pop("now", NOW), **more)
    return guard(it, Patience())


STOP, TARGET = order(Leg.STOP_LOSS), order(Leg.TAKE_PROFIT)
ENTRY = order(Leg.ENTRY, filled=Decimal(10), status=OrderStatus.FILLED)


def test_a_fresh_position_gets_its_stop_first_and_then_its_target() -> None:
    assert look(position(), ENTRY) == [
        Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(98)),
        Place(Leg.TAKE_PROFIT, "take_profit", Decimal(10), Decimal(104)),
    ]


def test_a_protected_position_is_left_alone() -> None:
    assert look(position(), ENTRY, STOP, TARGET) == []


def test_more_fills_get_a_further_stop_and_never_a_gap() -> None:
    four = Decimal(4)
    commands = look(position(), ENTRY, replace(STOP, amount=four), replace(TARGET, amount=four))
    assert commands == [
        Place(Leg.STOP_LOSS, "stop", Decimal(6), Decimal(98)),
        Place(Leg.TAKE_PROFIT, "take_profit", Decimal(6), Decimal(104)),
    ]


def test_a_rest_too_small_for_its_own_stop_takes_the_whole_amount_along() -> None:
    rules = replace(RULES, min_amount=Decimal(2))
    stop, target = (replace(one, amount=Decimal(9)) for one in (STOP, TARGET))
    it = Situation(position(), (ENTRY, stop, target), rules, FUTURES, PRICE, NOW)
    assert Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(98)) in guard(it, Patience())
    whole = order(Leg.STOP_LOSS, 2)
    it = Situation(position(), (ENTRY, stop, whole, TARGET), rules, FUTURES, PRICE, NOW)
    assert guard(it, Patience()) == [Cancel(stop.client_order_id)]


def test_a_moved_stop_is_placed_before_the_old_one_is_cancelled() -> None:
    moved = position(stop_loss=Decimal(99))
    assert look(moved, ENTRY, STOP, TARGET) == [Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(99))]
    fresh = order(Leg.STOP_LOSS, 2, trigger_price=Decimal(99), status=OrderStatus.INTENDED)
    assert look(moved, ENTRY, STOP, TARGET, fresh) == []
    confirmed = replace(fresh, status=OrderStatus.OPEN)
    assert look(moved, ENTRY, STOP, TARGET, confirmed) == [Cancel(STOP.client_order_id)]


@pytest.mark.parametrize("resting_legs", [True, False], ids=["futures", "spot"])
def test_where_the_venue_can_a_stop_is_moved_in_its_place(resting_legs: bool) -> None:
    row = replace(AMENDING, resting_legs=resting_legs)
    moved = position(stop_loss=Decimal(99), take_profit=None)
    found = look(moved, ENTRY, STOP, capabilities=row)
    assert found == [Move(STOP.client_order_id, Decimal(99))]
    assert look(moved, ENTRY, replace(STOP, trigger_price=Decimal(99)), capabilities=row) == []
    # One that nobody confirmed cannot be moved, and one over more than is held must not be.
    for stop in (replace(STOP, status=OrderStatus.UNRESOLVED), replace(STOP, amount=Decimal(11))):
        assert not any(isinstance(one, Move) for one in look(moved, ENTRY, stop, capabilities=row))


def test_a_stop_that_the_venue_refused_to_move_is_replaced() -> None:
    moved = position(stop_loss=Decimal(99), take_profit=None)
    found = look(moved, ENTRY, STOP, capabilities=AMENDING, stiff={STOP.client_order_id})
    assert found == [Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(99))]


def test_stops_that_cover_too_little_are_moved_only_together_with_what_is_missing() -> None:
    moved = position(stop_loss=Decimal(99), take_profit=None)
    small = replace(STOP, amount=Decimal(4))
    found = look(moved, ENTRY, small, capabilities=AMENDING)
    assert found == [Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(99))]


def test_on_spot_the_old_stop_makes_way_first() -> None:
    moved = position(stop_loss=Decimal(99), take_profit=None)
    assert look(moved, ENTRY, STOP, capabilities=SPOT) == [Cancel(STOP.client_order_id)]
    gone = replace(STOP, status=OrderStatus.CANCELED)
    assert look(moved, ENTRY, gone, capabilities=SPOT) == [
        Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(99))
    ]


def pair(n: int = 1, **fields: Any) -> tuple[Order, Order]:
    """The stop and the target of one list."""
    return order(Leg.STOP_LOSS, n, **fields), order(Leg.TAKE_PROFIT, n, **fields)


STOP_ALONE = Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(98))
WATCHED = Place(Leg.TAKE_PROFIT, "take_profit", Decimal(10), Decimal(104), managed_by="bridge")


def test_where_the_venue_has_lists_stop_and_target_rest_as_one() -> None:
    assert look(position(), ENTRY, capabilities=PAIRING) == [
        Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(98), paired=True),
        Place(Leg.TAKE_PROFIT, "take_profit", Decimal(10), Decimal(104), paired=True),
    ]
    assert look(position(), ENTRY, *pair(), capabilities=PAIRING) == []
    # More was filled: a list for the rest, beside the first.
    four = pair(amount=Decimal(4))
    more = look(position(), ENTRY, *four, capabilities=PAIRING)
    assert [(one.leg, one.amount, one.paired) for one in more if isinstance(one, Place)] == [
        (Leg.STOP_LOSS, Decimal(6), True),
        (Leg.TAKE_PROFIT, Decimal(6), True),
    ]


@pytest.mark.parametrize(
    "why",
    [
        {"price": Decimal(104)},
        {"rules": RULES},
        {"rules": replace(LISTING, most_waiting=5), "waiting": 1},
    ],
    ids=["the target was passed", "the symbol takes none", "the venue's places are for stops"],
)
def test_where_no_list_can_rest_the_stop_rests_alone(why: dict[str, Any]) -> None:
    assert look(position(), ENTRY, capabilities=PAIRING, **why)[0] == STOP_ALONE


def test_a_list_that_the_venue_refused_is_tried_as_a_stop_alone_before_the_position_is_left() -> None:
    refused = pair(status=OrderStatus.REJECTED, code="order_rejected")
    assert look(position(), ENTRY, *refused, capabilities=PAIRING) == [STOP_ALONE, WATCHED]
    alone = order(Leg.STOP_LOSS, 2, status=OrderStatus.REJECTED, code="order_rejected")
    [command] = look(position(), ENTRY, *refused, alone, capabilities=PAIRING)
    assert isinstance(command, Flatten)
    assert command.reason == "protection_failed"


def test_a_target_that_lost_its_stop_makes_way_for_both() -> None:
    stop, target = pair()
    gone = replace(stop, status=OrderStatus.CANCELED)
    assert look(position(), ENTRY, gone, target, capabilities=PAIRING) == [Cancel(target.client_order_id)]
    ended = replace(target, status=OrderStatus.CANCELED)
    found = look(position(), ENTRY, gone, ended, capabilities=PAIRING)
    assert [one.paired for one in found if isinstance(one, Place)] == [True, True]
    # Of one that nobody confirmed nothing can be cancelled, and the stop waits for nobody.
    doubtful = replace(target, status=OrderStatus.UNRESOLVED)
    assert STOP_ALONE in look(position(), ENTRY, gone, doubtful, capabilities=PAIRING)


def test_what_the_venue_cannot_do_the_bridge_watches() -> None:
    placed = [
        command for command in look(position(), ENTRY, capabilities=NOTHING) if isinstance(command, Place)
    ]
    assert [command.managed_by for command in placed] == ["bridge", "bridge"]
    stop, target = (replace(one, managed_by="bridge") for one in (STOP, TARGET))
    assert look(position(), ENTRY, stop, target, capabilities=NOTHING) == []
    [low] = look(position(), ENTRY, stop, target, capabilities=NOTHING, price=Decimal(98))
    assert isinstance(low, Flatten)
    assert low.reason == "stop_loss"
    [high] = look(position(), ENTRY, stop, target, capabilities=NOTHING, price=Decimal(104))
    assert isinstance(high, Flatten)
    assert high.reason == "take_profit"


def test_one_leg_filled_cancels_the_other() -> None:
    flat = position(amount=Decimal(0))
    filled = replace(TARGET, filled=Decimal(10), status=OrderStatus.FILLED)
    assert look(flat, ENTRY, STOP, filled) == [Cancel(STOP.client_order_id)]


def test_a_flat_position_whose_entry_still_rests_is_not_over() -> None:
    resting = replace(ENTRY, filled=Decimal(0), status=OrderStatus.OPEN)
    assert look(position(amount=Decimal(0)), resting, STOP) == []


def test_an_exit_in_the_middle_of_an_entry_ends_the_entry() -> None:
    resting = replace(ENTRY, filled=Decimal(4), status=OrderStatus.PARTIALLY_FILLED)
    hit = replace(STOP, amount=Decimal(4), filled=Decimal(4), status=OrderStatus.FILLED)
    assert look(position(amount=Decimal(0)), resting, hit) == [Cancel(ENTRY.client_order_id)]


def test_a_refused_stop_ends_at_the_market() -> None:
    refused = replace(STOP, status=OrderStatus.REJECTED, code="order_rejected")
    [command] = look(position(), ENTRY, refused)
    assert isinstance(command, Flatten)
    assert command.reason == "protection_failed"


def test_a_stop_that_nobody_confirms_is_waited_for_only_so_long() -> None:
    doubtful = replace(STOP, status=OrderStatus.UNRESOLVED)
    assert look(position(), ENTRY, doubtful, TARGET, now=NOW + timedelta(seconds=30)) == []
    [command] = look(position(), ENTRY, doubtful, TARGET, now=NOW + timedelta(seconds=31))
    assert isinstance(command, Flatten)
    assert command.reason == "protection_failed"
    # A restart asks the venue first: its patience begins anew.
    late = NOW + timedelta(hours=1)
    assert look(position(), ENTRY, doubtful, TARGET, now=late, watched_since=late) == []


def test_a_stop_that_was_passed_and_does_not_fill_ends_at_the_market() -> None:
    low, since = Decimal(97), NOW
    assert (
        look(
            position(), ENTRY, STOP, TARGET, price=low, now=NOW + timedelta(seconds=120), overrun_since=since
        )
        == []
    )
    [command] = look(
        position(), ENTRY, STOP, TARGET, price=low, now=NOW + timedelta(seconds=121), overrun_since=since
    )
    assert isinstance(command, Flatten)
    assert command.reason == "stop_loss"


def test_leaving_places_one_market_exit_and_keeps_the_stop_until_it_filled() -> None:
    leaving = position(exit_reason="manual_close")
    assert look(leaving, ENTRY, STOP, TARGET) == [Place(Leg.EXIT, "market", Decimal(10))]
    going = order(Leg.EXIT)
    assert look(leaving, ENTRY, STOP, TARGET, going) == []


def test_leaving_on_spot_frees_the_balance_first() -> None:
    leaving = position(exit_reason="manual_close")
    assert look(leaving, ENTRY, STOP, capabilities=SPOT) == [Cancel(STOP.client_order_id)]


@given(st.integers(1, 40), st.integers(0, 7_200))
def test_exits_that_the_venue_refuses_are_given_again_with_growing_pauses(times: int, seconds: int) -> None:
    """Never so often that it floods, never so seldom that a symbol that is traded again is left open."""
    leaving = position(exit_reason="manual_close")
    last = NOW - timedelta(seconds=seconds)
    refused = [
        order(Leg.EXIT, n, status=OrderStatus.REJECTED, code="x", sent_at=last) for n in range(1, times + 1)
    ]
    pause = 0 if times < 5 else min(60 * 2 ** (times - 5), 1800)
    expected = [Place(Leg.EXIT, "market", Decimal(10))] if seconds >= pause else []
    assert look(leaving, ENTRY, STOP, *refused) == expected


def test_dust_needs_no_protection() -> None:
    assert look(position(amount=Decimal("0.0004")), ENTRY) == []


SPOT_RULES = replace(RULES, spot=True)
REFUSED_EXIT = order(Leg.EXIT, status=OrderStatus.REJECTED, code="below_min_notional")


def test_what_is_worth_too_little_to_leave_is_dropped_once_the_venue_refused_it() -> None:
    """Worth 4.9, and the least order is worth 5."""
    small = position(amount=Decimal("0.049"), exit_reason="protection_failed")
    assert look(small, ENTRY, rules=SPOT_RULES) == [Place(Leg.EXIT, "market", Decimal("0.049"))]
    [dropped] = look(small, ENTRY, REFUSED_EXIT, rules=SPOT_RULES)
    assert isinstance(dropped, Drop)
    assert dropped.lot == Decimal("0.050")
    # Futures are left down to the last lot.
    assert look(small, ENTRY, REFUSED_EXIT) == [Place(Leg.EXIT, "market", Decimal("0.049"))]


@given(
    thousandths=st.integers(1, 100),
    price=st.none() | st.integers(1, 200),
    step=st.sampled_from(["0.001", "0.01", "0.1"]),
    spot=st.booleans(),
    refused=st.booleans(),
    resting=st.booleans(),
)
def test_nothing_is_dropped_that_an_order_could_take_out_or_that_is_worth_one(
    thousandths: int, price: int | None, step: str, spot: bool, refused: bool, resting: bool
) -> None:
    """A step that grew may leave less than one of it."""
    rules = replace(RULES, amount_step=Decimal(step), min_amount=Decimal(step), spot=spot)
    held = position(amount=Decimal(thousandths) / 1000, exit_reason="manual_close")
    orders = [ENTRY, *([REFUSED_EXIT] if refused else []), *([STOP] if resting else [])]
    last = None if price is None else Decimal(price)
    commands = guard(Situation(held, orders, rules, FUTURES, last, NOW), Patience())
    stuck = held.amount < Decimal(step) or (spot and refused)
    is_dust = stuck and not resting and last is not None and held.amount * last < rules.min_cost
    assert [isinstance(one, Drop) for one in commands].count(True) == is_dust
    if is_dust:
        [dropped] = commands
        assert isinstance(dropped, Drop)
        assert dropped.lot > held.amount


@pytest.mark.parametrize(
    ("side", "kind", "value", "atr", "stop", "target"),
    [
        ("long", "percentage", "2", None, "98", "102"),
        ("short", "percentage", "2", None, "102", "98"),
        ("long", "price", "95", None, "95", "95"),
        ("long", "atr", "1.5", "2", "97", "103"),
        ("short", "atr", "1.5", "2", "103", "97"),
        ("long", "atr", "1.5", None, None, None),
    ],
)
def test_distances_of_a_traders_settings(
    side: Any, kind: Any, value: str, atr: str | None, stop: str | None, target: str | None
) -> None:
    measured = None if atr is None else Decimal(atr)
    assert stop_price(side, PRICE, kind, Decimal(value), measured) == (
        None if stop is None else Decimal(stop)
    )
    assert target_price(side, PRICE, kind, Decimal(value), measured) == (
        None if target is None else Decimal(target)
    )


@given(
    st.sampled_from(["long", "short"]),
    st.decimals(min_value="0.1", max_value="20", places=1),
    st.lists(st.decimals(min_value="50", max_value="150", places=1), max_size=30),
)
def test_a_trailing_stop_only_ever_tightens(side: Any, percent: Decimal, path: list[Decimal]) -> None:
    long = side == "long"
    held = position(
        side=side, stop_loss=Decimal(60) if long else Decimal(140), take_profit=None, trailing_percent=percent
    )
    for price in path:
        level = trail(held, price, RULES)
        if level is None:
            continue
        assert (level > held.stop_loss) is long
        assert not beyond(side, price, level)
        held = replace(held, stop_loss=level)


class Venue:
    """Orders and a position as a venue and the database together would change them, by what a test draws."""

    def __init__(self, data: st.DataObject, held: Decimal, capabilities: Capabilities) -> None:
        self.data = data
        self.capabilities = capabilities
        self.orders: dict[str, Order] = {ENTRY.client_order_id: replace(ENTRY, amount=held, filled=held)}
        self.position = position(amount=held)
        self.stiff: set[str] = set()

    @property
    def is_over(self) -> bool:
        return self.position.amount < self.position.lot and not any(o.is_live for o in self.orders.values())

    def situation(self) -> Situation:
        return Situation(
            self.position,
            tuple(self.orders.values()),
            LISTING,
            self.capabilities,
            PRICE,
            NOW,
            watched_since=NOW,
            stiff=self.stiff,
        )

    def obey(self, command: Command, *, calm: bool) -> None:
        if isinstance(command, Flatten):
            self.position = replace(self.position, exit_reason=command.reason)
            return
        if isinstance(command, Cancel):
            one = self.orders[command.client_order_id]
            if not one.is_live and self.partner(one) is not None:
                return  # It went with the other one of its pair.
            assert one.is_live
            self._put(replace(one, status=OrderStatus.CANCELED))
            self._end_partner(one)
            return
        if isinstance(command, Move):
            one = self.orders[command.client_order_id]
            assert one.is_confirmed
            answer = "moved" if calm else self.data.draw(st.sampled_from(["moved", "refused", "silent"]))
            if answer == "moved":
                self._put(replace(one, trigger_price=command.trigger_price))
            if answer == "refused":
                self.stiff.add(one.client_order_id)
            return
        assert not isinstance(command, Drop), "what is held here is worth an order"
        if command.paired and command.leg is Leg.TAKE_PROFIT:
            stop = max((o for o in self.orders.values() if o.leg is Leg.STOP_LOSS), key=lambda o: o.attempt)
            assert (stop.amount, stop.remaining) == (command.amount, command.amount)
            self._put(
                order(
                    Leg.TAKE_PROFIT,
                    stop.attempt,
                    amount=command.amount,
                    trigger_price=command.trigger_price,
                    status=stop.status,
                )
            )
            return
        mine = (Leg.STOP_LOSS, Leg.TAKE_PROFIT) if command.paired else (command.leg,)
        attempt = 1 + max((o.attempt for o in self.orders.values() if o.leg in mine), default=0)
        if not self.capabilities.resting_legs and command.managed_by == "venue":
            # What rests binds the balance: there is room for it.
            bound = [o for o in self.orders.values() if o.leg is not Leg.ENTRY and o.is_confirmed]
            stops = [o.remaining for o in bound if o.leg is Leg.STOP_LOSS and o.managed_by == "venue"]
            assert add(command.amount, *stops) <= self.position.amount
            assert command.leg is not Leg.TAKE_PROFIT
        outcomes = [OrderStatus.OPEN]
        if not calm and command.managed_by == "venue":
            outcomes += [OrderStatus.REJECTED, OrderStatus.UNRESOLVED]
        fresh = order(
            command.leg,
            attempt,
            kind=command.kind,
            amount=command.amount,
            trigger_price=command.trigger_price,
            managed_by=command.managed_by,
            status=self.data.draw(st.sampled_from(outcomes)),
        )
        assert fresh.amount <= self.position.amount
        self._put(fresh)

    def happen(self) -> None:
        """Something at the venue: a doubtful order turns out, or one that rests fills in whole or in part."""
        live = [
            o
            for o in self.orders.values()
            if o.is_live and o.managed_by == "venue" and o.leg is not Leg.ENTRY
        ]
        if self.position.exit_reason is None and self.data.draw(st.booleans()):
            # The price went on, and the stop follows it.
            self.position = replace(self.position, stop_loss=add(self.position.stop_loss, Decimal("0.1")))
        if not live or self.position.amount <= 0:
            return
        one = self.data.draw(st.sampled_from(live))
        if one.is_doubtful:
            status = self.data.draw(st.sampled_from([OrderStatus.OPEN, OrderStatus.CANCELED]))
            # A list was taken whole, or not at all.
            for either in (one, self.partner(one)):
                if either is not None and either.is_doubtful:
                    self._put(replace(either, status=status))
            return
        # Reduce-only: a venue never fills more than is held.
        most = min(one.remaining, self.position.amount)
        part = money(str(self.data.draw(st.sampled_from([most, min(most, Decimal(1))]))))
        self._fill(one, part)

    def calm_down(self) -> None:
        """Every doubt is settled, every exit fills."""
        for one in list(self.orders.values()):
            if one.is_doubtful:
                self._put(replace(one, status=OrderStatus.OPEN))
        for one in list(self.orders.values()):
            if one.leg is Leg.EXIT and one.is_live and self.position.amount > 0:
                self._fill(one, min(one.remaining, self.position.amount))

    def _fill(self, one: Order, amount: Decimal) -> None:
        filled = add(one.filled, amount)
        status = OrderStatus.FILLED if filled == one.amount else OrderStatus.PARTIALLY_FILLED
        self._put(replace(one, filled=filled, status=status))
        if one.leg is not Leg.EXIT:
            self._end_partner(one)
        self.position = replace(self.position, amount=subtract(self.position.amount, amount))

    def partner(self, one: Order) -> Order | None:
        return partner_of(one, self.orders.values()) if self.capabilities.oco else None

    def _end_partner(self, one: Order) -> None:
        partner = self.partner(one)
        if partner is not None and partner.is_live:
            self._put(replace(partner, status=OrderStatus.CANCELED))

    def _put(self, one: Order) -> None:
        self.orders[one.client_order_id] = one


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([FUTURES, SPOT, AMENDING, PAIRING, NOTHING]), st.integers(1, 20))
def test_whatever_happens_a_position_comes_to_rest_protected_or_closed(
    data: st.DataObject, capabilities: Capabilities, held: int
) -> None:
    venue = Venue(data, Decimal(held), capabilities)
    for _ in range(data.draw(st.integers(0, 8))):
        for command in guard(venue.situation(), Patience()):
            venue.obey(command, calm=False)
        venue.happen()
    for _ in range(10):
        venue.calm_down()
        for command in guard(venue.situation(), Patience()):
            venue.obey(command, calm=True)
    assert guard(venue.situation(), Patience()) == []
    if venue.position.amount < venue.position.lot:
        assert venue.is_over
    else:
        refused = [o for o in venue.orders.values() if o.leg is Leg.EXIT and o.status is OrderStatus.REJECTED]
        stops = [o for o in venue.orders.values() if o.leg is Leg.STOP_LOSS]
        assert covered(stops) >= venue.position.amount or len(refused) >= Patience().exits


def test_on_spot_a_rest_that_is_worth_too_little_for_a_stop_of_its_own_takes_the_whole_along() -> None:
    """The venue refuses a stop under its least notional, and the old stop binds what a new one needs."""
    rules = replace(RULES, spot=True, min_cost=Decimal(5))
    old = order(Leg.STOP_LOSS, amount=Decimal("9.99"))
    held = position(amount=Decimal(10), take_profit=None)
    it = Situation(held, [old], rules, SPOT, PRICE, NOW)
    assert guard(it, Patience()) == [Cancel(old.client_order_id)]
    gone = replace(old, status=OrderStatus.CANCELED)
    alone = replace(it, orders=[gone])
    assert guard(alone, Patience()) == [Place(Leg.STOP_LOSS, "stop", Decimal(10), held.stop_loss)]
    # On futures the same rest is covered by a stop of its own.
    futures = replace(it, rules=RULES, capabilities=FUTURES)
    assert guard(futures, Patience()) == [Place(Leg.STOP_LOSS, "stop", Decimal("0.01"), held.stop_loss)]


COARSE = replace(RULES, price_tick=Decimal(5), amount_step=Decimal(2), min_amount=Decimal(2))


@pytest.mark.parametrize("status", [OrderStatus.REJECTED, OrderStatus.DENIED])
def test_a_stop_that_missed_the_rules_of_now_is_placed_by_them_and_once(status: OrderStatus) -> None:
    held = position(amount=Decimal(11), take_profit=None)
    refused = order(Leg.STOP_LOSS, amount=Decimal(11), status=status, code="order_rejected")
    assert look(held, ENTRY, refused, rules=COARSE) == [
        Place(Leg.STOP_LOSS, "stop", Decimal(10), Decimal(100))
    ]
    again = order(Leg.STOP_LOSS, 2, trigger_price=Decimal(100), status=status, code="order_rejected")
    [left] = look(held, ENTRY, refused, again, rules=COARSE)
    assert isinstance(left, Flatten)
    # By the rules that it was made by, it was refused for another reason.
    [left] = look(held, ENTRY, refused, rules=RULES)
    assert isinstance(left, Flatten)


def test_a_stop_that_rests_off_a_new_tick_stays() -> None:
    assert look(position(take_profit=None), ENTRY, STOP, rules=COARSE, price=Decimal(110)) == []
    moved = position(stop_loss=Decimal(104), take_profit=None)
    found = look(moved, ENTRY, STOP, rules=COARSE, price=Decimal(110), capabilities=AMENDING)
    assert found == [Move(STOP.client_order_id, Decimal(105))]
    there = replace(STOP, trigger_price=Decimal(105))
    assert look(moved, ENTRY, there, rules=COARSE, price=Decimal(110), capabilities=AMENDING) == []
