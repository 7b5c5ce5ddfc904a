"""The argparse parser made from the table: help, and the words for what is wrong with a line."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from fingerprint import __version__
from fingerprint._io.text import hidden
from fingerprint.cli.options import COMMANDS, GLOBAL, Command, Option
from fingerprint.cli.output import warn, write_data
from fingerprint.cli.parser import Arguments, convert
from fingerprint.cli.remedy_commands import program
from fingerprint.errors import EXIT_USAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ABOUT = "Tells whether this is still the machine that registered, which rule decided, and why."
_CODES = """exit codes:
  0 same machine, fine    1 differs, or a finding    2 usage    3 cannot tell
  4 refused without --yes    5 refused by the service    6 service unreachable
  130 interrupted    141 the reader of the answer is gone, as with `| head`

Start with `fingerprint check`. Every command takes the options above, before or after its name."""
_GROUPS = {
    "credentials": "look at this machine's sources of AWS credentials",
    "fleet": "look at whole fleets: verdicts, thresholds, drift, clones",
    "image": "prepare a golden image: what must not be in it",
    "threshold": "read or replace the similarity threshold",
    "vault": "look at the vault, or clear it",
}


class _Parser(argparse.ArgumentParser):
    # The line that is parsed.
    words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        for word in self.words:
            # A URL with a password or a token where none belongs, or after a misspelt option.
            named = word.partition("=")[2] if word.startswith("-") and "=" in word else word
            if "@" in named or "://" in named:
                message = message.replace(named, hidden(named)).replace(repr(named)[1:-1], hidden(named))
        found = re.fullmatch("argument (?:.*/)?(--[a-z-]+): not allowed with argument (?:.*/)?(--[a-z-]+)", message)
        if found:
            message = f"{found[2]} and {found[1]} are mutually exclusive"
        started = f"{program()}{self.prog.removeprefix(self.prog.split()[0])}"
        self.exit(EXIT_USAGE, f"{message}\nTry: {started} --help")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            warn(message)
        raise SystemExit(status)

    def _print_message(self, message: str, _file: object = None) -> None:
        # All that comes here is an answer: help and versions. That it cannot be written is told as of any other one.
        write_data(message.rstrip("\n"))


def parse_or_explain(words: list[str]) -> Arguments:
    """Return the parsed line, or print help or what is wrong and raise SystemExit (0 or 2)."""
    _Parser.words = words
    values = vars(_parser().parse_args(words))
    command = values.pop("command", None)
    if command is None:
        _parser().error("a command is missing")
    # They may stand on both sides of the command, each in a group of its own.
    if "root" in values and "snapshot" in values:
        _parser().error("--root and --snapshot are mutually exclusive")
    return Arguments(command, values)


def _parser() -> argparse.ArgumentParser:
    common = _common(())
    form = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        prog="fingerprint", description=_ABOUT, epilog=_CODES, parents=[common], formatter_class=form,
        allow_abbrev=False,
    )  # fmt: skip
    top.add_argument("--version", action="version", version=f"fingerprint {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        *group, name = command.path.split()
        into = commands
        if group:
            if group[0] not in groups:
                text = _GROUPS[group[0]]
                page = commands.add_parser(group[0], help=text, description=text, parents=[common], allow_abbrev=False)
                groups[group[0]] = page.add_subparsers(
                    metavar="COMMAND", title="commands", parser_class=_Parser, required=True
                )
            into = groups[group[0]]
        page = into.add_parser(
            name, help=command.text, description=_description(command), epilog=_examples(command),
            parents=[_common(command.options)], formatter_class=form, allow_abbrev=False,
        )  # fmt: skip
        page.set_defaults(command=command)
        for name, kind, choices, text in command.positionals:
            nargs = "+" if kind == "several" else None
            page.add_argument(name, help=text, type=_typed(kind, choices), metavar=name, nargs=nargs)
        for option in command.options:
            _add(page, option)
    return top


def _common(own: tuple[Option, ...]) -> _Parser:
    """Return the options of every command but those for which a command has its own."""
    common = _Parser(add_help=False, allow_abbrev=False)
    choice = common.add_mutually_exclusive_group()
    flags = {option.flag for option in own}
    for option in GLOBAL:
        if option.flag not in flags:
            _add(choice if option.flag in ("--root", "--snapshot") else common, option)
    return common


def _add(parser: Any, option: Option) -> None:
    text = option.text
    if option.choices:
        default = f" (default: {option.default})" if option.default is not None else ""
        text += f": {' or '.join(option.choices)}{default}"
    if not option.metavar:
        parser.add_argument(option.flag, action="store_true", help=text, default=argparse.SUPPRESS)
        return
    names = [option.short, option.flag] if option.short else [option.flag]
    parser.add_argument(
        *names, metavar=option.metavar, help=text, type=_typed(option.kind, option.choices), default=argparse.SUPPRESS
    )


def _typed(kind: str, choices: tuple[str, ...]) -> Any:
    def value(word: str) -> Any:
        converted = convert(word, kind, choices)
        if converted is None:
            wanted = (
                f"one of {', '.join(choices)}"
                if choices
                else {"integer": "an integer"}.get(kind, "a number of seconds, more than 0 and at most 86400")
            )
            raise argparse.ArgumentTypeError(f"{word!r} is not {wanted}")
        return converted

    return value


def _description(command: Command) -> str:
    text = command.text[0].upper() + command.text[1:] + "."
    return f"{text}\n\n{command.about}" if command.about else text


def _examples(command: Command) -> str | None:
    if not command.examples:
        return None
    return "examples:\n" + "\n".join(f"  {line}\n      {text}" for line, text in command.examples)
