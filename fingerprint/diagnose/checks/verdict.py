"""Checks of what the agent decides at its next check: the fingerprint of this host against the record."""

from __future__ import annotations

from fingerprint.agent.outlook import WOULD_REJECT, would_reject
from fingerprint.agent.versions import row_since
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import failed, passed, skipped, unknown, untold, warned
from fingerprint.errors import FingerprintError, FingerprintLost, VaultCorrupt, VaultError, VaultMissing
from fingerprint.rules.ssm import THRESHOLD_DISABLED
from fingerprint.types import Outlook, Reason
from fingerprint.vault.integrity import READS, manifest_state
from fingerprint.vault.remedies import NOTHING_WRITTEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding
    from fingerprint.explanation import Explanation


def fingerprint(site: Site) -> Finding:
    """Whether this is the machine of the record, now, and what the agent makes of it."""
    try:
        found = site.explanation
    except VaultMissing:
        return skipped("the vault holds no fingerprint: the agent makes the first one at its next token request")
    except FingerprintLost as error:
        return failed(error.what, remedy=error.remedy, tag="lost")
    except FingerprintError as error:
        return unreadable(error)
    verdict = found.verdict
    score = f"{verdict.matched} of {verdict.total} attributes equal, threshold {verdict.threshold}"
    changes = [f"{', '.join(names)}: {text}" for names, text, _ in found.changed]
    remedy = found.remedies[0] if found.remedies else None
    if found.outlook == Outlook.STOPS and remedy is not None:
        return failed(found.collection.agent_error, score, *changes, remedy=remedy.text, command=remedy.command)
    if found.outlook == Outlook.UNKNOWN and site.copied and remedy is None:
        return untold("of a copied disk it cannot be told: most of what is compared is of the hardware and the kernel",
                      found.rule, *changes)  # fmt: skip
    if would_reject(found.outlook, verdict, found.collection):
        return unknown(f"{found.rule}; sources could not be read", WOULD_REJECT, *changes)
    if found.outlook == Outlook.UNKNOWN and found.collection.doubt:
        settles = found.collection.doubt_remedy
        return unknown(f"{found.rule}; {found.collection.doubt}", *changes, remedy=settles.text if settles else "",
                       command=settles.command if settles else "")  # fmt: skip
    if found.outlook == Outlook.UNKNOWN:
        # Nobody reads more out of a recording, such as that of a copied disk.
        return unknown(f"{found.rule}; sources could not be read", *changes, remedy=remedy.text if remedy else "")
    if found.outlook == Outlook.REJECTS:
        head = (
            "not the same machine" if found.outcome == "different"
            else f"the same machine, and the agent will reject it: {found.change.found.text}"
            if found.change is not None and found.outcome == "same"
            else "whether it is the same machine is not known, and the agent will reject it"
        )  # fmt: skip
        return failed(
            f"{head}: {found.rule}", score, *changes, remedy=remedy.text if remedy else "",
            command=remedy.command if remedy else "", tag="differs",
        )  # fmt: skip
    if verdict.threshold == THRESHOLD_DISABLED:
        return warned("the check is disabled (threshold -1): any machine with this vault passes", score, *changes,
                      remedy="Set a threshold", command="fingerprint threshold set 40")  # fmt: skip
    if verdict.threshold < 1:
        return warned(
            f"threshold {verdict.threshold}: only the hardware ID is looked at", score,
            f"so stored by agents before {row_since('first_threshold', 40)} and after a corrupt record", *changes,
            remedy="Set a threshold", command="fingerprint threshold set 40",
        )  # fmt: skip
    highest = _without_address(found)
    if highest is not None:
        return warned(
            "the same machine, by its address alone: with another one it would be refused", score, *changes,
            f"with another address thresholds up to {highest} would pass",
            remedy="Lower the threshold, or take the machine as it is now",
            command=f"fingerprint threshold set {highest}",
        )  # fmt: skip
    return passed(f"the same machine: {found.rule}", score, *changes)


def _without_address(found: Explanation) -> int | None:
    """Return the highest threshold that would pass with another address; None where the address does not decide."""
    verdict = found.verdict
    if verdict.reason != Reason.SAME_IP:
        return None
    from fingerprint.rules.whatif import with_another_address

    then = with_another_address(verdict)
    return None if then.match else then.highest_passing_threshold


def next_start(site: Site) -> Finding:
    """What the agent will do at its next check, which is at its next start or at its next token request, and when."""
    if site.copied:
        return untold("nothing runs on a copied disk")
    try:
        manifest = manifest_state(site.vault)
        if manifest.agent_does != READS:
            return failed(manifest.consequence, manifest.what, remedy=manifest.remedy)
        unread = _unreadable_registration(site)
        if unread is not None:
            return failed(
                "at its next start the agent exits, because the registration cannot be read; it writes nothing",
                unread.what, remedy=unread.remedy.removeprefix(NOTHING_WRITTEN),
            )  # fmt: skip
        found = site.explanation
        regenerated = found.state.regenerated
        told = site.forecast
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintLost as error:
        text = "at its next token request the agent stores a new fingerprint, and the service rejects it"
        return failed(text, error.what, remedy=error.remedy)
    except FingerprintError as error:
        return unreadable(error)
    if told is None:
        return unknown("the recording does not tell of the agent's processes")
    if told.refused is None and would_reject(found.outlook, found.verdict, found.collection):
        return unknown("no agent uses this vault; one that did would be refused", WOULD_REJECT)
    if told.refused is None:
        return unknown(told.text)
    if told.refused:
        return failed(told.text, remedy="Before the agent compares, keep the record",
                      command="fingerprint vault backup")  # fmt: skip
    if regenerated:
        return failed("the machine matches a record that the service does not know")
    return passed(told.text)


def _unreadable_registration(site: Site) -> VaultCorrupt | None:
    """Return why the agent cannot read the registration; None where it can, and where there is none."""
    try:
        site.vault.read_registration()
    except VaultCorrupt as error:
        return error
    except VaultError:
        # Missing or denied: `registration` says so.
        pass
    return None
