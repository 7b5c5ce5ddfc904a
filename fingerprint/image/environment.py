"""The environment that a disk's service managers give to services: unit files, drop-ins, environment files.

What a later file resets is returned, too: a file that holds a key holds it also where nothing reads it.
"""

from __future__ import annotations

import fnmatch
import re
import shlex

from fingerprint.agent.paths import LAUNCHD_SERVICE, PACKAGE, UNITS, paths_of
from fingerprint.image.content import decoded
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.image.scan import File, Scan

_DIRECTORIES = (
    "/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system", "/lib/systemd/system",
)  # fmt: skip
# The agent, and the services that start it or use its credentials.
SERVICES = (
    *UNITS, "ecs.service", "greengrass.service", "greengrass-lite.service", "kubelet.service",
    "aws_signing_helper_update.service", "nodeadm-init.service", "nodeadm-run.service",
)  # fmt: skip
_MANAGERS = ("/etc/systemd/system.conf", "/usr/lib/systemd/system.conf")
# Assignments, one a line, that init systems read without a unit that names them.
_ENVIRONMENT_FILES = (
    "/etc/environment", f"/etc/default/{PACKAGE}", f"/etc/sysconfig/{PACKAGE}", f"/etc/conf.d/{PACKAGE}",
    f"/etc/init/{PACKAGE}.conf", f"/etc/init/{PACKAGE}.override", "/etc/ecs/ecs.config", "/var/lib/ecs/ecs.config",
)  # fmt: skip
_PROPERTY_LIST = f"/Library/LaunchDaemons/{LAUNCHD_SERVICE}.plist"
_LONGEST = 16 * 1024
_MOST_LISTED = 10_000
_SPECIFIER = re.compile(r"%([A-Za-z%])")
# Of the manager of the system, whose user is root.
_DIRECTORIES_OF = {
    "C": "/var/cache", "E": "/etc", "L": "/var/log", "S": "/var/lib", "T": "/tmp", "V": "/var/tmp", "t": "/run",
    "%": "%", "h": paths_of("linux").home,
}  # fmt: skip
_CONTINUED = re.compile(r"\\\r?\n")
_SETTING = re.compile(r"^[ \t]*(?P<name>[A-Za-z]+)[ \t]*=[ \t]*(?P<value>.*)$", re.MULTILINE)
_ASSIGNMENT = re.compile(
    r"^[ \t]*(?:export[ \t]+|env[ \t]+|setenv[ \t]+)?(?P<name>[A-Za-z_]\w*)=(?P<value>.*)$", re.MULTILINE
)
_PROPERTY = re.compile(r"<key>\s*(?P<name>[A-Za-z_]\w*)\s*</key>\s*<string>(?P<value>[^<]*)</string>")


class Setting(Value):
    """A variable or another setting of a service.

    Attributes:
        name: of the variable, or the name that systemd has for another setting ("LoadCredential", "ExecStart").
        value: without quotes.
        file: the file that sets it.
    """

    name: str
    value: str
    file: File


def service_settings(scan: Scan) -> Iterator[Setting]:
    """Yield the settings of all services that use credentials of the node."""
    named: list[str] = list(_ENVIRONMENT_FILES)
    left = [_MOST_LISTED]
    for path in _unit_files(scan):
        file = _read(scan, path)
        if file is None:
            continue
        for name, value in _unit_settings(decoded(file.data)):
            if name == "EnvironmentFile":
                named += _matching(scan, value.removeprefix("-"), left)
            else:
                yield Setting(name, value, file)
    for path in dict.fromkeys(named):
        file = _read(scan, path)
        if file is not None:
            for match in _ASSIGNMENT.finditer(decoded(file.data)):
                yield Setting(match["name"], _unquoted(match["value"].strip()), file)
    file = _read(scan, _PROPERTY_LIST)
    if file is not None:
        for match in _PROPERTY.finditer(decoded(file.data)):
            yield Setting(match["name"], match["value"], file)


def _read(scan: Scan, inside: str) -> File | None:
    found: list[File | None] = [None]

    def step() -> None:
        found[0] = scan.read(inside)

    scan.attempt(step)
    return found[0]


def _unit_files(scan: Scan) -> Iterator[str]:
    """Yield the paths of units and drop-ins; those for all services and for a common beginning of names, too."""
    for directory in _DIRECTORIES:
        present = set(scan.listed(directory))
        for unit in SERVICES:
            if unit in present:
                yield f"{directory}/{unit}"
            for inner in _drop_ins(unit):
                if inner in present:
                    yield from _drop_in_files(scan, f"{directory}/{inner}")
    for manager in _MANAGERS:
        if scan.exists(manager):
            yield manager
        yield from _drop_in_files(scan, f"{manager}.d")


def _drop_in_files(scan: Scan, directory: str) -> Iterator[str]:
    return (f"{directory}/{name}" for name in scan.listed(directory) if name.endswith(".conf"))


def _drop_ins(unit: str) -> list[str]:
    """Return the names of directories with drop-ins of a unit, as systemd.unit(5) has them."""
    stem = unit.removesuffix(".service")
    parts = stem.split("-")
    common = ["-".join(parts[:count]) + "-.service.d" for count in range(1, len(parts))]
    return [f"{unit}.d", *common, "service.d"]


def _unit_settings(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a unit that name files or hold secrets; each variable as a setting of its own."""
    for match in _SETTING.finditer(_CONTINUED.sub(" ", text)):
        name, value = match["name"], match["value"].strip()
        if name in ("Environment", "DefaultEnvironment"):
            for word in _words(value):
                variable, is_set, content = word.partition("=")
                if is_set:
                    yield variable, _specified(content)
        elif name in ("EnvironmentFile", "ExecStart", "LoadCredential", "User"):
            yield name, _specified(_unquoted(value))


def _words(text: str) -> list[str]:
    try:
        # It takes quadratic time, and no service has a longer environment.
        return shlex.split(text) if len(text) < _LONGEST else text.split()
    except ValueError:
        return text.split()


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _matching(scan: Scan, path: str, left: list[int]) -> list[str]:
    """Return the files that an EnvironmentFile names, which may be a pattern, also in the names of directories.

    Args:
        scan: the search.
        path: the pattern.
        left: how many more directories are listed for all patterns of the disk.
    """
    found = [""]
    for name in _specified(path).strip("/").split("/"):
        if any(character in name for character in "*?["):
            left[0] -= len(found)
            if left[0] < 0:
                scan.note_unreadable(
                    scan.disk.above(path), f"its pattern leads to more than {_MOST_LISTED} directories"
                )
                return []
            found = [f"{one}/{inner}" for one in found for inner in fnmatch.filter(scan.listed(one or "/"), name)]
        elif name == "..":
            # Those of one directory have one above it.
            found = [one.rpartition("/")[0] for one in found]
        else:
            found = [f"{one}/{name}" for one in found]
        found = list(dict.fromkeys(found))
    return found


def _specified(text: str) -> str:
    """Return a value of a unit with the specifiers of systemd.unit(5) that name directories replaced."""
    return _SPECIFIER.sub(lambda found: _DIRECTORIES_OF.get(found[1], found[0]), text)
