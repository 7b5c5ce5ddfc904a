"""`fingerprint vault evidence`: what is kept of the machine, for which record."""

from __future__ import annotations

from fingerprint.answers.vault import vault_evidence_answer
from fingerprint.cli.context import vault_of
from fingerprint.cli.output import folded, print_json, table, warn, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK
from fingerprint.vault.evidence import present_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_WORDS_WIDTH = 32


def run(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    kept, refused = vault.evidence.entries()
    answer = vault_evidence_answer(vault, kept, refused, present_tag(vault))
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
