"""Read the environment in which systemd starts the agent and its tools from the files of its unit.

`ls` prints dates and sorts names by it, and is found on its PATH. A parser of our own, because each check runs it at
its start.
"""

from __future__ import annotations

from fingerprint.agent.paths import UNITS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.machine.base import Machine

# Of units, by priority: a unit or a drop-in hides those of the same name in later directories.
UNIT_DIRECTORIES = (
    "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
    "/lib/systemd/system",
)  # fmt: skip
_MANAGER = "/etc/systemd/system.conf"
_LOCALE = "/etc/locale.conf"
# systemd also reads this one on Debian and its derivatives; elsewhere it belongs to another program.
_LOCALE_OF_DEBIAN = "/etc/default/locale"
_DEBIAN = "/etc/debian_version"


def service_environment(machine: Machine, path: str) -> dict[str, str]:
    """Return the variables that the agent's unit sets, with the locale of services; every file may be missing.

    Args:
        machine: the machine whose files are read.
        path: the PATH that systemd sets if the unit does not.
    """
    found = {"PATH": path, **service_locale(machine)}
    for name, value in _lines(_text(machine, _MANAGER)):
        if name == "DefaultEnvironment":
            found.update(_assignments(value))
    # The values of each setting so far; an empty value clears them.
    lists: dict[str, list[str]] = {"Environment": [], "EnvironmentFile": [], "UnsetEnvironment": []}
    for text in _unit_files(machine):
        for name, value in _lines(text):
            if name in lists:
                lists[name] = [*lists[name], value] if value else []
    for value in lists["Environment"]:
        found.update(_assignments(value))
    for path in lists["EnvironmentFile"]:
        for name, value in _lines(_text(machine, path.removeprefix("-"))):
            found[name] = " ".join(unit_words(value)) if value[:1] in ("'", '"') else value
    unset = [word for value in lists["UnsetEnvironment"] for word in unit_words(value)]
    # A unit may let its tools load code with LD_ variables; we do not.
    return {
        name: value
        for name, value in found.items()
        if name not in unset and not name.startswith("LD_") and name.isascii() and "\0" not in name + value
    }


def start_conditions(machine: Machine) -> tuple[tuple[str, ...], ...] | None:
    """Return the words of each `ExecCondition=` of the agent's unit; None without a unit that can be read."""
    files = list(_unit_files(machine))
    if not files:
        return None
    found: list[tuple[str, ...]] = []
    for text in files:
        for name, value in _lines(text):
            if name == "ExecCondition":
                # An empty value clears those before.
                found = [*found, tuple(unit_words(value))] if value else []
    return tuple(found)


def service_locale(machine: Machine) -> dict[str, str]:
    """Return the locale that the service manager gives to services, from the files of the machine."""
    for path in (_LOCALE, _LOCALE_OF_DEBIAN):
        if path == _LOCALE_OF_DEBIAN and not machine.exists(_DEBIAN):
            break
        try:
            return parse_locale(machine.read_file(path).decode("utf-8", "replace"))
        except OSError:
            continue
    return {}


def parse_locale(text: str) -> dict[str, str]:
    """Return the locale settings of a file of KEY=value lines; other lines are ignored."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        value = value.strip().strip("\"'")
        known = name in ("LANG", "LANGUAGE") or name.startswith("LC_")
        if equals and known and value and all(c.isascii() and (c.isalnum() or c in "_.@:-") for c in value):
            found[name] = value
    return found


def _unit_files(machine: Machine) -> Iterator[str]:
    """Yield the content of the agent's unit, and of its drop-ins in the order of their names."""
    for unit in UNITS:
        main = next((text for directory in UNIT_DIRECTORIES if (text := _text(machine, f"{directory}/{unit}"))), "")
        if not main:
            continue
        yield main
        drop_ins: dict[str, str] = {}
        for directory in UNIT_DIRECTORIES:
            try:
                names = machine.list_directory(f"{directory}/{unit}.d")
            except OSError:
                continue
            for name in names:
                if name.endswith(".conf"):
                    drop_ins.setdefault(name, f"{directory}/{unit}.d/{name}")
        for name in sorted(drop_ins):
            yield _text(machine, drop_ins[name])
        return


def _text(machine: Machine, path: str) -> str:
    try:
        return machine.read_file(path).decode("utf-8", "replace")
    except OSError:
        return ""


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield the settings of a unit file; a line that ends with a backslash continues in the next one."""
    for line in text.replace("\\\n", " ").split("\n"):
        name, equals, value = line.strip().partition("=")
        if equals and name[:1] not in ("#", ";"):
            yield name.strip(), value.strip()


def _assignments(value: str) -> dict[str, str]:
    found = {}
    for word in unit_words(value):
        name, equals, assigned = word.partition("=")
        if equals and name.isidentifier():
            found[name] = assigned.replace("%%", "%")
    return found


def unit_words(text: str) -> list[str]:
    """Return the words of a setting, which may be quoted."""
    words: list[str] = []
    word, quote, begun, escaped = "", "", False, False
    for c in text:
        if escaped:
            word += {"n": "\n", "t": "\t", "s": " "}.get(c, c)
            escaped = False
        elif c == "\\":
            escaped = begun = True
        elif quote:
            if c == quote:
                quote = ""
            else:
                word += c
        elif c in "\"'":
            quote, begun = c, True
        elif c.isspace():
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word += c
            begun = True
    return [*words, word] if begun else words
