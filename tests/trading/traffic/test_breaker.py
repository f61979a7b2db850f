"""A venue that does not answer is left alone, looked at now and then, and taken up again when it answers."""

from __future__ import annotations

import random

import pytest
from ccxt.base import errors
from hypothesis import given
from hypothesis import strategies as st

from workers.trading.traffic.breaker import Breaker, counts_as_failure

TIMEOUT = errors.RequestTimeout("no answer")


class Now:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def breaker(now: Now) -> Breaker:
    return Breaker(limit=3, first=2.0, longest=20.0, now=now, chance=random.Random(7))


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        breaker.hear(TIMEOUT)


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (errors.RequestTimeout("x"), True),
        (errors.ExchangeNotAvailable("x"), True),
        (errors.OnMaintenance("x"), True),
        (errors.NetworkError("x"), True),
        (errors.OperationFailed("x"), True),
        (errors.DDoSProtection("x"), False),
        (errors.RateLimitExceeded("x"), False),
        (errors.InvalidNonce("x"), False),
        (errors.InsufficientFunds("x"), False),
        (errors.AuthenticationError("x"), False),
        (errors.OrderNotFound("x"), False),
    ],
)
def test_only_a_venue_that_does_not_work_counts(error: errors.BaseError, counts: bool) -> None:
    assert counts_as_failure(error) is counts


def test_it_opens_after_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.hear(errors.InsufficientFunds("an answer"))
    fail(breaker, 2)
    assert breaker.admit(False)
    assert breaker.state().state == "closed"
    fail(breaker)
    assert breaker.state().to_json() == {
        "state": "open",
        "seconds": 0.0,
        "failures": 3,
        "why": "RequestTimeout",
    }
    assert not breaker.admit(False)


def test_stops_and_cancels_always_pass(breaker: Breaker) -> None:
    fail(breaker, 3)
    assert breaker.admit(True)


def test_one_request_looks_and_closes_it(breaker: Breaker, now: Now) -> None:
    fail(breaker, 3)
    assert 1.0 <= breaker.wait <= 2.0
    now.at += breaker.wait
    assert breaker.admit(False)
    assert breaker.state().state == "half_open"
    assert not breaker.admit(False), "one is enough to look"
    breaker.hear(None)
    assert breaker.state().state == "closed"
    assert breaker.admit(False)


def test_one_that_did_not_leave_lets_another_look(breaker: Breaker, now: Now) -> None:
    fail(breaker, 3)
    now.at += breaker.wait
    assert breaker.admit(False)
    breaker.forget()
    assert breaker.admit(False)


def test_it_waits_longer_each_time_and_never_too_long(breaker: Breaker, now: Now) -> None:
    fail(breaker, 3)
    waits = [breaker.wait]
    for _ in range(8):
        now.at += breaker.wait
        assert breaker.admit(False)
        fail(breaker)
        waits.append(breaker.wait)
    assert all(1.0 * 2**n <= wait <= 2.0 * 2**n for n, wait in enumerate(waits[:4]))
    assert all(10.0 <= wait <= 20.0 for wait in waits[4:])
    assert len({round(wait, 6) for wait in waits}) == len(waits)
    now.at += breaker.wait
    assert breaker.admit(False)
    breaker.hear(None)
    fail(breaker, 3)
    assert breaker.wait <= 2.0, "what is over is forgotten"


@given(st.lists(st.sampled_from(["fail", "answer", "ask", "wait"]), max_size=60))
def test_it_never_stays_shut(steps: list[str]) -> None:
    """Whatever happened: after the longest pause somebody may ask, unless somebody is asking."""
    now = Now()
    breaker = Breaker(limit=3, first=2.0, longest=20.0, now=now, chance=random.Random(7))
    asking = 0
    for step in steps:
        if step == "ask":
            asking += breaker.admit(False)
        elif step == "wait":
            now.at += 1.0
        elif asking:
            asking -= 1
            breaker.hear(TIMEOUT if step == "fail" else None)
    now.at += 21.0
    while asking:
        asking -= 1
        breaker.hear(TIMEOUT)
    now.at += 21.0
    assert breaker.admit(False)
