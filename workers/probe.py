"""Asks the machine of this container how it is: exit status 0 when it is well, else 1 and its reasons."""

from __future__ import annotations

import os
import sys

import httpx
import orjson

from workers.endpoint import FIRST_PORT

SECONDS = 4.0


def probe(port: int) -> list[str]:
    """What is wrong; nothing when all is well."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=SECONDS, trust_env=False)
        told = orjson.loads(answer.content)
    except (httpx.HTTPError, orjson.JSONDecodeError) as error:
        return [f"/healthz does not answer ({type(error).__name__})"]
    return [] if answer.status_code == 200 else [str(one) for one in told["reasons"]]


if __name__ == "__main__":
    wrong = probe(int(os.environ.get("SIGTRAIL_METRICS_PORT") or FIRST_PORT))
    for one in wrong:
        print(one, file=sys.stderr)
    sys.exit(1 if wrong else 0)
