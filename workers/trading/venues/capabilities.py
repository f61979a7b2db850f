"""What each venue can do, as data: one row a venue and market, checked against ccxt by a test.

ccxt's unified parameters are silently wrong on several venues (they attach nothing, or place a plain order),
so a row says only what was verified. What a row denies, the bridge does itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Literal

# How a stop that opens a position is asked for: as a stop loss; by its trigger alone; or by its trigger and
# the direction from which the price comes to it.
StopEntry = Literal["stop_loss", "trigger", "directed"]
# How the trigger price of a resting stop is changed in place: as the order's, or as the algorithm's.
Amend = Literal["trigger", "algo"]
# How an order is asked for: itself, by a listing that takes our id, or in listings, one by one.
Lookup = Literal["order", "filter", "listing"]
# How the next page is asked for: on from the last id, on from the latest time, by the venue's cursor, back
# from the oldest time.
Paging = Literal["id", "time", "cursor", "backwards"]


@dataclass(frozen=True, slots=True)
class ClientIds:
    """A venue's rules for our order ids. `most` digits of ours are sent; `mark` is what ccxt puts before."""

    pattern: str = r"[.A-Z:/a-z0-9_-]{1,36}"
    most: int = 32
    mark: str = ""
    # ccxt's parameter for it; a second one for conditional orders, where ccxt sends it under a wrong name;
    # and the one to ask by, where that differs.
    parameter: str = "clientOrderId"
    conditional: str | None = None
    asked_by: str = "clientOrderId"

    def sent(self, client_order_id: str) -> str:
        """The id as it is given to ccxt. Raises ValueError for one that the venue would refuse."""
        short = client_order_id[: self.most]
        if re.fullmatch(self.pattern, self.mark + short) is None:
            raise ValueError(f"the venue takes no client order id {client_order_id!r}")
        return short

    def seen(self, client_order_id: str) -> str:
        """The id as the venue answers it."""
        return self.mark + client_order_id[: self.most]


