"""Why a program of the agent does not start, or ends: its file, a denial, a panic, or the status of its unit."""

from __future__ import annotations

import re
import shlex

from fingerprint.agent.journal import denials
from fingerprint.agent.paths import CORE, ERROR_LOG, MAIN_LOG
from fingerprint.agent.storage import mount_of
from fingerprint.diagnose.checks.releases import how_to_update
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fingerprint.agent.journal import Denial
    from fingerprint.diagnose.context import Site

_EXECUTABLE = 0o111
_TAIL_BYTES = 256 * 1024
_REINSTALL = "Reinstall the agent"
_FREE_MEMORY = "Free memory, or raise the limit of its unit (MemoryMax=, TasksMax=)"
# The error of the kernel, as Go and systemd write it -> what it means, and the remedy.
START_ERRORS = (
    ("exec format error", "it is damaged, or of another processor architecture", f"{_REINSTALL} for this architecture"),
    ("no such file or directory", "it, or the loader that it requires, is missing", _REINSTALL),
    ("text file busy", "its file is open for writing", "Wait until the update of the agent has ended"),
    ("input/output error", "the disk cannot read it", "Check the disk, then reinstall the agent"),
    ("structure needs cleaning", "its file system is damaged", "Check its file system, then reinstall the agent"),
    ("cannot allocate memory", "there is not enough memory", _FREE_MEMORY),
    ("resource temporarily unavailable", "the limit of processes is reached", _FREE_MEMORY),
    ("too many open files", "the limit of open files is reached", "Raise the limit of its unit (LimitNOFILE=)"),
    (
        "permission denied", "the system does not let it run",
        "Find what denies it: the mode of its directories, SELinux, AppArmor, or the settings of its unit",
    ),
    (
        "operation not permitted", "the system does not let it run",
        "Find what denies it: an allow list such as fapolicyd, SELinux, AppArmor, or the settings of its unit",
    ),
)  # fmt: skip
# Exit status of systemd itself, before the program runs -> what failed, and the remedy. Source: systemd.exec(5).
_UNIT_SETTINGS = "Correct the settings of its unit"
EXIT_STATUSES = {
    200: ("its working directory cannot be entered (200/CHDIR)", _UNIT_SETTINGS),
    203: ("its program cannot be executed (203/EXEC)", _REINSTALL),
    205: ("a limit of its unit cannot be set (205/LIMITS)", _UNIT_SETTINGS),
    208: ("its standard input cannot be opened (208/STDIN)", _UNIT_SETTINGS),
    209: ("its standard output cannot be opened (209/STDOUT)", _UNIT_SETTINGS),
    216: ("the group of its unit does not exist (216/GROUP)", _UNIT_SETTINGS),
    217: ("the user of its unit does not exist (217/USER)", _UNIT_SETTINGS),
    218: ("a capability of its unit cannot be set (218/CAPABILITIES)", _UNIT_SETTINGS),
    225: ("its network namespace cannot be made (225/NETWORK)", _UNIT_SETTINGS),
    226: ("a path of its unit cannot be mounted (226/NAMESPACE)", _UNIT_SETTINGS),
    228: ("a filter of system calls cannot be set (228/SECCOMP)", _UNIT_SETTINGS),
    229: ("its SELinux context cannot be set (229/SELINUX_CONTEXT)", _UNIT_SETTINGS),
    231: ("its AppArmor profile cannot be set (231/APPARMOR)", _UNIT_SETTINGS),
    238: ("its state directory cannot be made (238/STATE_DIRECTORY)", _UNIT_SETTINGS),
    240: ("its log directory cannot be made (240/LOGS_DIRECTORY)", _UNIT_SETTINGS),
}  # fmt: skip
# `Result` of a unit -> what happened, and the remedy.
RESULTS = {
    "oom-kill": ("the kernel killed it, as memory ran out", _FREE_MEMORY),
    "timeout": ("it did not start in time", "Read its journal"),
    "watchdog": ("systemd ended it, as it did not respond", "Read its journal"),
    "resources": ("systemd lacks resources to start it", _FREE_MEMORY),
}
_STEP = re.compile(
    r"(?:Failed at step \w+ spawning (\S+)|Failed to (?:locate executable|execute) (\S+)): ([A-Z][^\n]*)"
)
_CONDITION = re.compile(r"\((Condition|Assert)([A-Za-z]{1,60}=[^()]{0,400})\)")
# Of Go's runtime, and of the agent that catches one.
_PANIC = re.compile(
    r"(?:\bpanic: |\bfatal error: |\bAgent core startup panic: |\bCore Agent crashed with message )(.+?)!?$"
)
_SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 31: "SIGSYS"}


class Why(Value):
    """Why a program does not start, or ends.

    Attributes:
        text: the words after a colon, without a full stop.
        evidence: the facts behind it.
        remedy, command: what to do; "" without one.
    """

    text: str
    evidence: tuple[str, ...] = ()
    remedy: str = ""
    command: str = ""


