"""How much of a budget is used, and from when on a request fits. Pure: counts and times in, counts and
times out.

Time is cut into slots, SLOTS to a window. What was used in a slot counts until the whole window has passed
since the slot's end, so no window, wherever it begins, ever holds more than the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from workers.trading.traffic.limiter_budgets import Budget
from workers.trading.traffic.traffic import Turn

SLOTS = 50


@dataclass(slots=True)
class Usage:
    """What was used of one budget, by the number of the slot since the clock's beginning."""

    slots: dict[int, int] = field(default_factory=dict)

    def copy(self) -> Usage:
        """The same counts, for changing."""
        return Usage(dict(self.slots))


def slot_ms(budget: Budget) -> int:
    """How long a slot of this budget lasts: never shorter than a millisecond, never too short for the
    window."""
    return max(1, -(-budget.window_ms // SLOTS))


def slot_of(budget: Budget, now_ms: int) -> int:
    """The slot that a moment lies in."""
    return now_ms // slot_ms(budget)


def counts_until(budget: Budget, slot: int) -> int:
    """The first moment (ms) at which nothing that was used in this slot counts any more."""
    return (slot + 1) * slot_ms(budget) + budget.window_ms


def used(budget: Budget, usage: Usage, now_ms: int) -> int:
    """How much counts at this moment. A slot of the future counts too: its clock was ahead, its requests
    were."""
    return sum(count for slot, count in usage.slots.items() if counts_until(budget, slot) > now_ms)


def prune(budget: Budget, usage: Usage, now_ms: int) -> None:
    """Forget what does not count any more."""
    for slot in [one for one in usage.slots if counts_until(budget, one) <= now_ms]:
        del usage.slots[slot]


def spend(budget: Budget, usage: Usage, cost: int, now_ms: int) -> None:
    """Count a request that leaves now."""
    if cost:
        slot = slot_of(budget, now_ms)
        usage.slots[slot] = usage.slots.get(slot, 0) + cost


def give_back(budget: Budget, usage: Usage, cost: int, counted_at: int) -> None:
    """A request of this cost was counted at this moment (ms), and did not leave. Taken back where it was
    counted: what left later has to count for as long as it would."""
    slot = slot_of(budget, counted_at)
    left = usage.slots.get(slot, 0) - cost
    if left > 0:
        usage.slots[slot] = left
    else:
        usage.slots.pop(slot, None)


def fits_at(budget: Budget, usage: Usage, cost: int, turn: Turn, now_ms: int) -> int:
    """The moment (ms) from which on a request of this cost fits, if nobody else uses anything: now, or later.

    How much may be used depends on whose `turn` it is. Raises ValueError for a cost that never fits.
    """
    room = budget.room(turn)
    if cost > room:
        raise ValueError(f"a request that costs {cost} never fits into {room}")
    total = used(budget, usage, now_ms)
    moment = now_ms
    for slot in sorted(usage.slots):
        if total + cost <= room:
            break
        if counts_until(budget, slot) > now_ms:
            moment = counts_until(budget, slot)
            total -= usage.slots[slot]
    return moment


def wait_for(
    budgets: Sequence[Budget], usages: Sequence[Usage], costs: Sequence[int], turn: Turn, now_ms: int
) -> int:
    """How long (ms) until a request fits into all of its budgets; 0 when it may leave now."""
    moments = (
        fits_at(budget, usage, cost, turn, now_ms)
        for budget, usage, cost in zip(budgets, usages, costs, strict=True)
        if cost
    )
    return max(moments, default=now_ms) - now_ms


def raise_to(budget: Budget, usage: Usage, told: int, now_ms: int) -> None:
    """The venue says that so much is used: others at the same address use it too. Counts are only raised."""
    spend(budget, usage, max(0, told - used(budget, usage, now_ms)), now_ms)


def carry_over(budget: Budget, usages: Iterable[tuple[int, int]], now_ms: int) -> Usage:
    """What counts after the clock began anew (the machine restarted): all of it as if used just now."""
    total = sum(count for _, count in usages)
    carried = Usage()
    spend(budget, carried, min(total, budget.limit), now_ms)
    return carried
