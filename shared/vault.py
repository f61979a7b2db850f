"""Exchange keys at rest: sealed with AES-256-GCM, opened only by the machine that trades with them.

The key of each account is derived by HKDF-SHA256 from the master key, which lies outside the database, and
the user's salt. User, account and key version are bound in as associated data: a ciphertext that was moved
to another account, or to another user, does not open.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import ConfigurationError, SigtrailError

KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12
_PURPOSE = b"sigtrail exchange account keys"


class VaultError(SigtrailError):
    """Keys could not be opened: another master key, another account, or a changed ciphertext."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the database keeps of an account's keys. `ciphertext` is nonce and AES-GCM output together."""

    ciphertext: bytes
    salt: bytes
    key_version: int


class Vault:
    """Seals and opens the keys of exchange accounts.

    `master_keys` maps key versions to 32 bytes. New seals use the highest version; older ones stay readable
    until `reseal` has renewed them.
    """

    def __init__(self, master_keys: Mapping[int, bytes]) -> None:
        if not master_keys:
            raise ConfigurationError("the vault has no master key: set SIGTRAIL_MASTER_KEY")
        for version, key in master_keys.items():
            if version < 1 or len(key) != KEY_BYTES:
                raise ConfigurationError(
                    f"master key version {version} must be {KEY_BYTES} bytes and have a version from 1 up"
                )
        self._keys = dict(master_keys)
        self._version = max(self._keys)

    @classmethod
    def from_text(cls, master_key: str) -> Vault:
        """The vault of SIGTRAIL_MASTER_KEY: one base64 key of 32 bytes, or several as `1:key,2:key`.

        Raises ConfigurationError that never shows the key.
        """
        keys: dict[int, bytes] = {}
        for number, part in enumerate(master_key.split(","), start=1):
            version, _, encoded = part.strip().rpartition(":")
            try:
                keys[int(version) if version else number] = base64.b64decode(encoded, validate=True)
            except (ValueError, binascii.Error):
                raise ConfigurationError(
                    "SIGTRAIL_MASTER_KEY is not base64: make one with `openssl rand -base64 32`"
                ) from None
        return cls(keys)

    @property
    def key_version(self) -> int:
        """The version that new seals carry."""
        return self._version

    @property
    def versions(self) -> frozenset[int]:
        """The versions that can be opened."""
        return frozenset(self._keys)

    def seal(
        self, user_id: UUID, account_id: UUID, keys: Mapping[str, str], salt: bytes | None = None
    ) -> Sealed:
        """Encrypt the keys of one account; without a `salt` a new one is drawn."""
        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        if len(salt) < SALT_BYTES:
            raise ValueError(f"a salt has at least {SALT_BYTES} bytes, not {len(salt)}")
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = AESGCM(self._derive(self._version, salt))
        bound = _bind(user_id, account_id, self._version)
        return Sealed(nonce + cipher.encrypt(nonce, orjson.dumps(dict(keys)), bound), salt, self._version)

    def open(self, user_id: UUID, account_id: UUID, sealed: Sealed) -> dict[str, str]:
        """Decrypt the keys of one account. Raises VaultError when they are not this account's."""
        if sealed.key_version not in self._keys:
            raise VaultError(
                f"account {account_id} is sealed with key version {sealed.key_version}, "
                "which SIGTRAIL_MASTER_KEY does not hold"
            )
        cipher = AESGCM(self._derive(sealed.key_version, sealed.salt))
        nonce, body = sealed.ciphertext[:NONCE_BYTES], sealed.ciphertext[NONCE_BYTES:]
        try:
            plain = cipher.decrypt(nonce, body, _bind(user_id, account_id, sealed.key_version))
        except (InvalidTag, ValueError):
            raise VaultError(
                f"the keys of account {account_id} do not open: they were sealed with another master key, "
                "or for another account or user, or were changed"
            ) from None
        opened: dict[str, str] = orjson.loads(plain)
        return opened

    def reseal(self, user_id: UUID, account_id: UUID, sealed: Sealed) -> Sealed:
        """The same keys under the newest master key, for a rotation."""
        return self.seal(user_id, account_id, self.open(user_id, account_id, sealed), sealed.salt)

    def _derive(self, version: int, salt: bytes) -> bytes:
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=_PURPOSE).derive(
            self._keys[version]
        )


def new_master_key() -> str:
    """A fresh value for SIGTRAIL_MASTER_KEY."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _bind(user_id: UUID, account_id: UUID, version: int) -> bytes:
    return b"|".join((str(user_id).encode(), str(account_id).encode(), str(version).encode()))
