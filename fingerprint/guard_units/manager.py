"""What systemd knows of a drop-in, and its reload."""

from __future__ import annotations

import os

from fingerprint.agent.systemd_unit import SYSTEMCTL
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.guard_units.drop_in import DropIn
    from fingerprint.machine.base import Machine

# The first systemd that knows ExecCondition=. Earlier ones ignore it, with a warning.
FIRST_SYSTEMD = 243
# sd_booted(3).
_MANAGER_RUNS = "/run/systemd/system"
_ASK_SECONDS = 30.0


class Loaded(Value):
    """What systemd knows of a drop-in.

    Attributes:
        loaded: whether it has read the file as it is now; None if that is unknown.
        seconds: TimeoutStartSec= of the unit; None if it has none, or that is unknown.
    """

    loaded: bool | None
    seconds: float | None = None


def manager_runs(root: str) -> bool:
    """Return whether systemd runs the services of this host, so that it must read changed files again."""
    return root == "/" and os.path.isdir(_MANAGER_RUNS)


def systemd_version(machine: Machine) -> int | None:
    """Return the version of systemd; None if it is unknown, as on a copied disk."""
    words = _asked(machine, "--version").split()
    return int(words[1]) if len(words) > 1 and words[0] == "systemd" and words[1].isdigit() else None


def reload_systemd(machine: Machine) -> str:
    """Let systemd read its files again; return why it did not, else ""."""
    program = _systemctl(machine)
    if not program:
        return "systemctl is missing"
    [done] = machine.run(((program, "daemon-reload"),), _ASK_SECONDS)
    return "" if done.succeeded else done.stderr.strip() or done.problem or f"exit code {done.returncode}"


def loading_of(machine: Machine, one: DropIn) -> Loaded:
    """Return what systemd knows of a drop-in."""
    said = _asked(machine, "show", "--property=DropInPaths,NeedDaemonReload,TimeoutStartUSec", one.unit)
    values = dict(line.partition("=")[::2] for line in said.splitlines())
    if "DropInPaths" not in values:
        return Loaded(None)
    read = one.path in values["DropInPaths"].split() and values.get("NeedDaemonReload") == "no"
    return Loaded(read, _seconds(values.get("TimeoutStartUSec", "")))


def _seconds(text: str) -> float | None:
    """Return a time span of systemd, such as "1min 30s"; None for "infinity" and what it does not know."""
    units = {"ms": 0.001, "s": 1, "min": 60, "h": 3600}
    total = 0.0
    for word in text.split():
        number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
        if not number.isdigit() or word[len(number) :] not in units:
            return None
        total += int(number) * units[word[len(number) :]]
    return total or None


def _asked(machine: Machine, *words: str) -> str:
    """Return what systemctl prints; "" if it cannot be asked."""
    program = _systemctl(machine)
    if not program or machine.elsewhere:
        return ""
    [done] = machine.run(((program, *words),), _ASK_SECONDS)
    return done.stdout.decode("utf-8", "replace") if done.succeeded else ""


def _systemctl(machine: Machine) -> str:
    return next((path for path in SYSTEMCTL if machine.exists(path)), "")
