"""Keys are made once, stay the same, and verify what they signed and nothing else."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jwt
import pytest

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.keys import Keys


def test_the_api_keys_have_the_shape_of_hosted_ones() -> None:
    keys = Keys.create()
    assert re.fullmatch(r"sb_publishable_[\w-]{22}_[\w-]{8}", keys.publishable)
    assert re.fullmatch(r"sb_secret_[\w-]{22}_[\w-]{8}", keys.secret)


def test_they_are_made_once_even_by_many_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Keys.load_or_create(file), range(8)))
    assert all(keys == made[0] for keys in made)
    assert Keys.load_or_create(file) == made[0]
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_no_secret_shows_when_keys_are_printed() -> None:
    keys = Keys.create()
    assert keys.publishable in repr(keys)
    for secret in (keys.secret, keys.jwt_secret, keys.signing_key["d"]):
        assert secret not in repr(keys)


def test_the_shared_secret_comes_from_the_environment_if_it_is_long_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUPABASE_JWT_SECRET", "x" * 32)
    assert Keys.create().jwt_secret == "x" * 32
    monkeypatch.setenv("SUPABASE_JWT_SECRET", "short-and-secret")
    with pytest.raises(StackError, match="too short") as refused:
        Keys.create()
    assert "short-and-secret" not in str(refused.value)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_a_token_carries_its_claims(algorithm: str) -> None:
    keys = Keys.create()
    claims = {"role": "analyst", "machine_id": "vyx-1", "exp": int(time.time()) + 60}
    token = keys.mint(claims) if algorithm == "HS256" else keys.sign(claims)
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    assert keys.verify(token) == claims


def test_others_verify_users_tokens_by_the_public_key_set() -> None:
    keys = Keys.create()
    token = keys.sign({"role": "authenticated", "exp": int(time.time()) + 60})
    published = json.dumps(keys.jwks())
    assert keys.signing_key["d"] not in published
    found = jwt.PyJWKSet.from_json(published)[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, found.key, algorithms=["ES256"])["role"] == "authenticated"


def test_foreign_stale_and_unsigned_tokens_are_refused() -> None:
    keys, foreign = Keys.create(), Keys.create()
    claims = {"role": "service_role", "exp": int(time.time()) + 60}
    unsigned = jwt.encode(claims, "", algorithm="none")
    other_secret = jwt.encode(claims, "y" * 32, algorithm="HS256")
    for token in (foreign.sign(claims), unsigned, other_secret, "not.a.jwt"):
        with pytest.raises(jwt.InvalidTokenError):
            keys.verify(token)
    with pytest.raises(jwt.ExpiredSignatureError):
        keys.verify(keys.token("anon", lifetime=-1))


def test_a_token_of_a_role_lasts_as_long_as_told() -> None:
    keys = Keys.create()
    claims = keys.verify(keys.token("authenticated", sub="u", lifetime=60, machine_id="m"))
    assert (claims["role"], claims["sub"], claims["machine_id"]) == ("authenticated", "u", "m")
    assert claims["exp"] - claims["iat"] == 60
