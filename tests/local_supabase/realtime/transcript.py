"""The golden transcripts: what clients sent to the real server, and what it sent back."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jwt

FOLDER = Path(__file__).parent / "golden" / "scenarios"
OTHER_SECRET = "another-secret-that-is-also-at-least-32-characters-long"


@dataclass(frozen=True)
class Transcript:
    name: str

    @cached_property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (FOLDER / f"{self.name}.jsonl").read_text().splitlines()]

    @property
    def resets(self) -> bool:
        """Whether it begins with empty tables, and so cannot run beside others."""
        return bool(self.lines[0]["reset"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        return self.lines[1:]

    @property
    def optional_at_the_end(self) -> list[str]:
        return list(self.lines[0].get("optional_in_last_window", []))


def transcripts() -> list[Transcript]:
    return [Transcript(file.stem) for file in sorted(FOLDER.glob("*.jsonl"))]


def mint(spec: str, secret: str) -> str:
    """The token that `<jwt:SPEC>` stands for."""
    now = int(time.time())
    match spec:
        case "garbage":
            return "not.a.jwt"
        case "bad-signature":
            return jwt.encode({"role": "anon", "exp": now + 3600}, OTHER_SECRET)
        case "expired":
            return jwt.encode({"role": "anon", "exp": now - 60}, secret)
        case "no-role":
            return jwt.encode({"exp": now + 3600}, secret)
        case "no-exp":
            return jwt.encode({"role": "anon"}, secret)
    identity, _, life = spec.partition(",exp=")
    role, _, sub = identity.partition(":")
    claims: dict[str, Any] = {"role": role, "exp": now + int(life or 3600)}
    return jwt.encode(claims | ({"sub": sub} if sub else {}), secret)
