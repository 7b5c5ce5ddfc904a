"""What the system itself logs of the agent: the journal of its service, and accesses that SELinux or AppArmor denied.

Read only of an agent that does not run as it should. A recording keeps only the lines about the agent.
"""

from __future__ import annotations

import re

from fingerprint.agent.paths import KERNEL_AND_AUDIT, names_agent
from fingerprint.machine.base import AUDIT_LOG
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

JOURNALCTL = ("/usr/bin/journalctl", "/bin/journalctl")
_LINES, _KERNEL_LINES = 200, 1000
_AUDIT_BYTES = 1024 * 1024
_SECONDS = 8.0
_SELINUX = re.compile(r"avc: {1,4}denied {1,4}\{ ([^{}]{1,200}) \}")
_FIELD = re.compile(r'\b([a-z]+)=(?:"([^"]*)"|([^\s"]+))')
_APPARMOR = re.compile(r'apparmor="DENIED"')


class Denial(Value):
    """One access that was denied.

    Attributes:
        by: "SELinux" or "AppArmor".
        access: such as "execute".
        program: the one that was denied, its name as the kernel has it (15 bytes).
        path: of the file, its name, or "" if it is not logged.
        profile: of AppArmor, or the context of SELinux.
        line: as logged.
    """

    by: str
    access: str
    program: str
    path: str
    profile: str
    line: str


def journal_of(machine: Machine, unit: str) -> list[str]:
    """Return the last lines of the journal of a unit; [] if it cannot be read."""
    return _read(machine, ("--output=short-iso", f"--unit={unit}", f"--lines={_LINES}"))


def denials(machine: Machine) -> list[Denial]:
    """Return the accesses of the agent that SELinux or AppArmor denied, by audit log and journal, the oldest first."""
    lines: list[str] = []
    try:
        lines = machine.read_end(AUDIT_LOG, _AUDIT_BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        # Without auditd, the kernel's messages are in the journal.
        pass
    lines += _read(machine, (
        "--output=short-iso", f"--lines={_KERNEL_LINES}", *KERNEL_AND_AUDIT,
    ))  # fmt: skip
    return [found for line in lines if (found := denial(line)) is not None]


def denial(line: str) -> Denial | None:
    """Return the denied access of the agent that a line logs; None for another line, and if it was only logged."""
    selinux = _SELINUX.search(line)
    if (selinux is None and not _APPARMOR.search(line)) or not names_agent(line) or "permissive=1" in line:
        return None
    fields = {name: quoted or plain for name, quoted, plain in _FIELD.findall(line)}
    program, path = fields.get("comm", ""), fields.get("path") or fields.get("name", "")
    if selinux is not None:
        return Denial("SELinux", selinux[1].strip(), program, path, fields.get("scontext", ""), line)
    return Denial("AppArmor", fields.get("operation", ""), program, path, fields.get("profile", ""), line)


def _read(machine: Machine, words: tuple[str, ...]) -> list[str]:
    if machine.copied:
        return []
    program = next((path for path in JOURNALCTL if machine.exists(path)), None)
    if program is None:
        return []
    [result] = machine.run(((program, "--no-pager", "--quiet", *words),), _SECONDS)
    return result.stdout.decode("utf-8", "replace").splitlines() if result.succeeded else []
