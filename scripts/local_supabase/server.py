"""The PostgreSQL that is installed on this machine, and what it brings."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIB = Path("/usr/lib/postgresql/15")
EXTENSIONS = Path("/usr/share/postgresql/15/extension")


@dataclass(frozen=True)
class Server:
    """One installation of PostgreSQL.

    bin: the folder of its programs
    files: a file of each package that a cluster cannot run without, by the package's name
    options: what its server is started with, beside postgresql.conf
    """

    bin: Path
    files: dict[str, Path]
    options: tuple[str, ...] = ()

    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package, file in self.files.items() if not file.exists()]

    def start_options(self) -> tuple[str, ...]:
        return *self.options, *_allow_plugins(self.bin / "postgres")


DEBIAN = Server(
    bin=LIB / "bin",
    files={
        "postgresql-15": LIB / "bin" / "postgres",
        "postgresql-15-cron": EXTENSIONS / "pg_cron.control",
        "postgresql-15-plpgsql-check": EXTENSIONS / "plpgsql_check.control",
        "postgresql-15-pgtap": EXTENSIONS / "pgtap.control",
        "postgresql-15-wal2json": LIB / "lib" / "wal2json.so",
    },
)


@cache
def _allow_plugins(postgres: Path) -> tuple[str, ...]:
    """Newer minor releases name the output plugins that may be used, wal2json not among them; older ones
    refuse to start with a setting that they do not know."""
    described = subprocess.run(  # noqa: S603 - the server itself, by its path
        [str(postgres), "--describe-config"], capture_output=True, text=True, check=False
    )
    known = {line.split("\t", 1)[0] for line in described.stdout.splitlines()}
    if "output_plugin_libraries" not in known:
        return ()
    return "-c", "output_plugin_libraries=pgoutput, wal2json"
