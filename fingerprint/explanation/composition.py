"""Explain all differences by the smallest set of primitive causes, and what happened above them.

Each attribute that changed has signs: the causes that its sources speak for. A cause that covers others takes their
place (another machine has other memory, of course), and what varies by itself counts only where nothing else is found.
"""

from __future__ import annotations

from fingerprint.explanation.analysis import Sign
from fingerprint.explanation.history import OF_CONTAINERS, Identity, Rows, board_replaced, history_of, identity_of
from fingerprint.explanation.primitives import HARDWARE, OF_A_START, TITLES, order_of
from fingerprint.smbios.no_table import DMI
from fingerprint.types import Fault, Status, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.explanation.causes import Cause, Context
    from fingerprint.explanation.history import History
    from fingerprint.rules.stable import StableVerdict

# Causes that only show in the text: they count where nothing else is found.
_NOISE = ("text-noise", "text-form")
_NOT_BY_WMI = ("hostname-info", "ipaddress-info", "macaddr-info")
_CONTAINER = ("host-name", "network-card", "interface-order", "made-address", "address")


class PrimitiveCause(Value):
    """One primitive cause of differences.

    Attributes:
        name, title: its key in `explanation.primitives`, and the same for users.
        attributes: those of scheme `ssm` that it explains.
        evidence: the facts that speak for it, as text.
        certain: whether recorded sources prove it; False for an inference.
    """

    name: str
    title: str
    attributes: tuple[str, ...]
    evidence: tuple[str, ...]
    certain: bool


class Composition(Value):
    """The differences of a machine, explained.

    Attributes:
        causes: the smallest set of primitive causes found; lasting changes first.
        unexplained: the attributes that changed and that none of them explains.
        identity: whether it is the same machine, by scheme `stable` alone.
        identity_text: the reason.
        history: what happened to the machine itself; None if nothing shows that.
    """

    causes: tuple[PrimitiveCause, ...]
    unexplained: tuple[str, ...]
    identity: Identity
    identity_text: str
    history: History | None

    @property
    def proven(self) -> frozenset[str]:
        """The attributes that a certain cause explains."""
        return frozenset(name for cause in self.causes if cause.certain for name in cause.attributes)


NOTHING = Composition((), (), Identity.UNDECIDABLE, "", None)


class _Found:
    """Causes by name, with the attributes and the evidence of each."""

    def __init__(self) -> None:
        self.attributes: dict[str, list[str]] = {}
        self.evidence: dict[str, list[str]] = {}
        self.certain: dict[str, bool] = {}

    def add(self, attribute: str, sign: Sign, cause: str = "") -> None:
        """Count a sign of an attribute for its cause, or for another one that covers it."""
        name = cause or sign.cause
        names = self.attributes.setdefault(name, [])
        if attribute not in names:
            names.append(attribute)
        self.say(name, sign.text)
        # One proof is enough: the other attributes have the same cause.
        self.certain[name] = self.certain.get(name, False) or sign.certain

    def say(self, name: str, *facts: str) -> None:
        """Add evidence of a cause, once."""
        known = self.evidence.setdefault(name, [])
        known += [text for text in facts if text and text not in known]

    def say_first(self, name: str, *facts: str) -> None:
        """Add evidence of a cause in front of the details."""
        self.evidence[name] = [*facts, *(text for text in self.evidence[name] if text not in facts)]

    def causes(self) -> tuple[PrimitiveCause, ...]:
        names = sorted(self.attributes, key=order_of)
        return tuple(
            PrimitiveCause(n, TITLES[n], tuple(self.attributes[n]), tuple(self.evidence[n]), self.certain[n])
            for n in names
        )


def compose(context: Context, causes: Iterable[Cause], stable: StableVerdict | None) -> Composition:
    """Return the explanation of all differences.

    Args:
        context: both sides.
        causes: of each attribute.
        stable: the verdict of scheme `stable`; None without evidence.
    """
    rows = None if stable is None else Rows(stable)
    known = {cause.name: cause for cause in causes}
    changed = {name: cause.signs for name, cause in known.items() if cause.state == "changed"}
    windows = context.collection.platform == "windows"
    no_table = not windows and all(_without_table(known.get(name)) for name in DMI)
    identity = identity_of(stable)
    # By the record's own recipe it is the same machine.
    recipe_fits = context.change is not None and context.change.verdict.match
    history = None
    if rows is not None and not recipe_fits:
        sid = known.get(context.collection.sid_key)
        history = history_of(
            rows, changed=frozenset(changed), windows=windows, no_table=no_table,
            same_table=any(name in known and known[name].state == "same" for name in DMI),
            same_id=sid is not None and sid.state == "same" and not context.collection.id_warning,
        )  # fmt: skip
    found = _Found()
    for name, signs in changed.items():
        for sign in signs:
            cover = _covering(sign, rows, history)
            # That another machine was started is no fact about this one.
            quiet = bool(cover) and sign.cause in OF_A_START
            found.add(name, sign.replace(text="") if quiet else sign, cover)
    if windows:
        _add_broken_wmi(found, context)
    else:
        _add_unreadable(found, context)
    _add_what_covers(found, rows, history)
    _join_failed_queries(found)
    _name_the_agent(found, context)
    _forget_noise(found)
    _name_the_start(found, context)
    explained = {name for names in found.attributes.values() for name in names}
    unexplained = tuple(name for name in changed if name not in explained)
    why = stable.why if stable is not None else "no evidence to compare the hardware with"
    return Composition(found.causes(), unexplained, identity, why, history)


