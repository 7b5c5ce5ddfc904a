"""`fingerprint monitor units`: write service files that run `monitor watch` and `monitor prometheus`."""

from __future__ import annotations

import os
import posixpath

from fingerprint.answers.monitor import monitor_units_answer
from fingerprint.cli.output import print_json, write
from fingerprint.cli.service_files import (
    filled,
    launchctl,
    schtasks,
    service_path,
    system_named,
    this_program,
    write_files,
    xml_text,
)
from fingerprint.errors import EXIT_OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_TEMPLATES = {
    "systemd": ("fingerprint-watch.service", "fingerprint-metrics.service", "fingerprint-metrics.timer"),
    "launchd": ("fingerprint-watch.plist", "fingerprint-metrics.plist"),
    "windows": ("fingerprint-watch-task.xml", "fingerprint-metrics-task.xml"),
}
# The directories of the textfile collectors: Debian's node_exporter, windows_exporter; macOS has no usual one.
_TEXTFILES = {
    "systemd": "/var/lib/prometheus/node-exporter/fingerprint.prom",
    "launchd": "/var/lib/node_exporter/fingerprint.prom",
    "windows": r"C:\Program Files\windows_exporter\textfile_inputs\fingerprint.prom",
}
_SYSTEMD_DIRECTORY = "/etc/systemd/system"


def run(arguments: Arguments) -> int:
    """Write the files into the directory of the command line, and print how to install them."""
    system = system_named(arguments.system)
    program = service_path(system, arguments.program or this_program(), "--program")
    textfile = service_path(system, arguments.textfile or _TEXTFILES[system], "--textfile")
    directory = os.path.abspath(getattr(arguments, "DIR"))  # noqa: B009
    files = {os.path.join(directory, name): _filled(system, name, program, textfile) for name in _TEMPLATES[system]}
    write_files(directory, files)
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


def _filled(system: str, name: str, program: str, textfile: str) -> bytes:
    """Return a template with the paths in it, as the bytes that the system wants."""
    values = {"PROGRAM": program, "TEXTFILE": textfile}
    if system == "systemd":
        # A dollar sign is no variable in the program's own path, and it is one in its arguments.
        values = {
            "PROGRAM": _unit_word(program),
            "TEXTFILE": _unit_word(textfile).replace("$", "$$"),
            "DIRECTORY": _unit_word("-" + posixpath.dirname(textfile)),
        }
    else:
        values = {key: xml_text(value) for key, value in values.items()}
    return filled(f"monitor/units/{name}", values)


def _unit_word(text: str) -> str:
    text = text.replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _commands(system: str, directory: str, textfile: str) -> tuple[list[str], list[str], list[str]]:
    """Return the commands that prepare, and those that start watch, and metrics in its place."""
    if system == "windows":
        return [], [schtasks(directory, "watch")], [schtasks(directory, "metrics")]
    from shlex import quote

    first = [f"mkdir -p {quote(posixpath.dirname(textfile))}"]
    if system == "launchd":
        return first, launchctl(directory, "watch"), launchctl(directory, "metrics")
    if directory != _SYSTEMD_DIRECTORY:
        names = " ".join(quote(os.path.join(directory, name)) for name in _TEMPLATES[system])
        first.append(f"install -m 644 {names} {_SYSTEMD_DIRECTORY}")
    first.append("systemctl daemon-reload")
    enable = "systemctl enable --now"
    return first, [f"{enable} fingerprint-watch.service"], [f"{enable} fingerprint-metrics.timer"]
