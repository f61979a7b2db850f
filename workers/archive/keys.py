"""The keys of the seals: Ed25519. The private one never reaches the database, public ones never come from it.

SIGTRAIL_SEAL_KEY holds base64 of 32 bytes. To rotate, put the new one in front: `NEW,OLD`. The first seal
after that is one of kind `key`, signed by the old key over the new public key; then OLD can go.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.errors import ConfigurationError

KEY_BYTES = 32


@dataclass(frozen=True)
class SealKey:
    """Signs seals with the newest key, and hands over from the older ones that are still known."""

    _signer: Ed25519PrivateKey = field(repr=False)
    _older: tuple[Ed25519PrivateKey, ...] = field(default=(), repr=False)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The keys out of SIGTRAIL_SEAL_KEY, the newest first. Raises ConfigurationError."""
        keys = [Ed25519PrivateKey.from_private_bytes(_decode(part)) for part in text.split(",")]
        return cls(keys[0], tuple(keys[1:]))

    @property
    def public_key(self) -> bytes:
        return self._signer.public_key().public_bytes_raw()

    @property
    def public_keys(self) -> list[bytes]:
        """Of all keys that are known here, the newest first."""
        return [key.public_key().public_bytes_raw() for key in (self._signer, *self._older)]

    @property
    def id(self) -> str:
        return key_id(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message)

    def older(self, wanted: str) -> SealKey | None:
        """The older key with this id, to hand over from."""
        for key in self._older:
            if key_id(key.public_key().public_bytes_raw()) == wanted:
                return SealKey(key)
        return None


def key_id(public_key: bytes) -> str:
    """The fingerprint of a public key: its SHA-256 in hexadecimal. Nobody can make another key with it."""
    return sha256(public_key).hexdigest()


def new_seal_key() -> str:
    """A fresh value for SIGTRAIL_SEAL_KEY."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def read_public_keys(texts: Iterable[str]) -> dict[str, bytes]:
    """Public keys by their id, out of base64 texts. Raises ConfigurationError."""
    keys = (_decode(text, noun="a public key") for text in texts)
    return {key_id(key): key for key in keys}


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this key signed this message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _decode(text: str, noun: str = "SIGTRAIL_SEAL_KEY") -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"{noun} is not base64 of {KEY_BYTES} bytes: `sigtrail audit key` makes one")
    return key
