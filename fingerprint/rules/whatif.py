"""Hypothetical verdicts: after an event, at each threshold; thresholds that pass some events and reject others.

`match` makes all verdicts, from hashes with simulated changes, so the rules exist only once.
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

# The attributes of a standard machine, for advice without a vault: all have a value.
STANDARD = (
    "machine-id", "processor-hash", "memory-hash", "bios-hash", "system-hash", "hostname-info", "ipaddress-info",
    "macaddr-info", "disk-info",
)  # fmt: skip
_CHANGED = "changed:"


def simulate(
    saved: _Hash, current: _Hash, threshold: int, change: Collection[str] = (), *, sid_key: str = "machine-id"
) -> Verdict:
    """Return the verdict after a change of some attributes.

    An attribute that is empty stays empty.

    Args:
        saved: the hash of the record.
        current: the machine's hash now.
        threshold: similarity threshold; -1 disables the check.
        change: full names of the attributes that change; names that the machine does not have are ignored.
        sid_key: the key of the hardware ID.
    """
    then = {name: f"{_CHANGED}{value}" if name in change and value else value for name, value in current.items()}
    return match(saved, then, threshold, sid_key=sid_key)


def with_another_address(verdict: Verdict) -> Verdict:
    """Return the verdict after a change of the IP address only.

    Unreadable attributes get their saved values, so that no warning depends on unknown values.

    Args:
        verdict: the current verdict.
    """
    saved = {row.name: row.saved for row in verdict.rows if row.saved is not None}
    current = {
        row.name: row.saved if row.unreadable and row.saved is not None else row.current
        for row in verdict.rows if row.current is not None
    }  # fmt: skip
    return simulate(saved, current, verdict.threshold, ("ipaddress-info",), sid_key=verdict.sid_key)


def of_event(event: Event, *, worst: bool) -> tuple[str, ...]:
    """Return the attributes of scheme `ssm` that an event changes; with `worst` also those that it may change."""
    return (*event.ssm, *event.ssm_may) if worst else event.ssm


class Step(Value):
    """A range of thresholds, `low` to `high`, that require `needed` equal attributes; `passes` is their verdict."""

    low: int
    high: int
    needed: int
    passes: bool


def sweep(saved: _Hash, current: _Hash, change: Collection[str] = (), *, sid_key: str = "machine-id") -> list[Step]:
    """Return the verdicts of all thresholds, as ranges with the same result; [] for an empty hash."""
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
    """The thresholds that one event requires.

    Attributes:
        event: its name.
        tolerate: whether the event must pass; else it must be rejected.
        limit: the highest threshold that passes (tolerate) or the lowest that rejects; None if the threshold has no
            influence.
        satisfied: without a limit, whether the event passes or is rejected as required.
        why: the reason in words.
    """

    event: str
    tolerate: bool
    limit: int | None
    satisfied: bool
    why: str


class Advice(Value):
    """The thresholds that satisfy all events.

    Attributes:
        low, high: the range; low is greater than high if no threshold does.
        bounds: the thresholds that each event requires.
        conflict: why no threshold does, in words; "" if one does.
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
    """Return the thresholds that pass some events and reject others.

    The worst case counts: a tolerated event also changes what it may change, a rejected event does not. Records are
    never renewed, so changes add up, and all tolerated events must also pass together.

    Args:
        tolerate, reject: the events.
        saved, current: hashes of a machine that has changed or lacks attributes; None for a standard machine.
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
    score = f"{verdict.matched} of {verdict.total} attributes match"
    if verdict.reason == Reason.SID_DIFFERS:
        why = "the hardware ID differs, which every threshold except -1 rejects"
        return Bound(event, tolerate, None, not tolerate, why)
    if verdict.reason == Reason.SAME_IP:
        why = "the same IP address passes at every threshold"
        return Bound(event, tolerate, None, tolerate, why)
    highest = verdict.highest_passing_threshold or 0
    if tolerate:
        return Bound(event, True, highest, True, f"{score}: at most {highest}")
    if highest >= 100:
        return Bound(event, False, None, False, f"{score}: passes at every threshold")
    return Bound(event, False, highest + 1, True, f"{score}: at least {highest + 1}")


def _conflict(bounds: Sequence[Bound], low: int, high: int) -> str:
    unsatisfied = [bound for bound in bounds if not bound.satisfied]
    if unsatisfied:
        return "; ".join(
            f"{b.event} cannot be {'tolerated' if b.tolerate else 'rejected'} by a threshold: {b.why}"
            for b in unsatisfied
        )
    if low <= high:
        return ""
    tightest = next(b for b in bounds if b.tolerate and b.limit == high)
    widest = next(b for b in bounds if not b.tolerate and b.limit == low)
    return (
        f"no threshold separates these events: {tightest.event} passes up to {high}, and {widest.event} is rejected "
        f"from {low}"
    )
