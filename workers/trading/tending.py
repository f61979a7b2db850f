"""Looking after what one account holds: which trades need a look, what to tell and to order for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from ccxt.base.errors import BaseError

from shared.errors import OrderDenied
from shared.market import Market
from shared.money import text
from workers.trading.book import Book, Trade
from workers.trading.decisions.outcome import describe
from workers.trading.decisions.protection import (
    Cancel,
    Command,
    Drop,
    Flatten,
    Move,
    Place,
    Situation,
    asks,
    beyond,
    exit_due,
    guard,
    trail,
)
from workers.trading.ledger import Account, Facts
from workers.trading.orders import Leg, Order, OrderStatus, Position, client_order_id
from workers.trading.policy import Policy
from workers.trading.venues.venue import Venue
from workers.trading.venues.wording import is_conditional

PROTECTION = (Leg.STOP_LOSS, Leg.TAKE_PROFIT)

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Round:
    """What a look came to: facts to record (intents among them), and orders to cancel."""

    facts: Facts = field(default_factory=Facts)
    cancels: list[Order] = field(default_factory=list)
    # Stops, and the trigger prices that they are moved to.
    moves: list[tuple[Order, Decimal]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.facts) or bool(self.cancels) or bool(self.moves)


class Tending:
    """Decides about the trades of one account. It changes nothing but its own notes of what to look at."""

    def __init__(
        self, account: Account, venue: Venue, book: Book, market: Market, policy: Policy, counts: Counter[str]
    ) -> None:
        self._account = account
        self._venue = venue
        self._book = book
        self._market = market
        self._policy = policy
        self._counts = counts
        # Signals to look at because something about them changed, and symbols whose price did.
        self._dirty: set[UUID] = set()
        self._moved: dict[str, int] = {}
        # The symbols that are held: nothing hangs on the price of another one.
        self._held: set[str] = set()
        # How many prices were heard so far.
        self.prices_heard = 0
        self._overrun: dict[UUID, datetime] = {}
        # Stops that the venue refused to move.
        self._stiff: set[str] = set()
        # Signals whose next exit is not due yet, and when it is: the venue refused those before.
        self._exit_due: dict[UUID, datetime] = {}
        self.watched_since: datetime | None = None

    def hear_price(self, venue_symbol: str) -> bool:
        """A candle of this symbol closed. Answers whether its price asks for something at once."""
        if venue_symbol not in self._held:
            return False
        self.prices_heard += 1
        self._moved[venue_symbol] = self.prices_heard
        price = self._market.price(venue_symbol)
        return price is not None and any(
            asks(trade.position, trade.orders.values(), price)
            for trade in self._book
            if trade.position is not None and trade.position.venue_symbol == venue_symbol
        )

    def forget_prices(self, heard: int) -> None:
        """The first so many prices that were heard ask for nothing more."""
        self._moved = {symbol: number for symbol, number in self._moved.items() if number > heard}

    def hear_stiff(self, orders: Iterable[Order]) -> None:
        """The venue refused to move these stops: they are replaced."""
        self._stiff |= {order.client_order_id for order in orders}

    def hear_change(self, signals: set[UUID]) -> None:
        """The record of these signals changed."""
        live = {trade.signal_id for trade in self._book}
        self._held = {trade.position.venue_symbol for trade in self._book if trade.position is not None}
        self._dirty = (self._dirty | signals) & live
        if self._stiff:
            self._stiff &= {order.client_order_id for order in self._book.live_orders()}
        self._overrun = {signal: since for signal, since in self._overrun.items() if signal in live}
        self._exit_due = {signal: due for signal, due in self._exit_due.items() if signal in live}

    async def look(self, now: datetime, tried: set[str]) -> Round:
        """What is to be done now. `tried` are the client order ids that this step has acted on already."""
        round_ = Round()
        for trade in self._book:
            try:
                commands = await self._decide(trade, now, round_.facts)
            except (BaseError, OrderDenied) as error:
                # A symbol that was delisted, a question without an answer: the others are looked after.
                log.error("trade_stuck", signal_id=str(trade.signal_id), error=describe(error))  # noqa: TRY400
                self._counts["trades_stuck"] += 1
                continue
            for command in commands:
                self._note(command, trade, round_, tried)
            if not commands and not any(order.is_doubtful for order in trade.orders.values()):
                self._dirty.discard(trade.signal_id)
                self._note_exit(trade, now)
        return round_

    async def _decide(self, trade: Trade, now: datetime, facts: Facts) -> list[Command]:
        entry, position = trade.entry, trade.position
        commands: list[Command] = []
        if entry is not None and entry.is_confirmed and self._is_over(entry, now):
            commands.append(Cancel(entry.client_order_id))
        if position is None or not position.is_open:
            return commands
        if self._account.status == "halted" and position.exit_reason is None:
            return [*commands, Flatten("emergency_close", "the account was halted")]
        over = position.closes_at is not None and now >= position.closes_at
        if over and position.exit_reason is None and position.amount >= position.lot:
            return [*commands, Flatten("time_exit", f"it was to be closed by {position.closes_at}")]
        due = self._exit_due.get(trade.signal_id)
        dirty = trade.signal_id in self._dirty or (due is not None and now >= due)
        if not dirty and position.venue_symbol not in self._moved:
            return commands
        price = self._market.price(position.venue_symbol)
        if not self._matters(trade, position, price, now) and not dirty:
            return commands
        rules = await self._venue.rules(position.symbol)
        if price is not None and (level := trail(position, price, rules)) is not None:
            facts.stops.append({"position_id": str(position.id), "stop_loss": text(level)})
            return commands
        # What is written off already waits for its last orders to be cancelled.
        if position.amount >= position.lot and await self._is_gone(trade, position):
            facts.write_offs.append({"position_id": str(position.id), "message": "the venue holds nothing"})
            return commands
        situation = Situation(
            position=position,
            orders=tuple(trade.orders.values()),
            rules=rules,
            capabilities=self._venue.capabilities,
            price=price,
            now=now,
            overrun_since=self._overrun.get(trade.signal_id),
            watched_since=self.watched_since,
            stiff=self._stiff,
            waiting=self._count_waiting(position.symbol),
        )
        return commands + guard(situation, self._policy.patience)

    def _count_waiting(self, symbol: str) -> int:
        """How many of the account's orders wait for their trigger in a symbol, where it is asked for."""
        if self._venue.capabilities.oco is None:
            return 0
        resting = (one for one in self._book.live_orders() if one.symbol == symbol)
        return sum(1 for one in resting if one.managed_by == "venue" and is_conditional(one))

    def _matters(self, trade: Trade, position: Position, price: Decimal | None, now: datetime) -> bool:
        """Whether a price can ask for anything of a position that is protected; notes one beyond the stop."""
        if price is None:
            return False
        if beyond(position.side, price, position.stop_loss):
            self._overrun.setdefault(trade.signal_id, now)
            return True
        self._overrun.pop(trade.signal_id, None)
        watched = any(order.managed_by == "bridge" and order.is_live for order in trade.orders.values())
        return watched or position.trailing_percent is not None

    def _note_exit(self, trade: Trade, now: datetime) -> None:
        """When a position that is to be left has to be looked at again, though nothing will be told of it."""
        position, due = trade.position, exit_due(trade.orders.values(), self._policy.patience)
        leaves = position is not None and position.exit_reason is not None and position.amount >= position.lot
        if leaves and due is not None and due > now:
            self._exit_due[trade.signal_id] = due
        else:
            self._exit_due.pop(trade.signal_id, None)

    def _is_over(self, entry: Order, now: datetime) -> bool:
        expired = entry.expires_at is not None and now >= entry.expires_at
        return expired or self._account.status != "active"

    async def _is_gone(self, trade: Trade, position: Position) -> bool:
        """Whether the venue refuses exits because it holds nothing any more (a liquidation, a person)."""
        exits = [order for order in trade.orders.values() if order.leg is Leg.EXIT]
        latest = max(exits, key=lambda order: order.attempt, default=None)
        if latest is None or latest.status is not OrderStatus.REJECTED:
            # What one that was taken has sold is no riddle: its fills tell.
            return False
        return await self._venue.held(position.symbol, position.side) < position.lot

    def _note(self, command: Command, trade: Trade, round_: Round, tried: set[str]) -> None:
        position = trade.position
        if isinstance(command, Cancel):
            if command.client_order_id not in tried:
                tried.add(command.client_order_id)
                round_.cancels.append(trade.orders[command.client_order_id])
        elif isinstance(command, Move):
            tried_as = f"{command.client_order_id} to {text(command.trigger_price)}"
            if tried_as not in tried:
                tried.add(tried_as)
                round_.moves.append((trade.orders[command.client_order_id], command.trigger_price))
        elif position is not None and isinstance(command, Flatten):
            level = log.error if command.reason in ("protection_failed", "emergency_close") else log.warning
            level("flattening", position_id=str(position.id), reason=command.reason, why=command.message)
            self._counts["flattened"] += 1
            round_.facts.exits.append(
                {"position_id": str(position.id), "reason": command.reason, "message": command.message}
            )
        elif position is not None and isinstance(command, Drop):
            log.warning("dropped_as_dust", position_id=str(position.id), why=command.message)
            self._counts["dropped"] += 1
            round_.facts.exits.append(
                {
                    "position_id": str(position.id),
                    "reason": "dust",
                    "message": command.message,
                    "lot": text(command.lot),
                }
            )
        elif position is not None and isinstance(command, Place):
            intent = make_intent(command, trade, position, self._market.price(position.venue_symbol))
            if id_of(intent) not in tried:
                tried.add(id_of(intent))
                round_.facts.intents.append(intent)


