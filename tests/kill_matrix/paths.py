"""The ways that a trade goes: what is asked for, what the market does, and when."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.kill_matrix.scene import Scene, is_protected
from workers.trading.orders import Leg


@dataclass(frozen=True)
class Path:
    """One way on one wire. `trader` and `plan` are what differs from the usual; `ends` are the outcome codes
    with which it ends when nothing goes wrong."""

    name: str
    wire: str
    play: Callable[[Scene, dict[str, Any]], Awaitable[None]]
    ends: tuple[str, ...]
    trader: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)


def has_target(found: dict[str, Any]) -> bool:
    """Whether the position is protected, and its take profit rests as well."""
    return is_protected(found) and found["targets"] > 0


async def take_profit(scene: Scene, plan: dict[str, Any]) -> None:
    """The entry fills at the market, stop loss and take profit rest, the take profit fills."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.move("105")


async def stop_loss(scene: Scene, plan: dict[str, Any]) -> None:
    """The same, only that the stop loss fills."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.move("97")


async def stop_loss_on_spot(scene: Scene, plan: dict[str, Any]) -> None:
    """The stop loss of a list fills; or it rested alone."""
    await scene.fire(**plan)
    await scene.becomes(is_protected)
    await scene.move("97")


async def partial(scene: Scene, plan: dict[str, Any]) -> None:
    """A limit entry fills in two parts, and protection follows."""
    await scene.fire(**plan)
    await scene.becomes(lambda found: found["entered"] > 0)
    await scene.offer("4")
    await scene.move("99.4")
    await scene.becomes(lambda found: is_protected(found) and found["held"] < 5)
    await scene.offer(None)
    await scene.move("99.4")
    await scene.becomes(lambda found: is_protected(found) and found["held"] > 5 and found["targets"] > 0)
    await scene.move("96")


async def trailing(scene: Scene, plan: dict[str, Any]) -> None:
    """The stop follows the price, and fills when it turns."""
    await scene.fire(**plan)
    await scene.becomes(is_protected)
    await scene.move("103")
    await scene.becomes(lambda found: is_protected(found) and (found["stop_level"] or 0) > Decimal(100))
    await scene.move("99")


async def close(scene: Scene, plan: dict[str, Any]) -> None:
    """A person closes the position."""
    await scene.fire(**plan)
    found = await scene.becomes(is_protected)
    await scene.sql.execute("select public.close_position(%s, 'enough')", (found["position_id"],))
    scene.life.tell(wake=True)


async def emergency(scene: Scene, plan: dict[str, Any]) -> None:
    """A person halts the account."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.sql.execute("select public.close_account(%s, 'stop it all')", (scene.account,))
    scene.life.tell(wake=True)


async def reached(scene: Scene, plan: dict[str, Any]) -> None:
    """On spot stop loss and take profit rest as one list, and the take profit fills."""
    await scene.fire(**plan)
    await scene.becomes(is_protected)
    await scene.move("105")


async def cancelled(scene: Scene, plan: dict[str, Any]) -> None:
    """A limit entry rests until its time is over, and is cancelled."""
    await scene.fire(**plan)


async def funded(scene: Scene, plan: dict[str, Any]) -> None:
    """Fees are paid in another coin, and funding is exchanged while the position is open."""
    await scene.venue("move", symbol="BNB/USDT:USDT", price="600", exchange="binance")
    await scene.venue("pay_fees_in", key=scene.key, market="usdm", coin="BNB")
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.venue("fund", symbol=scene.unified, rate="0.0001", exchange=scene.exchange_name)
    await scene.until_told("funding")
    await scene.move("97")


async def jumbled(scene: Scene, plan: dict[str, Any]) -> None:
    """What the stream tells is lost, doubled and out of order."""
    events = {Leg.ENTRY: "lost", Leg.STOP_LOSS: "swapped", Leg.TAKE_PROFIT: "doubled"}
    await scene.fire(answers=events, route="EVENT *", **plan)
    await scene.becomes(has_target)
    await scene.move("105")


async def taken(scene: Scene, plan: dict[str, Any]) -> None:
    """The venue itself closes the position."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.venue("close_position", key=scene.key, symbol=scene.unified)


async def burning(scene: Scene, plan: dict[str, Any]) -> None:
    """The bridge is gone, somebody closes everything by its journal, and the next bridge tells of it."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.close_by_journal()


