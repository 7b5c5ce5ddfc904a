"""Checks of the verdict: this host against the record, and what the agent will decide."""

from __future__ import annotations

from fingerprint.agent.outlook import WOULD_REJECT, would_reject
from fingerprint.agent.versions import row_since
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import failed, not_on_disk, passed, skipped, unknown, warned
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
    """Check that this host matches the record and that the agent will accept it."""
    try:
        found = site.explanation
    except VaultMissing:
        return skipped("the vault holds no fingerprint: the agent creates the first one at its next token request")
    except FingerprintLost as error:
        return failed(error.what, remedy=error.remedy, tag="lost")
    except FingerprintError as error:
        return unreadable(error)
    verdict = found.verdict
    score = f"{verdict.matched} of {verdict.total} attributes match, threshold {verdict.threshold}"
    changes = [f"{', '.join(names)}: {text}" for names, text, _ in found.changed]
    remedy = found.remedies[0] if found.remedies else None
    if found.outlook == Outlook.STOPS and remedy is not None:
        return failed(found.collection.agent_error, score, *changes, remedy=remedy.text, command=remedy.command)
    if found.outlook == Outlook.UNKNOWN and site.copied and remedy is None:
        return not_on_disk("unknown on a copied disk: most attributes come from the hardware and the kernel",
                      found.rule, *changes)  # fmt: skip
    if would_reject(found.outlook, verdict, found.collection):
        return unknown(f"{found.rule}; sources could not be read", WOULD_REJECT, *changes)
    if found.outlook == Outlook.UNKNOWN and found.collection.doubt:
        settles = found.collection.doubt_remedy
        return unknown(f"{found.rule}; {found.collection.doubt}", *changes, remedy=settles.text if settles else "",
                       command=settles.command if settles else "")  # fmt: skip
    if found.outlook == Outlook.UNKNOWN:
        # A recording, such as that of a copied disk, holds no more.
        return unknown(f"{found.rule}; sources could not be read", *changes, remedy=remedy.text if remedy else "")
    if found.outlook == Outlook.REJECTS:
        head = (
            "not the same machine" if found.outcome == "different"
            else f"the same machine, but the agent will reject it: {found.change.found.text}"
            if found.change is not None and found.outcome == "same"
            else "unknown whether it is the same machine; the agent will reject it"
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
            f"threshold {verdict.threshold}: only the hardware ID is compared", score,
            f"agents before {row_since('first_threshold', 40)} store it, and newer ones after a corrupt record",
            *changes, remedy="Set a threshold", command="fingerprint threshold set 40",
        )  # fmt: skip
    highest = _without_address(found)
    if highest is not None:
        return warned(
            "the same machine only by its IP address: with another address the agent would reject it", score, *changes,
            f"with another address thresholds up to {highest} would pass",
            remedy="Lower the threshold, or rebaseline",
            command=f"fingerprint threshold set {highest}",
        )  # fmt: skip
    return passed(f"the same machine: {found.rule}", score, *changes)


def _without_address(found: Explanation) -> int | None:
    """Return the highest threshold that passes with another address; None if the address does not decide."""
    verdict = found.verdict
    if verdict.reason != Reason.SAME_IP:
        return None
    from fingerprint.rules.whatif import with_another_address

    then = with_another_address(verdict)
    return None if then.match else then.highest_passing_threshold


def next_start(site: Site) -> Finding:
    """Check what the agent will do at its next comparison, and when that is."""
    if site.copied:
        return not_on_disk("nothing runs on a copied disk")
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
        forecast = site.forecast
    except VaultMissing:
        return skipped("the vault holds no fingerprint")
    except FingerprintLost as error:
        text = "at its next token request the agent stores a new fingerprint, and the service rejects it"
        return failed(text, error.what, remedy=error.remedy)
    except FingerprintError as error:
        return unreadable(error)
    if forecast is None:
        return unknown("the recording has no processes of the agent")
    if forecast.refused is None and would_reject(found.outlook, found.verdict, found.collection):
        return unknown("no agent uses this vault; an agent with it would be rejected", WOULD_REJECT)
    if forecast.refused is None:
        return unknown(forecast.text)
    if forecast.refused:
        return failed(forecast.text, remedy="Back up the record before the agent compares",
                      command="fingerprint vault backup")  # fmt: skip
    if regenerated:
        return failed("the machine matches a record that the service does not know")
    return passed(forecast.text)


def _unreadable_registration(site: Site) -> VaultCorrupt | None:
    """Return why the agent cannot read the registration; None if it can or if there is none."""
    try:
        site.vault.read_registration()
    except VaultCorrupt as error:
        return error
    except VaultError:
        # Missing or denied: `registration` reports it.
        pass
    return None
