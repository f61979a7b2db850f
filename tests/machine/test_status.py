"""What a machine tells of itself."""

from __future__ import annotations

from uuid import UUID, uuid4

from pydantic import SecretStr

from shared.realtime import Arrival
from shared.settings import Settings
from workers.recorder import Recorder
from workers.status import KEPT_ERRORS, Latencies, Status


def test_percentiles_are_values_that_occurred() -> None:
    latencies = Latencies()
    assert latencies.to_json() == {"p50": None, "p95": None}
    for value in range(1, 101):
        latencies.add(float(value))
    assert latencies.to_json() == {"p50": 51.0, "p95": 96.0}
    assert latencies.count == 100


def test_errors_are_all_counted_and_kept_once() -> None:
    status = Status("sig-00000001", replay=False)
    for number in range(KEPT_ERRORS + 10):
        status.note_error("trading", ValueError(f"number {number}"))
    status.note_error("trading", ValueError("number 1"))
    assert status.error_count == KEPT_ERRORS + 11
    assert len(status.errors) == KEPT_ERRORS
    assert status.errors[0] == "trading: number 0"


def settings() -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        supabase_url="http://127.0.0.1:1",
        SUPABASE_PUBLISHABLE_KEY=SecretStr("sb_publishable_x"),
    )


def test_the_recorder_measures_the_first_arrival_of_what_this_machine_fired() -> None:
    mine, other = uuid4(), uuid4()
    fired: dict[UUID, float] = {mine: 100.0}
    latencies = Latencies()
    recorder = Recorder(settings(), [], latencies, fired.get)

    def arrive(event: str, at: float) -> None:
        rows = [{"id": str(mine)}, {"id": str(other)}]
        recorder.note(Arrival("user:1:signals", event, {"count": 2, "rows": rows}, at))

    arrive("other", 100.010)
    arrive("signals", 100.025)
    arrive("signals", 107.000)
    assert latencies.count == 1
    assert latencies.to_json()["p50"] == 25.0
