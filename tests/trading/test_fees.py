"""A fee in a third coin is never a reason to leave a fill out: what it was worth may be learned later."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from ccxt.base.errors import BadSymbol, RequestTimeout

from tests.trading.made import NOW
from workers.trading.fees import MOST_OPEN, Fees, is_third, quote_of
from workers.trading.ledger import Facts
from workers.trading.policy import Policy

POLICY = Policy()
SYMBOLS = {"a": "BTC/USDT", "b": "ETH/USDT:USDT", "p": "BTC/USDT:USDT"}


class StubVenue:
    """Knows the prices that a test writes down."""

    def __init__(self, **prices: str) -> None:
        self.prices = prices
        self.asked: list[tuple[str, str, Any]] = []
        self.error: Exception = BadSymbol("there is no such market")

    async def rate(self, currency: str, quote: str, at: Any = None) -> Decimal:
        self.asked.append((currency, quote, at))
        if currency not in self.prices:
            raise self.error
        return Decimal(self.prices[currency])


def fill(number: int, currency: str | None = "BNB", order: str = "a", **fields: Any) -> dict[str, Any]:
    usual = {"client_order_id": order, "venue_trade_id": str(number), "fee_cost": "0.1"}
    return {**usual, "fee_currency": currency, "executed_at": NOW.isoformat(), **fields}


def fees_of(venue: StubVenue) -> Fees:
    return Fees(venue, POLICY)  # type: ignore[arg-type]


async def test_each_coin_is_asked_about_once_and_only_third_ones() -> None:
    venue = StubVenue(BNB="600")
    facts = Facts(fills=[fill(n) for n in range(5)])
    facts.fills += [
        fill(7, "USDT"),
        fill(8, "BTC"),
        fill(9, None),
        fill(10, fee_cost="0"),
        fill(11, order="b"),
    ]
    facts.venue_closes = [{"position_id": "p", "fill": fill(12)}]
    await fees_of(venue).value(facts, SYMBOLS, NOW)
    assert venue.asked == [("BNB", "USDT", None)]
    valued = {one["venue_trade_id"] for one in facts.fills if one.get("fee_rate") == "600"}
    assert valued == {"0", "1", "2", "3", "4", "11"}
    assert facts.venue_closes[0]["fill"]["fee_rate"] == "600"


async def test_a_fee_that_nobody_can_value_is_open_with_the_reason_and_told_again_when_it_is_known() -> None:
    venue = StubVenue()
    fees = fees_of(venue)
    facts = Facts(fills=[fill(1), fill(2)])
    await fees.value(facts, SYMBOLS, NOW)
    assert all("BadSymbol" in one["fee_open"] and "fee_rate" not in one for one in facts.fills)
    fees.recorded(facts.fills, SYMBOLS)
    assert await fees.look(NOW) == []
    venue.error, venue.prices = RequestTimeout("away"), {"BNB": "610"}
    # Not before it is time.
    assert await fees.look(NOW + POLICY.funding_every - timedelta(seconds=1)) == []
    later = NOW + POLICY.funding_every
    known = await fees.look(later)
    assert [(one["venue_trade_id"], one["fee_rate"], "fee_open" in one) for one in known] == [
        ("1", "610", False),
        ("2", "610", False),
    ]
    # What was older is worth what it was then.
    assert venue.asked[-1] == ("BNB", "USDT", NOW.replace(second=0, microsecond=0))
    fees.recorded(known, {})
    assert await fees.look(later + POLICY.funding_every) == []


async def test_what_the_record_knows_to_be_open_is_taken_up_and_no_more_than_enough_is_kept() -> None:
    venue = StubVenue(BNB="600")
    fees = fees_of(venue)
    fees.begin([fill(1, symbol="BTC/USDT")])
    [known] = await fees.look(NOW)
    assert (known["fee_rate"], "symbol" in known) == ("600", False)
    fees.recorded([fill(n, fee_open="no market") for n in range(3 * MOST_OPEN)], SYMBOLS)
    assert len(fees._open) == MOST_OPEN


def test_a_fee_is_a_third_ones_by_ccxts_name_of_the_symbol() -> None:
    assert (quote_of("BTC/USDT"), quote_of("BTC/USDT:USDT")) == ("USDT", "USDT")
    assert is_third(fill(1), "BTC/USDT:USDT")
    assert not is_third(fill(1, "BTC"), "BTC/USDT:USDT")
    # Of an order that nobody knows nothing is said.
    assert not is_third(fill(1), "")
