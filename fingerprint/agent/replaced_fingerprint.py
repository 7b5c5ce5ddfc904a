"""Whether the fingerprint of a vault was replaced: by our journal, and by the logs of the agent whose vault it is."""

from __future__ import annotations

from fingerprint._io.times import created_seconds, local_seconds, utc
from fingerprint.agent.paths import MAIN_LOG, paths_of
from fingerprint.errors import VaultError
from fingerprint.machine.base import END_LIMIT
from fingerprint.vault.regeneration import State
from fingerprint.vault.regeneration import state_of as state_by_journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.facts import AgentFacts
    from fingerprint.machine.base import Machine
    from fingerprint.types import FingerprintRecord
    from fingerprint.vault import Vault

# The largest offset of any time zone from UTC.
_ANY_ZONE_SECONDS = 14 * 3600
AGENT = "the agent"
# The agent's log line on a new fingerprint after a mismatch, in lower case.
_REGENERATES = b"calculated hardware difference"


def logs_show_regeneration(machine: Machine) -> bool:
    """Return whether the agent's logs may report a new fingerprint: a quick search of their bytes."""
    paths = paths_of(machine.platform)
    try:
        names = machine.list_directory(paths.logs)
    except OSError:
        return False
    for name in names:
        if not name.startswith(MAIN_LOG):
            continue
        try:
            data = machine.read_end(paths.logs + paths.separator + name, END_LIMIT)
        except OSError:
            # `diagnose` reports unreadable logs.
            continue
        if _REGENERATES in data.lower():
            return True
    return False


def record_state(
    agent: AgentFacts, vault: Vault, record: FingerprintRecord, *, of_agent: bool
) -> tuple[State, tuple[str, ...]]:
    """Return whether the fingerprint of a record was replaced, and the evidence, one fact each.

    Args:
        agent: the agent of the machine.
        vault: the vault.
        record: its record.
        of_agent: whether the agent uses the vault.
    """
    state = state_by_journal(vault, record)
    evidence = []
    if state.regenerated:
        evidence.append(f"our history: replaced {'at ' + state.at if state.at else 'by another program'} ({state.by})")
    logged = _logged_regeneration(agent, vault, state) if of_agent else ""
    if logged:
        evidence.append(f"the agent's log: a new fingerprint was made at {logged}")
        evidence += _logged_mismatch(agent)
        at = agent.seconds_of(logged)
        when = state.at or (logged if at is None else utc(at))
        state = state.replace(regenerated=True, uncertain="", at=when, by=state.by or AGENT)
    return state, tuple(evidence)


def _logged_regeneration(agent: AgentFacts, vault: Vault, state: State) -> str:
    """Return when the agent logged a new fingerprint that the service does not know; "" if it logged none."""
    try:
        timeline = agent.timeline
    except OSError:
        return ""
    if not timeline.regenerated_at:
        return ""
    at = timeline.regenerated_at[-1]
    if timeline.last_good and timeline.last_good > at:
        # Credentials came afterwards, so the host was registered again or its record was restored.
        return ""
    row = agent.behaviour.row
    if row.core_requests and not row.logs_success and agent.got_after(at) is not None:
        return ""
    if _happened_after(agent, at, state.restored_at) or _registered_after(agent, vault, at):
        return ""
    return at or "an unknown time"


def _happened_after(agent: AgentFacts, at: str, then: str) -> bool:
    """Return whether a time, RFC 3339 or "", is after a logged one; true if the time zone is not known."""
    seconds = agent.seconds_of(at)
    return bool(then) and (seconds is None or utc(seconds) <= then)


def _registered_after(agent: AgentFacts, vault: Vault, at: str) -> bool:
    """Return whether the node's key was made after a logged time, by a registration that made the fingerprint known.

    The service rotates no key for a fingerprint that it rejects, so a younger key is from a registration.
    """
    try:
        made = created_seconds(vault.read_registration().private_key_created_date)
    except VaultError:
        return False
    seconds = agent.seconds_of(at)
    if seconds is None:
        # On a copied disk the time zone of the log is not known.
        seconds = local_seconds(at, -_ANY_ZONE_SECONDS)
    return made is not None and seconds is not None and made > seconds


def _logged_mismatch(agent: AgentFacts) -> list[str]:
    """Return what the log has of the mismatch that led to the new fingerprint."""
    found = agent.timeline.mismatches[-1] if agent.timeline.mismatches else None
    if found is None:
        return []
    if found.id_differs:
        return ["before it the hardware ID differed"]
    score = "" if found.matched is None else f", {found.matched} of 9 equal"
    return [f"before it changed: {', '.join(sorted(found.changed))}{score}"] if found.changed else []
