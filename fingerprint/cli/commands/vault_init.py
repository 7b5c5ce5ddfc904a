"""`fingerprint vault init`: mint the first fingerprint of a vault."""

from __future__ import annotations

from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, secret, show_log, warn, write
from fingerprint.collectors import collect
from fingerprint.errors import EXIT_OK, Refused, VaultMissing
from fingerprint.gate import check_threshold, first_record, refuse_existing, require_recipe
from fingerprint.types import FingerprintRecord
from fingerprint.vault.other_records import refuse_ambiguous

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.vault import Vault


def run(arguments: Arguments) -> int:
    show_log()
    vault = vault_of(arguments)
    check_threshold(arguments.threshold)
    # With --if-missing, too: which vault is meant decides whether one is missing.
    refuse_ambiguous(vault)
    done = {"vault": vault.path, "threshold": arguments.threshold, "dryRun": arguments.dry_run}
    try:
        if arguments.dry_run:
            refuse_existing(vault)
            machine = machine_of(arguments)
            if machine.platform == "windows":
                require_recipe(collect(machine, timeout=arguments.timeout))
            fingerprint = ""
        else:
            record, collection = first_record(
                vault, machine_of(arguments), threshold=arguments.threshold, timeout=arguments.timeout
            )
            fingerprint = secret(record.fingerprint, arguments)
            for attribute in collection:
                if attribute.unreadable:
                    warn(f"{attribute.name} is stored as empty: {attribute.status}: {attribute.reason}")
    except Refused:
        record = _present(vault)
        if not arguments.if_missing or not record.fingerprint:
            raise
        done.update(created=False, threshold=record.threshold, fingerprint=secret(record.fingerprint, arguments))
        _say(f"The vault {vault.path} already holds a fingerprint; nothing was written.", done, arguments)
        return EXIT_OK
    if arguments.dry_run:
        done.update(created=False)
        _say(f"Would store a first fingerprint in {vault.path}, threshold {arguments.threshold}.", done, arguments)
        return EXIT_OK
    done.update(created=True, fingerprint=fingerprint)
    _say(f"Stored the fingerprint {fingerprint} in {vault.path}, threshold {arguments.threshold}.", done, arguments)
    return EXIT_OK


def _present(vault: Vault) -> FingerprintRecord:
    try:
        return vault.read()
    except VaultMissing:
        return FingerprintRecord()


def _say(text: str, answer: dict[str, object], arguments: Arguments) -> None:
    if arguments.output == "json":
        print_json("vault init", answer)
    else:
        write(text)
