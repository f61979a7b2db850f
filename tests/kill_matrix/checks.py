"""What must hold after every case, by the record and by the venue's own truth."""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.kill_matrix.scene import COIN_PRICE, COINS, STARTING, Scene
from workers.trading.decisions.protection import Patience

TRAIL = (Path(__file__).parent / "trail.sql").read_text()
# The bound that the bridge states for a position without a confirmed stop.
BOUND_MS = Patience().unprotected.total_seconds() * 1000


async def check(scene: Scene) -> list[str]:
    """What is wrong, in words; nothing when all is well."""
    truth = await scene.truth()
    problems = check_orders(truth)
    problems += await check_record(scene, truth)
    problems += check_exposure(truth, scene.kept)
    rows = await scene.fetch(TRAIL.replace("%(user)s", f"'{scene.user}'"))
    problems += [row["problem"] for row in rows]
    if unprotected := await scene.unprotected():
        problems.append(f"unprotected at the end: {unprotected}")
    return problems


def check_orders(truth: dict[str, Any]) -> list[str]:
    """No order is there twice, none of ours rests, and nothing is held any more."""
    problems = []
    ids = Counter(order["request"]["client_id"] for order in truth["orders"])
    problems += [f"the venue has {times} orders {one}" for one, times in ids.items() if times > 1]
    if truth["open"]:
        problems.append(f"{len(truth['open'])} orders rest at the venue")
    if truth["positions"]:
        problems.append(f"the venue holds {truth['positions']}")
    return problems


async def check_record(scene: Scene, truth: dict[str, Any]) -> list[str]:
    """Fills, orders and profit are the venue's, to the last digit."""
    problems = []
    recorded = await scene.fetch(
        """
        select x.venue_trade_id, o.client_order_id, x.price, x.amount, x.fee_cost
        from public.trade_executions x join public.orders o on o.id = x.order_id where x.user_id = %s
        """,
        scene.user,
    )
    if len({row["venue_trade_id"] for row in recorded}) != len(recorded):
        problems.append("a fill is recorded twice")
    # The venue's own orders are recorded under names of our own.
    by_venue = await scene.fetch(
        "select venue_order_id, client_order_id from public.orders where user_id = %s and by_venue",
        scene.user,
    )
    named = {row["venue_order_id"]: row["client_order_id"] for row in by_venue}
    clients = {one["id"]: named.get(one["id"], one["request"]["client_id"]) for one in truth["orders"]}
    theirs = Counter(
        (clients[one["order_id"]], Decimal(one["price"]), Decimal(one["amount"]), _fee(scene, one["fee"]))
        for one in truth["trades"]
    )
    ours = Counter((row["client_order_id"], row["price"], row["amount"], row["fee_cost"]) for row in recorded)
    if ours != theirs:
        problems.append(f"fills differ: lost {list(theirs - ours)}, made up {list(ours - theirs)}")
    orders = await scene.fetch(
        "select client_order_id, status::text, managed_by, filled from public.orders where user_id = %s",
        scene.user,
    )
    known = {row["client_order_id"]: row for row in orders}
    for order in truth["orders"]:
        row = known.get(clients[order["id"]])
        if row is None:
            problems.append(f"the venue has an order that was never intended: {order['request']}")
        elif row["filled"] != Decimal(order["filled"]):
            problems.append(f"order {row['client_order_id']} filled {order['filled']}, not {row['filled']}")
    doubtful = [row for row in orders if row["status"] in ("intended", "submitted", "unresolved")]
    if doubtful:
        problems.append(f"in doubt for good: {doubtful}")
    told = await scene.fetch(
        """
        select coalesce(s.total_pnl, 0) + coalesce(sum(i.amount_quote), 0) as profit from public.signals s
        left join public.account_incomes i on i.user_id = s.user_id where s.id = %s group by s.id, s.total_pnl
        """,
        scene.id,
    )
    # Each fee that the spot wire cut off may be that much off.
    cut = Decimal("1e-8") * len(truth["trades"]) if scene.wire == "spot" else Decimal(0)
    profit, earned = told[0]["profit"], _earned(truth)
    if abs(profit - earned) > cut:
        problems.append(f"profit is recorded as {profit}, the venue's ledger says {earned}")
    return problems


def check_exposure(truth: dict[str, Any], kept: tuple[float, float] | None = None) -> list[str]:
    """No position was without a stop over all of it, and not on its way out, for longer than the bound.

    While the bridge was `kept` (from, to, in ms) it was stopped only so that others could come to their
    places: that time is nobody's.
    """
    now = max([order["updated_ms"] for order in truth["orders"]], default=0)
    moments: list[tuple[int, int, Decimal, Decimal]] = []
    entries = {order["id"]: _opens(order) for order in truth["orders"]}
    for trade in truth["trades"]:
        sign = 1 if entries[trade["order_id"]] else -1
        moments.append((trade["at_ms"], 0, sign * Decimal(trade["amount"]), Decimal(0)))
    for order in truth["orders"]:
        if order["request"]["trigger"] != "stop" or entries[order["id"]]:
            continue
        amount = Decimal(order["amount"])
        moments.append((order["created_ms"], 1, Decimal(0), amount))
        if order["status"] != "open":
            moments.append((order["updated_ms"] or now, 2, Decimal(0), -amount))
    held = cover = Decimal(0)
    bare: int | None = None
    for (at, _, more, stops), (following, *_) in pairwise(
        [*sorted(moments), (now, 3, Decimal(0), Decimal(0))]
    ):
        held, cover = held + more, cover + stops
        lacks = held - cover > held / 1000
        bare = (bare if bare is not None else at) if lacks else None
        bare_ms = 0 if bare is None else following - bare - _overlap((bare, following), kept)
        if bare_ms > BOUND_MS:
            return [f"{held - cover} were without a stop for {bare_ms / 1000:g} s"]
    return []


def _overlap(one: tuple[float, float], other: tuple[float, float] | None) -> float:
    return 0 if other is None else max(0, min(one[1], other[1]) - max(one[0], other[0]))


def _opens(order: dict[str, Any]) -> bool:
    return bool(order["request"]["side"] == "buy")


def _fee(scene: Scene, fee: str) -> Decimal:
    # Binance's spot wire carries eight digits of a fee; the engine behind it counts on.
    told = Decimal(fee)
    return told.quantize(Decimal("1e-8"), ROUND_DOWN) if scene.wire == "spot" else told


def _earned(truth: dict[str, Any]) -> Decimal:
    balances = {coin: Decimal(amount) for coin, amount in truth["balances"].items()}
    return balances["USDT"] - STARTING + (balances["BNB"] - COINS) * COIN_PRICE
