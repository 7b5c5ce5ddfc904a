"""What the agent's check compares on a machine without SMBIOS hardware: boards, containers, WSL 2, some virtual ones.

Most attributes are empty there, and equal ones count as matches: a copy with the same hardware ID reaches a high score.
The scores are those of the rules, for the attributes that a copy changes and those that the machine itself changes.
"""

from __future__ import annotations

from fingerprint.attributes.events import DMI, SHORT_NAMES
from fingerprint.collectors.stable import CONTAINER_MARKS
from fingerprint.rules.whatif import simulate
from fingerprint.types import Reason, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.types import Verdict

_MODEL = "/proc/device-tree/model"
_MANAGER = "/run/systemd/container"


class _Kind(Value):
    """A kind of machine without SMBIOS hardware.

    Attributes:
        name: as the object of "on".
        copy: what a copy is called.
        changes: short names of the attributes that differ on a copy, at least.
        harmless: what happens to the machine itself.
        own: short names of the attributes that this changes.
        stable: whether scheme `stable` has hardware to compare there.
    """

    name: str
    copy: str
    changes: str
    harmless: str
    own: str
    stable: bool


_BOARD = _Kind("this board", "a copy of its card", "ip mac disk", "a reboot with a new address", "ip disk", True)
_DOCKER = _Kind("this container", "another container", "host ip mac", "a restart with a new address", "ip mac", False)
_LXC = _Kind("this container", "a copy of it", "ip mac", "a new address", "ip", False)
_WSL = _Kind("WSL", "a copy of it", "ip mac disk", "a restart, which makes new addresses,", "ip mac disk", False)
_MAC = _Kind("macOS", "another Mac", "host ip mac", "a new address", "ip", True)
_HOST = _Kind("this host", "a copy of it", "ip mac disk", "a reboot with a new address", "ip disk", True)
_LONGEST = 48


class Limits(Value):
    """What the agent's check compares on a machine without SMBIOS hardware.

    Attributes:
        text: what it compares, and what a copy reaches, a sentence without a full stop.
        threshold: the lowest one that rejects a copy; None if none does without rejecting the machine itself.
        stable: whether scheme `stable` distinguishes a copy.
        advice: what to do, a sentence without a full stop; "" where the present threshold is right.
        command: for the advice, "" for none.
    """

    text: str
    threshold: int | None
    stable: bool
    advice: str = ""
    command: str = ""


def limits_of(machine: Machine, verdict: Verdict, only_here: tuple[str, ...] = ()) -> Limits | None:
    """Return what the check compares on a machine; None for one with hardware values, and for a disabled check.

    Args:
        machine: the machine.
        verdict: over its record and its attributes.
        only_here: attributes that could not be read, and that the agent may read.
    """
    rows = {row.name: row for row in verdict.rows if row.current is not None}
    hardware = [rows[name] for name in DMI if name in rows]
    if machine.platform == "windows" or verdict.threshold < 0 or not hardware:
        return None
    if any(row.evidence or not row.same or row.name in only_here for row in hardware):
        return None
    kind, what = _kind_of(machine)
    left = [row.name for row in rows.values() if row.evidence and row.name != verdict.sid_key]
    compares = ", ".join(left) if left else "nothing"
    copied, harmless = _score(verdict, kind.changes), _score(verdict, kind.own)
    lowest = None if copied.highest_passing_threshold is None else copied.highest_passing_threshold + 1
    rejects = lowest is not None and verdict.threshold >= lowest
    lacks = f"{what} has no SMBIOS hardware: beside the ID the agent" if kind is not _MAC else (
        "on macOS the agent reads neither a machine ID nor hardware: it"
    )  # fmt: skip
    text = (
        f"{lacks} compares only {compares}, and {kind.copy} with another address matches {copied.matched} of "
        f"{copied.total} ({copied.percent:.1f} %)"
    )
    highest = harmless.highest_passing_threshold or 0
    if lowest is None or lowest > min(highest, 100):
        why = "each passes it" if lowest is None or lowest > 100 else f"it would reject {kind.harmless}, too"
        advice = f"No threshold rejects copies here ({why}): give each one a machine ID of its own before it registers"
        return Limits(text, None, kind.stable, "" if rejects else advice)
    if rejects:
        return Limits(f"{text}, which threshold {verdict.threshold} rejects", lowest, kind.stable)
    passes = f"it rejects {kind.copy}, and passes {kind.harmless} ({harmless.matched} of {harmless.total})"
    if (verdict.highest_passing_threshold or 0) < lowest and verdict.reason != Reason.SAME_IP:
        now = f"as only {verdict.matched} of {verdict.total} attributes match now"
        advice = f"Find out whether this is the registered host, {now}; then rebaseline it, and set threshold {lowest}"
        return Limits(text, lowest, kind.stable, f"{advice}: {passes}", "fingerprint explain")
    command = f"fingerprint threshold set {lowest}"
    return Limits(text, lowest, kind.stable, f"Set the threshold to {lowest}: {passes}", command)


def _score(verdict: Verdict, changes: str) -> Verdict:
    """Return the verdict on the recorded machine after a change of attributes, given by their short names."""
    saved = {row.name: row.saved for row in verdict.rows if row.saved is not None}
    names = [SHORT_NAMES[name] for name in changes.split()]
    return simulate(saved, saved, verdict.threshold, names, sid_key=verdict.sid_key)


def _kind_of(machine: Machine) -> tuple[_Kind, str]:
    """Return the kind of a machine, and its name for the beginning of a sentence."""
    if machine.platform == "macos":
        return _MAC, "macOS"
    manager = _text(machine, _MANAGER)
    if not manager:
        manager = next((name for path, name in CONTAINER_MARKS if _exists(machine, path)), "")
    if manager:
        return (_DOCKER if manager in ("docker", "podman") else _LXC), f"this container ({manager[:_LONGEST]})"
    if "microsoft" in machine.kernel.lower():
        return _WSL, "WSL"
    model = _text(machine, _MODEL)
    return (_BOARD, f"this board ({model[:_LONGEST]})") if model else (_HOST, "this host")


def _text(machine: Machine, path: str) -> str:
    try:
        return machine.read_file(path).decode("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""


def _exists(machine: Machine, path: str) -> bool:
    try:
        return machine.exists(path)
    except OSError:
        return False
