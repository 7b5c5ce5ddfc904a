"""Whether `fingerprint guard` runs before each start of the agent, and works now."""

from __future__ import annotations

from fingerprint._io.permissions import is_root, rights_remedy
from fingerprint.guard_units.drop_in import DropIn, DropInState, limit_of, longest, read_drop_in, remedy_for
from fingerprint.guard_units.manager import Loaded, loading_of, manager_runs
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.machine.base import Machine

_INSTALL = "sudo fingerprint guard install"
_OF_FILE = {
    DropInState.MISSING: ("it is not installed", "Install it", _INSTALL),
    DropInState.EDITED: ("its drop-in was edited, so what it does is unknown", "Write it again", f"{_INSTALL} --yes"),
    DropInState.FOREIGN: ("its drop-in was not written by this program", "Move that file to another name", ""),
}


class UnitStatus(Value):
    """The state of one unit.

    Attributes:
        drop_in: its drop-in.
        loaded: what systemd knows of that.
        works: whether the command worked when it ran with --dry-run; None if it did not run.
        decision: of that run; "" without one.
        blocks: whether it would block the start.
        why: the reason of the decision.
        findings: (what is wrong, remedy, command) of each; the last two may be "".
        unknown: (what is unknown, remedy); ("", "") for nothing.
    """

    drop_in: DropIn
    loaded: Loaded
    works: bool | None = None
    decision: str = ""
    blocks: bool = False
    why: str = ""
    findings: tuple[tuple[str, str, str], ...] = ()
    unknown: tuple[str, str] = ("", "")


def status_of(machine: Machine, root: str, unit: str) -> UnitStatus:
    """Return the state of a unit; its command runs with --dry-run unless the machine is a copied disk.

    Args:
        machine: the machine.
        root: directory of its disk.
        unit: name of the unit.
    """
    one = read_drop_in(root, unit)
    loaded = loading_of(machine, one)
    found = UnitStatus(one, loaded)
    if one.state == DropInState.UNREADABLE:
        return found.replace(unknown=(f"its drop-in cannot be read ({one.why})", remedy_for(one.why, root)))
    if one.state != DropInState.INSTALLED:
        return found.replace(findings=(_OF_FILE[one.state],))
    findings: list[tuple[str, str, str]] = []
    if loaded.loaded is False and manager_runs(root):
        findings.append(
            ("systemd has not read the drop-in", "Let it read its files again", "sudo systemctl daemon-reload")
        )
    limit = limit_of(one)
    if loaded.seconds is not None and limit is not None and loaded.seconds <= longest(limit):
        findings.append(
            (f"TimeoutStartSec= of {unit} is {loaded.seconds:g} s, and the command may take {longest(limit)} s: systemd"
             " would stop a slow start", "Install it with a shorter --limit", ""),
        )  # fmt: skip
    if machine.elsewhere:
        return found.replace(findings=tuple(findings))
    if not is_root():
        return found.replace(
            findings=tuple(findings), unknown=("whether it works is unknown: it runs as root", rights_remedy())
        )
    works, answer, problem = _run(machine, one, limit)
    if not works:
        findings.append((f"it does not work: {problem}; the agent starts without it", "Install it again", _INSTALL))
    return found.replace(
        works=works, findings=tuple(findings), decision=str(answer.get("decision", "")),
        blocks=answer.get("blocks") is True, why=str(answer.get("why", "")),
    )  # fmt: skip


def _run(machine: Machine, one: DropIn, limit: int | None) -> tuple[bool, dict[str, Any], str]:
    """Return whether the command of a drop-in works, its answer, and why it does not work."""
    import json

    argv = (*one.command, "--dry-run", "--output", "json")
    [done] = machine.run((argv,), longest(limit or 0))
    said = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "").strip()
    if done.problem:
        return False, {}, {"not-found": f"{argv[0]} is missing"}.get(done.problem, said or done.problem)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        answer = None
    if done.returncode in (0, 1) and isinstance(answer, dict) and "decision" in answer:
        return True, answer, ""
    return False, {}, f"exit code {done.returncode}{f', {said}' if said else ''}"
