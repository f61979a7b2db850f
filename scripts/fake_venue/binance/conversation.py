"""Binance's web sockets: market streams, the API socket of spot, and futures' private stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from scripts.fake_venue.binance.events import topic_of
from scripts.fake_venue.binance.listen_keys import listen_key_of
from scripts.fake_venue.binance.refusals import missing
from scripts.fake_venue.binance.signature import check_time
from scripts.fake_venue.call import Call, VenueError
from scripts.fake_venue.streams import Listener
from workers.trading.paper.rules import Market

if TYPE_CHECKING:
    from scripts.fake_venue.binance.wire import Binance


async def converse(wire: Binance, call: Call, socket: web.WebSocketResponse) -> None:
    """Serve one socket, by the host and path that it was opened with."""
    if call.path.startswith("/ws-api"):
        await wire.streams.serve(socket, lambda listener, said: _ask(wire, call, listener, said))
        return
    key = call.params.get("listenKey")
    if key is not None:
        account = next((one for one in wire.accounts.values() if listen_key_of(one) == key), None)
        # A wrong key is not refused: the stream stays silent, as on the real one.
        topics = () if account is None else (topic_of(account, "usdm"),)
        await wire.streams.serve(socket, lambda listener, said: _market(wire, call, listener, said), *topics)
        return
    await wire.streams.serve(socket, lambda listener, said: _market(wire, call, listener, said))


def _market(wire: Binance, call: Call, listener: Listener, said: Any) -> None:
    market: Market = "usdm" if call.host.startswith("fstream") else "spot"
    method, names = said.get("method"), said.get("params") or []
    topics = {f"{market}:{name}" for name in names}
    if method == "SUBSCRIBE":
        listener.topics |= topics
    elif method == "UNSUBSCRIBE":
        listener.topics -= topics
    listener.send({"result": None, "id": said.get("id")})


def _ask(wire: Binance, call: Call, listener: Listener, said: Any) -> None:
    number, method, params = said.get("id"), said.get("method"), said.get("params") or {}
    try:
        topic = _subscribe(wire, call, method, params)
    except VenueError as error:
        failure = {"code": error.code, "msg": str(error)}
        listener.send({"id": number, "status": error.status, "error": failure})
        return
    subscription = len(listener.wraps)
    listener.topics.add(topic)
    listener.wraps[topic] = lambda event: {"subscriptionId": subscription, "event": event}
    listener.send({"id": number, "status": 200, "result": {"subscriptionId": subscription}})


def _subscribe(wire: Binance, call: Call, method: str, params: dict[str, Any]) -> str:
    if method != "userDataStream.subscribe.signature":
        raise VenueError(-1000, f"Method {method} is not served here.")
    account = wire.accounts.get(str(params.get("apiKey")))
    if account is None or account.revoked:
        raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    check_time(Call(call.host, "WS", call.path, "", "", {}, params), wire.server_ms())
    signature = params.get("signature")
    if not signature:
        raise missing("signature")
    text = "&".join(f"{name}={params[name]}" for name in sorted(params) if name != "signature")
    if not account.signs(text, str(signature)):
        raise VenueError(-1022, "Signature for this request is not valid.")
    return topic_of(account, "spot")
