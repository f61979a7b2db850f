"""An emergency close under the outcome policy: whatever a venue answers, nothing is sold twice."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from ccxt.base.errors import RequestTimeout
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.made import NOW, RULES, SIGNAL, order, position
from tests.trading.test_journal import ACCOUNT
from workers.trading.book import Trade
from workers.trading.decisions.reconciliation import VenueOrder, VenueTrade
from workers.trading.decisions.rules import Rules
from workers.trading.emergency import Report, close_account
from workers.trading.journal import Journal
from workers.trading.orders import Leg, Order, OrderStatus
from workers.trading.venues.capabilities import Capabilities
from workers.trading.venues.venue import Venue

OURS, OTHERS = Decimal(10), Decimal(25)
UUID_OF_ANOTHER = UUID(int=77)


@dataclass
class Book:
    """A venue with one coin: ours, and more of somebody else's. What it answers is scripted: how each sending
    ends, and which looks fail."""

    spot: bool = True
    sendings: list[str] = field(default_factory=list)
    failing: list[bool] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    # Accepted late: in the book only after so many looks.
    late: dict[str, tuple[int, Order]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    sold: Decimal = Decimal(0)
    is_authoritative: bool = False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(reduce_only=not self.spot)

    async def open(self) -> None:
        """Nothing to learn."""

    async def rules(self, _symbol: str) -> Rules:
        return replace(RULES, spot=self.spot)

    async def held(self, _symbol: str, _side: str) -> Decimal:
        return OURS + OTHERS - self.sold

    async def place(self, order: Order, _legs: list[Order]) -> VenueOrder:
        self.sent.append(order.client_order_id)
        end = self.sendings.pop(0) if self.sendings else "taken"
        if end == "lost":
            raise RequestTimeout("nothing arrived")
        if end == "late":
            self.late[order.client_order_id] = (1, order)
            raise RequestTimeout("it arrives later")
        self._take(order)
        if end == "unanswered":
            raise RequestTimeout("it arrived")
        return self._answer(order)

    async def find(self, order: Order) -> VenueOrder | None:
        if self.failing and self.failing.pop(0):
            raise RequestTimeout("no answer")
        for client_id, (looks, late) in list(self.late.items()):
            self.late[client_id] = (looks - 1, late)
            if not looks:
                del self.late[client_id]
                self._take(late)
        known = self.orders.get(order.client_order_id)
        return None if known is None else self._answer(known)

    async def open_orders(self, _symbol: str) -> list[VenueOrder]:
        return []

    async def trades(self, _symbol: str, _since: datetime | None) -> list[VenueTrade]:
        return []

    async def cancel(self, order: Order) -> None:
        """It is gone."""
        self.orders[order.client_order_id] = replace(
            self.orders[order.client_order_id], status=OrderStatus.CANCELED
        )

    def _take(self, order: Order) -> None:
        # As on Binance: an id may come again once its order is over.
        self.sold += order.amount
        self.orders[order.client_order_id] = replace(
            order, status=OrderStatus.FILLED, filled=order.amount, venue_order_id=f"v{len(self.sent)}"
        )

    def _answer(self, order: Order) -> VenueOrder:
        states: dict[OrderStatus, Any] = {OrderStatus.FILLED: "filled", OrderStatus.CANCELED: "canceled"}
        return VenueOrder(
            str(order.venue_order_id),
            order.client_order_id,
            states.get(order.status, "open"),
            order.amount,
            order.filled,
        )


class Scene:
    """A killed bridge's journal, and its venue."""

    def __init__(self, folder: Path, book: Book, orders: Iterable[Order] = ()) -> None:
        self.book = book
        self.journal = Journal(folder / "one.jsonl")
        entry = order(Leg.ENTRY, status=OrderStatus.FILLED, filled=OURS)
        known = {one.client_order_id: one for one in (entry, *orders)}
        self.journal.begin(ACCOUNT, [Trade(SIGNAL, known, position(amount=OURS))])
        self.rested = 0.0

    async def rest(self, seconds: float) -> None:
        """Time passes at once."""
        self.rested += seconds

    async def close(self) -> Report:
        """The command, once."""
        venue = cast(Venue, self.book)
        return await close_account(self.journal, self.journal.read(), venue, "fire", lambda: NOW, self.rest)


def exit_id(attempt: int) -> str:
    return order(Leg.EXIT, attempt).client_order_id


async def test_an_exit_without_an_answer_is_found_and_not_sent_again(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Book(sendings=["unanswered"], failing=[True]))
    report = await scene.close()
    assert report.is_done, report.problems
    assert scene.book.sent == [exit_id(1)]
    assert scene.rested > 0


async def test_an_exit_that_is_proven_absent_is_sent_again_under_its_id(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Book(sendings=["lost"]))
    report = await scene.close()
    assert report.is_done, report.problems
    assert scene.book.sent == [exit_id(1), exit_id(1)]
    assert scene.book.sold == OURS


