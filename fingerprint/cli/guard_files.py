"""The files that run `fingerprint guard` beside the agent of macOS and of Windows, and the commands for them.

launchd and the task scheduler have no condition before the start of another job, as systemd has with ExecCondition=.
Neither was run on its system: docs/guard.md says what is unverified.
"""

from __future__ import annotations

import ntpath
import os

from fingerprint.agent.paths import LAUNCHD_SERVICE, WINDOWS_SERVICE
from fingerprint.cli.service_files import LAUNCHD_DIRECTORY, filled, launchctl, schtasks, xml_text
from fingerprint.errors import UsageError
from fingerprint.guard import BLOCKED
from fingerprint.guard_units.drop_in import STOP_SECONDS, longest
from fingerprint.types import Value
from fingerprint.vault.locations import PROGRAM, system_state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = {
    "launchd": ("fingerprint-guard.plist",),
    "windows": ("fingerprint-guard.cmd", "fingerprint-guard-task.xml"),
}
# The system as it is called, and who installs files there.
OPERATORS = {"launchd": ("macOS", "root"), "windows": ("Windows", "administrator")}
# Only administrators write there; in ProgramData each user can add files.
_WINDOWS_DIRECTORY = rf"C:\Program Files\{PROGRAM}"
_TEMPLATES = "guard_units/files"
# What ends the run of the task after its script has started the agent in any case.
_MORE_SECONDS = 300
# Of a command line: each other character is put between quotation marks for cmd.exe.
_PLAIN = frozenset("-_.:\\/")


class GuardFiles(Value):
    """What runs the guard on a system.

    Attributes:
        files: the content of each, by its path, or its name.
        install: the commands that install them.
        remove: the commands that undo that.
    """

    files: dict[str, bytes]
    install: tuple[str, ...]
    remove: tuple[str, ...]


def unverified(system: str) -> str:
    """Return the sentence that says what was not tried."""
    return f"Unverified: generated and parsed, not run on {OPERATORS[system][0]}."


def guard_files(system: str, directory: str, command: Sequence[str], limit: int, *, here: bool) -> GuardFiles:
    """Return the files that run a command beside the agent.

    Args:
        system: "launchd" or "windows".
        directory: where they are to be written, on this host.
        command: the program, an absolute path of that system, and its arguments.
        limit: seconds after which the command ends itself.
        here: whether this host is of that system; on another one the commands name the files without a directory.
    """
    made = _of_launchd if system == "launchd" else _of_windows
    found = made(directory if here else "", command, limit)
    return found.replace(files={os.path.join(directory, name): data for name, data in found.files.items()})


def _of_launchd(directory: str, command: Sequence[str], limit: int) -> GuardFiles:
    [name] = NAMES["launchd"]
    script = filled(f"{_TEMPLATES}/fingerprint-guard.sh", {}).decode()
    values = (str(limit + STOP_SECONDS), LAUNCHD_SERVICE, system_state_directory("darwin"), BLOCKED, *command)
    words = "\n".join(f"\t\t<string>{xml_text(word)}</string>" for word in values)
    data = filled(f"{_TEMPLATES}/{name}", {"SCRIPT": xml_text(script), "WORDS": words})
    remove = (
        "launchctl bootout system/hardware-fingerprint.guard",
        f"rm {LAUNCHD_DIRECTORY}/{name}",
        f"launchctl enable system/{LAUNCHD_SERVICE}",
    )
    return GuardFiles({name: data}, tuple(launchctl(directory, "guard")), remove)


def _of_windows(directory: str, command: Sequence[str], limit: int) -> GuardFiles:
    if not command[0].lower().endswith(".exe"):
        # A script that runs another one does not return to its next line.
        raise UsageError(
            "the program must be an .exe file", where=f"--program {command[0]}", remedy="Name it with --program"
        )
    script, task = NAMES["windows"]
    installed = ntpath.join(_WINDOWS_DIRECTORY, script)
    line = " ".join(map(_quoted, (installed, *command)))
    files = {
        script: filled(f"{_TEMPLATES}/{script}", {
            # One more than the seconds: ping waits between its packets.
            "SERVICE": WINDOWS_SERVICE, "BLOCKED": BLOCKED, "SECONDS": str(longest(limit) + 1),
        }),
        task: filled(f"{_TEMPLATES}/{task}", {
            # With /s cmd.exe takes the first and the last quotation mark away, and leaves all between them.
            "ARGUMENTS": xml_text(f'/d /v:off /s /c "{line}"'), "LONGEST": str(longest(limit) + _MORE_SECONDS),
        }),
    }  # fmt: skip
    install = (
        f'cmd /c mkdir "{_WINDOWS_DIRECTORY}"',
        f'cmd /c copy "{os.path.join(directory, script)}" "{_WINDOWS_DIRECTORY}"',
        schtasks(directory, "guard"),
        f"sc.exe config {WINDOWS_SERVICE} start= delayed-auto",
    )
    remove = (
        "schtasks /Delete /TN fingerprint-guard /F",
        f'cmd /c rmdir /s /q "{_WINDOWS_DIRECTORY}"',
        f"sc.exe config {WINDOWS_SERVICE} start= auto",
    )
    return GuardFiles(files, install, remove)


def _quoted(word: str) -> str:
    """Return a word for cmd.exe and for CommandLineToArgvW; it has no quotation mark and no percent sign.

    Raises:
        UsageError: a backslash at its end would hide the quotation mark.
    """
    if word and all(character.isascii() and (character.isalnum() or character in _PLAIN) for character in word):
        return word
    if word.endswith("\\"):
        raise UsageError("the path ends with a backslash", where=word, remedy="Name it without that")
    return f'"{word}"'
