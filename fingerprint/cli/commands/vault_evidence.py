"""`fingerprint vault evidence`: what is kept of the machine, for which record."""

from __future__ import annotations

from fingerprint.cli.context import vault_of
from fingerprint.cli.output import folded, print_json, table, warn, write
from fingerprint.collectors import collect
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK, FingerprintError, VaultCorrupt, VaultMissing
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault.evidence import record_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.errors import VaultError
    from fingerprint.vault import Vault
    from fingerprint.vault.evidence import Evidence

_WORDS_WIDTH = 32


def evidence_answer(vault: Vault) -> tuple[dict[str, Any], list[VaultError]]:
    """Return what is kept for a vault, as JSON has it, and what is wrong with the rest."""
    found, refused = vault.evidence.entries()
    try:
        present = record_tag(vault.read())
    except (VaultMissing, VaultCorrupt):
        present = ""
    entries = [
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
    damaged = [error.where for error in refused]
    return {"vault": vault.path, "folder": vault.evidence.path, "entries": entries, "damaged": damaged}, refused


def run(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    answer, refused = evidence_answer(vault)
    entries = answer["entries"]
    for error in refused:
        warn(f"{error.where}: {error.what}")
    if arguments.output == "json":
        print_json("vault evidence", answer)
    elif not entries:
        write(f"Nothing is kept for {vault.path}: changes can be detected but not explained.")
        write("Keep what this host is like now: fingerprint snapshot FILE --keep")
    else:
        write(f"Kept in {vault.evidence.path}:")
        write()
        rows: list[tuple[str, ...]] = []
        for e in entries:
            lines = folded(", ".join([e["why"], *e["tools"]]), _WORDS_WIDTH)
            rows.append((str(e["number"]), e["at"], "present" if e["ofPresentRecord"] else "earlier",
                         str(e["bytes"]), lines[0]))  # fmt: skip
            rows += [("", "", "", "", line) for line in lines[1:]]
        table(("no.", "at", "record", "bytes", "why, tools"), rows, (3, 20, 7, 7))
    return EXIT_CANNOT_TELL if refused else EXIT_OK


def _tools(entry: Evidence) -> list[str]:
    try:
        collection = collect(RecordedMachine(entry.snapshot))
    except FingerprintError:
        return []
    return sorted({a.tool for a in collection if a.tool})
