"""Check what `fingerprint guard` decided before the last starts of the agent, and whether it can decide."""

from __future__ import annotations

from fingerprint.agent.paths import CORE
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import BLOCKED, Finding, failed, passed, skipped, warned
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.gate import require_storable
from fingerprint.guard import Decision, is_evidence, last_run
from fingerprint.guard_forecast import foreseen, stands
from fingerprint.machine.service_environment import start_conditions
from fingerprint.vault.evidence import record_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.guard import GuardRun

_COMMAND = "guard"


def guard_run(site: Site) -> Finding:
    """Check that the guard lets the agent start, and that the record has evidence by which it can decide.

    It passes only where a run would find nothing wrong now: nothing is noted of an unchanged machine, of a change that
    came after the last start, and where our state directory cannot be written.
    """
    words = _installed(site)
    try:
        run = last_run(site.vault)
        if run is None and not words:
            return skipped("the guard does not run before the agent's start")
        record = site.record
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return unreadable(error)
    where = (f"runs before each start: {' '.join(words)}" if words else "it is in no unit of the agent",)
    if run is not None and _stands(site, run):
        return _of_bad(site, run, where)
    now = None if not words or site.copied else foreseen(site.observation, block=_may_block(words))
    if now is not None:
        return _of_now(now, run, where)
    try:
        if words and not site.vault.evidence.has(record):
            return _without_evidence(site, *_noted(run), *where)
    except FingerprintError as error:
        return unreadable(error)
    if run is None:
        return passed("the guard runs before the agent's start; no run found a change", *where)
    if run.decision == Decision.UNKNOWN:
        return _of_unknown(site, run, where)
    return passed(*_noted(run), *where)


def _installed(site: Site) -> tuple[str, ...]:
    """Return the command in the agent's unit that runs the guard; () without one."""
    for words in start_conditions(site.machine) or ():
        programs = [number for number, word in enumerate(words) if word.rpartition("/")[2] == "fingerprint"]
        for number in programs:
            if _COMMAND in words[number + 1 :]:
                return words[number:]
    return ()


def _may_block(words: tuple[str, ...]) -> bool:
    return "--on-mismatch=block" in words or "--on-mismatch block" in " ".join(words)


def _stands(site: Site, run: GuardRun) -> bool:
    if site.copied:
        # The hardware is not on it; what is known is that nothing was written since.
        return run.decision in (Decision.COPY, Decision.REJECTED) and record_tag(site.record) == run.record
    return stands(run, site.observation)


def _of_bad(site: Site, run: GuardRun, where: tuple[str, ...]) -> Finding:
    """Return the finding for a run that found another machine, or one that the agent rejects."""
    if not run.blocks:
        return warned(f"the guard found a change at {run.at}, and let the agent start: {run.why}", *where,
                      remedy=run.remedy, command=run.command)  # fmt: skip
    what = f"the guard has blocked the agent's start at {run.at}: {run.why}"
    if site.copied:
        return warned(what, *where, remedy=run.remedy, command=run.command)
    try:
        runs = any(one.name == CORE for one in site.processes)
    except OSError:
        runs = False
    if runs:
        return warned(f"the guard will block the agent's next start, as it did at {run.at}: {run.why}", *where,
                      remedy=run.remedy, command=run.command)  # fmt: skip
    return failed(what, *where, remedy=run.remedy, command=run.command, tag=BLOCKED)


def _of_now(now: GuardRun, run: GuardRun | None, where: tuple[str, ...]) -> Finding:
    """Return the finding for what the next run will report."""
    if now.decision == Decision.UNKNOWN and run is not None and run.decision == Decision.UNKNOWN:
        what = f"the guard could not compare at {run.at}, cannot now, and lets the agent start"
    elif now.decision == Decision.UNKNOWN:
        what = "the guard cannot compare this host now, and would let the agent start"
    elif now.blocks:
        what = "the guard will block the agent's next start"
    else:
        what = "the guard finds a change now, and would let the agent start"
    return warned(f"{what}: {now.why}", *_noted(run), *where, remedy=now.remedy, command=now.command)


def _of_unknown(site: Site, run: GuardRun, where: tuple[str, ...]) -> Finding:
    """Return the finding for a last run that could not compare, though it can be done now."""
    remedy, command = run.remedy, run.command
    if not site.copied and site.observation.required().unchanged:
        remedy, command = "Let it compare again", "fingerprint guard"
    return warned(f"the guard could not compare at {run.at}: {run.why}", *where, remedy=remedy, command=command)


def _without_evidence(site: Site, *evidence: str) -> Finding:
    what = "the guard has no hardware to compare with: none was recorded for this record, so the agent's rules decide"
    remedy, command = "Record it while the host matches", "fingerprint guard"
    if not site.copied:
        now = site.observation.required()
        try:
            require_storable(now.collection, site.vault.path)
        except FingerprintError as error:
            remedy, command = error.remedy, ""
        else:
            if not is_evidence(now):
                # The guard takes no evidence of what the rules accept without a comparison.
                remedy = "If this is the machine of the record, record it as it is"
                command = "fingerprint snapshot host.json --keep"
    return warned(what, *evidence, remedy=remedy, command=command)


def _noted(run: GuardRun | None) -> tuple[str, ...]:
    """Return the last run that found a change."""
    if run is None:
        return ()
    return (f"the last run of the guard that found a change, at {run.at}: {run.decision}: {run.why}",)
