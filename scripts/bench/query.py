"""`sigtrail bench query`: reading a large history as a user who signed in, through supabase-py and by SQL.

A history of seven days is built twice, ten times larger the second time. The largest user owns a twentieth of
it; the ordinary ones stand in the middle of a thousand. Each question is asked both ways by turns, so that
whatever else the machine does meets both. Reading cold days is measured where the archive is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from scripts.bench.history import Asker, fill, find_askers, make_people
from scripts.bench.questions import QUESTIONS, Arguments, Question
from scripts.bench.report import Progress, Result, at_most, figure, percentile
from scripts.bench.stage import empty_project
from shared.client import Connection, connect_user
from shared.settings import Settings

SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (30_000, 300_000)
ROUNDS, QUICK_ROUNDS = 100, 20
WARM_UP = 3
GROWTH = 1.5
# By size, of 1,000: who asks as the largest user and who as an ordinary one.
LARGEST, ORDINARY = (1,), (300, 350, 400, 450, 500)


@dataclass
class Times:
    """Milliseconds of each call."""

    rest: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)


# By question and kind of user.
Measured = dict[tuple[str, str], Times]


@dataclass(frozen=True)
class Voice:
    """A user with a way to ask through the REST interface."""

    asker: Asker
    rest: Connection


async def run(*, quick: bool, progress: Progress) -> list[Result]:
    """Every question at both sizes: about a quarter of an hour, or a minute when quick, which says
    little about ten million signals but that the questions are answered."""
    if not quick:
        progress(
            "this takes about 15 minutes, most of it to write 11 million signals, and 20 GB of disk for that"
            " long; --quick gives figures of a thirtieth of the size within one"
        )
    progress("starting a local Supabase of its own")
    sizes = QUICK_SIZES if quick else SIZES
    measured: list[Measured] = []
    # Starting and stopping block; nothing else runs yet.
    with empty_project() as settings:
        url = settings.need("supabase_db_url")
        await make_people(url)
        for size in sizes:
            await fill(url, size, progress)
            progress(f"asking {len(QUESTIONS)} questions of {size:,} signals")
            measured.append(await _measure(settings, QUICK_ROUNDS if quick else ROUNDS))
    return judge(measured[0], measured[1], *sizes)


def judge(small: Measured, large: Measured, small_size: int, large_size: int) -> list[Result]:
    """The figures at the larger size, each beside the same by SQL, and their growth since the smaller."""
    results: list[Result] = []
    for question in QUESTIONS:
        for kind in ("largest", "ordinary"):
            times, before = large[question.name, kind], small[question.name, kind]
            name = f"{question.name}, {kind} user"
            for part in (0.5, 0.95):
                label = f"{name}, p{part * 100:.0f}"
                taken, floor = percentile(times.rest, part), percentile(times.sql, part)
                if part == 0.95 and question.target is not None:
                    results.append(at_most(label, taken, "ms", question.target, floor, of_value=True))
                else:
                    results.append(figure(label, taken, "ms", floor))
            growth = percentile(times.rest, 0.5) / percentile(before.rest, 0.5)
            label = f"{name}, {large_size:,} over {small_size:,}"
            results.append(
                figure(label, growth, "times") if question.grows else at_most(label, growth, "times", GROWTH)
            )
    return results


async def _measure(settings: Settings, rounds: int) -> Measured:
    url = settings.need("supabase_db_url")
    measured: Measured = {}
    async with AsyncExitStack() as stack:
        asking = await stack.enter_async_context(await psycopg.AsyncConnection.connect(url, autocommit=True))
        for kind, places in (("largest", LARGEST), ("ordinary", ORDINARY)):
            voices = []
            for asker in await find_askers(url, places):
                rest = await connect_user(settings, str(asker.user_id))
                stack.push_async_callback(rest.close)
                voices.append(Voice(asker, rest))
            for question in QUESTIONS:
                measured[question.name, kind] = await _ask(question, voices, asking, rounds)
    return measured


async def _ask(
    question: Question, voices: Sequence[Voice], asking: psycopg.AsyncConnection[Any], rounds: int
) -> Times:
    """Ask as each of them in turn, both ways. The first rounds warm up connections, plans and pages."""
    times = Times()
    for n in range(-WARM_UP * len(voices), rounds):
        voice = voices[n % len(voices)]
        await _become(asking, voice.asker.user_id)
        now = datetime.now(UTC)
        arguments = question.arguments(voice.asker, now, n)
        if question.begins is not None:
            page = await _by_rest(voice.rest, question, question.begins(voice.asker, now, n))
            if page["next_cursor"] is None:
                # A small user's whole day: the page that there is, then.
                arguments = question.begins(voice.asker, now, n)
            else:
                arguments["cursor"] = page["next_cursor"]
        began = time.perf_counter()
        await _by_rest(voice.rest, question, arguments)
        between = time.perf_counter()
        await _by_sql(asking, question, arguments)
        ended = time.perf_counter()
        if n >= 0:
            times.rest.append((between - began) * 1000)
            times.sql.append((ended - between) * 1000)
    return times


async def _by_rest(connection: Connection, question: Question, arguments: Arguments) -> Any:
    plain = {name: _plain(value) for name, value in arguments.items()}
    return await connection.call(question.function, plain, attempts=1)


async def _by_sql(connection: psycopg.AsyncConnection[Any], question: Question, arguments: Arguments) -> None:
    given = sql.SQL(", ").join(
        sql.SQL("{} => {}").format(sql.Identifier(name), sql.Placeholder(name)) for name in arguments
    )
    statement = sql.SQL("select answer::text from public.{}({}) answer").format(
        sql.Identifier(question.function), given
    )
    # As the REST interface does: prepared, and not parsed here.
    await (await connection.execute(statement, arguments, prepare=True)).fetchall()


async def _become(connection: psycopg.AsyncConnection[Any], user_id: UUID) -> None:
    """Ask as this user from now on, with the role and the claims that the REST interface would set."""
    claims = json.dumps({"role": "authenticated", "sub": str(user_id)})
    await connection.execute("reset role")
    await connection.execute("select set_config('request.jwt.claims', %s, false)", (claims,))
    await connection.execute("set role authenticated")


def _plain(value: Any) -> Any:
    """A value as JSON carries it."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
