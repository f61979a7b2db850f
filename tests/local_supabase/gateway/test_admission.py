"""The rule of API keys, as a pure function and through the gateway."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.local_supabase.gateway.admission import (
    INVALID_KEY,
    NO_KEY,
    UNREGISTERED_KEY,
    Admission,
    Refusal,
)
from scripts.local_supabase.gateway.asgi import Headers
from scripts.local_supabase.keys import Keys
from tests.local_supabase.gateway.conftest import Gateway

KEYS = Keys.create()
ADMISSION = Admission(KEYS)


def headers_of(**named: str) -> Headers:
    return [(name.encode(), value.encode()) for name, value in named.items()]


def role_of(admitted: Headers | Refusal) -> Any:
    assert not isinstance(admitted, Refusal)
    tokens = [value for name, value in admitted if name == b"authorization"]
    assert len(tokens) == 1
    return KEYS.verify(tokens[0].decode().removeprefix("Bearer "))["role"]


@pytest.mark.parametrize(
    ("key", "role"),
    [(KEYS.publishable, "anon"), (KEYS.secret, "service_role")],
    ids=["publishable", "secret"],
)
def test_an_opaque_key_stands_for_a_role(key: str, role: str) -> None:
    assert role_of(ADMISSION.admit(headers_of(apikey=key), b"")) == role
    assert role_of(ADMISSION.admit(headers_of(apikey=key, authorization=f"Bearer {key}"), b"")) == role
    assert role_of(ADMISSION.admit([], b"select=*&apikey=" + key.encode())) == role


def test_the_apikey_decides_when_the_bearer_is_another_opaque_key() -> None:
    headers = headers_of(apikey=KEYS.publishable, authorization=f"Bearer {KEYS.secret}")
    assert role_of(ADMISSION.admit(headers, b"")) == "anon"


@given(st.sampled_from([KEYS.publishable, KEYS.secret]), st.text(st.characters(codec="ascii"), min_size=1))
def test_any_other_authorization_passes_untouched(key: str, authorization: str) -> None:
    headers = [(b"authorization", authorization.encode()), (b"apikey", key.encode()), (b"x", b"y")]
    if not authorization.startswith("Bearer sb_"):
        assert ADMISSION.admit(headers, b"") == headers


def test_a_key_that_is_a_token_speaks_for_itself() -> None:
    token = KEYS.token("signal_worker", machine_id="vyx-1")
    admitted = ADMISSION.admit(headers_of(apikey=token), b"")
    assert role_of(admitted) == "signal_worker"
    assert role_of(ADMISSION.admit(headers_of(apikey=token), b"")) == "signal_worker"


def test_a_token_is_no_key_once_it_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    token = KEYS.token("anon", lifetime=10)
    admission = Admission(KEYS)
    assert not isinstance(admission.admit(headers_of(apikey=token), b""), Refusal)
    later = time.time() + 11
    monkeypatch.setattr(time, "time", lambda: later)
    # PyJWT asks datetime for the time, which cannot be set: what is remembered must have run out by itself.
    monkeypatch.setattr(Keys, "verify", lambda *_: _raise(jwt.ExpiredSignatureError("too old")))
    assert admission.admit(headers_of(apikey=token), b"") == INVALID_KEY


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("headers", "refusal"),
    [
        ([], NO_KEY),
        (headers_of(authorization=f"Bearer {KEYS.token('anon')}"), NO_KEY),
        (headers_of(apikey="sb_publishable_nobodys"), UNREGISTERED_KEY),
        (headers_of(apikey="sb_secret_nobodys", authorization="Bearer x"), UNREGISTERED_KEY),
        (headers_of(apikey=Keys.create().sign({"role": "anon"})), INVALID_KEY),
        (headers_of(apikey="anything"), INVALID_KEY),
    ],
)
def test_who_is_not_let_in(headers: Headers, refusal: Refusal) -> None:
    assert ADMISSION.admit(headers, b"") == refusal


def test_many_keys_do_not_fill_the_memory() -> None:
    admission = Admission(KEYS)
    for number in range(1100):
        admission.admit(headers_of(apikey=KEYS.mint({"role": "anon", "n": number})), b"")
    assert len(admission._known_tokens) <= 1024


def test_where_no_key_is_asked_for_a_wrong_one_is_still_refused() -> None:
    assert ADMISSION.admit([], b"", key_required=False) == []
    wrong = headers_of(apikey="sb_secret_nobodys")
    assert ADMISSION.admit(wrong, b"", key_required=False) == UNREGISTERED_KEY


def test_a_socket_carries_a_token_in_place_of_its_opaque_key() -> None:
    query = ADMISSION.admit_socket([], f"apikey={KEYS.publishable}&vsn=1.0.0".encode())
    assert isinstance(query, bytes)
    values = parse_qs(query.decode())
    assert values["vsn"] == ["1.0.0"]
    assert KEYS.verify(values["apikey"][0])["role"] == "anon"


def test_a_socket_may_name_its_key_in_a_header() -> None:
    query = ADMISSION.admit_socket(headers_of(apikey=KEYS.secret), b"vsn=2.0.0")
    assert isinstance(query, bytes)
    assert KEYS.verify(parse_qs(query.decode())["apikey"][0])["role"] == "service_role"


def test_a_socket_with_a_token_is_for_the_realtime_server_to_judge() -> None:
    assert ADMISSION.admit_socket([], b"apikey=a.b.c&vsn=1.0.0") == b"apikey=a.b.c&vsn=1.0.0"


def test_sockets_that_are_not_let_in() -> None:
    assert ADMISSION.admit_socket([], b"vsn=1.0.0") == NO_KEY
    assert ADMISSION.admit_socket([], b"apikey=sb_publishable_nobodys") == UNREGISTERED_KEY


async def test_a_refusal_reads_like_the_hosted_one(gateway: Gateway) -> None:
    answer = await gateway.request("GET", "/rest/v1/signals", headers={})
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    }
