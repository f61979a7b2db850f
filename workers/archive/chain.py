"""The chain of seals, checked from outside: every signature, every link, and the copies in the store."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from shared.errors import NotFound
from workers.archive.finding import MOST, Finding, Kind
from workers.archive.keys import is_signed, key_id
from workers.archive.seal import FOLDER, KEYS_FOLDER, Seal, from_file, path_of
from workers.archive.store import Store


@dataclass
class Chain:
    """What was learned of the seals that stand in the database.

    days: the seals of each day's events, in order
    links: seals of archived parts and compactions
    """

    newest: Seal | None = None
    count: int = 0
    days: dict[date, list[Seal]] = field(default_factory=dict)
    links: list[Seal] = field(default_factory=list)
    key_links: list[Seal] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def find(
        self, kind: Kind, message: str, seal: int, day: date | None = None, path: str | None = None
    ) -> None:
        if len(self.findings) < MOST:
            self.findings.append(Finding(kind, message, seal=seal, day=day, path=path))


def check_chain(seals: Iterable[Seal], trusted: Mapping[str, bytes], known: Mapping[str, bytes]) -> Chain:
    """Check the database's seals, given in order of their numbers.

    trusted: public keys from outside, by id; known: all that were found anywhere, each being what its id says
    A key that a trusted one handed over to is trusted. The newest seal must be signed by a trusted key: it
    carries the hash of the one before it, and so on to the first; older seals may bear keys long retired.
    """
    chain = Chain()
    trusted, known = dict(trusted), dict(known) | dict(trusted)
    ends: dict[date, int] = {}
    last: Seal | None = None
    for seal in seals:
        expected = 1 if last is None else last.number + 1
        if seal.number != expected:
            chain.find("removed", f"seal {expected} is missing from the database", expected)
        _check_signature(chain, seal, known)
        if last is not None and seal.number == expected and seal.previous_hash != last.hash:
            chain.find("forged seal", f"seal {seal.number} does not follow seal {last.number}", seal.number)
        if seal.kind == "events" and seal.partition_day is not None:
            start = ends.get(seal.partition_day, 0)
            # After a gap in the numbers the missing seal may have been this day's.
            if seal.from_tx != start and chain.count == seal.number - 1:
                chain.find(
                    "forged seal",
                    f"seal {seal.number} covers {seal.partition_day} from transaction {seal.from_tx}, the "
                    f"one before it ended at {start}",
                    seal.number,
                    seal.partition_day,
                )
            ends[seal.partition_day] = seal.to_tx or 0
            chain.days.setdefault(seal.partition_day, []).append(seal)
        elif seal.kind == "key":
            chain.key_links.append(seal)
            if seal.key_id in trusted:
                trusted[key_id(seal.content_hash)] = seal.content_hash
                known[key_id(seal.content_hash)] = seal.content_hash
        else:
            chain.links.append(seal)
        chain.count += 1
        last = chain.newest = seal
    if last is not None and last.key_id not in trusted:
        chain.find(
            "forged seal",
            f"the newest seal {last.number} is signed by key {last.key_id[:16]}, which is not one of yours",
            last.number,
        )
    return chain


def _check_signature(chain: Chain, seal: Seal, known: Mapping[str, bytes]) -> None:
    public_key = known.get(seal.key_id)
    if public_key is None:
        chain.find("forged seal", f"nobody has the key {seal.key_id[:16]} of seal {seal.number}", seal.number)
    elif not _is_signed(public_key, seal):
        neighbours = (
            replace(seal, number=number) for number in range(max(1, seal.number - 50), seal.number + 51)
        )
        moved = next(
            (one.number for one in neighbours if is_signed(public_key, one.signature, one.message)), None
        )
        if moved is not None:
            chain.find("reordered", f"seal {moved} stands in the place of seal {seal.number}", seal.number)
        else:
            chain.find(
                "forged seal",
                f"seal {seal.number} does not bear its signature",
                seal.number,
                seal.partition_day,
            )


def _is_signed(public_key: bytes, seal: Seal) -> bool:
    try:
        return is_signed(public_key, seal.signature, seal.message)
    except (AttributeError, TypeError, struct.error):
        return False  # values that no seal was ever made with


async def list_copies(store: Store) -> set[int]:
    """The numbers of the seals that the store has a file of."""
    found = set()
    for file in await store.list(FOLDER):
        name = file.path.rpartition("/")[2].removesuffix(".json")
        if name.isdigit() and path_of(int(name)) == file.path.removeprefix("/"):
            found.add(int(name))
    return found


def check_copies(chain: Chain, copies: set[int]) -> list[str]:
    """Find what the store lacks; answers what cannot be proven."""
    newest = chain.newest.number if chain.newest else 0
    for number in sorted(set(range(1, newest)) - copies)[:MOST]:
        chain.find("removed", f"the store lacks the file of seal {number}", number, path=path_of(number))
    if chain.newest and newest not in copies:
        return [f"seal {newest} is not in the store yet: the next sealing writes it"]
    return []


async def check_beyond(chain: Chain, store: Store, copies: set[int], known: Mapping[str, bytes]) -> None:
    """Find seals that the store has and the database lacks: its newest history was cut off."""
    newest = chain.newest.number if chain.newest else 0
    for number in sorted(one for one in copies if one > newest)[:MOST]:
        try:
            seal, _ = from_file(await store.read(path_of(number)))
        except (ValueError, NotFound):
            chain.find("forged seal", f"{path_of(number)} is no seal", number, path=path_of(number))
            continue
        public_key = known.get(seal.key_id)
        if seal.number == number and public_key and _is_signed(public_key, seal):
            chain.find(
                "cut off",
                f"the database ends at seal {newest}, the store has seal {number} of {seal.sealed_at}: the "
                "newest history was cut off, or an older state of the database was restored",
                number,
                seal.partition_day,
                path_of(number),
            )
        else:
            chain.find("forged seal", f"{path_of(number)} is not signed", number, path=path_of(number))


async def check_copy(seal: Seal, store: Store) -> tuple[Finding | None, bytes | None]:
    """Compare a seal with its file; answers its marks too, None when the file has none."""
    path = path_of(seal.number)
    try:
        copy, marks = from_file(await store.read(path))
    except NotFound:
        return None, None  # found by check_copies
    except ValueError as error:
        return Finding("forged seal", f"{path} is no seal: {error}", seal=seal.number, path=path), None
    if copy != seal:
        names = ", ".join(name for name, value in copy.to_json().items() if value != seal.to_json()[name])
        return (
            Finding(
                "forged seal",
                f"seal {seal.number} in the database and {path} differ in {names}",
                seal=seal.number,
                day=seal.partition_day,
                path=path,
            ),
            marks,
        )
    return None, marks


async def read_known_keys(store: Store) -> dict[str, bytes]:
    """The public keys that the store keeps, by id. A key is what its id says, or it is left out."""
    found = {}
    for file in await store.list(KEYS_FOLDER):
        try:
            public_key = base64.b64decode((await store.read(file.path)).strip(), validate=True)
        except binascii.Error:
            continue
        if file.path.rpartition("/")[2] == f"{key_id(public_key)}.txt":
            found[key_id(public_key)] = public_key
    return found
