"""Choice of a threshold: how many machines of a fleet each threshold rejects, now and after events.

For fleets with values of scheme `stable` also what policy `evidence` decides on each machine.

There is no estimate: for each row the native core compares the attributes, each event makes those that it changes
differ, and the rules decide. Empty and missing attributes stay as they are, as in `whatif`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fingerprint._core import passes
from fingerprint.attributes.events import event_of
from fingerprint.errors import UsageError
from fingerprint.fleet.grouping import SIDS
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import in_order, question_of, usual_threads
from fingerprint.fleet.policies import PolicyTally, Rulings, accepted_by_rules, tally_of
from fingerprint.fleet.schema import MOST_ATTRIBUTES, THRESHOLD, threshold_or_default

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from fingerprint._fleet import Question
    from fingerprint.fleet.rejects import Rejects
    from fingerprint.fleet.schema import Layout

    Counts = np.ndarray[Any, np.dtype[np.int64]]

NOW = "now"
USUAL_EVENTS = ("dhcp", "reboot-dhcp", "tool-upgrade", "os-upgrade")
_SIDE = MOST_ATTRIBUTES + 1
_HAS_KEY, _HAS_VALUE = 1, 2


@dataclass
class Tally:
    """Counts of machines from which the verdicts at every threshold follow.

    Attributes:
        rows: number of machines.
        refused: machines that every threshold except -1 rejects: another hardware ID, or no hash.
        same_ip: machines that every threshold accepts.
        counts: [attributes, matching attributes] -> number of machines that the threshold decides.
    """

    rows: int = 0
    refused: int = 0
    same_ip: int = 0
    counts: Counts = field(default_factory=lambda: np.zeros((_SIDE, _SIDE), np.int64))

    def refused_at(self, threshold: int) -> int:
        """Return the number of machines that a threshold of 0 to 100 rejects."""
        positions = np.argwhere(self.counts)
        below = [(t, m) for t, m in positions.tolist() if not passes(m, t, threshold)]
        return self.refused + sum(int(self.counts[t, m]) for t, m in below)

    def add(self, other: Tally) -> None:
        """Add the machines of another part."""
        self.rows += other.rows
        self.refused += other.refused
        self.same_ip += other.same_ip
        self.counts += other.counts


@dataclass
class Plan:
    """Tallies for each group and event; "" is the group of all. `policies` have those of policy `evidence`."""

    events: tuple[str, ...]
    groups: dict[str, dict[str, Tally]] = field(default_factory=dict)
    policies: dict[str, dict[str, PolicyTally]] = field(default_factory=dict)

    def curve(self, group: str = "") -> list[tuple[int, int, dict[str, int]]]:
        """Return runs of thresholds that reject the same machines: (lowest, highest, event -> rejected)."""
        runs: list[tuple[int, int, dict[str, int]]] = []
        for threshold in range(1, 101):
            refused = {event: tally.refused_at(threshold) for event, tally in self.groups[group].items()}
            if runs and runs[-1][2] == refused:
                runs[-1] = (runs[-1][0], threshold, refused)
            else:
                runs.append((threshold, threshold, refused))
        return runs

    def highest(self, group: str = "", *, tolerate: Sequence[str], refused: float = 0.0) -> int | None:
        """Return the highest threshold that rejects no machine after any of some events.

        Machines that every threshold rejects already now are not counted.

        Args:
            group: "" for all.
            tolerate: events, each alone.
            refused: share of the machines of the group that may be rejected, 0 to 1.

        Returns:
            the threshold; None if there is none, as for a group without counted machines.
        """
        tallies = [self.groups[group][event] for event in tolerate]
        lost = self.groups[group][NOW].refused
        if self.groups[group][NOW].rows == lost:
            # Without machines that a threshold decides, none can be recommended.
            return None
        for threshold in range(100, 0, -1):
            if all(tally.refused_at(threshold) - lost <= refused * tally.rows for tally in tallies):
                return threshold
        return None


def plan(
    batches: Any,
    *,
    events: Sequence[str] = USUAL_EVENTS,
    threads: int | None = None,
    rejects: Rejects | None = None,
) -> Plan:
    """Tally a fleet for `now` and each event; with a column `group` also for each group.

    Args:
        batches: as `Fleet.batches` yields them, or whatever `batches_of` takes.
        events: names of `fingerprint.attributes.events`.
        threads: how many work at once; None for as many as this process can run.
        rejects: gets the rows that are none; None to raise an error at the first.

    Raises:
        UsageError: there is no such event.
        InputError: not a fleet.
    """
    changes: dict[str, tuple[str, ...]] = {NOW: ()}
    stable: dict[str, tuple[str, ...]] = {NOW: ()}
    for name in events:
        event = event_of(name)
        if event is None:
            raise UsageError(f"there is no event {name!r}", remedy="docs/events.md lists them")
        changes[name], stable[name] = event.ssm, event.stable
    made = Plan(tuple(changes))
    made.groups[""] = {name: Tally() for name in changes}
    made.policies[""] = {name: PolicyTally() for name in changes}
    rulings = Rulings(stable)
    threads = usual_threads() if threads is None else threads
    for part in in_order(lambda batch: _tallied(batch, changes, rulings), batches_of(batches, rejects), threads):
        for group, tallies in part.items():
            known = made.groups.setdefault(group, {name: Tally() for name in changes})
            policies = made.policies.setdefault(group, {name: PolicyTally() for name in changes})
            for name, (tally, policy) in tallies.items():
                known[name].add(tally)
                policies[name].add(policy)
    return made


def _tallied(
    batch: pa.RecordBatch, changes: dict[str, tuple[str, ...]], rulings: Rulings
) -> dict[str, dict[str, tuple[Tally, PolicyTally]]]:
    question, layout = question_of(batch)
    rows = batch.num_rows
    same, has = (np.zeros((len(layout.attributes), rows), np.uint8) for _ in range(2))
    for position in range(len(layout.attributes)):
        question.compare(position, 0, rows, same[position], has[position])
    total = (has >= _HAS_KEY).sum(axis=0, dtype=np.int64)
    groups: dict[str, Any] = {"": slice(None)}
    if "group" in batch.schema.names:
        names = np.array(batch["group"].to_pylist(), dtype=object)
        groups.update({name: names == name for name in sorted({name for name in names if name})})
    nothing = _without_saved(batch, layout) | (total == 0)
    made: dict[str, dict[str, tuple[Tally, PolicyTally]]] = {group: {} for group in groups}
    codes = rulings.of(batch)
    thresholds = threshold_or_default(batch[THRESHOLD] if THRESHOLD in batch.schema.names else None, rows).to_numpy()
    gone = _gone(layout, question, has)
    for event, changed in changes.items():
        then = same
        if changed:
            then = same.copy()
            for position, name in enumerate(layout.attributes):
                # An event with another hardware ID has one on each system, whatever its name there.
                if name in changed or (name in SIDS and set(changed) & set(SIDS)):
                    then[position] &= has[position] != _HAS_VALUE
        matched = then.sum(axis=0, dtype=np.int64)
        sid = _alike(layout.sid, then, has, question)
        ip = _alike(layout.ip, then, has, question)
        other = nothing | ~sid
        accepted = accepted_by_rules(matched, total, thresholds, rejected=other, same_ip=ip)
        unchanged = (matched == total) & ~gone
        for group, chosen in groups.items():
            made[group][event] = (
                _tally(other[chosen], ip[chosen], total[chosen], matched[chosen]),
                tally_of(codes[event][chosen], accepted[chosen], unchanged[chosen]),
            )
    return made


def _gone(layout: Layout, question: Question, has: Any) -> Any:
    """Return whether a row's current hash lacks a key that the saved one has."""
    rows = has.shape[1]
    gone = np.zeros(rows, bool)
    same, now, before = (np.empty(rows, np.uint8) for _ in range(3))
    for position, column in enumerate(layout.saved):
        if column >= 0 and (has[position] == 0).any():
            question.compare(position, 0, rows, same, now, before)
            gone |= (now == 0) & (before != 0)
    return gone


