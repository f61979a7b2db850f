"""Every pitfall that was found in ccxt names the tests that keep the bridge out of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
# By the number in the list of pitfalls: what it is, and file::test of whatever covers it.
PITFALLS: dict[int, tuple[str, list[str]]] = {
    1: (
        "an exception in a handler makes the stream deaf",
        [
            "trading/venues/test_stream.py::test_an_exception_in_a_handler_does_not_make_it_deaf",
            "trading/venues/test_stream.py::test_a_fill_that_ccxt_cannot_read_is_survived_by_its_own_client",
            "conformance/test_streams.py::test_a_fee_in_a_coin_that_ccxt_does_not_know_is_recorded",
        ],
    ),
    2: (
        "a watch wakes only who waits",
        [
            "trading/venues/test_stream.py::test_the_pump_waits_again_before_anybody_handles_what_came",
            "conformance/test_streams.py::test_events_that_are_lost_doubled_or_late_change_nothing",
        ],
    ),
    3: (
        "candles of many symbols are read from where ccxt keeps them",
        ["conformance/test_pitfalls.py::test_the_bridge_watches_no_candles_through_ccxt"],
    ),
    4: (
        "what happened while a stream was away is gone, and its end wakes nobody",
        [
            "trading/venues/test_stream.py::test_every_connect_asks_for_what_happened_meanwhile",
            "trading/venues/test_stream.py::test_after_a_disconnect_it_listens_again",
            "trading/venues/test_stream.py::test_a_venue_that_ends_the_subscription_is_connected_to_anew",
            "trading/venues/test_stream.py::test_silence_is_noticed",
            "conformance/test_streams.py::test_a_stream_that_was_cut_is_caught_up_with",
        ],
    ),
    5: (
        "a timed-out order may be filled, and nothing is sent twice",
        [
            "conformance/test_trades.py::test_an_order_without_an_answer_is_there_exactly_once",
            "conformance/test_orders.py::test_an_answer_that_is_none_leaves_the_outcome_open",
            "trading/venues/test_exchanges.py::test_a_real_venue_gets_the_keys_of_its_account_and_never_retries",
        ],
    ),
    6: (
        "unified parameters are silently wrong",
        [
            "trading/venues/test_capabilities.py::test_a_row_claims_of_orders_only_what_ccxt_claims",
            "trading/venues/test_capabilities.py::test_where_ccxt_is_silently_wrong_no_stop_rests_at_the_venue",
            "conformance/test_orders.py::test_the_venue_has_the_order_that_was_decided",
        ],
    ),
    7: (
        "minimum cost is not enforced, amounts are truncated, prices rounded",
        [
            "trading/decisions/test_limits.py::test_each_limit_has_its_reason",
            "conformance/test_orders.py::test_what_the_venue_would_change_is_denied_before_it_is_sent",
        ],
    ),
    8: (
        "no venue raises DuplicateOrderId",
        [
            "trading/venues/test_outcomes_by_venue.py::test_an_answer_that_proves_nothing_leaves_the_order_to_be_asked_for"
        ],
    ),
    9: (
        "an order that was cancelled or refused can have filled",
        ["conformance/test_orders.py::test_a_partly_filled_order_that_was_cancelled_counts_what_filled"],
    ),
    10: (
        "attribute names of ccxt's Exchange collide",
        ["conformance/test_pitfalls.py::test_the_paper_exchange_hides_no_attribute_of_ccxts"],
    ),
}


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("number", range(1, 11))
def test_every_pitfall_is_covered_by_tests_that_exist(number: int) -> None:
    _, covering = PITFALLS[number]
    assert covering
    for path in covering:
        file, _, name = path.partition("::")
        assert name in names_in(TESTS / file), path


def test_the_bridge_watches_no_candles_through_ccxt() -> None:
    """It reads the machine's own candles; the private stream is all that it watches."""
    trading = TESTS.parent / "workers" / "trading"
    for file in trading.rglob("*.py"):
        assert "watch_ohlcv" not in file.read_text(), file


def test_the_paper_exchange_hides_no_attribute_of_ccxts() -> None:
    from ccxt.async_support.base.exchange import Exchange

    from workers.trading.paper import PaperExchange

    # Its first instance gives a class of ccxt's every name in camel case as well.
    own = {name for name in vars(PaperExchange) if not name.startswith("__") and name == name.lower()}
    overridden = {name for name in own if hasattr(Exchange, name)}
    # What it overrides is what ccxt means to be overridden: methods, by their own names.
    assert all(callable(getattr(Exchange, name)) for name in overridden)
    # ccxt gives every method a second name in camel case, on the class, when the first one is made.
    assert all(name.lstrip("_").startswith("paper") for name in own - overridden)
