"""Alerts to any HTTP server, signed, so that it knows who speaks and tells repetitions apart.

POST, a JSON body
Idempotency-Key: <alert>:<news>:webhook
X-Sigtrail-Signature: t=<unix seconds>,v1=<hex of HMAC-SHA256(secret, "<t>.<body>")>
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable

import httpx
import orjson

from workers.alerts.delivery import ChannelName, Delivery, DeliveryFailed

SECONDS = 10.0
MOST_WAIT = 3600.0
MOST_BYTES = 65_536


class Webhook:
    """Posts to `url`, which may hold a secret and is in no error. Without `secret` nothing is signed."""

    name: ChannelName = "webhook"

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        *,
        seconds: float = SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._secret = secret
        self._seconds = seconds
        self._now = now
        self._http = open_http(url, seconds)

    async def send(self, delivery: Delivery) -> None:
        body = orjson.dumps(
            {
                "id": delivery.key,
                "news": delivery.news,
                "text": delivery.text,
                "alert": dict(delivery.alert),
            }
        )
        headers = {"Content-Type": "application/json", "Idempotency-Key": delivery.key}
        if self._secret is not None:
            moment = int(self._now())
            headers["X-Sigtrail-Signature"] = f"t={moment},v1={sign(self._secret, moment, body)}"
        status, answered, _ = await post(self._http, self._url, body, headers, self._seconds)
        if not 200 <= status < 300:
            raise DeliveryFailed(f"the webhook answered {status}", retry_after=read_wait(answered))

    async def close(self) -> None:
        await self._http.aclose()


def sign(secret: str, moment: int, body: bytes) -> str:
    """The signature of a body that was sent at this Unix second."""
    return hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()


def open_http(url: str, seconds: float) -> httpx.AsyncClient:
    """A client for one receiver; no redirect is followed, which would carry tokens elsewhere."""
    hosted = url.startswith("https://")
    return httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=hosted)


async def post(
    http: httpx.AsyncClient, url: str, body: bytes, headers: dict[str, str], seconds: float
) -> tuple[int, httpx.Headers, bytes]:
    """Post, and answer the status, the headers and at most MOST_BYTES of the body; within so many seconds all
    together, whatever the server does. Raises DeliveryFailed, which never names the address."""
    read = b""
    try:
        sending = http.stream("POST", url, content=body, headers=headers)
        async with asyncio.timeout(seconds), sending as answer:
            async for part in answer.aiter_bytes():
                read += part
                if len(read) >= MOST_BYTES:
                    break
            return answer.status_code, answer.headers, read[:MOST_BYTES]
    except TimeoutError:
        raise DeliveryFailed(f"no answer within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise DeliveryFailed(f"the server cannot be reached or broke off ({type(error).__name__})") from None


def read_wait(headers: httpx.Headers) -> float | None:
    """Retry-After in seconds, where it is one."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, MOST_WAIT) if seconds >= 0 else None
