"""How patient the bridge is: with venues, with leases, with positions without protection."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from workers.trading.decisions.protection import Patience


@dataclass(frozen=True, slots=True)
class Policy:
    """All of the bridge's times and limits in one place."""

    patience: Patience = field(default_factory=Patience)
    # An order that nobody confirmed is proven absent by so many answers "not there", so far apart. A request
    # that was under way when we gave up has long arrived, or was too old for the venue, by then.
    probes: int = 3
    probe_spacing: timedelta = timedelta(seconds=4)
    # How often a venue is asked for fills while orders of ours are there.
    poll_every: timedelta = timedelta(seconds=2)
    # The same while a stream rings when there is something: it may be wrong, so it is asked all the same.
    poll_streaming: timedelta = timedelta(seconds=30)
    # A venue takes a moment from the connection to the subscription, in which events are lost.
    settle: timedelta = timedelta(seconds=3)
    # How often the open orders are compared as well: an order may end without a fill.
    sweep_every: timedelta = timedelta(minutes=15)
    # How often holdings and open orders are compared although nothing rang; and how soon after the last time
    # when something did.
    look_every: timedelta = timedelta(seconds=60)
    look_spacing: timedelta = timedelta(seconds=1)
    # How often futures are looked at for nearness to liquidation, and for what was paid as funding.
    margin_every: timedelta = timedelta(seconds=30)
    funding_every: timedelta = timedelta(minutes=15)
    # How often the venue's ledger is held against the record; and again, when a look finds them apart: a fill
    # that was under way is there by then.
    reckon_every: timedelta = timedelta(minutes=15)
    reckon_again: timedelta = timedelta(minutes=1)
    # From how far back transfers are asked for after a start. What came before the first look is no matter.
    transfers_since: timedelta = timedelta(days=7)
    # How often the record is told the prices of what is held, where losses are limited.
    mark_every: timedelta = timedelta(seconds=30)
    # And where they are not, while the owner looks.
    mark_watched_every: timedelta = timedelta(seconds=5)
    # What a venue records late is asked for again.
    overlap: timedelta = timedelta(minutes=2)
    # How long a position whose stop or exit was refused by rules that may be old waits for the new ones.
    rules_seconds: float = 5.0
    # After a failure to reach a venue at start-up.
    reopen_after: timedelta = timedelta(seconds=10)
    claims: int = 100
    accounts: int = 100
    # Renewed six times over: an account of a machine that died is another's after ten and a half seconds at
    # most, and what a claim takes; fifteen are promised. A database that is away for five ends no lease.
    lease_seconds: int = 9
    # In a replay nobody waits for an account, and a step may take long.
    replay_lease_seconds: int = 60
    # So many desks of a venue have a turn at once, and none of them is waited for longer than this by the
    # others. One that takes far longer hangs: that is told, and what is claimed for it is given back.
    turns: int = 8
    turn_seconds: float = 0.25
    hangs_after: float = 30.0
    # How long a turn under way is waited for at the end.
    stop_seconds: float = 10.0
    # What a person set (a halt above all) is asked for again before an entry is sent, when it was last asked
    # for longer ago than this: with the longest wait for a turn at the limiter, a second, and the request's
    # own way, nothing is opened later than two seconds after an account was halted.
    terms_seconds: float = 1.0
