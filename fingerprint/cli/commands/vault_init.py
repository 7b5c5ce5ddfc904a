"""`fingerprint vault init`: mint the first fingerprint of a vault."""

from __future__ import annotations

from fingerprint.answers import secret
from fingerprint.answers.vault import vault_init_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, show_log, warn, write
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
    try:
        if arguments.dry_run:
            refuse_existing(vault)
            machine = machine_of(arguments)
            if machine.platform == "windows":
                require_recipe(collect(machine, timeout=arguments.timeout))
            text = f"Would store a first fingerprint in {vault.path}, threshold {arguments.threshold}."
            return _print(text, vault, arguments.threshold, None, arguments)
        record, collection = first_record(
            vault, machine_of(arguments), threshold=arguments.threshold, timeout=arguments.timeout
        )
    except Refused:
        record = _present(vault)
        if not arguments.if_missing or not record.fingerprint:
            raise
        text = f"The vault {vault.path} already holds a fingerprint; nothing was written."
        return _print(text, vault, record.threshold, record.fingerprint, arguments)
    fingerprint = secret(record.fingerprint, reveal=arguments.reveal)
    for attribute in collection:
        if attribute.unreadable:
            warn(f"{attribute.name} is stored as empty: {attribute.status}: {attribute.reason}")
    text = f"Stored the fingerprint {fingerprint} in {vault.path}, threshold {arguments.threshold}."
    return _print(text, vault, arguments.threshold, record.fingerprint, arguments, created=True)


def _present(vault: Vault) -> FingerprintRecord:
    try:
        return vault.read()
    except VaultMissing:
        return FingerprintRecord()


def _print(
    text: str, vault: Vault, threshold: int, fingerprint: str | None, arguments: Arguments, *, created: bool = False
) -> int:
    if arguments.output == "json":
        print_json("vault init", vault_init_answer(
            vault.path, threshold, fingerprint, created=created, dry_run=arguments.dry_run, reveal=arguments.reveal
        ))  # fmt: skip
    else:
        write(text)
    return EXIT_OK
