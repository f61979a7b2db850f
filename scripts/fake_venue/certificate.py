"""A certificate authority that vouches for the hosts that a fake venue plays, and for nothing else."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

# Everything that ccxt may call of the venues played here, their test nets included.
HOSTS = (
    "*.binance.com",
    "*.binance.vision",
    "*.binancefuture.com",
    "*.bybit.com",
    "*.bytick.com",
    "localhost",
    "127.0.0.1",
)


@dataclass(frozen=True, slots=True)
class Authority:
    """`pem` is what a client has to trust; `server` is the venue's side, `client` the other one's."""

    pem: bytes
    server: ssl.SSLContext
    client: ssl.SSLContext


def issue(kept: Path | None = None) -> Authority:
    """A new authority with a certificate for all hosts; the same one again from the folder `kept`."""
    authority = trustme.CA() if kept is None else _kept(kept)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Authority(authority.cert_pem.bytes(), server, client)


def _kept(folder: Path) -> trustme.CA:
    path = folder / "authority.pem"
    if path.exists():
        text = path.read_bytes()
        return trustme.CA.from_pem(cert_bytes=text, private_key_bytes=text)
    authority = trustme.CA()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(authority.private_key_pem.bytes() + authority.cert_pem.bytes())
    return authority
