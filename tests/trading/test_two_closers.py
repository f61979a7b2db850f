"""A bridge that lives, or another operator, beside an emergency close: both close, and nothing is sold twice.

On spot nothing is reduce-only, the account may hold more of the coin, and Binance takes an id again once its
order is over: only the journal says who sends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import NOW, SIGNAL, order, position
from tests.trading.test_emergency_doubt import OURS, Book, Scene, exit_id
from tests.trading.test_journal import ACCOUNT
from tests.trading.world import World
from workers.trading.book import Trade
from workers.trading.decisions.reconciliation import VenueTrade
from workers.trading.emergency import close_account
from workers.trading.journal import Closed, Journal
from workers.trading.orders import Leg, OrderStatus
from workers.trading.policy import Policy
from workers.trading.venues.venue import Venue

DOUBTFUL = order(Leg.EXIT, 1, status=OrderStatus.UNRESOLVED, venue_order_id=None)
TRADE = Trade(SIGNAL, {DOUBTFUL.client_order_id: DOUBTFUL}, position(amount=OURS))


def closed(attempt: int = 1) -> Closed:
    return Closed(SIGNAL, SIGNAL, exit_id(attempt), attempt, "sell", OURS, "fire", NOW)


class Between(Book):
    """A venue at which something happens once between the last look at an order and the next sending."""

    meanwhile: Callable[[], Any] | None = None

    async def held(self, symbol: str, side: str) -> Decimal:
        answer = await super().held(symbol, side)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None and (under_way := meanwhile()) is not None:
            await under_way
        return answer


async def test_what_its_bridge_sent_meanwhile_is_found_and_not_sent_again(tmp_path: Path) -> None:
    """Both proved it absent; the bridge was faster."""
    book = Between()
    scene = Scene(tmp_path, book, [DOUBTFUL])
    bridge = Journal(scene.journal.path)

    def send() -> None:
        assert bridge.send(DOUBTFUL)
        book._take(DOUBTFUL)

    book.meanwhile = send
    report = await scene.close()
    assert book.sold == OURS
    assert book.sent == []
    assert report.is_done, report.problems
    assert report.closed == []


async def test_two_operators_at_once_close_once(tmp_path: Path) -> None:
    book = Between()
    scene = Scene(tmp_path, book)
    other = Journal(scene.journal.path)

    async def close() -> None:
        report = await close_account(
            other, other.read(), cast(Venue, book), "me too", lambda: NOW, scene.rest
        )
        assert report.is_done, report.problems

    book.meanwhile = close
    report = await scene.close()
    assert book.sent == [exit_id(1)]
    assert report.is_done, report.problems
    assert report.closed == []


class Seen(Book):
    """A venue at which something happens right after the look that proves an exit absent."""

    proven: Callable[[], None] | None = None
    looks = 0

    async def trades(self, symbol: str, since: datetime | None) -> list[VenueTrade]:
        answer = await super().trades(symbol, since)
        self.looks += 1
        if self.proven is not None and self.looks == Policy().probes:
            self.proven()
        return answer


async def test_an_exit_that_its_bridge_took_over_is_not_sent_again(tmp_path: Path) -> None:
    """No answer came; before it is sent again, the bridge has read the journal and goes on with it."""
    book = Seen(sendings=["lost"])
    scene = Scene(tmp_path, book)
    bridge = Journal(scene.journal.path)

    def take_over() -> None:
        assert bridge.was_added_to
        bridge.begin(ACCOUNT, [TRADE], told=bridge.read().closed.values())
        assert bridge.send(DOUBTFUL)
        book._take(DOUBTFUL)

    book.proven = take_over
    await scene.close()
    assert book.sent == [exit_id(1)]
    assert book.sold == OURS


async def test_a_bridge_that_never_rests_is_a_problem_that_is_named(tmp_path: Path) -> None:
    book = Between()
    scene = Scene(tmp_path, book)
    bridge = Journal(scene.journal.path)

    entry = order(Leg.ENTRY, status=OrderStatus.FILLED, filled=OURS)

    def write() -> None:
        book.meanwhile = write
        bridge.note([Trade(SIGNAL, {entry.client_order_id: entry}, position(amount=OURS))])

    book.meanwhile = write
    report = await scene.close()
    assert book.sent == []
    [problem] = report.problems
    assert "stop the bridge" in problem


def send_as_bridge(journal: Journal, sent: list[str]) -> Iterator[None]:
    """It intended the order long ago, and nobody has it at the venue."""
    journal.note([TRADE])
    yield
    if sent:
        return
    yield
    if journal.send(DOUBTFUL):
        sent.append("bridge")


def send_as_operator(path: Path, sent: list[str], name: str) -> Iterator[None]:
    journal = Journal(path)
    yield
    known = journal.read()
    yield
    if sent:
        return
    yield
    if journal.claim(Closed(SIGNAL, SIGNAL, exit_id(1), 1, "sell", OURS, name, NOW), known):
        sent.append(name)


@given(st.lists(st.integers(0, 2), max_size=15))
def test_whatever_comes_first_only_one_of_them_sends(turns: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, sent = Path(folder) / "one.jsonl", list[str]()
        Journal(path).begin(ACCOUNT, [TRADE])
        actors = [
            send_as_bridge(Journal(path), sent),
            send_as_operator(path, sent, "one"),
            send_as_operator(path, sent, "two"),
        ]
        for number in turns:
            next(actors[number], None)
        for actor in actors:
            for _ in actor:
                pass
        assert len(sent) <= 1


def test_what_is_written_of_others_keeps_nobody_from_closing(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    Journal(path).begin(ACCOUNT, [TRADE])
    journal = Journal(path)
    known = journal.read()
    Journal(path).note([], over=[ACCOUNT.id])
    assert journal.claim(closed(), known)
    assert journal.claim(closed(2), known), "what it wrote itself is no news to it"
    assert not Journal(path).claim(closed(3), known)


async def test_a_bridge_sends_nothing_once_somebody_closes_by_its_journal(
    world: World, tmp_path: Path
) -> None:
    """Between the look at the journal and the sending of a stop an exit was noted there: it goes first."""
    await world.use_exchange(attached=False)
    noted: list[Closed] = []

    async def call(name: str, params: Mapping[str, Any], /) -> Any:
        answer = await world.call(name, params)
        legs = [one["leg"] for one in params.get("facts", {}).get("intents", ())] if not noted else []
        if "stop_loss" in legs:
            journal = Journal(tmp_path / f"{world.account}.jsonl")
            contents = journal.read()
            [trade] = contents.trades.values()
            noted.append(
                Closed(trade.signal_id, trade.position_id, exit_id(1), 1, "sell", Decimal(10), "fire", NOW)
            )
            journal.note_closed(noted[0])
        return answer

    bridge = world.bridge(call, journal=tmp_path)
    await bridge.start()
    signal = await world.make_ready()
    await world.settle(bridge)
    world.still()
    await bridge.step()
    assert noted
    assert [one.request.kind for one in world.exchange.paper_engine.orders.values()] == ["market"]
    # It takes the exit over, of which the venue knows nothing, and closes.
    world.still()
    await world.settle(bridge)
    world.still()
    await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "emergency_close"
    await world.check_record()
    await world.check_against_venue()
