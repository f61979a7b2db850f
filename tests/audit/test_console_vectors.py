"""The console's audit page is held to what this code makes."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from typing import Any

from tests.audit.console_vectors import FILE, make
from workers.archive.chain import check_chain
from workers.archive.keys import key_id
from workers.archive.seal import Seal


def test_the_vectors_are_those_of_this_code() -> None:
    assert json.loads(FILE.read_text()) == make(), "write them anew: python -m tests.audit.console_vectors"


def test_their_chain_holds_for_who_trusts_the_first_key() -> None:
    known = make()["seals"]
    first, second = (base64.b64decode(text) for text in known["public_keys"])
    seals = [_seal(row) for row in known["rows"]]
    assert [seal.hash.hex() for seal in seals] == known["hashes"]
    trusted = {key_id(first): first}
    assert check_chain(seals, trusted, {key_id(second): second}).findings == []


def _seal(row: dict[str, Any]) -> Seal:
    values = dict(row)
    for name in ("content_hash", "previous_hash", "signature"):
        values[name] = None if row[name] is None else bytes.fromhex(row[name][2:])
    for name in ("number", "reference", "from_tx", "to_tx", "event_count"):
        values[name] = None if row[name] is None else int(row[name])
    day = row["partition_day"]
    values["partition_day"] = None if day is None else date.fromisoformat(day)
    values["sealed_at"] = datetime.fromisoformat(row["sealed_at"])
    return Seal(**values)
