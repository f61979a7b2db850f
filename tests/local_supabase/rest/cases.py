"""The cases recorded from PostgREST: how to send one, and how its answer differs from the recorded one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import jwt

from tests.local_supabase.rest.raw_http import Answer, send_raw

GOLDEN = Path(__file__).parent / "golden"
SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"

# What clients act on; other headers are told apart as well, but under `other_headers`.
_COMPARED = (
    "content-type",
    "content-range",
    "preference-applied",
    "www-authenticate",
    "location",
    "allow",
    "cache-control",
    "x-tea",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
)
_OTHERS = ("content-location", "content-profile", "proxy-status")


@dataclass(frozen=True)
class Case:
    name: str
    steps: tuple[tuple[dict[str, Any], dict[str, Any]], ...]
    compare: str | None
    estimate: bool

    @property
    def group(self) -> str:
        return self.name.partition("/")[0]


def read_cases() -> list[Case]:
    cases = []
    for line in (GOLDEN / "cases.jsonl").read_text().splitlines():
        case = json.loads(line, parse_float=Decimal)
        after = [(step["request"], step["response"]) for step in case.get("after", [])]
        cases.append(
            Case(
                name=case["name"],
                steps=((case["request"], case["response"]), *after),
                compare=case.get("compare"),
                estimate="estimate" in case.get("note", ""),
            )
        )
    return cases


def token(request: dict[str, Any]) -> str | None:
    """The token that the recorded role stands for."""
    now = int(time.time())
    kind, _, sub = request.get("role", "none").partition(":")
    secret = SECRET
    match kind:
        case "none" | "raw":
            return None
        case "authenticated":
            claims: dict[str, Any] = {"role": kind, "sub": sub, "exp": now + 3600}
        case "bad-jwt":
            claims, secret = {"role": "authenticated", "exp": now + 3600}, "x" * 32
        case "expired-jwt":
            claims = {"role": "authenticated", "exp": now - 600}
        case "claims":
            claims = {name: _relative(value, now) for name, value in request["claims"].items()}
        case role:
            claims = {"role": role, "exp": now + 3600}
    # Signed by hand: PyJWT refuses to write some of the wrong claims.
    return jwt.api_jws.encode(json.dumps(claims, default=float).encode(), secret, algorithm="HS256")


def _relative(value: Any, now: int) -> Any:
    if isinstance(value, str) and value.startswith("now"):
        return now + int(value.removeprefix("now") or 0)
    return value


async def send(port: int, request: dict[str, Any]) -> Answer:
    headers = list(request.get("headers", {}).items())
    signed = token(request)
    if signed is not None:
        headers.append(("authorization", f"Bearer {signed}"))
    body: bytes | None = None
    if "body" in request:
        body = json.dumps(request["body"], default=_number).encode()
    elif "body_text" in request:
        body = request["body_text"].encode()
    elif "body_hex" in request:
        body = bytes.fromhex(request["body_hex"])
    return await send_raw(port, request["method"], request["path"], headers, body)


def _number(value: Decimal) -> float:
    return float(value)


def differences(case: Case, recorded: dict[str, Any], answer: Answer) -> Iterator[str]:
    """What differs from the recorded answer, a line each."""
    if recorded["status"] != answer.status:
        yield f"status {recorded['status']} was {answer.status}: {answer.body[:500]!r}"
    expected = recorded.get("headers", {})
    for name in _COMPARED:
        wanted, got = expected.get(name), answer.headers.get(name)
        if case.estimate and name == "content-range" and wanted and got:
            wanted, got = wanted.rpartition("/")[0], got.rpartition("/")[0]
        if wanted != got:
            yield f"header {name} {wanted!r} was {got!r}"
    for name in _OTHERS:
        wanted = recorded.get("other_headers", {}).get(name)
        # PostgREST encodes letters beyond ASCII twice there (UTF-8 taken for Latin-1).
        if name == "content-location" and wanted and "%C3%83" in wanted:
            continue
        if wanted != answer.headers.get(name):
            yield f"header {name} {wanted!r} was {answer.headers.get(name)!r}"
    yield from _body_differences(case, recorded, answer.body)


def _body_differences(case: Case, recorded: dict[str, Any], body: bytes) -> Iterator[str]:
    if case.compare == "root":
        subset = recorded.get("body_subset")
        if subset is not None:
            document = json.loads(body)
            missing = set(subset["paths_include"]) - set(document["paths"])
            if document["swagger"] != subset["swagger"] or missing:
                yield f"the OpenAPI document lacks {sorted(missing)}"
        return
    if "body" in recorded:
        try:
            got = json.loads(body, parse_float=Decimal)
        except json.JSONDecodeError:
            got = body
        if _exact(got) != _exact(recorded["body"]):
            yield f"body {recorded['body']!r} was {got!r}"
    elif "body_text" in recorded:
        if recorded["body_text"].encode() != body:
            yield f"body {recorded['body_text']!r} was {body!r}"
    elif "body_hex" in recorded:
        if bytes.fromhex(recorded["body_hex"]) != body:
            yield f"body {recorded['body_hex']} was {body.hex()}"
    elif body:
        yield f"body was {body!r} instead of nothing"


def _exact(value: Any) -> Any:
    """Numbers count by their digits: 1.50 is not 1.5."""
    if isinstance(value, Decimal):
        return ("number", str(value))
    if isinstance(value, list):
        return [_exact(one) for one in value]
    if isinstance(value, dict):
        return {key: _exact(one) for key, one in value.items()}
    return value
