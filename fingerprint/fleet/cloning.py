"""Clones in a fleet: machines that share a unique value, and machines that are nearly equal.

Two kinds of groups. *Shared*: rows with the same node ID, fingerprint, vault, hardware ID, system UUID or hardware
address on more than one machine. *Near*: machines with different hardware IDs of which at least a given share of the
other attributes match. The search is exact: it finds every pair and no other.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fingerprint._core import passes
from fingerprint._fleet import Answer, Near, Stream
from fingerprint.errors import InputError, UsageError
from fingerprint.fleet.attribute_names import common
from fingerprint.fleet.column_types import require_one_family
from fingerprint.fleet.grouping import DAY, SHARED_KEYS, SIDS, FoundGroups, Groups, Rows, runs_of
from fingerprint.fleet.io.arrow import batches_of
from fingerprint.fleet.parallel import BatchStream, usual_threads
from fingerprint.fleet.schema import EXTRAS, NODE, OBSERVED, layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fingerprint.fleet.rejects import Rejects

MOST_NEAR = 32
_BRUTE_STEP = 8192
_LISTED = 100_000


@dataclass
class Clones(FoundGroups):
    """The clones of a fleet.

    Attributes:
        rows: number of machines.
        attributes: compared for near-clones: all but the hardware ID.
        needed: number of matching attributes of a near-clone.
        shared: for each of `SHARED_KEYS` that the fleet has, the groups that share a value.
        near: clusters of near-clones; two members may be connected through a third.
        pairs: number of matching attributes -> number of pairs.
        listed: [n, 3] pairs of rows with the bits of their matching attributes, up to the limit.
        compared: number of pairs that were compared.
        nodes: the column of node IDs.
        left_out: attributes of few machines, which are not compared: they would hide clones of other machines.
    """

    rows: int
    attributes: tuple[str, ...]
    needed: int
    shared: list[Groups] = field(default_factory=list)
    near: Groups | None = None
    pairs: dict[int, int] = field(default_factory=dict)
    listed: Any = None
    compared: int = 0
    nodes: Any = None
    left_out: tuple[str, ...] = ()


def clones(
    batches: Any,
    *,
    percent: int = 75,
    threads: int | None = None,
    limit: int = 100_000,
    window: float = DAY,
    brute: bool = False,
    done: Callable[[str], object] = lambda _: None,
    rejects: Rejects | None = None,
) -> Clones:
    """Return the clones of a fleet. It is held in memory: about 0.6 GB for each million machines.

    Args:
        batches: as `Fleet.batches` yields them, or an argument of `batches_of`. The current hash of each row is
            compared; in a fleet without current hashes the saved one.
        percent: least share of matching attributes of near-clones, without the hardware ID; 1 to 100.
        threads: number of threads; None for as many as this process can run.
        limit: number of pairs to keep; all are counted and form clusters.
        window: seconds between two observations that count as simultaneous: no machine moves that fast.
        brute: compare every pair of machines, not only those with a rare value in common; for tests.
        done: called with the name of each completed step.
        rejects: gets the bad rows; None to raise an error at the first one.

    Raises:
        UsageError: the percentage is not 1 to 100.
        InputError: not a fleet, or more than 32 attributes.
    """
    if not 1 <= percent <= 100:
        raise UsageError(f"invalid percentage {percent}: must be 1-100")
    given = [batch for batch in batches_of(batches, rejects) if batch.num_rows]
    if not given:
        return Clones(0, (), 0)
    side, names = compared(list(dict.fromkeys(name for batch in given for name in batch.schema.names)))
    names, left_out = _common(given, side, names)
    # Other columns go into one table; the attributes stay in their batches, each with its own type.
    plain = (NODE, OBSERVED, *EXTRAS)
    parts = [batch.select([name for name in plain if name in batch.schema.names]) for batch in given]
    table = pa.concat_tables([pa.Table.from_batches([part]) for part in parts], promote_options="permissive")
    threads = usual_threads() if threads is None else threads
    done("read")
    others = tuple(name for name in names if name not in SIDS)
    sid = next((name for name in names if name not in others), None)
    if len(others) > MOST_NEAR:
        raise InputError(
            f"{len(others)} attributes beside the hardware ID; near-clones require at most {MOST_NEAR}",
            remedy="Leave out the columns that are not attributes",
        )
    needed = needed_of(percent, len(others))
    found = Clones(table.num_rows, others, needed, nodes=table[NODE], left_out=left_out)
    near, empty = _encoded(given, side, others, sid, needed, threads)
    done("encode")
    machines = Rows(table, (*others, *((sid,) if sid else ())), near, empty, window)
    for key in SHARED_KEYS:
        numbers = machines.numbers_of(key)
        if numbers is not None:
            found.shared.append(machines.groups(key, *runs_of(numbers)))
            done(f"shared {key}")
    if others:
        answer = _searched(near, table.num_rows, threads, limit, brute)
        done("search")
        found.pairs = {count: pairs for count, pairs in enumerate(answer.counts) if pairs}
        found.compared = answer.compared
        found.listed = _sorted(np.frombuffer(answer.listed(), np.uint32).reshape(-1, 3))
        found.near = machines.groups("near", *runs_of(np.frombuffer(answer.clusters(), np.uint32).astype(np.int64)))
        done("clusters")
    return found


def counted_pairs(table: pa.Table, *, percent: int, threads: int, brute: bool = False, limit: int = 0) -> Clones:
    """Return the counts of the near-clones of a table, and pairs up to a limit; no groups are made."""
    side, names = compared(table.schema.names)
    others = tuple(name for name in names if name not in SIDS)
    sid = next((name for name in names if name not in others), None)
    needed = needed_of(percent, len(others))
    near, _ = _encoded(table.to_batches(), side, others, sid, needed, threads)
    answer = _searched(near, table.num_rows, threads, limit, brute)
    found = Clones(table.num_rows, others, needed, compared=answer.compared)
    found.pairs = {count: pairs for count, pairs in enumerate(answer.counts) if pairs}
    return found


def all_pairs(table: pa.Table, *, percent: int, threads: int) -> Iterable[Any]:
    """Yield the pairs of near-clones of a table, [n, 3] of them at a time: two rows, the smaller first, and bits."""
    side, names = compared(table.schema.names)
    others = tuple(name for name in names if name not in SIDS)
    sid = next((name for name in names if name not in others), None)
    needed = needed_of(percent, len(others))
    near, _ = _encoded(table.to_batches(), side, others, sid, needed, threads)
    for task in near.collect(threads * 16):
        limit = _LISTED
        while True:
            answer = Answer(table.num_rows, limit)
            near.pairs(*task, answer)
            if sum(answer.counts) <= limit:
                break
            # The same task again, with a limit for all of its pairs.
            limit = sum(answer.counts)
        yield np.frombuffer(answer.listed(), np.uint32).reshape(-1, 3)


def needed_of(percent: int, attributes: int) -> int:
    """Return the least number of matching attributes that reaches a percentage, as the rule counts."""
    return next((count for count in range(1, attributes + 1) if passes(count, attributes, percent)), attributes)


def compared(columns: list[str]) -> tuple[str, tuple[str, ...]]:
    """Return the side of a fleet that is searched for clones, and its attributes. Raises InputError: there are none."""
    layout = layout_of(columns)
    side = "current" if any(position >= 0 for position in layout.current) else "saved"
    positions = layout.current if side == "current" else layout.saved
    return side, tuple(name for name, position in zip(layout.attributes, positions, strict=True) if position >= 0)


def _common(
    batches: list[pa.RecordBatch], side: str, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the attributes that enough machines have, and the others."""
    held = dict.fromkeys(names, 0)
    for batch in batches:
        for name in names:
            column = f"{side}.{name}"
            if column in batch.schema.names:
                held[name] += batch.num_rows - batch[column].null_count
    rows = sum(batch.num_rows for batch in batches)
    kept = common(held, rows, len(names), always=SIDS)
    if len(kept) > MOST_NEAR:
        kept = tuple(name for name in kept if name in SIDS or 2 * held[name] > rows)
    return kept, tuple(name for name in names if name not in kept)


