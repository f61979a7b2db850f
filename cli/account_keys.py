"""`sigtrail accounts add`, `verify`, `rotate`, `rotate-master-key`, `revoke`, `history`: keys of accounts.

A key is asked for its rights before it is stored, stored only sealed, and never shown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import uuid4

import typer

from cli.decisions import Yes, be_sure
from cli.key_store import KeyStore, SealedAccount, open_key_store
from cli.output import notes, print_json, print_rows
from cli.project import run
from cli.venue_keys import read_keys
from shared.errors import InputError, SigtrailError
from shared.redaction import conceal
from shared.settings import Settings, load
from shared.vault import Vault, VaultError

app = typer.Typer()
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
Account = Annotated[str, typer.Argument(help="The account (name or id).")]
Source = Annotated[
    str | None,
    typer.Option(
        "--from", help="Read the keys from this file, or from standard input (-); asked for without it."
    ),
]


class KeyRefused(SigtrailError):
    """The key may do what no key here may, or belongs to something else."""


@app.command("add")
def add(
    user: Annotated[str, typer.Option(help="Whose account it is (email or id).")],
    name: Annotated[str, typer.Option(help="What it is called.")],
    venue: Annotated[str, typer.Option(help="binance, binanceusdm, bybit or okx.")],
    market: Annotated[str, typer.Option(help="usdm (perpetual futures) or spot.")] = "usdm",
    sandbox: Annotated[
        bool, typer.Option("--sandbox/--live", help="The venue's sandbox, or real money.")
    ] = True,
    read_only: Annotated[bool, typer.Option("--read-only", help="Never trade it.")] = False,
    source: Source = None,
    json: AsJson = False,
) -> None:
    """Store the keys of an account at a venue, sealed. Refuses a key that may withdraw."""
    if market not in ("usdm", "spot"):
        raise InputError(f"{market!r} is no market: use usdm or spot")
    settings = load()
    vault = open_vault(settings)

    async def store() -> dict[str, Any]:
        async with open_key_store(settings) as keys_of:
            owner = await keys_of.owner(user)
            await keys_of.refuse_known(owner, name)
            keys = read_keys(venue, source)
            row = {"user_id": owner, "name": name, "venue": venue, "market": market, "sandbox": sandbox}
            return await store_keys(keys_of, settings, vault, row, keys, read_only=read_only)

    made = run(store())
    if json:
        print_json(made)
        return
    notes.print(f"account {made['name']} is {made['id']} and may {made['permissions']}", soft_wrap=True)
    _tell(made["key_info"])


@app.command("verify")
def verify(account: Account, json: AsJson = False) -> None:
    """Open an account's keys and ask the venue what they may do.

    Exit status 1 when they may not be used. An account whose key may withdraw opens nothing new any more.
    """
    settings = load()
    vault = open_vault(settings)

    async def check() -> dict[str, Any]:
        async with open_key_store(settings) as keys_of:
            found = await keys_of.find(account)
            keys = open_keys(vault, found)
            info = await _ask_rights(settings, found.venue, found.market, found.sandbox, keys)
            status = await keys_of.note_verified(found.id, info, bool(info["may_trade"]))
            permissions = found.permissions if info["may_trade"] else "read"
            return {
                "id": found.id,
                "name": found.name,
                "permissions": permissions,
                "status": status,
                "key": info,
            }

    report = run(check())
    if json:
        print_json(report)
    else:
        trades = "may trade" if report["key"]["may_trade"] else "may not trade"
        notes.print(f"the keys of {report['name']} open, the venue accepts them, and they {trades}")
        _tell(report["key"])
    if report["key"]["may_withdraw"]:
        raise KeyRefused(
            f"the key of {report['name']} may withdraw, so the account is {report['status']} and opens"
            " nothing new: take that right away and verify it again, or give another key with"
            " `sigtrail accounts rotate`; then `sigtrail accounts status ID active --why …`"
        )


@app.command("rotate")
def rotate(account: Account, source: Source = None, json: AsJson = False) -> None:
    """Replace an account's keys by others that the venue gave for the same account."""
    settings = load()
    vault = open_vault(settings)

    async def replace() -> dict[str, Any]:
        async with open_key_store(settings) as keys_of:
            found = await keys_of.find(account)
            if found.venue == "paper":
                raise InputError(f"{found.name} is a paper account, which has no keys")
            keys = read_keys(found.venue, source)
            info = await _ask_rights(settings, found.venue, found.market, found.sandbox, keys)
            _refuse_withdrawal(found.venue, info)
            before = found.key_info.get("holder")
            if before and info["holder"] and before != info["holder"]:
                raise KeyRefused(
                    f"the key belongs to another account at {found.venue} than the one before:"
                    " store it as an account of its own with `sigtrail accounts add`"
                )
            # A right to trade is not given by a new key to an account that was marked read-only before.
            was_read_only = found.permissions == "read" and bool(found.key_info.get("may_trade"))
            permissions = "trade" if info["may_trade"] and not was_read_only else "read"
            await keys_of.rotate(found.id, vault.seal(found.user_id, found.id, keys), permissions, info)
            return {"id": found.id, "name": found.name, "permissions": permissions, "key": info,
                    "traded_by": found.lease_machine}  # fmt: skip

    report = run(replace())
    if json:
        print_json(report)
        return
    notes.print(f"account {report['name']} has its new keys and may {report['permissions']}")
    if report["traded_by"]:
        notes.print(f"{report['traded_by']} takes them up within seconds; then end the old key at the venue")
    _tell(report["key"])


