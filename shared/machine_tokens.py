"""Tokens that the operator made for a machine: with them it needs no secret to sign its own.

They come from SIGTRAIL_MACHINE_TOKEN, or from the file that SIGTRAIL_MACHINE_TOKEN_FILE names, which is read
again when it changes. One token for each database role that the machine's roles work as, apart by commas,
blanks or lines; all name the same machine.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import structlog

from shared.errors import ConfigurationError, NotSent
from shared.keys import MACHINE_ROLES
from shared.settings import Settings

log = structlog.get_logger(__name__)

# So long before its end a token is told of, once a day.
WARN_SECONDS = 7 * 86_400.0
TELL_SECONDS = 86_400.0
MAKE = "make one with `sigtrail machines token --role {role} --machine {machine}`"
_APART = re.compile(r"[\s,]+")


@dataclass(frozen=True, slots=True)
class MachineToken:
    """What a token says of itself. Whether it is believed is for the project to say: only it has the key.

    ends_at: Unix seconds
    """

    text: str
    role: str
    machine: str
    ends_at: float

    @property
    def end(self) -> str:
        """When it ends, for people."""
        return datetime.fromtimestamp(self.ends_at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def read_tokens(text: str) -> dict[str, MachineToken]:
    """The tokens in a text, by database role. Raises ConfigurationError that says which is no token of a
    machine, and never shows one."""
    found: dict[str, MachineToken] = {}
    for number, one in enumerate(filter(None, _APART.split(text)), 1):
        token = _read(number, one)
        if token.role in found:
            raise ConfigurationError(f"two machine tokens are for the role {token.role}: leave one of them")
        found[token.role] = token
    if not found:
        raise ConfigurationError(f"there is no machine token: {MAKE.format(role='ROLE', machine='NAME')}")
    machines = sorted({one.machine for one in found.values()})
    if len(machines) > 1:
        raise ConfigurationError(
            f"the machine tokens are of several machines ({', '.join(machines)}): each machine has its own"
        )
    return found


def _read(number: int, text: str) -> MachineToken:
    try:
        claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise ConfigurationError(f"machine token {number} is no token (a JWT), or is not whole") from None
    role, machine, end = claims.get("role"), claims.get("machine_id"), claims.get("exp")
    if role not in MACHINE_ROLES:
        known = ", ".join(sorted(MACHINE_ROLES))
        raise ConfigurationError(f"machine token {number} is for the role {role!r}; machines have {known}")
    if not isinstance(machine, str) or not isinstance(end, int | float):
        raise ConfigurationError(
            f"machine token {number} names no machine or no end: {MAKE.format(role=role, machine='NAME')}"
        )
    return MachineToken(text, role, machine, float(end))


class GivenTokens:
    """The tokens of this process's settings, as they are now.

    Raises ConfigurationError when there are none that can be used; later, what cannot be read leaves those
    that were read before.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.sigtrail_machine_token_file
        self._seen: tuple[int, int, int] | None = None
        given = settings.sigtrail_machine_token
        if self._path is not None and given is not None:
            raise ConfigurationError(
                "SIGTRAIL_MACHINE_TOKEN and SIGTRAIL_MACHINE_TOKEN_FILE are both set: leave one of them"
            )
        if self._path is None:
            self._tokens = read_tokens("" if given is None else given.get_secret_value())
        else:
            self._seen = _look(self._path)
            self._tokens = read_tokens(_read_file(self._path))
        self.machine = next(iter(self._tokens.values())).machine

    @property
    def tokens(self) -> Mapping[str, MachineToken]:
        """By database role."""
        return self._tokens

    def find(self, role: str) -> MachineToken:
        """The token for a database role. Raises ConfigurationError that names the roles there are."""
        self._keep_up()
        token = self._tokens.get(role)
        if token is None:
            make = MAKE.format(role=role, machine=self.machine)
            raise ConfigurationError(
                f"machine {self.machine} has no token for the role {role}, only for"
                f" {', '.join(sorted(self._tokens))}: {make}"
            )
        return token

    def _keep_up(self) -> None:
        if self._path is None:
            return
        try:
            if (seen := _look(self._path)) == self._seen:
                return
            self._seen = seen
            self._tokens = tokens = self._follow(read_tokens(_read_file(self._path)))
        except ConfigurationError as error:
            log.warning("machine_tokens_not_read", path=str(self._path), error=str(error))
            return
        log.info("machine_tokens_read", path=str(self._path), ends={r: t.end for r, t in tokens.items()})

    def _follow(self, tokens: dict[str, MachineToken]) -> dict[str, MachineToken]:
        """These, where they can take the place of those before."""
        other = next(iter(tokens.values())).machine
        if other != self.machine:
            raise ConfigurationError(f"the new tokens are of machine {other}, not {self.machine}")
        if missing := self._tokens.keys() - tokens.keys():
            raise ConfigurationError(f"the new tokens lack the roles {', '.join(sorted(missing))}")
        return tokens


class GivenToken:
    """Always the token for one role that was given last. `now` is the wall's Unix time."""

    def __init__(self, tokens: GivenTokens, role: str, now: Callable[[], float] = time.time) -> None:
        self._tokens = tokens
        self._role = role
        self._now = now
        self._told_at: float | None = None
        token = tokens.find(role)
        if token.ends_at <= now():
            raise ConfigurationError(_say_ended(token))

    @property
    def token(self) -> MachineToken:
        """What it says of itself."""
        return self._tokens.find(self._role)

    @property
    def seconds_left(self) -> float:
        """Until it ends; below zero when it has."""
        return self.token.ends_at - self._now()

    def __call__(self) -> str:
        """The token to use now. Raises `NotSent` when it has ended: what a machine makes waits until it is
        given another one."""
        token, now = self.token, self._now()
        left = token.ends_at - now
        if left <= 0:
            raise NotSent(_say_ended(token))
        if left < WARN_SECONDS and (self._told_at is None or now - self._told_at >= TELL_SECONDS):
            self._told_at = now
            log.warning("machine_token_ends", role=token.role, machine_id=token.machine, end=token.end)
        return token.text


def given_tokens(settings: Settings) -> GivenTokens | None:
    """The tokens that this process was given; None when it signs its own."""
    if settings.sigtrail_machine_token is None and settings.sigtrail_machine_token_file is None:
        return None
    return GivenTokens(settings)


def warn_of(left: Mapping[str, float]) -> list[str]:
    """A sentence for each token that ends soon, by the seconds that are left of each role's."""
    return [
        f"the token for the role {role} ends in {seconds / 86_400:.1f} days: give the machine another one"
        for role, seconds in sorted(left.items())
        if 0 < seconds < WARN_SECONDS
    ]


def _say_ended(token: MachineToken) -> str:
    make = MAKE.format(role=token.role, machine=token.machine)
    return f"the token of machine {token.machine} for the role {token.role} ended at {token.end}: {make}"


def _look(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigurationError(f"SIGTRAIL_MACHINE_TOKEN_FILE: {path}: {error.strerror}") from None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read_file(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"SIGTRAIL_MACHINE_TOKEN_FILE: {path}: {why}") from None
