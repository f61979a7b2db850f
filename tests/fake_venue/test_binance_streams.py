"""Binance's user streams as ccxt hears them: what it tells, what it loses, and what it never says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from ccxt.base.errors import NetworkError

from scripts.fake_venue import Fault
from tests.fake_venue.conftest import KEY, Client
from tests.waiting import until

pytestmark = pytest.mark.parametrize("name", ["binance", "binanceusdm"])
EXECUTION = {"binance": "EVENT executionReport", "binanceusdm": "EVENT ORDER_TRADE_UPDATE"}


@pytest.fixture
async def client(open_client: Any, name: str) -> Client:
    one: Client = await open_client(name, **CONFIG)
    return one


CONFIG: dict[str, Any] = {
    "options": {"watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}}
}


class Ear:
    """Waits on one of ccxt's watch methods, again and again, and keeps all that it tells."""

    def __init__(self, watch: Any, *arguments: Any) -> None:
        self.told: list[Any] = []
        self._watch = watch
        self._arguments = arguments
        self._task: asyncio.Task[None] | None = None

    async def _run(self) -> None:
        while True:
            self.told += await self._watch(*self._arguments)

    def __enter__(self) -> Ear:
        self._task = asyncio.create_task(self._run())
        return self

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()


async def listening(client: Client) -> bool:
    """Wait until the venue has this account's stream."""
    market = "usdm" if ":" in client.symbol else "spot"
    return await until(lambda: client.venue.binance.streams.has(f"user:{KEY}:{market}"))


def tap_frames(client: Client) -> list[dict[str, Any]]:
    """Every frame that reaches ccxt from now on, before it makes something of it."""
    frames: list[dict[str, Any]] = []
    handle = client.exchange.handle_message

    def tap(socket: Any, message: Any) -> Any:
        frames.append(message)
        return handle(socket, message)

    client.exchange.handle_message = tap
    return frames


@pytest.fixture
async def raw(client: Client) -> list[dict[str, Any]]:
    return tap_frames(client)


async def test_orders_and_fills_are_told_as_rest_tells_them(client: Client) -> None:
    with (
        Ear(client.exchange.watch_orders, client.symbol) as orders,
        Ear(client.exchange.watch_my_trades, client.symbol) as fills,
    ):
        await listening(client)
        await client.order("heard", price=49_000)
        client.venue.move(client.symbol, "48000")
        await until(lambda: fills.told)
        await until(lambda: orders.told and orders.told[-1]["status"] == "closed")
    (asked,) = await client.exchange.fetch_my_trades(client.symbol)
    (heard,) = fills.told
    for field in ("id", "order", "price", "amount", "cost", "side", "timestamp", "takerOrMaker"):
        assert heard[field] == asked[field], field
    assert heard["fee"]["cost"] == asked["fee"]["cost"]
    assert heard["fee"]["currency"] == asked["fee"]["currency"]
    assert {order["clientOrderId"] for order in orders.told} == {"heard"}
    order = await client.find("heard")
    assert [orders.told[-1][field] for field in ("id", "filled", "average")] == [
        order[field] for field in ("id", "filled", "average")
    ]


async def test_a_cancel_is_told_under_the_orders_own_id(client: Client) -> None:
    with Ear(client.exchange.watch_orders, client.symbol) as orders:
        await listening(client)
        await client.order("gone", price=49_000)
        await client.exchange.cancel_order(None, client.symbol, {"clientOrderId": "gone"})
        await until(lambda: orders.told and orders.told[-1]["status"] == "canceled")
    assert {order["clientOrderId"] for order in orders.told} == {"gone"}


async def test_the_balance_is_told(client: Client) -> None:
    waiting = asyncio.create_task(client.exchange.watch_balance())
    await listening(client)
    await client.order("spends")
    balance = await waiting
    own = float(client.book.ledger.balances["USDT"])
    assert balance["USDT"]["total" if client.exchange.id == "binanceusdm" else "free"] == own


async def test_a_lost_event_is_silence_and_rest_has_the_fill(
    client: Client, name: str, raw: list[Any]
) -> None:
    with Ear(client.exchange.watch_my_trades, client.symbol) as fills:
        await listening(client)
        fault = client.venue.faults.add(Fault("lost", route=EXECUTION[name], client_id="lost", times=9))
        await client.order("lost")
        await client.order("heard")
        await until(lambda: fills.told)
    assert fault.struck
    heard = await client.find("heard")
    assert [fill["order"] for fill in fills.told] == [heard["id"]]
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 2


