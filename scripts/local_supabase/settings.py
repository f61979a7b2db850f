"""Where one local Supabase lives and which ports it uses.

Everything else about a stack (its addresses, files and keys) follows from these settings, so that each of its
processes gets by with the state folder alone: `Settings.load(root)`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from scripts.local_supabase.errors import StackError
from scripts.local_supabase.keys import Keys

CHECKOUT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Settings:
    """One stack.

    root: its state folder (data, keys, logs, process ids); `.local` of the checkout unless given
    project: the folder that holds `supabase/`
    venue: a fake venue to trade on belongs to the stack
    """

    root: Path = CHECKOUT / ".local"
    api_port: int = 54321
    db_port: int = 54322
    realtime_port: int = 54323
    functions_port: int = 54324
    project: Path = CHECKOUT
    venue: bool = False
    db_password: str = "postgres"  # noqa: S105 - loopback only, as the CLI expects of a local stack

    @classmethod
    def load(cls, root: Path) -> Self:
        """The settings that the stack in this folder was last started with. Raises StackError without any."""
        file = root / "settings.json"
        try:
            stored: dict[str, Any] = json.loads(file.read_text())
        except FileNotFoundError:
            raise StackError(
                f"There is no local Supabase in {root}: start one with `./scripts/up`."
            ) from None
        stored["root"] = root
        stored["project"] = Path(stored["project"])
        return cls(**stored)

    def save(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        stored = asdict(self) | {"project": str(self.project)}
        del stored["root"]
        (self.root / "settings.json").write_text(json.dumps(stored, indent=2) + "\n")

    def at_port(self, api_port: int) -> Self:
        """The same stack with its ports in a row from this one."""
        return replace(
            self,
            api_port=api_port,
            db_port=api_port + 1,
            realtime_port=api_port + 2,
            functions_port=api_port + 3,
        )

    @cached_property
    def keys(self) -> Keys:
        """The stack's keys, made on first use."""
        return Keys.load_or_create(self.root / "keys.json")

    @property
    def jwt_secret(self) -> str:
        return self.keys.jwt_secret

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.api_port}"

    @property
    def realtime_url(self) -> str:
        return f"http://{HOST}:{self.realtime_port}"

    @property
    def functions_url(self) -> str:
        return f"http://{HOST}:{self.functions_port}"

    def db_url_of(self, login: str, database: str = "postgres") -> str:
        return f"postgresql://{login}:{self.db_password}@{HOST}:{self.db_port}/{database}"

    @property
    def db_url(self) -> str:
        """As postgres, the project's owner, who is not a superuser."""
        return self.db_url_of("postgres")

    @property
    def admin_db_url(self) -> str:
        """As supabase_admin, the superuser."""
        return self.db_url_of("supabase_admin")

    @property
    def authenticator_db_url(self) -> str:
        """As the REST server logs in."""
        return self.db_url_of("authenticator")

    @property
    def auth_db_url(self) -> str:
        """As the auth server logs in."""
        return self.db_url_of("supabase_auth_admin")

    @property
    def storage_db_url(self) -> str:
        """As the storage server logs in."""
        return self.db_url_of("supabase_storage_admin")

    @property
    def venue_port(self) -> int:
        """Where the fake venue is, if the stack has one."""
        return self.functions_port + 1

    @property
    def venue_folder(self) -> Path:
        """What the fake venue keeps: its accounts, its certificate, its address."""
        return self.root / "venue"

    @property
    def storage(self) -> Path:
        """Where the storage server keeps the bytes of its objects."""
        return self.root / "storage"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def pids(self) -> Path:
        return self.root / "pids"

    @property
    def functions(self) -> Path:
        """The project's edge functions; the folder may be missing."""
        return self.project / "supabase" / "functions"