@app.command("rotate-master-key")
def rotate_master_key(
    drop: Annotated[
        int | None, typer.Option(help="Also say whether this version may leave SIGTRAIL_MASTER_KEY.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Seal the keys of all accounts again, under the newest version in SIGTRAIL_MASTER_KEY (1:old,2:new).

    May be stopped and started again at any time; what is sealed with the newest version stays as it is.
    """
    settings = load()
    vault = open_vault(settings)
    if drop == vault.key_version:
        raise InputError(f"version {drop} is the newest: new keys are sealed with it")
    report = run(reseal_all(settings, vault))
    if json:
        print_json(report)
    else:
        notes.print(
            f"{report['resealed']} accounts are resealed with version {report['version']},"
            f" {report['already']} were before"
        )
    if report["failed"]:
        raise VaultError("; ".join(one["error"] for one in report["failed"]))
    if drop is not None:
        used = report["in_use"].get(drop, 0)
        if used:
            raise KeyRefused(
                f"version {drop} is still in use by {used} accounts: keep it in SIGTRAIL_MASTER_KEY"
            )
        notes.print(f"no account is sealed with version {drop}: it may leave SIGTRAIL_MASTER_KEY")


@app.command("revoke")
def revoke(
    account: Account,
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave open positions and orders to the venue.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the trail.")] = None,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Throw an account's sealed keys away and stop trading it. Its history stays."""
    be_sure(yes, f"throw the keys of account {account} away")
    settings = load()

    async def end() -> SealedAccount:
        async with open_key_store(settings, reason) as keys_of:
            found = await keys_of.find(account)
            await keys_of.revoke(found.id, leave)
            return found

    found = run(end())
    if json:
        print_json({"id": found.id, "name": found.name, "status": "halted", "permissions": "read"})
    else:
        notes.print(f"the keys of {found.name} are gone; delete the key at {found.venue} too")


@app.command("history")
def history(account: Account, json: AsJson = False) -> None:
    """Show who did what to an account: keys, permissions, status."""

    async def read() -> list[dict[str, Any]]:
        async with open_key_store(load()) as keys_of:
            return await keys_of.events((await keys_of.find(account)).id)

    columns = {"created_at": "AT", "event_type": "WHAT", "actor": "WHO", "details": "DETAILS"}
    print_rows(run(read()), columns, json=json, empty="nothing happened to this account")


async def store_keys(
    keys_of: KeyStore,
    settings: Settings,
    vault: Vault,
    row: Mapping[str, Any],
    keys: Mapping[str, str],
    *,
    read_only: bool = False,
) -> dict[str, Any]:
    """A new account with its keys, after the venue said what they may do. Refuses those that may withdraw.

    `row` has its user_id, name, venue, market and sandbox, and may have settings.
    """
    info = await _ask_rights(settings, row["venue"], row["market"], row["sandbox"], keys)
    _refuse_withdrawal(row["venue"], info)
    account_id = uuid4()
    made = {
        "settings": {},
        **row,
        "id": account_id,
        "permissions": "trade" if info["may_trade"] and not read_only else "read",
        "key_info": info,
    }
    return await keys_of.add(made, vault.seal(row["user_id"], account_id, keys))


async def reseal_all(settings: Settings, vault: Vault) -> dict[str, Any]:
    """Reseal what is not sealed with the newest version. Each account for itself; what failed is named."""
    async with open_key_store(settings) as keys_of:
        held = vault.versions
        missing = {
            version: count for version, count in (await keys_of.versions()).items() if version not in held
        }
        if missing:
            told = ", ".join(f"version {version} ({count} accounts)" for version, count in missing.items())
            raise VaultError(f"SIGTRAIL_MASTER_KEY lacks {told}: put it back before anything is resealed")
        resealed, already, failed = 0, 0, list[dict[str, Any]]()
        for account in await keys_of.sealed():
            if account.sealed is None or account.sealed.key_version == vault.key_version:
                already += 1
                continue
            try:
                after = vault.reseal(account.user_id, account.id, account.sealed)
            except VaultError as error:
                failed.append({"id": account.id, "name": account.name, "error": str(error)})
                continue
            # When somebody stored other keys meanwhile, theirs are sealed with the newest version too.
            resealed += await keys_of.reseal(account.id, account.sealed, after)
        return {
            "version": vault.key_version,
            "resealed": resealed,
            "already": already,
            "failed": failed,
            "in_use": await keys_of.versions(),
        }


async def _ask_rights(
    settings: Settings, venue: str, market: str, sandbox: bool, keys: Mapping[str, str]
) -> dict[str, Any]:
    # ccxt takes half a second to load: only what asks a venue pays for it.
    from shared.venue_sessions import session_factory_of
    from workers.trading.venues.rights import ask_rights

    sessions = session_factory_of(settings)
    rights = await ask_rights(venue, market, sandbox=sandbox, keys=keys, sessions=sessions)
    return rights.to_json(datetime.now(UTC))


def open_vault(settings: Settings) -> Vault:
    """The vault of this operator's master key. Raises ConfigurationError without one."""
    # Asked for before any key is: nobody types a secret that cannot be sealed.
    master_key = settings.need("sigtrail_master_key")
    conceal(part.rpartition(":")[2].strip() for part in master_key.split(","))
    return Vault.from_text(master_key)


def open_keys(vault: Vault, account: SealedAccount) -> dict[str, str]:
    """The plain keys of an account, concealed from every text that leaves this process from here on."""
    if account.sealed is None:
        raise InputError(f"account {account.name} has no keys: `sigtrail accounts rotate {account.id}`")
    keys = vault.open(account.user_id, account.id, account.sealed)
    conceal(keys.values())
    return keys


def _refuse_withdrawal(venue: str, info: Mapping[str, Any]) -> None:
    if info["may_withdraw"]:
        raise KeyRefused(
            f"this key may withdraw, and nothing was stored: make one at {venue} that may read and trade only"
        )


def _tell(info: Mapping[str, Any]) -> None:
    if not info["may_trade"]:
        notes.print("the key has no right to trade on this market: the account is only read")
    if info["ip_restricted"]:
        listed = f" ({', '.join(info['addresses'])})" if info["addresses"] else ""
        notes.print(f"the key works from certain IP addresses only{listed}: machines elsewhere are refused")
    elif info["ip_restricted"] is False:
        notes.print("the key works from any IP address: restrict it at the venue to those of your machines")
    if info["others"]:
        notes.print(f"the key may also move money inside the venue: {', '.join(info['others'])}")
    if info["expires_at"]:
        notes.print(f"the key ends at {info['expires_at']}")
