"""Keep the evidence of a record that only the agent wrote when the guard is installed, not at its first run."""

from __future__ import annotations

from fingerprint.collectors import collect
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.gate import recorder_of
from fingerprint.guard import first_evidence
from fingerprint.observation import compare_with
from fingerprint.types import Value
from fingerprint.vault.remedies import existing_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.vault import Vault


class FirstEvidence(Value):
    """The evidence of the record when the guard was installed.

    Attributes:
        kept: whether the record has evidence, or would get it.
        why: why not; "" if it has.
    """

    kept: bool
    why: str = ""


def take_first_evidence(
    vault: Vault, machine: Machine, *, timeout: float | None = None, dry_run: bool = False
) -> FirstEvidence:
    """Take the machine as it is now as the evidence of a record that has none and matches it. Best effort.

    Args:
        vault: the vault.
        machine: the machine.
        timeout: seconds for each command; None for the platform's usual one.
        dry_run: whether nothing is written.
    """
    try:
        recorder = recorder_of(machine)
        record = existing_record(vault)
        if vault.evidence.has(record):
            return FirstEvidence(True)
        observed = compare_with(record, collect(recorder, timeout=timeout))
        if not observed.verdict.match:
            return FirstEvidence(False, "this host does not match the record")
        why = first_evidence(vault, observed, recorder, timeout=timeout, dry_run=dry_run)
    except VaultMissing:
        return FirstEvidence(False, "this vault has no fingerprint yet")
    except FingerprintError as error:
        return FirstEvidence(False, f"{error.where}: {error.what}")
    return FirstEvidence(not why, why)
