"""A machine with every role that was put together and has not met anybody yet."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import SecretStr

from shared.settings import Settings
from tests.machine.test_life import Reel
from workers.life import Machine
from workers.machine import ROLES, build


def make_settings() -> Settings:
    """Of a project that nobody answers for."""
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        supabase_url="http://127.0.0.1:1",
        SUPABASE_PUBLISHABLE_KEY=SecretStr("sb_publishable_x"),
        supabase_jwt_secret=SecretStr("super-secret-jwt-token-with-at-least-32-characters-long"),
        sigtrail_seal_key=SecretStr(base64.b64encode(bytes(32)).decode()),
        sigtrail_metrics_port=0,
    )


@asynccontextmanager
async def build_whole(folder: Path) -> AsyncIterator[Machine]:
    """The machine; what it opened is closed at the end."""
    machine = await build(
        make_settings(),
        feed=Reel(1),
        replaying=False,
        roles=ROLES,
        state=folder,
        observed=True,
        shared="binance",
    )
    try:
        yield machine
    finally:
        machine.stop()
        await machine.run()
