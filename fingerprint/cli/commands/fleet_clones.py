"""`fingerprint fleet clones`: which machines of a fleet are copies of one another."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.answers.fleet import fleet_clones_answer
from fingerprint.cli.fleet_input import Input, heading, reading, warn_of_left_out, writing
from fingerprint.cli.output import colored, folded, print_json, write
from fingerprint.collectors import STABLE
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.fleet.cloning import Clones, clones
from fingerprint.fleet.grouping import FINDINGS, READINGS, UNDECIDED
from fingerprint.fleet.stable_cloning import UNDECIDABLE, StableClones, clones_stable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.cli.parser import Arguments

_SCHEMA = pa.schema([
    ("group", pa.int64()), ("kind", pa.string()), ("reading", pa.string()), ("row", pa.int64()),
    ("node_id", pa.string()), ("ties", pa.string()),
])  # fmt: skip
_STABLE_SCHEMA = pa.schema([*_SCHEMA, ("outcome", pa.string())])
_PERCENT = 75
_SHOWN = 20
_NODES = 5
_WRITTEN = 50_000


def run(arguments: Arguments) -> int:
    for name in ("limit", "window"):
        if getattr(arguments, name) < 0:
            raise UsageError(f"invalid --{name} {getattr(arguments, name)}: must be 0 or more")
    is_stable = arguments.scheme == STABLE
    if is_stable and arguments.percent is not None:
        raise UsageError("--percent requires --scheme ssm: scheme stable has no near-clones")
    with reading(arguments, "reading", stable=is_stable) as given, writing(arguments.to) as writer:
        found = _found(given, arguments, is_stable=is_stable)
        if writer:
            for batch in _rows(found):
                writer.write(batch)
    if arguments.output == "json":
        answer = fleet_clones_answer(given.fleet, given.rejects, found, arguments.limit, arguments.to)
        print_json("fleet clones", answer)
    else:
        _show(given, found, arguments)
    given.warn()
    if isinstance(found, Clones):
        warn_of_left_out(found.left_out)
    if found.findings:
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if given.rejects.count or not _is_certain(found) else EXIT_OK


def _found(given: Input, arguments: Arguments, *, is_stable: bool) -> Clones | StableClones:
    window = arguments.window * 3600.0
    if is_stable:
        return clones_stable(given.batches(), threads=arguments.threads, window=window)
    return clones(
        given.batches(),
        percent=_PERCENT if arguments.percent is None else arguments.percent,
        threads=arguments.threads,
        limit=arguments.limit,
        window=window,
    )


def _is_certain(found: Clones | StableClones) -> bool:
    return found.is_certain if isinstance(found, StableClones) else bool(found.rows)


def _show(given: Input, found: Clones | StableClones, arguments: Arguments) -> None:
    if not found.rows:
        write(colored(f"{given.fleet.path} holds no machine.", "doubt", arguments))
        return
    word = "group" if found.findings == 1 else "groups"
    what, by = ("rows", " by scheme stable") if isinstance(found, StableClones) else ("machines", "")
    head = f"{found.findings} {word} of clones among {found.rows} {what}{by}"
    write(colored(head, "bad" if found.findings else "good" if _is_certain(found) else "doubt", arguments))
    heading(f"  {'share':14} {'groups':>9}  reading")
    for one in found.groups:
        for reading_, count in one.counts().items():
            _line(f"{one.kind:14} {count:9d}", READINGS[reading_])
    if isinstance(found, StableClones):
        _show_pairs(found)
    else:
        if found.pairs:
            heading(f"  near-clones: {found.needed} or more of {len(found.attributes)} attributes equal, another ID")
            for equal, pairs in sorted(found.pairs.items(), reverse=True):
                write(f"  {equal:2d} equal {pairs:15d} pairs")
    _show_groups(found)
    if arguments.to:
        write()
        write(f"All groups are in {arguments.to}.")


def _line(start: str, text: str) -> None:
    """Write a line of a table whose last column is folded."""
    for number, part in enumerate(folded(text, 50)):
        write(f"  {'' if number else start:24}  {part}")


def _show_pairs(found: StableClones) -> None:
    heading(f"  {'outcome':14} {'pairs':>9}  of rows that share a value")
    for outcome, pairs in found.outcomes.items():
        write(f"  {outcome!s:14} {pairs:9d}")
    if found.undecidable:
        heading(f"  {'cannot-tell':14} {'rows':>9}  reason")
        for reason, count in found.undecidable.items():
            _line(f"{'':14} {count:9d}", UNDECIDABLE[reason])
    if found.crowds:
        heading(f"  {'value of':14} {'rows':>9}  shared by too many rows to compare each pair")
        for crowd in found.crowds[:_SHOWN]:
            node = found.nodes[crowd.row].as_py()
            _line(f"{crowd.attribute:14} {crowd.rows:9d}", f"at most {crowd.machines} machines, first {node}")
        if len(found.crowds) > _SHOWN:
            write(f"  and {len(found.crowds) - _SHOWN} values more")


def _show_groups(found: Clones | StableClones) -> None:
    """Write the first findings; without any the first groups that might be one."""
    wanted = FINDINGS if found.findings else (UNDECIDED,)
    groups = list(islice((group for group in found.every_group() if group.reading in wanted), _SHOWN))
    if groups:
        heading("  The first of them:")
    for group in groups:
        nodes = found.nodes_of(group, _NODES)
        rest = f" and {len(group.rows) - _NODES} rows more" if len(group.rows) > _NODES else ""
        for line in folded(f"{group.kind}: {', '.join(nodes)}{rest}", 76):
            write(f"  {line}")
        for line in folded(f"equal: {', '.join(group.ties) or 'nothing'}", 74):
            write(f"    {line}")


def _rows(found: Clones | StableClones) -> Iterator[pa.RecordBatch]:
    """Yield a row for each machine of each group."""
    schema = _STABLE_SCHEMA if isinstance(found, StableClones) else _SCHEMA
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for number, group in enumerate(found.every_group()):
        outcome = (str(found.outcome_of(group)),) if isinstance(found, StableClones) else ()
        for row in group.rows:
            values = (number, group.kind, group.reading, row, found.nodes[row].as_py(), ",".join(group.ties), *outcome)
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
        if len(columns["row"]) >= _WRITTEN:
            yield pa.record_batch(columns, schema=schema)
            columns = {name: [] for name in columns}
    yield pa.record_batch(columns, schema=schema)
