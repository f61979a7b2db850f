"""The paper exchange: a venue inside the machine, behind ccxt's own asynchronous interface.

The bridge cannot tell it from a real one: unified methods, ccxt's exceptions, floats at the surface. Inside
all is exact, and time is the clock that it was given. Attributes carry the prefix `paper_`, since ccxt's
Exchange uses the plain names for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ccxt.async_support.base.exchange import Exchange
from ccxt.base.decimal_to_precision import TICK_SIZE
from ccxt.base.errors import (
    BadRequest,
    BadSymbol,
    ExchangeError,
    InsufficientFunds,
    InvalidOrder,
    NotSupported,
    OrderNotFillable,
    OrderNotFound,
)

from shared.candles import Candle, exact
from shared.clock import Clock
from shared.identity import from_ms
from shared.market import Market
from workers.trading.paper import unified
from workers.trading.paper.engine import Changes, Engine, Terms
from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import Attached, Order, Refused, Request, Trade, Trigger
from workers.trading.paper.path import Bar
from workers.trading.paper.rules import KNOWN, Rule, rule_for
from workers.trading.paper.store import Store

# How long an order that ended, and a fill, can be asked for: Binance tells of a cancelled one for three days.
KEPT_MS = 3 * 86_400_000
# How often what is older is looked for.
TIDY_MS = 3_600_000
# How the engine's refusals reach a caller of ccxt: classes as Binance's errors map to.
_ERRORS: dict[str, type[ExchangeError]] = {
    "symbol": BadSymbol,
    "no_price": BadRequest,
    "funds": InsufficientFunds,
    "not_open": OrderNotFound,
    "post_only": OrderNotFillable,
    "least_notional": BadRequest,
}

# What an order can carry here, in the words of ccxt's `features`.
_FEATURES: dict[str, Any] = {
    "sandbox": True,
    "createOrder": {
        "triggerPrice": True,
        "stopLossPrice": True,
        "takeProfitPrice": True,
        "attachedStopLossTakeProfit": {"triggerPriceType": None, "price": False},
        "timeInForce": {"IOC": False, "FOK": False, "PO": True, "GTD": False},
        "hedged": True,
        "trailing": False,
    },
}

# A test's hand in the venue: called with the method, "before" or "after" it took effect, and the client order
# id; what it raises reaches the caller, with the order taken or not.
Fault = Callable[[str, str, str], None]


class PaperExchange(Exchange):  # type: ignore[misc]  # ccxt is not typed
    """One paper account.

    Config beside ccxt's own: `clock`, `market` (its candles move the orders), `account` (a name), `starting`
    (balances of a new account, currency to text), `store` (path of the file that keeps it; None keeps
    nothing), `leverage` (text), `latency_ms`, `slippage`, `participation` (see `Terms`), `attached` (False
    refuses attached stop loss and take profit, so that the caller has to manage protection itself), `fault`.

    `paper_activity` grows with every change of an order: who compares it need not ask in vain.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        settings = dict(config)
        self.paper_clock: Clock = settings.pop("clock")
        self.paper_market: Market = settings.pop("market")
        self.paper_account: str = settings.pop("account", "paper")
        self.paper_fault: Fault | None = settings.pop("fault", None)
        self.paper_attached: bool = settings.pop("attached", True)
        self.paper_activity = 0
        starting = settings.pop("starting", {"USDT": "10000"})
        store: Path | str | None = settings.pop("store", None)
        leverage = Decimal(str(settings.pop("leverage", "10")))
        usual = Terms()
        terms = Terms(
            latency_ms=int(settings.pop("latency_ms", usual.latency_ms)),
            slippage=Decimal(str(settings.pop("slippage", usual.slippage))),
            participation=Decimal(str(settings.pop("participation", usual.participation))),
        )
        super().__init__(settings)
        ledger = PaperLedger(
            {currency: Decimal(str(amount)) for currency, amount in starting.items()}, leverage
        )
        self.paper_engine = Engine({}, ledger, terms)
        self._paper_changed = asyncio.Event()
        self._paper_heard = 0  # the last trade that was told
        self._paper_tidied_ms: int | None = None
        self._paper_store = Store(Path(store)) if store is not None else None
        if self._paper_store is not None and not self._paper_store.load(self.paper_engine):
            self._paper_store.save(self.paper_engine)
        self._paper_rules: dict[str, Rule] = {}
        self._paper_bars: dict[str, Rule] = {}
        for venue_id in KNOWN["spot" if self.paper_market.kind == "spot" else "usdm"]:
            self.paper_list(venue_id)
        for order in self.paper_engine.orders.values():
            self.paper_list(order.request.symbol.split(":")[0].replace("/", ""))
        self._paper_leave = self.paper_market.subscribe(self.paper_process)

    def describe(self) -> Any:
        return self.deep_extend(
            super().describe(),
            {
                "id": "paper",
                "name": "Paper",
                "countries": [],
                "rateLimit": 1,
                "enableRateLimit": False,
                "precisionMode": TICK_SIZE,
                "timeout_on_exit": 0,
                "has": {
                    "spot": True,
                    "swap": True,
                    "createOrder": True,
                    "cancelOrder": True,
                    "fetchBalance": True,
                    "fetchMarkets": True,
                    "fetchMyTrades": True,
                    "fetchOpenOrders": True,
                    "fetchOrder": True,
                    "fetchOrders": True,
                    "fetchPositions": True,
                    "fetchTicker": True,
                    "watchMyTrades": True,
                },
                "features": {"spot": _FEATURES, "swap": {"linear": _FEATURES, "inverse": None}},
            },
        )

    # ---------------------------------------------------------------- the market

    def paper_list(self, venue_id: str) -> Rule:
        """Trade this symbol from now on. Symbols of the market's candles list themselves."""
        rule = self._paper_rules.get(venue_id)
        if rule is None:
            rule = rule_for(venue_id, "spot" if self.paper_market.kind == "spot" else "usdm")
            self._paper_rules[venue_id] = rule
            self.paper_engine.rules[rule.symbol] = rule
            if self.markets:
                self.set_markets([unified.market_fields(known) for known in self._paper_rules.values()])
        return rule

    def paper_process(self, candle: Candle) -> None:
        """Let a closed candle of the base interval act on the orders."""
        if candle.interval != self.paper_market.base_interval(candle.symbol):
            return
        rule = self.paper_list(candle.symbol)
        self._paper_tidy(candle.close_ms)
        engine = self.paper_engine
        if not engine.has_open(rule.symbol):
            engine.last_price[rule.symbol] = candle.price
            return
        bar = Bar(
            symbol=rule.symbol,
            open_ms=candle.open_ms,
            close_ms=candle.close_ms,
            open=exact(candle.open),
            high=exact(candle.high),
            low=exact(candle.low),
            close=candle.price,
            volume=exact(candle.volume),
        )
        self._paper_keep(engine.walk(bar))

    async def fetch_markets(self, params: dict[str, Any] | None = None) -> list[Any]:
        for symbol in self.paper_market.symbols:
            self.paper_list(symbol)
        return [unified.market_fields(rule) for rule in self._paper_rules.values()]

    async def fetch_ticker(self, symbol: str, params: dict[str, Any] | None = None) -> Any:
        price = self.paper_engine.last_price.get(self._paper_rule(symbol).symbol)
        return self.safe_ticker(
            {"symbol": symbol, "last": unified.text(price), "timestamp": self.milliseconds()}
        )

    def paper_until(self) -> datetime:
        """The market time that the account has come to; a replay that starts again is behind it."""
        return from_ms(self.paper_engine.until_ms)

    def milliseconds(self) -> int:
        """The venue's clock is the market's."""
        return self.paper_clock.millis()

    # ---------------------------------------------------------------- orders

    async def create_order(
        self,
        symbol: str,
        type: str,
        side: str,
        amount: float,
        price: float | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Send an order. Params: `clientOrderId`, `triggerPrice` or `stopLossPrice` or `takeProfitPrice`,
        `reduceOnly`, `postOnly`, and attached `stopLoss` and `takeProfit` as
        `{"triggerPrice": …, "clientOrderId": …}` (the id is this venue's extension; real ones give none)."""
        await self.load_markets()
        asked = dict(params or {})
        client_id = str(asked.pop("clientOrderId", "")) or f"x{self.paper_engine.last_sequence + 1}"
        self._paper_strike("create_order", "before", client_id)
        request = self._paper_request(symbol, type, side, amount, price, client_id, asked)
        changes = self._paper_try(lambda: self.paper_engine.submit(request, self.milliseconds()))
        self._paper_keep(changes)
        self._paper_strike("create_order", "after", client_id)
        return self._paper_order(self._paper_find(None, client_id))

    async def cancel_order(
        self, id: str | None, symbol: str | None = None, params: dict[str, Any] | None = None
    ) -> Any:
        order = self._paper_find(id, (params or {}).get("clientOrderId"))
        self._paper_strike("cancel_order", "before", order.request.client_id)
        self._paper_keep(self._paper_try(lambda: self.paper_engine.cancel(order.id, self.milliseconds())))
        self._paper_strike("cancel_order", "after", order.request.client_id)
        return self._paper_order(order)

    async def fetch_order(
        self, id: str | None, symbol: str | None = None, params: dict[str, Any] | None = None
    ) -> Any:
        client_id = (params or {}).get("clientOrderId")
        self._paper_strike("fetch_order", "before", client_id or str(id))
        return self._paper_order(self._paper_find(id, client_id))

    async def fetch_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[Any]:
        self._paper_strike("fetch_orders", "before", "")
        known = (o for o in self.paper_engine.orders.values() if symbol in (None, o.request.symbol))
        return self._paper_part((self._paper_order(order) for order in known), since, limit)

    async def fetch_open_orders(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[Any]:
        self._paper_strike("fetch_open_orders", "before", "")
        return self._paper_part(map(self._paper_order, self.paper_engine.open_orders(symbol)), since, limit)

    async def fetch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[Any]:
        """Fills, the oldest first. Params: `fromId` answers only those with this id and later ones."""
        self._paper_strike("fetch_my_trades", "before", "")
        first = int((params or {}).get("fromId", 1))
        known = (t for t in self.paper_engine.trades if t.id >= first and symbol in (None, t.symbol))
        return self._paper_part(map(self._paper_trade, known), since, limit)

    async def fetch_balance(self, params: dict[str, Any] | None = None) -> Any:
        self._paper_strike("fetch_balance", "before", "")
        engine = self.paper_engine
        answer: dict[str, Any] = {"info": {}, "timestamp": self.milliseconds()}
        for currency, wallet in engine.ledger.balances.items():
            # As futures venues tell it: what open positions have gained so far belongs to the balance.
            total = wallet + engine.gains(currency)
            answer[currency] = {"total": str(total), "free": str(engine.free(currency))}
        return self.safe_balance(answer)

    async def fetch_positions(
        self, symbols: list[str] | None = None, params: dict[str, Any] | None = None
    ) -> list[Any]:
        self._paper_strike("fetch_positions", "before", "")
        held = (p for p in self.paper_engine.ledger.positions.values() if p.amount)
        return [
            self.safe_position(
                {
                    "symbol": position.symbol,
                    "side": position.side,
                    "contracts": float(position.amount),
                    "contractSize": 1.0,
                    "entryPrice": float(position.cost / position.amount),
                    "markPrice": unified.text(self.paper_engine.last_price.get(position.symbol)),
                    "leverage": float(self.paper_engine.ledger.leverage),
                    "timestamp": position.opened_ms,
                    "info": {"amount": str(position.amount)},
                }
            )
            for position in held
            if symbols is None or position.symbol in symbols
        ]

    async def watch_my_trades(
        self,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> list[Any]:
        """The fills since the last call; waits until there is one."""
        while self.paper_engine.last_trade == self._paper_heard:
            self._paper_changed.clear()
            await self._paper_changed.wait()
        fresh = [trade for trade in self.paper_engine.trades if trade.id > self._paper_heard]
        self._paper_heard = self.paper_engine.last_trade
        return [self._paper_trade(trade) for trade in fresh if symbol in (None, trade.symbol)]

    async def close(self, clean_instance_data: bool = False) -> None:
        self._paper_leave()
        if self._paper_store is not None:
            self._paper_store.close()
            self._paper_store = None
        await super().close(clean_instance_data)

    # ---------------------------------------------------------------- between ccxt's words and ours

    def _paper_request(
        self,
        symbol: str,
        kind: str,
        side: str,
        amount: float,
        price: float | None,
        client_id: str,
        asked: dict[str, Any],
    ) -> Request:
        if kind not in ("market", "limit") or side not in ("buy", "sell"):
            raise InvalidOrder(f"paper knows market and limit, buy and sell; not {kind} and {side}")
        stop, target, plain = (
            asked.pop("stopLossPrice", None),
            asked.pop("takeProfitPrice", None),
            asked.pop("triggerPrice", None),
        )
        trigger: Trigger | None = "take_profit" if target is not None else "stop"
        trigger_price = next((value for value in (target, stop, plain) if value is not None), None)
        attached = tuple(
            leg
            for name, word in (("stopLoss", "stop"), ("takeProfit", "take_profit"))
            if (
                leg := self._paper_leg(
                    asked.pop(name, None), "stop" if word == "stop" else "take_profit", client_id
                )
            )
        )
        request = Request(
            symbol=symbol,
            side="buy" if side == "buy" else "sell",
            kind="market" if kind == "market" else "limit",
            amount=unified.number("amount", amount),
            client_id=client_id,
            price=None if price is None or kind == "market" else unified.number("price", price),
            trigger=None if trigger_price is None else trigger,
            trigger_price=None if trigger_price is None else unified.number("trigger price", trigger_price),
            reduce_only=bool(asked.pop("reduceOnly", False)),
            post_only=bool(asked.pop("postOnly", False)),
            attached=attached,
        )
        asked.pop("hedged", None)
        if asked:
            raise NotSupported(f"paper knows no order parameter {', '.join(sorted(asked))}")
        return request

    def _paper_leg(self, asked: dict[str, Any] | None, trigger: Trigger, parent: str) -> Attached | None:
        if asked is None:
            return None
        if not self.paper_attached:
            raise NotSupported("paper was told to refuse attached stop loss and take profit")
        suffix = "sl" if trigger == "stop" else "tp"
        client_id = str(asked.get("clientOrderId", f"{parent}-{suffix}"))
        return Attached(trigger, unified.number(f"{trigger} price", asked["triggerPrice"]), client_id)

    def _paper_order(self, order: Order) -> Any:
        return self.safe_order(unified.order_fields(order))

    def _paper_trade(self, trade: Trade) -> Any:
        return self.safe_trade(unified.trade_fields(trade))

    def _paper_rule(self, symbol: str) -> Rule:
        rule = self.paper_engine.rules.get(symbol)
        if rule is None:
            raise BadSymbol(f"paper does not trade {symbol}")
        return rule

    def _paper_find(self, order_id: str | None, client_id: str | None) -> Order:
        known = self.paper_engine.by_client_id.get(client_id) if client_id else order_id
        order = self.paper_engine.orders.get(known or "")
        if order is None:
            raise OrderNotFound(f"paper has no order {client_id or order_id}")
        return order

    def _paper_part(self, records: Iterable[Any], since: int | None, limit: int | None) -> list[Any]:
        chosen = [record for record in records if since is None or record["timestamp"] >= since]
        return chosen if limit is None else chosen[:limit]

    def _paper_try(self, command: Callable[[], Changes]) -> Changes:
        try:
            return command()
        except Refused as refusal:
            raise _ERRORS.get(refusal.code, InvalidOrder)(f"paper {refusal.code}: {refusal}") from refusal

    def _paper_keep(self, changes: Changes) -> None:
        if not changes:
            return
        if self._paper_store is not None:
            self._paper_store.save(self.paper_engine, changes)
        self.paper_activity += 1
        self._paper_changed.set()

    def _paper_tidy(self, now_ms: int) -> None:
        """Forget what ended long ago, as venues do. What an earlier machine left is not old before this one
        ran for so long: whoever was away asks for it first."""
        if self._paper_tidied_ms is None:
            self._paper_tidied_ms = now_ms
        if now_ms - self._paper_tidied_ms < KEPT_MS:
            return
        self._paper_tidied_ms = now_ms - KEPT_MS + TIDY_MS
        orders, trades = self.paper_engine.forget(now_ms - KEPT_MS)
        if self._paper_store is not None and (orders or trades):
            self._paper_store.forget(orders, trades)

    def _paper_strike(self, method: str, moment: str, client_id: str) -> None:
        if self.paper_fault is not None:
            self.paper_fault(method, moment, client_id)
