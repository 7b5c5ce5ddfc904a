"""Find which source of AWS credentials wins on this host, and what it shadows. No secret leaves a file.

The order is the one that AWS documents for SSM Agent and the SDKs: environment, shared credentials file, container,
instance profile, default host management. The agent of a registered node differs; `agent_credentials` reads its state.
"""

from __future__ import annotations

import errno
import shutil
import stat
import sys
from configparser import Error as IniError
from configparser import RawConfigParser

from fingerprint.agent.identity_config import AgentCredentials, parse_agent_credentials
from fingerprint.agent.paths import paths_of
from fingerprint.credentials.profile_dialects import (
    ACCESS_KEY,
    SECRET_KEY,
    config_file,
    credentials_file,
    named_profile,
)
from fingerprint.machine.live import LiveMachine
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar

    from fingerprint.machine.base import Machine

_LIMIT = 1024 * 1024
_OTHERS_MAY = stat.S_IRWXG | stat.S_IRWXO
# Directories to search for root's programs on a copied disk.
_PROGRAM_DIRECTORIES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_SHARED = "shared-file"
_CONFIG = "config-file"


class State(Vocabulary):
    """The state of a source."""

    PRESENT: ClassVar[State]
    INCOMPLETE: ClassVar[State]
    ABSENT: ClassVar[State]
    UNREADABLE: ClassVar[State]
    NOT_CHECKED: ClassVar[State]


State.define(
    PRESENT="present", INCOMPLETE="incomplete", ABSENT="absent", UNREADABLE="unreadable", NOT_CHECKED="not-checked"
)


class Source(Value):
    """One source of credentials.

    Attributes:
        name: "environment", "shared-file", "config-file" (SDKs only), "container", "instance-profile",
            "default-host-management".
        where: its variables, or its file and profile.
        state: whether it has credentials.
        reason: why it is not present; "" without a reason.
        shadowed_by: name of the source that wins over it; "" for none.
    """

    name: str
    where: str
    state: State
    reason: str = ""
    shadowed_by: str = ""


class Finding(Value):
    """A fault of a source.

    Attributes:
        what: the fault.
        where: its file or variables.
        remedy: what to do.
        exposed: whether other users may read the keys; SDKs read them all the same.
    """

    what: str
    where: str
    remedy: str
    exposed: bool = False


class Order(Value):
    """The sources of one user, the first to win first.

    Attributes:
        user: name of the user.
        sources: all of them, in order.
        winner: name of the source that wins; "" if none does or the winner is unknown. If the environment was not
            checked, it wins in processes without keys in their environment.
        undecided: why the winner is unknown; "" if it is known.
        findings: the faults.
    """

    user: str
    sources: tuple[Source, ...]
    winner: str
    undecided: str
    findings: tuple[Finding, ...]


def credential_order(
    user: str,
    home: str,
    environ: Mapping[str, str] | None,
    *,
    root: str = "/",
    platform: str = sys.platform,
    machine: Machine | None = None,
) -> Order:
    """Return the sources of a user.

    Args:
        user: the name, for the answer.
        home: the home directory on the machine.
        environ: the environment; None if it is unknown, as for another user or a copied disk.
        root: root directory of a copied disk.
        platform: the machine's `sys.platform`.
        machine: the machine with that root; None to make one.
    """
    findings: list[Finding] = []
    known = environ or {}
    disk = _Disk(machine or LiveMachine(root))
    profile, section = named_profile(known)
    shared, config = credentials_file(home, known), config_file(home, known)
    sources = (
        _environment(environ, findings),
        _file(_SHARED, disk, shared, profile, findings),
        _file(_CONFIG, disk, config, section, findings),
        _container(environ),
        _instance_profile(environ),
        _file("default-host-management", disk, paths_of(platform).host_management, "default", findings),
    )
    winner = undecided = ""
    ranked = []
    for source in sources:
        if source.state is State.PRESENT and not undecided:
            winner = winner or source.name
        elif source.state in (State.UNREADABLE, State.NOT_CHECKED) and source.name != "environment" and not winner:
            undecided = undecided or f"{source.name}: {source.reason}"
        shadowed = winner if source.state is State.PRESENT and source.name != winner else ""
        ranked.append(Source(source.name, source.where, source.state, source.reason, shadowed))
    return Order(user, tuple(ranked), winner, undecided, tuple(findings))


