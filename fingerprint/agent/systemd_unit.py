"""The systemd unit of the agent, of its package or of its snap."""

from __future__ import annotations

import errno

from fingerprint.agent.paths import UNITS
from fingerprint.machine.base import NotThisMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

SYSTEMCTL = ("/usr/bin/systemctl", "/bin/systemctl")
_PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,User,MainPID,ActiveEnterTimestamp,NRestarts,Environment"
_SECONDS = 8.0


def systemd_unit(machine: Machine) -> dict[str, str] | None:
    """Return the properties that systemd reports of the agent's unit, drop-ins included.

    Returns:
        Property -> value; None without systemd or without such a unit.

    Raises:
        OSError: systemd cannot be queried.
    """
    if machine.platform != "linux":
        return None
    program = next((path for path in SYSTEMCTL if machine.exists(path)), None)
    if program is None:
        return None
    [result] = machine.run(((program, "show", "--no-pager", f"--property={_PROPERTIES}", *UNITS),), _SECONDS)
    if result.problem in ("not-run", "not-recorded"):
        raise NotThisMachine(errno.ENOTSUP, result.stderr or "it was not recorded")
    blocks = [
        dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line)
        for block in result.stdout.decode("utf-8", "replace").split("\n\n")
    ]
    # A masked unit exists, and systemd does not start it.
    return next((one for state in ("loaded", "masked") for one in blocks if one.get("LoadState") == state), None)
