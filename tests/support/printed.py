"""Find our commands in printed text or a JSON answer, and parse them as a shell does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import Any, NamedTuple

from fingerprint.cli.options import GLOBAL
from fingerprint.cli.table import all_commands

THERE = ("on that machine: ", "on that machine): ")
# Where a command may begin: on a separate line, after a colon, in backquotes or in brackets.
_BEGIN = re.compile(r"(?:^[ \t]*(?:\d+\) |- )?|(?<=: )|(?<=`)|(?<=\())(?=\S)", re.MULTILINE)
_WORD = re.compile(r"""(?:\$'(?:[^'\\]|\\.)*'|'[^']*'|"[^"]*"|[^\s'"`)])+""")
_OPTIONS = {
    name: option for c in all_commands() for option in (*GLOBAL, *c.options) for name in (option.flag, option.short)
}


class Printed(NamedTuple):
    """One printed command.

    Attributes:
        line: as it is printed, to be given to a shell.
        environment: the variables that it sets.
        by_root: whether it is started by sudo.
        program: the words that start the program.
        target: --vault, --root and --snapshot, by name.
        path: the words of the command, such as "vault restore".
        words: the command, its options and arguments, without the target: what to run on the machine itself.
        there: whether it is printed as a command for that machine, not for this one.
    """

    line: str
    environment: dict[str, str]
    by_root: bool
    program: tuple[str, ...]
    target: dict[str, str]
    path: str
    words: tuple[str, ...]
    there: bool


def commands_in(text: Any) -> list[Printed]:
    """Return each of our commands in a string, or in the strings of a JSON answer, in order."""
    if isinstance(text, dict):
        return [found for value in text.values() for found in commands_in(value)]
    if isinstance(text, (list, tuple)):
        return [found for value in text for found in commands_in(value)]
    if not isinstance(text, str):
        return []
    found, end = [], 0
    for begin in _BEGIN.finditer(text):
        if begin.end() >= end:
            command, after = _command(text, begin.end())
            if command is not None:
                found.append(command)
                end = after
    return found


def unaimed(text: str) -> list[str]:
    """Return parts of a text that resemble our commands and were not parsed as one: they would lack their target."""
    paths = "|".join(sorted((re.escape(c.path) for c in all_commands()), key=len, reverse=True))
    plain = re.compile(rf"(?<![\w/.-])(?<!-m )(?:sudo )?fingerprint (?:{paths})\b(?! --help)")
    left = text
    for command in commands_in(text):
        left = left.replace(command.line, "", 1)
    # Behind a pipe it reads what comes, on any host: it has no target.
    left = left.replace("| fingerprint diagnose logs -", "")
    return [left[max(0, m.start() - 30) : m.end() + 30] for m in plain.finditer(left)]


def _command(text: str, begin: int) -> tuple[Printed | None, int]:
    at, words = begin, list[str]()
    environment: dict[str, str] = {}

    def peek() -> tuple[str, int, bool]:
        start = at + 1 if words or environment else at
        match = _WORD.match(text, start) if start == at or text[at : at + 1] == " " else None
        if match is None:
            return "", at, True
        raw = match[0]
        # A full stop or comma of the sentence is not part of a word; the dots of a path or of FILE... are.
        bare = raw if raw.endswith(("...", "'", '"')) else raw.rstrip(".,;:")
        return _unquoted(bare), start + len(bare), bare != raw

    def take() -> str:
        nonlocal at
        word, at, _ = peek()
        words.append(word)
        return word

    by_root = peek()[0] == "sudo"
    if by_root:
        take()
        if peek()[0] == "env":
            take()
    while re.match(r"FINGERPRINT_[A-Z]+=", peek()[0]):
        word, at, _ = peek()
        name, _, value = word.partition("=")
        environment[name] = value
    words.clear()
    if by_root or environment:
        words.append("")
    program = [take()]
    if os.path.basename(program[0]) != "fingerprint":
        program += [take()] if peek()[0] == "-I" else []
        program += [take(), take()]
        if program[-2:] != ["-m", "fingerprint"]:
            return None, begin
    target, rest, path = dict[str, str](), list[str](), ""
    left: int | None = None
    done = False
    while not done:
        word, end, done = peek()
        if not word:
            break
        flag, equals, value = word.partition("=")
        option = _OPTIONS.get(flag) if flag.startswith("-") else None
        if option is not None:
            at = end
            if option.metavar and not equals:
                value, at, done = peek()
            if option.flag in ("--vault", "--root", "--snapshot"):
                target[option.flag] = value
            else:
                rest += [flag, value] if option.metavar else [flag]
        elif left is None:
            longer = f"{path} {word}".strip()
            if not any(c.path == longer or c.path.startswith(longer + " ") for c in all_commands()):
                break
            path, at = longer, end
            rest.append(word)
            found = next((c for c in all_commands() if c.path == path), None)
            if found is not None and not any(
                c.path.startswith(f"{path} {peek()[0]}") for c in all_commands() if peek()[0]
            ):
                left = len(found.positionals)
        elif left and (word[0].isdigit() or word.isupper() or "/" in word or "." in word):
            left -= 1
            rest.append(word)
            at = end
        else:
            break
    if left is None:
        return None, begin
    there = text[:begin].removesuffix("`").endswith(THERE)
    printed = Printed(
        text[begin:at], environment, by_root, tuple(program), target, path, tuple(rest), there
    )  # fmt: skip
    return printed, at


def _unquoted(word: str) -> str:
    if "$'" in word:
        # `shlex` does not support this form of quotes, so let a shell expand it.
        done = subprocess.run(["bash", "-c", f"printf '%s.' {word}"], capture_output=True, check=True)
        return os.fsdecode(done.stdout)[:-1]
    try:
        return "".join(shlex.split(word))
    except ValueError:
        return word
