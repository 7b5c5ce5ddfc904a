"""Parse well-formed command lines without argparse, which would double the start of a check.

Any other line (help, a mistake, an option of a command in front of it) goes to the argparse parser that `help` makes
from the same tables.
"""

from __future__ import annotations

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.table import all_commands, group_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from fingerprint.cli.options import Command
    from fingerprint.machine.recorded import RecordedMachine


class Arguments:
    """A parsed command line: the command, and every option and argument as an attribute."""

    command: Command
    vault: str | None
    root: str
    snapshot: str | None
    output: str
    timeout: float | None
    reveal: bool
    no_color: bool
    recorded: RecordedMachine | None

    def __init__(self, command: Command, values: dict[str, Any]) -> None:
        self.command = command
        # What --snapshot names, once it is loaded.
        self.recorded = None
        self.__dict__.update({option.name: option.default for option in (*GLOBAL, *command.options)})
        self.__dict__.update(values)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def command_first(words: Sequence[str]) -> Sequence[str]:
    """Return a line with `--` after its command: it ends the options wherever it stands."""
    if "--" not in words:
        return words
    at = words.index("--")
    before, after = [*words[:at]], [*words[at + 1 :]]
    if before and before[-1] in _valued():
        # It is the value that is missing.
        return words
    paths = [command.path.split() for command in all_commands()]
    while after and any(path[: len(plain)] == plain for path in paths if (plain := [*_plain(before), after[0]])):
        before.append(after.pop(0))
    if after and not any(plain[: len(path)] == path for path in paths if (plain := _plain(before))):
        # No command: its error names the word.
        before.append(after.pop(0))
    return [*before, "--", *after] if after else before


def parse(words: Sequence[str]) -> Arguments | None:
    """Return the parsed line, None unless it is well-formed."""
    words = command_first(words)
    command = _command(words)
    if command is None:
        return None
    # A command's own option replaces the common one of the same name.
    options = {option.flag: option for option in (*GLOBAL, *command.options)}
    options.update({option.short: option for option in command.options if option.short})
    left = command.path.split()
    values: dict[str, Any] = {}
    positionals: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--" and not left:
            # What follows are arguments, options or not.
            positionals += rest
            break
        if is_positional(word):
            if left and word == left[0]:
                left.pop(0)
            else:
                positionals.append(word)
            continue
        flag, equals, value = word.partition("=")
        option = options.get(flag)
        if option is None or (equals and not option.metavar):
            return None
        if not option.metavar:
            values[option.name] = True
            continue
        if not equals:
            following = next(rest, None)
            if following is None or not is_positional(following):
                return None
            value = following
        converted = convert(value, option.kind, option.choices)
        if converted is None:
            return None
        values[option.name] = converted
    if left or not _take(command, positionals, values) or ("snapshot" in values and "root" in values):
        return None
    return Arguments(command, values)


def _take(command: Command, words: list[str], values: dict[str, Any]) -> bool:
    """Put a command's positional arguments into `values`; return whether their number and kinds are right."""
    several = bool(command.positionals) and command.positionals[-1][1] == "several"
    wanted = len(command.positionals)
    if command.optional and not words:
        values.update({name: [] if kind == "several" else None for name, kind, _, _ in command.positionals})
        return True
    if len(words) < wanted if several else len(words) != wanted:
        return False
    if several:
        values[command.positionals[-1][0]] = words[wanted - 1 :]
        words = words[: wanted - 1]
    for (name, kind, choices, _), word in zip(command.positionals, words, strict=False):
        converted = convert(word, kind, choices)
        if converted is None:
            return False
        values[name] = converted
    return True


def convert(word: str, kind: str, choices: tuple[str, ...]) -> Any:
    """Return a word as the value it stands for, None when it stands for none."""
    if choices:
        return next((one for one in choices if one.casefold() == word.casefold()), None)
    if kind != "text" and not _is_plain(word):
        return None
    try:
        if kind == "integer":
            return int(word)
        if kind == "limit":
            # Imported here: only one command has such an option.
            from fingerprint.guard_units import LONGEST_LIMIT

            return int(word) if 1 <= int(word) <= LONGEST_LIMIT else None
        if kind == "seconds":
            seconds = float(word)
            return seconds if 0 < seconds <= 86400 else None
    except ValueError:
        return None
    return word


def _is_plain(word: str) -> bool:
    """Return whether a number is written in ASCII without spaces and underscores, which Python would skip."""
    return word.isascii() and "_" not in word and word == word.strip()


def is_positional(word: str) -> bool:
    """Return whether a word is no option: `-` is standard input, and `-1` is a threshold."""
    return not word.startswith("-") or word == "-" or word[1:].isdigit()


def is_plugin(words: Sequence[str]) -> bool:
    """Return whether a line, well-formed or not, runs `monitor nagios`, whose exit codes are of another protocol."""
    command = _command(words)
    return "nagios" in _plain(words) and (command is None or command.path == "monitor nagios")


def asks_for_json(words: Sequence[str]) -> bool:
    """Return whether a line, well-formed or not, asks for JSON: the last `--output` decides."""
    asked = False
    for number, word in enumerate(words):
        flag, equals, value = word.partition("=")
        if word == "--":
            break
        if flag == "--output":
            asked = (value if equals else "".join(words[number + 1 : number + 2])).casefold() == "json"
    return asked


def _valued() -> set[str]:
    """Return the common options that a value follows."""
    return {option.flag for option in GLOBAL if option.metavar}


def _plain(words: Sequence[str]) -> list[str]:
    """Return the words of a line that are neither options nor values of common options."""
    takes_value = _valued()
    plain = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif is_positional(word):
            plain.append(word)
        elif word in takes_value:
            skip = True
    return plain


def _command(words: Sequence[str]) -> Command | None:
    """Return the command of a line: the longest one whose words stand first in it, common options aside."""
    plain = _plain(words)
    found = None
    for command in group_of(plain[0]) if plain else ():
        path = command.path.split()
        if plain[: len(path)] == path and (found is None or len(path) > len(found.path.split())):
            found = command
    return found
