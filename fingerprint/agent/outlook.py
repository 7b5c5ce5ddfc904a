"""The agent's outcome for a machine at its next comparison with the record."""

from __future__ import annotations

from fingerprint.rules.ssm import match
from fingerprint.types import Outlook, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.types import Collection, Verdict

# A value that no source has, in place of one that the agent may read and we could not.
_UNKNOWN_VALUE = "?"


def agent_outlook(
    verdict: Verdict, collection: Collection, *, of_agent: bool = True, other_recipe: bool = False
) -> Outlook:
    """Return the agent's outcome for a machine, by what the agent itself reads.

    A source that fails for root fails for the agent, too: it then compares "" with the record, so the outcome is
    certain. A source that failed here for another reason may be readable for the agent.

    Args:
        verdict: over the record and the collection.
        collection: the values that were read here.
        of_agent: whether the agent uses the vault of the record; our own client, which may use another vault, reads
            the same values as here.
        other_recipe: whether the record fits another hash recipe than the installed agent's.
    """
    if collection.stops_agent:
        return Outlook.STOPS
    if not of_agent and (verdict.match or not verdict.conclusive):
        return Outlook.ACCEPTS if verdict.match else Outlook.UNKNOWN
    if of_agent and collection.doubt and verdict.reason != Reason.DISABLED and (verdict.match or other_recipe):
        # Only one of the recipes that the agent may use gives the saved hardware ID.
        return Outlook.UNKNOWN
    saved = {row.name: row.saved for row in verdict.rows if row.saved is not None}
    current = {row.name: row.current for row in verdict.rows if row.current is not None}
    only_here = collection.only_here
    if not only_here:
        return Outlook.ACCEPTS if verdict.match else Outlook.REJECTS
    if not verdict.match:
        there = match(saved, current, verdict.threshold, sid_key=verdict.sid_key, unreadable=only_here)
        return Outlook.REJECTS if there.conclusive else Outlook.UNKNOWN
    worst = {name: _UNKNOWN_VALUE if name in only_here else value for name, value in current.items()}
    certain = match(saved, worst, verdict.threshold, sid_key=verdict.sid_key).match
    return Outlook.ACCEPTS if certain else Outlook.UNKNOWN


# Printed if `would_reject`.
WOULD_REJECT = (
    "no agent uses this vault, and our own client sends nothing while the verdict is uncertain; an agent with this "
    "record would reject the machine, as it reads the same values"
)


def would_reject(outlook: Outlook | None, verdict: Verdict, collection: Collection) -> bool:
    """Return whether our own client is uncertain and an agent with the same record would reject the machine."""
    if outlook != Outlook.UNKNOWN or collection.doubt:
        return False
    return agent_outlook(verdict, collection) == Outlook.REJECTS
