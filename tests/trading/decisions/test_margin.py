"""Nearness to liquidation: warned of, reduced, closed, at set levels; and never made worse."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.made import RULES, position
from tests.trading.world import World
from workers.trading.decisions.margin import Levels, VenuePosition, levels_of, reduce, share_of, watch
from workers.trading.orders import Position, PositionSide

USUAL = Levels()
RULES_BY_SYMBOL = {RULES.symbol: RULES}


def held(
    liquidation: str | None = "50", mark: str = "100", side: PositionSide = "long", maintenance: str = "1"
) -> VenuePosition:
    return VenuePosition(
        RULES.symbol,
        side,
        Decimal(10),
        Decimal(mark),
        None if liquidation is None else Decimal(liquidation),
        Decimal(maintenance),
    )


@pytest.mark.parametrize(
    ("liquidation", "side", "severity"),
    [
        ("84", "long", None),
        ("85", "long", "warn"),
        ("93", "long", "reduce"),
        ("97", "long", "close"),
        ("101", "long", "close"),
        ("150", "long", "close"),
        ("50", "short", "close"),
        ("116", "short", None),
        ("115", "short", "warn"),
        ("107", "short", "reduce"),
        ("103", "short", "close"),
        ("99", "short", "close"),
        (None, "long", None),
        ("0", "long", None),
    ],
)
def test_distance_decides(liquidation: str | None, side: PositionSide, severity: str | None) -> None:
    alarms = watch([held(liquidation, side=side)], Decimal(1000), USUAL)
    assert [one.severity for one in alarms] == ([] if severity is None else [severity])


@pytest.mark.parametrize(
    ("balance", "severity"),
    [("201", None), ("200", "warn"), ("133", "reduce"), ("111", "close"), ("0", "close")],
)
def test_the_share_of_the_margin_decides_as_well(balance: str, severity: str | None) -> None:
    alarms = watch([held(maintenance="100")], Decimal(balance), USUAL)
    assert [one.severity for one in alarms] == ([] if severity is None else [severity])
    if severity is not None:
        assert "maintenance margin" in alarms[0].why


def test_what_is_worse_counts() -> None:
    alarms = watch([held("86", maintenance="100")], Decimal(111), USUAL)
    assert [one.severity for one in alarms] == ["close"]


def test_a_reduction_halves_and_a_close_takes_all() -> None:
    ours = [position(amount=Decimal("10.001"))]
    half = reduce(watch([held("94")], Decimal(1000), USUAL), ours, RULES_BY_SYMBOL)
    assert [(one.amount, one.whole) for one in half] == [(Decimal(5), False)]
    whole = reduce(watch([held("98")], Decimal(1000), USUAL), ours, RULES_BY_SYMBOL)
    assert [(one.amount, one.whole) for one in whole] == [(Decimal("10.001"), True)]
    least = reduce(watch([held("94")], Decimal(1000), USUAL), [position(amount=RULES.lot)], RULES_BY_SYMBOL)
    assert [one.whole for one in least] == [True]


def test_levels_are_the_accounts_own() -> None:
    levels = levels_of({"margin_warn_distance": "30", "margin_close_share": "95", "leverage": "3"})
    assert (levels.warn_distance, levels.close_share) == (Decimal(30), Decimal(95))
    assert levels.reduce_distance == USUAL.reduce_distance


@given(
    liquidation=st.none() | st.decimals("1", "200", places=1),
    mark=st.decimals("1", "200", places=1),
    side=st.sampled_from(["long", "short"]),
    maintenance=st.decimals("0", "500", places=1),
    balance=st.decimals("-10", "1000", places=1),
    amounts=st.lists(st.decimals("0.001", "50", places=3), max_size=4),
)
def test_only_what_is_near_is_reduced_and_never_by_more_than_it_is(
    liquidation: Decimal | None,
    mark: Decimal,
    side: PositionSide,
    maintenance: Decimal,
    balance: Decimal,
    amounts: list[Decimal],
) -> None:
    one = VenuePosition(RULES.symbol, side, Decimal(10), mark, liquidation, maintenance)
    ours = [position(signal_id=UUID(int=n), side=side, amount=a) for n, a in enumerate(amounts)]
    other: list[Position] = [position(signal_id=UUID(int=9), side="short" if side == "long" else "long")]
    leaving = [position(signal_id=UUID(int=8), side=side, exit_reason="time_exit")]
    alarms = watch([one], balance, USUAL)
    cuts = reduce(alarms, [*ours, *other, *leaving], RULES_BY_SYMBOL)
    share = share_of([one], balance)
    passed = liquidation is not None and (
        abs(mark - liquidation) / mark <= Decimal("0.15") or (mark <= liquidation) == (side == "long")
    )
    if not passed and (share is None or share < 50):
        assert alarms == []
    if not any(alarm.severity != "warn" for alarm in alarms):
        assert cuts == []
    assert {cut.position.signal_id for cut in cuts} <= {p.signal_id for p in ours}
    for cut in cuts:
        assert 0 < cut.amount <= cut.position.amount
        assert cut.whole == (cut.amount == cut.position.amount)


async def test_a_position_near_its_liquidation_is_halved_then_closed(world: World) -> None:
    """What the bridge does with a venue's report: an event, a reduce-only order, a stop over what is left."""
    bridge = await world.start()
    signal = await world.hold(bridge)
    desk = bridge._desks[world.account]
    report = held("94")
    await desk._watch.hear_margin([report], Decimal(1000))
    world.still()
    await world.settle(bridge)
    row = await world.position(signal)
    assert (row["amount"], row["status"], row["exit_reason"]) == (5, "open", None)
    for _ in range(2):
        world.still()
        await world.settle(bridge)
    assert await world.unprotected() == []
    live = [o for o in (await world.orders(signal)).values() if o["is_live"]]
    assert {(o["leg"], o["amount"] - o["filled"]) for o in live} == {("stop_loss", 5), ("take_profit", 5)}
    await desk._watch.hear_margin([held("99")], Decimal(1000))
    for _ in range(2):
        world.still()
        await world.settle(bridge)
    assert (await world.signal(signal))["outcome_code"] == "margin_reduced"
    events = await world.fetch(
        "select event_type from public.account_events"
        " where account_id = %s and event_type like 'margin%%' order by id",
        world.account,
    )
    assert [row["event_type"] for row in events] == ["margin_warning", "margin_reduction"] * 2
    await world.check_record()
    await world.check_against_venue()
