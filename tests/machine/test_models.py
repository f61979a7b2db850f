"""Several machines that ask one model about signals in a real database: each once, within every budget."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal as D
from typing import Any

import httpx
import psycopg
import pytest

from shared.clock import Clock
from shared.redaction import conceal
from shared.role import Call
from tests.analysis.model_server import KEY, MODEL, ModelServer, approve, fails, open_model, says
from tests.machine.floor import Floor
from tests.machine.scenes import wipe
from tests.stacks import Stack
from workers.analysis.analyst import Choice
from workers.analysis.choice import ModelSettings
from workers.analysis.model import ModelAnalyst


class Killed(BaseException):
    """The machine is gone at this point."""


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with open_model() as one:
        yield one


@pytest.fixture
async def floor(own_stack: Stack, model: ModelServer) -> AsyncIterator[Floor]:
    wipe(own_stack)
    with psycopg.connect(own_stack.admin_db_url, autocommit=True) as database:
        database.execute("truncate private.model_spending")
    one = Floor(own_stack, ai_analysis_limit=6)
    close = D(str(one.history[-1].close))
    plan = {"entry": close, "stop_loss": close * D("0.995"), "take_profit": close * D("1.015")}
    model.play(says(approve(plan={name: str(price) for name, price in plan.items()})))
    async with one.machines:
        yield one


def asking(model: ModelServer, **changes: Any) -> Choice:
    """Machines that ask this server."""
    conceal([KEY])
    told: dict[str, Any] = {"url": model.url, "model": MODEL, "key": KEY, "timeout": 10.0, "parallel": 2}
    told |= {
        "answer_tokens": 500,
        "daily_calls": 100,
        "daily_cost": None,
        "price_in": D(1),
        "price_out": D(4),
    }
    settings = ModelSettings(**{**told, **changes})

    def choose(call: Call, clock: Clock) -> ModelAnalyst:
        return ModelAnalyst(settings, call, clock, transport=httpx.AsyncHTTPTransport(verify=False))

    return choose


def look(floor: Floor, query: str) -> list[Any]:
    """The first columns of what this query finds for the floor's user."""
    with psycopg.connect(floor.stack.db_url) as database:
        return [row[0] for row in database.execute(query.encode(), [floor.scene.user_id]).fetchall()]


async def test_the_traders_limit_and_the_days_budget_hold_for_all_machines_together(
    floor: Floor, model: ModelServer
) -> None:
    await floor.fire(9)
    analysts = [await floor.analyst(asking(model, daily_calls=4)) for _ in range(3)]

    async def work(role: Any) -> None:
        while await role.step():
            pass

    await asyncio.gather(*(work(one) for one in analysts))
    for one in analysts:
        await one.stop()
    outcomes = [code for _, _, code in floor.scene.signals()]
    assert sorted(outcomes, key=str) == [None] * 4 + ["analysis_budget"] * 2 + ["analysis_limit"] * 3
    keys = [one.headers["idempotency-key"] for one in model.asked]
    assert len(keys) == len(set(keys)) == 4
    assert look(floor, "select attempts from public.model_calls where user_id = %s") == [1] * 4


async def test_a_machine_that_dies_with_the_answer_leaves_it_to_the_next(
    floor: Floor, model: ModelServer
) -> None:
    (signal,) = await floor.fire()

    def dying(call: Call, clock: Clock) -> ModelAnalyst:
        async def mortal(name: str, params: Mapping[str, Any], /) -> Any:
            answer = await call(name, params)
            if name == "end_model_call":
                raise Killed
            return answer

        analyst = asking(model)(mortal, clock)
        assert isinstance(analyst, ModelAnalyst)
        return analyst

    dead = await floor.analyst(dying)
    with pytest.raises(Killed):
        await dead.step()
    with psycopg.connect(floor.stack.admin_db_url, autocommit=True) as database:
        database.execute("update public.signal_queue set leased_until = now() - interval '1 second'")
    heir = await floor.analyst(asking(model))
    await heir.step()
    await heir.stop()
    await dead.stop()
    assert floor.scene.signals() == [(signal, "monitoring", None)]
    assert len(model.asked) == 1
    assert [kind for kind, _, _ in floor.scene.events(signal)] == [
        "signal_created",
        "analysis_started",
        "analysis_requested",
        "analysis_answered",
        "lease_expired",
        "analysis_started",
        "analysis_completed",
    ]


async def test_the_trail_has_the_question_every_attempt_and_the_bill_and_never_the_key(
    floor: Floor, model: ModelServer
) -> None:
    (signal,) = await floor.fire()
    model.behaviours.insert(0, fails(500, f"broken: {KEY}"))
    role = await floor.analyst(asking(model))
    await role.step()
    await role.stop()
    told = look(
        floor,
        "select jsonb_build_array(event_type, event_data, error_info) from public.signal_events"
        " where user_id = %s and event_type in ('analysis_requested', 'analysis_answered') order by number",
    )
    first, failed, second, answered = told
    assert first[1]["request"]["messages"] == model.asked[0].json["messages"]
    assert "500" in failed[2]["error"]
    assert (second[1]["attempt"], "request" in second[1]) == (2, False)
    facts = {
        name: answered[1][name] for name in ("model", "attempt", "prompt_tokens", "completion_tokens", "cost")
    }
    assert facts == {
        "model": MODEL,
        "attempt": 2,
        "prompt_tokens": 1200,
        "completion_tokens": 150,
        "cost": "0.0018",
    }
    assert answered[1]["latency_ms"] >= 0
    result = look(floor, "select analysis_result from public.signals where user_id = %s")[0]
    assert (result["analyst"], result["cost"], result["reasoning"]) == ("model", "0.0018", "It rises.")
    assert KEY[:8] not in repr(told) + repr(result)
    assert signal in {row[0] for row in floor.scene.signals()}