def _without_table(cause: Cause | None) -> bool:
    """Whether dmidecode reads nothing for an attribute on both sides."""
    return cause is not None and (cause.state == "empty" or (cause.state == "changed" and "no-table" in cause.facts))


def _covering(sign: Sign, rows: Rows | None, history: History | None) -> str:
    """Return the cause that covers a sign; "" if it stands for itself."""
    if history is not None and history.name in OF_CONTAINERS and sign.cause in _CONTAINER:
        return "container"
    if rows is None or sign.cause not in (*HARDWARE, *OF_A_START):
        return ""
    if rows.identity == Identity.ANOTHER:
        return "other-hardware"
    if sign.cause in OF_A_START:
        return ""
    if history is not None and history.name.startswith("cross-hypervisor"):
        return "hypervisor"
    if board_replaced(rows) and sign.cause in ("system-identity", "system-data", "firmware", "network-card"):
        return "main-board"
    return ""


def _name_the_agent(found: _Found, context: Context) -> None:
    """Add the update of the agent to the evidence of another recipe of its hashes."""
    versions = [side.agent_version() if side else "" for side in (context.before, context.now)]
    if "hash-recipe" in found.attributes and all(versions) and versions[0] != versions[1]:
        found.say_first("hash-recipe", f"agent {versions[0]} -> {versions[1]}")


def _add_broken_wmi(found: _Found, context: Context) -> None:
    """Add the attributes that Windows itself does not return: what they are now is not known."""
    for attribute in context.collection:
        if attribute.status == Status.FAILED and attribute.name not in _NOT_BY_WMI:
            found.add(attribute.name, Sign("wmi-broken", attribute.reason))


def _add_unreadable(found: _Found, context: Context) -> None:
    """Add the attributes whose source fails for the agent, too: it reads "" where the record has a value."""
    saved = {row.name: row.saved for row in context.verdict.rows}
    for attribute in context.collection:
        if attribute.fault == Fault.SOURCE and saved.get(attribute.name):
            # The four outputs of dmidecode fail for one reason.
            why = attribute.reason if attribute.name in DMI else f"{attribute.source}: {attribute.reason}"
            found.add(attribute.name, Sign("source-unreadable", why))


def _add_what_covers(found: _Found, rows: Rows | None, history: History | None) -> None:
    """Add the evidence of causes that cover others."""
    for name in ("hypervisor", "container", "main-board"):
        if name in found.attributes and history is not None:
            found.say_first(name, *history.evidence)
    if "other-hardware" in found.attributes and rows is not None:
        found.say_first("other-hardware", *rows.facts("system-uuid", "system-serial", "board-serial", "mac-addresses"))


def _join_failed_queries(found: _Found) -> None:
    """Give the failed query of WMI that moved type ids the value that it did not return, too."""
    if "wmi-type-ids" not in found.attributes:
        return
    for name in ("value-appeared", "value-gone"):
        found.attributes["wmi-type-ids"] += found.attributes.pop(name, [])
        found.say("wmi-type-ids", *found.evidence.pop(name, []))
        found.certain.pop(name, None)


def _forget_noise(found: _Found) -> None:
    """Keep fields that vary only where nothing else explains the attribute, and give the firmware what it writes."""
    others = {name for cause, names in found.attributes.items() if cause not in _NOISE for name in names}
    for noise in _NOISE:
        names = found.attributes.pop(noise, [])
        evidence = found.evidence.pop(noise, [])
        certain = found.certain.pop(noise, True)
        left = [name for name in names if name not in others]
        # Fields that do not vary by themselves are written by the firmware, so an update of it may change them.
        target = "firmware" if noise == "text-form" and "firmware" in found.attributes else "text-noise"
        if left:
            found.attributes.setdefault(target, []).extend(left)
            found.say(target, *evidence)
            found.certain[target] = certain
    for covered in ("system-data", "processor-settings"):
        if covered in found.attributes and "firmware" in found.attributes:
            names = found.attributes.pop(covered)
            known = found.attributes["firmware"]
            known += [name for name in names if name not in known]
            found.say("firmware", *found.evidence.pop(covered))
            found.certain.pop(covered)


def _name_the_start(found: _Found, context: Context) -> None:
    """Name the kernel in place of the restart if that is another one, too: it needs a restart."""
    before, now = context.before, context.now
    if before is None or now is None or before.machine.kernel == now.machine.kernel:
        return
    for name in OF_A_START:
        if name in found.attributes:
            names = found.attributes.pop(name)
            found.attributes.setdefault("kernel", []).extend(names)
            found.say("kernel", f"{before.machine.kernel} -> {now.machine.kernel}", *found.evidence.pop(name))
            found.certain["kernel"] = found.certain.pop(name)
