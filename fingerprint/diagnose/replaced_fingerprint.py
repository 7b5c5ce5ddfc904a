"""Whether the fingerprint of a vault was replaced: by our journal, and by the logs of the agent whose vault it is."""

from __future__ import annotations

from datetime import datetime, timezone

from fingerprint._io.times import created_seconds, utc
from fingerprint.diagnose.checks.waiting import got_after
from fingerprint.errors import VaultError
from fingerprint.vault.regeneration import State
from fingerprint.vault.regeneration import state_of as state_by_journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site

# No zone is further from UTC.
_ANY_ZONE_SECONDS = 14 * 3600
AGENT = "the agent"


def record_state(site: Site) -> tuple[State, tuple[str, ...]]:
    """Return what became of the record, and the evidence for it, one fact each.

    Raises:
        VaultError: there is no record that could have been replaced, or it could not be read.
    """
    state = state_by_journal(site.vault, site.record)
    evidence = []
    if state.regenerated:
        evidence.append(f"our history: replaced {'at ' + state.at if state.at else 'by another program'} ({state.by})")
    logged = _logged_regeneration(site, state)
    if logged:
        evidence.append(f"the agent's log: a new fingerprint was made at {logged}")
        evidence += _logged_mismatch(site)
        at = site.seconds_of(logged)
        when = state.at or (logged if at is None else utc(at))
        state = state.replace(regenerated=True, uncertain="", at=when, by=state.by or AGENT)
    return state, tuple(evidence)


def _logged_regeneration(site: Site, state: State) -> str:
    """Return when the agent logged a new fingerprint that the service does not know, "" if it logged none."""
    if not site.of_agent:
        return ""
    try:
        story = site.story
    except OSError:
        return ""
    if not story.regenerated_at:
        return ""
    at = story.regenerated_at[-1]
    if story.last_good and story.last_good > at:
        # What got credentials afterwards was registered again since, or had its record restored.
        return ""
    row = site.behaviour.row
    if row.core_requests and not row.logs_success and got_after(site, at) is not None:
        return ""
    if _happened_after(site, at, state.restored_at) or _registered_after(site, at):
        return ""
    return at or "a time that is not told"


def _happened_after(site: Site, at: str, then: str) -> bool:
    """Return whether a time, RFC 3339 or "", is after a logged one; so it counts where the zone is not known."""
    seconds = site.seconds_of(at)
    return bool(then) and (seconds is None or utc(seconds) <= then)


def _registered_after(site: Site, at: str) -> bool:
    """Return whether the node's key was made after a logged time: then the service knows the fingerprint of then.

    It rotates no key for a fingerprint that it rejects, so a key that is younger is that of a registration.
    """
    try:
        made = created_seconds(site.registration.private_key_created_date)
    except VaultError:
        return False
    seconds = site.seconds_of(at)
    if seconds is None:
        try:
            # On a copied disk it is not known in which zone it was logged.
            seconds = datetime.fromisoformat(at).replace(tzinfo=timezone.utc).timestamp() + _ANY_ZONE_SECONDS
        except ValueError:
            return False
    return made is not None and made > seconds


def _logged_mismatch(site: Site) -> list[str]:
    """Return what the log tells of the mismatch before it."""
    found = site.story.mismatches[-1] if site.story.mismatches else None
    if found is None:
        return []
    if found.id_differs:
        return ["before it the hardware ID differed"]
    score = "" if found.matched is None else f", {found.matched} of 9 equal"
    return [f"before it changed: {', '.join(sorted(found.changed))}{score}"] if found.changed else []