def _alike(position: int, then: Any, has: Any, question: Any) -> Any:
    """Return whether hardware ID or address are equal, a missing one being "" as the rule has it."""
    rows = then.shape[1]
    if position < 0:
        return np.ones(rows, bool)
    alike = then[position] != 0
    empty = has[position] != _HAS_VALUE
    if empty.any() and not alike.all():
        same, now, before = (np.empty(rows, np.uint8) for _ in range(3))
        question.compare(position, 0, rows, same, now, before)
        alike |= empty & (before != _HAS_VALUE)
    return alike


def _without_saved(batch: pa.RecordBatch, layout: Layout) -> Any:
    lacking = np.ones(batch.num_rows, bool)
    for position in layout.saved:
        if position >= 0:
            column = batch.column(position)
            if column.null_count == 0:
                return np.zeros(batch.num_rows, bool)
            lacking &= column.is_null().to_numpy(zero_copy_only=False)
    return lacking


def _tally(other: Any, ip: Any, total: Any, matched: Any) -> Tally:
    open_ = ~other & ~ip
    counts = np.bincount(total[open_] * _SIDE + matched[open_], minlength=_SIDE * _SIDE)
    return Tally(len(other), int(other.sum()), int((~other & ip).sum()), counts.reshape(_SIDE, _SIDE).astype(np.int64))