async def burning_doubted(scene: Scene, plan: dict[str, Any]) -> None:
    """The same, only that the exit gets no answer."""
    await scene.fire(answers={Leg.EXIT: "drop_before"}, **plan)
    await scene.becomes(has_target)
    await scene.close_by_journal()


async def beside(scene: Scene, plan: dict[str, Any]) -> None:
    """Everything is closed by the journal although the bridge lives."""
    await scene.fire(**plan)
    await scene.becomes(has_target)
    await scene.close_by_journal(beside=True)


async def doubted(scene: Scene, plan: dict[str, Any]) -> None:
    """The entry never reaches the venue, the stop loss does, and neither gets an answer."""
    await scene.fire(answers={Leg.ENTRY: "drop_before", Leg.STOP_LOSS: "drop_after"}, **plan)
    await scene.becomes(has_target)
    await scene.move("105")


async def refused(scene: Scene, plan: dict[str, Any]) -> None:
    """The venue refuses the stop loss: the position is left at once. Unless nobody lived to hear of it: then
    another one is sent and rests."""
    await scene.fire(answers={Leg.STOP_LOSS: "refused"}, **plan)
    await scene.becomes(has_target)
    await scene.move("105")


async def unlisted(scene: Scene, plan: dict[str, Any]) -> None:
    """The venue does not trade the symbol."""
    await scene.fire(symbol="NOPEUSDT", **plan)


async def deaf(scene: Scene, plan: dict[str, Any]) -> None:
    """No stream can be had for a while, and the balance is not told at first."""
    await scene.fault("maintenance", "POST */listenKey")
    await scene.fault("drop_before", "GET */account")
    await scene.fault("drop_before", "GET */balance")
    await take_profit(scene, plan)


async def limited(scene: Scene, plan: dict[str, Any]) -> None:
    """The venue takes no more requests for a second."""
    await scene.fire(answers={Leg.TAKE_PROFIT: "rate_limited"}, **plan)
    await scene.becomes(has_target)
    await scene.move("105")


LIMIT = {"kind": "limit", "entry": "99.5", "stop": "97", "target": "104"}
SHORT_LIVED = {**LIMIT, "minutes": 0.1}
TRAILED = {"trailing_stop_type": "percentage", "trailing_stop_value": "2"}
PATHS = [
    Path("take_profit", "usdm", take_profit, ("take_profit",)),
    Path("stop_loss", "usdm", stop_loss, ("stop_loss",)),
    Path("partial", "usdm", partial, ("stop_loss",), plan=LIMIT),
    Path("trailing", "usdm", trailing, ("trailing_stop",), trader=TRAILED),
    Path("close", "usdm", close, ("manual_close",)),
    Path("emergency", "usdm", emergency, ("emergency_close",)),
    Path("funded", "usdm", funded, ("stop_loss",)),
    Path("cancelled", "usdm", cancelled, ("entry_unfilled", "signal_stale"), plan=SHORT_LIVED),
    Path("doubted", "usdm", doubted, ("take_profit",)),
    Path("refused", "usdm", refused, ("protection_failed",)),
    Path("unlisted", "usdm", unlisted, ("symbol_not_tradable",), trader={"symbols": ["NOPEUSDT"]}),
    Path("deaf", "usdm", deaf, ("take_profit",)),
    Path("limited", "usdm", limited, ("take_profit",)),
    Path("taken", "usdm", taken, ("liquidated", "venue_closed")),
    Path("jumbled", "usdm", jumbled, ("take_profit",)),
    Path("burning", "usdm", burning, ("emergency_close",)),
    Path("burning_doubted", "usdm", burning_doubted, ("emergency_close",)),
    Path("beside", "usdm", beside, ("emergency_close",)),
    Path("take_profit", "bybit", take_profit, ("take_profit",)),
    Path("taken", "bybit", taken, ("liquidated", "venue_closed")),
    Path("trailing", "bybit", trailing, ("trailing_stop",), trader=TRAILED),
    Path("partial", "bybit", partial, ("stop_loss",), plan=LIMIT),
    Path("reached", "spot", reached, ("take_profit",)),
    Path("stop_loss", "spot", stop_loss_on_spot, ("stop_loss",)),
    Path("close", "spot", close, ("manual_close",)),
]
# Where somebody else than the bridge closes everything.
ALONE = (burning, burning_doubted, beside)
