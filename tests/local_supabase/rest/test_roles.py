"""Requests run as the role of their token, with that role's settings, and as nobody else."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from scripts.local_supabase.cluster import Cluster
from tests.local_supabase.rest.conftest import Rest, rest_settings, running_rest, token
from tests.local_supabase.rest.raw_http import send_raw
from tests.waiting import until

PRIVATE = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
async def signing(cluster: Cluster, scratch_database: str) -> AsyncIterator[Rest]:
    """A server that also knows a public key."""
    public = ECAlgorithm.to_jwk(PRIVATE.public_key(), as_dict=True)
    settings = rest_settings(
        cluster, scratch_database, jwks=(public | {"kid": "known", "alg": "ES256", "use": "sig"},)
    )
    async with running_rest(cluster, settings, scratch_database) as server:
        yield server


async def _who(rest: Rest, bearer: str) -> tuple[int, Any]:
    answer = await send_raw(rest.port, "GET", "/rpc/who", [("authorization", f"Bearer {bearer}")])
    return answer.status, json.loads(answer.body)


async def _expired(rest: Rest, bearer: str) -> bool:
    status, body = await _who(rest, bearer)
    return status == 401 and body["message"] == "JWT expired"


def _signed(key: Any, kid: str | None, role: str = "rest_machine") -> str:
    headers = {} if kid is None else {"kid": kid}
    claims = {"role": role, "exp": int(time.time()) + 60}
    return jwt.encode(claims, key, algorithm="ES256", headers=headers)


async def test_a_granted_role_of_the_database_is_a_role_of_tokens(rest: Rest) -> None:
    status, who = await _who(rest, token("rest_machine", machine_id="vyx-63eea370"))
    assert (status, who["role"], who["machine"]) == (200, "rest_machine", "vyx-63eea370")
    assert (await rest.send("GET", "/machines_only", role="rest_machine")).status == 200
    assert (await rest.send("GET", "/machines_only", role="anon")).status == 401
    assert (await rest.send("GET", "/machines_only", role="rest_hurried")).status == 403


@pytest.mark.parametrize("role", ["rest_stranger", "supabase_admin", "authenticator; reset role", '"'])
async def test_a_role_that_is_not_granted_is_refused(rest: Rest, role: str) -> None:
    status, body = await _who(rest, token(role))
    assert (status, body["code"]) in [(403, "42501"), (401, "22023")]


async def test_a_user_token_is_verified_by_its_public_key(signing: Rest) -> None:
    assert (await _who(signing, _signed(PRIVATE, "known")))[0] == 200
    assert (await _who(signing, _signed(PRIVATE, None)))[0] == 200
    assert (await _who(signing, token("rest_machine")))[0] == 200


@pytest.mark.parametrize(("key", "kid"), [(OTHER, "known"), (OTHER, None), (PRIVATE, "unknown")])
async def test_a_token_of_another_key_is_refused(signing: Rest, key: Any, kid: str | None) -> None:
    status, body = await _who(signing, _signed(key, kid))
    assert (status, body["code"]) == (401, "PGRST301")


async def test_a_public_key_does_not_pass_as_the_secret(signing: Rest) -> None:
    public = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = [b'{"alg": "HS256", "kid": "known"}', b'{"role": "rest_machine"}']
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = urlsafe_b64encode(hmac.digest(public, signed, "sha256")).rstrip(b"=")
    forged = (signed + b"." + signature).decode()
    assert (await _who(signing, forged))[0] == 401


async def test_a_token_that_expires_is_refused_though_it_was_seen_before(rest: Rest) -> None:
    # Within the tolerated difference of clocks, and a moment after it.
    expiring = token("rest_machine", exp=int(time.time()) - 28)
    first = await _who(rest, expiring)
    assert first[0] == 200, first
    assert await until(lambda: _expired(rest, expiring))


async def test_a_refused_role_does_not_spoil_what_was_prepared(rest: Rest) -> None:
    # A statement that would have been prepared behind a refused role was not, and must not be taken for it.
    for _ in range(8):
        assert (await _who(rest, token("nobody")))[0] == 401
        assert (await _who(rest, token("rest_machine")))[0] == 200
    for _ in range(8):
        assert (await _who(rest, token("nobody")))[0] == 401
    for _ in range(8):
        assert (await _who(rest, token("rest_machine")))[0] == 200


async def test_settings_of_the_role_hold_for_its_requests(rest: Rest) -> None:
    _, hurried = await _who(rest, token("rest_hurried"))
    assert (hurried["timeout"], hurried["isolation"]) == ("50ms", "serializable")
    _, machine = await _who(rest, token("rest_machine"))
    assert (machine["timeout"], machine["isolation"]) == ("8s", "read committed")


@pytest.mark.parametrize(
    ("function", "role"), [("wait_for", "rest_hurried"), ("wait_briefly", "rest_machine")]
)
async def test_a_statement_that_takes_too_long_is_ended(rest: Rest, function: str, role: str) -> None:
    await rest.admin.execute("select pg_advisory_lock(72)")
    try:
        answer = await rest.send("POST", f"/rpc/{function}", {"lock": 72}, role=role)
    finally:
        await rest.admin.execute("select pg_advisory_unlock(72)")
    assert (answer.status, json.loads(answer.body)["code"]) == (500, "57014")


async def test_reads_cannot_write(rest: Rest) -> None:
    answer = await rest.send("GET", "/rpc/who", role="rest_machine")
    assert json.loads(answer.body)["read_only"] == "on"
    assert (await rest.send("GET", "/rpc/answer_with?status=200&headers=%5B%5D")).status == 200
