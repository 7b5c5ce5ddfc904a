"""Parsing of well-formed command lines without argparse.

argparse alone would double the start of a check. So a line that is right is parsed here, and any
other one (a question for help, a mistake, an abbreviation) goes to the argparse parser made from
the same table, which answers as users expect.
"""

from __future__ import annotations

from fingerprint.cli.options import COMMANDS, GLOBAL, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

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


def parse(words: Sequence[str]) -> Arguments | None:
    """Return the parsed line, None when it is not plainly right."""
    command = _command(words)
    if command is None:
        return None
    # A command's own option stands in front of the common one of the same name.
    options = {option.flag: option for option in (*GLOBAL, *command.options)}
    options.update({option.short: option for option in command.options if option.short})
    left = command.path.split()
    values: dict[str, Any] = {}
    positionals: list[str] = []
    rest = iter(words)
    for word in rest:
        if _is_positional(word):
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
            if following is None or not _is_positional(following):
                return None
            value = following
        converted = convert(value, option.kind, option.choices)
        if converted is None:
            return None
        values[option.name] = converted
    several = bool(command.positionals) and command.positionals[-1][1] == "several"
    wanted = len(command.positionals)
    if left or (len(positionals) < wanted if several else len(positionals) != wanted):
        return None
    if several:
        values[command.positionals[-1][0]] = positionals[wanted - 1 :]
        positionals = positionals[: wanted - 1]
    for (name, kind, choices, _), word in zip(command.positionals, positionals, strict=False):
        converted = convert(word, kind, choices)
        if converted is None:
            return None
        values[name] = converted
    if "snapshot" in values and "root" in values:
        return None
    return Arguments(command, values)


def convert(word: str, kind: str, choices: tuple[str, ...]) -> Any:
    """Return a word as the value it stands for, None when it stands for none."""
    if choices:
        return next((one for one in choices if one.casefold() == word.casefold()), None)
    try:
        if kind == "integer":
            return int(word)
        if kind == "seconds":
            seconds = float(word)
            return seconds if 0 < seconds <= 86400 else None
    except ValueError:
        return None
    return word


def _is_positional(word: str) -> bool:
    """Return whether a word is no option: `-` is standard input, and `-1` is a threshold."""
    return not word.startswith("-") or word == "-" or word[1:].isdigit()


def _command(words: Sequence[str]) -> Command | None:
    takes_value = {name for option in _all_options() if option.metavar for name in (option.flag, option.short) if name}
    plain = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif _is_positional(word):
            plain.append(word)
        elif word in takes_value:
            skip = True
    for command in COMMANDS:
        path = command.path.split()
        if plain[: len(path)] == path:
            return command
    return None


def _all_options() -> list[Option]:
    return [*GLOBAL, *(option for command in COMMANDS for option in command.options)]
