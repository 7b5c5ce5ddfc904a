"""Check that the agent can write its files: space, read-only file systems, and what its log says of writing."""

from __future__ import annotations

import re
import shlex

from fingerprint._io.times import utc
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.agent.storage import is_below, mount_of, space_of
from fingerprint.diagnose.checks.start_failures import tail_of
from fingerprint.diagnose.result import NOT_INSTALLED, failed, not_on_disk, passed, skipped, warned
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.storage import Space
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding

# KiB: below the first nothing more is written, below the second a log of the agent soon fails.
_FULL_KIB, _LOW_KIB = 1024, 20 * 1024
_FULL, _READ_ONLY, _QUOTA, _DAMAGED, _DENIED = "full", "read-only", "quota", "damaged", "denied"
# The error of a write, as Go prints it on Unix and Windows -> its kind.
_ERRORS = (
    ("no space left on device", _FULL), ("there is not enough space on the disk", _FULL), ("the disk is full", _FULL),
    ("disk quota exceeded", _QUOTA), ("read-only file system", _READ_ONLY), ("media is write protected", _READ_ONLY),
    ("input/output error", _DAMAGED), ("structure needs cleaning", _DAMAGED), ("data error (cyclic", _DAMAGED),
    ("permission denied", _DENIED), ("operation not permitted", _DENIED), ("access is denied", _DENIED),
)  # fmt: skip
_ERROR = re.compile("|".join(re.escape(text) for text, _ in _ERRORS), re.IGNORECASE)
_KIND = dict(_ERRORS)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)")
_PATH = re.compile(r"\b(?:open|write|mkdir|rename|create|chmod|chown|sync|truncate|remove) (\S+?):? *$")
_TO_DISK = "credentials to disk"
_MEANING = {
    _FULL: "the disk is full", _QUOTA: "the quota of the disk is used up", _READ_ONLY: "the file system is read-only",
    _DAMAGED: "the disk returns errors", _DENIED: "the system denies it",
}  # fmt: skip


class _Logged(Value):
    """The last error of a write in the agent's log: its kind, the path, "" if it is not named, the time and text."""

    kind: str
    path: str
    at: str
    text: str


def storage(site: Site) -> Finding:
    """Check that the agent can write its data, its logs and its shared credentials."""
    if site.without_agent:
        return skipped(NOT_INSTALLED)
    logged = _logged(site)
    wrong = _of_mounts(site, logged) or _of_space(site)
    if wrong is not None:
        return wrong.replace(evidence=(*wrong.evidence, *_quoted(site, logged)))
    if logged is not None:
        return _of_log(site, logged)
    if site.copied:
        return not_on_disk("unknown on a copied disk: its file systems are not mounted")
    paths = _paths(site)
    seen = [mount for path in paths if (mount := mount_of(site.machine, path)) is not None]
    space = space_of(site.machine, _existing(site, paths))
    if not seen and not space:
        reason = "the recording has no file systems" if site.recorded else "the file systems are not known here"
        return skipped(reason)
    low = [one for one in space if one.free < _LOW_KIB or one.available <= 0]
    if low:
        return warned(f"{low[0].point} has only {low[0].free // 1024} MiB left for the agent", *_described(space),
                      remedy="Free space on it", command=f"df -h {shlex.quote(low[0].point)}")  # fmt: skip
    noexec = next((one for one in seen if "noexec" in one.options and is_below(site.paths.data, one.point)), None)
    if noexec is not None:
        return warned(
            f"{noexec.point} is mounted with noexec: scripts of Run Command, which are below {site.paths.data}, fail "
            "with exit code 126", remedy="Mount it without noexec, also in /etc/fstab",
            command=f"mount -o remount,exec {shlex.quote(noexec.point)}",
        )  # fmt: skip
    return passed("the agent's file systems can be written", *_described(space))


def _paths(site: Site) -> list[str]:
    """Return the directories in which the agent writes."""
    found = [site.paths.data, site.paths.logs]
    try:
        credentials = parse_agent_credentials(site.machine.read_file(site.paths.identity))
    except OSError:
        credentials = None
    if credentials is not None and credentials.file.startswith("/"):
        found.append(credentials.file.rpartition("/")[0] or "/")
    return found


def _existing(site: Site, paths: list[str]) -> list[str]:
    """Return the paths, and in place of one that does not exist the next directory above it that does."""
    found = []
    for path in paths:
        while path not in ("", "/") and not site.machine.exists(path):
            path = path.rpartition("/")[0]
        found.append(path or "/")
    return list(dict.fromkeys(found))


def _described(space: list[Space]) -> list[str]:
    return [f"{one.point}: {one.free // 1024} MiB free" for one in space]


