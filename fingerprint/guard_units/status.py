"""Whether `fingerprint guard` runs before each start of the agent, and works now."""

from __future__ import annotations

import os

from fingerprint._io.permissions import is_root, rights_remedy
from fingerprint.guard_units.drop_in import DropIn, DropInState, limit_of, longest, read_drop_in, remedy_for
from fingerprint.guard_units.manager import Loaded, loading_of, manager_runs
from fingerprint.guard_units.reinstall import install_command, limit_for, options_of
from fingerprint.machine.service_environment import service_environment
from fingerprint.types import Value
from fingerprint.vault import Vault
from fingerprint.vault.locations import (
    STATE_VARIABLE,
    VAULT_VARIABLE,
    is_own,
    resolve_vault,
    system_state_directory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.machine.base import Machine

_WITHOUT_PROGRAM = "Install the program on that disk, and name its path with --program"
_OF_FILE = {
    DropInState.MISSING: ("it is not installed", "Install it"),
    DropInState.EDITED: ("its drop-in was edited, so what it does is unknown", "Write it again"),
    DropInState.FOREIGN: ("its drop-in was not written by this program", "Move that file to another name"),
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


def status_of(machine: Machine, root: str, unit: str, program: str) -> UnitStatus:
    """Return the state of a unit; its command runs with --dry-run unless the machine is a copied disk.

    Args:
        machine: the machine.
        root: directory of its disk.
        unit: name of the unit.
        program: path of this program on this host; "" if it is unknown.
    """
    one = read_drop_in(root, unit)
    loaded = loading_of(machine, one)
    found = UnitStatus(one, loaded)
    if one.state == DropInState.UNREADABLE:
        return found.replace(unknown=(f"its drop-in cannot be read ({one.why})", remedy_for(one.why, root)))
    if one.state != DropInState.INSTALLED:
        text, remedy = _OF_FILE[one.state]
        if one.state == DropInState.FOREIGN:
            return found.replace(findings=((text, remedy, ""),))
        command = install_command(machine, root, one, program)
        return found.replace(findings=((text, remedy if command else _WITHOUT_PROGRAM, command),))
    findings: list[tuple[str, str, str]] = []
    if loaded.loaded is False and manager_runs(root):
        findings.append(
            ("systemd has not read the drop-in", "Let it read its files again", "sudo systemctl daemon-reload")
        )
    limit = limit_of(one)
    if loaded.seconds is not None and limit is not None and loaded.seconds <= longest(limit):
        findings.append(
            (f"TimeoutStartSec= of {unit} is {loaded.seconds:g} s, and the command may take {longest(limit)} s: systemd"
             " would stop a slow start", *_shorter(machine, root, one, program, loaded.seconds)),
        )  # fmt: skip
    if machine.elsewhere:
        return found.replace(findings=tuple(findings))
    if not is_root():
        return found.replace(
            findings=tuple(findings), unknown=("whether it works is unknown: it runs as root", rights_remedy())
        )
    works, answer, problem = _run(machine, root, one, limit)
    if not works:
        findings.append((f"it does not work: {problem}; the agent starts without it", "Install it again",
                         install_command(machine, root, one, program, keep_program=False)))  # fmt: skip
    return found.replace(
        works=works, findings=tuple(findings), decision=str(answer.get("decision", "")),
        blocks=answer.get("blocks") is True, why=str(answer.get("why", "")),
    )  # fmt: skip


def _shorter(machine: Machine, root: str, one: DropIn, program: str, seconds: float) -> tuple[str, str]:
    """Return the remedy for a limit that the unit does not allow, and its command."""
    limit = limit_for(seconds)
    if limit is None:
        return f"Set TimeoutStartSec= of the unit to more than {longest(1)} s", ""
    return "Install it with a shorter --limit", install_command(machine, root, one, program, limit=limit)


def vault_of_unit(machine: Machine, root: str, one: DropIn) -> Vault:
    """Return the vault that the command of a unit uses, whatever the environment of this process names.

    Args:
        machine: the machine.
        root: directory of its disk.
        one: the drop-in of the unit, installed.
    """
    unit = service_environment(machine, "")
    # Our state is that of root, unless the operator works on another one.
    state = (os.environ.get(STATE_VARIABLE) if is_own(os.environ) else None) or unit.get(STATE_VARIABLE)
    state = state or system_state_directory()
    named = options_of(one.command[2:]).get("--vault") or unit.get(VAULT_VARIABLE)
    if named and root != "/":
        named = root + named
    path = resolve_vault(named or None, root, {STATE_VARIABLE: state})
    return Vault.open(path, root=root, state=state)


def _run(machine: Machine, root: str, one: DropIn, limit: int | None) -> tuple[bool, dict[str, Any], str]:
    """Return whether the command of a drop-in works, its answer, and why it does not work."""
    import json

    # Its own vault, also where the environment of the operator names another one.
    vault = () if "--vault" in one.command else ("--vault", vault_of_unit(machine, root, one).path)
    argv = (*one.command, *vault, "--dry-run", "--output", "json")
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
