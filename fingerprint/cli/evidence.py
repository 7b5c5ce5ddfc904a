"""`fingerprint vault evidence`: what is kept of the machine, for which record."""

from __future__ import annotations

from fingerprint.cli.render import print_json, table, warn, write
from fingerprint.cli.sources import vault_of
from fingerprint.collect import collect
from fingerprint.collect.recorded import RecordedMachine
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK, FingerprintError, VaultCorrupt, VaultMissing
from fingerprint.vault.evidence import record_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.vault.evidence import Evidence


def run(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    found, damaged = vault.evidence.entries()
    try:
        present = record_tag(vault.read())
    except (VaultMissing, VaultCorrupt):
        present = ""
    entries: list[dict[str, Any]] = [
        {
            "number": entry.number,
            "at": entry.at,
            "why": entry.why,
            "ofPresentRecord": entry.tag == present,
            "bytes": entry.size,
            "tools": _tools(entry),
        }
        for entry in found
    ]
    for path in damaged:
        warn(f"{path}: it is damaged, and passed over")
    if arguments.output == "json":
        answer = {"vault": vault.path, "folder": vault.evidence.path, "entries": entries, "damaged": damaged}
        print_json("vault evidence", answer)
    elif not entries:
        write(f"Nothing is kept for {vault.path}: differences can only be told, not named.")
        write("Keep what this machine is like now: fingerprint snapshot FILE --keep")
    else:
        write(f"Kept in {vault.evidence.path}:")
        write()
        rows = [
            (str(e["number"]), e["at"], "present" if e["ofPresentRecord"] else "earlier", str(e["bytes"]),
             ", ".join([e["why"], *e["tools"]]))
            for e in entries
        ]  # fmt: skip
        table(("no.", "at", "record", "bytes", "why, tools"), rows, (4, 20, 7, 7))
    return EXIT_CANNOT_TELL if damaged else EXIT_OK


def _tools(entry: Evidence) -> list[str]:
    try:
        collection = collect(RecordedMachine(entry.snapshot))
    except FingerprintError:
        return []
    return sorted({a.tool for a in collection if a.tool})
