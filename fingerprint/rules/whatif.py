"""Verdicts that would be: after an event, at each threshold; thresholds that pass some events and reject others.

All verdicts come out of `match` over hashes with made-up changes; there is no second arithmetic here.
"""

from __future__ import annotations

from fingerprint._core import HardwareHash
from fingerprint.attributes.events import Event
from fingerprint.rules.ssm import match
from fingerprint.types import Reason, Value, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    _Hash = Mapping[str, str] | HardwareHash

# A standard machine, for advice without a vault: every attribute has a value.
STANDARD = (
    "machine-id", "processor-hash", "memory-hash", "bios-hash", "system-hash", "hostname-info", "ipaddress-info",
    "macaddr-info", "disk-info",
)  # fmt: skip
_CHANGED = "changed:"


def simulate(
    saved: _Hash, current: _Hash, threshold: int, change: Collection[str] = (), *, sid_key: str = "machine-id"
) -> Verdict:
    """Return the verdict that there would be if some attributes changed from what they are now.

    An attribute that is empty now stays empty: there is nothing that could change.

    Args:
        saved: the hash of the record.
        current: the machine's hash now.
        threshold: similarity threshold; -1 disables the check.
        change: full names of the attributes that change; those that the machine does not have are passed over.
        sid_key: the key of the hardware ID.
    """
    then = {name: f"{_CHANGED}{value}" if name in change and value else value for name, value in current.items()}
    return match(saved, then, threshold, sid_key=sid_key)


def with_another_address(verdict: Verdict) -> Verdict:
    """Return the verdict that there would be if the IP address changed, all else as it is.

    What could not be read now is taken to be as it was: nothing is warned of that is not known.

    Args:
        verdict: the verdict as it is.
    """
    saved = {row.name: row.saved for row in verdict.rows if row.saved is not None}
    current = {
        row.name: row.saved if row.unreadable and row.saved is not None else row.current
        for row in verdict.rows if row.current is not None
    }  # fmt: skip
    return simulate(saved, current, verdict.threshold, ("ipaddress-info",), sid_key=verdict.sid_key)


def of_event(event: Event, *, worst: bool) -> tuple[str, ...]:
    """Return the attributes of scheme `ssm` that an event changes; `worst`: with those that it may change."""
    return (*event.ssm, *event.ssm_may) if worst else event.ssm


class Step(Value):
    """Thresholds that are all the same: `low` to `high` need `needed` equal attributes, and it `passes` or not."""

    low: int
    high: int
    needed: int
    passes: bool


def sweep(saved: _Hash, current: _Hash, change: Collection[str] = (), *, sid_key: str = "machine-id") -> list[Step]:
    """Return every threshold's verdict, in steps that are all the same; [] for an empty hash."""
    steps: list[Step] = []
    total = len(current)
    for threshold in range(1, 101) if total else ():
        needed = next(k for k in range(total + 1) if _passes(k, total, threshold))
        passes = simulate(saved, current, threshold, change, sid_key=sid_key).match
        if steps and steps[-1].needed == needed:
            steps[-1] = Step(steps[-1].low, threshold, needed, passes)
        else:
            steps.append(Step(threshold, threshold, needed, passes))
    return steps


def _passes(matched: int, total: int, threshold: int) -> bool:
    from fingerprint._core import passes

    return passes(matched, total, threshold)


class Bound(Value):
    """What one event asks of the threshold.

    Attributes:
        event: its name.
        tolerate: whether it is to pass; else to be refused.
        limit: the highest threshold that passes (tolerate) or the lowest that refuses; None where no threshold
            has a say.
        satisfied: for no limit, whether it is so all the same.
        why: the reason in words.
    """

    event: str
    tolerate: bool
    limit: int | None
    satisfied: bool
    why: str


class Advice(Value):
    """The thresholds that do what was asked.

    Attributes:
        low, high: the range; low is greater than high where there is none.
        bounds: what each event asks.
        conflict: why there is none, in words; "" if there is.
    """

    low: int
    high: int
    bounds: tuple[Bound, ...]
    conflict: str


def advise(
    tolerate: Sequence[Event],
    reject: Sequence[Event],
    saved: _Hash | None = None,
    current: _Hash | None = None,
    *,
    sid_key: str = "machine-id",
) -> Advice:
    """Return the thresholds that let some events pass and refuse others.

    What an event may change is taken at its worst: a tolerated one changes it, one to be refused does not. As
    a record is never renewed, what is tolerated adds up: several events must pass together, too.

    Args:
        tolerate, reject: the events.
        saved, current: hashes of a machine that has changed already, or lacks attributes; None for a standard one.
        sid_key: the key of the hardware ID.
    """
    if saved is None or current is None:
        saved = current = dict.fromkeys(STANDARD, "value")
    bounds = [_bound(e.name, of_event(e, worst=True), True, saved, current, sid_key) for e in tolerate]
    if len(tolerate) > 1 and all(bound.satisfied for bound in bounds):
        together = tuple(name for event in tolerate for name in of_event(event, worst=True))
        bounds.append(_bound(" + ".join(e.name for e in tolerate), together, True, saved, current, sid_key))
    bounds += [_bound(e.name, of_event(e, worst=False), False, saved, current, sid_key) for e in reject]
    low = max((b.limit for b in bounds if not b.tolerate and b.limit is not None), default=1)
    high = min((b.limit for b in bounds if b.tolerate and b.limit is not None), default=100)
    return Advice(low, high, tuple(bounds), _conflict(bounds, low, high))


def _bound(event: str, change: Collection[str], tolerate: bool, saved: _Hash, current: _Hash, sid_key: str) -> Bound:
    verdict = simulate(saved, current, 40, change, sid_key=sid_key)
    score = f"{verdict.matched} of {verdict.total} stay equal"
    if verdict.reason == Reason.SID_DIFFERS:
        why = "the hardware ID differs, which every threshold but -1 refuses"
        return Bound(event, tolerate, None, not tolerate, why)
    if verdict.reason == Reason.SAME_IP:
        why = "the same IP address passes whatever the threshold is"
        return Bound(event, tolerate, None, tolerate, why)
    highest = verdict.highest_passing_threshold or 0
    if tolerate:
        return Bound(event, True, highest, True, f"{score}: at most {highest}")
    if highest >= 100:
        return Bound(event, False, None, False, f"{score}: every threshold passes it")
    return Bound(event, False, highest + 1, True, f"{score}: at least {highest + 1}")


def _conflict(bounds: Sequence[Bound], low: int, high: int) -> str:
    unsatisfied = [bound for bound in bounds if not bound.satisfied]
    if unsatisfied:
        return "; ".join(
            f"{b.event} cannot be {'tolerated' if b.tolerate else 'refused'} by a threshold: {b.why}"
            for b in unsatisfied
        )
    if low <= high:
        return ""
    tightest = next(b for b in bounds if b.tolerate and b.limit == high)
    widest = next(b for b in bounds if not b.tolerate and b.limit == low)
    return (
        f"{tightest.event} needs at most {high}, and {widest.event} is refused from {low} on: no threshold tells the "
        "one from the other"
    )
