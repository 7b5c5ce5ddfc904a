"""`fingerprint monitor units`: write service files that run `monitor watch` and `monitor prometheus`."""

from __future__ import annotations

import os
import posixpath
import sys

import fingerprint
from fingerprint._io.atomic import write_new
from fingerprint.answers.monitor import monitor_units_answer
from fingerprint.cli.output import print_json, write
from fingerprint.cli.service_files import service_path, this_program
from fingerprint.errors import EXIT_OK, InputError, Refused, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

# By this start of `sys.platform`, unless the user names a system.
_OF_PLATFORM = {"linux": "systemd", "darwin": "launchd", "win32": "windows"}
_TEMPLATES = {
    "systemd": ("fingerprint-watch.service", "fingerprint-metrics.service", "fingerprint-metrics.timer"),
    "launchd": ("fingerprint-watch.plist", "fingerprint-metrics.plist"),
    "windows": ("fingerprint-watch-task.xml", "fingerprint-metrics-task.xml"),
}
SYSTEMS = tuple(_TEMPLATES)
# The directories of the textfile collectors: Debian's node_exporter, windows_exporter; macOS has no usual one.
_TEXTFILES = {
    "systemd": "/var/lib/prometheus/node-exporter/fingerprint.prom",
    "launchd": "/var/lib/node_exporter/fingerprint.prom",
    "windows": r"C:\Program Files\windows_exporter\textfile_inputs\fingerprint.prom",
}
_SYSTEMD_DIRECTORY = "/etc/systemd/system"
_LAUNCHD_DIRECTORY = "/Library/LaunchDaemons"


def run(arguments: Arguments) -> int:
    """Write the files into the directory of the command line, and print how to install them."""
    system = _system(arguments.system)
    program = service_path(system, arguments.program or this_program(), "--program")
    textfile = service_path(system, arguments.textfile or _TEXTFILES[system], "--textfile")
    directory = os.path.abspath(getattr(arguments, "DIR"))  # noqa: B009
    files = {os.path.join(directory, name): _filled(system, name, program, textfile) for name in _TEMPLATES[system]}
    _write(directory, files)
    first, watch, metrics = _commands(system, directory, textfile)
    if arguments.output == "json":
        print_json("monitor units", monitor_units_answer(directory, system, program, files, first + watch))
        return EXIT_OK
    write(f"Wrote for {system}, to run {program}:")
    _list(files)
    write("Next, as " + ("administrator:" if system == "windows" else "root:"))
    _list(first + watch)
    write("Or, to write the metrics every five minutes without a process that stays, in place of watch:")
    _list(metrics)
    return EXIT_OK


def _list(lines: list[str] | dict[str, bytes]) -> None:
    for line in lines:
        write(f"  {line}")


def _system(named: str | None) -> str:
    known = ", ".join(_TEMPLATES)
    if named is None:
        system = _OF_PLATFORM.get(sys.platform)
        if system is None:
            raise UsageError(f"there are no service files for {sys.platform}", remedy=f"Name --system: {known}")
        return system
    if named not in _TEMPLATES:
        raise UsageError("no such system", where=f"--system {named}", remedy=f"Name one of {known}")
    return named


def _filled(system: str, name: str, program: str, textfile: str) -> bytes:
    """Return a template with the paths in it, as the bytes that the system wants."""
    from re import sub

    values = {"PROGRAM": program, "TEXTFILE": textfile}
    if system == "systemd":
        # A dollar sign is no variable in the program's own path, and it is one in its arguments.
        values = {
            "PROGRAM": _unit_word(program),
            "TEXTFILE": _unit_word(textfile).replace("$", "$$"),
            "DIRECTORY": _unit_word("-" + posixpath.dirname(textfile)),
        }
    else:
        values = {key: _xml(value) for key, value in values.items()}
    path = os.path.join(os.path.dirname(os.path.abspath(fingerprint.__file__)), "monitor", "units", name)
    with open(path, encoding="utf-8", newline="\n") as file:
        text = sub("@([A-Z]+)@", lambda found: values[found[1]], file.read())
    # What the task scheduler exports and reads everywhere; "utf-16" writes the byte-order mark.
    return text.encode("utf-16" if system == "windows" else "utf-8")


def _unit_word(text: str) -> str:
    text = text.replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write(directory: str, files: dict[str, bytes]) -> None:
    for path in files:
        if os.path.lexists(path):
            raise Refused(
                "the file exists; nothing was written",
                where=path,
                remedy="Name a new directory, or remove the old files",
            )
    try:
        os.makedirs(directory, exist_ok=True)
        for path, data in files.items():
            write_new(path, data, "service file")
            # Service managers and their tools read them as others, too; there is no secret in them.
            os.chmod(path, 0o644)
    except OSError as error:
        raise InputError(
            f"the service files could not be written ({error.strerror})", where=directory,
            remedy="Name a directory that can be written",
        ) from None  # fmt: skip


def _commands(system: str, directory: str, textfile: str) -> tuple[list[str], list[str], list[str]]:
    """Return the commands that prepare, and those that start watch, and metrics in its place."""
    if system == "windows":
        return [], [_schtasks(directory, "watch")], [_schtasks(directory, "metrics")]
    from shlex import quote

    first = [f"mkdir -p {quote(posixpath.dirname(textfile))}"]
    if system == "launchd":
        return first, _launchctl(directory, "watch"), _launchctl(directory, "metrics")
    if directory != _SYSTEMD_DIRECTORY:
        names = " ".join(quote(os.path.join(directory, name)) for name in _TEMPLATES[system])
        first.append(f"install -m 644 {names} {_SYSTEMD_DIRECTORY}")
    first.append("systemctl daemon-reload")
    enable = "systemctl enable --now"
    return first, [f"{enable} fingerprint-watch.service"], [f"{enable} fingerprint-metrics.timer"]


def _launchctl(directory: str, name: str) -> list[str]:
    from shlex import quote

    written = os.path.join(directory, f"fingerprint-{name}.plist")
    installed = f"{_LAUNCHD_DIRECTORY}/fingerprint-{name}.plist"
    copy = f"install -o root -g wheel -m 644 {quote(written)} {_LAUNCHD_DIRECTORY}"
    start = f"launchctl bootstrap system {installed}"
    return [start] if written == installed else [copy, start]


def _schtasks(directory: str, name: str) -> str:
    path = os.path.join(directory, f"fingerprint-{name}-task.xml")
    return f'schtasks /Create /TN fingerprint-{name} /RU SYSTEM /XML "{path}"'
