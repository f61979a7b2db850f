"""A machine is asked for its metrics and its health over HTTP."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from shared.clock import WallClock
from shared.errors import ConfigurationError
from shared.metrics import gauge
from shared.settings import Settings
from tests.machine.parts import build_whole
from tests.machine.test_life import Plant, Reel
from tests.waiting import until
from workers.endpoint import FIRST_PORT, Address, Endpoint
from workers.metrics import Page
from workers.probe import probe
from workers.status import Status


def endpoint_of(plant: Plant, faults: list[str], ports: tuple[int, ...] = (0,)) -> Endpoint:
    page = Page([lambda: [gauge("sigtrail_candles", "Seen.", plant.status.candles)]])
    return Endpoint(Address("127.0.0.1", ports), page.registry(), plant.status, lambda: faults)


async def test_a_machine_answers_from_its_start_to_its_end() -> None:
    plant, faults = Plant(WallClock(), Reel(3)), list[str]()
    endpoint = plant.machine.endpoint = endpoint_of(plant, faults)
    running = asyncio.create_task(plant.machine.run())
    await until(lambda: plant.status.candles == 3)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{endpoint.port}") as client:
        page = await client.get("/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        assert "sigtrail_candles 3.0" in page.text
        well = await client.get("/healthz")
        assert (well.status_code, well.json()) == (
            200,
            {"ok": True, "machine_id": "sig-00000001", "state": "running", "reasons": [], "warnings": []},
        )
        faults.append("no candle has come for 241 s: the feed is silent")
        ill = await client.get("/healthz")
        assert (ill.status_code, ill.json()["ok"], ill.json()["reasons"]) == (503, False, faults)
        assert (await client.get("/else")).status_code == 404
        assert endpoint.port is not None
        assert await asyncio.to_thread(probe, endpoint.port) == faults
        faults.clear()
        assert await asyncio.to_thread(probe, endpoint.port) == []
        plant.machine.stop()
        await running
        with pytest.raises(httpx.ConnectError):
            await client.get("/healthz")
    assert await asyncio.to_thread(probe, endpoint.port) == ["/healthz does not answer (ConnectError)"]


async def test_several_machines_of_a_host_find_a_port_each_unless_one_is_set() -> None:
    registry, status = CollectorRegistry(), Status("sig-00000001", replay=False)
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other:
        busy, free = taken.getsockname()[1], other.getsockname()[1]
        other.close()
        second = Endpoint(Address("127.0.0.1", (busy, free)), registry, status, list)
        await second.start()
        assert second.port == free
        await second.stop()
        with pytest.raises(ConfigurationError, match=f"SIGTRAIL_METRICS_PORT.*|{busy}"):
            await Endpoint(Address("127.0.0.1", (busy,)), registry, status, list).start()


def test_a_machine_listens_on_loopback_unless_the_settings_say_otherwise(project: Settings) -> None:
    assert Address.of(project).host == "127.0.0.1"
    assert Address.of(project).ports[0] == FIRST_PORT
    other = project.model_copy(update={"sigtrail_metrics_host": "0.0.0.0", "sigtrail_metrics_port": 9000})
    assert Address.of(other) == Address("0.0.0.0", (9000,))


async def test_all_roles_together_make_one_page_that_prometheus_can_read(tmp_path: Path) -> None:
    async with build_whole(tmp_path) as machine:
        assert machine.endpoint is not None
        await machine.endpoint.start()
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://127.0.0.1:{machine.endpoint.port}/metrics")
            assert answer.status_code == 200, answer.text
            families = {one.name: one for one in text_string_to_metric_families(answer.text)}
            health = (await client.get(f"http://127.0.0.1:{machine.endpoint.port}/healthz")).json()
    assert health["state"] == "starting"
    assert len(families) > 60
    assert all(name.startswith(("sigtrail_", "process_")) for name in families)
    assert all(one.documentation for one in families.values())
    assert families["process_resident_memory_bytes"].samples[0].value > 0
    assert families["sigtrail_python_blocks"].samples[0].value > 0
    wide = {label for one in families.values() for sample in one.samples for label in sample.labels}
    assert wide <= {
        "machine", "version", "feed", "state", "role", "reason", "as", "code", "end", "le", "quantile",
        "alarm", "venue", "leg", "status", "currency", "scope", "window_seconds",
    }, "labels are of small closed sets"  # fmt: skip
