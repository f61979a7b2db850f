"""A venue's keys on their way in: typed without echo, from a file, or from standard input; never an argument.

Arguments are in the process list and in the shell's history, for everybody and for good.
"""

from __future__ import annotations

import getpass
import stat
import sys
from pathlib import Path

import orjson

from shared.errors import InputError
from shared.redaction import conceal

# What ccxt calls them, and what people and venues call them.
NAMES = {
    "apikey": "apiKey",
    "api_key": "apiKey",
    "key": "apiKey",
    "secret": "secret",
    "api_secret": "secret",
    "secretkey": "secret",
    "secret_key": "secret",
    "password": "password",
    "passphrase": "password",
}
PASSPHRASES = frozenset({"okx"})
LONGEST = 8192


def read_keys(venue: str, source: str | None) -> dict[str, str]:
    """The keys of a venue by ccxt's names, from `source`: a file, `-` for standard input, None to ask.

    They are concealed from here on. Raises InputError that never shows what was read.
    """
    if source is None:
        keys = _ask(venue)
    elif source == "-":
        keys = parse_keys(sys.stdin.read(LONGEST + 1), "standard input")
    else:
        keys = parse_keys(_read(Path(source)), source)
    conceal(keys.values())
    _check(venue, keys)
    return keys


def parse_keys(text: str, source: str) -> dict[str, str]:
    """Keys from a JSON object, from lines `name=value` (or `name: value`), or from bare lines in the order
    key, secret, passphrase."""
    if len(text) > LONGEST:
        raise InputError(f"{source} is too long to be the keys of one account")
    if text.lstrip().startswith("{"):
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise InputError(f"{source} begins like JSON and is none") from None
        pairs = [(str(name), value) for name, value in found.items()]
    else:
        lines = [line.strip() for line in text.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        named = [_split(line) for line in lines]
        if all(name is not None for name, _ in named):
            pairs = [(str(name), value) for name, value in named]
        else:
            pairs = list(zip(("apiKey", "secret", "password"), lines, strict=False))
            if len(lines) > len(pairs):
                raise InputError(f"{source} has more than a key, a secret and a passphrase")
    keys: dict[str, str] = {}
    for name, value in pairs:
        known = NAMES.get(name.lower())
        # A name that is not known may be a secret in the wrong place: it is not repeated.
        if known is None or not isinstance(value, str):
            raise InputError(f"{source} names something else than apiKey, secret and password")
        keys[known] = value.strip()
    return keys


def _split(line: str) -> tuple[str | None, str]:
    for mark in ("=", ":"):
        name, found, value = line.partition(mark)
        if found and name.strip().lower() in NAMES:
            return name.strip(), value.strip().strip("\"'")
    return None, line


def _ask(venue: str) -> dict[str, str]:
    if not sys.stdin.isatty():
        raise InputError("there is no terminal to ask for the key: give --from FILE, or --from - for a pipe")
    keys = {"apiKey": getpass.getpass("API key: "), "secret": getpass.getpass("Secret: ")}
    if venue in PASSPHRASES:
        keys["password"] = getpass.getpass("Passphrase: ")
    return {name: value.strip() for name, value in keys.items()}


def _read(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(f"others may read {path}: `chmod 600 {path}` first")
        with path.open(encoding="utf-8") as opened:
            return opened.read(LONGEST + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is no text") from None


def _check(venue: str, keys: dict[str, str]) -> None:
    wanted = ["apiKey", "secret", *(["password"] if venue in PASSPHRASES else [])]
    for name in wanted:
        if not keys.get(name):
            raise InputError(f"the {name} is missing: {venue} needs {', '.join(wanted)}")
    for name, value in keys.items():
        if name not in wanted:
            raise InputError(f"{venue} takes no {name}")
        # A secret may be the text of a private key, over several lines.
        if name != "secret" and (not value.isascii() or not value.isprintable()):
            raise InputError(f"the {name} has characters that no key has: was it copied whole?")
