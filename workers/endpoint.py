"""Where a machine can be asked how it is: `/metrics` for Prometheus, `/healthz` for whoever restarts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.errors import ConfigurationError
from shared.settings import Settings
from workers.status import Status

log = structlog.get_logger(__name__)

# Several machines of one host find a port each, where none is set.
FIRST_PORT, PORTS = 9464, 20
# How long an answer under way may delay the machine's end.
SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: the first of `ports` that is free; 0 is any."""

    host: str
    ports: Sequence[int]

    @classmethod
    def of(cls, settings: Settings) -> Address:
        """As the settings say."""
        port = settings.sigtrail_metrics_port
        ports = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
        return cls(settings.sigtrail_metrics_host, ports)


class Endpoint:
    """A small HTTP server beside the roles. It answers what is known in memory, and asks nobody."""

    def __init__(
        self,
        address: Address,
        registry: CollectorRegistry,
        status: Status,
        faults: Callable[[], list[str]],
        warnings: Callable[[], list[str]] = list,
    ) -> None:
        self.port: int | None = None
        self._address = address
        self.registry = registry
        self._status = status
        self._faults = faults
        self._warnings = warnings
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, unless it does already. Raises ConfigurationError where no port can be had."""
        if self._runner is not None:
            return
        app = web.Application()
        app.add_routes([web.get("/metrics", self._metrics), web.get("/healthz", self._health)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        failure: OSError | None = None
        for port in self._address.ports:
            site = web.TCPSite(self._runner, self._address.host, port)
            try:
                await site.start()
            except OSError as error:
                failure = error
                continue
            self.port = self._runner.addresses[0][1]
            log.info("endpoint_open", host=self._address.host, port=self.port)
            return
        await self.stop()
        raise ConfigurationError(
            f"no port for /metrics and /healthz on {self._address.host}, {self._address.ports[0]} to"
            f" {self._address.ports[-1]} tried ({failure}): set SIGTRAIL_METRICS_PORT to a free one, or to 0"
        )

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self.registry), headers={"Content-Type": kind})

    async def _health(self, _request: web.Request) -> web.Response:
        faults = self._faults()
        body = {
            "ok": not faults,
            "machine_id": self._status.machine_id,
            "state": self._status.state,
            "reasons": faults,
            "warnings": self._warnings(),
        }
        return web.json_response(body, status=503 if faults else 200)
