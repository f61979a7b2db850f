"""One question to a server that speaks OpenAI's chat completions over HTTP, and every way in which that ends.

The server is not trusted: how much it may send and how long that may take is bounded, redirects are not
followed (they would take the key along), and its words are cleaned of secrets before anyone sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from shared.errors import SigtrailError
from shared.redaction import redact
from workers.analysis.answer import plain
from workers.analysis.choice import ModelSettings

# No verdict needs more; a server that sends more is broken, or means harm.
MOST_BYTES = 256 * 1024
LONGEST_CONTENT = 16 * 1024
LONGEST_MESSAGE = 300
MOST_TOKENS = 10**9


class AskFailed(SigtrailError):
    """There is no answer. `may_be_charged`: it may have been made, and paid for, without reaching us.
    `retry_after`: seconds that the server wants to be left alone, where it said so."""

    def __init__(self, message: str, *, may_be_charged: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.may_be_charged = may_be_charged
        self.retry_after = retry_after


class Misconfigured(AskFailed):
    """No question will be answered before a person changes something: the key, the model, the address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_be_charged=False)


class QuestionRefused(AskFailed):
    """The server answers others, and not this question."""

    def __init__(self, message: str) -> None:
        super().__init__(message, may_be_charged=False)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as the server gave it. `problem` says why it has no content that can be used. Tokens are None
    where the server did not count them."""

    model: str = ""
    content: str | None = None
    refusal: str | None = None
    problem: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def to_json(self) -> dict[str, Any]:
        """What is stored of it."""
        told = {
            "model": self.model,
            "content": self.content,
            "refusal": self.refusal,
            "problem": self.problem,
        }
        return {name: value for name, value in told.items() if value is not None}


class Completions:
    """A client of one server, for one model. `transport` replaces the network, for tests."""

    def __init__(self, settings: ModelSettings, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._settings = settings
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if settings.key is not None:
            headers["Authorization"] = f"Bearer {settings.key}"
        self._http = httpx.AsyncClient(
            headers=headers,
            follow_redirects=False,
            timeout=httpx.Timeout(settings.timeout, connect=min(settings.timeout, 5.0)),
            limits=httpx.Limits(max_connections=settings.parallel + 1, keepalive_expiry=60.0),
            trust_env=settings.url.startswith("https://"),
            transport=transport,
        )

    async def ask(self, request: Mapping[str, Any], idempotency_key: str, seconds: float) -> Completion:
        """Send one question and wait `seconds` at most for the whole answer. Raises AskFailed."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        body = orjson.dumps(request)
        status, got, data = await self._send("POST", "/chat/completions", headers, body, seconds)
        if data is None:
            return Completion(self._settings.model, problem=f"the answer is larger than {MOST_BYTES} bytes")
        if status != 200:
            raise self._explain(status, got, data)
        return self._read(data)

    async def list_models(self, seconds: float = 10.0) -> list[str] | None:
        """The models that the server offers, None where it does not tell: it costs nothing, and proves the
        address and the key. Raises AskFailed and its kinds."""
        status, got, data = await self._send("GET", "/models", {}, b"", seconds)
        if status in (404, 405, 501) or data is None:
            return None
        if status != 200:
            raise self._explain(status, got, data)
        with suppress(orjson.JSONDecodeError, KeyError, TypeError):
            return [str(one["id"]) for one in orjson.loads(data)["data"]]
        raise Misconfigured(
            f"{self._settings.host} does not speak OpenAI's interface: look at SIGTRAIL_ANALYST_URL"
        )

    async def close(self) -> None:
        """Close the sockets."""
        await self._http.aclose()

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> tuple[int, httpx.Headers, bytes | None]:
        """Status, headers and body; the body is None when it is larger than it may be."""
        url = f"{self._settings.url}{path}"
        parts: list[bytes] = []
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream(method, url, headers=headers, content=body) as response,
            ):
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise AskFailed("the answer is packed, though nobody asked for that", may_be_charged=True)
                async for part in response.aiter_raw():
                    parts.append(part)
                    if sum(map(len, parts)) > MOST_BYTES:
                        return response.status_code, response.headers, None
                return response.status_code, response.headers, b"".join(parts)
        except TimeoutError as error:
            raise AskFailed(f"no whole answer within {seconds:g} s", may_be_charged=True) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise AskFailed(
                f"{self._settings.host} cannot be reached: {_clean(str(error))}", may_be_charged=False
            ) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            why = _clean(str(error)) or type(error).__name__
            raise AskFailed(f"the connection broke: {why}", may_be_charged=True) from error

    def _explain(self, status: int, headers: httpx.Headers, data: bytes) -> AskFailed:
        host = self._settings.host
        if status in (401, 403):
            # Not in the server's words: some repeat the key.
            return Misconfigured(f"{host} refuses the key ({status}): look at SIGTRAIL_ANALYST_KEY")
        if 300 <= status < 400:
            where = urlsplit(headers.get("Location", "")).netloc
            return Misconfigured(
                f"{host} redirects to {_clean(where) or 'nowhere'} ({status}), where the key does not go: "
                "look at SIGTRAIL_ANALYST_URL"
            )
        said = _message(data)
        if status == 404:
            return Misconfigured(
                f"{host} does not know the model {self._settings.model} or the address (404{said}): "
                "look at SIGTRAIL_ANALYST_MODEL and SIGTRAIL_ANALYST_URL"
            )
        if status == 402:
            return Misconfigured(f"{host} wants to be paid (402{said})")
        if status in (408, 409, 425, 429) or status >= 500:
            return AskFailed(
                f"{host} does not answer now ({status}{said})",
                # Behind a gateway's 502 or 504 the model may have written all of it.
                may_be_charged=status in (408, 502, 504) or status > 504,
                retry_after=_retry_after(headers.get("Retry-After")),
            )
        return QuestionRefused(f"{host} refuses the question ({status}{said})")

    def _read(self, data: bytes) -> Completion:
        """The completion in a body of status 200. What is no JSON document did not come whole."""
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise AskFailed("the answer is no whole JSON document", may_be_charged=True) from error
        if not isinstance(body, dict):
            return Completion(self._settings.model, problem="the answer is no JSON object")
        if body.get("error"):
            raise AskFailed(
                f"{self._settings.host} answers with an error{_message(data)}", may_be_charged=False
            )
        usage = body.get("usage")
        counted = usage if isinstance(usage, dict) else {}
        model = body.get("model")
        return replace(
            _read_choice(body.get("choices")),
            model=_clean(model) if isinstance(model, str) and model else self._settings.model,
            prompt_tokens=_count(counted.get("prompt_tokens")),
            completion_tokens=_count(counted.get("completion_tokens")),
        )


