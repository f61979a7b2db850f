"""Is a project fit for Sigtrail? What was found is judged here: pure, a sentence for each thing to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

# The machines' tokens and the database's clock: a second is normal, more means that one of them is wrong.
MOST_SKEW = 5.0
VERSIONS = (15, 17)
ROLES = ("signal_worker", "analyst", "trading_bridge", "archivist")
PUSH = "run `npx supabase link` and `npx supabase db push`"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be right: what was found, and what to do when it is not."""

    name: str
    ok: bool
    found: str
    do: str = ""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def check_version(number: int) -> Check:
    """The server's version: 150004 is 15.4."""
    major = number // 10_000
    return Check(
        "postgres",
        major in VERSIONS,
        f"PostgreSQL {major}.{number % 10_000}",
        f"Sigtrail is tested on PostgreSQL {' and '.join(map(str, VERSIONS))}: upgrade the project",
    )


def check_clock(name: str, theirs: float, asked: float, answered: float) -> Check:
    """A clock that said `theirs` between two moments of ours, in Unix seconds."""
    skew = max(asked - theirs, theirs - answered, 0.0)
    return Check(
        name,
        skew <= MOST_SKEW,
        f"{skew:.1f} s apart" if skew else "agrees with this machine's",
        "set this machine's clock (timedatectl set-ntp true): tokens and leases depend on it",
    )


def check_extensions(facts: Mapping[str, Any]) -> Check:
    """pg_cron does what the database does by itself."""
    if not facts["cron_available"]:
        found, do = "pg_cron is not available", "use a server that has pg_cron: every hosted project does"
    elif not facts["cron_database"]:
        found, do = (
            "pg_cron lives in another database",
            "use the database of cron.database_name, as a rule postgres",
        )
    elif not facts["cron_here"]:
        found, do = "pg_cron is not enabled", f"enable it under Database, Extensions, or {PUSH}, which does"
    else:
        return Check("extensions", True, "pg_cron is enabled")
    return Check("extensions", False, found, do)


def check_migrations(here: Sequence[str], there: Collection[str]) -> Check:
    """The versions of this checkout against those that were pushed."""
    if not here:
        return Check("migrations", False, "this checkout has none", "run this from a checkout of Sigtrail")
    missing = [one for one in here if one not in there]
    unknown = sorted(set(there) - set(here))
    if unknown:
        found = f"{len(unknown)} are there that this checkout does not have, the last {unknown[-1]}"
        return Check(
            "migrations", False, found, "use the checkout that they were pushed from, or a newer one"
        )
    if missing:
        found = f"{len(missing)} of {len(here)} are missing, the first {missing[0]}"
        return Check("migrations", False, found, PUSH)
    return Check("migrations", True, f"all {len(here)} are there")


def check_roles(roles: Mapping[str, Mapping[str, bool]]) -> Check:
    """The machines' database roles: there, granted to who becomes them, and no more than that."""
    missing = [name for name in ROLES if name not in roles]
    if missing:
        return Check("roles", False, f"missing: {', '.join(missing)}", PUSH)
    loose = [name for name in ROLES if not roles[name]["granted"]]
    if loose:
        statements = " ".join(f"grant {name} to authenticator;" for name in loose)
        return Check(
            "roles",
            False,
            f"not granted to authenticator: {', '.join(loose)}",
            f"run as postgres: {statements}",
        )
    strong = [name for name in ROLES if roles[name]["bypasses"] or roles[name]["logs_in"]]
    if strong:
        statements = " ".join(f"alter role {name} nologin nobypassrls;" for name in strong)
        return Check(
            "roles", False, f"may do too much: {', '.join(strong)}", f"run as postgres: {statements}"
        )
    return Check("roles", True, ", ".join(ROLES))


def check_policies(facts: Mapping[str, Any]) -> list[Check]:
    """Nothing stands open."""
    tables, anonymous, exposed = facts["open_tables"], facts["anonymous"], facts["exposed"]
    return [
        Check(
            "policies",
            not tables and facts["policies"] > 0,
            f"{facts['policies']} policies" if not tables else f"no row level security on {_some(tables)}",
            " ".join(f"run: alter table {name} enable row level security;" for name in tables[:3]) or PUSH,
        ),
        Check(
            "anonymous",
            not anonymous,
            "reaches nothing" if not anonymous else f"reaches {_some(anonymous)}",
            "revoke it from anon and public: a project that exposes new tables by itself grants that; see"
            " Settings, Data API",
        ),
        Check(
            "schemas",
            not exposed,
            "partitions and analytics are closed" if not exposed else f"users reach {_some(exposed)}",
            " ".join(f"run: revoke usage on schema {name} from anon, authenticated;" for name in exposed),
        ),
    ]


def _some(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:5]) + (f" and {len(every) - 5} more" if len(every) > 5 else "")
