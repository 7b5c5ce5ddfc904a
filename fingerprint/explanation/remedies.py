"""Remedies for a verdict, in the order in which to try them, each with its risk."""

from __future__ import annotations

from fingerprint._io.permissions import AS_ROOT
from fingerprint.collectors.repairs import repairs_of, update_without_wmic
from fingerprint.observation import RECIPE_REMEDY
from fingerprint.rules.ssm import MACHINE_ID
from fingerprint.rules.stable import Outcome
from fingerprint.types import Outlook, Reason, Value
from fingerprint.vault.regeneration import rebaselined, rebaselined_as_it_is

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.events import ProbableEvent
    from fingerprint.rules.stable import StableVerdict
    from fingerprint.types import Collection, DoubtRemedy, Verdict
    from fingerprint.vault.regeneration import State


class Remedy(Value):
    """One step.

    Attributes:
        name: its key.
        text: what to do.
        command: to run; "" without one.
        risk: of the step; "" without one.
    """

    name: str
    text: str
    command: str = ""
    risk: str = ""


IN_UTF8 = Remedy(
    "in-utf8", "Give the host a name, or the file a text, that is valid UTF-8, then restart the agent",
    "hostnamectl set-hostname NAME",
)  # fmt: skip
BACKUP = Remedy("backup", "Keep the present record", "fingerprint vault backup")
_REGISTER = Remedy(
    "register", "Register the machine again with a new activation", "",
    "It becomes a node with another id; what names the old one must be changed",
)  # fmt: skip


def remedies(
    verdict: Verdict,
    events: tuple[ProbableEvent, ...],
    stable: StableVerdict | None,
    *,
    state: State,
    other_sid: bool,
    outlook: Outlook,
    more_rights: str,
    unreadable: bool,
    recipe_changed: bool = False,
    doubt: DoubtRemedy | None = None,
    collection: Collection | None = None,
) -> tuple[Remedy, ...]:
    """Return the steps for a verdict.

    Args:
        verdict: by the agent's rules.
        events: the probable events, most probable first.
        stable: by scheme `stable`; None without one.
        state: whether the record was replaced.
        other_sid: whether the restorable record has another hardware ID than the machine.
        outlook: the outcome of the agent's next check.
        more_rights: how to read the sources that were denied; "" if none was.
        unreadable: whether a source was unreadable here that the agent may read.
        recipe_changed: whether the hash recipe of the record gives the same machine.
        doubt: how to find out whether the installed agent uses another recipe than these hashes.
        collection: the current attributes, for sources that fail; None if they are not known.
    """
    if state.regenerated:
        return _after_the_loss(state.restorable, other_sid)
    another = stable is not None and stable.outcome == Outcome.DIFFERENT
    if outlook == Outlook.UNKNOWN and doubt is not None:
        # A record with hashes of the wrong recipe would lose the registration.
        return (BACKUP, Remedy(doubt.name, doubt.text, doubt.command))
    if verdict.match:
        return _for_a_copy(verdict) if another else ()
    if outlook == Outlook.STOPS:
        windows = collection is not None and collection.platform == "windows"
        return (IN_UTF8.replace(command="Rename-Computer -NewName NAME") if windows else IN_UTF8,)
    if outlook == Outlook.UNKNOWN:
        command = "sudo fingerprint check" if more_rights == AS_ROOT else ""
        return (Remedy("as-root", f"{more_rights}: sources could not be read", command),) if more_rights else ()
    if collection is not None and not another:
        # A read that failed says nothing about the machine, so nothing else follows from it.
        repairs = update_without_wmic(collection) or (() if verdict.conclusive else repairs_of(collection))
        if repairs:
            return tuple(Remedy(one.name, one.text, one.command) for one in repairs)
    if recipe_changed and not another:
        command = rebaselined_as_it_is(verdict.reason == Reason.SID_DIFFERS)
        text = f"{RECIPE_REMEDY}; then restart the agent"
        return (BACKUP, Remedy("rebaseline", text, command, "Whether AWS accepts it was not tried"), _REGISTER)
    if another or (events and events[0].truth == "other"):
        return (
            Remedy("refuse", "This is probably another machine: leave it rejected, and find out who copied it"),
            _REGISTER,
        )
    steps = [BACKUP]
    highest = verdict.highest_passing_threshold
    if verdict.reason == Reason.SID_DIFFERS:
        # On Windows it comes from the firmware and cannot be restored.
        if verdict.sid_key == MACHINE_ID:
            steps.append(Remedy("restore-id", "Put the old machine ID back, if it is known: /etc/machine-id"))
    elif highest is not None:
        steps.append(
            Remedy(
                "threshold",
                f"Lower the threshold to {highest} so that {verdict.matched} of {verdict.total} matching attributes "
                "pass, then restart the agent",
                f"fingerprint threshold set {highest}", "It lets copies of this host pass more easily, too",
            )
        )  # fmt: skip
    if unreadable:
        # A record needs all sources.
        return (*steps, _REGISTER)
    steps.append(
        Remedy(
            "rebaseline", "Take the machine as it is now and keep the fingerprint, then restart the agent",
            rebaselined_as_it_is(verdict.reason == Reason.SID_DIFFERS),
            "Only if this is the same machine for certain. Whether AWS accepts it was not tried",
        )
    )  # fmt: skip
    # A source that is closed to root may hide that it is the same machine.
    return (*steps, _REGISTER) if verdict.conclusive else tuple(steps)


def _for_a_copy(verdict: Verdict) -> tuple[Remedy, ...]:
    # On Windows the hardware ID comes from the firmware, which only the hypervisor changes.
    new_id = "make a new machine ID" if verdict.sid_key == MACHINE_ID else (
        "give the virtual machine a UUID of its own in its hypervisor"
    )  # fmt: skip
    return (
        Remedy("find-original", "Find out which machine is the original, and stop the agent on the copy"),
        Remedy(
            "reset-copy", f"On the copy: {new_id}, clear the vault and register it for itself",
            "fingerprint vault reset --yes", "On the original this would invalidate the registration",
        ),
        Remedy(
            "threshold", "On the original: reject such copies from now on",
            f"fingerprint threshold set {min(100, int(verdict.percent) + 1)}",
            "More harmless changes are rejected, too; see: fingerprint threshold advise",
        ),
    )  # fmt: skip


def _after_the_loss(restorable: int | None, other_sid: bool) -> tuple[Remedy, ...]:
    if restorable is None:
        return (_REGISTER,)
    return (
        Remedy(
            "restore", "Restore the fingerprint from before, with the machine as it is now, then restart the agent",
            rebaselined(restorable, other_sid),
            "Only if this is the same machine for certain: the service accepts the old fingerprint only",
        ),
        _REGISTER,
    )  # fmt: skip
