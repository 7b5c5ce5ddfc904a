"""Which pairs of rows scheme `stable` decides: those that share a value, never all.

Equal rows are one class, which is decided once. A block is the classes that share a value: of identity-bearing
hardware, or an identity of the registration. The pairs of small blocks come first, until `most_pairs` are reached. In
each other block a class is compared with the first one and with the next one; what that leaves open is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fingerprint._fleet import Answer
from fingerprint.fleet.stable_checking import OUTCOMES
from fingerprint.fleet.stable_rows import DECIDING
from fingerprint.rules.stable import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fingerprint.fleet.stable_rows import Bytes, Numbers, StableRows

# Pairs that are decided in any fleet, and more of them for each row.
_PAIRS, _PAIRS_OF_A_ROW = 1_000_000, 8
SAME, DIFFERENT, CANNOT_TELL = (OUTCOMES.index(o) for o in (Outcome.SAME, Outcome.DIFFERENT, Outcome.CANNOT_TELL))


@dataclass
class Blocks:
    """Classes that share a value, block after block.

    Attributes:
        of: for each block the position of its attribute, or minus the number of its key, from 1.
        values: for each block the number of its value.
        members: classes, in ascending order in each block.
        starts, sizes: where each block begins among the members, and how many it has.
        complete: whether all pairs of a block are decided.
    """

    of: Numbers
    values: Numbers
    members: Numbers
    starts: Numbers
    sizes: Numbers
    complete: Any

    def pairs(self) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
        """Yield the pairs to decide: their lower and higher classes, and their blocks."""
        number = np.repeat(np.arange(len(self.sizes)), self.sizes)
        end = (self.starts + self.sizes)[number]
        every = self.complete[number]
        at, distance = np.arange(len(self.members)), 1
        while len(at := at[at + distance < end[at]]):
            yield self.members[at], self.members[at + distance], number[at]
            # Of the other blocks only neighbours are compared, and all with the first one.
            at, distance = (at[every[at]] if distance == 1 else at), distance + 1
        at = np.flatnonzero(~every & (np.arange(len(self.members)) > self.starts[number] + 1))
        yield self.members[self.starts[number[at]]], self.members[at], number[at]


@dataclass
class Decided:
    """The pairs of a fleet that were decided.

    Attributes:
        rows: the rows that share a value with another one.
        classes: for each of them the number of its class.
        blocks: of the classes.
        one, other: the pairs of classes, each once; of a class with several rows also that with itself.
        outcomes: of the pairs.
        block_has: for each block whether one of its pairs is different.
        machines: for each row of the fleet the first row of its machine: all that are the same, also through others.
        suspects: the same, with those that share a value of hardware and are cannot-tell.
    """

    rows: Numbers
    classes: Numbers
    blocks: Blocks
    one: Numbers
    other: Numbers
    outcomes: Bytes
    block_has: Any
    machines: Numbers
    suspects: Numbers

    def counts(self) -> dict[Outcome, int]:
        """Return how many pairs of rows have each outcome."""
        size = np.bincount(self.classes, minlength=1)
        pairs = np.where(
            self.one == self.other, size[self.one] * (size[self.one] - 1) // 2, size[self.one] * size[self.other]
        )
        return {outcome: int(pairs[self.outcomes == number].sum()) for number, outcome in enumerate(OUTCOMES)}


def most_pairs(rows: int) -> int:
    """Return how many pairs of a fleet are decided, beside two for each row of the values that many rows share."""
    return _PAIRS + _PAIRS_OF_A_ROW * rows


def decided(rows: StableRows, keys: Mapping[str, Numbers], most: int) -> Decided:
    """Decide the pairs of a fleet.

    Args:
        rows: the fleet.
        keys: identity of the registration -> for each row the number of its value, -1 for none.
        most: number of pairs of classes to decide in complete blocks.
    """
    attributes = sorted({*DECIDING[0], *DECIDING[1]})
    shared = [(position, *part) for position in attributes for part in _of_attribute(rows, position)]
    for number, values in enumerate(keys.values(), 1):
        at = np.flatnonzero(values >= 0)
        shared.append((-number, values[at], at))
    shared = [(of, *_repeated(values, at)) for of, values, at in shared]
    involved = np.unique(np.concatenate([at for _, _, at in shared] + [np.zeros(0, np.int64)]))
    classes, first = _classes(rows, involved)
    blocks = _blocks([(of, values, classes[np.searchsorted(involved, at)]) for of, values, at in shared], most)
    several = np.flatnonzero(np.bincount(classes, minlength=len(first)) > 1)
    count = max(1, len(first))
    parts = [(low * count + high, of_pairs) for low, high, of_pairs in blocks.pairs()]
    pairs = np.unique(np.concatenate([several * count + several, *(part for part, _ in parts)]))
    one, other = np.divmod(pairs, count)
    outcomes = rows.decide(first[one], first[other])
    has = np.zeros(len(blocks.of), bool)
    by_hardware = np.zeros(len(pairs), bool)
    for part, of_part in parts:
        which = np.searchsorted(pairs, part)
        has[of_part[outcomes[which] == DIFFERENT]] = True
        by_hardware[which[blocks.of[of_part] >= 0]] = True
    of_hardware = np.zeros(count, bool)
    of_hardware[classes[np.searchsorted(involved, np.concatenate([at for of, _, at in shared if of >= 0]))]] = True
    by_hardware |= (one == other) & of_hardware[one]
    same = outcomes == SAME
    machines, suspects = (
        _clusters(len(rows), involved, classes, one[wanted], other[wanted])
        for wanted in (same, same | (by_hardware & (outcomes == CANNOT_TELL)))
    )
    return Decided(involved, classes, blocks, one, other, outcomes, has, machines, suspects)


def _of_attribute(rows: StableRows, position: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Yield values of an attribute that several rows may have, as numbers, and the row of each."""
    could = rows.could_decide(position)
    alone = could & rows.repeated[position]
    if position in rows.sets:
        of = rows.sets[position]
        counts = np.diff(of.begins)
        owner = np.repeat(np.arange(len(rows)), counts)
        at = np.flatnonzero(of.repeated & could[owner])
        yield of.codes[at].astype(np.int64), owner[at]
        # A set of blanks alone has no element, but it equals itself.
        alone &= counts == 0
    at = np.flatnonzero(alone)
    yield rows.codes[at, position].astype(np.int64), at


