"""The law of a signal's life: its statuses, the ways between them, and the reasons that end it.

The database enforces it (tables status_transitions and outcome_codes); tests/database/test_lifecycle.py holds
these names to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class SignalStatus(StrEnum):
    NEW = "new"
    ANALYZING = "analyzing"
    REJECTED = "rejected"
    MONITORING = "monitoring"
    READY = "ready"
    IN_POSITION = "in_position"
    CLOSED = "closed"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether the signal's life is over."""
        return not TRANSITIONS[self]


TRANSITIONS: Mapping[SignalStatus, frozenset[SignalStatus]] = MappingProxyType(
    {
        SignalStatus.NEW: frozenset({SignalStatus.ANALYZING, SignalStatus.EXPIRED}),
        SignalStatus.ANALYZING: frozenset(
            {SignalStatus.NEW, SignalStatus.REJECTED, SignalStatus.MONITORING, SignalStatus.EXPIRED}
        ),
        SignalStatus.MONITORING: frozenset({SignalStatus.READY, SignalStatus.EXPIRED}),
        SignalStatus.READY: frozenset({SignalStatus.IN_POSITION, SignalStatus.EXPIRED}),
        SignalStatus.IN_POSITION: frozenset({SignalStatus.CLOSED, SignalStatus.EXPIRED}),
        SignalStatus.REJECTED: frozenset(),
        SignalStatus.CLOSED: frozenset(),
        SignalStatus.EXPIRED: frozenset(),
    }
)


class PipelineLocation(StrEnum):
    """Where an event happened."""

    INGEST = "ingest"
    ANALYSIS = "analysis"
    MONITORING = "monitoring"
    TRADING = "trading"
    ARCHIVE = "archive"
    OPERATOR = "operator"


class EventType(StrEnum):
    """What an event of a signal's trail says."""

    SIGNAL_CREATED = "signal_created"
    STATUS_CHANGED = "status_changed"
    SIGNAL_EXPIRED = "signal_expired"
    LEASE_EXPIRED = "lease_expired"
    ANALYSIS_STARTED = "analysis_started"
    ANALYSIS_REQUESTED = "analysis_requested"
    ANALYSIS_ANSWERED = "analysis_answered"
    ANALYSIS_COMPLETED = "analysis_completed"
    ANALYSIS_FAILED = "analysis_failed"
    MONITORING_UPDATE = "monitoring_update"
    MONITORING_ACTION = "monitoring_action"
    ORDER_CREATED = "order_created"
    ORDER_FILLED = "order_filled"
    ORDER_PARTIALLY_FILLED = "order_partially_filled"
    ORDER_CANCELED = "order_canceled"
    ORDER_REJECTED = "order_rejected"
    ORDER_DENIED = "order_denied"
    ORDER_UNRESOLVED = "order_unresolved"
    POSITION_OPENED = "position_opened"
    POSITION_UPDATED = "position_updated"
    POSITION_CLOSED = "position_closed"
    STOP_LOSS_TRIGGERED = "stop_loss_triggered"
    TAKE_PROFIT_TRIGGERED = "take_profit_triggered"
    TRAILING_STOP_UPDATED = "trailing_stop_updated"
    PROTECTION_CONFIRMED = "protection_confirmed"
    PROTECTION_FAILED = "protection_failed"


class OutcomeCode(StrEnum):
    """Why a signal ended."""

    LOW_CONFIDENCE = "low_confidence"
    AGAINST_TREND = "against_trend"
    VOLATILITY_TOO_HIGH = "volatility_too_high"
    VOLATILITY_TOO_LOW = "volatility_too_low"
    REWARD_TOO_LOW = "reward_too_low"
    PLAN_INVALID = "plan_invalid"
    PLAN_WRONG_SIDE = "plan_wrong_side"
    PLAN_OUTSIDE_LIMITS = "plan_outside_limits"
    ANSWER_MALFORMED = "answer_malformed"
    ANSWER_REFUSED = "answer_refused"
    ANALYSIS_LIMIT = "analysis_limit"
    ANALYSIS_BUDGET = "analysis_budget"
    ANALYSIS_FAILED = "analysis_failed"
    TRADER_INACTIVE = "trader_inactive"

    SIGNAL_STALE = "signal_stale"
    MONITORING_TIMEOUT = "monitoring_timeout"
    PRICE_DRIFTED = "price_drifted"
    SETUP_INVALIDATED = "setup_invalidated"
    POSITION_LIMIT = "position_limit"
    NOTIONAL_LIMIT = "notional_limit"
    SYMBOL_LIMIT = "symbol_limit"
    DAILY_LOSS_LIMIT = "daily_loss_limit"
    DRAWDOWN_LIMIT = "drawdown_limit"
    ORDER_RATE_LIMIT = "order_rate_limit"
    SIZE_INVALID = "size_invalid"
    BELOW_MIN_NOTIONAL = "below_min_notional"
    BELOW_MIN_AMOUNT = "below_min_amount"
    ABOVE_MAX_AMOUNT = "above_max_amount"
    ABOVE_MAX_NOTIONAL = "above_max_notional"
    PRICE_OUT_OF_BAND = "price_out_of_band"
    POST_ONLY_CROSSED = "post_only_crossed"
    ENTRY_UNSUPPORTED = "entry_unsupported"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    NO_ACCOUNT = "no_account"
    ACCOUNT_INACTIVE = "account_inactive"
    SYMBOL_NOT_TRADABLE = "symbol_not_tradable"
    ORDER_REJECTED = "order_rejected"
    ORDER_DENIED = "order_denied"
    ENTRY_UNFILLED = "entry_unfilled"
    TRADER_PAUSED = "trader_paused"

    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"
    TRAILING_STOP = "trailing_stop"
    TIME_EXIT = "time_exit"
    MANUAL_CLOSE = "manual_close"
    EMERGENCY_CLOSE = "emergency_close"
    PROTECTION_FAILED = "protection_failed"
    MARGIN_REDUCED = "margin_reduced"
    LIQUIDATED = "liquidated"
    DUST = "dust"
    VENUE_CLOSED = "venue_closed"

    @property
    def status(self) -> SignalStatus:
        """The end that this is a reason for."""
        return ENDINGS[self]


def _endings() -> dict[OutcomeCode, SignalStatus]:
    codes = list(OutcomeCode)
    expired = codes.index(OutcomeCode.SIGNAL_STALE)
    closed = codes.index(OutcomeCode.TAKE_PROFIT)
    return (
        dict.fromkeys(codes[:expired], SignalStatus.REJECTED)
        | dict.fromkeys(codes[expired:closed], SignalStatus.EXPIRED)
        | dict.fromkeys(codes[closed:], SignalStatus.CLOSED)
    )


ENDINGS: Mapping[OutcomeCode, SignalStatus] = MappingProxyType(_endings())
