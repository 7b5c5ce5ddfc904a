"""Check whether the agent can distinguish this host from another machine with its hardware ID."""

from __future__ import annotations

from fingerprint.agent.copies import limits_of
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import LIMITED, Finding, Outcome, not_on_disk, passed, skipped, warned
from fingerprint.errors import FingerprintError, VaultMissing
from fingerprint.rules.ssm import THRESHOLD_DISABLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.copies import Limits
    from fingerprint.diagnose.context import Site
    from fingerprint.types import Verdict

_NEW_ID = (
    "Create a machine ID of its own (systemd-machine-id-setup, dbus-uuidgen), then register the machine again: the "
    "agent treats another ID as another machine"
)


def weak_check(site: Site) -> Finding:
    """Check that enough attributes have content to distinguish machines."""
    without_hardware = not_on_disk("unknown on a copied disk: hardware attributes are not on it")
    try:
        verdict, weak = site.explanation.verdict, site.explanation.id_warning
    except VaultMissing:
        return without_hardware if site.copied else skipped("the vault holds no fingerprint")
    except FingerprintError as error:
        return without_hardware if site.copied else unreadable(error)
    if site.copied and not weak:
        return without_hardware
    silent = verdict.total - verdict.effective
    score = f"{verdict.effective} of {verdict.total} attributes have content"
    if verdict.threshold == THRESHOLD_DISABLED:
        return skipped("the check is disabled")
    limits = None if site.copied else limits_of(site.machine, verdict, site.explanation.collection.only_here)
    if limits is not None and not weak:
        return _limited(limits, verdict, score)
    if verdict.vacuous and not site.copied:
        where = [*([limits.text] if limits else []), *_why_silent(verdict), *([weak] if weak else [])]
        return warned(
            f"weak check: any host with this hardware ID passes ({score})", *where,
            remedy=_NEW_ID if weak else "Monitor it by scheme stable (`monitor nagios -c copy`), or give it a "
            "hardware ID of its own",
            command="" if weak else "fingerprint show --scheme stable",
        )  # fmt: skip
    if weak:
        return warned(
            weak, score, remedy=_NEW_ID,
        )  # fmt: skip
    return passed(score, *((f"{silent} are empty, without content or unreadable on a side",) if silent else ()))


def _limited(limits: Limits, verdict: Verdict, score: str) -> Finding:
    """Return the finding for a machine without SMBIOS hardware: what a copy reaches, and which threshold helps."""
    evidence = (limits.text, *_why_silent(verdict))
    if not limits.advice:
        return Finding(Outcome.PASS, score, evidence, tag=LIMITED)
    what = "any host with this hardware ID passes" if verdict.vacuous else "a copy of it passes"
    monitor = "; and monitor it by scheme stable (`monitor nagios -c copy`)" if limits.stable else ""
    return warned(f"weak check: {what} ({score}); {limits.text}", *evidence, remedy=f"{limits.advice}{monitor}",
                  command=limits.command, tag=LIMITED)  # fmt: skip


def _why_silent(verdict: Verdict) -> list[str]:
    rows = [row for row in verdict.rows if row.same and not row.evidence]
    found = []
    for what, names in (
        ("empty on both sides", [row.name for row in rows if not row.current]),
        ("a text without hardware, equal on both sides", [row.name for row in rows if row.current]),
    ):
        found += [f"{what}: {', '.join(names)}"] if names else []
    return found