def _repeated(values: Numbers, at: Numbers) -> tuple[Numbers, Numbers]:
    """Return the values that occur several times, and the row of each."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    some = counts[inverse.reshape(-1)] > 1
    return values[some], at[some]


def _classes(rows: StableRows, at: Numbers) -> tuple[Numbers, Numbers]:
    """Return for each of some rows the number of its class, and the first row of each class, in ascending order."""
    codes = np.ascontiguousarray(rows.codes[at])
    items = codes.view(f"V{codes.shape[1] * codes.itemsize}").reshape(-1)
    _, first, inverse = np.unique(items, return_index=True, return_inverse=True)
    # Codes are other ones in each run; the order of the rows is not, and so which of them are compared.
    order = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[order] = np.arange(len(first))
    return number[inverse.reshape(-1)], at[first[order]]


def _blocks(shared: list[tuple[int, Numbers, Numbers]], most: int) -> Blocks:
    """Return the blocks of values that several classes share."""
    of, numbers, members, sizes = ([np.zeros(0, np.int64)] for _ in range(4))
    for which, values, classes in shared:
        order = np.lexsort((classes, values))
        values, classes = values[order], classes[order]
        new = np.ones(len(values), bool)
        new[1:] = (np.diff(values) != 0) | (np.diff(classes) != 0)
        values, classes = values[new], classes[new]
        each, counts = np.unique(values, return_counts=True)
        several = counts > 1
        numbers.append(each[several])
        members.append(classes[np.repeat(several, counts)])
        sizes.append(counts[several])
        of.append(np.full(len(sizes[-1]), which, np.int64))
    size, every, attribute = np.concatenate(sizes), np.concatenate(members), np.concatenate(of)
    starts = np.cumsum(size) - size
    # Of equal sizes those of earlier rows come first.
    order = np.lexsort((attribute, every[starts + size - 1], every[starts], size))
    complete = np.empty(len(size), bool)
    complete[order] = np.cumsum(size[order] * (size[order] - 1) // 2) <= most
    return Blocks(attribute, np.concatenate(numbers), every, starts, size, complete)


def _clusters(count: int, at: Numbers, classes: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """Return for each row of a fleet the first row of its cluster: all rows of the classes of a pair are in one."""
    order = np.lexsort((at, classes))
    firsts = order[np.flatnonzero(np.diff(classes[order], prepend=-1))]
    first = np.zeros(len(firsts), np.int64)
    first[classes[firsts]] = at[firsts]
    joined = np.zeros(len(first), bool)
    joined[one] = joined[other] = True
    rest = np.flatnonzero(joined[classes])
    answer = Answer(count, 0)
    for left, right in ((first[one], first[other]), (first[classes[rest]], at[rest])):
        answer.join(np.ascontiguousarray(left, np.uint32), np.ascontiguousarray(right, np.uint32))
    return np.frombuffer(answer.clusters(), np.uint32).astype(np.int64)