def make_intent(
    command: Place, trade: Trade, position: Position, price: Decimal | None = None
) -> dict[str, Any]:
    """The intent of an order that protects or closes a position, as the database takes it."""
    intent: dict[str, Any] = {
        "signal_id": str(trade.signal_id),
        "leg": command.leg.value,
        # The two of a pair are known by their common number.
        "attempt": max(map(trade.next_attempt, PROTECTION))
        if command.paired
        else trade.next_attempt(command.leg),
        "side": position.exit_side,
        "kind": command.kind,
        "amount": text(command.amount),
        "reduce_only": True,
        "managed_by": command.managed_by,
    }
    if command.trigger_price is not None:
        intent["trigger_price"] = text(command.trigger_price)
    elif (planned := _planned_exit(position, price)) is not None:
        intent["planned_price"] = text(planned)
    return intent


def _planned_exit(position: Position, price: Decimal | None) -> Decimal | None:
    """What leaving at the market should have brought: the level that it is about, else the last price."""
    levels = {"stop_loss": position.stop_loss, "take_profit": position.take_profit}
    return levels.get(position.exit_reason or "", price)


def id_of(intent: dict[str, Any]) -> str:
    """The client order id of an intent."""
    return client_order_id(UUID(intent["signal_id"]), Leg(intent["leg"]), int(intent["attempt"]))
