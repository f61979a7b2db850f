"""What leaves for venues that no fake speaks for: the requests that ccxt makes of our orders."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import ccxt.pro
import pytest
from ccxt.base.errors import BadResponse, ExchangeError, OperationFailed
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cli.venue_keys import PASSPHRASES
from shared.errors import OrderDenied
from tests.trading.made import order
from workers.trading.orders import Leg, Order
from workers.trading.venues.capabilities import TABLE, UNVERIFIED
from workers.trading.venues.venue import Venue

Answer = Callable[[str, dict[str, Any]], Any]


def coinbase_secret() -> str:
    """A key as Coinbase gives them: a private key in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return pem.decode()


class Wire:
    """Every request of an exchange, and what is answered to it."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.sent: list[tuple[str, str, Any]] = []

    async def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        parts = urlsplit(url)
        said: Any = dict(parse_qsl(parts.query))
        if body:
            said = json.loads(body) if body[0] in "{[" else dict(parse_qsl(body))
        self.sent.append((method, parts.path, said))
        return self.answer(parts.path, said)

    @property
    def last(self) -> Any:
        """What the last request said; of a batch, its only order."""
        said = self.sent[-1][2]
        return said[0] if isinstance(said, list) else said


@asynccontextmanager
async def venue_on(
    name: str, market: str, answer: Answer, size: float = 1.0
) -> AsyncIterator[tuple[Venue, Wire]]:
    row = TABLE[name, market]
    config = {"apiKey": "k", "secret": "c2VjcmV0", "password": "p", "enableRateLimit": False}
    exchange = getattr(ccxt.pro, name)({**config, "options": dict(row.options)})
    exchange.timeout_on_exit = 0
    swap = market == "usdm"
    ids = {"okx": "BTC-USDT-SWAP" if swap else "BTC-USDT", "gate": "BTC_USDT", "coinbase": "BTC-USDT"}
    one = {
        "id": ids.get(name, "BTCUSDT"),
        "symbol": "BTC/USDT:USDT" if swap else "BTC/USDT",
        "base": "BTC",
        "quote": "USDT",
        "settle": "USDT" if swap else None,
        "settleId": "usdt" if swap else None,
        "baseId": "BTC",
        "quoteId": "USDT",
        "type": "swap" if swap else "spot",
        "spot": not swap,
        "swap": swap,
        "contract": swap,
        "linear": True if swap else None,
        "inverse": False if swap else None,
        "contractSize": size if swap else None,
        "active": True,
        "precision": {"amount": 0.001, "price": 0.1},
        "limits": {"amount": {"min": 0.001}, "cost": {"min": 5}},
    }
    exchange.set_markets([exchange.safe_market_structure(one)])
    wire = Wire(answer)
    exchange.fetch = wire.fetch
    venue = Venue(exchange, row)
    try:
        yield venue, wire
    finally:
        await venue.close()


def ours(market: str, leg: Leg = Leg.ENTRY, **fields: Any) -> Order:
    usual: dict[str, Any] = {
        "symbol": "BTC/USDT:USDT" if market == "usdm" else "BTC/USDT",
        "amount": Decimal(2),
        "venue_order_id": None,
    }
    return order(leg, **{**usual, **fields})


def okx(_path: str, _said: Any) -> Any:
    return {"code": "0", "msg": "", "data": [{"ordId": "7", "algoId": "", "clOrdId": "", "sCode": "0"}]}


def okx_algo(_path: str, _said: Any) -> Any:
    return {
        "code": "0",
        "msg": "",
        "data": [{"algoId": "77", "algoClOrdId": "", "clOrdId": "", "sCode": "0"}],
    }


STOP: dict[str, Any] = {"kind": "stop", "trigger_price": Decimal(105)}
LIMIT: dict[str, Any] = {"kind": "limit", "price": Decimal("95.5")}


@pytest.mark.parametrize(
    ("market", "leg", "fields", "path", "says"),
    [
        ("usdm", Leg.ENTRY, {}, "batch-orders", {"ordType": "market", "sz": "200", "side": "buy"}),
        ("spot", Leg.ENTRY, {}, "batch-orders", {"ordType": "market", "sz": "2", "tgtCcy": "base_ccy"}),
        ("usdm", Leg.ENTRY, LIMIT, "batch-orders", {"ordType": "limit", "px": "95.5"}),
        ("usdm", Leg.ENTRY, {**LIMIT, "post_only": True}, "batch-orders", {"ordType": "post_only"}),
        ("usdm", Leg.ENTRY, STOP, "order-algo", {"ordType": "trigger", "triggerPx": "105"}),
        (
            "usdm",
            Leg.STOP_LOSS,
            {},
            "order-algo",
            {"ordType": "conditional", "slTriggerPx": "98", "sz": "200"},
        ),
        ("usdm", Leg.TAKE_PROFIT, {}, "order-algo", {"tpTriggerPx": "104", "reduceOnly": True}),
        ("spot", Leg.STOP_LOSS, {}, "order-algo", {"slTriggerPx": "98", "slOrdPx": "-1", "sz": "2"}),
        ("usdm", Leg.EXIT, {}, "batch-orders", {"ordType": "market", "reduceOnly": True, "side": "sell"}),
    ],
)
async def test_okx_is_asked_in_contracts_and_under_our_id(
    market: str, leg: Leg, fields: dict[str, Any], path: str, says: dict[str, Any]
) -> None:
    answer = okx_algo if path == "order-algo" else okx
    async with venue_on("okx", market, answer, 0.01) as (venue, wire):
        one = ours(market, leg, **fields)
        placed = await venue.place(one, [])
        assert wire.sent[-1][1].endswith(path)
        assert {name: wire.last.get(name) for name in says} == says
        # ccxt calls the id of an algo order by a name under which OKX does not look.
        name = "algoClOrdId" if path == "order-algo" else "clOrdId"
        assert wire.last[name] == one.client_order_id
        assert placed.venue_order_id == ("77" if path == "order-algo" else "7")


async def test_a_triggered_stop_on_okx_is_followed_to_what_it_became() -> None:
    def answer(path: str, said: Any) -> Any:
        algo = {"algoId": "77", "algoClOrdId": said.get("algoClOrdId"), "ordId": "900", "state": "effective"}
        became = {"ordId": "900", "clOrdId": "", "state": "filled", "sz": "200", "accFillSz": "150"}
        shared = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "sell", "sz": "200", "cTime": "1"}
        one = {**shared, **(algo if path.endswith("order-algo") else became)}
        return {"code": "0", "msg": "", "data": [one]}

    async with venue_on("okx", "usdm", answer, 0.01) as (venue, wire):
        stop = ours("usdm", Leg.STOP_LOSS, venue_order_id="900")
        found = await venue.find(stop)
        assert found is not None
        assert (found.venue_order_id, found.fills_as, found.client_order_id) == (
            "77",
            "900",
            stop.client_order_id,
        )
        assert (found.amount, found.filled) == (Decimal(2), Decimal("1.5"))
        asked = [(path.rpartition("/")[2], said) for _, path, said in wire.sent]
        # Under our own id: the venue's may be that of what the stop became.
        assert asked[0] == ("order-algo", {"instId": "BTC-USDT-SWAP", "algoClOrdId": stop.client_order_id})
        assert asked[1][1]["ordId"] == "900"


async def test_a_stop_that_triggered_just_now_neither_filled_nor_ended() -> None:
    """What it became is told a moment later: until then nothing follows, least of all another stop."""

    def answer(_path: str, said: Any) -> Any:
        algo = {"algoId": "77", "algoClOrdId": said.get("algoClOrdId"), "ordId": "", "state": "effective"}
        shared = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "sell", "sz": "200", "cTime": "1"}
        return {"code": "0", "msg": "", "data": [{**shared, **algo}]}

    async with venue_on("okx", "usdm", answer, 0.01) as (venue, _):
        found = await venue.find(ours("usdm", Leg.STOP_LOSS, venue_order_id="77"))
        assert found is not None
        assert (found.status, found.filled, found.fills_as) == ("open", Decimal(0), None)


class Broken:
    """An exchange whose every answer is an error of the kind that tells nothing, handed on as a refusal."""

    id, has, options = "broken", {}, {}  # type: ignore[var-annotated]

    def __init__(self, status: int | None, cause: Exception | None) -> None:
        self.status, self.cause = status, cause

    def on_rest_response(self, *_: Any) -> str:
        return ""

    async def fetch_balance(self) -> Any:
        if self.status is not None:
            self.on_rest_response(self.status, "", "", "", {"Retry-After": "7"}, "")
        raise ExchangeError('broken {"code":-9999}') from self.cause


@pytest.mark.parametrize(
    ("status", "cause", "kind"),
    [
        (500, None, OperationFailed),
        (503, None, OperationFailed),
        # The answer broke off: what was asked for may have been done.
        (None, aiohttp.ClientPayloadError("half"), OperationFailed),
        (400, None, ExchangeError),
    ],
)
async def test_a_server_in_trouble_refuses_nothing(
    status: int | None, cause: Exception | None, kind: type[Exception]
) -> None:
    venue = Venue(Broken(status, cause), UNVERIFIED)
    with pytest.raises(kind):
        await venue.equity("USDT")


async def test_a_stop_on_okx_moves_and_leaves_in_the_algo_book() -> None:
    async with venue_on("okx", "usdm", okx_algo, 0.01) as (venue, wire):
        stop = ours("usdm", Leg.STOP_LOSS, venue_order_id="77")
        await venue.amend(stop, Decimal(99))
        assert wire.sent[-1][1].endswith("amend-algos")
        moved = {"algoId": "77", "newSlTriggerPx": "99", "newSlOrdPx": "-1"}
        assert {name: wire.last.get(name) for name in moved} == moved
        assert await venue.cancel(stop) is None
        assert wire.sent[-1][1].endswith("cancel-algos")
        assert wire.last["algoClOrdId"] == stop.client_order_id


async def test_funding_on_okx_is_read_back_through_the_bills_of_all_symbols() -> None:
    """A page is a hundred bills of everything: how many are of one symbol says nothing about a next page."""
    bills = [
        {
            "billId": str(1000 + number),
            "instId": "BTC-USDT-SWAP" if number % 3 == 0 else "ETH-USDT-SWAP",
            "ccy": "USDT",
            "balChg": "-0.5",
            "posBalChg": "0",
            "ts": str(1_700_000_000_000 + 1000 * number),
        }
        for number in range(250)
    ]

    def answer(_path: str, said: Any) -> Any:
        older = [one for one in bills if int(one["billId"]) < int(said.get("after", 10**9))]
        return {"code": "0", "msg": "", "data": older[:-101:-1]}

    async with venue_on("okx", "usdm", answer, 0.01) as (venue, wire):
        since = datetime.fromtimestamp(1_700_000_000 + 30, UTC)
        found = await venue.funding({"BTC/USDT:USDT": since})
        assert len({one.venue_income_id for one in found}) == len([n for n in range(30, 250) if n % 3 == 0])
        assert {(one.amount, one.currency, one.symbol) for one in found} == {
            (Decimal("-0.5"), "USDT", "BTC/USDT:USDT")
        }
        assert [said.get("after") for _, _, said in wire.sent] == [None, "1150", "1050"]


@pytest.mark.parametrize(
    ("category", "liquidated"),
    [("full_liquidation", True), ("partial_liquidation", True), ("adl", False), ("normal", False)],
)
async def test_a_liquidation_on_okx_is_known_by_the_category_of_its_order(
    category: str, liquidated: bool
) -> None:
    def answer(path: str, _said: Any) -> Any:
        shared = {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "side": "sell", "ordId": "9", "cTime": "1"}
        if path.endswith("fills-history") or path.endswith("fills"):
            told = {
                "tradeId": "5",
                "fillPx": "90",
                "fillSz": "200",
                "fee": "-0.1",
                "feeCcy": "USDT",
                "ts": "1",
            }
            return {"code": "0", "msg": "", "data": [{**shared, **told, "execType": "T", "clOrdId": ""}]}
        told = {"state": "filled", "sz": "200", "accFillSz": "200", "category": category, "clOrdId": ""}
        return {"code": "0", "msg": "", "data": [{**shared, **told}]}

    async with venue_on("okx", "usdm", answer, 0.01) as (venue, _):
        [trade] = await venue.trades("BTC/USDT:USDT", None)
        # Two hundred contracts of a hundredth; T is the taker's, and no kind of trade.
        assert (trade.amount, trade.fee_cost, trade.kind) == (Decimal(2), Decimal("0.1"), None)
        assert await venue.is_liquidation(trade) is liquidated


def test_an_account_on_okx_needs_its_passphrase() -> None:
    assert "okx" in PASSPHRASES
    assert ccxt.pro.okx().requiredCredentials["password"]


def bybit(_path: str, _said: Any) -> Any:
    return {"retCode": 0, "retMsg": "OK", "result": {"orderId": "b-1", "orderLinkId": ""}, "time": 1}


@pytest.mark.parametrize(
    ("leg", "fields", "says"),
    [
        (Leg.ENTRY, {}, {"orderType": "Market", "marketUnit": "baseCoin", "qty": "2"}),
        (Leg.ENTRY, {**LIMIT, "post_only": True}, {"timeInForce": "PostOnly", "price": "95.5"}),
        (Leg.ENTRY, STOP, {"orderFilter": "StopOrder", "triggerPrice": "105", "reduceOnly": None}),
        (Leg.STOP_LOSS, {}, {"orderFilter": "tpslOrder", "triggerPrice": "98", "side": "Sell"}),
    ],
)
async def test_bybit_spot_is_asked_for_the_kind_of_order(
    leg: Leg, fields: dict[str, Any], says: dict[str, Any]
) -> None:
    async with venue_on("bybit", "spot", bybit) as (venue, wire):
        one = ours("spot", leg, **fields)
        await venue.place(one, [])
        assert {name: wire.last.get(name) for name in says} == says
        assert (wire.last["category"], wire.last["orderLinkId"]) == ("spot", one.client_order_id)
        await venue.cancel(replace(one, venue_order_id="b-1"))
        kind = says.get("orderFilter", "Order")
        assert (wire.last["orderId"], wire.last["orderFilter"]) == ("b-1", kind)


@pytest.mark.parametrize(
    ("name", "market", "field", "most"),
    [
        ("kraken", "spot", "cl_ord_id", 32),
        ("coinbase", "spot", "client_order_id", 32),
        ("gate", "spot", "text", 26),
    ],
)
async def test_the_others_take_plain_orders_under_our_id(
    name: str, market: str, field: str, most: int
) -> None:
    def answer(path: str, said: Any) -> Any:
        told = {"txid": ["O-1"], "descr": {"order": "buy 2 BTCUSDT @ limit 95.5"}}
        return {
            "kraken": {"error": [], "result": told},
            "coinbase": {"success": True, "success_response": {"order_id": "O-1", "client_order_id": "c"}},
            "gate": {"id": "O-1", "text": said.get("text"), "currency_pair": "BTC_USDT", "status": "open"},
        }[name]

    async with venue_on(name, market, answer) as (venue, wire):
        if name == "coinbase":
            venue.exchange.apiKey, venue.exchange.secret = "organizations/o/apiKeys/k", coinbase_secret()
        one = ours(market, **LIMIT)
        placed = await venue.place(one, [])
        assert placed.venue_order_id == "O-1"
        assert wire.last[field].removeprefix("t-") == one.client_order_id[:most]
        before = len(wire.sent)
        for refused in (ours(market, Leg.STOP_LOSS), ours(market, **STOP)):
            with pytest.raises(OrderDenied):
                await venue.place(refused, [])
        assert len(wire.sent) == before, "what ccxt would silently change was not sent"


@pytest.mark.parametrize("body", ["<html>maintenance</html>", [], {"code": "0", "data": [{}]}, {}, None])
async def test_a_page_that_is_no_answer_is_no_order(body: Any) -> None:
    """ccxt makes an order without an id of some of these, and trips over others."""
    async with venue_on("binance", "spot", lambda _path, _said: body) as (venue, _):
        venue.exchange.markets["BTC/USDT"]["info"] = {"orderTypes": ["MARKET", "LIMIT"]}
        with pytest.raises(BadResponse):
            await venue.place(ours("spot"), [])
