"""`fingerprint report`: a bundle for a ticket."""

from __future__ import annotations

from fingerprint import __version__
from fingerprint._io.times import utc
from fingerprint.cli.commands.check import check_answer
from fingerprint.cli.commands.diagnose import diagnosis_answer
from fingerprint.cli.commands.explain import answer as explain_answer
from fingerprint.cli.commands.vault import show_answer, verify_answer
from fingerprint.cli.commands.vault_evidence import evidence_answer
from fingerprint.cli.commands.vault_restore import history_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import aimed_answer, print_json, write
from fingerprint.cli.parser import Arguments
from fingerprint.collectors import collect
from fingerprint.collectors.recording import record_machine
from fingerprint.diagnose import Site, diagnose
from fingerprint.errors import EXIT_OK, CollectError, Refused
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.support_bundle.bundle import bundle, known_of
from fingerprint.support_bundle.bundle import write as write_bundle
from fingerprint.support_bundle.redact import Redactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(arguments: Arguments) -> int:
    if not arguments.redact and not arguments.reveal:
        raise Refused(
            "a report without --redact holds ids, addresses and serial numbers",
            remedy="Add --redact, or --reveal if that is wanted",
        )
    machine = machine_of(arguments).keeping()
    vault = vault_of(arguments).keeping()
    recorder = Recorder(machine)
    try:
        record_machine(recorder, arguments.timeout, with_facts=True)
    except CollectError:
        # A ticket may be about just that: the parts tell it, and what was recorded so far is in the bundle.
        pass
    recorded = RecordedMachine(recorder.snapshot)
    site = Site(machine, vault, timeout=arguments.timeout, reveal=True)
    # Pseudonyms are made of whole values; what is masked could not be told from others.
    whole = Arguments(arguments.command, {**vars(arguments), "reveal": True})
    parts = {
        "about": lambda: _about(recorded, arguments),
        "check": lambda: check_answer(site.observation, whole),
        "explain": lambda: explain_answer(site.explanation),
        "diagnosis": lambda: _diagnosis(site),
        "vault": lambda: show_answer(vault, whole),
        "verify": lambda: verify_answer(vault),
        "history": lambda: _history(history_answer(vault, whole)),
        "evidence": lambda: evidence_answer(vault)[0],
    }
    redactor = Redactor() if arguments.redact else None
    files = bundle(parts, recorder.snapshot, redactor, known_of(vault), aimed_answer)
    path = getattr(arguments, "FILE")  # noqa: B009
    write_bundle(path, files, machine.now())
    if arguments.output == "json":
        listed = [{"name": name, "bytes": len(data)} for name, data in files.items()]
        print_json("report", {"file": path, "redacted": bool(arguments.redact), "files": listed})
    else:
        write(f"Wrote {path}:")
        for name, data in files.items():
            write(f"  {name:24} {len(data):>9} bytes")
        if arguments.redact:
            write("Ids, addresses and serial numbers are pseudonyms; their key was thrown away.")
        write("No keys, credentials or fingerprints are in it.")
    return EXIT_OK


def _about(machine: RecordedMachine, arguments: Arguments) -> dict[str, Any]:
    from platform import python_version

    told: dict[str, Any] = {
        "version": __version__, "python": python_version(), "at": utc(machine.now()), "platform": machine.platform,
        "kernel": machine.kernel, "redacted": bool(arguments.redact),
    }  # fmt: skip
    try:
        told["tools"] = {a.name: a.tool for a in collect(machine) if a.tool}
    except CollectError as error:
        told["error"] = error.facts()
    return told


def _diagnosis(site: Site) -> dict[str, Any]:
    told = diagnosis_answer(diagnose(site), site.machine.now())
    for check in told["checks"]:
        # The same machine gives the same report.
        del check["seconds"]
    return told


def _history(told: dict[str, Any]) -> dict[str, Any]:
    for entry in told["entries"]:
        del entry["fingerprint"]
    return told