@dataclass(frozen=True, slots=True)
class Fills:
    """How a venue tells an account's fills: by page, and by windows of time where it looks no further."""

    page: int = 100
    paging: Paging = "id"
    window: timedelta | None = None
    # The venue numbers all fills of an account, so that asking by number misses none.
    counted: bool = False
    # The same number comes again on another symbol.
    numbered_by_symbol: bool = False
    # Those of all symbols are told for one question.
    of_all: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    """How a stop loss and a take profit of which one ends the other are asked for as one request.

    `place` and `cancel` are ccxt's methods, implicit ones where it has no unified way; `stop` and `target`
    are the venue's words for market orders behind a trigger.
    """

    place: str
    cancel: str
    stop: str
    target: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one venue does on one market.

    `stops`: stops and take profits rest there. `resting_legs`: both can rest together, because both are
    reduce-only. `attached`: they can be sent with the entry under our own client ids, and one cancels the
    other; `attaches_unnamed`: only under ids that are not ours, so the bridge never asks for it.
    """

    stops: bool = True
    resting_legs: bool = True
    attached: bool = False
    attaches_unnamed: bool = False
    # Stop loss and take profit as one list that binds the balance once. Without it, and where both cannot
    # rest side by side, the bridge watches the target itself while the stop rests.
    oco: Pairs | None = None
    amend: Amend | None = None
    reduce_only: bool = True
    post_only: bool = True
    stop_entry: StopEntry | None = "stop_loss"
    # Books of their own for conditional orders: what to ask `fetchOpenOrders` for beside nothing.
    trigger_books: tuple[Mapping[str, Any], ...] = ()
    # A stop that triggered goes on as another order, under which its fills are told.
    triggers_anew: bool = False
    lookup: Lookup = "order"
    # The kind of conditional order that a cancel has to name.
    cancel_filter: str | None = None
    # Accounts may hold long and short of a symbol side by side: the venue is asked which way each one is in,
    # by this implicit method of ccxt's. Its unified one costs six times as much.
    hedges: str | None = None
    # Cancels every order by itself when the bridge is silent. Never asked for: it would take the stops along.
    dead_man: bool = False
    # Amounts count contracts, not base currency.
    contracts: bool = False
    client_ids: ClientIds = field(default_factory=ClientIds)
    fills: Fills = field(default_factory=Fills)
    # The same of payments of funding.
    fundings: Fills = field(default_factory=lambda: Fills(page=100, paging="time"))
    # Where ccxt's answer tells what is in the wallet, without what open positions stand to win: as the total,
    # or in Binance's own words for futures. None: nobody verified it, and the wallet is not held against the
    # record.
    wallet: Literal["total", "assets"] | None = None
    # What to ask `fetchLedger` for to be told of every transfer to or from the account.
    transfers: tuple[Mapping[str, Any], ...] = ()
    # One question tells all holdings, and costs no more than that for the fills of one symbol: fills are then
    # asked for where holdings are not as recorded.
    glances: bool = False
    # Open orders and positions of all symbols that settle in one coin are told for one question.
    by_coin: bool = False
    # The venue's words for fills of its own making, where they are told only to whoever asks for that kind.
    close_kinds: tuple[str, ...] = ()
    # ccxt's methods that together tell every event of the account.
    streams: tuple[str, ...] = ()
    # "There is no such order" is certain at once, since no request can be under way.
    authoritative: bool = False
    # Private questions that are asked by `exchange.options`, such as ccxt's warnings to acknowledge.
    options: Mapping[str, Any] = field(default_factory=dict)


_WEEK = timedelta(days=7)
_BINANCE = Capabilities(
    # Ids are unique among open orders only: asking comes before sending again, always.
    fills=Fills(page=1000, numbered_by_symbol=True),
    glances=True,
    streams=("watch_orders",),
    options={"fetchCurrencies": False, "fetchMargins": False, "warnOnFetchOpenOrdersWithoutSymbol": False},
)
_BYBIT = Capabilities(
    attaches_unnamed=True,
    amend="trigger",
    dead_man=True,
    lookup="filter",
    client_ids=ClientIds(pattern=r"[A-Za-z0-9_-]{1,36}", asked_by="orderLinkId"),
    fills=Fills(page=100, paging="cursor", window=_WEEK),
    wallet="total",
    transfers=({"type": "TRANSFER_IN"}, {"type": "TRANSFER_OUT"}),
    streams=("watch_orders", "watch_my_trades"),
    # These name the account as unified; without them ccxt asks for rights that a trading key need not have.
    options={"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6},
)
_OKX = Capabilities(
    attaches_unnamed=True,
    amend="algo",
    dead_man=True,
    trigger_books=({"trigger": True, "ordType": "conditional"}, {"trigger": True}),
    triggers_anew=True,
    stop_entry="trigger",
    client_ids=ClientIds(pattern=r"[A-Za-z0-9]{1,32}", conditional="algoClOrdId"),
    fills=Fills(page=100, paging="backwards", numbered_by_symbol=True),
    streams=("watch_orders",),
)
# On spot a resting stop binds the balance that the take profit or an exit needs, and nothing is reduce-only.
_SPOT: dict[str, Any] = {"resting_legs": False, "reduce_only": False}
# The bridge watches the price and leaves at the market; entries rest as limit orders only.
_BRIDGED: dict[str, Any] = {"stops": False, "resting_legs": False, "stop_entry": None}
_KRAKEN = Capabilities(
    **_BRIDGED,
    dead_man=True,
    lookup="listing",
    client_ids=ClientIds(pattern=r"[0-9a-f]{32}"),
    fills=Fills(page=50, paging="backwards"),
    streams=("watch_orders", "watch_my_trades"),
    reduce_only=False,
)
_COINBASE = Capabilities(
    **_BRIDGED,
    lookup="listing",
    client_ids=ClientIds(pattern=r".{1,128}", parameter="client_order_id"),
    fills=Fills(page=1000, paging="backwards"),
    streams=("watch_orders",),
    reduce_only=False,
)
_GATE = Capabilities(
    **_BRIDGED,
    lookup="listing",
    client_ids=ClientIds(pattern=r"t-[0-9A-Za-z_.-]{1,26}", most=26, mark="t-"),
    fills=Fills(page=1000, paging="backwards", window=timedelta(days=30)),
    streams=("watch_orders", "watch_my_trades"),
    reduce_only=False,
)

# One row a venue (ccxt's id) and market of an account.
TABLE: Mapping[tuple[str, str], Capabilities] = {
    # On spot the fee of a buy is taken from what was bought: a leg over the whole amount would oversell.
    ("paper", "spot"): Capabilities(
        resting_legs=False, fills=Fills(page=1_000_000, counted=True), authoritative=True
    ),
    ("paper", "usdm"): Capabilities(
        attached=True, fills=Fills(page=1_000_000, counted=True), authoritative=True
    ),
    ("binance", "spot"): replace(
        _BINANCE,
        **_SPOT,
        wallet="total",
        oco=Pairs("private_post_orderlist_oco", "private_delete_orderlist", "STOP_LOSS", "TAKE_PROFIT"),
    ),
    ("binanceusdm", "usdm"): replace(
        _BINANCE,
        trigger_books=({"trigger": True},),
        triggers_anew=True,
        hedges="fapiprivate_get_accountconfig",
        fills=Fills(page=1000, numbered_by_symbol=True, window=_WEEK),
        fundings=Fills(page=1000, paging="time", of_all=True),
        wallet="assets",
        transfers=({"incomeType": "TRANSFER"},),
    ),
    ("bybit", "spot"): replace(_BYBIT, **_SPOT, stop_entry="trigger", cancel_filter="tpslOrder"),
    ("bybit", "usdm"): replace(
        _BYBIT,
        stop_entry="directed",
        by_coin=True,
        fills=replace(_BYBIT.fills, of_all=True),
        close_kinds=("BustTrade", "AdlTrade", "Settle", "Delivery"),
        fundings=Fills(page=100, paging="cursor", window=_WEEK, of_all=True),
    ),
    ("okx", "spot"): replace(_OKX, **_SPOT),
    ("okx", "usdm"): replace(_OKX, contracts=True, fundings=Fills(page=100, paging="id", of_all=True)),
    ("kraken", "spot"): _KRAKEN,
    ("coinbase", "spot"): _COINBASE,
    ("gate", "spot"): _GATE,
    ("gate", "usdm"): replace(_GATE, contracts=True, reduce_only=True),
}
# A venue that nobody verified: plain orders by ccxt's unified way, and the bridge does the rest.
UNVERIFIED = Capabilities(
    **_BRIDGED,
    lookup="listing",
    post_only=False,
    fills=Fills(page=100, paging="backwards"),
)


def capabilities_of(exchange: Any, market: str) -> Capabilities:
    """The row of an exchange. The paper exchange may be told to attach nothing."""
    row = TABLE.get((exchange.id, market), UNVERIFIED)
    if row.attached and not getattr(exchange, "paper_attached", True):
        return replace(row, attached=False)
    return row
