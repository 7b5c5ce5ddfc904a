"""Help, and the argparse parser that answers lines which are not well-formed; both come from the tables."""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import Any, NoReturn

from fingerprint import __version__
from fingerprint._io.text import hidden
from fingerprint.cli.options import GLOBAL, Command, Option
from fingerprint.cli.output import write_data
from fingerprint.cli.overview import overview, terminal_width
from fingerprint.cli.parser import Arguments, command_first, convert, is_positional
from fingerprint.cli.remedy_commands import program
from fingerprint.cli.table import NOUNS, all_commands
from fingerprint.errors import UsageError
from fingerprint.guard_units import LONGEST_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Below this a word is no typing error of another one.
_ALIKE = 0.6
# Of more commands than these an option is no hint.
_FEW = 6
# More characters of a word than an error needs.
_LONG = 60


class _Parser(argparse.ArgumentParser):
    # The line that is parsed.
    words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        for word in self.words:
            # A URL with a password or a token where none belongs, or after a misspelt option.
            named = word.partition("=")[2] if word.startswith("-") and "=" in word else word
            if "@" in named or "://" in named:
                message = message.replace(named, hidden(named)).replace(repr(named)[1:-1], hidden(named))
            elif len(named) > _LONG:
                message = message.replace(named, f"{named[:_LONG]}...")
        if re.fullmatch("argument --output: '.*' is not one of text", message, re.DOTALL):
            named = message.removeprefix("argument --output: ").removesuffix(" is not one of text")
            message = f"invalid --output {named}: {self.prog.partition(' ')[2]} prints text only"
        found = re.fullmatch("argument (?:.*/)?(--[a-z-]+): not allowed with argument (?:.*/)?(--[a-z-]+)", message)
        if found:
            message = f"{found[2]} and {found[1]} are mutually exclusive"
        unknown = [flag for flag in _flags(self.words) if not self._takes(flag)] if self.get_default("command") else []
        # First of all: its value may have been taken for an argument.
        message = self._unrecognized(unknown) if unknown else self._in_words(message)
        started = f"{program()}{self.prog.removeprefix(self.prog.split()[0])}"
        raise UsageError(message, remedy=f"Try: {started} --help")

    def _in_words(self, message: str) -> str:
        """Return what is wrong in our words, with what a misspelt command may have meant."""
        noun = self.prog.partition(" ")[2]
        paths = [command.path for command in all_commands()]
        names = [path[len(noun) :].split()[0] for path in paths if path.startswith(noun) and path != noun]
        if message == "the following arguments are required: COMMAND":
            return f"{noun} requires a command: {', '.join(dict.fromkeys(names))}"
        found = re.search(r"argument COMMAND: invalid choice: '(.*)' \(choose from", message, re.DOTALL)
        if found is None:
            return message
        before = self._flag_before(found[1])
        if before:
            # Its value was taken for the command.
            known = any(before in (one.flag, one.short) for command in all_commands() for one in command.options)
            if known:
                return f"{before} is an option of a command and must follow it"
            return self._unrecognized([before])
        return no_such_command(noun, found[1])

    def _flag_before(self, taken: str) -> str:
        """Return the first option before a word that this parser does not know, "" if it knows them all."""
        before = self.words[: self.words.index(taken)] if taken in self.words else ()
        return next((flag for flag in _flags(before) if flag not in self._option_string_actions), "")

    def _takes(self, flag: str) -> bool:
        """Return whether this command has an option, or one that begins with its words."""
        path = self.prog.partition(" ")[2]
        own = (one for command in all_commands() if command.path.startswith(path) for one in command.options)
        return flag in self._option_string_actions or any(flag in (one.flag, one.short) for one in own)

    def _unrecognized(self, words: Sequence[str]) -> str:
        """Return what is wrong with words that nothing takes: of options the names, as a value may be a secret."""
        flags = _flags(words)
        text = f"unrecognized arguments: {' '.join(flags or (word or repr(word) for word in words))}"
        owners = [c.path for c in all_commands() for o in c.options if flags and flags[0] in (o.flag, o.short)]
        if 0 < len(owners) < _FEW:
            return f"{text}\n{flags[0]} is an option of: {', '.join(owners)}"
        alike = _alike(flags[0], [*self._option_string_actions]) if flags else []
        return _suggesting(text, [one for one in alike if one != flags[0]])

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Let the parser of the command itself complain of what it does not know, as it knows what is alike."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unrecognized(unknown))
        return parsed, unknown

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise SystemExit(status)

    def format_help(self) -> str:
        return overview() if self.prog.count(" ") == 0 else super().format_help()

    def _print_message(self, message: str, _file: object = None) -> None:
        # All that comes here is an answer: help and versions. Failing to write it is an error as for any other one.
        write_data(message.rstrip("\n"))


def _flags(words: Sequence[str]) -> list[str]:
    """Return the options among the words of a line, without the values that are part of a word."""
    before = words[: words.index("--")] if "--" in words else words
    options = (word for word in before if not is_positional(word))
    return [word.partition("=")[0] if word.startswith("--") else word[:2] for word in options]