def _read_choice(choices: Any) -> Completion:
    """Content, refusal or problem of the first choice."""
    if not isinstance(choices, list) or not choices:
        return Completion(problem="the answer has no choices")
    first = choices[0] if isinstance(choices[0], dict) else {}
    message = first.get("message")
    if not isinstance(message, dict):
        return Completion(problem="the answer has no message")
    if isinstance(message.get("refusal"), str) and message["refusal"]:
        return Completion(refusal=_clean(message["refusal"]))
    if first.get("finish_reason") == "content_filter":
        return Completion(refusal="the server's content filter held the answer back")
    content = message.get("content")
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(content, str) or not content.strip():
        calls = (
            "it calls tools that it was not given" if message.get("tool_calls") else "its message is empty"
        )
        return Completion(problem=calls)
    if first.get("finish_reason") == "length":
        return Completion(problem="the answer was cut off at SIGTRAIL_ANALYST_ANSWER_TOKENS")
    if len(content) > LONGEST_CONTENT:
        return Completion(problem=f"the message has more than {LONGEST_CONTENT} letters")
    return Completion(content=redact(content))


def _count(given: Any) -> int | None:
    return given if type(given) is int and 0 <= given <= MOST_TOKENS else None


def _message(data: bytes) -> str:
    """What the server says about an error, for a bracket; empty when it says nothing that can be read."""
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        said = orjson.loads(data)["error"]["message"]
        return f": {_clean(said)}" if isinstance(said, str) and said else ""
    return ""


def _clean(said: str) -> str:
    """A server's words in one line, without secrets: redacted before they are cut."""
    return plain(redact(said[:MOST_BYTES]))[:LONGEST_MESSAGE]


def _retry_after(given: str | None) -> float | None:
    """Seconds, from seconds or a date."""
    if not given:
        return None
    if given.strip().isdigit():
        return float(given.strip()[:9])
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return None
    moment = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
