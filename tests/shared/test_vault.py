"""Exchange keys open only for the account and user they were sealed for, under the right master key."""

import base64
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from shared.vault import Sealed, Vault, VaultError, new_master_key

USER, ACCOUNT = uuid4(), uuid4()
KEYS = {"apiKey": "public-part", "secret": "hidden-part"}


def two_keys() -> tuple[str, str]:
    return new_master_key(), new_master_key()


def test_keys_come_back_as_they_were_sealed() -> None:
    vault = Vault.from_text(new_master_key())
    sealed = vault.seal(USER, ACCOUNT, KEYS)
    assert b"hidden-part" not in sealed.ciphertext
    assert vault.open(USER, ACCOUNT, sealed) == KEYS


def test_two_seals_of_the_same_keys_differ() -> None:
    vault = Vault.from_text(new_master_key())
    salt = bytes(16)
    first, second = (vault.seal(USER, ACCOUNT, KEYS, salt) for _ in range(2))
    assert first.ciphertext != second.ciphertext


@pytest.mark.parametrize(("user", "account"), [(uuid4(), ACCOUNT), (USER, uuid4())])
def test_a_ciphertext_moved_to_another_user_or_account_does_not_open(user: object, account: object) -> None:
    vault = Vault.from_text(new_master_key())
    sealed = vault.seal(USER, ACCOUNT, KEYS)
    with pytest.raises(VaultError, match="do not open"):
        vault.open(user, account, sealed)  # type: ignore[arg-type]


@given(st.data())
def test_any_changed_byte_is_noticed(data: st.DataObject) -> None:
    vault = Vault({1: bytes(range(32))})
    sealed = vault.seal(USER, ACCOUNT, KEYS)
    at = data.draw(st.integers(0, len(sealed.ciphertext) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(sealed.ciphertext)
    changed[at] ^= mask
    with pytest.raises(VaultError):
        vault.open(USER, ACCOUNT, Sealed(bytes(changed), sealed.salt, sealed.key_version))


def test_a_ciphertext_that_is_cut_short_does_not_open() -> None:
    vault = Vault.from_text(new_master_key())
    sealed = vault.seal(USER, ACCOUNT, KEYS)
    for length in (0, 5, 12, 20):
        with pytest.raises(VaultError):
            vault.open(USER, ACCOUNT, Sealed(sealed.ciphertext[:length], sealed.salt, 1))


def test_rotation_keeps_old_seals_readable_until_they_are_resealed() -> None:
    old, new = two_keys()
    before = Vault.from_text(old).seal(USER, ACCOUNT, KEYS)
    both = Vault.from_text(f"1:{old},2:{new}")
    after = both.reseal(USER, ACCOUNT, before)
    assert (before.key_version, after.key_version, both.key_version) == (1, 2, 2)
    only_new = Vault.from_text(f"2:{new}")
    assert only_new.open(USER, ACCOUNT, after) == KEYS
    with pytest.raises(VaultError, match="key version 1"):
        only_new.open(USER, ACCOUNT, before)


def test_the_version_is_bound_in() -> None:
    key = new_master_key()
    vault = Vault.from_text(f"1:{key},2:{key}")
    sealed = vault.seal(USER, ACCOUNT, KEYS)
    with pytest.raises(VaultError):
        vault.open(USER, ACCOUNT, Sealed(sealed.ciphertext, sealed.salt, 1))


@pytest.mark.parametrize("bad", ["", "not base64!", base64.b64encode(b"short").decode(), "x:AAAA"])
def test_a_bad_master_key_says_what_to_do_and_shows_nothing(bad: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Vault.from_text(bad)
    assert not bad or bad not in str(caught.value)


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="salt"):
        Vault.from_text(new_master_key()).seal(USER, ACCOUNT, KEYS, b"short")
