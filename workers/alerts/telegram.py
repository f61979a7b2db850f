"""Alerts to a chat of Telegram, by a bot. Telegram cannot tell repetitions: one may come twice."""

from __future__ import annotations

import orjson

from workers.alerts.delivery import ChannelName, Delivery, DeliveryFailed
from workers.alerts.webhook import MOST_WAIT, SECONDS, open_http, post

# What one message holds.
MOST_LETTERS = 4096


class Telegram:
    """Writes as the bot of `token` to `chat`; `url` is Telegram's own unless one runs another server."""

    name: ChannelName = "telegram"

    def __init__(self, url: str, token: str, chat: str, *, seconds: float = SECONDS) -> None:
        self._url = f"{url.rstrip('/')}/bot{token}/sendMessage"
        self._chat = chat
        self._seconds = seconds
        self._http = open_http(url, seconds)

    async def send(self, delivery: Delivery) -> None:
        text = delivery.text[:MOST_LETTERS]
        told = {"chat_id": self._chat, "text": text, "link_preview_options": {"is_disabled": True}}
        headers = {"Content-Type": "application/json"}
        status, _, body = await post(self._http, self._url, orjson.dumps(told), headers, self._seconds)
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise DeliveryFailed(f"Telegram answered {status}, and no JSON object")
        if answer.get("ok") is True:
            return
        more = answer.get("parameters")
        wait = more.get("retry_after") if isinstance(more, dict) else None
        raise DeliveryFailed(
            f"Telegram answered {status}: {str(answer.get('description', 'no reason'))[:200]}",
            retry_after=min(float(wait), MOST_WAIT) if isinstance(wait, int | float) and wait >= 0 else None,
        )

    async def close(self) -> None:
        await self._http.aclose()
