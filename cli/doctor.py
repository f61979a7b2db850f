"""`sigtrail doctor`: is everything well, and if not, what to do."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.analyst import check_analyst
from cli.output import print_json, show
from cli.project import ask, operator, run
from shared.settings import load

# What a person does about a check that is not well. For those that are not here the database has advice.
ADVICE = {
    "partitions": "days without a partition refuse signals: does pg_cron run? `sigtrail partitions list`",
    "queue": "work waits longer than it should: start a machine of that role, `sigtrail machines list`",
    "machines": "a machine fell silent without goodbye: its leases run out by themselves; start it again",
    "tokens": "a machine is cut off when its token ends: make another with `sigtrail machines token`, and put"
    " it where the old one is, see docs/deploy.md",
    "shares": "nobody evaluates some symbols: start a machine with the role signals; `machines shares`",
    "positions": "a position has no confirmed stop loss: `sigtrail positions list --status open`, now",
    "orders": "nobody knows what became of an order, its account enters nothing: `sigtrail orders list`",
    "venues": "a venue does not answer, or the machine's clock is wrong: nothing new is opened there",
    "desks": "an account hangs, its keys cannot be opened or are refused, its venue is not reached, or its"
    " journal cannot be written: `sigtrail accounts verify ID` asks the venue; look at the disk",
    "ledgers": "a wallet changed by more or less than the record says: a deposit, a withdrawal or trades by"
    " hand explain it, else fills are missing: `sigtrail accounts differences`",
    "analysts": "a machine cannot ask its model, and signals wait or are rejected: the key, the model, the"
    " address and the day's budget are in SIGTRAIL_ANALYST_*, see docs/analysts.md",
    "broadcasts": "messages wait to be sent: does a machine run that flushes them? `sigtrail machines list`",
    "transactions": "a transaction is open for too long: it holds back vacuum and seals; find and end it",
    "seals": "events wait for their seal: does a machine run the role archive, with SIGTRAIL_SEAL_KEY set?",
    "alerts": "alerts reach nobody: `sigtrail alerts list` says why; mend it, then `sigtrail alerts test`",
    "orphans": "orders or positions link to signals that are not there: keep the database as it is and look",
}


def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Ask the project how it is. Exit status 1 when something needs a person."""

    async def read() -> dict[str, Any]:
        async with operator() as client:
            health = dict(await ask("doctor", client.rpc("doctor").execute))
        # What machines told of their analysts is in there; this is what the settings here would come to.
        here = await check_analyst(load())
        if here is not None:
            health["checks"] = [*health["checks"], here]
            health["ok"] = health["ok"] and here["ok"]
        return health

    health = run(read())
    checks: list[dict[str, Any]] = health["checks"]
    if json:
        print_json(health)
    else:
        for check in checks:
            print(f"{'well' if check['ok'] else 'LOOK'}  {check['name']:<12} {_found(check['found'])}")
            if not check["ok"]:
                print(f"      {ADVICE.get(check['name']) or check['advice']}")
    if not health["ok"]:
        raise typer.Exit(1)


def _found(found: Any) -> str:
    if isinstance(found, list) and found and all(isinstance(one, dict) for one in found):
        return "; ".join(_found(one) for one in found)
    if isinstance(found, dict):
        return (
            ", ".join(f"{name.replace('_', ' ')} {show(value)}" for name, value in found.items()) or "nothing"
        )
    return show(found) if found else "nothing"
