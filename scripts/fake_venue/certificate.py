"""A certificate authority that lives as long as one fake venue, and vouches for the hosts that it plays."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

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


def issue() -> Authority:
    """A new authority with a certificate for all hosts."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*HOSTS).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Authority(authority.cert_pem.bytes(), server, client)
