"""Check what `fingerprint guard` decided before the last starts of the agent, and whether it can decide."""

from __future__ import annotations

from fingerprint.agent.paths import CORE
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import BLOCKED, Finding, failed, passed, skipped, warned
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.guard import Decision, last_run, stands
from fingerprint.machine.service_environment import start_conditions
from fingerprint.vault.evidence import record_tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.guard import GuardRun

_COMMAND = "guard"


def guard_run(site: Site) -> Finding:
    """Check that the guard lets the agent start, and that the record has evidence by which it can decide."""
    command = _installed(site)
    try:
        run = last_run(site.vault)
        if run is None and not command:
            return skipped("the guard does not run before the agent's start")
        record = site.record
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return unreadable(error)
    where = (f"runs before each start: {command}" if command else "it is in no unit of the agent",)
    if run is not None and _stands(site, run):
        return _of_bad(site, run, where)
    try:
        lacks = command != "" and not site.vault.evidence.has(record)
    except FingerprintError as error:
        return unreadable(error)
    if lacks:
        return warned(
            "the guard has no hardware to compare with: none was recorded for this record, so the agent's rules decide",
            *_noted(run), *where, remedy="Record it while the host matches", command="fingerprint guard",
        )  # fmt: skip
    if run is None:
        return passed("the guard runs before the agent's start; no run found a change", *where)
    if run.decision == Decision.UNKNOWN:
        return warned(f"the guard could not compare at {run.at}: {run.why}", *where, remedy=run.remedy,
                      command=run.command)  # fmt: skip
    return passed(*_noted(run), *where)


def _installed(site: Site) -> str:
    """Return the command in the agent's unit that runs the guard; "" without one."""
    for words in start_conditions(site.machine) or ():
        programs = [number for number, word in enumerate(words) if word.rpartition("/")[2] == "fingerprint"]
        for number in programs:
            if _COMMAND in words[number + 1 :]:
                return " ".join(words[number:])
    return ""


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


def _noted(run: GuardRun | None) -> tuple[str, ...]:
    """Return the last run that found a change."""
    if run is None:
        return ()
    return (f"the last run of the guard that found a change, at {run.at}: {run.decision}: {run.why}",)
