"""One-way mode of a futures account: an order first closes what the other side holds."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workers.trading.paper.ledger import PaperLedger
from workers.trading.paper.order import ZERO, Order, Request, Side
from workers.trading.paper.rules import rule_for

RULE = rule_for("BTCUSDT", "usdm")
START = Decimal(1_000_000)
Step = tuple[Side, Decimal, Decimal]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell"]),
        st.integers(1, 50).map(lambda thousandths: Decimal(thousandths) / 1000),
        st.integers(400_000, 600_000).map(lambda tenths: Decimal(tenths) / 10),
    ),
    min_size=1,
    max_size=30,
)


def book(ledger: PaperLedger, side: Side, amount: Decimal, price: Decimal) -> Decimal:
    """Fill one order; its fee."""
    request = Request(RULE.symbol, side, "market", amount, "id")
    order = Order("1", 1, request, created_ms=0, arrives_ms=0, amount=amount)
    return ledger.book(RULE, order, price, amount, RULE.taker, 0)[0]


@given(STEPS)
def test_whatever_is_traded_one_side_is_held_and_no_money_is_made(steps: list[Step]) -> None:
    ledger = PaperLedger({"USDT": START}, Decimal(20), netting=True)
    net, cash, fees = ZERO, ZERO, ZERO
    for side, amount, price in steps:
        fees += book(ledger, side, amount, price)
        signed = amount if side == "buy" else -amount
        net += signed
        cash -= signed * price
    held = [position for position in ledger.positions.values() if position.amount]
    assert len(held) == (1 if net else 0)
    assert sum((one.amount * (1 if one.side == "long" else -1) for one in held), ZERO) == net
    # What the wallet gained is what came in by trading, and what is still bound in the position.
    bound = sum((one.cost * (1 if one.side == "long" else -1) for one in held), ZERO)
    assert ledger.balances["USDT"] == START + cash + bound - fees


def test_an_order_larger_than_the_position_turns_it_around() -> None:
    ledger = PaperLedger({"USDT": START}, Decimal(20), netting=True)
    book(ledger, "buy", Decimal("0.02"), Decimal(50_000))
    fee = book(ledger, "sell", Decimal("0.05"), Decimal(51_000))
    held = [position for position in ledger.positions.values() if position.amount]
    assert [(one.side, one.amount, one.cost) for one in held] == [
        ("short", Decimal("0.03"), Decimal("0.03") * 51_000)
    ]
    first = Decimal("0.02") * 50_000 * RULE.taker
    assert ledger.balances["USDT"] == START + 20 - fee - first


def test_in_hedge_mode_both_sides_live_side_by_side() -> None:
    ledger = PaperLedger({"USDT": START}, Decimal(20))
    book(ledger, "buy", Decimal("0.02"), Decimal(50_000))
    book(ledger, "sell", Decimal("0.02"), Decimal(51_000))
    assert {one.side for one in ledger.positions.values() if one.amount} == {"long", "short"}
