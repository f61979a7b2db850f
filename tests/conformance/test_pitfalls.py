"""Every pitfall that was found in ccxt, and every pain of other trading systems, names the tests that keep
the bridge out of it."""

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
            "trading/decisions/test_rules.py::test_each_limit_has_its_reason",
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


# What else was measured of ccxt, and the bridge counts on.
FACTS: dict[str, list[str]] = {
    "a refusal is definite, and any failed operation is of unknown outcome": [
        "trading/decisions/test_outcomes.py::test_each_error_of_placing_an_order_has_its_outcome",
        "trading/decisions/test_outcomes.py::test_no_operation_that_failed_is_ever_taken_for_a_refusal",
    ],
    "what each venue's codes become": [
        "trading/venues/test_outcomes_by_venue.py::test_an_answer_that_proves_nothing_leaves_the_order_to_be_asked_for",
        "trading/venues/test_outcomes_by_venue.py::test_a_definite_refusal_names_its_reason",
    ],
    "a wrong clock comes as a network error": [
        "conformance/test_venue_troubles.py::test_an_order_that_leaves_by_a_wrong_clock_is_there_once",
    ],
    "a key that is revoked after it worked comes as a ban": [
        "trading/venues/test_outcomes_by_venue.py::test_a_revoked_key_is_a_refusal_before_and_after_its_first_success",
        "conformance/test_venue_troubles.py"
        "::test_while_nothing_can_be_asked_nothing_new_is_sent_and_all_is_found_afterwards",
    ],
    "rate limits and bans come as one": [
        "conformance/test_orders.py::test_a_rate_limit_is_heard_with_the_time_it_lasts",
        "trading/traffic/test_limiter.py::test_a_ban_is_waited_out",
    ],
    "each venue has its rules for client order ids": [
        "trading/test_identity.py::test_an_id_fits_the_major_venues",
        "trading/venues/test_capabilities.py::test_every_venue_takes_an_id_that_derives_from_ours",
        "trading/venues/test_wording.py::test_the_others_take_plain_orders_under_our_id",
    ],
    "streams that a venue lacks": [
        "trading/venues/test_capabilities.py::test_listings_stay_within_what_the_venue_answers",
        "trading/venues/test_plain_venue.py::test_a_trade_is_followed_by_asking",
    ],
    "some sandboxes raise TypeError": [
        "trading/venues/test_exchanges.py::test_a_sandbox_that_a_venue_does_not_have_is_refused",
    ],
    "a cancel waits behind candles in the queue of one instance": [
        "conformance/test_pacing.py::test_a_burst_of_cancels_waits_for_our_limiter_alone",
    ],
    "conditional orders of USD-M are in a book of their own, under other ids": [
        "conformance/test_orders.py::test_resting_orders_are_listed_and_cancelled_in_every_book",
        "conformance/test_orders.py::test_a_stop_that_triggered_owns_its_fills",
    ],
    "two orders of which one ends the other have no unified way": [
        "conformance/test_pairs.py::test_a_list_is_both_orders_and_binds_the_balance_once",
    ],
}
# What hurts in other trading systems: what it is, and what covers it here.
PAINS: dict[str, list[str]] = {
    "a timeout is taken for a failure": [
        "conformance/test_trades.py::test_an_order_without_an_answer_is_there_exactly_once",
        "trading/test_kills.py::test_a_timeout_and_then_death_double_and_lose_nothing",
    ],
    "orders are lost over a restart": [
        "trading/test_interruptions.py::test_nothing_is_ordered_before_the_venue_was_compared",
        "conformance/test_trades.py::test_what_happened_while_the_bridge_was_away_is_found",
    ],
    "a crash leaves a position unprotected": [
        "kill_matrix/test_kill_matrix.py::test_a_bridge_that_is_killed_doubles_and_loses_nothing",
    ],
    "trailing cancels the old stop, and the new one is refused": [
        "conformance/test_trailing.py::test_a_trailing_stop_never_leaves_a_position_without_one",
        "conformance/test_trailing.py::test_a_move_without_an_answer_ends_where_the_price_went",
    ],
    "a stop triggers and does not fill": [
        "trading/test_bridge.py::test_a_stop_that_was_passed_and_does_not_fill_is_helped_by_a_market_exit",
    ],
    "stop loss and take profit together": [
        "trading/decisions/test_protection.py::test_one_leg_filled_cancels_the_other",
        "conformance/test_trades.py::test_a_market_entry_is_protected_and_its_target_ends_it",
    ],
    "an order fills in parts": ["conformance/test_entries.py::test_protection_follows_what_was_filled"],
    "dust": [
        "conformance/test_entries.py::test_what_is_too_small_to_sell_is_left_and_the_position_is_over",
        "trading/decisions/test_protection.py::test_dust_needs_no_protection",
    ],
    "precision, lots and least values": [
        "trading/decisions/test_rules.py::test_what_passes_the_check_is_inside_every_limit",
        "conformance/test_recorded_filters.py::test_what_the_recorded_filters_forbid_is_denied_before_it_is_sent",
    ],
    "clocks are apart": [
        "trading/traffic/test_venue_clock.py::test_a_clock_that_is_apart_is_noticed",
        "trading/traffic/test_gates.py::test_a_wrong_clock_holds_entries_and_nothing_else",
    ],
    "several bots are banned together": [
        "trading/traffic/test_limiter.py::test_real_processes_together_stay_within_the_address",
        "trading/traffic/test_limiter.py::test_the_reserve_is_there_for_cancels_and_stops",
    ],
    "a socket is dead and nobody notices": [
        "trading/venues/test_stream.py::test_silence_is_noticed",
        "trading/test_hearing.py::test_a_stream_that_told_nothing_of_a_fill_is_distrusted",
    ],
    "the same fill twice": [
        "trading/decisions/test_reconciliation.py::test_any_answers_in_any_order_end_in_the_same_record",
    ],
    "orders of others are adopted": [
        "conformance/test_trades.py::test_orders_of_others_are_never_touched",
        "trading/decisions/test_external.py::test_an_order_is_external_unless_one_of_its_ids_is_ours",
    ],
    "signals are traded late": [
        "trading/test_risk_states.py::test_an_intent_that_waited_is_denied_when_it_is_too_old",
        "trading/test_risk_states.py::test_an_intent_that_waited_is_denied_when_the_price_is_elsewhere",
    ],
    "the database fails": [
        "kill_matrix/test_kill_matrix.py::test_nor_does_one_that_is_killed_while_something_is_away",
        "trading/test_interruptions.py::test_a_call_without_an_answer_is_told_again",
    ],
    "a liquidation goes unseen": [
        "conformance/test_closes.py::test_what_the_venue_closed_by_itself_is_noticed",
        "trading/decisions/test_margin.py::test_a_position_near_its_liquidation_is_halved_then_closed",
    ],
    "profit differs from the venue's": [
        "trading/test_profit.py::test_recorded_profit_is_exactly_what_the_fills_moved",
        "conformance/test_differences.py::test_what_was_traded_and_paid_is_what_the_wallet_says",
        "conformance/test_differences.py::test_what_nothing_explains_is_told_at_the_second_look",
    ],
    "two bots on one account": [
        "trading/leases/test_two_bridges.py::test_accounts_move_and_no_order_is_doubled",
        "trading/test_interruptions.py::test_another_machine_cannot_have_an_account_that_is_held",
    ],
    "one delisted symbol stops everything": [
        "conformance/test_venue_troubles.py::test_a_symbol_that_is_delisted_keeps_no_other_from_its_end",
    ],
}


def names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def covering() -> list[tuple[str, list[str]]]:
    """What there is to keep out of, and the tests that do."""
    numbered = [(f"{number}: {what}", tests) for number, (what, tests) in PITFALLS.items()]
    return [*numbered, *FACTS.items(), *PAINS.items()]


@pytest.mark.parametrize("tests", [tests for _, tests in covering()], ids=[what for what, _ in covering()])
def test_every_pitfall_is_covered_by_tests_that_exist(tests: list[str]) -> None:
    assert tests
    for path in tests:
        file, _, name = path.partition("::")
        assert name in names_in(TESTS / file), path


def test_no_pitfall_is_left_out() -> None:
    assert list(PITFALLS) == list(range(1, 11))
    assert len(PAINS) == 20


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
