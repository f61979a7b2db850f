"""Has alerts arrive: takes them from the outbox in the database, sends them, tells what became of each.

Whatever happens in between, each arrives at least once: what is not answered for within its lease is handed
out again, under the same key.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence

import structlog

from shared.errors import SigtrailError, Unavailable
from shared.metrics import Metric, counter
from shared.role import Call
from workers.alerts.delivery import Channel, Delivery, DeliveryFailed

log = structlog.get_logger(__name__)

POLL_SECONDS = 10.0
BATCH = 10
# Longer than any channel may take for a whole batch.
LEASE_SECONDS = 120


class Deliverer:
    """Delivers on these channels until it is cancelled. `counts` are sent and failed, by channel."""

    name = "deliverer"

    def __init__(
        self, call: Call, channels: Sequence[Channel], *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self._call = call
        self._channels: dict[str, Channel] = {channel.name: channel for channel in channels}
        self._poll_seconds = poll_seconds

    async def run(self) -> None:
        """Look now and then, at once again while there is more. An absent database is waited for; nothing
        that goes wrong here may stop a machine that trades."""
        while True:
            try:
                if await self.deliver() == BATCH:
                    continue
            except Unavailable as error:
                log.info("alerts_wait", error=str(error))
            except SigtrailError as error:
                log.error("alerts_failed", error=str(error))  # noqa: TRY400
            await asyncio.sleep(self._poll_seconds)

    async def deliver(self) -> int:
        """Send what is due, at most one batch; answers how much was taken."""
        rows = await self._call(
            "claim_alerts",
            {"channels": sorted(self._channels), "max_rows": BATCH, "lease_seconds": LEASE_SECONDS},
        )
        deliveries = [Delivery.of(row) for row in rows or ()]
        if deliveries:
            results = await asyncio.gather(*map(self._send, deliveries))
            await self._call("record_deliveries", {"results": results})
        return len(deliveries)

    async def close(self) -> None:
        """Close the channels."""
        for channel in self._channels.values():
            await channel.close()

    def measure(self) -> Iterable[Metric]:
        """What it tells Prometheus."""
        yield counter(
            "sigtrail_alert_deliveries_total",
            "Alerts that were sent, and tries that failed, by channel.",
            self.counts,
            ("channel", "end"),
        )

    async def _send(self, delivery: Delivery) -> dict[str, object]:
        channel = self._channels[delivery.channel]
        failure: DeliveryFailed | None = None
        try:
            await channel.send(delivery)
        except DeliveryFailed as error:
            failure = error
            log.warning(
                "alert_not_sent", alert_id=delivery.alert_id, channel=delivery.channel, error=str(error)
            )
        else:
            log.info("alert_sent", alert_id=delivery.alert_id, channel=delivery.channel, news=delivery.news)
        self.counts[delivery.channel, "sent" if failure is None else "failed"] += 1
        return delivery.result(failure)
