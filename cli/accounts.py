"""`sigtrail accounts`: where signals are traded."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer
from supabase import AsyncClient

from cli import account_keys
from cli.decisions import AsJson, Why, Yes, be_sure, call, carry_out
from cli.listing import list_rows
from cli.output import notes, print_json
from cli.project import ask, find_user, operator, run
from shared.errors import InputError

app = typer.Typer(name="accounts", help="Where signals are traded.", no_args_is_help=True)
app.add_typer(account_keys.app)
STATUSES = ("active", "reducing", "halted")


@app.command("list")
def list_accounts(json: AsJson = False) -> None:
    """Show accounts, who trades them now, and what they earned. Keys are never shown."""
    columns = {
        "name": "NAME",
        "email": "USER",
        "venue": "VENUE",
        "market": "MARKET",
        "status": "STATUS",
        "permissions": "MAY",
        "lease_machine": "TRADED BY",
        "open_positions": "OPEN",
        "realized_pnl": "P&L",
        "fees": "FEES",
        "id": "ID",
    }
    list_rows("accounts_list", columns, json=json, empty="no accounts yet: see `sigtrail accounts add`")


@app.command("add-paper")
def add_paper(
    user: Annotated[str, typer.Option(help="Whose account it is (email or id).")],
    name: Annotated[str, typer.Option(help="What it is called.")] = "Paper",
    balance: Annotated[str, typer.Option(help="What it starts with, in USDT.")] = "10000",
    market: Annotated[str, typer.Option(help="usdm (perpetual futures) or spot.")] = "usdm",
    json: AsJson = False,
) -> None:
    """Make an account on the paper exchange: real rules and fees, imagined money."""
    if market not in ("usdm", "spot"):
        raise InputError(f"{market!r} is no market: use usdm or spot")

    async def make() -> dict[str, Any]:
        async with operator() as client:
            owner = await find_user(client, user)
            return await create_paper_account(client, owner["id"], name, balance, market)

    made = run(make())
    if json:
        print_json(made)
    else:
        notes.print(f"account {made['name']} is {made['id']}", soft_wrap=True)


@app.command("status")
def set_status(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    status: Annotated[
        str, typer.Argument(help="active, reducing (opens nothing new) or halted (closes all).")
    ],
    why: Annotated[
        str | None, typer.Option(help="The reason, which the account's trail keeps; to let it trade, a must.")
    ] = None,
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Let an account trade, only reduce, or halt it: the only way out of a halt."""
    if status not in STATUSES:
        raise InputError(f"{status!r} is no status: use one of {', '.join(STATUSES)}")
    if status == "active" and why is None:
        raise InputError("say with --why what makes it trade again: it stays in the account's trail")
    if status == "halted":
        be_sure(yes, f"close everything of account {account}")
    reason = why or "set by an operator"
    now = run(call("set_account_status", account_id=account, status=status, why=reason))
    if json:
        print_json({"account_id": account, "status": now})
    else:
        notes.print(f"account {account} is {now} now", soft_wrap=True)


@app.command("differences")
def list_differences(
    account: Annotated[str | None, typer.Argument(help="Only of this account (its id).")] = None,
    days: Annotated[int, typer.Option(min=1, help="Today and so many days before, less one.")] = 7,
    all_rows: Annotated[bool, typer.Option("--all", help="Also days on which nothing is apart.")] = False,
    json: AsJson = False,
) -> None:
    """Show by day and currency where an account's wallet at the venue changed by more or less than the record
    says."""
    columns = {
        "day": "DAY",
        "name": "ACCOUNT",
        "currency": "CURRENCY",
        "venue_change": "AT THE VENUE",
        "recorded_change": "RECORDED",
        "difference": "APART",
        "since": "SINCE",
        "account_id": "ID",
    }
    bounds = {"account": account, "days": days, "every": all_rows}
    empty = "nothing is apart: what venues say is in the wallets is what the record says"
    list_rows("account_differences", columns, json=json, empty=empty, **bounds)


@app.command("close")
def close_account(
    account: Annotated[str, typer.Argument(help="The account's id.")],
    why: Why = "closed by an operator",
    yes: Yes = False,
    json: AsJson = False,
) -> None:
    """Halt an account: flatten what is open, cancel what rests, open nothing until a person lifts it."""
    be_sure(yes, f"close everything of account {account}")

    def told(answer: Any) -> str:
        held = f"{answer['positions']} positions and {answer['orders']} orders"
        return f"account {answer['name']} is halted, its bridge closes {held}"

    carry_out("close_account", told, json=json, account_id=account, why=why)


async def create_paper_account(
    client: AsyncClient,
    user_id: str,
    name: str,
    balance: str,
    market: str = "usdm",
    *,
    attached: bool = True,
) -> dict[str, Any]:
    """The user's paper account of this name, made if it is not there. Raises InputError for a bad balance.

    `attached`: stop loss and take profit go along with an entry; otherwise they follow its fill, as they do
    on most venues.
    """
    try:
        amount = Decimal(balance)
    except InvalidOperation:
        raise InputError(f"{balance!r} is no balance: write a number of USDT, such as 10000") from None
    if not amount.is_finite() or amount <= 0:
        raise InputError(f"a paper account starts with more than nothing, not {balance}")
    row = {
        "user_id": user_id,
        "name": name,
        "venue": "paper",
        "market": market,
        "permissions": "trade",
        "settings": {"starting": {"USDT": balance}, **({} if attached else {"attached": False})},
    }
    table = client.table("exchange_accounts")
    columns = "id,user_id,name,venue,market,status,settings"
    known = await ask("accounts", table.select(columns).eq("user_id", user_id).eq("name", name).execute)
    if not known:
        await ask("accounts", lambda: table.insert(row, returning="minimal").execute())  # type: ignore[arg-type]
        known = await ask("accounts", table.select(columns).eq("user_id", user_id).eq("name", name).execute)
    return dict(known[0])
