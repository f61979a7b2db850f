"""The process `functions` of a stack: Deno with the edge functions of the project.

The supervisor runs `command(settings)` with `environment(settings)`; the rest happens in functions_main.ts,
which gives each function a process of its own. A project without functions is served too: every name is 404.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.settings import Settings

MAIN = Path(__file__).with_name("functions_main.ts")
# The keys that stand for roles are JWTs in what older functions read; they live as long as a stack may.
_KEY_SECONDS = 10 * 365 * 24 * 3600
# Of the machine's environment: what Deno itself needs to find its cache and the npm registry.
_INHERITED = ("HOME", "PATH", "TMPDIR", "LANG", "TZ", "DENO_DIR", "XDG_CACHE_HOME", "NO_PROXY")
_INHERITED_PREFIXES = ("NPM_CONFIG_", "npm_config_", "SSL_CERT", "HTTP_PROXY", "HTTPS_PROXY", "DENO_")
_CONFIG_KEYS = ("enabled", "verify_jwt", "entrypoint", "import_map")


def find_deno() -> Path:
    """Deno as it was installed beside this Python, or else anywhere on the path.

    Raises StackError if there is none.
    """
    beside = Path(sys.executable).with_name("deno")
    if beside.exists():
        return beside
    found = shutil.which("deno")
    if found is None:
        raise StackError("Deno is not installed: run `./scripts/install`, or have `deno` on the path.")
    return Path(found)


def command(settings: Settings) -> list[str]:
    """What runs the functions of this stack, in the foreground, on settings.functions_port."""
    return [
        str(find_deno()),
        "run",
        "--quiet",
        "--no-prompt",
        "--no-config",
        "--no-lock",
        # A request's signal means that its client went away, not that it was answered.
        "--unstable-no-legacy-abort",
        "--allow-env",
        "--allow-net=127.0.0.1",
        "--allow-read",
        "--allow-run",
        "--allow-sys",
        str(MAIN),
    ]


def environment(settings: Settings) -> dict[str, str]:
    """The whole environment of that process: what every function may read, and what Deno needs."""
    keys = settings.keys
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    # Where a proxy signs for the npm registry, only the machine's own store knows its certificate.
    inherited.setdefault("DENO_TLS_CA_STORE", "system,mozilla")
    return inherited | {
        "DENO_NO_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        "SUPABASE_URL": settings.url,
        "SUPABASE_DB_URL": settings.db_url,
        "SUPABASE_ANON_KEY": keys.token("anon", lifetime=_KEY_SECONDS),
        "SUPABASE_SERVICE_ROLE_KEY": keys.token("service_role", lifetime=_KEY_SECONDS),
        "SUPABASE_PUBLISHABLE_KEYS": json.dumps({"default": keys.publishable}),
        "SUPABASE_SECRET_KEYS": json.dumps({"default": keys.secret}),
        "SUPABASE_JWKS": json.dumps(keys.jwks()),
        "LOCAL_FUNCTIONS_CONFIG": json.dumps(
            {
                "port": settings.functions_port,
                "project": str(settings.project),
                "trust": {"secret": keys.jwt_secret, "jwks": keys.jwks()},
                "functions": read_function_configs(settings.project / "supabase" / "config.toml"),
            }
        ),
    }


def read_function_configs(path: Path) -> dict[str, dict[str, Any]]:
    """`[functions.<name>]` of config.toml, {} without the file.

    Raises StackError that names the function and the key if a value has the wrong type.
    """
    if not path.exists():
        return {}
    with path.open("rb") as file:
        tables = tomllib.load(file).get("functions", {})
    return {name: _read_function(name, table) for name, table in tables.items()}


def _read_function(name: str, table: dict[str, Any]) -> dict[str, Any]:
    read = {key: table[key] for key in _CONFIG_KEYS if key in table}
    for key, value in read.items():
        wanted = bool if key in ("enabled", "verify_jwt") else str
        if not isinstance(value, wanted):
            kind = "true or false" if wanted is bool else "a path"
            raise StackError(f"config.toml: functions.{name}.{key} must be {kind}, not {value!r}.")
    return read
