"""The analyst that asks a language model: budget and question on record first, then asked, then judged.

A question is written to the database before it leaves, and its answer before it is used. So whoever takes a
signal up again after a crash finds the answer there instead of asking anew, and an attempt of which nobody
knows the end is repeated with the same words under the same idempotency key.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import structlog

from shared.candles import Candle
from shared.clock import Clock
from shared.errors import DatabaseError, InputError, Unavailable
from shared.metrics import Metric
from shared.money import text
from shared.redaction import redact_all
from shared.role import Call
from shared.settings import Settings
from shared.work import Work
from workers.analysis.analyst import AnalystAway, Choice, LeaseLost, NotEnoughHistory, Unanswerable
from workers.analysis.answer import Limits, judge_answer, plain, read_answer
from workers.analysis.choice import ModelSettings, read_choice
from workers.analysis.completions import AskFailed, Completion, Completions, Misconfigured, QuestionRefused
from workers.analysis.metrics import Spending
from workers.analysis.prompt import make_request
from workers.analysis.readings import WINDOW, Readings, read
from workers.analysis.rules import RuleBasedAnalyst, Rules
from workers.analysis.verdict import Verdict, reject

log = structlog.get_logger(__name__)

FIRST_PAUSE = 0.5
# So many failures in a row, of whichever signals, and the server is left alone for a while.
MOST_FAILURES = 5
REST_SECONDS = 15.0
# As long as a person takes to change a setting.
MISCONFIGURED_SECONDS = 60.0
LONGEST_REST = 300.0


def choose(settings: Settings) -> Choice:
    """What makes the analyst of these settings. Raises ConfigurationError."""
    chosen = read_choice(settings)
    if chosen is None:
        return lambda call, clock: RuleBasedAnalyst()
    return lambda call, clock: ModelAnalyst(chosen, call, clock)


class ModelAnalyst:
    """Judges by what a language model says, within the limits of the trader and of the day's budget."""

    name = "model"
    candles_needed = WINDOW
    is_remote = True

    def __init__(
        self,
        settings: ModelSettings,
        call: Call,
        clock: Clock,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        rules: Rules | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._call = call
        self._clock = clock
        self._pause = pause
        self._monotonic = monotonic
        self._rules = rules or Rules()
        self._limits = limits or Limits()
        self._completions = Completions(settings, transport=transport)
        self.batch = settings.parallel
        # Two attempts of a database that is slow to answer fit in beside the patience for the model.
        self.lease_seconds = int(settings.patience) + 40
        # Ends of attempts that the database has not heard of yet, by signal: the attempt and its result.
        self._untold: dict[UUID, tuple[str, dict[str, Any]]] = {}
        self._failures = 0
        self._closed_until = 0.0
        self._trouble: str | None = None
        self._spending = Spending()

    def is_open(self) -> bool:
        """False for a while after the server refused the key, wanted to be left alone, or kept failing."""
        return self._monotonic() >= self._closed_until

    def report(self) -> dict[str, Any]:
        """See `Analyst`: whom it asks, and what is wrong with that."""
        told = {"name": self.name, "model": self._settings.model, "host": self._settings.host}
        return told if self._trouble is None else {**told, "trouble": self._trouble}

    def measure(self) -> Iterable[Metric]:
        """See `Analyst`."""
        return self._spending.measure()

    async def close(self) -> None:
        """Close the sockets."""
        await self._completions.close()

    async def analyse(self, one: Work, candles: Sequence[Candle]) -> Verdict:
        """See `Analyst`."""
        if len(candles) < WINDOW:
            raise NotEnoughHistory(len(candles), WINDOW, str(one.signal["interval"]))
        readings = read(candles)
        if readings is None:
            return reject("volatility_too_low", reason="prices do not move")
        known = await self._ask(one, candles, readings)
        if known is None:
            return reject("analysis_budget", reason="the day's budget for the model is used up")
        return self._judge(known, one, candles, readings)

    async def _ask(
        self, one: Work, candles: Sequence[Candle], readings: Readings
    ) -> Mapping[str, Any] | None:
        """The stored answer to the question about this signal, asked if need be; None without a budget."""
        request = make_request(
            self._settings.model,
            one,
            candles,
            readings,
            answer_tokens=self._settings.answer_tokens,
            rules=self._rules,
            limits=self._limits,
        )
        # No tokenizer makes more tokens than there are bytes.
        at_most = self._settings.cost(len(orjson.dumps(request)), self._settings.answer_tokens)
        give_up_at = self._monotonic() + self._settings.patience
        pause = FIRST_PAUSE
        await self._tell_ends(one.signal_id)
        while True:
            if not self.is_open():
                raise AnalystAway(f"{self._settings.host} is left alone for a while: {self._trouble}")
            call_id = str(uuid4())
            begun = await self._begin(one, call_id, request, at_most)
            if begun["decision"] == "lost":
                raise LeaseLost(f"signal {one.signal_id} is somebody else's by now")
            if begun["decision"] == "over_budget":
                self._trouble = "what may be asked or spent today is used up: see SIGTRAIL_ANALYST_DAILY_*"
                return None
            if begun["decision"] == "answered":
                return begun
            left = give_up_at - self._monotonic()
            failure, result = await self._attempt(one, begun["request"], at_most, left)
            self._untold[one.signal_id] = (call_id, result)
            ended = await self._tell_end(one.signal_id)
            if ended["decision"] == "answered":
                return ended
            if failure is None:
                raise LeaseLost(f"another machine asks about signal {one.signal_id} by now")
            if isinstance(failure, QuestionRefused):
                raise Unanswerable(str(failure)) from failure
            rest = self._closed_until - self._monotonic()
            wait = max(pause * random.uniform(0.5, 1.0), failure.retry_after or 0.0, rest)  # noqa: S311
            if self._monotonic() + wait + 1 > give_up_at:
                raise AnalystAway(str(failure)) from failure
            await self._pause(wait)
            pause *= 2

    async def _begin(
        self, one: Work, call_id: str, request: Mapping[str, Any], at_most: Decimal
    ) -> Mapping[str, Any]:
        cost = self._settings.daily_cost
        begun: Mapping[str, Any] = await self._call(
            "begin_model_call",
            {
                **one.reference(),
                "call_id": call_id,
                "model": self._settings.model,
                "request": request,
                "at_most": text(at_most),
                "daily_calls": self._settings.daily_calls,
                "daily_cost": None if cost is None else text(cost),
                "at": self._clock.now().isoformat(),
            },
        )
        return begun

    async def _attempt(
        self, one: Work, request: Mapping[str, Any], at_most: Decimal, left: float
    ) -> tuple[AskFailed | None, dict[str, Any]]:
        """One question: why there is no answer, if so, and what the database is told of how it ended."""
        began = self._monotonic()
        result: dict[str, Any]
        failure: AskFailed | None = None
        seconds = min(self._settings.timeout, left)
        try:
            completion = await self._completions.ask(request, f"sigtrail-{one.signal_id}", seconds)
        except AskFailed as error:
            failure = error
            cost = at_most if error.may_be_charged else Decimal(0)
            result = {"error": str(error), "cost": text(cost)}
        else:
            result = {"answer": completion.to_json(), **self._count(completion, at_most)}
        result["latency_ms"] = int((self._monotonic() - began) * 1000)
        self._note(failure)
        self._spending.note(result)
        return failure, redact_all(result)

    def _count(self, completion: Completion, at_most: Decimal) -> dict[str, Any]:
        """What an answer cost; at most what it could, when the server did not count or counts wildly."""
        prompt, written = completion.prompt_tokens, completion.completion_tokens
        if prompt is None or written is None:
            return {"cost": text(at_most)}
        cost = self._settings.cost(prompt, written)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "cost": text(min(cost, Decimal(10**6))),
        }

    async def _tell_ends(self, signal_id: UUID) -> None:
        """Record what the database has not heard of yet, also of signals that are others' by now: what
        such attempts cost counts, and nobody else comes back to them."""
        if signal_id in self._untold:
            await self._tell_end(signal_id)
        for other in tuple(self._untold):
            try:
                if other in self._untold:
                    await self._tell_end(other)
            except DatabaseError as error:
                log.warning("model_call_not_ended", signal_id=str(other), error=str(error))

    async def _tell_end(self, signal_id: UUID) -> Mapping[str, Any]:
        """Record how an attempt ended; kept for the next time when the database is away."""
        call_id, result = self._untold.pop(signal_id)
        at = self._clock.now().isoformat()
        body = {"signal_id": str(signal_id), "call_id": call_id, "result": result, "at": at}
        try:
            ended: Mapping[str, Any] = await self._call("end_model_call", body)
        except Unavailable:
            self._untold[signal_id] = (call_id, result)
            raise
        return ended

    def _note(self, failure: AskFailed | None) -> None:
        """Open or close the way to the server by how the last attempt ended."""
        if failure is None:
            if self._trouble is not None:
                log.info("model_answers_again", host=self._settings.host)
            self._failures, self._closed_until, self._trouble = 0, 0.0, None
            return
        self._failures += 1
        rest = 0.0
        if isinstance(failure, Misconfigured):
            rest = MISCONFIGURED_SECONDS
        elif self._failures >= MOST_FAILURES:
            rest = max(REST_SECONDS, failure.retry_after or 0.0)
        else:
            rest = failure.retry_after or 0.0
        if rest:
            self._closed_until = self._monotonic() + min(rest, LONGEST_REST)
        if rest or isinstance(failure, QuestionRefused):
            self._trouble = str(failure)
            log.warning("model_does_not_answer", host=self._settings.host, error=str(failure), rest=rest)

    def _judge(
        self, known: Mapping[str, Any], one: Work, candles: Sequence[Candle], readings: Readings
    ) -> Verdict:
        """The verdict by a stored answer, with what it cost."""
        stored = known["answer"]
        facts = ("prompt_tokens", "completion_tokens", "latency_ms", "cost", "attempt")
        spent = {name: known[name] for name in facts} | {"model": stored.get("model") or known["model"]}
        if stored.get("refusal"):
            verdict = reject("answer_refused", problem=plain(str(stored["refusal"])))
        elif stored.get("content") is None:
            verdict = reject("answer_malformed", problem=str(stored.get("problem") or "there is no content"))
        else:
            try:
                answer = read_answer(str(stored["content"]))
            except InputError as error:
                verdict = reject("answer_malformed", problem=str(error))
            else:
                verdict = judge_answer(answer, one, candles, readings, self._rules, self._limits)
        return Verdict(
            verdict.approved,
            verdict.confidence,
            outcome_code=verdict.outcome_code,
            plan=verdict.plan,
            result={**verdict.result, **spent},
        )
