"""The file that tells everything else where the stack is: `env` in its state folder."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from scripts.local_supabase.settings import HOST, Settings


def variables(settings: Settings) -> dict[str, str]:
    """What a program needs to use this stack as its Supabase project."""
    venue = {
        "SIGTRAIL_VENUE_RESOLVER": f"{HOST}:{settings.venue_port}",
        "SIGTRAIL_VENUE_CA": str(settings.venue_folder / "ca.pem"),
    }
    return {
        **(venue if settings.venue else {}),
        "SUPABASE_URL": settings.url,
        "SUPABASE_DB_URL": settings.db_url,
        "SUPABASE_PUBLISHABLE_KEY": settings.keys.publishable,
        "SUPABASE_SECRET_KEY": settings.keys.secret,
        "SUPABASE_JWT_SECRET": settings.keys.jwt_secret,
    }


def write_environment(settings: Settings) -> Path:
    """Write the file (mode 600). Lines that somebody added stay; these two keys are made once and kept."""
    file = settings.root / "env"
    kept: dict[str, str] = {}
    if file.exists():
        lines = (line.partition("=") for line in file.read_text().splitlines())
        kept = {name.strip(): value for name, sign, value in lines if sign}
    # One goes on signing the chain of seals, the other opens the exchange keys that it sealed: for this
    # database they hold for good.
    kept.setdefault("SIGTRAIL_SEAL_KEY", base64.b64encode(secrets.token_bytes(32)).decode())
    kept.setdefault("SIGTRAIL_MASTER_KEY", base64.b64encode(secrets.token_bytes(32)).decode())
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as text:
        text.writelines(f"{name}={value}\n" for name, value in (kept | variables(settings)).items())
    draft.replace(file)
    return file
