"""Which service a path belongs to, what it sees of the request, and what browsers may do with the answer."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.local_supabase.gateway.app import create_app, realtime_path, split_path
from scripts.local_supabase.gateway.lifespan import AppFailed, MountedLifespan
from tests.local_supabase.gateway.conftest import Gateway
from tests.local_supabase.serving import echo


@pytest.mark.parametrize(
    ("path", "service", "rest"),
    [
        (b"/rest/v1/signals", b"rest", b"/signals"),
        (b"/rest/v1/", b"rest", b"/"),
        (b"/rest/v1", b"rest", b"/"),
        (b"/rest/v1/rpc/f%2Fg", b"rest", b"/rpc/f%2Fg"),
        (b"/rest/v2/signals", b"", b"/rest/v2/signals"),
        (b"/", b"", b"/"),
        (b"rest/v1/x", b"", b"rest/v1/x"),
    ],
)
def test_paths(path: bytes, service: bytes, rest: bytes) -> None:
    assert split_path(path) == (service, rest)


def test_paths_of_the_realtime_server() -> None:
    assert realtime_path(b"/websocket") == b"/socket/websocket"
    assert realtime_path(b"/api/broadcast") == b"/api/broadcast"
    assert realtime_path(b"/apis") == b"/socket/apis"


async def test_a_service_sees_its_own_path_and_the_whole_query(gateway: Gateway) -> None:
    for service in ("rest", "auth", "storage"):
        seen = (await gateway.request("GET", f"/{service}/v1/a%20b/c?select=x%2Cy&d=")).json()
        assert (seen["path"], seen["raw_path"], seen["query"]) == ("/a b/c", "/a%20b/c", "select=x%2Cy&d=")


async def test_the_public_keys_need_no_key(gateway: Gateway) -> None:
    assert (await gateway.request("GET", "/auth/v1/.well-known/jwks.json", headers={})).status_code == 200
    assert (await gateway.request("GET", "/auth/v1/user", headers={})).status_code == 401


async def test_the_realtime_server_hears_calls_of_its_api(gateway: Gateway) -> None:
    await gateway.serve_realtime(echo)
    seen = (await gateway.request("POST", "/realtime/v1/api/broadcast?x=1", json={})).json()
    assert (seen["method"], seen["path"], seen["query"]) == ("POST", "/api/broadcast", "x=1")
    token = dict(seen["headers"])["authorization"].removeprefix("Bearer ")
    assert gateway.keys.verify(token)["role"] == "anon"
    assert (await gateway.request("GET", "/realtime/v1/api/broadcast", headers={})).status_code == 401
    for internal in ("tenants/x", "openapi"):
        assert (await gateway.request("GET", f"/realtime/v1/api/{internal}")).status_code == 403


async def test_a_function_sees_its_name_and_the_callers_token(gateway: Gateway) -> None:
    await gateway.serve_functions(echo)
    seen = (await gateway.request("GET", "/functions/v1/query-signals/x?y=1", headers={})).json()
    assert (seen["path"], seen["query"]) == ("/query-signals/x", "y=1")
    assert "authorization" not in dict(seen["headers"])
    key = gateway.keys.publishable
    headers = {"apikey": key, "authorization": f"Bearer {key}"}
    seen_headers = dict((await gateway.request("GET", "/functions/v1/x", headers=headers)).json()["headers"])
    assert seen_headers["apikey"] == key
    assert gateway.keys.verify(seen_headers["authorization"].removeprefix("Bearer "))["role"] == "anon"
    wrong = await gateway.request("GET", "/functions/v1/x", headers={"apikey": "sb_secret_nobodys"})
    assert wrong.status_code == 401


async def test_a_path_of_nobody(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/graphql/v1/x")
    assert answer.status_code == 404
    assert "does not serve /graphql/v1/x" in answer.json()["message"]


async def test_health(gateway: Gateway) -> None:
    assert (await gateway.request("GET", "/health", headers={})).json() == {"status": "ok"}


ORIGIN = {"origin": "http://127.0.0.1:3000"}


async def test_a_preflight_is_answered_without_a_key(gateway: Gateway) -> None:
    wanted = {
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "apikey,content-profile,prefer",
    }
    for path in ("/rest/v1/signals", "/auth/v1/token", "/realtime/v1/api/broadcast"):
        answer = await gateway.request("OPTIONS", path, headers=ORIGIN | wanted)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert answer.headers["access-control-allow-headers"] == "apikey,content-profile,prefer"


async def test_a_page_may_read_answers_and_refusals(gateway: Gateway) -> None:
    for headers in (ORIGIN | {"apikey": gateway.keys.publishable}, ORIGIN):
        answer = await gateway.request("GET", "/rest/v1/signals", headers=headers)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Content-Range" in answer.headers["access-control-expose-headers"]


async def test_without_an_origin_nothing_is_added(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/rest/v1/signals")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_an_options_request_that_is_no_preflight_reaches_the_service(gateway: Gateway) -> None:
    assert (await gateway.request("OPTIONS", "/rest/v1/signals")).json()["method"] == "OPTIONS"


async def test_a_service_that_says_it_itself_is_not_contradicted(gateway: Gateway) -> None:
    async def strict(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Access-Control-Allow-Origin", b"https://one.example")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    app = create_app(gateway.settings, rest=strict, auth=echo)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"origin", b"x"), (b"apikey", gateway.keys.publishable.encode())]
    scope = {"type": "http", "method": "GET", "path": "/rest/v1/x", "query_string": b"", "headers": headers}
    await app(scope, None, send)  # type: ignore[arg-type]
    allowed = [value for name, value in sent[0]["headers"] if name.lower() == b"access-control-allow-origin"]
    assert allowed == [b"https://one.example"]


async def test_mounted_apps_live_as_long_as_the_gateway() -> None:
    heard: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for phase in ("startup", "shutdown"):
            heard.append((await receive())["type"])
            await send({"type": f"lifespan.{phase}.complete"})

    async with MountedLifespan("app", app):
        assert heard == ["lifespan.startup"]
    assert heard == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_app_that_cannot_start_is_named() -> None:
    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    async def raising(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("broken")

    async def without(scope: Any, receive: Any, send: Any) -> None:
        return

    with pytest.raises(AppFailed, match="rest: no database"):
        await MountedLifespan("rest", refusing).__aenter__()
    with pytest.raises(RuntimeError, match="broken"):
        await MountedLifespan("rest", raising).__aenter__()
    entered = False
    async with MountedLifespan("rest", without):
        entered = True
    assert entered
