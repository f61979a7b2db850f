"""A venue that knows keys and their rights, on TLS under the real hosts' names: Binance, Bybit and OKX.

It answers the questions for rights as the venues word them, checks that requests are signed, and may echo
whole requests in its errors, as some venues do.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

HOSTS = ("*.binance.com", "*.binance.vision", "*.binancefuture.com", "*.bybit.com", "*.okx.com", "127.0.0.1")


@dataclass(slots=True)
class Key:
    """A key and what it may do."""

    key: str
    secret: str
    passphrase: str = ""
    trades: bool = True
    withdraws: bool = False
    addresses: tuple[str, ...] = ()
    holder: str = "4711"


@dataclass(slots=True)
class KeyVenue:
    """See `open_key_venue`. `echo` answers every request with a refusal that repeats all of it."""

    place: str
    authority: Path
    keys: dict[str, Key] = field(default_factory=dict)
    echo: bool = False
    hangs_up: bool = False
    requests: list[str] = field(default_factory=list)

    def add(self, key: Key) -> Key:
        """Let this key in."""
        self.keys[key.key] = key
        return key

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process find this venue."""
        return {"SIGTRAIL_VENUE_RESOLVER": self.place, "SIGTRAIL_VENUE_CA": str(self.authority)}

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        self.requests.append(f"{request.method} {request.path}")
        if self.hangs_up:
            assert request.transport is not None
            request.transport.close()
        body = await request.text()
        if self.echo:
            words = f"{request.method} {request.raw_path} {dict(request.headers)} {body}"
            known = next((one for one in self.keys.values() if one.key in words), None)
            # The worst of venues: it knows the secret too.
            if known is not None:
                raw = known.secret.encode()
                words += f" {known.secret} {b64encode(raw).decode()} {raw.hex()}"
            return web.json_response({"code": -1, "msg": words, "retCode": 1, "retMsg": words}, status=400)
        host = request.host
        if "binance" in host:
            return self._binance(request)
        return self._bybit(request, body) if "bybit" in host else self._okx(request)

    def _binance(self, request: web.Request) -> web.Response:
        key = self.keys.get(request.headers.get("X-MBX-APIKEY", ""))
        signed, _, signature = request.query_string.rpartition("&signature=")
        if key is None or not _is_signed(key.secret, signed, signature):
            return web.json_response({"code": -2015, "msg": "Invalid API-key or IP."}, status=401)
        if request.path == "/sapi/v1/account/apiRestrictions":
            return web.json_response(
                {
                    "ipRestrict": bool(key.addresses),
                    "createTime": 1698645219000,
                    "enableReading": True,
                    "enableSpotAndMarginTrading": key.trades,
                    "enableWithdrawals": key.withdraws,
                    "enableInternalTransfer": False,
                    "enableMargin": False,
                    "enableFutures": key.trades,
                    "permitsUniversalTransfer": False,
                    "enableVanillaOptions": False,
                }
            )
        return web.json_response(
            {
                "uid": int(key.holder),
                "canTrade": key.trades,
                "canWithdraw": True,
                "canDeposit": True,
                "balances": [],
            }
        )

    def _bybit(self, request: web.Request, _body: str) -> web.Response:
        key = self.keys.get(request.headers.get("X-BAPI-API-KEY", ""))
        head = request.headers
        signed = f"{head.get('X-BAPI-TIMESTAMP')}{head.get('X-BAPI-API-KEY')}{head.get('X-BAPI-RECV-WINDOW')}"
        if key is None or not _is_signed(key.secret, signed + request.query_string, head["X-BAPI-SIGN"]):
            return web.json_response({"retCode": 10003, "retMsg": "API key is invalid.", "result": {}})
        wallet = ["AccountTransfer", *(["Withdraw"] if key.withdraws else [])]
        result = {
            "id": "13770661",
            "apiKey": key.key,
            "readOnly": 0 if key.trades else 1,
            "secret": "",
            "permissions": {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": wallet},
            "ips": list(key.addresses) or ["*"],
            "expiredAt": "2027-08-20T02:00:53Z",
            "userID": int(key.holder),
        }
        return web.json_response({"retCode": 0, "retMsg": "", "result": result, "time": 1698645219000})

    def _okx(self, request: web.Request) -> web.Response:
        key = self.keys.get(request.headers.get("OK-ACCESS-KEY", ""))
        if key is None or request.headers.get("OK-ACCESS-PASSPHRASE") != key.passphrase:
            return web.json_response({"code": "50113", "msg": "Invalid Sign", "data": []}, status=401)
        granted = ["read_only", *(["trade"] if key.trades else []), *(["withdraw"] if key.withdraws else [])]
        config = {"perm": ",".join(granted), "ip": ",".join(key.addresses), "uid": key.holder, "acctLv": "2"}
        return web.json_response({"code": "0", "msg": "", "data": [config]})


def _is_signed(secret: str, signed: str, signature: str) -> bool:
    return hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest() == signature


@asynccontextmanager
async def open_key_venue(folder: Path) -> AsyncIterator[KeyVenue]:
    """The venue, until the block ends; its authority's certificate is written to the folder."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(context)
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    venue = KeyVenue("", path)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", venue.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    address: Any = runner.addresses[0]
    venue.place = f"127.0.0.1:{address[1]}"
    try:
        yield venue
    finally:
        await runner.cleanup()
