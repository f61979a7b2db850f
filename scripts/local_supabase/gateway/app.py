"""The one address of a stack: rest, auth and storage in process, realtime and functions in their own.

It is in the way of every request, so it looks at the path and at the key only: bodies are not touched.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

from scripts.local_supabase.auth.app import create_app as create_auth
from scripts.local_supabase.gateway.admission import Admission, Refusal
from scripts.local_supabase.gateway.asgi import App, Headers, Receive, Scope, Send, answer, path_of
from scripts.local_supabase.gateway.cors import is_preflight, preflight_headers, with_cors
from scripts.local_supabase.gateway.http_proxy import Upstream, forward, open_client
from scripts.local_supabase.gateway.lifespan import MountedLifespan
from scripts.local_supabase.gateway.websocket_proxy import relay
from scripts.local_supabase.rest.app import create_app as create_rest
from scripts.local_supabase.settings import Settings
from scripts.local_supabase.storage.app import create_app as create_storage

_REALTIME_IDLE_SECONDS = 30.0
# As long as a hosted function may take before its gateway gives up.
_FUNCTION_IDLE_SECONDS = 150.0
# What is public about the auth server: other services fetch the keys without one.
_OPEN_AUTH_PATHS = frozenset({b"/.well-known/jwks.json"})
_INTERNAL_REALTIME_PATHS = (b"/api/tenants", b"/api/openapi")


def create_app(
    settings: Settings, *, rest: App | None = None, auth: App | None = None, storage: App | None = None
) -> Gateway:
    """The gateway of a stack. rest, auth and storage: other apps in their places, for tests."""
    return Gateway(
        settings,
        rest or create_rest(settings),
        auth or create_auth(settings),
        storage or create_storage(settings),
    )


class Gateway:
    """An ASGI app; see create_app."""

    def __init__(self, settings: Settings, rest: App, auth: App, storage: App) -> None:
        self._rest = rest
        self._auth = auth
        self._storage = storage
        self._admission = Admission(settings.keys)
        self._realtime = Upstream("realtime", settings.realtime_url, _REALTIME_IDLE_SECONDS)
        self._functions = Upstream("functions", settings.functions_url, _FUNCTION_IDLE_SECONDS)
        self._client = open_client()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "websocket":
            await self._accept_socket(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = path_of(scope)
        headers: Headers = scope["headers"]
        service, rest_of_path = split_path(path)
        if service == b"functions":
            # A function answers cross-origin requests itself, as it must on a hosted project.
            await self._call_function(rest_of_path, headers, scope, receive, send)
            return
        if is_preflight(scope["method"], headers):
            await answer(scope, receive, send, 200, {}, preflight_headers(headers))
            return
        if any(name == b"origin" for name, _ in headers):
            send = with_cors(send)
        if service == b"rest":
            await self._call_mounted(self._rest, rest_of_path, headers, scope, receive, send)
        elif service == b"auth":
            is_open = rest_of_path in _OPEN_AUTH_PATHS
            await self._call_mounted(
                self._auth, rest_of_path, headers, scope, receive, send, key_required=not is_open
            )
        elif service == b"storage":
            # Public objects and signed URLs need no key: the storage server judges who asks.
            await self._call_mounted(
                self._storage, rest_of_path, headers, scope, receive, send, key_required=False
            )
        elif service == b"realtime":
            await self._call_realtime(rest_of_path, headers, scope, receive, send)
        elif path == b"/health":
            await answer(scope, receive, send, 200, {"status": "ok"})
        else:
            message = f"no Route matched with those values: the local stack does not serve {scope['path']}"
            await answer(scope, receive, send, 404, {"message": message})

    async def _call_mounted(
        self,
        app: App,
        path: bytes,
        headers: Headers,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        key_required: bool = True,
    ) -> None:
        admitted = self._admission.admit(headers, scope["query_string"], key_required=key_required)
        if isinstance(admitted, Refusal):
            await answer(scope, receive, send, 401, admitted.body())
            return
        # The mounted app sees its own paths, as if it had a server of its own.
        shorter = split_path(scope["path"].encode())[1].decode()
        await app({**scope, "path": shorter, "raw_path": path, "headers": admitted}, receive, send)

    async def _call_realtime(
        self, path: bytes, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if path.startswith(_INTERNAL_REALTIME_PATHS):
            await answer(scope, receive, send, 403, {"message": "Access is forbidden."})
            return
        admitted = self._admission.admit(headers, scope["query_string"])
        if isinstance(admitted, Refusal):
            await answer(scope, receive, send, 401, admitted.body())
            return
        await forward(self._client, self._realtime, realtime_path(path), admitted, scope, receive, send)

    async def _call_function(
        self, path: bytes, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        admitted = self._admission.admit(headers, scope["query_string"], key_required=False)
        if isinstance(admitted, Refusal):
            await answer(scope, receive, send, 401, admitted.body())
            return
        await forward(self._client, self._functions, path, admitted, scope, receive, send)

    async def _accept_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        service, path = split_path(path_of(scope))
        if service != b"realtime":
            message = f"no Route matched with those values: {scope['path']} is no WebSocket"
            await answer(scope, receive, send, 404, {"message": message})
            return
        headers: Headers = scope["headers"]
        query = self._admission.admit_socket(headers, scope["query_string"])
        if isinstance(query, Refusal):
            await answer(scope, receive, send, 401, query.body())
            return
        address = self._realtime.url.replace("http", "ws", 1) + realtime_path(path).decode("latin-1")
        await relay(
            f"{address}?{query.decode('latin-1')}", self._realtime.name, headers, scope, receive, send
        )

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as apps:
            try:
                await apps.enter_async_context(MountedLifespan("rest", self._rest))
                await apps.enter_async_context(MountedLifespan("auth", self._auth))
                await apps.enter_async_context(MountedLifespan("storage", self._storage))
            except Exception as error:  # noqa: BLE001 - whatever stops an app from starting is told to the server
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            apps.push_async_callback(self._client.aclose)
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def split_path(path: bytes) -> tuple[bytes, bytes]:
    """`/rest/v1/signals` as (`rest`, `/signals`); an empty service for any other path."""
    parts = path.split(b"/", 3)
    if len(parts) < 3 or parts[0] or parts[2] != b"v1":
        return b"", path
    return parts[1], b"/" + parts[3] if len(parts) == 4 else b"/"


def realtime_path(path: bytes) -> bytes:
    """Where the realtime server has what clients ask for below /realtime/v1."""
    return path if path == b"/api" or path.startswith(b"/api/") else b"/socket" + path
