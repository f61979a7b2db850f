"""Edge functions: both kinds of module, who may call them, and what happens when they fail or change."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from pathlib import Path

import pytest

from scripts.local_supabase import functions
from scripts.local_supabase.errors import StackError
from scripts.local_supabase.settings import Settings
from tests.local_supabase.functions.conftest import Served, Start
from tests.waiting import until


async def test_a_module_with_a_default_fetch(served: Served) -> None:
    answer = await served.call("/greet/and/more?x=1", json={"name": "Ada"})
    assert answer.json() == {"text": "hello Ada", "path": "/greet/and/more"}
    assert b"greet was loaded" in served.log


async def test_a_module_that_calls_deno_serve(served: Served) -> None:
    body = os.urandom(5_000_000)
    answer = await served.call("/echo", "PUT", content=body)
    assert (answer.status_code, answer.headers["x-method"]) == (201, "PUT")
    assert answer.content == body


async def test_a_function_has_an_import_map_of_its_own(served: Served) -> None:
    assert (await served.call("/mapped")).text == "mapped"


async def test_config_toml_says_where_a_function_is_and_whether(served: Served) -> None:
    assert (await served.call("/renamed")).text == "renamed"
    assert (await served.call("/off")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/nothing", "/_shared", "/..%2F..%2Fetc", "/greet%2F"])
async def test_what_is_no_function(served: Served, path: str) -> None:
    answer = await served.call(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_callers_need_a_token_of_this_stack(served: Served) -> None:
    keys = served.settings.keys
    soon = int(time.time()) + 60
    for good in (keys.mint({"role": "anon", "exp": soon}), keys.sign({"role": "authenticated", "exp": soon})):
        assert (await served.call("/greet", token=good, json={"name": "x"})).status_code == 200
    foreign = type(keys).create()
    refused = [
        keys.sign({"role": "authenticated", "exp": soon - 120}),
        keys.sign({"role": "authenticated", "exp": soon, "nbf": soon}),
        foreign.sign({"role": "authenticated", "exp": soon}),
        keys.mint({"role": "anon", "exp": soon})[:-4] + "AAAA",
        "sb_publishable_x",
        "a.b.c",
    ]
    for bad in refused:
        answer = await served.call("/greet", token=bad, json={"name": "x"})
        assert (answer.status_code, answer.json()["message"]) == (401, "Invalid JWT"), bad
    answer = await served.call("/greet", token="", json={"name": "x"})
    assert (answer.status_code, answer.json()["message"]) == (401, "Missing authorization header")


async def test_a_function_may_let_everybody_in(served: Served) -> None:
    assert (await served.call("/open", token="")).status_code == 200


async def test_a_preflight_reaches_the_function(served: Served) -> None:
    assert (await served.call("/echo", "OPTIONS", token="")).headers["x-method"] == "OPTIONS"


async def test_what_functions_find_in_their_environment(served: Served) -> None:
    served.source(".env").write_text("OWN_SECRET=only for functions\n")
    seen = (await served.call("/open", token="")).json()
    settings, keys = served.settings, served.settings.keys
    assert seen["SUPABASE_URL"] == settings.url
    assert seen["SUPABASE_DB_URL"] == settings.db_url
    assert json.loads(seen["SUPABASE_PUBLISHABLE_KEYS"]) == {"default": keys.publishable}
    assert json.loads(seen["SUPABASE_SECRET_KEYS"]) == {"default": keys.secret}
    assert json.loads(seen["SUPABASE_JWKS"]) == keys.jwks()
    assert keys.verify(seen["SUPABASE_ANON_KEY"])["role"] == "anon"
    assert keys.verify(seen["SUPABASE_SERVICE_ROLE_KEY"])["role"] == "service_role"
    assert seen["OWN_SECRET"] == "only for functions"
    assert keys.jwt_secret not in "".join(seen.values())
    assert "LOCAL_FUNCTIONS_CONFIG" not in seen


async def test_a_module_that_cannot_be_loaded(served: Served) -> None:
    answer = await served.call("/broken")
    assert (answer.status_code, answer.json()["code"]) == (503, "BOOT_ERROR")
    assert b"broken while it was loaded" in served.log
    served.source("broken/index.ts").write_text("export default { fetch: () => new Response('mended') };")
    await until(lambda: _says(served, "/broken", "mended"))


async def test_a_function_that_throws_answers_the_next_request(served: Served) -> None:
    for _ in range(2):
        answer = await served.call("/failing")
        assert (answer.status_code, answer.json()["code"]) == (500, "WORKER_ERROR")
    assert b"failed while it answered" in served.log


async def test_a_function_that_ends_its_process_is_started_again(served: Served) -> None:
    for _ in range(2):
        answer = await served.call("/failing?exit")
        assert (answer.status_code, answer.json()["code"]) == (500, "WORKER_ERROR")
    assert (await served.call("/echo")).status_code == 201


async def test_changed_files_serve_the_next_request(served: Served) -> None:
    assert (await served.call("/greet", json={"name": "Ada"})).json()["text"] == "hello Ada"
    shared = served.source("_shared/greeting.ts")
    shared.write_text(shared.read_text().replace("hello", "goodbye"))
    await until(lambda: _says(served, "/greet", "goodbye Ada"))


async def _says(served: Served, path: str, text: str) -> bool:
    return text in (await served.call(path, json={"name": "Ada"})).text


async def test_work_goes_on_after_the_answer_and_forgotten_errors_do_no_harm(served: Served) -> None:
    assert (await served.call("/background")).json() == {"finished": 0}

    async def finished() -> bool:
        return bool((await served.call("/background", "GET")).json()["finished"])

    await until(finished)
    assert b"nobody catches this" in served.log


async def test_a_response_streams(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.settings.keys.token('anon')}"}
    async with served.http.stream("GET", "/stream", headers=headers) as answer:
        lines = answer.aiter_lines()
        assert await anext(lines) == "first"
        await served.call("/stream")
        assert await anext(lines) == "second"


async def test_a_client_that_leaves_cancels_the_stream(served: Served) -> None:
    headers = {"authorization": f"Bearer {served.settings.keys.token('anon')}"}
    async with served.http.stream("GET", "/endless", headers=headers) as answer:
        await anext(answer.aiter_raw())

    async def cancelled() -> bool:
        return bool((await served.call("/endless")).json() == {"cancelled": 1})

    await until(cancelled)


async def test_a_function_learns_that_its_client_left_before_the_answer(served: Served) -> None:
    async def reads(waiting: int, left: int) -> bool:
        return bool((await served.call("/waiting")).json() == {"waiting": waiting, "left": left})

    request = asyncio.create_task(served.call("/waiting", "GET"))
    await until(lambda: reads(1, 0))
    request.cancel()
    await until(lambda: reads(1, 1))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_no_process_outlives_the_main_one(served: Served, how: signal.Signals) -> None:
    await served.call("/greet", json={"name": "Ada"})
    await served.call("/mapped")
    workers = _children(served.process.pid)
    assert len(workers) == 2
    served.process.send_signal(how)
    await served.process.wait()
    await until(lambda: not any(_lives(worker) for worker in workers))


def _children(pid: int) -> list[int]:
    listed: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        listed += [int(child) for child in (task / "children").read_text().split()]
    return listed


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


async def test_a_project_without_functions(start: Start, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    served = await start(tmp_path / "bare")
    assert (await served.call("/anything")).status_code == 404


async def test_a_port_that_is_taken_ends_it(start: Start, project: Path) -> None:
    served = await start(project)
    second = await asyncio.create_subprocess_exec(
        *functions.command(served.settings),
        env=functions.environment(served.settings),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await second.communicate()
    assert second.returncode
    assert b"AddrInUse" in errors


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    assert functions.read_function_configs(file) == {}
    file.write_text('[functions.greet]\nverify_jwt = "no"\n')
    with pytest.raises(StackError, match=r"functions\.greet\.verify_jwt must be true or false"):
        functions.read_function_configs(file)
    file.write_text("[functions.greet]\nentrypoint = 3\n")
    with pytest.raises(StackError, match=r"functions\.greet\.entrypoint must be a path"):
        functions.read_function_configs(file)


def test_a_machine_without_deno_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"Deno is not installed: run"):
        functions.command(Settings(root=tmp_path))


async def test_the_sources_are_checked_and_linted() -> None:
    sources = [str(path) for path in sorted(functions.MAIN.parent.glob("functions_*.ts"))]
    for action in (["check", "--no-config", "--no-lock"], ["lint", "--no-config"]):
        process = await asyncio.create_subprocess_exec(
            str(functions.find_deno()),
            *action,
            *sources,
            stdout=-1,
            stderr=-1,
            env={"NO_COLOR": "1", "HOME": "/tmp"},
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, (output + errors).decode()
