"""Help, and the argparse parser that answers lines which are not well-formed; both come from the tables."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from fingerprint import __version__
from fingerprint._io.text import hidden
from fingerprint.cli.options import GLOBAL, Command, Option
from fingerprint.cli.output import warn, write_data
from fingerprint.cli.overview import overview
from fingerprint.cli.parser import Arguments, convert
from fingerprint.cli.remedy_commands import program
from fingerprint.cli.table import NOUNS, all_commands
from fingerprint.errors import EXIT_USAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Below this a word is no typing error of another one.
_ALIKE = 0.6
# Of more commands than these an option is no hint.
_FEW = 6


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
        message = self._in_words(message)
        started = f"{program()}{self.prog.removeprefix(self.prog.split()[0])}"
        self.exit(EXIT_USAGE, f"{message}\nTry: {started} --help")

    def _in_words(self, message: str) -> str:
        """Return what is wrong in our words, with what a misspelt command or option may have meant."""
        noun = self.prog.partition(" ")[2]
        paths = [command.path for command in all_commands()]
        names = [path[len(noun) :].split()[0] for path in paths if path.startswith(noun) and path != noun]
        if message == "the following arguments are required: COMMAND":
            return f"{self.prog} requires a command: {', '.join(dict.fromkeys(names))}"
        if (
            found := re.search(r"argument COMMAND: invalid choice: '(.*)' \(choose from", message, re.DOTALL)
        ) is not None:
            unknown = [word for word in self.words if word.startswith("--") and self._is_unknown(word)]
            if not noun and unknown:
                # Its value was taken for the command.
                meant = _alike(unknown[0], [*self._option_string_actions])
                return _suggesting(f"unrecognized arguments: {unknown[0]}", meant)
            message = f"no such command: {f'{noun} {found[1]}'.strip()}"
            # A command without the word that it stands behind, such as `init`.
            meant = [path for path in paths if path.partition(" ")[2] == found[1]]
            meant = meant or [f"{noun} {one}".strip() for one in _alike(found[1], names)]
        elif (found := re.search(r"unrecognized arguments: (--?[\w-]+)", message)) is not None:
            owners = [c.path for c in all_commands() for o in c.options if found[1] in (o.flag, o.short)]
            if 0 < len(owners) < _FEW:
                return f"{message}\n{found[1]} is an option of: {', '.join(owners)}"
            meant = _alike(found[1], [*self._option_string_actions])
        else:
            return message
        return _suggesting(message, meant)

    def _is_unknown(self, word: str) -> bool:
        """Return whether no command has an option."""
        flag = word.partition("=")[0]
        return flag not in self._option_string_actions and not any(
            option.flag == flag for command in all_commands() for option in command.options
        )

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let the parser of the command itself complain of what it does not know, as it knows what is alike."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown and self.prog.count(" "):
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        if message:
            warn(message)
        raise SystemExit(status)

    def format_help(self) -> str:
        return overview() if self.prog.count(" ") == 0 else super().format_help()

    def _print_message(self, message: str, _file: object = None) -> None:
        # All that comes here is an answer: help and versions. Failing to write it is an error as for any other one.
        write_data(message.rstrip("\n"))


def _suggesting(message: str, meant: Sequence[str]) -> str:
    return f"{message}\nDid you mean: {' or '.join(meant)}" if meant else message


def _alike(word: str, words: Sequence[str]) -> list[str]:
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches

    return get_close_matches(word, words, 1, _ALIKE)


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
    given = [values.get(name) for name, *_ in command.positionals]
    if command.optional and any(one is None for one in given) and any(one is not None for one in given):
        names = " ".join(name for name, *_ in command.positionals)
        _parser().error(f"{command.path} takes {names}, or none of them")
    return Arguments(command, values)


def help_of(path: str) -> str:
    """Return the help page of a command, or of a word before several commands; "" for no such command."""
    page = _pages().get(path)
    return page.format_help() if page is not None else ""


def _parser() -> argparse.ArgumentParser:
    return _pages()[""]


def _pages() -> dict[str, argparse.ArgumentParser]:
    """Return a parser for each command and each word before several: "", "vault", "vault show", ..."""
    common = _common(())
    form = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="fingerprint", parents=[common], formatter_class=form, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"fingerprint {__version__}")
    pages: dict[str, argparse.ArgumentParser] = {"": top}
    below: dict[str, Any] = {"": top.add_subparsers(metavar="COMMAND", title="commands", parser_class=_Parser)}
    for command in all_commands():
        noun, _, name = command.path.rpartition(" ")
        if noun not in below:
            if noun not in pages:
                text = NOUNS[noun]
                pages[noun] = below[""].add_parser(
                    noun, help=text, description=_sentence(text), parents=[common], allow_abbrev=False
                )
            own = noun not in NOUNS
            below[noun] = pages[noun].add_subparsers(
                metavar="COMMAND", title="commands", parser_class=_Parser, required=not own
            )
        page = below[noun].add_parser(
            name, help=command.text, description=_description(command), epilog=_examples(command),
            parents=[_common(command.options)], formatter_class=form, allow_abbrev=False,
        )  # fmt: skip
        page.set_defaults(command=command)
        pages[command.path] = page
        for name, kind, choices, text in command.positionals:
            several, optional = kind == "several", command.optional
            nargs = ("*" if optional else "+") if several else "?" if optional else None
            page.add_argument(name, help=text, type=_typed(kind, choices), metavar=name, nargs=nargs)
        for option in command.options:
            _add(page, option)
    return pages


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


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _description(command: Command) -> str:
    text = _sentence(command.text)
    return f"{text}\n\n{command.about}" if command.about else text


def _examples(command: Command) -> str | None:
    if not command.examples:
        return None
    return "examples:\n" + "\n".join(f"  {line}\n      {text}" for line, text in command.examples)