async def test_while_nobody_knows_nothing_takes_its_place(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Book(sendings=["unanswered"], failing=[True] * 10))
    first = await scene.close()
    assert [one.outcome for one in first.closed] == ["unresolved"]
    second = await scene.close()
    assert any("no answer" in problem for problem in second.problems)
    assert scene.book.sent == [exit_id(1)]
    scene.book.failing.clear()
    third = await scene.close()
    assert third.is_done, third.problems
    assert scene.book.sent == [exit_id(1)]
    assert scene.journal.read().closed[exit_id(1)].outcome == "confirmed"


async def test_an_exit_that_the_bridge_left_in_doubt_gives_its_id_to_the_next(tmp_path: Path) -> None:
    doubtful = order(Leg.EXIT, 1, status=OrderStatus.UNRESOLVED, venue_order_id=None)
    scene = Scene(tmp_path, Book(), [doubtful])
    report = await scene.close()
    assert report.is_done, report.problems
    assert scene.book.sent == [exit_id(1)]


async def test_an_exit_of_the_bridge_that_cannot_be_asked_for_blocks_its_trade(tmp_path: Path) -> None:
    doubtful = order(Leg.EXIT, 1, status=OrderStatus.UNRESOLVED, venue_order_id=None)
    for spot in (True, False):
        scene = Scene(tmp_path, Book(spot=spot, failing=[True] * 9), [doubtful])
        report = await scene.close()
        assert not report.is_done
        assert scene.book.sent == []


async def test_beside_a_stop_in_doubt_only_what_reduces_is_sent(tmp_path: Path) -> None:
    stop = order(Leg.STOP_LOSS)
    for spot, sent in ((True, []), (False, [exit_id(1)])):
        scene = Scene(tmp_path, Book(spot=spot, failing=[True] * 5), [stop])
        report = await scene.close()
        assert not report.is_done
        assert "stop_loss" in report.problems[0]
        assert scene.book.sent == sent


async def test_a_stop_that_rests_is_cancelled_first(tmp_path: Path) -> None:
    stop = order(Leg.STOP_LOSS)
    scene = Scene(tmp_path, Book(failing=[True]), [stop])
    scene.book.orders[stop.client_order_id] = stop
    report = await scene.close()
    assert report.is_done, report.problems
    assert report.cancelled == 1
    assert scene.book.orders[stop.client_order_id].status is OrderStatus.CANCELED


async def test_an_exit_that_cannot_be_noted_is_not_sent(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Book())
    contents = scene.journal.read()
    scene.journal.path.unlink()
    # A disk without room.
    scene.journal.path.symlink_to("/dev/full")
    report = await close_account(
        scene.journal, contents, cast(Venue, scene.book), "fire", lambda: NOW, scene.rest
    )
    assert not report.is_done
    assert "cannot be written" in report.problems[0]
    assert scene.book.sent == []


@settings(max_examples=150)
@given(
    sendings=st.lists(st.sampled_from(["taken", "unanswered", "lost", "late"]), max_size=6),
    failing=st.lists(st.booleans(), max_size=25),
    before=st.sampled_from([None, OrderStatus.UNRESOLVED, OrderStatus.OPEN]),
    arrived=st.booleans(),
    times=st.integers(1, 4),
)
def test_never_more_than_ours_is_sold(
    sendings: list[str], failing: list[bool], before: OrderStatus | None, arrived: bool, times: int
) -> None:
    """However often the command is given, and whatever the venue answers in between."""
    with tempfile.TemporaryDirectory() as folder:
        orders = [] if before is None else [order(Leg.EXIT, 1, status=before)]
        scene = Scene(Path(folder), Book(sendings=sendings, failing=failing), orders)
        if orders and arrived:
            scene.book._take(orders[0])

        async def close() -> list[Report]:
            return [await scene.close() for _ in range(times)]

        reports = asyncio.run(close())
        assert scene.book.sold <= OURS
        if reports[-1].is_done:
            assert scene.book.sold == OURS


async def test_of_two_trades_one_in_doubt_keeps_no_other_from_closing(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Book())
    doubtful = order(Leg.EXIT, 1, status=OrderStatus.UNRESOLVED, signal_id=UUID_OF_ANOTHER)
    doubtful = replace(doubtful, client_order_id="0" * 32)
    other = position(signal_id=UUID_OF_ANOTHER, id=UUID_OF_ANOTHER)
    scene.journal.note([Trade(UUID_OF_ANOTHER, {doubtful.client_order_id: doubtful}, other)])
    scene.book.failing = [True] * 5
    report = await scene.close()
    assert scene.book.sent == [exit_id(1)]
    assert len(report.problems) == 1