def agent_credentials(root: str = "/", platform: str = sys.platform) -> AgentCredentials | None:
    """Return what the agent wrote about its last credentials; None if that is missing or unreadable."""
    try:
        return parse_agent_credentials(_Disk(LiveMachine(root)).read(paths_of(platform).identity))
    except OSError:
        return None


class _Disk:
    """Files of a machine; links on a copied disk do not lead out of it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def read(self, path: str) -> bytes:
        return self._machine.read_file(path, _LIMIT)

    def mode(self, path: str) -> int:
        return self._machine.status(path).mode

    def has_program(self, name: str) -> bool:
        """Return whether a program exists, by its path or by a search for its name."""
        if not self._machine.copied:
            return shutil.which(name) is not None
        return any(
            map(
                self._is_program,
                [name] if "/" in name else [f"{directory}/{name}" for directory in _PROGRAM_DIRECTORIES],
            )
        )

    def _is_program(self, path: str) -> bool:
        try:
            status = self._machine.status(path)
        except OSError:
            return False
        return status.kind == "file" and bool(status.mode & 0o111)


def _environment(environ: Mapping[str, str] | None, findings: list[Finding]) -> Source:
    where = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
    if environ is None:
        return Source("environment", where, State.NOT_CHECKED, "the environment of other processes is unknown")
    # The agent's SDK also reads the two older names.
    halves = [any(environ.get(name) for name in names) for names in (
        ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"), ("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"),
    )]  # fmt: skip
    if all(halves):
        return Source("environment", where, State.PRESENT)
    if any(halves):
        findings.append(Finding("only one key of the pair is set", where, "Set both variables, or none"))
        return Source("environment", where, State.INCOMPLETE, "one of the two is missing")
    return Source("environment", where, State.ABSENT)


def _file(name: str, disk: _Disk, path: str, section: str, findings: list[Finding]) -> Source:
    where = f"{path}, profile {section.removeprefix('profile ')}"
    try:
        data, mode = disk.read(path), disk.mode(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return Source(name, where, State.ABSENT, "no such file")
        return Source(name, where, State.UNREADABLE, error.strerror or "unreadable")
    parser = RawConfigParser(default_section="\0", strict=False, allow_no_value=True)
    try:
        parser.read_string(data.decode("utf-8"))
    except (IniError, UnicodeDecodeError):
        # The parser's own message has the line, and with it a secret.
        findings.append(Finding("not an INI file, so no SDK can read it", path, "Fix or remove it"))
        return Source(name, where, State.UNREADABLE, "not an INI file")
    if mode & _OTHERS_MAY and any(parser.has_option(part, SECRET_KEY) for part in parser.sections()):
        what = f"other users may read its keys (mode {mode:04o})"
        findings.append(Finding(what, path, f"chmod 600 {path}", exposed=True))
    if not parser.has_section(section):
        others = len(parser.sections())
        return Source(name, where, State.ABSENT, f"the file has {others} other profile{'s' * (others != 1)}")
    return _profile(name, where, disk, path, parser, section, findings)


def _profile(
    name: str, where: str, disk: _Disk, path: str, parser: RawConfigParser, section: str, findings: list[Finding]
) -> Source:
    halves = [bool((parser.get(section, key, fallback="") or "").strip()) for key in (ACCESS_KEY, SECRET_KEY)]
    if all(halves):
        return Source(name, where, State.PRESENT)
    if any(halves):
        findings.append(Finding(f"profile {section} has only one key of the pair", path, "Write both keys, or none"))
        return Source(name, where, State.INCOMPLETE, "one of the two keys is missing")
    command = (parser.get(section, "credential_process", fallback="") or "").split()
    if name == _CONFIG and command:
        program = command[0].strip("\"'")
        if not disk.has_program(program):
            findings.append(
                Finding(f"credential_process runs {program}, which does not exist", path, "Correct its path")
            )
            return Source(name, where, State.INCOMPLETE, "its program does not exist")
        return Source(name, where, State.PRESENT, "credential_process")
    return Source(name, where, State.ABSENT, "the profile has no keys")


def _container(environ: Mapping[str, str] | None) -> Source:
    names = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    found = [name for name in names if (environ or {}).get(name)]
    return Source("container", (found or names)[0], State.PRESENT if found else State.ABSENT)


def _instance_profile(environ: Mapping[str, str] | None) -> Source:
    where = "the metadata service"
    if (environ or {}).get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return Source("instance-profile", where, State.ABSENT, "AWS_EC2_METADATA_DISABLED")
    return Source("instance-profile", where, State.NOT_CHECKED, "requires the network, which is not used here")