def _of_mounts(site: Site, logged: _Logged | None) -> Finding | None:
    """Return that a file system of the agent is mounted read-only; None if none is."""
    if site.machine.platform != "linux":
        return None
    for path in _paths(site):
        mount = mount_of(site.machine, path)
        if mount is not None and "ro" in mount.options:
            return failed(
                f"{mount.point} is mounted read-only: the agent cannot write {path}", f"{mount.kind}, "
                f"{','.join(mount.options)}", "the kernel mounts a file system read-only when its disk returns errors",
                remedy="Check the disk (dmesg), then mount it for writing and restart the agent",
                command=f"mount -o remount,rw {shlex.quote(mount.point)}", tag=_READ_ONLY,
            )  # fmt: skip
    return None


def _of_space(site: Site) -> Finding | None:
    """Return that a file system of the agent is full, of bytes or of inodes; None if none is."""
    if site.machine.platform != "linux" or site.copied:
        return None
    paths = _existing(site, _paths(site))
    for one in space_of(site.machine, paths):
        if one.free < _FULL_KIB:
            return _full(f"{one.point} is full: {one.free} KiB are left", one.point, f"df -h {shlex.quote(one.point)}")
    for one in space_of(site.machine, paths, inodes=True):
        if one.free <= 0:
            return _full(f"{one.point} has no inode left, so no file can be made", one.point,
                         f"df -i {shlex.quote(one.point)}")  # fmt: skip
    return None


def _full(text: str, point: str, command: str) -> Finding:
    return failed(f"{text}; the agent cannot write its files", remedy=f"Free space on {point}, then restart the agent",
                  command=command, tag=_FULL)  # fmt: skip


def _of_log(site: Site, logged: _Logged) -> Finding:
    """Return the finding for an error of a write that the log has after the last success."""
    path = logged.path or site.paths.data
    seconds = site.seconds_of(logged.at)
    at = f" at {utc(seconds) if seconds is not None else logged.at}" if logged.at else ""
    verb = "open" if logged.kind == _DENIED else "write"
    text = f"the agent could not {verb} {path}{at}: {_MEANING[logged.kind]}"
    parent = path.rpartition("/")[0] or path
    windows = site.machine.platform == "windows"
    remedy, command = {
        _FULL: ("Free space on its disk, then restart the agent", f"df -h {shlex.quote(parent)}"),
        _QUOTA: ("Raise the quota of root, or free space, then restart the agent", "quota -u root"),
        _READ_ONLY: (
            "If it is mounted for writing, the settings of its unit close it to the service (ProtectSystem=, "
            "ReadOnlyPaths=): correct them", f"findmnt --target {shlex.quote(parent)}",
        ),
        _DAMAGED: ("Check the disk, then restart the agent", "dmesg --level=err,crit"),
        _DENIED: (
            "Find what denies it: an immutable file (lsattr), SELinux, AppArmor, or the settings of its unit",
            f"ls -ldZ {shlex.quote(parent)} {shlex.quote(path)}",
        ),
    }[logged.kind]  # fmt: skip
    return failed(text, *_quoted(site, logged), remedy=remedy,
                  command="Get-PSDrive -PSProvider FileSystem" if windows and logged.kind == _FULL
                  else "" if windows else command, tag=logged.kind)  # fmt: skip


def _quoted(site: Site, logged: _Logged | None) -> list[str]:
    return [] if logged is None else [site.quoted(logged.text)]


def _logged(site: Site) -> _Logged | None:
    """Return the last failed write that the log has after the agent's last success; None without one."""
    found: _Logged | None = None
    for line in tail_of(site):
        error = _ERROR.search(line)
        if error is None:
            continue
        kind = _KIND[error[0].lower()]
        named = _PATH.search(line[: error.start()])
        path = named[1].rstrip(":") if named else ""
        if not _concerns_agent(site, path, line):
            continue
        time = _TIME.search(line)
        at = f"{time[1]} {time[2]}" if time else ""
        if found is None or at >= found.at:
            found = _Logged(kind, path, at, line.strip()[:400])
    if found is None:
        return None
    try:
        good = site.timeline.last_good
    except OSError:
        good = ""
    return None if good and found.at and good > found.at else found


def _concerns_agent(site: Site, path: str, line: str) -> bool:
    """Return whether a failed write is one of the agent's own files, and not of a document that it ran."""
    if _TO_DISK in line:
        return True
    if not path or "orchestration" in path:
        return False
    directories = (site.paths.data, site.paths.logs, site.paths.identity.rpartition(site.paths.separator)[0])
    return any(path.lower().startswith(directory.lower()) for directory in directories)
