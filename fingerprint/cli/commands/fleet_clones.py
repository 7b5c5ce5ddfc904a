"""`fingerprint fleet clones`: which machines of a fleet are copies of one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.answers.fleet import fleet_clones_answer
from fingerprint.cli.fleet_input import Input, heading, reading, warn_of_left_out, writing
from fingerprint.cli.output import colored, folded, print_json, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.fleet.cloning import Clones, clones
from fingerprint.fleet.grouping import FINDINGS, READINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.cli.parser import Arguments

_SCHEMA = pa.schema([
    ("group", pa.int64()), ("kind", pa.string()), ("reading", pa.string()), ("row", pa.int64()),
    ("node_id", pa.string()), ("ties", pa.string()),
])  # fmt: skip
_SHOWN = 20
_NODES = 5
_WRITTEN = 50_000


def run(arguments: Arguments) -> int:
    for name in ("limit", "window"):
        if getattr(arguments, name) < 0:
            raise UsageError(f"invalid --{name} {getattr(arguments, name)}: must be 0 or more")
    with reading(arguments, "reading") as given, writing(arguments.to) as writer:
        found = clones(
            given.batches(),
            percent=arguments.percent,
            threads=arguments.threads,
            limit=arguments.limit,
            window=arguments.window * 3600.0,
        )
        if writer:
            for batch in _rows(found):
                writer.write(batch)
    if arguments.output == "json":
        answer = fleet_clones_answer(given.fleet, given.rejects, found, arguments.limit, arguments.to)
        print_json("fleet clones", answer)
    else:
        _show(given, found, arguments)
    given.warn()
    warn_of_left_out(found.left_out)
    if found.findings:
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if given.rejects.count or not found.rows else EXIT_OK


def _show(given: Input, found: Clones, arguments: Arguments) -> None:
    if not found.rows:
        write(colored(f"{given.fleet.path} holds no machine.", "doubt", arguments))
        return
    word = "group" if found.findings == 1 else "groups"
    head = f"{found.findings} {word} of clones among {found.rows} machines"
    write(colored(head, "bad" if found.findings else "good", arguments))
    heading(f"  {'share':14} {'groups':>9}  reading")
    for one in found.groups:
        for reading_, count in one.counts().items():
            lines = list(folded(READINGS[reading_], 50))
            write(f"  {one.kind:14} {count:9d}  {lines[0]}")
            for line in lines[1:]:
                write(f"  {'':14} {'':9}  {line}")
    if found.pairs:
        heading(f"  near-clones: {found.needed} or more of {len(found.attributes)} attributes equal, another ID")
        for equal, pairs in sorted(found.pairs.items(), reverse=True):
            write(f"  {equal:2d} equal {pairs:15d} pairs")
    shown = [group for group in found.every_group() if group.reading in FINDINGS][:_SHOWN]
    if shown:
        heading("  The first of them:")
    for group in shown:
        nodes = found.nodes_of(group, _NODES)
        rest = f" and {len(group.rows) - _NODES} rows more" if len(group.rows) > _NODES else ""
        for line in folded(f"{group.kind}: {', '.join(nodes)}{rest}", 76):
            write(f"  {line}")
        for line in folded(f"equal: {', '.join(group.ties) or 'nothing'}", 74):
            write(f"    {line}")
    if arguments.to:
        write()
        write(f"All groups are in {arguments.to}.")


def _rows(found: Clones) -> Iterator[pa.RecordBatch]:
    """Yield a row for each machine of each group."""
    columns: dict[str, list[Any]] = {name: [] for name in _SCHEMA.names}
    for number, group in enumerate(found.every_group()):
        for row in group.rows:
            values = (number, group.kind, group.reading, row, found.nodes[row].as_py(), ",".join(group.ties))
            for column, value in zip(columns.values(), values, strict=True):
                column.append(value)
        if len(columns["row"]) >= _WRITTEN:
            yield pa.record_batch(columns, schema=_SCHEMA)
            columns = {name: [] for name in columns}
    yield pa.record_batch(columns, schema=_SCHEMA)
