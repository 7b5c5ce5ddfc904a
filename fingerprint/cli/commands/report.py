"""`fingerprint report`: write a support bundle."""

from __future__ import annotations

from fingerprint.answers.machine import report_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import aimed_answer, print_json, write
from fingerprint.collectors.recording import record_machine
from fingerprint.diagnose import Site
from fingerprint.errors import EXIT_OK, CollectError, Refused
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.support_bundle.bundle import bundle, known_of
from fingerprint.support_bundle.bundle import write as write_bundle
from fingerprint.support_bundle.contents import parts_of
from fingerprint.support_bundle.redact import Redactor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


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
        # A ticket may be about just that: the parts report it, and the bundle has what was recorded until then.
        pass
    recorded = RecordedMachine(recorder.snapshot)
    site = Site(machine, vault, timeout=arguments.timeout, reveal=True)
    redactor = Redactor() if arguments.redact else None
    parts = parts_of(site, recorded, redacted=arguments.redact)
    files = bundle(parts, recorder.snapshot, redactor, known_of(vault), aimed_answer)
    path = getattr(arguments, "FILE")  # noqa: B009
    write_bundle(path, files, machine.now())
    if arguments.output == "json":
        print_json("report", report_answer(path, files, redacted=arguments.redact))
    else:
        write(f"Wrote {path}:")
        for name, data in files.items():
            write(f"  {name:24} {len(data):>9} bytes")
        if arguments.redact:
            write("Ids, addresses and serial numbers are pseudonyms; their key was thrown away.")
        write("No keys, credentials or fingerprints are in it.")
    return EXIT_OK
