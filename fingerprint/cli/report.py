"""`fingerprint report`: a bundle for a ticket."""

from __future__ import annotations

from fingerprint import __version__
from fingerprint.cli.explain import answer as explanation_answer
from fingerprint.cli.render import print_json, write
from fingerprint.cli.sources import machine_of, vault_of
from fingerprint.collect.recorded import RecordedMachine
from fingerprint.collect.whole import record_whole
from fingerprint.errors import EXIT_OK, Refused, VaultError
from fingerprint.explanation import explain_vault
from fingerprint.model import utc
from fingerprint.redact import Redactor
from fingerprint.report import bundle
from fingerprint.report import write as write_bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.model import HardwareHash
    from fingerprint.vault import Vault


def run(arguments: Arguments) -> int:
    if not arguments.redact and not arguments.reveal:
        raise Refused(
            "a report without --redact holds ids, addresses and serial numbers",
            remedy="Add --redact, or --reveal if that is wanted",
        )
    machine = machine_of(arguments)
    vault = vault_of(arguments)
    _, recorder = record_whole(machine, arguments.timeout)
    recorded = RecordedMachine(recorder.snapshot)
    parts = {
        "about": lambda: {"version": __version__, "at": utc(machine.now()), "platform": machine.platform,
                          "kernel": machine.kernel, "redacted": bool(arguments.redact)},
        "explain": lambda: explanation_answer(explain_vault(vault, recorded)),
        "vault": lambda: _vault(vault),
        "verify": lambda: _verify(vault),
        "history": lambda: _history(vault),
    }  # fmt: skip
    redactor = Redactor() if arguments.redact else None
    others, saved = _known_before(vault)
    files = bundle(parts, recorder.snapshot, redactor, others, saved)
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


def _known_before(vault: Vault) -> tuple[list[dict[str, Any]], HardwareHash | None]:
    """Return what is known of the machine as it was: the evidence, and the saved hash."""
    others: list[dict[str, Any]] = []
    saved: HardwareHash | None = None
    try:
        others = [entry.snapshot for entry in vault.evidence.entries()[0]]
        saved = vault.read().hardware_hash
    except VaultError:
        # What is wrong with it stands in the report itself.
        pass
    return others, saved


def _vault(vault: Vault) -> dict[str, Any]:
    record = vault.read()
    written = vault.written_at("InstanceFingerprint")
    return {
        "threshold": record.threshold,
        "cleared": not record.fingerprint,
        "hardwareHash": None if record.hardware_hash is None else dict(record.hardware_hash),
        "writtenAt": None if written is None else utc(written),
        "unknownFields": [name for name, _ in record.extra],
    }


def _verify(vault: Vault) -> list[dict[str, Any]]:
    from fingerprint.vault.verify import verify

    return [{"kind": f.kind, "what": f.what, "where": f.where, "broken": f.broken} for f in verify(vault)]


def _history(vault: Vault) -> list[dict[str, Any]]:
    kept = ("number", "key", "replacedAt", "why", "rule")
    return [{name: entry[name] for name in kept} for entry in vault.history.entries()]
