"""A PostgreSQL cluster of the stack's own that looks like a hosted project's database.

PostgreSQL refuses to run as root. Started by root the cluster belongs to the system's `postgres` user, and if
that user cannot reach the state folder (root's home), the data lies under /var/lib/sigtrail, linked
from the state folder.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.server import DEBIAN, Server
from scripts.local_supabase.settings import Settings

HERE = Path(__file__).parent
SYSTEM_USER = "postgres"
ELSEWHERE = Path("/var/lib/sigtrail")
BASELINE_NOTE = "sigtrail_baseline"  # in the data folder: the hash of what the cluster was made with
LOGINS = ("postgres", "authenticator", "supabase_auth_admin", "supabase_storage_admin")


class Cluster:
    """The database of one stack: made by `prepare`, run by `start` (or by whoever runs `command`)."""

    def __init__(self, settings: Settings, server: Server = DEBIAN) -> None:
        self.settings = settings
        self.server = server
        self.link = settings.root / "cluster"

    @property
    def data(self) -> Path:
        return self.link.resolve()

    @property
    def db_url(self) -> str:
        return self.settings.db_url

    @property
    def admin_db_url(self) -> str:
        return self.settings.admin_db_url

    def prepare(self) -> None:
        """Make the cluster with its baseline if there is none yet. A half-made one is made again.

        Raises StackError when PostgreSQL is not installed or the baseline cannot be applied.
        """
        if missing := self.server.missing():
            raise StackError(
                f"Debian packages are missing: run `./scripts/install` as root, or ask root to run"
                f" `apt-get install {' '.join(missing)}`."
            )
        if (self.data / "PG_VERSION").exists():
            self._check_home()
            self._configure(self.data)
            return
        self.settings.root.mkdir(parents=True, exist_ok=True)
        home = self._choose_home()
        draft = _draft_of(home)
        for stale in (home, draft):
            if stale.exists():
                end_postmaster(stale)
                shutil.rmtree(stale)
        draft.mkdir(mode=0o700, parents=True)
        os.chown(draft, *_owner())
        self._initdb(draft)
        self._configure(draft)
        with self._running(draft):
            self._apply_baseline()
        (draft / BASELINE_NOTE).write_text(_baseline_hash())
        # Only a whole cluster gets the name by which the next start finds it.
        draft.rename(home)
        if home != self.link:
            self.link.unlink(missing_ok=True)
            self.link.symlink_to(home)

    def is_outdated(self) -> bool:
        """Whether the baseline has changed since this cluster was made."""
        try:
            return (self.data / BASELINE_NOTE).read_text() != _baseline_hash()
        except FileNotFoundError:
            return True

    def end(self) -> None:
        """End the server if one was left running, be it by a stack or by a `prepare` that was killed."""
        for data in (self.data, _draft_of(self.link), _draft_of(self._home_elsewhere())):
            end_postmaster(data)

    def command(self, data: Path | None = None, *options: str) -> list[str]:
        """The server in the foreground. Run it with `process_options()`."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
        return [
            str(self.server.bin / "postgres"),
            *("-D", str(data or self.data)),
            *("-p", str(self.settings.db_port)),
            *("-c", f"shared_buffers={min(max(memory // 8, 128), 1024)}MB"),
            *("-c", f"effective_cache_size={max(memory // 2, 256)}MB"),
            *self.server.start_options(),
            *options,
        ]

    def process_options(self) -> dict[str, Any]:
        """Keyword arguments for Popen: for root another user, and a folder that this user can be in."""
        options: dict[str, Any] = {
            "cwd": "/",
            "env": {"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC"},
            "stdin": subprocess.DEVNULL,
        }
        if os.geteuid() == 0:
            user, group = _owner()
            options |= {"user": user, "group": group, "extra_groups": []}
        return options

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server until the block ends. For tests; a stack's supervisor runs `command` itself."""
        self.prepare()
        with self._running(self.data):
            yield

    def wait(self, process: subprocess.Popen[bytes] | None = None, timeout: float = 60) -> None:
        """Return once the server takes connections. Raises StackError with its last words if it ends."""
        deadline = time.monotonic() + timeout
        while not self.accepts():
            if process is not None and process.poll() is not None:
                raise StackError(f"PostgreSQL did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise StackError(f"PostgreSQL did not start within {timeout:.0f} s: {self._last_words()}")
            time.sleep(0.02)

    def accepts(self) -> bool:
        """Whether the server takes connections right now."""
        try:
            psycopg.connect(self.admin_db_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    @contextmanager
    def _running(self, data: Path, *options: str) -> Iterator[None]:
        self.settings.logs.mkdir(parents=True, exist_ok=True)
        with (self.settings.logs / "postgres.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: S603
                self.command(data, *options), stdout=log, stderr=log, **self.process_options()
            )
        try:
            self.wait(process)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()

    def _choose_home(self) -> Path:
        """Where the data goes: the state folder, unless the user who runs the server cannot get there."""
        if os.geteuid() != 0 or _reachable(self.settings.root):
            return self.link
        elsewhere = self._home_elsewhere()
        elsewhere.parent.mkdir(parents=True, exist_ok=True)
        elsewhere.parent.chmod(0o755)  # whatever the umask, the server's user must get through
        return elsewhere

    def _home_elsewhere(self) -> Path:
        return ELSEWHERE / hashlib.sha256(bytes(self.link.absolute())).hexdigest()[:16]

    def _check_home(self) -> None:
        """Raise StackError when the state folder has been copied or moved away from its data."""
        if self.data == self._home_elsewhere():
            return
        if self.link.is_symlink() or (os.geteuid() == 0 and not _reachable(self.settings.root)):
            raise StackError(
                f"{self.settings.root} was copied or moved since its database was made:"
                " delete it to begin with an empty one."
            )

    def _initdb(self, data: Path) -> None:
        # initdb reads the password from a file, which it opens as the other user.
        with tempfile.NamedTemporaryFile("w", prefix="sigtrail-") as password:
            password.write(self.settings.db_password)
            password.flush()
            os.chown(password.name, *_owner())
            made = subprocess.run(  # noqa: S603
                [
                    str(self.server.bin / "initdb"),
                    *("-D", str(data)),
                    *("-U", "supabase_admin"),
                    *("-E", "UTF8"),
                    "--locale=C.UTF-8",
                    "--auth=scram-sha-256",
                    f"--pwfile={password.name}",
                ],
                capture_output=True,
                text=True,
                check=False,
                **self.process_options(),
            )
        if made.returncode:
            raise StackError(f"PostgreSQL's initdb failed: {made.stderr.strip() or made.stdout.strip()}")

    def _configure(self, data: Path) -> None:
        for name in ("postgresql.conf", "pg_hba.conf"):
            file = data / name
            file.write_text((HERE / name).read_text())
            os.chown(file, *_owner())

    def _apply_baseline(self) -> None:
        with psycopg.connect(self.admin_db_url, autocommit=True) as connection:
            for file in _baseline():
                try:
                    connection.execute(file.read_bytes())
                except psycopg.Error as error:
                    raise StackError(f"The baseline's {file.name} failed: {error}") from error
            for login in LOGINS:
                connection.execute(
                    sql.SQL("alter role {} password {}").format(
                        sql.Identifier(login), sql.Literal(self.settings.db_password)
                    )
                )

    def _last_words(self) -> str:
        with suppress(OSError):
            lines = (self.settings.logs / "postgres.log").read_text(errors="replace").split("\n")
            fatal = [line for line in lines[-50:] if re.search("FATAL|PANIC|could not", line)]
            # Without the time and the process id that begin every line of the log.
            return re.sub(r"^.*? (?=[A-Z]+:  )", "", (fatal or lines[-2:])[-1]).strip()
        return "see logs/postgres.log in the state folder."


def _draft_of(home: Path) -> Path:
    return home.with_name(f"{home.name}.new")


def _baseline() -> list[Path]:
    return sorted((HERE / "baseline").glob("*.sql"))


def _baseline_hash() -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in _baseline())).hexdigest()


def end_postmaster(data: Path) -> None:
    """End the server that runs on this data folder, if one does, and wait until it is gone."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        # The number may have gone to another process since: only one that works in this folder is ours.
        if Path(f"/proc/{pid}/cwd").resolve() != data.resolve():
            return
        handle = os.pidfd_open(pid)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGINT)
        if not select.select([handle], [], [], 30)[0]:
            signal.pidfd_send_signal(handle, signal.SIGQUIT)
            select.select([handle], [], [], 10)
    finally:
        os.close(handle)


def _owner() -> tuple[int, int]:
    """User and group of the cluster's files."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        raise StackError(
            f"There is no system user {SYSTEM_USER!r} to run PostgreSQL: run `./scripts/install` as root."
        ) from None
    return entry.pw_uid, entry.pw_gid


def _reachable(folder: Path) -> bool:
    """Whether the user who runs the server may work in this folder's subfolders."""
    user, group = _owner()
    return (
        subprocess.run(  # noqa: S603
            ["/usr/bin/test", "-x", str(folder)], user=user, group=group, extra_groups=[], check=False
        ).returncode
        == 0
    )