async def test_a_doubled_event_arrives_twice(client: Client, name: str, raw: list[Any]) -> None:
    with Ear(client.exchange.watch_my_trades, client.symbol):
        await listening(client)
        client.venue.faults.add(Fault("doubled", route=EXECUTION[name], times=9))
        await client.order("twice")
        await until(lambda: len([frame for frame in map(_report, raw) if frame.get("x") == "TRADE"]) == 2)
    first, second = (frame for frame in map(_report, raw) if frame.get("x") == "TRADE")
    assert first["t"] == second["t"]


async def test_events_can_change_places(client: Client, name: str, raw: list[Any]) -> None:
    with Ear(client.exchange.watch_my_trades, client.symbol):
        await listening(client)
        client.venue.faults.add(Fault("swapped", route=EXECUTION[name]))
        await client.order("upside-down")
        await until(lambda: len([frame for frame in map(_report, raw) if "x" in frame]) == 2)
    assert [frame["x"] for frame in map(_report, raw) if "x" in frame] == ["TRADE", "NEW"]


def _report(frame: Any) -> dict[str, Any]:
    event: dict[str, Any] = frame.get("event", frame)
    inner = event.get("o")
    return inner if isinstance(inner, dict) else event


async def test_what_happens_while_the_stream_is_cut_is_told_to_nobody(client: Client) -> None:
    """Pitfall 4: the next watch subscribes by itself, and never hears of what was in between."""
    client.exchange.options["ws"] = {**client.exchange.options.get("ws", {}), "backoffDelay": 0}
    first = asyncio.create_task(client.exchange.watch_my_trades(client.symbol))
    await listening(client)
    await client.venue.cut_streams()
    with pytest.raises(NetworkError):
        await first
    await client.order("unheard")
    client.venue.mend_streams()
    with Ear(client.exchange.watch_my_trades, client.symbol) as fills:
        await listening(client)
        await client.order("heard")
        await until(lambda: fills.told)
    assert len(fills.told) == 1
    assert fills.told[0]["order"] == (await client.find("heard"))["id"]
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 2


async def test_a_fill_that_nobody_waits_for_wakes_nobody_later(client: Client) -> None:
    """Pitfall 2: who handles slowly misses what comes meanwhile, and the next watch does not return it."""
    with Ear(client.exchange.watch_my_trades, client.symbol) as fills:
        await listening(client)
        await client.order("first")
        await until(lambda: fills.told)
    await client.order("second")
    await until(lambda: len(client.exchange.myTrades) == 2)
    waiting = asyncio.create_task(client.exchange.watch_my_trades(client.symbol))
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    waiting.cancel()


async def test_a_stream_that_ends_at_the_venue_wakes_nobody(client: Client) -> None:
    """Pitfall 4: the socket stays open, and the watch waits for ever."""
    waiting = asyncio.create_task(client.exchange.watch_my_trades(client.symbol))
    await listening(client)
    client.venue.end_user_stream(KEY)
    await client.order("unheard")
    done, _ = await asyncio.wait({waiting}, timeout=0.3)
    assert not done
    waiting.cancel()
    assert len(await client.exchange.fetch_my_trades(client.symbol)) == 1


@pytest.mark.parametrize("coin", ["BTC", "XYZ"])
async def test_a_fee_in_a_coin_that_ccxt_does_not_know_makes_the_stream_deaf(
    open_client: Any, venue: Any, name: str, coin: str
) -> None:
    """Pitfall 1: the exception inside the handler ends the receiving loop, and nobody is told."""
    client = await open_client(name, **CONFIG)
    venue.pay_fees_in(KEY, "usdm" if name == "binanceusdm" else "spot", coin)
    with Ear(client.exchange.watch_orders, client.symbol) as orders:
        await listening(client)
        client.venue.offer(client.symbol, "0.004")
        await client.order("deaf", price=50_010)
        client.venue.offer(client.symbol, None)
        # The second fill adds up the fees of one order, and for that ccxt looks the coin up.
        client.venue.move(client.symbol, "49000")
        await client.order("after", price=40_000)
        heard = asyncio.create_task(_told(orders, "after"))
        done, _ = await asyncio.wait({heard}, timeout=0.5 if coin == "XYZ" else 10)
        heard.cancel()
    assert bool(done) is (coin != "XYZ")
    assert (await client.find("deaf"))["status"] == "closed"


async def _told(orders: Ear, client_id: str) -> bool:
    return await until(lambda: any(order["clientOrderId"] == client_id for order in orders.told))
