"""Storage with the unmodified supabase-js, under Deno."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from uuid import uuid4

import pytest

from scripts.local_supabase.functions import find_deno
from scripts.local_supabase.settings import CHECKOUT
from tests.local_supabase.storage.conftest import Storage

INSTALLED = CHECKOUT / "node_modules" / "@supabase" / "supabase-js"


@pytest.mark.skipif(not INSTALLED.is_dir(), reason="supabase-js is not installed: run `npm ci`")
async def test_a_page_keeps_reads_and_shares_files(storage: Storage) -> None:
    user, bucket = str(uuid4()), f"page-{uuid4().hex[:8]}"
    keys = storage.settings.keys
    process = await asyncio.create_subprocess_exec(
        str(find_deno()),
        *("run", "--quiet", "--no-prompt", "--no-lock", "--cached-only", "--node-modules-dir=manual"),
        *("--allow-net=127.0.0.1", "--allow-env", "--allow-read", "--allow-sys"),
        str(Path(__file__).with_name("journey.ts")),
        *(
            storage.settings.url,
            keys.publishable,
            keys.secret,
            keys.token("authenticated", user),
            user,
            bucket,
        ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=CHECKOUT,
        env={"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "HOME": os.environ.get("HOME", "/")},
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert json.loads(output) == {
        "created": {"name": bucket},
        "bucket": [False, 1_000_000, ["text/*", "image/png"]],
        "listed": 1,
        "noBucket": [400, "404", "NoSuchBucket"],
        "blob": ["folder/blob file.txt", f"{bucket}/folder/blob file.txt"],
        "text": "folder/raw.txt",
        "taken": [400, "409", "KeyAlreadyExists"],
        "upsert": None,
        "updated": None,
        "wrongType": [400, "415", "InvalidMimeType"],
        "tooLarge": [400, "413", "EntityTooLarge"],
        "wrongKey": [400, "400", "InvalidKey"],
        "downloaded": ["a blob", "updated"],
        "missing": [400, "404", "NoSuchKey"],
        "info": [6, "text/plain", {"made": "by a page"}, True],
        "exists": [True, False],
        "list": [["blob file.txt", "text/plain"], ["raw.txt", "text/plain;charset=UTF-8"]],
        "folders": [["folder", None]],
        "listV2": [["folder/"], 0, False],
        "copied": f"{bucket}/copy.txt",
        "moved": {"message": "Successfully moved"},
        "signed": [200, "updated", "attachment; filename=named.txt;"],
        "several": ["updated", True],
        "signedUpload": "tickets/one.txt",
        "closed": [400, "404", "NoSuchKey"],
        "public": "updated",
        "own": None,
        "foreign": [400, "403", "AccessDenied"],
        "visitor": [400, "404", "NoSuchKey"],
        "removed": 1,
        "notEmpty": [400, "409", "ResourceNotEmpty"],
        "emptied": None,
        "deleted": {"message": "Successfully deleted"},
        "image": [501, "501", "NotSupported"],
    }
