"""Which analyst a machine has: rules without a word, a model when its settings hold, else what is wrong."""

from __future__ import annotations

from decimal import Decimal as D
from typing import Any

import pytest

from cli.analyst import check_analyst, greet_analyst, with_analyst
from shared.clock import WallClock
from shared.errors import ConfigurationError
from shared.settings import Settings
from tests.analysis.call_book import CallBook
from tests.analysis.model_server import HANG, KEY, MODEL, ModelServer, answers, fails, lists, sends
from workers.analysis.answer import Answer, PlanAnswer, form
from workers.analysis.choice import read_choice
from workers.analysis.model import ModelAnalyst, choose
from workers.analysis.rules import RuleBasedAnalyst


def settings(**changes: Any) -> Settings:
    """Settings that name a model, with some changed; None takes one away."""
    told = {"analyst": "model", "analyst_url": "https://models.test/v1/", "analyst_model": MODEL}
    told |= {"analyst_key": KEY, **{f"analyst_{name}": value for name, value in changes.items()}}
    named = {f"sigtrail_{name}": value for name, value in told.items() if value is not None}
    values: dict[str, Any] = {"SUPABASE_PUBLISHABLE_KEY": "x", **named}
    return Settings(_env_file=None, supabase_url="http://127.0.0.1:1", **values)  # type: ignore[call-arg]


def at(server: ModelServer, **changes: Any) -> Settings:
    return settings(url=server.url, **changes)


def test_without_a_word_rules_judge() -> None:
    plain = settings().model_copy(update={"sigtrail_analyst": "rules"})
    assert read_choice(plain) is None
    assert isinstance(choose(plain)(CallBook(), WallClock()), RuleBasedAnalyst)


async def test_a_model_is_asked_when_it_is_chosen() -> None:
    read = read_choice(settings(price_in="2.5", daily_cost="10", daily_calls="0"))
    assert read is not None
    assert (read.url, read.host, read.key) == ("https://models.test/v1", "models.test", KEY)
    assert (read.price_in, read.daily_cost, read.daily_calls) == (D("2.5"), D(10), 0)
    assert read.cost(1_000_000, 7) == D("2.5")
    analyst = choose(settings())(CallBook(), WallClock())
    assert isinstance(analyst, ModelAnalyst)
    assert analyst.lease_seconds > read.patience
    await analyst.close()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({"url": None}, "URL"),
    "another scheme": ({"url": "ftp://models.test"}, "URL"),
    "no port": ({"url": "https://models.test:port/v1"}, "URL"),
    "a password in the address": ({"url": f"https://me:{KEY}@models.test/v1"}, "URL"),
    "the whole address": ({"url": "https://models.test/v1/chat/completions"}, "URL"),
    "a key in the clear": ({"url": "http://models.test/v1"}, "URL"),
    "no model": ({"model": " "}, "MODEL"),
    "a key of two lines": ({"key": f"{KEY}\n{KEY}"}, "KEY"),
    "no number": ({"timeout": "soon"}, "TIMEOUT"),
    "no time": ({"timeout": "0"}, "TIMEOUT"),
    "half a signal": ({"parallel": "1.5"}, "PARALLEL"),
    "NaN": ({"daily_calls": "NaN"}, "DAILY_CALLS"),
    "less than nothing": ({"price_in": "-1"}, "PRICE_IN"),
    "a budget without prices": ({"daily_cost": "5"}, "PRICE_IN"),
}


@pytest.mark.parametrize("case", WRONG)
async def test_what_is_wrong_is_named_and_the_key_is_not(case: str) -> None:
    changes, name = WRONG[case]
    with pytest.raises(ConfigurationError, match=f"SIGTRAIL_ANALYST_{name}") as raised:
        read_choice(settings(**changes))
    assert KEY[:8] not in str(raised.value)
    check = await check_analyst(settings(**changes))
    assert check is not None
    assert not check["ok"]
    assert name in check["advice"]


def test_another_analyst_is_none() -> None:
    with pytest.raises(ConfigurationError, match="choose from rules, model"):
        with_analyst(settings(), "oracle")
    assert read_choice(with_analyst(settings(), "rules")) is None


def test_a_key_may_travel_on_this_machine_in_the_clear() -> None:
    for host in ("localhost", "127.0.0.1:8080", "[::1]:8080"):
        assert read_choice(settings(url=f"http://{host}/v1")) is not None
    assert read_choice(settings(url="http://models.test/v1", key=None)) is not None


# The doctor, and the start of `up`


@pytest.fixture
def well(server: ModelServer) -> ModelServer:
    server.play(lists("other", MODEL))
    return server


async def test_the_doctor_asks_the_server_for_its_models(well: ModelServer) -> None:
    host = f"127.0.0.1:{well.port}"
    assert await check_analyst(at(well)) == {
        "name": "analyst here", "ok": True, "found": {"model": MODEL, "host": host},
    }  # fmt: skip
    assert (well.asked[0].method, well.asked[0].path) == ("GET", "/v1/models")
    assert well.asked[0].headers["authorization"] == f"Bearer {KEY}"
    await greet_analyst(at(well))


async def test_a_server_without_a_list_is_believed(server: ModelServer) -> None:
    server.play(answers(404, {"error": {"message": "no such page"}}))
    assert (await check_analyst(at(server)) or {})["ok"]


async def test_rules_need_no_check() -> None:
    assert await check_analyst(with_analyst(settings(), "rules")) is None


TROUBLES = {
    "a refused key": (fails(401, KEY), "refuses the key"),
    "a model that is not there": (lists("other"), "has no model gpt-test, but other"),
    "something else": (answers(200, b"<html>", kind="text/html"), "does not speak"),
    "a redirect": (answers(301, b"", "Location: https://elsewhere.test"), "redirects to elsewhere.test"),
}


@pytest.mark.parametrize("case", TROUBLES)
async def test_the_doctor_and_the_start_say_what_a_person_has_to_mend(server: ModelServer, case: str) -> None:
    behaviour, text = TROUBLES[case]
    server.play(behaviour)
    check = await check_analyst(at(server))
    assert check is not None
    assert not check["ok"]
    assert text in check["found"]["trouble"]
    assert KEY[:8] not in repr(check)
    with pytest.raises(ConfigurationError, match=text):
        await greet_analyst(at(server))


@pytest.mark.parametrize("behaviour", [fails(503), sends(HANG)], ids=["overloaded", "silent"])
async def test_a_server_that_is_away_stops_no_start(
    server: ModelServer, behaviour: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.play(behaviour)
    await greet_analyst(at(server, timeout="1"))
    assert "it does not answer yet" in capsys.readouterr().err
    assert not (await check_analyst(at(server, timeout="1")) or {"ok": True})["ok"]


# The form


def test_the_form_that_is_asked_for_is_the_one_that_is_read() -> None:
    asked = form()["json_schema"]["schema"]
    plan = asked["properties"]["plan"]["anyOf"][0]
    for model, schema in ((Answer, asked), (PlanAnswer, plan)):
        assert list(schema["properties"]) == schema["required"] == list(model.model_fields)
        assert schema["additionalProperties"] is False
    told, proposed = Answer.model_json_schema()["properties"], PlanAnswer.model_json_schema()["properties"]
    for name in ("side", "entry_type"):
        assert plan["properties"][name]["enum"] == proposed[name]["enum"]
    fields = asked["properties"]
    assert fields["decision"]["enum"] == told["decision"]["enum"]
    assert fields["reason"]["anyOf"][0]["enum"] == told["reason"]["anyOf"][0]["enum"]
