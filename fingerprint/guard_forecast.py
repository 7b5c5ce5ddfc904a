"""What a run of the guard would report now, and whether one that was noted still holds: from an observation."""

from __future__ import annotations

from fingerprint.errors import FingerprintError
from fingerprint.gate import require_conclusive, require_storable, ruling_on
from fingerprint.guard import Decision, GuardRun, copy_run, rejected_run
from fingerprint.vault.evidence import record_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.observation import Observation


def foreseen(observed: Observation, *, block: bool = False) -> GuardRun | None:
    """Return what a run would report now: a copy, a rejected machine, or that nothing is known; None for no problem.

    It follows from one reading, and does not count how often the record was renewed.

    Args:
        observed: the machine and its vault now.
        block: whether a machine that is not certainly the same must not start its agent.
    """
    at = ""
    try:
        now = observed.required()
        if now.unchanged:
            return None
        ruling = ruling_on(observed)
        if now.verdict.match:
            return copy_run(at, now, ruling, block) if ruling.is_different else None
        require_conclusive(now, observed.vault.path)
        if not ruling.is_same:
            return rejected_run(at, now, ruling, block)
        require_storable(now.collection, observed.vault.path)
    except FingerprintError as error:
        return GuardRun(at, Decision.UNKNOWN, False, f"{error.where}: {error.what}", error.remedy)
    return None


def stands(run: GuardRun, observed: Observation) -> bool:
    """Return whether a run found a copy or a machine that is rejected, and would again: nothing changed since.

    Args:
        run: the run; one that found nothing is not noted, so it may be an old one.
        observed: the machine and its vault now.
    """
    bad = (Decision.COPY, Decision.REJECTED)
    now = observed.comparison
    if run.decision not in bad or now is None or record_tag(now.record) != run.record:
        return False
    found = foreseen(observed)
    return found is not None and found.decision in bad


def blocks_now(run: GuardRun, observed: Observation) -> bool:
    """Return whether a run kept the agent from starting, and would again, see `stands`."""
    return run.blocks and stands(run, observed)
