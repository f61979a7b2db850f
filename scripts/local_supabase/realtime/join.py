"""What a client asks for when it joins a topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scripts.local_supabase.realtime.bindings import of_topic


class Refused(Exception):
    """The message is the reason that the client is told, as `Code: words`."""


@dataclass(frozen=True)
class Join:
    """The config of a join, with the defaults for what it leaves out or gets wrong.

    bindings: the entries of postgres_changes as they were sent
    legacy: joined the old way, without a config: the topic itself is the binding
    replay: as it was sent, to be checked when its turn comes
    token: what the client brought for this channel, if anything
    """

    private: bool = False
    ack: bool = False
    to_self: bool = False
    replication_ready: bool = False
    replay: Any = None
    presence_enabled: bool = False
    presence_key: str = ""
    bindings: list[dict[str, Any]] = field(default_factory=list)
    legacy: bool = False
    token: Any = None


def parse(name: str, payload: Any) -> Join:
    """The join of this topic (without `realtime:`) with this payload. Raises Refused."""
    if not isinstance(payload, dict):
        payload = {}
    token = payload.get("user_token") or payload.get("access_token")
    if "config" not in payload:
        return Join(bindings=[of_topic(name)], legacy=True, token=token)
    config = _map(payload["config"])
    broadcast = _map(config.get("broadcast"))
    presence = _map(config.get("presence"))
    bindings = config.get("postgres_changes")
    key = presence.get("key")
    return Join(
        private=_flag(config.get("private")),
        ack=_flag(broadcast.get("ack")),
        to_self=_flag(broadcast.get("self")),
        replication_ready=_flag(broadcast.get("replication_ready")),
        replay=broadcast.get("replay"),
        presence_enabled=_flag(presence.get("enabled")),
        presence_key="" if key is None else str(key),
        bindings=[each for each in bindings if isinstance(each, dict)] if isinstance(bindings, list) else [],
        token=token,
    )


def _map(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        # The real server fails here, and says so in these words.
        raise Refused("UnknownErrorOnChannel: no function clause matching in Access.get/3")
    return value


def _flag(value: Any) -> bool:
    """A boolean, also as text. Anything else is the default."""
    if isinstance(value, str):
        return value.lower() == "true"
    return value is True
