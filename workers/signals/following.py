"""The symbols that a feed delivers follow those that active traders watch."""

from __future__ import annotations

from collections import Counter

import ccxt
import structlog

from shared.market import Market
from workers.signals.feeds.live import LiveFeed
from workers.signals.role import SignalsRole

log = structlog.get_logger(__name__)


class Following:
    """Has a live feed deliver what a new trader watches, with its history, while the machine runs.

    A symbol that nobody watches any more is delivered until the machine starts again: somebody may hold it.
    """

    name = "following"

    def __init__(self, feed: LiveFeed, market: Market, role: SignalsRole) -> None:
        self.counts: Counter[str] = Counter()
        self._feed = feed
        self._market = market
        self._role = role

    async def start(self) -> None:
        """Nothing to get ready."""

    async def step(self) -> int:
        """Follow what is new; what the venue cannot be asked about now is tried again with the next step."""
        new = self._role.wanted.difference(self._feed.symbols, self._feed.gone)
        if not new:
            return 0
        try:
            await self._feed.follow(new, self._market.seed)
            intervals = self._role.intervals
            self._market.seed_longer(await self._feed.longer({one: intervals[one] for one in new}))
        except (ccxt.BaseError, OSError) as error:
            log.warning("symbols_not_followed", symbols=sorted(new), error=f"{error!s:.200}")
            return 0
        log.info("symbols_followed", symbols=sorted(new - self._feed.gone))
        self.counts["followed"] += len(new - self._feed.gone)
        self._role.rehold()
        return len(new)

    async def stop(self) -> None:
        """Nothing is held."""
