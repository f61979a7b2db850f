"""Broadcasts that somebody missed: read again from realtime.messages when they join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from scripts.local_supabase.realtime.broadcast import UserBroadcast
from scripts.local_supabase.realtime.database import Connection, Database, Unreachable
from scripts.local_supabase.realtime.join import Refused
from scripts.local_supabase.realtime.queries import query


@dataclass(frozen=True)
class Replay:
    """since: Unix milliseconds. limit: how many at most."""

    since: int
    limit: int


def parse(params: Any, *, private: bool, most: int) -> Replay:
    """What `config.broadcast.replay` asks for. Raises Refused."""
    if not private:
        raise Refused("UnableToReplayMessages: Replay is not allowed for public channels")
    since, limit = (params.get("since"), params.get("limit")) if isinstance(params, dict) else (None, None)
    if limit is None:
        limit = most
    # A boolean is an integer to Python, and nothing here is meant by one.
    if not isinstance(since, int) or not isinstance(limit, int) or bool in (type(since), type(limit)):
        raise Refused("UnableToReplayMessages: Replay params are not valid")
    return Replay(since, max(1, min(limit, most)))


async def fetch(database: Database, topic: str, replay: Replay) -> list[UserBroadcast]:
    """Oldest first. Raises Refused."""

    async def work(connection: Connection) -> list[UserBroadcast]:
        cursor = await connection.execute(
            query("replay"), {"topic": topic, "since": replay.since / 1000, "count": replay.limit}
        )
        return [_broadcast(row) async for row in cursor]

    try:
        return await database.run(work)
    except (psycopg.Error, Unreachable) as error:
        raise Refused("UnableToReplayMessages: Realtime was unable to replay messages") from error


def _broadcast(row: tuple[Any, ...]) -> UserBroadcast:
    id_, event, payload, binary = row
    if binary is not None:
        return UserBroadcast(event, bytes(binary), is_json=False, id=id_, replayed=True)
    return UserBroadcast(event, (payload or "null").encode(), is_json=True, id=id_, replayed=True)
