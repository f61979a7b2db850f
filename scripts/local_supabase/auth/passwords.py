"""Passwords: how strong they must be, and bcrypt, which never runs on the event loop."""

from __future__ import annotations

import asyncio
import secrets

import bcrypt

from scripts.local_supabase.auth.errors import AuthError, bad_request

BCRYPT_COST = 10
# bcrypt reads no more than 72 bytes; GoTrue refuses rather than to ignore the rest.
LONGEST_PASSWORD_BYTES = 72


def weaknesses(password: str, minimum_length: int) -> list[str]:
    """The reasons why a password is too weak, none if it is not."""
    return ["length"] if len(password) < minimum_length else []


def weak_password_message(minimum_length: int) -> str:
    return f"Password should be at least {minimum_length} characters."


def check_password(password: str, minimum_length: int) -> None:
    """Raises AuthError if a new password is too long for bcrypt or too weak."""
    if len(password.encode()) > LONGEST_PASSWORD_BYTES:
        raise bad_request(
            "validation_failed", f"Password cannot be longer than {LONGEST_PASSWORD_BYTES} characters"
        )
    reasons = weaknesses(password, minimum_length)
    if reasons:
        raise AuthError(
            422,
            "weak_password",
            weak_password_message(minimum_length),
            {"weak_password": {"reasons": reasons}},
        )


def random_password() -> str:
    """A password that nobody knows, for users that an admin makes without one."""
    return secrets.token_urlsafe(48)


async def hash_password(password: str) -> str:
    """Hashes a password that passed check_password."""
    digest = await asyncio.to_thread(bcrypt.hashpw, password.encode(), bcrypt.gensalt(BCRYPT_COST))
    return digest.decode()


async def verify_password(password: str, digest: str | None) -> bool:
    encoded = password.encode()
    if not digest or len(encoded) > LONGEST_PASSWORD_BYTES:
        return False
    return await asyncio.to_thread(bcrypt.checkpw, encoded, digest.encode())


def is_bcrypt_hash(digest: str) -> bool:
    return len(digest) == 60 and digest.startswith(("$2a$", "$2b$", "$2y$"))
