"""Who is on which topic, and how a message reaches them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from scripts.local_supabase.realtime.delivery import Delivery
from scripts.local_supabase.realtime.rates import Rate

# Public and private channels of one name do not mix.
Address = tuple[bool, str]


class Member(Protocol):
    """A channel of one client, as the hub sees it."""

    def deliver(self, delivery: Delivery) -> None: ...


class Hub:
    """events: counts what is sent and every delivery of it."""

    def __init__(self, events: Rate) -> None:
        self._events = events
        # Dicts keep the order in which members came.
        self._members: dict[Address, dict[Member, None]] = {}

    def join(self, address: Address, member: Member) -> None:
        self._members.setdefault(address, {})[member] = None

    def leave(self, address: Address, member: Member) -> None:
        members = self._members.get(address)
        if members is not None:
            members.pop(member, None)
            if not members:
                del self._members[address]

    def publish(self, address: Address, delivery: Delivery, sender: Member | None = None) -> None:
        """To everybody on the topic but the sender. Whoever may not read it sees to that itself."""
        self._events.add()
        # A copy: a member whose limit is exceeded leaves while it is told.
        for member in tuple(self._members.get(address, ())):
            if member is not sender:
                member.deliver(delivery)

    def everybody(self) -> Iterator[Member]:
        for members in tuple(self._members.values()):
            yield from tuple(members)
