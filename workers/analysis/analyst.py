"""What an analyst is, and what it may raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from shared.candles import Candle
from shared.errors import SigtrailError
from workers.analysis.verdict import Verdict


class NotEnoughHistory(SigtrailError):
    """There are too few candles to judge by: `have` of `need` of this interval. More will come with time."""

    def __init__(self, have: int, need: int, interval: str) -> None:
        super().__init__(f"not_enough_history: {have} of {need} candles of {interval}")
        self.have = have
        self.need = need


class Analyst(Protocol):
    """Judges one signal. The rule-based analyst is one; others may ask a model."""

    @property
    def name(self) -> str:
        """Recorded with each verdict."""
        ...

    @property
    def candles_needed(self) -> int:
        """How many closed candles of the signal's interval it wants to see, at most."""
        ...

    @property
    def batch(self) -> int:
        """How many signals it judges well within a lease (see `shared.work.LEASE_SECONDS`)."""
        ...

    async def analyse(
        self, signal: Mapping[str, Any], trader: Mapping[str, Any], candles: Sequence[Candle]
    ) -> Verdict:
        """The verdict on `signal`, a row of signals, by `candles` of its interval up to now, oldest first.

        Raises NotEnoughHistory when they are too few; any other SigtrailError fails this signal's analysis
        and no other's.
        """
        ...
