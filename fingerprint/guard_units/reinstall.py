"""Print the command that installs the guard again, with the options that it has now."""

from __future__ import annotations

import math
from shlex import quote

from fingerprint.guard_units import LONGEST_LIMIT
from fingerprint.guard_units.drop_in import DropInState, longest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.guard_units.drop_in import DropIn
    from fingerprint.machine.base import Machine

# Where a package or an installer puts the program of a disk that does not have it where this host does.
_PROGRAMS = ("/usr/bin/fingerprint", "/usr/local/bin/fingerprint", "/opt/fingerprint/bin/fingerprint")


def limit_for(seconds: float) -> int | None:
    """Return the longest limit with which a run ends before a time of the unit; None if none is short enough."""
    limit = math.ceil(seconds) - 1 - longest(0)
    return min(limit, LONGEST_LIMIT) if limit >= 1 else None


def options_of(words: Sequence[str]) -> dict[str, str]:
    """Return the options of `guard` in a line of the unit, which may have been edited; "" is the value of a switch.

    Args:
        words: what follows the word `guard`. What `guard install` does not take is left out.
    """
    found: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if word == "--refresh":
            found[word] = ""
        elif word in _TAKEN:
            value = next(rest, "")
            if _TAKEN[word](value):
                found[word] = value
    return found


def install_command(
    machine: Machine, root: str, one: DropIn, program: str, *, limit: int | None = None, keep_program: bool = True
) -> str:
    """Return the command that writes the file of a unit again; "" if the program of its disk is unknown.

    Args:
        machine: the machine of the disk.
        root: directory of the disk.
        one: what is there now; its options are kept.
        program: path of this program, which the command takes unless it names another one; "" if that is unknown.
        limit: another limit.
        keep_program: whether the program of the unit is kept, as it works or may work.
    """
    options = options_of(one.words[2:])
    if limit is not None:
        options["--limit"] = str(limit)
    if root != "/" and "--vault" in options:
        # The unit has it as its own disk knows it.
        options["--vault"] = root + options["--vault"]
    known = (one.words[:1] if keep_program else ()) + ((program,) if program else ()) + _PROGRAMS
    runs = next((path for path in known if _is_program(machine, path)), "")
    if not runs and machine.copied:
        return ""
    if runs and runs != program:
        options["--program"] = runs
    yes = ("--yes",) if one.state == DropInState.EDITED else ()
    # A value with a blank ends what is known of a printed command, so that of the vault is the last.
    order = sorted(options, key=lambda flag: flag in ("--program", "--vault"))
    words = [word for flag in order for word in (flag, options[flag]) if word]
    return " ".join(("sudo fingerprint guard install", *yes, *map(quote, words)))


def _is_program(machine: Machine, path: str) -> bool:
    try:
        status = machine.status(path)
    except OSError:
        return False
    return path.startswith("/") and status.kind == "file" and bool(status.mode & 0o111)


def _is_seconds(text: str) -> bool:
    try:
        return 0 < float(text) <= 86400
    except ValueError:
        return False


# The options that a value follows, and whether it is one.
_TAKEN = {
    "--on-mismatch": ("allow", "block").__contains__,
    "--limit": lambda text: text.isascii() and text.isdigit() and 1 <= int(text) <= LONGEST_LIMIT,
    "--vault": lambda text: text.startswith("/") and text.isprintable(),
    "--timeout": _is_seconds,
}
