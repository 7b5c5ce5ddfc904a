"""Compare a machine with the evidence of its very record, and say whether the outcome is certain."""

from __future__ import annotations

from fingerprint.errors import FingerprintError
from fingerprint.observation import compare_stable
from fingerprint.vault.evidence import OF_A_MATCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.observation import Observation
    from fingerprint.rules.certainty import Ruling
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault


def ruling_of(vault: Vault, record: FingerprintRecord, machine: Machine, *, timeout: float | None = None) -> Ruling:
    """Return whether scheme `stable` is certain about a machine. Evidence that cannot be used is none.

    Args:
        vault: the vault.
        record: the record that the machine is compared with.
        machine: the machine.
        timeout: seconds for each command.
    """
    # Imported here: an unchanged machine does not need it.
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.rules.certainty import rule_on

    try:
        kept = vault.evidence.for_record(record)
        if kept is None:
            return rule_on(None)
        before = RecordedMachine(kept.snapshot, vault.evidence.path)
        found = rule_on(compare_stable(before, kept.at, machine, timeout=timeout).verdict)
    except FingerprintError as error:
        return _unusable(f"{error.where}: {error.what}")
    return _named(found, of_match=kept.of_match)


def ruling_on(observed: Observation) -> Ruling:
    """Return the ruling on a machine that was observed, as `ruling_of` does.

    Args:
        observed: the machine and its vault, with a comparison.
    """
    from fingerprint.rules.certainty import rule_on

    stable = observed.stable
    if stable is None:
        problem = observed.evidence_problem
        return _unusable(problem) if problem else rule_on(None)
    return _named(rule_on(stable.verdict), of_match=stable.of_match)


def _unusable(why: str) -> Ruling:
    from fingerprint.rules.certainty import Ruling
    from fingerprint.rules.stable import Outcome

    return Ruling(Outcome.CANNOT_TELL, (), f"the evidence cannot be used ({why})")


def _named(found: Ruling, *, of_match: bool) -> Ruling:
    """Return a ruling that says so where its evidence is of a match."""
    return found.replace(why=f"{found.why} ({OF_A_MATCH})") if of_match else found


def unreadable_hardware(machine: Machine, timeout: float | None = None) -> tuple[str, ...]:
    """Return the identity-bearing attributes of a machine that exist and cannot be read.

    Args:
        machine: the machine.
        timeout: seconds for each command.
    """
    from fingerprint.attributes.stable import STRENGTHS, Group
    from fingerprint.collectors import STABLE, collect

    unreadable = collect(machine, scheme=STABLE, timeout=timeout).unreadable
    return tuple(one.name for one in STRENGTHS if one.group == Group.IDENTITY and one.name in unreadable)