def no_such_command(noun: str, word: str) -> str:
    """Return that a word is no command behind a noun ("" for none), with what it may have meant."""
    if not word:
        return f"no such command: {noun} ''" if noun else "no such command: ''"
    paths = [command.path for command in all_commands()]
    names = [path[len(noun) :].split()[0] for path in paths if path.startswith(noun) and path != noun]
    # A command without the word that it stands behind, such as `init`.
    meant = [path for path in paths if path.partition(" ")[2] == word]
    meant = meant or [f"{noun} {one}".strip() for one in _alike(word, names)]
    return _suggesting(f"no such command: {f'{noun} {word}'.strip()}", meant)


def _suggesting(message: str, meant: Sequence[str]) -> str:
    return f"{message}\nDid you mean: {' or '.join(meant)}" if meant else message


def _alike(word: str, words: Sequence[str]) -> list[str]:
    # Imported here: only a mistake needs it.
    from difflib import get_close_matches

    return get_close_matches(word, words, 1, _ALIKE)


def parse_or_explain(words: list[str]) -> Arguments:
    """Return the parsed line, or print help and raise SystemExit.

    Raises:
        UsageError: what is wrong with the line.
        SystemExit: help was printed.
    """
    words = [*command_first(words)]
    _Parser.words = words
    pages = _pages()
    values = vars(pages[""].parse_args(words))
    command = values.pop("command", None)
    if command is None:
        pages[""].error("a command is missing")
    page = pages[command.path]
    # They may stand on both sides of the command, each in a group of its own.
    if "root" in values and "snapshot" in values:
        page.error("--root and --snapshot are mutually exclusive")
    for option in command.options:
        value = values.get(option.name)
        # One before the command was read as the common option of this name.
        if value is not None and option.choices and value not in option.choices:
            page.error(f"argument {option.flag}: {_not_one_of(value, option.choices)}")
    given = [values.get(name) for name, *_ in command.positionals]
    if command.optional and any(one is None for one in given) and any(one is not None for one in given):
        names = " ".join(name for name, *_ in command.positionals)
        page.error(f"{command.path} takes {names}, or none of them")
    return Arguments(command, values)


def help_of(path: str) -> str:
    """Return the help page of a command, or of a word before several commands; "" for no such command."""
    page = _pages().get(path)
    return page.format_help() if page is not None else ""


def _pages() -> dict[str, argparse.ArgumentParser]:
    """Return a parser for each command and each word before several: "", "vault", "vault show", ..."""
    common = _common(())
    form = _Form
    top = _Parser(prog="fingerprint", parents=[common], formatter_class=form, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"fingerprint {__version__}")
    pages: dict[str, argparse.ArgumentParser] = {"": top}
    below: dict[str, Any] = {
        "": top.add_subparsers(prog="fingerprint", metavar="COMMAND", title="commands", parser_class=_Parser)
    }
    for command in all_commands():
        noun, _, name = command.path.rpartition(" ")
        if noun not in below:
            if noun not in pages:
                pages[noun] = below[""].add_parser(
                    noun, usage=f"fingerprint {noun} [OPTIONS] COMMAND ...", parents=[common], formatter_class=form,
                    description=_folded(_sentence(NOUNS[noun]), terminal_width()), allow_abbrev=False,
                )  # fmt: skip
            own = noun not in NOUNS
            below[noun] = pages[noun].add_subparsers(
                prog=f"fingerprint {noun}", metavar="COMMAND", title="commands", parser_class=_Parser,
                required=not own,
            )  # fmt: skip
        page = below[noun].add_parser(
            name, usage=_usage(command), description=_description(command), epilog=_examples(command),
            help=command.text, parents=[_common(command.options)], formatter_class=form, allow_abbrev=False,
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
            wanted = {"integer": "an integer", "limit": f"an integer from 1 to {LONGEST_LIMIT} (seconds)"}.get(
                kind, "a number of seconds, more than 0 and at most 86400"
            )
            raise argparse.ArgumentTypeError(_not_one_of(word, choices) if choices else f"{word!r} is not {wanted}")
        return converted

    return value


def _not_one_of(word: str, choices: Sequence[str]) -> str:
    return f"{word!r} is not one of {', '.join(choices)}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _usage(command: Command) -> str:
    """Return the line of its words: argparse's own one has all options, and does not fit a narrow terminal."""
    arguments = " ".join(f"{name} ..." if kind == "several" else name for name, kind, _, _ in command.positionals)
    if any(one.path.startswith(f"{command.path} ") for one in all_commands()):
        arguments = "[COMMAND ...]"
    elif command.optional:
        arguments = f"[{arguments}]"
    return f"fingerprint {command.path} [OPTIONS] {arguments}".rstrip()


def _description(command: Command) -> str:
    width = terminal_width()
    text = _folded(_sentence(command.text), width)
    return f"{text}\n\n{_folded(command.about, width)}" if command.about else text


def _folded(text: str, width: int) -> str:
    """Return a text with lines of a width; of its own line breaks those stay that follow a full stop."""
    parts = [part.replace("\n", " ") for part in re.split(r"(?<=\.)\n", text)]
    wrap = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False, replace_whitespace=False)
    return "\n".join(line for part in parts for line in wrap.wrap(part))


def _examples(command: Command) -> str | None:
    if not command.examples:
        return None
    return "examples:\n" + "\n".join(f"  {line}\n      {text}" for line, text in command.examples)


class _Form(argparse.RawDescriptionHelpFormatter):
    """As wide as the first page: argparse's own one has no limits."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=terminal_width())
