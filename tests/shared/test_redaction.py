"""A concealed secret is in no text that leaves the process: not whole, not in part, not encoded."""

from __future__ import annotations

import base64
import io
import json
import logging
import subprocess
import sys
import urllib.parse

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared import log, redaction
from shared.redaction import conceal, forms, redact, redact_all
from shared.settings import CHECKOUT

SECRET = "kX9+vQ/2mZ7=pL4wT8&yR1"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_pieces", set())
    monkeypatch.setattr(redaction, "_short", set())


def shows(text: str, secret: str, window: int = 12) -> bool:
    """Whether a window of the secret, or of one of its forms, is in the text."""
    pieces = {form[at : at + window] for form in forms(secret) for at in range(len(form) - window + 1)}
    return any(piece in text for piece in pieces)


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        urllib.parse.quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"key:{SECRET}".encode()).decode(),
        base64.b64encode(f"a-key:{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"mykey:{SECRET}!".encode()).decode(),
    ],
)
def test_an_echo_in_any_encoding_is_taken_out(echo: str) -> None:
    conceal([SECRET])
    said = redact(f"the venue said: {echo} was wrong")
    assert not shows(said, SECRET)
    # What stands before and after the secret in its encoding may stay.
    inner = echo[9:-4]
    assert not [at for at in range(len(inner) - 8) if inner[at : at + 8] in said]
    assert said.startswith("the venue said: ")
    assert said.endswith(" was wrong")


@given(st.data())
def test_a_piece_of_a_secret_is_taken_out_wherever_it_was_cut(data: st.DataObject) -> None:
    conceal([SECRET])
    start = data.draw(st.integers(0, len(SECRET) - 8))
    end = data.draw(st.integers(start + 8, len(SECRET)))
    before, after = data.draw(st.text(max_size=20)), data.draw(st.text(max_size=20))
    assert SECRET[start:end] not in redact(before + SECRET[start:end] + after)


@given(st.text())
def test_other_texts_stay_as_they_are(text: str) -> None:
    conceal([SECRET])
    assert redact(text) == text


def test_a_short_passphrase_is_taken_out_whole() -> None:
    conceal(["hunter2"])
    assert redact("the passphrase hunter2 is wrong") == "the passphrase [redacted] is wrong"


def test_a_process_that_holds_a_secret_leaves_no_core_file() -> None:
    code = (
        "import resource\n"
        "from shared.redaction import conceal\n"
        "conceal(['a-secret-of-somebody'])\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "(0, 0)\n"


def test_texts_inside_of_other_things_are_found() -> None:
    conceal([SECRET])
    nested = {"a": [SECRET, {"b": (SECRET,)}], SECRET: 1}
    assert not shows(json.dumps(redact_all(nested)), SECRET)


@pytest.mark.parametrize("as_json", [True, False])
def test_the_log_shows_no_secret(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    log.setup(json=as_json, stream=out)
    conceal([SECRET])
    logger = structlog.get_logger("test")

    def fail(secret: str) -> None:
        local = f"local {secret}"
        raise ValueError(f"echo of {local}")

    try:
        fail(SECRET)
    except ValueError as error:
        logger.exception("it_failed", nested={"request": [SECRET]}, error=error, secret=SECRET.encode())
        logging.getLogger("some.library").exception("request %s failed", SECRET)
    structlog.reset_defaults()
    said = out.getvalue()
    assert "it_failed" in said
    assert "some.library" in said
    assert not shows(said, SECRET)