def _encoded(
    batches: list[pa.RecordBatch], side: str, others: tuple[str, ...], sid: str | None, needed: int, threads: int
) -> tuple[Near, tuple[int, ...]]:
    """Return the codes of the attributes, and for each the code of ""; 0 if no row has it."""
    columns = [f"{side}.{name}" for name in (*others, *((sid,) if sid else ()))]
    for name in columns:
        require_one_family(name, {batch.schema.field(name).type for batch in batches if name in batch.schema.names})
    rows = sum(batch.num_rows for batch in batches)
    read = [next(Stream(BatchStream(batch))) for batch in batches]
    positions = [{name: position for position, name in enumerate(batch.schema.names)} for batch in batches]
    # A fleet with hardware IDs only has no near-clones, but it has codes.
    near = Near(rows, max(1, len(others)), max(1, needed), sid is not None and bool(others))
    seed = int.from_bytes(os.urandom(8), "little")
    with ThreadPoolExecutor(threads) as pool:
        jobs = [
            pool.submit(
                near.encode, i, [(batch, at.get(name, -1)) for batch, at in zip(read, positions, strict=True)], seed
            )
            for i, name in enumerate(columns)
        ]
        try:
            return near, tuple(job.result() for job in jobs)
        except TypeError as error:
            raise InputError(str(error), remedy="Attributes are strings, dictionaries, IDs or binaries") from None


def _searched(near: Near, rows: int, threads: int, limit: int, brute: bool) -> Answer:
    tasks: SimpleQueue[Any] = SimpleQueue()
    answers = [Answer(rows, limit) for _ in range(threads)]
    if brute:
        near.brute(0, 0, answers[0])
        search: Any = near.brute
        for begin in range(0, rows, _BRUTE_STEP):
            tasks.put((begin, min(begin + _BRUTE_STEP, rows)))
    else:
        search = near.pairs
        for task in near.collect(threads * 16):
            tasks.put(task)

    def work(answer: Answer) -> None:
        while True:
            try:
                task = tasks.get_nowait()
            except Empty:
                return
            search(*task, answer)

    with ThreadPoolExecutor(threads) as pool:
        for job in [pool.submit(work, answer) for answer in answers]:
            job.result()
    for other in answers[1:]:
        answers[0].add(other)
    return answers[0]


def _sorted(pairs: Any) -> Any:
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
