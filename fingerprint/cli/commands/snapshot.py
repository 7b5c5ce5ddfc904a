"""`fingerprint snapshot`: record a machine in a file, to inspect it elsewhere or later."""

from __future__ import annotations

from copy import deepcopy

from fingerprint.answers.machine import snapshot_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, warn, write, write_data
from fingerprint.collectors.recording import record_machine
from fingerprint.diagnose import Site, record
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_OK, UsageError
from fingerprint.gate import keep_snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    path = getattr(arguments, "FILE")  # noqa: B009
    if path == "-" and arguments.output == "json":
        raise UsageError("the snapshot itself is JSON", remedy="Leave --output out, or name a file")
    machine = machine_of(arguments)
    collection, recorder = record_machine(machine, arguments.timeout, with_facts=True)
    # Evidence says what a record was made from: what else is recorded now is none of it.
    evidence = deepcopy(recorder.snapshot) if arguments.keep else {}
    record(Site(recorder, vault_of(arguments), timeout=arguments.timeout))
    if path == "-":
        write_data(recorder.text().rstrip("\n"))
    else:
        recorder.save(path)
    kept = None
    if arguments.keep:
        vault = vault_of(arguments)
        kept = keep_snapshot(vault, evidence)
    for attribute in collection:
        if attribute.unreadable:
            warn(f"{attribute.name}: {attribute.status}: {attribute.reason}")
    if arguments.output == "json":
        print_json("snapshot", snapshot_answer(path, recorder, collection, kept))
    elif path != "-":
        files, commands = len(recorder.snapshot["files"]), len(recorder.snapshot["commands"])
        write(f"Recorded this host in {path} ({files} files, {commands} commands).")
        write("It holds ids, serial numbers and ends of logs, so only its owner may read it.")
        write("Nothing of the vault is in it. Passwords in URLs, what is named as a secret,")
        write("and variables of the agent's service that are no proxies were taken out.")
    if kept is not None and arguments.output == "text":
        text = f"Kept as evidence {kept} of the vault's present record."
        if path == "-":
            warn(text)
        else:
            write(text)
    return EXIT_CANNOT_TELL if collection.unreadable else EXIT_OK
