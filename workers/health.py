"""Whether a machine does what it is there for, and if not, why: what `/healthz` answers.

A machine that is not well is not always mended by starting it anew: one whose database is away waits for it,
and keeps what it made on its disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workers.status import State

# What the alarms of the spool mean.
SPOOL = {
    "filling": "the spool comes near its bound: nothing is lost until it is full",
    "full": "the spool is full and turns signals away: is the database reachable?",
    "disk": "the spool's disk refuses: what fires waits in memory, or is made again from candles",
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """From when on something is wrong, in seconds."""

    # A step tries a call for ten seconds, four times as a rule, and takes many batches after an outage.
    step: float = 180.0
    # A candle closes each minute; a stream that died is found and repaired within two.
    silence: float = 240.0
    away: float = 120.0
    # Warming up two hundred symbols takes a while.
    start: float = 600.0
    spool: float = 300.0


@dataclass(frozen=True, slots=True)
class Condition:
    """How a machine is now: seconds by role of the step under way, by database role without an answer.

    `silent` is None where no feed can fall silent: in a replay, or at the end.
    """

    state: State
    running_for: float
    steps: Mapping[str, float] = field(default_factory=dict)
    silent: float | None = None
    away: Mapping[str, float] = field(default_factory=dict)
    spool_age: float = 0.0
    spool_alarm: str = ""
    # Until the tokens end that this machine was given, by database role.
    tokens: Mapping[str, float] = field(default_factory=dict)


def judge(it: Condition, bounds: Bounds | None = None) -> list[str]:
    """What is wrong, a sentence each; nothing when all is well."""
    most = bounds or Bounds()
    wrong: list[str] = []
    if it.state in ("draining", "stopped"):
        wrong.append(f"the machine is {it.state}")
    if it.state == "starting" and it.running_for > most.start:
        wrong.append(
            f"the machine has been starting for {it.running_for:.0f} s: its log says what it waits for"
        )
    for role, seconds in sorted(it.steps.items()):
        if seconds > most.step:
            wrong.append(f"the role {role} has been in one step for {seconds:.0f} s: it is stuck")
    if it.silent is not None and it.state == "running" and it.silent > most.silence:
        wrong.append(f"no candle has come for {it.silent:.0f} s: the feed is silent")
    longest = max(it.away.values(), default=0.0)
    if longest > most.away:
        wrong.append(f"the database has not answered for {longest:.0f} s")
    wrong += [
        f"the token for the role {role} has ended: make another one with `sigtrail machines token`"
        for role, left in sorted(it.tokens.items())
        if left <= 0
    ]
    if it.spool_alarm:
        wrong.append(SPOOL[it.spool_alarm])
    if it.spool_age > most.spool:
        wrong.append(f"the oldest signal in the spool has waited for {it.spool_age:.0f} s")
    return wrong
