"""A command leaves only while the lease certainly lasts: also in a process that was stopped in the middle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.trading.lease import (
    END_HEADERS,
    MARGIN_SECONDS,
    RECEIVE_WINDOW_MS,
    Lease,
    is_lease_over,
    require_lease,
)
from workers.trading.traffic.traffic import Withheld


class Now:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_a_lease_that_was_never_granted_holds_nothing() -> None:
    lease = Lease()
    assert not lease.holds
    with pytest.raises(Withheld) as caught:
        lease.check()
    assert is_lease_over(caught.value)


def test_it_lasts_from_when_it_was_asked_for() -> None:
    now = Now()
    lease = Lease(now)
    lease.extend(asked_at=990.0, seconds=15)
    assert lease.holds
    now.at = 1005.0 - MARGIN_SECONDS
    assert not lease.holds


def test_what_was_granted_is_not_taken_back_by_an_older_answer() -> None:
    now = Now()
    lease = Lease(now)
    lease.extend(1000.0, 10)
    lease.extend(999.0, 10)
    now.at = 1009.5 - MARGIN_SECONDS
    assert lease.holds
    lease.end()
    assert not lease.holds


@given(
    answered_after=st.floats(0, 30),
    sent_after=st.floats(0, 30),
    under_way=st.floats(0, 3600),
    seconds=st.floats(0, 30),
    ahead=st.floats(-5, 5),
    unsure=st.floats(0, 2),
)
def test_a_venue_takes_no_command_after_the_lease(
    answered_after: float, sent_after: float, under_way: float, seconds: float, ahead: float, unsure: float
) -> None:
    """However long anything takes and however wrong our clock is: the database grants from when it is asked,
    at the earliest, and a venue takes what was signed less than its window ago and less than a second from
    now, by its own clock. All stops of the process lie in between."""
    now = Now()
    lease = Lease(now)
    lease.heed(lambda: max(ahead + unsure, 0.0))
    asked = now.at
    now.at += answered_after
    lease.extend(asked, seconds)
    now.at += sent_after
    if not lease.holds:
        return
    signature = now.at + ahead
    arrives = now.at + under_way
    if arrives - RECEIVE_WINDOW_MS / 1000 <= signature < arrives + 1:
        assert arrives < asked + seconds


def test_while_the_venues_clock_is_unknown_ours_may_be_a_second_ahead() -> None:
    """What a venue lets pass: a signature of the next second is good for the window and that second."""
    now = Now()
    lease = Lease(now)
    lease.extend(now.at, 10)
    now.at += 10 - RECEIVE_WINDOW_MS / 1000 - 1
    assert not lease.holds
    now.at -= 0.2
    assert lease.holds


class Exchange:
    """What guard needs of ccxt's."""

    def __init__(self) -> None:
        self.id = "bybit"
        self.options: dict[str, Any] = {"recvWindow": 10_000}
        self.sent: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> str:
        """Send it."""
        self.sent.append((method, url))
        self.headers.append(headers)
        return "answer"


async def test_the_last_look_is_after_the_signature() -> None:
    now = Now()
    lease, exchange = Lease(now), Exchange()
    require_lease(exchange, lease)
    assert exchange.options["recvWindow"] == RECEIVE_WINDOW_MS
    lease.extend(now.at, 10)
    assert await exchange.fetch("order", "POST", {}, "signed") == "answer"
    now.at += 3600
    for method in ("POST", "PUT", "DELETE"):
        with pytest.raises(Withheld):
            await exchange.fetch("order", method, {}, "signed")
    for url, method in (("question", "GET"), ("https://fapi/v1/listenKey", "PUT")):
        assert await exchange.fetch(url, method) == "answer"
    assert [method for method, _ in exchange.sent] == ["POST", "GET", "PUT"]


@pytest.mark.parametrize(("venue", "header"), END_HEADERS.items())
async def test_where_there_is_no_window_a_header_tells_the_end(venue: str, header: str) -> None:
    now = Now()
    lease, exchange = Lease(now), Exchange()
    exchange.id, exchange.options = venue, {}
    require_lease(exchange, lease, lambda: 1_700_000_000_000)
    lease.extend(now.at, 10)
    await exchange.fetch("order", "POST", {"signed": "yes"}, "body")
    await exchange.fetch("question", "GET", {"signed": "yes"})
    assert exchange.headers == [{"signed": "yes", header: "1700000002500"}, {"signed": "yes"}]
