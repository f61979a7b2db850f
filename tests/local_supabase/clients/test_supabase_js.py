"""The same journey with the unmodified supabase-js, under Deno."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from scripts.local_supabase.functions import find_deno
from scripts.local_supabase.settings import CHECKOUT
from tests.local_supabase.clients.conftest import PASSWORD
from tests.stacks import Stack

INSTALLED = CHECKOUT / "node_modules" / "@supabase" / "supabase-js"


@pytest.mark.skipif(not INSTALLED.is_dir(), reason="supabase-js is not installed: run `npm ci`")
async def test_a_page_signs_up_reads_listens_and_leaves(notes: Stack, email: str) -> None:
    process = await asyncio.create_subprocess_exec(
        str(find_deno()),
        *("run", "--quiet", "--no-prompt", "--no-lock", "--cached-only", "--node-modules-dir=manual"),
        *("--allow-net=127.0.0.1", "--allow-env", "--allow-read", "--allow-sys"),
        str(Path(__file__).with_name("journey.ts")),
        *(notes.url, notes.publishable_key, notes.secret_key, email, PASSWORD),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env={"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "HOME": os.environ.get("HOME", "/")},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(output) == {
        "anonymous": "42501",
        "signUp": [email, "Ada"],
        "weak": "weak_password",
        "taken": "user_already_exists",
        "signIn": True,
        "wrong": "invalid_credentials",
        "profile": {"email": email},
        "insert": [["one", True], ["two", True]],
        "count": 2,
        "rpc": 1,
        "refusedByCheck": "23514",
        "subscribed": "SUBSCRIBED",
        "sent": "ok",
        "heard": {"note": ["listen"], "own": [{"said": "by itself"}]},
        "function": ["authenticated", True, {"a": 1}],
        "functionFailed": ["FunctionsHttpError", "as asked"],
        "refreshed": True,
        "claims": True,
        "afterRefresh": [{"body": "one"}, {"body": "two"}, {"body": "listen"}],
        "update": "dark",
        "adminList": 2,
        "adminDelete": None,
        "notAdmin": "not_admin",
        "signOut": None,
        "afterSignOut": "42501",
        # auth-js's own error for the server's session_not_found.
        "tokenOfEndedSession": "AuthSessionMissingError",
    }
