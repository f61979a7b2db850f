"""The realtime wrapper survives what silently kills the client it is built on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.errors import NotSent
from shared.realtime import Arrival, Realtime, Timing
from tests.shared.phoenix import Phoenix
from tests.waiting import until

FAST = Timing(pulse=0.05, reply=0.3, first_pause=0.02, longest_pause=0.1, farewell=0.2)


class Listener:
    """What a role would be: it notes what it hears, and counts how often it read the database."""

    def __init__(self) -> None:
        self.heard: list[Arrival] = []
        self.reads = 0
        self.faults: list[Exception] = []

    def hear(self, arrival: Arrival) -> None:
        if arrival.event == "poison":
            raise ValueError("a handler with a bug")
        self.heard.append(arrival)

    async def read(self) -> None:
        self.reads += 1
        if self.faults:
            raise self.faults.pop()


@pytest.fixture
async def server() -> AsyncIterator[Phoenix]:
    phoenix = Phoenix()
    await phoenix.start()
    yield phoenix
    await phoenix.stop()


@pytest.fixture
async def listener() -> Listener:
    return Listener()


@pytest.fixture
async def realtime(server: Phoenix, listener: Listener) -> AsyncIterator[Realtime]:
    one = Realtime(server.url, "a-key", lambda: "a-token", timing=FAST)
    one.subscribe("machines", listener.hear, listener.read)
    await one.start()
    await until(one.subscribed.is_set)
    yield one
    await one.stop()


async def test_it_joins_a_private_channel_with_the_token_and_catches_up(
    server: Phoenix, realtime: Realtime, listener: Listener
) -> None:
    await until(lambda: listener.reads == 1)
    assert server.joins[0]["access_token"] == "a-token"
    assert server.joins[0]["config"]["private"] is True
    await server.broadcast("machines", "work", {"stage": "analysis", "count": 3})
    await until(lambda: listener.heard)
    arrival = listener.heard[0]
    assert (arrival.topic, arrival.event, arrival.payload["count"]) == ("machines", "work", 3)


async def test_it_catches_up_again_when_the_stream_from_the_database_is_live(
    server: Phoenix, realtime: Realtime, listener: Listener
) -> None:
    await until(lambda: listener.reads == 1)
    await server.announce_replication("machines")
    await until(lambda: listener.reads == 2)


async def test_an_exception_in_a_handler_ends_nothing_and_causes_a_catch_up(
    server: Phoenix, realtime: Realtime, listener: Listener
) -> None:
    await until(lambda: listener.reads == 1)
    await server.broadcast("machines", "poison", {})
    await until(lambda: listener.reads == 2)
    await server.broadcast("machines", "work", {})
    await until(lambda: listener.heard)
    assert realtime.failures == 1
    assert realtime.last_error == "a handler with a bug"
    assert realtime.lives == 1


async def test_it_comes_back_after_more_failed_attempts_than_the_client_would_make(
    server: Phoenix, realtime: Realtime, listener: Listener
) -> None:
    await server.stop()
    await until(lambda: realtime.failures > 8)
    assert not realtime.subscribed.is_set()
    reads = listener.reads
    await server.start()
    await until(lambda: realtime.lives == 2)
    await until(lambda: listener.reads > reads)
    await server.broadcast("machines", "work", {})
    await until(lambda: listener.heard)


async def test_a_server_that_accepts_everything_and_answers_nothing_is_left(
    server: Phoenix, realtime: Realtime
) -> None:
    server.deaf = True
    await until(lambda: realtime.failures > 0)
    server.deaf = False
    await until(lambda: realtime.lives == 2)
    assert server.heartbeats > 0


async def test_a_refused_join_is_told_and_tried_again(server: Phoenix, listener: Listener) -> None:
    server.refusal = "Unauthorized: You do not have permissions to read from this Channel topic: machines"
    one = Realtime(server.url, "a-key", lambda: "a-token", timing=FAST)
    one.subscribe("machines", listener.hear, listener.read)
    await one.start()
    try:
        await until(lambda: "Unauthorized" in (one.last_error or ""))
        assert listener.reads == 0
        server.refusal = None
        await until(lambda: listener.reads == 1)
    finally:
        await one.stop()


async def test_a_renewed_token_reaches_the_open_channel(server: Phoenix, listener: Listener) -> None:
    tokens = ["first"]
    one = Realtime(server.url, "a-key", lambda: tokens[-1], timing=FAST)
    one.subscribe("machines", listener.hear)
    await one.start()
    try:
        await until(one.subscribed.is_set)
        tokens.append("second")
        await until(lambda: server.tokens == ["second"])
        assert one.lives == 1
    finally:
        await one.stop()


async def test_a_catch_up_that_meets_an_absent_database_is_repeated(
    server: Phoenix, realtime: Realtime, listener: Listener
) -> None:
    await until(lambda: listener.reads == 1)
    listener.faults = [NotSent("the database is away")] * 2
    await server.announce_replication("machines")
    await until(lambda: listener.reads == 4)


async def test_topics_are_named_before_the_start(realtime: Realtime, listener: Listener) -> None:
    with pytest.raises(RuntimeError, match="before start"):
        realtime.subscribe("late", listener.hear)
