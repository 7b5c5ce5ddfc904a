"""`fingerprint fleet pack`: a fleet with digests in place of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.answers.fleet import fleet_pack_answer
from fingerprint.cli.fleet_input import reading
from fingerprint.cli.output import print_json, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK, UsageError
from fingerprint.fleet.io.writer import TableWriter
from fingerprint.fleet.packing import pack

if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    if arguments.TO.endswith(".jsonl"):
        raise UsageError(
            "digests cannot be written as JSON Lines", remedy="Name a file that ends with .arrow or .parquet"
        )
    with reading(arguments, "packing", stable=True) as given, TableWriter(arguments.TO) as writer:
        for batch in pack(given.batches(), threads=arguments.threads):
            writer.write(batch)
    if arguments.output == "json":
        print_json("fleet pack", fleet_pack_answer(given.fleet, given.rejects, writer.rows, arguments.TO))
    else:
        write(f"{writer.rows} machines are in {arguments.TO}.")
    given.warn()
    return EXIT_CANNOT_TELL if given.rejects.count else EXIT_OK
