"""A world to trade in, on the paper exchange or on a fake venue that an unmodified ccxt speaks to."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from ccxt.base.errors import RequestTimeout

from scripts.fake_venue import FakeVenue, Fault
from shared.clock import MarketClock
from shared.market import Market
from shared.vault import Vault, new_master_key
from tests.trading.world import SYMBOL, Sql, World
from workers.trading.ledger import Account
from workers.trading.orders import Leg, client_order_id
from workers.trading.paper import PaperExchange
from workers.trading.paper.order import Request
from workers.trading.paper.path import Bar
from workers.trading.role import TradingRole
from workers.trading.venues.capabilities import TABLE, Capabilities
from workers.trading.venues.exchanges import Exchanges

KEY, SECRET = "key-of-the-test", "secret-of-the-test"
# Every wire: the venue of its account, and the market.
WIRES = {
    "paper-spot": ("paper", "spot"),
    "paper-usdm": ("paper", "usdm"),
    "binance-spot": ("binance", "spot"),
    "binance-usdm": ("binanceusdm", "usdm"),
    "bybit-usdm": ("bybit", "usdm"),
}
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
# What ccxt waits for an answer, in ms: the faults that give none must not take a test's time.
PATIENCE_MS = 1_500


class SealedExchanges(Exchanges):
    """The product's own exchanges; the key of every account is the test's."""

    def __init__(self, clock: MarketClock, market: Market, venue: FakeVenue) -> None:
        self._key = new_master_key()
        super().__init__(clock, market, None, self._key, venue.session_factory())

    async def __call__(self, account: Account) -> Any:
        keys = {"apiKey": KEY, "secret": SECRET}
        made = Vault.from_text(self._key).seal(account.user_id, account.id, keys)
        sealed = {
            "ciphertext": base64.b64encode(made.ciphertext).decode(),
            "salt": base64.b64encode(made.salt).decode(),
            "key_version": made.key_version,
        }
        exchange = await super().__call__(replace(account, sealed=sealed))
        exchange.timeout = PATIENCE_MS
        exchange.enableRateLimit = False
        return exchange


class Stage(World):
    """See `open_stage`. `wire` names one of WIRES."""

    def __init__(self, connection: Sql, wire: str, fake: FakeVenue | None) -> None:
        self.wire = wire
        self.venue_id, self.kind = WIRES[wire]
        self.fake = fake
        super().__init__(connection)
        self.bridges: list[TradingRole] = []
        self.volume: float | None = None

    @property
    def row(self) -> Capabilities:
        return TABLE[self.venue_id, self.kind]

    @property
    def symbol(self) -> str:
        return "BTC/USDT" if self.kind == "spot" else "BTC/USDT:USDT"

    @property
    def engine_market(self) -> Literal["spot", "usdm"]:
        return "spot" if self.kind == "spot" else "usdm"

    @property
    def engine(self) -> Any:
        """The venue's own truth: its orders, trades and money."""
        if self.fake is None:
            return self.exchange.paper_engine
        return self.fake.engine(KEY, self.engine_market)

    def open_exchange(self, **config: Any) -> PaperExchange:
        """The paper exchange on this stage's market."""
        if self.market.kind != self.kind:
            self.market = Market("spot" if self.kind == "spot" else "usdm")
        # Legs of their own, as on every venue; no candle is too small for an order.
        return super().open_exchange(**{"attached": False, **config})

    async def set_up(self, **trader: Any) -> None:
        await super().set_up(**{"market": self.kind, **trader})
        await self.sql.execute(
            "update public.exchange_accounts set venue = %s, market = %s, sandbox = false where id = %s",
            (self.venue_id, self.kind, self.account),
        )
        if self.fake is not None:
            self.fake.clock = self.clock
            self.fake.open_account(self.venue_id, KEY, SECRET, {"USDT": "10000"}, leverage=10)

    async def tear_down(self) -> None:
        for bridge in self.bridges:
            await bridge.stop()
        await super().tear_down()

    def bridge(self, call: Any = None, exchange: Any = None, **options: Any) -> TradingRole:
        """A bridge of this stage's machine; its exchanges are the product's own."""
        if self.fake is not None:
            options = {"exchanges": SealedExchanges(self.clock, self.market, self.fake), **options}
        role = super().bridge(call, exchange, **options)
        self.bridges.append(role)
        return role

    def candles(self, prices: Any, volume: float = 1e6) -> None:
        """One minute passes: at the venue first, then for whoever watches candles."""
        if self.fake is not None:
            opened = self.clock.millis()
            for name, (o, h, low, c) in sorted(prices.items()):
                symbol = f"{name[:-4]}/USDT" + (":USDT" if self.kind == "usdm" else "")
                first, highest, lowest, last = (Decimal(value) for value in (o, h, low, c))
                bar = Bar(symbol, opened, opened + 60_000, first, highest, lowest, last, Decimal(10) ** 9)
                self.fake.candle(bar)
        super().candles(prices, volume if self.volume is None else self.volume)

    def offer(self, amount: str | None) -> None:
        """No more than this can be bought or sold until the next offer; None: as much as anybody wants."""
        self.volume = None if amount is None else float(amount)
        if self.fake is not None:
            self.fake.offer(self.symbol, amount)

    async def play(self, bridge: TradingRole, *prices: str) -> None:
        """A flat candle for each price, and the bridge looks after each."""
        for price in prices:
            self.candle(price)
            await self.settle(bridge)

    async def enter(self, bridge: TradingRole, **plan: Any) -> UUID:
        """A signal that is in a position, protected."""
        signal = await self.make_ready(**plan)
        await self.settle(bridge)
        await self.play(bridge, "100")
        assert (await self.signal(signal))["status"] == "in_position"
        assert await self.unprotected() == []
        return signal

    def no_answer(self, signal: UUID, leg: Leg, *, taken: bool) -> None:
        """The next order of this leg gets no answer; the venue took it, or never heard of it."""
        client_id = client_order_id(signal, leg, 1)
        if self.fake is not None:
            kind: Any = "drop_after" if taken else "drop_before"
            self.fake.faults.add(Fault(kind=kind, route="POST *", client_id=client_id))
            return
        moment = "after" if taken else "before"

        def strike(method: str, when: str, who: str) -> None:
            if (method, when, who) == ("create_order", moment, client_id):
                self.exchange.paper_fault = None
                raise RequestTimeout("no answer")

        self.exchange.paper_fault = strike

    def fill_before_cancel(self, price: str) -> None:
        """When the next cancel arrives, its order has just filled."""
        if self.fake is not None:
            self.fake.faults.add(Fault(kind="fills_first", route="DELETE *"))
            self.fake.faults.add(Fault(kind="fills_first", route="POST */cancel"))
            return

        def strike(method: str, when: str, _who: str) -> None:
            if (method, when) == ("cancel_order", "before"):
                self.exchange.paper_fault = None
                value = Decimal(price)
                opened = self.clock.millis() - 60_000
                bar = Bar(self.symbol, opened, opened + 60_000, value, value, value, value, Decimal(10) ** 9)
                self.engine.walk(bar)
                self.exchange.paper_activity += 1

        self.exchange.paper_fault = strike

    def place_foreign(self, client_id: str = "by-hand-1") -> None:
        """Somebody else's order rests in the account's book."""
        request = Request(self.symbol, "buy", "limit", Decimal("4"), client_id, price=Decimal("50"))
        self.engine.submit(request, self.clock.millis())

    def by_hand(self, side: Literal["buy", "sell"], amount: str) -> None:
        """Somebody trades at the market on the venue's own page; streams tell of it."""
        assert self.fake is not None
        account = self.fake.account(KEY)
        name = f"web_{self.fake.next_number()}"
        request = Request(self.symbol, side, "market", Decimal(amount), name)
        _, changes = self.engine.place(request, self.clock.millis(), type="MARKET")
        self.fake.exchanges[account.exchange].publish(account, changes)

    def cancel_by_hand(self, client_id: str) -> None:
        """Somebody cancels an order on the venue's own page; streams tell of it."""
        assert self.fake is not None
        account = self.fake.account(KEY)
        order = self.engine.find(None, client_id)
        named = self.engine.facts[order.id].get("list_client_id", "")
        for one in self.engine.list_of(named) or [order]:
            changes = self.engine.cancel(one.id, self.clock.millis())
            self.fake.exchanges[account.exchange].publish(account, changes)

    async def wait(self, bridge: TradingRole, seconds: int) -> None:
        """Market time passes without a candle, and the bridge takes steps."""
        self.clock.advance_ms(self.clock.millis() + 1000 * seconds)
        await self.settle(bridge)

    def sent(self) -> list[str]:
        """The client order ids that the venue took, the oldest first."""
        return [order.request.client_id for order in self.engine.orders.values()]

    def resting(self) -> list[str]:
        """The client order ids in the venue's book."""
        return sorted(order.request.client_id for order in self.engine.open_orders())

    async def check_against_venue(self) -> None:
        """Every fill of the venue is recorded once, under its order, to the last digit."""
        recorded = await self.fetch(
            """
            select x.venue_trade_id, x.price, x.amount, x.fee_cost,
              o.client_order_id, o.by_venue, o.venue_order_id
            from public.trade_executions x join public.orders o on o.id = x.order_id
            where x.user_id = %s order by x.executed_at, x.created_at
            """,
            self.user,
        )
        assert len({row["venue_trade_id"] for row in recorded}) == len(recorded)
        by_order = self.engine.orders
        ours: dict[tuple[str, Decimal], list[Decimal]] = {}
        for row in recorded:
            name = row["client_order_id"]
            if row["by_venue"]:
                name = by_order[row["venue_order_id"]].request.client_id
            # One that closed the positions of several signals was shared out.
            sums = ours.setdefault((name, row["price"]), [Decimal(0), Decimal(0)])
            sums[0] += row["amount"]
            sums[1] += row["fee_cost"]
        theirs: dict[tuple[str, Decimal], list[Decimal]] = {}
        for trade in self.engine.trades:
            name = by_order[trade.order_id].request.client_id
            sums = theirs.setdefault((name, trade.price), [Decimal(0), Decimal(0)])
            sums[0] += trade.amount
            sums[1] += self.fee_told(trade.fee)
        assert ours == theirs

    def fee_told(self, fee: Decimal) -> Decimal:
        """Binance's spot wire carries eight digits of a fee; the engine behind it counts on."""
        return fee.quantize(Decimal("1e-8"), ROUND_DOWN) if self.wire == "binance-spot" else fee

    async def summary(self, signal: UUID) -> dict[str, Any]:
        """What came of a signal, in words that hold on every wire."""
        row = await self.signal(signal)
        return {"status": row["status"], "code": row["outcome_code"], "resting": self.resting()}


@asynccontextmanager
async def open_stage(
    connection: Sql, wire: str, *, recorded: Path | None = None, **trader: Any
) -> AsyncIterator[Stage]:
    """A stage on one wire, with a price of 100 for three symbols; their filters are those of a `recorded`
    exchangeInfo, where one is given."""
    venue, _ = WIRES[wire]
    fake = None if venue == "paper" else FakeVenue(recorded=recorded, symbols=SYMBOLS if recorded else None)
    if fake is not None:
        await fake.start()
    try:
        stage = Stage(connection, wire, fake)
        await stage.set_up(**trader)
        stage.still()
        try:
            yield stage
        finally:
            await stage.tear_down()
    finally:
        if fake is not None:
            await fake.stop()


__all__ = ["SYMBOL", "WIRES", "Stage", "open_stage"]
