"""The matching engine of the paper exchange: a pure, deterministic machine over candles.

What it believes about the world, since a candle tells only four prices:
- The price walks from the open to the nearer extreme, to the other one, and to the close.
- Nothing fills on a candle that opened before the order was sent: not on the one that made the signal.
- A market order takes the price of the moment, a little worse (`slippage`); a stop that the open jumped
  over fills there, not at its trigger.
- A resting limit order fills when the price goes through it. A touch is not enough: others were there first.
- All orders together take no more of a candle than `participation` of its volume; the rest waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import ZERO, Attached, Order, Refused, Request, Status, Trade
from workers.trading.paper.path import Bar, Leg, legs_of
from workers.trading.paper.rules import Rule


@dataclass(frozen=True, slots=True)
class Terms:
    """How the imagined venue treats an order. Latency in milliseconds, the others are shares."""

    latency_ms: int = 50
    slippage: Decimal = Decimal("0.0001")
    participation: Decimal = Decimal("0.1")


@dataclass(slots=True)
class Changes:
    """What one command or candle changed, for the store to write in one transaction."""

    orders: dict[str, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    bar: Bar | None = None

    def __bool__(self) -> bool:
        return bool(self.orders or self.trades)


class Engine:
    """Orders, fills and money of one paper account. Every method takes the time; none asks a clock."""

    def __init__(self, rules: dict[str, Rule], ledger: PaperLedger, terms: Terms) -> None:
        self.rules = rules
        self.ledger = ledger
        self.terms = terms
        self.orders: dict[str, Order] = {}
        self.by_client_id: dict[str, str] = {}
        self.trades: list[Trade] = []
        self.last_price: dict[str, Decimal] = {}
        self.last_sequence = self.last_trade = 0  # what was forgotten keeps its numbers
        self.seen_ms: dict[str, int] = {}  # close of the last candle that changed something, by symbol
        self._open: dict[str, dict[str, Order]] = {}  # by symbol, in the order of sending

    # ---------------------------------------------------------------- commands

    def submit(self, request: Request, now_ms: int) -> Changes:
        """Take an order. Raises Refused with the venue's reason; then nothing changed."""
        rule = self._rule(request.symbol)
        self._check(request, rule)
        self._check_id(request)
        self._check_reducing(request, rule)
        if not request.reduce_only:
            self._check_funds(request, rule)
        changes = Changes()
        self._place(request, now_ms, changes)
        return changes

    def cancel(self, order_id: str, now_ms: int) -> Changes:
        """Cancel an open order; a parent's attached orders stay, they guard what it filled."""
        order = self.orders.get(order_id)
        if order is None or order.status != "open":
            raise Refused("not_open", f"order {order_id} is not open")
        changes = Changes()
        self._end(order, "canceled", now_ms, changes)
        return changes

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Open orders in the order of sending."""
        books = [self._open.get(symbol, {})] if symbol else list(self._open.values())
        return sorted((order for book in books for order in book.values()), key=lambda order: order.sequence)

    def has_open(self, symbol: str) -> bool:
        """Whether a candle of this symbol could change anything."""
        return bool(self._open.get(symbol))

    @property
    def until_ms(self) -> int:
        """The latest time that left a mark here: a candle that changed something, or a command."""
        changed = (order.updated_ms for order in self.orders.values())
        return max((*self.seen_ms.values(), *changed), default=0)

    def free(self, currency: str) -> Decimal:
        """What of a currency is bound to nothing."""
        reserved = [(o, self.rules[o.request.symbol], self._reference(o.request)) for o in self.open_orders()]
        return self.ledger.balances.get(currency, ZERO) - self.ledger.used(currency, reserved)

    def gains(self, currency: str) -> Decimal:
        """What open positions in a currency would gain at the last prices, fees aside."""
        total = ZERO
        for position in self.ledger.positions.values():
            price = self.last_price.get(position.symbol)
            if position.amount and price is not None and self.rules[position.symbol].quote == currency:
                value = position.amount * price
                total += value - position.cost if position.side == "long" else position.cost - value
        return total

    # ---------------------------------------------------------------- the market

    def walk(self, bar: Bar) -> Changes:
        """Let a closed candle act on the orders of its symbol. A candle that was seen changes nothing."""
        changes = Changes(bar=bar)
        if bar.close_ms <= self.seen_ms.get(bar.symbol, -1):
            return changes
        if self._open.get(bar.symbol) and self._may_act(bar):
            budget = bar.volume * self.terms.participation
            for number, leg in enumerate(legs_of(bar)):
                budget = self._walk_leg(bar, leg, budget, changes, first=number == 0)
            for order in self._open.get(bar.symbol, {}).values():
                order.rested = order.rested or (order.working and order.arrives_ms < bar.close_ms)
        self.last_price[bar.symbol] = bar.close
        if changes:
            self.seen_ms[bar.symbol] = bar.close_ms
        return changes

    def _may_act(self, bar: Bar) -> bool:
        """Whether anything could happen to an order of the symbol in this candle: most rest far from it."""
        return any(
            order.working or self._point(order, bar.low, bar.high, first=False) is not None
            for order in self._open[bar.symbol].values()
        )

    def _walk_leg(self, bar: Bar, leg: Leg, budget: Decimal, changes: Changes, *, first: bool) -> Decimal:
        price = leg.start
        while True:
            due = next(iter(sorted(self._due(bar, price, leg.end, budget, first=first))), None)
            if due is None:
                return budget
            distance, sequence = due
            order = next(o for o in self._open[bar.symbol].values() if o.sequence == sequence)
            step = -distance if leg.end < price else distance
            price += step
            budget -= self._act(order, leg, price, budget, changes, first=first)

    def _due(
        self, bar: Bar, start: Decimal, end: Decimal, budget: Decimal, *, first: bool
    ) -> Iterator[tuple[Decimal, int]]:
        """Orders that something happens to between two prices: how far off, and their number."""
        for order in self._open.get(bar.symbol, {}).values():
            if order.created_ms > bar.open_ms and order.parent is None:
                continue
            if order.arrives_ms >= bar.close_ms:
                continue
            point = self._point(order, start, end, first=first)
            if point is None or (order.working and not self._fillable(order, budget)):
                continue
            yield abs(point - start), order.sequence

    def _point(self, order: Order, start: Decimal, end: Decimal, *, first: bool) -> Decimal | None:
        """The price on the way from start to end at which the order acts, or None."""
        low, high = min(start, end), max(start, end)
        request = order.request
        if not order.working:
            trigger = request.trigger_price
            if trigger is None:
                return None
            below = (request.trigger == "stop") == (request.side == "sell")
            if below:  # triggers at or below
                return start if start <= trigger else (trigger if low <= trigger else None)
            return start if start >= trigger else (trigger if high >= trigger else None)
        if request.kind == "market":
            return start
        limit = request.price
        if limit is None or self._takes(order, start, first=first):
            return start
        if start < limit if request.side == "buy" else start > limit:
            return start  # the open jumped over an order that rests: it fills at its own price
        passes = low < limit if request.side == "buy" else high > limit
        return limit if passes and start != end else None

    @staticmethod
    def _takes(order: Order, price: Decimal, *, first: bool) -> bool:
        """Whether an order takes from the book at this price, instead of waiting in it."""
        request = order.request
        if request.kind == "market" or request.price is None:
            return True
        if order.rested:
            return False
        beyond = price < request.price if request.side == "buy" else price > request.price
        return beyond or (first and price == request.price)

    def _fillable(self, order: Order, budget: Decimal) -> bool:
        rule = self.rules[order.request.symbol]
        return min(order.remaining, budget) >= rule.step

    def _act(
        self, order: Order, leg: Leg, price: Decimal, budget: Decimal, changes: Changes, *, first: bool
    ) -> Decimal:
        """Trigger or fill one order at a price; answers how much of the volume it took."""
        at_ms = max(leg.at_ms, order.arrives_ms)
        if not order.working:
            order.triggered = True
            order.updated_ms = at_ms
            changes.orders[order.id] = order
            return ZERO
        rule = self.rules[order.request.symbol]
        amount = order.remaining
        if order.request.reduce_only and rule.market == "usdm":
            amount = min(amount, self.ledger.reducible(rule.symbol, order.request.side))
            if amount <= 0:
                self._end(order, "expired", at_ms, changes)
                return ZERO
        amount = min(amount, (budget / rule.step).to_integral_value(ROUND_FLOOR) * rule.step)
        maker = not self._takes(order, price, first=first)
        self._fill(
            order, rule, self._fill_price(order, rule, price, maker=maker), amount, maker, at_ms, changes
        )
        return amount

    def _fill_price(self, order: Order, rule: Rule, price: Decimal, *, maker: bool) -> Decimal:
        request = order.request
        if maker and request.price is not None:
            return request.price
        worse = max(price * self.terms.slippage, rule.tick)
        buys = request.side == "buy"
        slipped = price + worse if buys else price - worse
        stepped = (slipped / rule.tick).to_integral_value(ROUND_CEILING if buys else ROUND_FLOOR) * rule.tick
        if request.kind == "limit" and request.price is not None:
            return min(stepped, request.price) if buys else max(stepped, request.price)
        return max(stepped, rule.tick)

    def _fill(
        self,
        order: Order,
        rule: Rule,
        price: Decimal,
        amount: Decimal,
        maker: bool,
        at_ms: int,
        changes: Changes,
    ) -> None:
        rate = rule.maker if maker else rule.taker
        fee, currency = self.ledger.book(rule, order, price, amount, rate, at_ms)
        order.filled += amount
        order.cost += price * amount
        order.fee += fee
        order.fee_currency = currency
        order.updated_ms = at_ms
        trade = Trade(
            id=self._number_trade(rule),
            order_id=order.id,
            client_id=order.request.client_id,
            symbol=rule.symbol,
            side=order.request.side,
            price=price,
            amount=amount,
            fee=fee,
            fee_currency=currency,
            maker=maker,
            at_ms=at_ms,
        )
        self.trades.append(trade)
        self.last_trade = max(self.last_trade, trade.id)
        changes.trades.append(trade)
        changes.orders[order.id] = order
        if order.request.attached:
            self._guard(order, at_ms, changes)
        if order.remaining <= 0:
            self._end(order, "filled", at_ms, changes)
            if order.sibling is not None and self.orders[order.sibling].status == "open":
                self._end(self.orders[order.sibling], "canceled", at_ms, changes)

    def _guard(self, entry: Order, at_ms: int, changes: Changes) -> None:
        """Place the attached orders at the first fill, and let them follow the filled amount."""
        if not entry.legs:
            for leg in entry.request.attached:
                placed = self._place(self._guarding(entry, leg), at_ms, changes, parent=entry)
                entry.legs.append(placed.id)
            if len(entry.legs) == 2:
                first, second = (self.orders[leg] for leg in entry.legs)
                first.sibling, second.sibling = second.id, first.id
        for leg_id in entry.legs:
            leg_order = self.orders[leg_id]
            if leg_order.status == "open":
                leg_order.amount = entry.filled
                changes.orders[leg_id] = leg_order

    @staticmethod
    def _guarding(entry: Order, leg: Attached) -> Request:
        return Request(
            symbol=entry.request.symbol,
            side="sell" if entry.request.side == "buy" else "buy",
            kind="market",
            amount=entry.filled,
            client_id=leg.client_id,
            trigger=leg.trigger,
            trigger_price=leg.trigger_price,
            reduce_only=True,
        )

    def forget(self, before_ms: int) -> tuple[list[Order], list[Trade]]:
        """Let go of orders that ended before this time, with their families, and of trades before it; answers
        both. The newest of each stay: the next ones are numbered by them."""
        gone = [
            order
            for order in self.orders.values()
            if self._is_past(order, before_ms) and order.sequence != self.last_sequence
        ]
        for order in gone:
            del self.orders[order.id], self.by_client_id[order.request.client_id]
        trades = [one for one in self.trades if one.at_ms < before_ms and one.id != self.last_trade]
        if trades:
            self.trades = [one for one in self.trades if one.at_ms >= before_ms or one.id == self.last_trade]
        return gone, trades

    def _is_past(self, order: Order, before_ms: int) -> bool:
        related = (order.parent, order.sibling, *order.legs)
        family = (order, *(self.orders[one] for one in related if one in self.orders))
        return all(one.status != "open" and one.updated_ms < before_ms for one in family)

    # ---------------------------------------------------------------- the book

    def restore(self, order: Order) -> None:
        """Put back an order that the store kept."""
        self.orders[order.id] = order
        self.last_sequence = max(self.last_sequence, order.sequence)
        self.by_client_id[order.request.client_id] = order.id
        if order.status == "open":
            self._open.setdefault(order.request.symbol, {})[order.id] = order

    def _place(self, request: Request, now_ms: int, changes: Changes, parent: Order | None = None) -> Order:
        sequence = self.last_sequence + 1
        order = Order(
            id=self._name_order(request, sequence),
            sequence=sequence,
            request=request,
            created_ms=now_ms,
            # What the venue places itself has no way to travel.
            arrives_ms=now_ms if parent else now_ms + self.terms.latency_ms,
            amount=request.amount,
            parent=parent.id if parent else None,
            updated_ms=now_ms,
        )
        self.restore(order)
        changes.orders[order.id] = order
        return order

    # What a venue of its own decides, where it is not the paper exchange: see scripts/fake_venue.

    def _name_order(self, request: Request, sequence: int) -> str:
        return f"paper-{sequence}"

    def _number_trade(self, rule: Rule) -> int:
        return self.last_trade + 1

    def _check_id(self, request: Request) -> None:
        if request.client_id in self.by_client_id:
            raise Refused(
                "duplicate", f"client order id {request.client_id} was used before: each order needs its own"
            )

    def _end(self, order: Order, status: Status, at_ms: int, changes: Changes) -> None:
        order.status = status
        order.updated_ms = at_ms
        self._open[order.request.symbol].pop(order.id, None)
        changes.orders[order.id] = order

    # ---------------------------------------------------------------- checks

    def _rule(self, symbol: str) -> Rule:
        rule = self.rules.get(symbol)
        if rule is None:
            raise Refused("symbol", f"{symbol} is not traded here")
        return rule

    def _reference(self, request: Request) -> Decimal:
        price = request.price or request.trigger_price or self.last_price.get(request.symbol)
        if price is None:
            raise Refused("no_price", f"{request.symbol} has no price yet: wait for its first candle")
        return price

    def _check(self, request: Request, rule: Rule) -> None:
        if request.amount <= 0 or request.amount % rule.step:
            raise Refused(
                "amount_step",
                f"amount {request.amount} of {rule.symbol} is no positive multiple of {rule.step}",
            )
        if request.amount < rule.least_amount:
            raise Refused(
                "least_amount",
                f"amount {request.amount} of {rule.symbol} is under the least, {rule.least_amount}",
            )
        if request.amount > rule.most_amount:
            raise Refused(
                "most_amount",
                f"amount {request.amount} of {rule.symbol} is over the most, {rule.most_amount}",
            )
        if request.kind == "limit" and request.price is None:
            raise Refused("price", f"a limit order of {rule.symbol} needs a price")
        if request.trigger is not None and request.trigger_price is None:
            raise Refused("price", f"a {request.trigger} order of {rule.symbol} needs a trigger price")
        legs = [leg.trigger_price for leg in request.attached]
        for price in (request.price, request.trigger_price, *legs):
            if price is not None and (price <= 0 or price % rule.tick):
                raise Refused(
                    "price_tick", f"price {price} of {rule.symbol} is no positive multiple of {rule.tick}"
                )
        notional = request.amount * self._reference(request)
        if not request.reduce_only and notional < rule.least_notional:
            raise Refused(
                "least_notional",
                f"notional {notional} of {rule.symbol} is under {rule.least_notional} {rule.quote}",
            )
        last = self.last_price.get(rule.symbol)
        if request.post_only and request.price is not None and last is not None:
            crosses = request.price >= last if request.side == "buy" else request.price <= last
            if crosses:
                raise Refused(
                    "post_only", f"post-only order at {request.price} would take: {rule.symbol} is at {last}"
                )

    def _check_reducing(self, request: Request, rule: Rule) -> None:
        if not request.reduce_only or rule.market != "usdm":
            return
        if self.ledger.reducible(rule.symbol, request.side) <= 0:
            raise Refused(
                "reduce_only",
                f"reduce-only order refused: no {rule.symbol} position that a {request.side} would reduce",
            )

    def _check_funds(self, request: Request, rule: Rule) -> None:
        if rule.market == "spot" and request.side == "sell":
            currency, needed = rule.base, request.amount
        else:
            opening = request.amount - self.ledger.netted(rule, request.side, request.amount)
            notional = opening * self._reference(request)
            currency = rule.quote
            needed = notional / self.ledger.leverage if rule.market == "usdm" else notional
            needed += notional * rule.taker
        free = self.free(currency)
        if needed > free:
            raise Refused("funds", f"order of {rule.symbol} needs {needed} {currency}, free are {free}")
