"""Keys come in without an argument, are asked for their rights, and are stored sealed or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
import termios
from pathlib import Path
from uuid import UUID

import pytest

from cli.venue_keys import parse_keys
from shared.errors import InputError
from shared.settings import CHECKOUT
from shared.vault import Sealed, Vault, new_master_key
from tests.trading.keys.typist import Operator, Said


async def test_a_key_is_stored_sealed_with_what_the_venue_said_of_it(operator: Operator) -> None:
    key = operator.make_key(addresses=("192.0.2.7",))
    said = await operator.add(key, "Main")
    assert said.status == 0, said.errors
    made = said.json
    assert (made["permissions"], made["status"], made["sandbox"]) == ("trade", "active", False)
    assert made["key_info"]["ip_restricted"] is True
    assert made["key_info"]["addresses"] == ["192.0.2.7"]
    row = await operator.account(made["id"])
    sealed = Sealed(row["ciphertext"], row["salt"], row["key_version"])
    opened = Vault.from_text(operator.master_key).open(operator.user, UUID(made["id"]), sealed)
    assert opened == {"apiKey": key.key, "secret": key.secret}
    events = await operator.fetch(
        "select * from public.account_events where account_id = %s order by id", made["id"]
    )
    assert [one["event_type"] for one in events] == ["account_added", "keys_sealed"]
    assert all(one["actor"].startswith("operator ") and "@" in one["actor"] for one in events)
    assert all(key.secret not in str(one) and key.key not in str(one) for one in events)


async def test_keys_come_from_a_pipe_too(operator: Operator) -> None:
    key = operator.make_key()
    options = ("--user", str(operator.user), "--name", "Piped", "--venue", "binanceusdm", "--live")
    said = await operator.type("add", *options, "--from", "-", given=f"{key.key}\n{key.secret}\n")
    assert said.status == 0, said.errors
    assert "may trade" in said.errors
    assert "from any IP address" in said.errors
    assert key.key not in said.out + said.errors


async def test_keys_are_asked_for_without_echo(operator: Operator) -> None:
    key = operator.make_key(passphrase="a-long-passphrase")
    master, slave = os.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    command = ["accounts", "add", "--user", str(operator.user), "--name", "Typed", "--venue", "okx", "--live"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "cli.main", *command),
        cwd=CHECKOUT,
        env=operator.environment,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=take_terminal,
    )
    os.close(slave)
    shown = await asyncio.to_thread(_talk, master, [key.key, key.secret, "a-long-passphrase"])
    assert await process.wait() == 0, shown
    assert "API key:" in shown
    assert "Passphrase:" in shown
    assert "Typed is" in shown
    assert not [hidden for hidden in (key.key, key.secret, "a-long-passphrase") if hidden in shown]


def _talk(master: int, answers: list[str]) -> str:
    """Answer each question that ends in a colon; everything that the terminal showed."""
    shown = b""
    waiting = list(answers)
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if waiting and shown.rstrip(b" ").endswith(b":"):
            os.write(master, waiting.pop(0).encode() + b"\n")
    os.close(master)
    return shown.decode(errors="replace")


async def test_a_key_that_may_withdraw_is_refused(operator: Operator) -> None:
    said = await operator.add(operator.make_key(withdraws=True), "Dangerous")
    assert said.status == 1
    assert "may withdraw, and nothing was stored" in said.errors
    assert (
        await operator.fetch("select from public.exchange_accounts where user_id = %s", operator.user) == []
    )


@pytest.mark.parametrize("options", [(), ("--read-only",)])
async def test_a_key_that_may_not_trade_is_read_only(operator: Operator, options: tuple[str, ...]) -> None:
    said = await operator.add(operator.make_key(trades=bool(options)), "Watching", *options)
    assert said.status == 0, said.errors
    assert said.json["permissions"] == "read"


async def test_nothing_is_stored_of_what_is_wrong(operator: Operator) -> None:
    key = operator.make_key()
    user = ("--user", str(operator.user))

    async def refused(status: int, words: str, *arguments: str, given: str = "") -> None:
        said = await operator.type("add", *user, "--name", "Wrong", *arguments, given=given)
        assert said.status == status, said.errors
        assert words in said.errors
        assert key.secret not in said.errors
        assert "Traceback" not in said.errors

    source = ("--from", "-")
    pair = f"{key.key}\n{key.secret}\n"
    await refused(2, "nobody knows how to ask kraken", "--venue", "kraken", *source, given=pair)
    await refused(2, "no market", "--venue", "bybit", "--market", "margin", *source, given=pair)
    await refused(2, "the secret is missing", "--venue", "bybit", *source, given=f"{key.key}\n")
    await refused(2, "needs apiKey, secret, password", "--venue", "okx", *source, given=pair)
    await refused(2, "no terminal", "--venue", "bybit")
    await refused(2, "chmod 600", "--venue", "bybit", "--from", operator.write(key, 0o644))
    await refused(2, "cannot read", "--venue", "bybit", "--from", str(operator.folder / "nothing"))
    await refused(1, "does not accept the key", "--venue", "bybit", "--live", *source, given="abc\ndef\n")
    operator.venue.echo = True
    await refused(1, "did not say what the key may do", "--venue", "bybit", "--live", *source, given=pair)
    assert await operator.accounts() == []


async def test_without_a_master_key_nobody_is_asked(operator: Operator) -> None:
    said = await operator.add(operator.make_key(), "Main", SIGTRAIL_MASTER_KEY="")
    assert said.status == 1
    assert "SIGTRAIL_MASTER_KEY is not set" in said.errors
    assert operator.venue.requests == []


async def test_a_name_is_taken_once(operator: Operator) -> None:
    assert (await operator.add(operator.make_key(), "Main")).status == 0
    asked = len(operator.venue.requests)
    again = await operator.add(operator.make_key(), "Main")
    assert (again.status, len(operator.venue.requests)) == (2, asked)
    assert "already" in again.errors


async def added(operator: Operator, **more: object) -> tuple[str, Said]:
    said = await operator.add(operator.make_key(**more), "Main")
    assert said.status == 0, said.errors
    return said.json["id"], said


async def test_verify_asks_the_venue_again(operator: Operator) -> None:
    account, _ = await added(operator)
    (key,) = operator.venue.keys.values()
    well = await operator.type("verify", account, "--json")
    assert (well.status, well.json["key"]["may_trade"]) == (0, True)
    key.trades = False
    assert (await operator.type("verify", account)).status == 0
    assert (await operator.account(account))["permissions"] == "read"
    key.withdraws = True
    grown = await operator.type("verify", account)
    assert grown.status == 1
    assert "may withdraw" in grown.errors
    assert "opens nothing new" in grown.errors
    assert (await operator.account(account))["status"] == "reducing"
    operator.venue.keys.clear()
    gone = await operator.type("verify", "Main")
    assert gone.status == 1
    assert "does not accept the key" in gone.errors
    verified = ["keys_verified", "permissions_changed", "keys_verified", "status_changed", "keys_verified"]
    assert await operator.trail(account) == ["account_added", "keys_sealed", *verified]


async def test_rotate_takes_a_key_of_the_same_account_only(operator: Operator) -> None:
    account, _ = await added(operator)
    before = await operator.account(account)
    other = operator.make_key(holder="815")
    refused = await operator.type("rotate", account, "--from", operator.write(other))
    assert refused.status == 1
    assert "another account at bybit" in refused.errors
    assert (await operator.account(account))["ciphertext"] == before["ciphertext"]
    fresh = operator.make_key()
    said = await operator.type("rotate", account, "--from", operator.write(fresh), "--json")
    assert said.status == 0, said.errors
    after = await operator.account(account)
    assert after["lease_fence"] == before["lease_fence"] + 1
    sealed = Sealed(after["ciphertext"], after["salt"], after["key_version"])
    opened = Vault.from_text(operator.master_key).open(operator.user, UUID(account), sealed)
    assert opened["apiKey"] == fresh.key
    assert (await operator.trail(account))[-1] == "keys_rotated"


async def test_revoke_leaves_no_ciphertext(operator: Operator) -> None:
    account, _ = await added(operator)
    unsure = await operator.type("revoke", account)
    assert unsure.status != 0
    assert "say --yes" in unsure.errors
    assert (await operator.account(account))["ciphertext"] is not None
    said = await operator.type("revoke", account, "--reason", "the laptop is gone", "--yes", "--json")
    assert said.status == 0, said.errors
    row = await operator.account(account)
    assert (row["ciphertext"], row["salt"], row["key_version"]) == (None, None, None)
    assert (row["permissions"], row["status"]) == ("read", "halted")
    shown = await operator.type("history", account, "--json")
    assert [one["event_type"] for one in shown.json][2:] == [
        "keys_revoked",
        "permissions_changed",
        "status_changed",
    ]
    assert shown.json[-1]["details"]["reason"] == "the laptop is gone"
    assert (await operator.type("verify", account)).status == 2


async def test_a_new_master_key_takes_over(operator: Operator) -> None:
    """Resealing goes through all accounts, may be done again, and tells what may be dropped."""
    names = ["A", "B", "C"]
    for name in names:
        assert (await operator.add(operator.make_key(), name)).status == 0
    old, new = operator.master_key, new_master_key()
    both = {"SIGTRAIL_MASTER_KEY": f"1:{old},2:{new}"}
    early = await operator.type("rotate-master-key", "--json", SIGTRAIL_MASTER_KEY=f"2:{new}")
    assert early.status == 1
    assert "lacks version 1" in early.errors
    await operator.sql.execute(
        """
        update public.exchange_accounts set ciphertext = ciphertext || 'x'
        where user_id = %s and name = 'B'
        """,
        (operator.user,),
    )
    broken = await operator.type("rotate-master-key", "--drop", "1", "--json", **both)
    assert broken.status == 1
    report = broken.json
    assert (report["version"], report["resealed"], [one["name"] for one in report["failed"]]) == (2, 2, ["B"])
    assert report["in_use"] == {"1": 1, "2": 2}
    await operator.sql.execute(
        """
        update public.exchange_accounts set ciphertext = substr(ciphertext, 1, length(ciphertext) - 1)
        where user_id = %s and name = 'B'
        """,
        (operator.user,),
    )
    early = await operator.type("rotate-master-key", "--drop", "2", "--json", **both)
    assert early.status == 2
    rest = await operator.type("rotate-master-key", "--drop", "1", "--json", **both)
    assert (rest.status, rest.json["resealed"], rest.json["already"]) == (0, 1, 2)
    assert "may leave" in rest.errors
    again = await operator.type("rotate-master-key", "--json", **both)
    assert (again.json["resealed"], again.json["already"]) == (0, 3)
    only_new = {"SIGTRAIL_MASTER_KEY": f"2:{new}"}
    for name in names:
        assert (await operator.type("verify", name, **only_new)).status == 0


@pytest.mark.parametrize(
    "text",
    [
        '{"apiKey": "k", "secret": "s"}',
        "api_key = k\nsecret = s",
        "# of the venue\nkey: k\nsecretKey: 's'\n",
        "k\ns\n",
    ],
)
def test_keys_are_read_as_people_keep_them(text: str) -> None:
    assert parse_keys(text, "a file") == {"apiKey": "k", "secret": "s"}


@pytest.mark.parametrize("text", ["{nonsense", '{"hidden-secret": "x"}', "a\nb\nc\nhidden-secret"])
def test_what_is_no_key_is_refused_and_not_repeated(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        parse_keys(text, "a file")
    assert "hidden-secret" not in str(caught.value)
