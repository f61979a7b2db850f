"""What owner and limits allow of one account, as last heard, and whether an order may be sent by it now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from shared.clock import Clock
from shared.errors import OrderDenied
from shared.market import Market
from workers.trading.book import Book
from workers.trading.decisions.risk import MINUTE, Sent, Terms, refuse, terms_of
from workers.trading.keeper import Keeper
from workers.trading.ledger import Account, State
from workers.trading.orders import Leg, Order
from workers.trading.policy import Policy
from workers.trading.traffic.traffic import Withheld
from workers.trading.venues.venue import Venue

log = structlog.get_logger(__name__)


class Permit:
    """Of one account; it keeps the account's status and settings as they are now. `ask` has them asked for
    again, and `hear` or `take_over` told what is answered."""

    def __init__(
        self,
        account: Account,
        venue: Venue,
        book: Book,
        keeper: Keeper,
        market: Market,
        clock: Clock,
        policy: Policy,
        counts: Counter[str],
        ask: Callable[[], Awaitable[None]] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._account = account
        self._venue = venue
        self._book = book
        self._keeper = keeper
        self._market = market
        self._clock = clock
        self._policy = policy
        self._counts = counts
        self._ask = ask
        self._monotonic = monotonic
        # When the database was asked for them.
        self._asked_at = float("-inf")
        self.terms: Terms | None = None
        # What left within the last minute, the oldest first.
        self._sent: dict[str, Sent] = {}

    def hear(self, row: Mapping[str, Any], asked_at: float) -> bool:
        """What the account's owner set meanwhile, with a renewed lease. Whether it is taken in."""
        self._asked_at = max(self._asked_at, asked_at)
        limits = {"account": row.get("limits"), "traders": row.get("traders") or {}}
        return self._take_in({**row, **limits}, dict(row["settings"]))

    def take_over(self, state: State, asked_at: float) -> None:
        """What the database said beside orders and positions."""
        if state.terms is not None:
            self._asked_at = max(self._asked_at, asked_at)
            self._take_in(state.terms, self._account.settings)

    async def refusal(self, order: Order) -> OrderDenied | None:
        """Why an order that was intended must not be sent at this moment; it then ends as denied.

        What owner and limits allow is never older here than the policy says. Raises Withheld for what may be
        sent later, and Unavailable when nobody can say whether it still may.
        """
        if not self._keeper.may_send(order):
            raise Withheld("somebody closes this account by its journal", code="journal_added_to")
        if order.leg is not Leg.ENTRY:
            self._note(order)
            return None
        if self._keeper.error is not None:
            raise Withheld(f"the journal cannot be written: {self._keeper.error}", code="journal_unwritten")
        if self._ask is not None and self._monotonic() > self._asked_at + self._policy.terms_seconds:
            wanted = self._monotonic()
            await self._ask()
            if self._asked_at < wanted:
                raise Withheld(
                    "somebody changes the account at this moment: what it allows is not known",
                    code="terms_unknown",
                )
        terms = self.terms or Terms(self._account.status, self._account.permissions)
        price = self._market.price(order.venue_symbol)
        held, now = self._book.holdings(order.signal_id, self._market.price), self._clock.now()
        nets = self._account.market == "usdm" and self._venue.nets
        sent = [one for name, one in self._sent.items() if name != order.client_order_id]
        refusal = refuse(order, terms, held, price, now, sent=sent, nets=nets)
        if refusal is None:
            self._note(order)
        else:
            log.warning("order_denied", client_order_id=order.client_order_id, code=refusal.code)
            self._counts[refusal.code] += 1
        return refusal

    def _note(self, order: Order) -> None:
        """It leaves. What left more than a minute ago counts no more."""
        now = self._clock.now()
        self._sent.pop(order.client_order_id, None)
        self._sent[order.client_order_id] = Sent(order.trader_id, now)
        while next(iter(self._sent.values())).at <= now - MINUTE:
            self._sent.pop(next(iter(self._sent)))

    def _take_in(self, answer: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
        """Whether the answer is taken in: one that was overtaken says nothing."""
        terms = terms_of(answer, settings, self.terms)
        if terms is self.terms:
            return False
        self.terms = terms
        self._account.status, self._account.permissions = terms.status, terms.permissions
        self._account.settings = settings
        return True
