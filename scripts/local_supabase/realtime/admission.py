"""Who may join a channel: the checks in the order in which the real server makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from scripts.local_supabase.realtime import authorization
from scripts.local_supabase.realtime.authorization import Identity, MissingPartition
from scripts.local_supabase.realtime.database import Unreachable
from scripts.local_supabase.realtime.join import Join, Refused
from scripts.local_supabase.realtime.tokens import BadToken, Token

if TYPE_CHECKING:
    from scripts.local_supabase.realtime.server import Server
    from scripts.local_supabase.realtime.socket import Socket

BOTH = frozenset(("broadcast", "presence"))


class TooManyJoins(Refused):
    """The client is not only refused but disconnected."""


@dataclass(frozen=True)
class Admission:
    """token: the one that the channel goes by. readable: the extensions that its policies let it read."""

    token: Token
    readable: frozenset[str]


async def admit(server: Server, socket: Socket, name: str, join: Join) -> Admission:
    """Raises Refused, with the reason to tell."""
    if not name:
        raise Refused("TopicNameRequired: You must provide a topic name")
    if server.options.private_only and not join.private:
        raise Refused("PrivateOnly: This project only allows private channels")
    server.joins.add()
    if server.joins.exceeded:
        raise TooManyJoins("ClientJoinRateLimitReached: Too many joins per second")
    if len(socket.channels) >= server.options.max_channels_per_client:
        raise Refused("ChannelRateLimitReached: Too many channels")
    token = _token(server, socket, join)
    try:
        await server.wait_for_database()
        if not join.private:
            return Admission(token, BOTH)
        readable = await authorization.readable(
            server.database,
            Identity(token.claims, socket.headers),
            name,
            ("broadcast", "presence") if join.presence_enabled else ("broadcast",),
        )
    except Unreachable as error:
        raise Refused(
            "UnableToConnectToProject: Realtime was unable to connect to the project database"
        ) from error
    except MissingPartition as error:
        raise Refused(
            "MissingPartition: Realtime was unable to find the expected messages partition"
        ) from error
    except psycopg.errors.QueryCanceled as error:
        raise Refused(f"QueryCanceled: {error.diag.message_primary}") from error
    except psycopg.Error as error:
        raise Refused(f"UnknownErrorOnChannel: {error.diag.message_primary}") from error
    if not readable:
        raise Refused(f"Unauthorized: {not_allowed(name)}")
    return Admission(token, readable)


def not_allowed(name: str) -> str:
    return f"You do not have permissions to read from this Channel topic: {name}"


def _token(server: Server, socket: Socket, join: Join) -> Token:
    """The join's own token, or else the socket's. An opaque API key stands for the socket's too."""
    text = join.token
    if text is None or (isinstance(text, str) and text.startswith("sb_")):
        text = socket.token.text
    try:
        return server.verifier.verify(text if isinstance(text, str) else "")
    except BadToken as error:
        raise Refused(error.reason) from error
