"""The systemd units of the agent, of its package and of its snap."""

from __future__ import annotations

import errno

from fingerprint.agent.paths import UNITS
from fingerprint.machine.base import NotThisMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

SYSTEMCTL = ("/usr/bin/systemctl", "/bin/systemctl")
# States of a unit whose service runs, or is being started or stopped.
RUNS = ("active", "reloading", "activating", "deactivating")
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,User,MainPID,ActiveEnterTimestamp,NRestarts,Environment"
# Asked only of a service that does not run as it should.
_DETAILS = (
    "Id,Result,ExecMainCode,ExecMainStatus,ConditionResult,ConditionTimestampMonotonic,AssertResult,"
    "AssertTimestampMonotonic,DropInPaths,FragmentPath,ExecStart"
)
_SECONDS = 8.0


def systemd_units(machine: Machine) -> tuple[dict[str, str], ...]:
    """Return the properties that systemd reports of each unit of the agent, drop-ins included.

    Returns:
        Property -> value of each unit that exists, the one that runs first; () without systemd.

    Raises:
        OSError: systemd cannot be queried.
    """
    if machine.platform != "linux":
        return ()
    blocks = _shown(machine, _PROPERTIES, UNITS)
    # A masked unit exists, and so does one whose file systemd cannot read.
    found = [one for one in blocks if one.get("LoadState", "not-found") not in ("", "not-found")]
    return tuple(sorted(found, key=_rank))


def _rank(unit: dict[str, str]) -> tuple[bool, int]:
    states = ("loaded", "bad-setting", "error", "masked")
    state = unit["LoadState"]
    return unit.get("ActiveState") not in RUNS, states.index(state) if state in states else len(states)


def systemd_unit(machine: Machine) -> dict[str, str] | None:
    """Return the first of `systemd_units`; None without one. Raises OSError: systemd cannot be queried."""
    return next(iter(systemd_units(machine)), None)


def has_no_unit(machine: Machine) -> bool:
    """Return whether systemd runs and knows no unit of the agent; False if that is not known."""
    try:
        blocks = _shown(machine, _PROPERTIES, UNITS) if machine.platform == "linux" else []
    except OSError:
        return False
    return bool(blocks) and all(one.get("LoadState") == "not-found" for one in blocks)


def details_of(machine: Machine, unit: str) -> dict[str, str]:
    """Return why a unit does not run: its result, exit status, condition and drop-ins; {} if they are not known."""
    try:
        return next(iter(_shown(machine, _DETAILS, (unit,))), {})
    except OSError:
        return {}


def starts_program(machine: Machine, unit: str) -> bool:
    """Return whether the program that a unit starts exists; False if that is not known."""
    path = details_of(machine, unit).get("ExecStart", "").partition("path=")[2].partition(" ;")[0]
    return bool(path) and machine.exists(path)


def _shown(machine: Machine, properties: str, units: tuple[str, ...]) -> list[dict[str, str]]:
    program = next((path for path in SYSTEMCTL if machine.exists(path)), None)
    if program is None:
        return []
    [result] = machine.run(((program, "show", "--no-pager", f"--property={properties}", *units),), _SECONDS)
    if result.problem in ("not-run", "not-recorded"):
        raise NotThisMachine(errno.ENOTSUP, result.stderr or "it was not recorded")
    return [
        dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        for block in result.stdout.decode("utf-8", "replace").split("\n\n")
    ]
