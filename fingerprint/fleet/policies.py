"""What policy `evidence` decides on the machines of a fleet: how many it refuses, and how many copies pass.

The native core gives the states of a row's attributes. Machines with equal states have one ruling, so that
`rules.stable.decide` and `rules.certainty.rule_on` are called once for each set of states and event.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint._core import passes
from fingerprint.fleet.column_types import values_of
from fingerprint.fleet.stable_checking import OUTCOMES, has_stable, stable_question_of
from fingerprint.fleet.stable_columns import STABLE_NAMES, STABLE_SIDES, values_of_cells
from fingerprint.rules.certainty import rule_on
from fingerprint.rules.stable import Agreement, Outcome, decide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.rules.stable import StableVerdict

    Codes = np.ndarray[Any, np.dtype[np.uint8]]

_OUTCOME, _CERTAINLY_SAME, _CERTAINLY_OTHER, _COMPARABLE = 3, 4, 8, 16
_CANNOT_TELL = np.uint8(OUTCOMES.index(Outcome.CANNOT_TELL))
_OTHER = np.uint8(OUTCOMES.index(Outcome.DIFFERENT))


@dataclass
class PolicyTally:
    """Counts of machines, each with its own threshold; a copy is a machine that scheme `stable` calls different.

    Attributes:
        rows: number of machines.
        comparable: machines with an attribute of scheme `stable` on both sides.
        outcomes: machines of each outcome of scheme `stable`.
        refused: machines that the rules of the agent reject.
        refused_by_evidence: machines that policy `evidence` refuses.
        copies: copies that the rules accept.
        copies_by_evidence: copies that pass with policy `evidence`.
    """

    rows: int = 0
    comparable: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    refused: int = 0
    refused_by_evidence: int = 0
    copies: int = 0
    copies_by_evidence: int = 0

    def add(self, other: PolicyTally) -> None:
        """Add the machines of another part."""
        self.rows += other.rows
        self.comparable += other.comparable
        self.outcomes.update(other.outcomes)
        self.refused += other.refused
        self.refused_by_evidence += other.refused_by_evidence
        self.copies += other.copies
        self.copies_by_evidence += other.copies_by_evidence


def tally_of(codes: Codes, accepted: Any, unchanged: Any) -> PolicyTally:
    """Count some machines.

    Args:
        codes: of `Rulings`.
        accepted: whether the rules accept a machine.
        unchanged: whether all attributes of scheme `ssm` are equal: then policy `evidence` compares nothing else.
    """
    other = (codes & _OUTCOME) == _OTHER
    passing = np.where(accepted, unchanged | ((codes & _CERTAINLY_OTHER) == 0), (codes & _CERTAINLY_SAME) != 0)
    counts = np.bincount(codes & _OUTCOME, minlength=len(OUTCOMES)).tolist()
    return PolicyTally(
        len(codes), int(np.count_nonzero(codes & _COMPARABLE)),
        Counter({outcome: count for outcome, count in zip(OUTCOMES, counts, strict=False) if count}),
        int(np.count_nonzero(~accepted)), int(np.count_nonzero(~passing)), int(np.count_nonzero(other & accepted)),
        int(np.count_nonzero(other & passing)),
    )  # fmt: skip


def accepted_by_rules(matched: Any, total: Any, thresholds: Any, *, rejected: Any, same_ip: Any) -> Any:
    """Return whether the rules accept each row.

    Args:
        matched, total: numbers of attributes.
        thresholds: of each row.
        rejected: whether every threshold except -1 rejects the row.
        same_ip: whether every threshold accepts a row that is not rejected.
    """
    pairs, inverse = np.unique(total * 1024 + thresholds + 1, return_inverse=True)
    needed = np.array([_needed(*divmod(pair, 1024)) for pair in pairs.tolist()], np.int64)[inverse.reshape(-1)]
    return (thresholds == -1) | (~rejected & (same_ip | (matched >= needed)))


@cache
def _needed(total: int, threshold: int) -> int:
    """Return how many of `total` must match; `threshold` is one more than the threshold."""
    if not total:
        return 0
    return next((count for count in range(total + 1) if passes(count, total, threshold - 1)), total + 1)


class Rulings:
    """The rulings on the machines of a fleet, now and after events.

    Args:
        events: event -> the attributes of scheme `stable` that it changes.
    """

    def __init__(self, events: Mapping[str, tuple[str, ...]]) -> None:
        self._events = events
        self._known: dict[bytes, tuple[int, ...]] = {}

    def of(self, batch: pa.RecordBatch) -> dict[str, Codes]:
        """Return event -> a code for each row: outcome, whether it is certain, whether anything is comparable."""
        rows = batch.num_rows
        if not rows or not has_stable(batch.schema.names):
            return dict.fromkeys(self._events, np.full(rows, _CANNOT_TELL, np.uint8))
        outcomes, notes = (np.empty(rows, np.uint8) for _ in range(2))
        words = np.empty(2 * rows, np.ulonglong)
        stable_question_of(batch).outcomes(0, rows, outcomes, notes=notes, words=words)
        # All states of a row are one item, so that one comparison distinguishes two rows.
        states = np.hstack([words.view(np.uint8).reshape(rows, -1), notes[:, None]])
        items = np.ascontiguousarray(states).view(f"V{states.shape[1]}").reshape(-1)
        kinds, first, inverse = np.unique(items, return_index=True, return_inverse=True)
        codes = np.array(
            [self._codes(kind.tobytes(), batch, row) for kind, row in zip(kinds, first.tolist(), strict=True)], np.uint8
        )
        return {event: codes[inverse.reshape(-1), place] for place, event in enumerate(self._events)}

    def _codes(self, states: bytes, batch: pa.RecordBatch, row: int) -> tuple[int, ...]:
        if states not in self._known:
            saved, current = (
                {name: _cell(batch, f"{side}.{name}", row) for name in STABLE_NAMES} for side in STABLE_SIDES
            )
            before, now, unreadable = values_of_cells(saved, current)
            self._known[states] = tuple(
                _code(decide(before, _changed(now, names), unreadable)) for names in self._events.values()
            )
        return self._known[states]


def _cell(batch: pa.RecordBatch, name: str, row: int) -> str | None:
    if name not in batch.schema.names:
        return None
    # As bytes: a value need not be UTF-8.
    [value] = values_of(batch[name].slice(row, 1)).cast(pa.large_binary()).to_pylist()
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _changed(values: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    """Return values of which some attributes have another value, each element of a set another one."""
    other = {
        name: " ".join(f"other-{part}" for part in values[name].split()) or "other" for name in names if name in values
    }
    return {**values, **other}


def _code(verdict: StableVerdict) -> int:
    ruling = rule_on(verdict)
    comparable = any(row.agreement != Agreement.ABSENT for row in verdict.rows)
    return (
        OUTCOMES.index(verdict.outcome)
        | _CERTAINLY_SAME * ruling.is_same
        | _CERTAINLY_OTHER * ruling.is_different
        | _COMPARABLE * comparable
    )
