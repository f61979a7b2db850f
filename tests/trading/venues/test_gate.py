"""An order that is made ready before its intent is in the record: nothing of it leaves before it is let out,
nothing leaves twice, and what sending asks for is looked at again then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ccxt.base.errors import RequestTimeout

from tests.trading.traffic.test_gates import Time
from tests.trading.venues.test_wording import Wire, ours, venue_on
from tests.waiting import until
from workers.trading.lease import Lease, require_lease
from workers.trading.orders import Order
from workers.trading.traffic.gates import Gates
from workers.trading.traffic.traffic import Withheld
from workers.trading.venues import venue as edge
from workers.trading.venues.gate import MOST_SECONDS, Gate, Held
from workers.trading.venues.venue import Venue

ORDER = ours("usdm")


def bybit(_path: str, _said: Any) -> Any:
    return {"retCode": 0, "retMsg": "OK", "result": {"orderId": "v-1", "orderLinkId": ORDER.client_order_id}}


class Stage:
    """A venue that counts what leaves, with a lease, a limiter and clocks that the test moves."""

    def __init__(self, venue: Venue, wire: Wire, lease: Lease, gates: Gates, time: Time) -> None:
        self.venue = venue
        self.wire = wire
        self.lease = lease
        self.gates = gates
        self.time = time

    async def ready(self, order: Order = ORDER) -> Held:
        """A request that waits at its gate."""
        held = self.venue.hold(order, [])
        assert held is not None
        await until(lambda: held.is_ready)
        assert self.wire.sent == []
        return held

    @property
    def counted(self) -> float:
        """How much of the venue's limits is used."""
        return max(self.gates.use().values())


@asynccontextmanager
async def staged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    time = Time()
    monkeypatch.setattr(edge, "Gate", lambda: Gate(time))
    gates = Gates(folder, monotonic=time, now_ms=lambda: round(time.at * 1000))
    async with venue_on("bybit", "usdm", bybit) as (plain, wire):
        lease = Lease(time)
        lease.extend(time.at, 1e6)
        require_lease(plain.exchange, lease)
        way = gates.way("bybit", "one", lease)
        yield Stage(Venue(plain.exchange, plain.capabilities, way), wire, lease, gates, time)


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    async with staged(tmp_path, monkeypatch) as made:
        yield made


async def test_what_is_ready_leaves_once_it_is_let_out_and_not_before(stage: Stage) -> None:
    held = await stage.ready()
    answer = await stage.venue.place(ORDER, [], held)
    assert (answer.venue_order_id, len(stage.wire.sent)) == ("v-1", 1)
    await held.drop()
    assert len(stage.wire.sent) == 1


async def test_what_is_dropped_never_left_and_is_not_counted(stage: Stage) -> None:
    held = await stage.ready()
    assert stage.counted > 0
    await held.drop()
    assert (stage.wire.sent, stage.counted) == ([], 0)
    # Nor is there another way out.
    await stage.venue.place(ORDER, [], held)
    assert len(stage.wire.sent) == 1


async def test_where_numbers_have_to_grow_nothing_is_made_before() -> None:
    async with venue_on("kraken", "spot", bybit) as (venue, _):
        assert venue.hold(ours("spot"), []) is None


async def test_what_is_dropped_before_it_is_ready_is_ended(stage: Stage) -> None:
    held = stage.venue.hold(ORDER, [])
    assert held is not None
    await held.drop()
    assert (held.is_ready, stage.wire.sent, stage.counted) == (False, [], 0)


@pytest.mark.parametrize(
    "recorded",
    [
        replace(ORDER, amount=Decimal(3)),
        replace(ORDER, side="sell"),
        replace(ORDER, kind="limit", price=Decimal(100)),
        replace(ORDER, client_order_id="f" * 32),
        replace(ORDER, post_only=True, kind="limit", price=Decimal(100)),
    ],
)
async def test_only_what_says_what_the_record_says_is_let_out(stage: Stage, recorded: Order) -> None:
    held = await stage.ready()
    await stage.venue.place(recorded, [], held)
    await held.drop()
    (sent,) = stage.wire.sent
    assert sent[2]["orderLinkId"] == recorded.client_order_id
    assert Decimal(sent[2]["qty"]) == recorded.amount
    assert sent[2]["side"].lower() == recorded.side


async def test_a_signature_that_waited_for_long_is_made_anew(stage: Stage) -> None:
    held = await stage.ready()
    signed = stage.venue.exchange.last_request_headers
    stage.time.at += MOST_SECONDS + 0.1
    answer = await stage.venue.place(ORDER, [], held)
    assert (answer.venue_order_id, len(stage.wire.sent)) == ("v-1", 1)
    assert stage.venue.exchange.last_request_headers is not signed


async def test_the_lease_is_looked_at_once_more(stage: Stage) -> None:
    held = await stage.ready()
    stage.lease.end()
    with pytest.raises(Withheld) as caught:
        await stage.venue.place(ORDER, [], held)
    assert (caught.value.code, stage.wire.sent) == ("lease_over", [])


@pytest.mark.parametrize("said", ["down", "too much", "a wrong clock"])
async def test_what_the_venue_said_meanwhile_counts(stage: Stage, said: str) -> None:
    held = await stage.ready()
    other = stage.gates.way("bybit", "two", stage.lease)
    if said == "down":
        for _ in range(5):
            with pytest.raises(RequestTimeout):
                async with other.turn("stop", "create_order"):
                    raise RequestTimeout("no answer")
    elif said == "too much":
        other.hear(429, {})
    else:
        stage.gates._venues["bybit"].clock.is_sound = lambda: False  # type: ignore[method-assign]
    with pytest.raises(Withheld) as caught:
        await stage.venue.place(ORDER, [], held)
    codes = {"down": "venue_down", "too much": "rate_limited", "a wrong clock": "clock_skewed"}
    assert (caught.value.code, stage.wire.sent) == (codes[said], [])