def why_of_file(site: Site, path: str) -> Why | None:
    """Return why the file of a program cannot be executed by root; None if it can, or that is not known."""
    try:
        status = site.machine.status(path)
    except (FileNotFoundError, NotADirectoryError):
        return Why(f"{path} is missing", remedy=_REINSTALL)
    except OSError:
        return None
    if site.machine.platform == "windows":
        return None
    if status.kind == "file" and not status.mode & _EXECUTABLE:
        return Why(f"{path} is not executable", (f"{path}: mode {status.mode:04o}",), "Make it executable",
                   f"chmod 755 {shlex.quote(path)}")  # fmt: skip
    mount = mount_of(site.machine, path) if site.machine.platform == "linux" else None
    if mount is not None and "noexec" in mount.options:
        return Why(
            f"{mount.point} is mounted with noexec, so no program in it can run", (f"{path} is below {mount.point}",),
            "Mount it without noexec, also in /etc/fstab", f"mount -o remount,exec {shlex.quote(mount.point)}",
        )  # fmt: skip
    return None


def why_of_error(site: Site, path: str, error: str) -> Why:
    """Return why a program did not start, by the file, by denials, else by the error.

    Args:
        site: the diagnosed site.
        path: of the program.
        error: of the kernel, such as "permission denied".
    """
    by_file = why_of_file(site, path)
    if by_file is not None:
        return by_file.replace(evidence=(*by_file.evidence, f"logged: {error}"))
    lowered = error.lower()
    if "permi" in lowered:
        by_denial = why_of_denial(site, path)
        if by_denial is not None:
            return by_denial
    for text, meaning, remedy in START_ERRORS:
        if text in lowered:
            return Why(f"{path} cannot be executed ({text}): {meaning}", (), remedy)
    return Why(f"{path} cannot be executed ({error})")


def why_of_denial(site: Site, path: str = "") -> Why | None:
    """Return the last denial of SELinux or AppArmor, of a program if one is given; None without one."""
    found = [one for one in denials(site.machine) if not path or _concerns(one, path)]
    if not found:
        return None
    last = found[-1]
    of = f" of {last.path}" if last.path else ""
    what = f"{last.by} denies it: {last.access}{of}, {len(found)} time{'s' * (len(found) != 1)}"
    if last.by == "SELinux":
        target = path or (last.path if last.path.startswith("/") else "")
        return Why(
            what, (last.line,), "Restore the SELinux context of the file; if it is right, allow the access",
            f"restorecon -v {shlex.quote(target)}" if target else "",
        )  # fmt: skip
    profile = f"the AppArmor profile {last.profile}" if last.profile else "its AppArmor profile"
    return Why(what, (last.line,), f"Allow the access in {profile}, then reload it")


def _concerns(denial: Denial, path: str) -> bool:
    name = path.rpartition("/")[2]
    named = denial.path.rpartition("/")[2]
    return named == name or denial.program == name[:15] or not named


def panic_in(lines: Iterable[str]) -> str:
    """Return the text of the last Go panic in lines; "" for none."""
    last = ""
    for line in lines:
        found = _PANIC.search(line.rstrip())
        if found is not None:
            last = found[1]
    return last


def why_of_panic(site: Site, lines: Iterable[str]) -> Why | None:
    """Return that the agent panics, by lines of logs; None without a panic."""
    text = panic_in(lines)
    if not text:
        return None
    remedy, command = how_to_update(site)
    return Why(f"it panics ({site.quoted(text)[:120]})", (), f"{remedy}; a panic is a defect of the agent", command)


def why_of_journal(site: Site, lines: Sequence[str]) -> Why | None:
    """Return why a unit does not start, by the lines of its journal; None if they do not show it."""
    for line in reversed(lines):
        step = _STEP.search(line)
        if step is not None:
            return why_of_error(site, step[1] or step[2], step[3].strip())
    return why_of_panic(site, lines)


def condition_in(lines: Sequence[str]) -> str:
    """Return the condition of a unit that was not met, such as "PathExists=/x", by its journal; "" if not logged."""
    found = [one for line in lines if (one := _CONDITION.search(line))]
    return found[-1][2] if found else ""


def why_of_details(details: dict[str, str]) -> Why | None:
    """Return why a unit failed, by its properties; None if they do not show it."""
    result, status = details.get("Result", ""), details.get("ExecMainStatus", "")
    if result in RESULTS:
        text, remedy = RESULTS[result]
        return Why(text, (f"Result={result}",), remedy)
    number = int(status) if status.isdigit() else 0
    if details.get("ExecMainCode") in ("2", "3", "killed", "dumped"):
        return Why(f"signal {_SIGNALS.get(number, number)} ended it", (f"ExecMainStatus={status}",))
    if number in EXIT_STATUSES:
        text, remedy = EXIT_STATUSES[number]
        command = f"systemctl cat {details.get('Id', CORE)}" if remedy == _UNIT_SETTINGS else ""
        return Why(text, (f"ExecMainStatus={status}",), remedy, command)
    return Why(f"its exit status is {number}", (f"Result={result}",)) if number else None


def tail_of(site: Site, *logs: str) -> list[str]:
    """Return the last lines of logs of the agent, the main log and that of errors by default; [] if unreadable."""
    lines: list[str] = []
    for log in logs or (ERROR_LOG, MAIN_LOG):
        path = f"{site.paths.logs}{site.paths.separator}{log}"
        try:
            lines += site.machine.read_end(path, _TAIL_BYTES).decode("utf-8", "replace").splitlines()
        except OSError:
            # The check of the logs reports it.
            continue
    return lines
