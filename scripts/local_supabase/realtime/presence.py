"""Who says to be present on which topic."""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from scripts.local_supabase.realtime.hub import Address

Meta = dict[str, Any]
REFS = ("phx_ref", "phx_ref_prev")


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed: metas that came and went, under their presence key."""

    key: str
    joined: Meta | None = None
    left: Meta | None = None

    def payload(self) -> dict[str, Any]:
        return {"joins": _under(self.key, self.joined), "leaves": _under(self.key, self.left)}


@dataclass(slots=True)
class Presences:
    """Each channel has at most one meta, under a key that several channels may share."""

    _topics: dict[Address, dict[Hashable, tuple[str, Meta]]] = field(default_factory=dict)

    def track(self, address: Address, owner: Hashable, key: str, payload: Meta) -> Diff | None:
        """Say that the owner is present with this payload. None when it said exactly that already."""
        owners = self._topics.setdefault(address, {})
        _, before = owners.get(owner, (key, None))
        told = {name: value for name, value in payload.items() if name not in REFS}
        if before is not None and told == {n: v for n, v in before.items() if n not in REFS}:
            return None
        meta = told | {"phx_ref": secrets.token_urlsafe(12)}
        if before is not None:
            meta["phx_ref_prev"] = before["phx_ref"]
        owners[owner] = (key, meta)
        return Diff(key, joined=meta, left=before)

    def untrack(self, address: Address, owner: Hashable) -> Diff | None:
        """Say that the owner is gone. None when it never said to be there."""
        owners = self._topics.get(address, {})
        if owner not in owners:
            return None
        key, meta = owners.pop(owner)
        if not owners:
            del self._topics[address]
        return Diff(key, left=meta)

    def state(self, address: Address) -> dict[str, Any]:
        """Everybody on the topic, as presence_state tells it."""
        state: dict[str, Any] = {}
        for key, meta in self._topics.get(address, {}).values():
            state.setdefault(key, {"metas": []})["metas"].append(meta)
        return state


def _under(key: str, meta: Meta | None) -> dict[str, Any]:
    return {} if meta is None else {key: {"metas": [meta]}}
