"""One web server of the stack, in a process of its own.

python -m scripts.local_supabase.serve NAME STATE_FOLDER
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import uvicorn

from scripts.local_supabase.settings import HOST, Settings

# Where each server's `create_app(settings)` is.
APPS = {
    "api": "scripts.local_supabase.gateway.app",
    "realtime": "scripts.local_supabase.realtime.app",
}
# What the real server closes a socket for, with code 1009.
LARGEST_FRAME = 5_000_000


def main(name: str, root: str) -> None:
    settings = Settings.load(Path(root))
    ports = {"api": settings.api_port, "realtime": settings.realtime_port}
    app = importlib.import_module(APPS[name]).create_app(settings)
    uvicorn.run(
        app,
        host=HOST,
        port=ports[name],
        loop="uvloop",
        http="httptools",
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,
        # The clients send heartbeats of their own; the real server sends no pings.
        ws_ping_interval=None,
        backlog=4096,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
