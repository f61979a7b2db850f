"""What the trading role tells Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.market import Market
from shared.metrics import Metric, counter, gauge
from shared.money import ZERO, add, multiply, subtract
from workers.trading.book import Book, Trade
from workers.trading.figures import Figures, quote_of
from workers.trading.orders import Leg, OrderStatus
from workers.trading.venues.stream import Stream

# Each state is a number of its own in the interface: rules compare, and nobody has to know an order.
BREAKER = {"closed": 0, "half_open": 1, "open": 2}


@dataclass(frozen=True, slots=True)
class DeskState:
    """One account, as far as its metrics need it. `streams` and `stream_failures` are of its private stream:
    None where it has none."""

    venue: str
    is_open: bool
    is_blocked: bool
    trades: tuple[Trade, ...]
    stream_connected: bool | None = None
    stream_failures: int = 0

    @classmethod
    def of(cls, venue: str, book: Book, stream: Stream | None, is_open: bool, is_blocked: bool) -> DeskState:
        """As the parts of a desk show it."""
        told = (None, 0) if stream is None else (stream.is_connected, stream.failures)
        return cls(venue, is_open, is_blocked, tuple(book), *told)


def measure(
    counts: Mapping[str, int],
    figures: Figures,
    desks: Iterable[DeskState],
    market: Market,
    venues: Mapping[str, Any],
    use: Mapping[tuple[str, str, int], float],
    refusals: Mapping[str, int],
) -> Iterator[Metric]:
    """The families of the role. `counts` are its own, `venues`, `use` and `refusals` what
    its gates tell."""
    desks = tuple(desks)
    yield counter(
        "sigtrail_trading_claims_total", "Signals that were claimed for trading.", counts.get("claimed", 0)
    )
    yield counter("sigtrail_orders_total", "Orders that were intended.", counts.get("orders", 0))
    yield counter("sigtrail_fills_total", "Fills that were recorded.", counts.get("fills", 0))
    yield counter(
        "sigtrail_orders_ended_total",
        "Orders by how they ended.",
        figures.ended,
        ("venue", "leg", "status"),
    )
    yield counter(
        "sigtrail_flattened_total",
        "Positions that were closed because they could not be protected.",
        counts.get("flattened", 0),
    )
    yield counter(
        "sigtrail_venue_errors_total", "Questions that a venue failed.", counts.get("venue_errors", 0)
    )
    yield counter("sigtrail_accounts_lost_total", "Accounts that were lost.", counts.get("accounts_lost", 0))
    yield from figures.fill_ratio.collect()
    yield from figures.slippage.collect()
    yield gauge(
        "sigtrail_realized_pnl",
        "Won and lost since the machine started, fees taken off, in the quote currency.",
        figures.realized,
        ("venue", "currency"),
    )
    yield from _measure_positions(desks, market)
    yield from _measure_accounts(desks)
    yield from _measure_venues(venues, use, refusals)


def _measure_positions(desks: Iterable[DeskState], market: Market) -> Iterator[Metric]:
    held: Counter[tuple[str, ...]] = Counter()
    bare: Counter[tuple[str, ...]] = Counter()
    doubtful: Counter[tuple[str, ...]] = Counter()
    worth: dict[tuple[str, str], Decimal] = {}
    for desk in desks:
        held[(desk.venue,)] += 0
        bare[(desk.venue,)] += 0
        doubtful[(desk.venue,)] += 0
        for trade in desk.trades:
            doubtful[(desk.venue,)] += sum(
                order.status is OrderStatus.UNRESOLVED for order in trade.orders.values()
            )
            position = trade.position
            if position is None or not position.is_open:
                continue
            held[(desk.venue,)] += 1
            bare[(desk.venue,)] += not is_protected(trade)
            price = market.price(position.venue_symbol)
            if price is not None:
                won = multiply(subtract(price, position.entry_average), position.amount)
                key = (desk.venue, quote_of(position.symbol))
                worth[key] = add(worth.get(key, ZERO), won if position.side == "long" else -won)
    yield gauge("sigtrail_positions_open", "Positions that are open.", held, ("venue",))
    yield gauge(
        "sigtrail_positions_unprotected",
        "Open positions whose stop loss is not confirmed for all that is held.",
        bare,
        ("venue",),
    )
    yield gauge(
        "sigtrail_orders_unresolved",
        "Orders of which nobody knows whether the venue has them.",
        doubtful,
        ("venue",),
    )
    yield gauge(
        "sigtrail_unrealized_pnl",
        "What open positions stand to win at the last price, in the quote currency.",
        worth,
        ("venue", "currency"),
    )


def is_protected(trade: Trade) -> bool:
    """Whether confirmed stops cover all that is held, or its end is under way."""
    position = trade.position
    if position is None or not position.is_open or position.exit_reason is not None:
        return True
    stops = (order for order in trade.orders.values() if order.leg is Leg.STOP_LOSS and order.is_confirmed)
    missing = subtract(position.amount, add(*(order.remaining for order in stops)))
    return missing < position.lot


def _measure_accounts(desks: Iterable[DeskState]) -> Iterator[Metric]:
    accounts: Counter[tuple[str, ...]] = Counter()
    streams: Counter[tuple[str, ...]] = Counter()
    failures: Counter[tuple[str, ...]] = Counter()
    for desk in desks:
        state = "unopened" if not desk.is_open else "blocked" if desk.is_blocked else "trading"
        accounts[desk.venue, state] += 1
        if desk.stream_connected is not None:
            streams[desk.venue, "connected" if desk.stream_connected else "away"] += 1
            failures[(desk.venue,)] += desk.stream_failures
    yield gauge(
        "sigtrail_accounts",
        "Accounts that this machine holds: trading, blocked (an order is in doubt, or the journal cannot be"
        " written), or not opened yet.",
        accounts,
        ("venue", "state"),
    )
    yield gauge(
        "sigtrail_venue_streams", "Private websocket streams of accounts.", streams, ("venue", "state")
    )
    yield counter(
        "sigtrail_venue_stream_failures_total",
        "Failures and reconnects of the streams of the accounts that are held.",
        failures,
        ("venue",),
    )


def _measure_venues(
    venues: Mapping[str, Any], use: Mapping[tuple[str, str, int], float], refusals: Mapping[str, int]
) -> Iterator[Metric]:
    yield gauge(
        "sigtrail_venue_breaker_state",
        "How a venue is asked: 0 normally, 1 by one request that looks, 2 not at all.",
        {(venue,): BREAKER[told["breaker"]["state"]] for venue, told in venues.items()},
        ("venue",),
    )
    yield gauge(
        "sigtrail_venue_clock_sound",
        "1 while the venue's clock and this machine's agree.",
        {(venue,): int(told["clock"].get("sound", True)) for venue, told in venues.items()},
        ("venue",),
    )
    yield counter(
        "sigtrail_rate_limit_refusals_total",
        "Times that a venue let nothing more through.",
        {(venue,): count for venue, count in refusals.items()},
        ("venue",),
    )
    yield gauge(
        "sigtrail_rate_limit_used_ratio",
        "What is used of a venue's limit, 0 to 1: by address, or by the account that uses most.",
        {(venue, scope, f"{window / 1000:g}"): share for (venue, scope, window), share in use.items()},
        ("venue", "scope", "window_seconds"),
    )
