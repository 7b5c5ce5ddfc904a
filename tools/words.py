"""Find the words of tools/words.txt, which this project does not write.

    python tools/words.py             prints each use in all files, and fails if there is one
    python tools/words.py FILE...     only in these files

In Python it reads comments, docstrings, other strings and the names that a file defines (not those that it only uses);
in other files everything. tools/words-allowed.txt has uses that are right, each with its reason.

Exit code: 0 no use; 1 some, or an allowed use that no longer occurs; 2 a list cannot be used.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
WORDS, ALLOWED = "tools/words.txt", "tools/words-allowed.txt"
# Directories of sources whose names begin with a dot; all others are of tools.
DOTTED = {".ci", ".github"}
GENERATED = {"build", "dist", "results", "site", "__pycache__"}
PYTHON = {".py", ".pyi"}
OTHER = {
    "", ".cfg", ".h", ".html", ".in", ".ini", ".md", ".plist", ".pxd", ".pxi", ".pyx", ".service", ".sh", ".timer",
    ".toml", ".xml", ".yaml", ".yml",
}  # fmt: skip
NAME, PROSE = "name", "prose"
# A string without a blank is a key, an option or a path, so it counts as a name.
KINDS = {"comment": PROSE, "docstring": PROSE, "string": PROSE, "key": NAME, "name": NAME, "test name": NAME,
         "file name": NAME, "text": PROSE}  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# What stands between the words of a phrase: also a line break with the sign of a comment behind it.
_GAP = r"[\s_#*/]+"


_WITH_DOCSTRING = {ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef}
# Which member of a node is a name that it defines. The use of a name is not the place to change it.
_DEFINES = {
    ast.FunctionDef: "name", ast.AsyncFunctionDef: "name", ast.ClassDef: "name", ast.arg: "arg", ast.Name: "id",
    ast.Attribute: "attr", ast.alias: "asname", ast.ExceptHandler: "name", ast.MatchAs: "name", ast.MatchStar: "name",
}  # fmt: skip
_ASSIGNED = {ast.Name, ast.Attribute}


class NotUsable(Exception):
    """What is wrong, with the file and line."""


class Use(NamedTuple):
    """A word that was found.

    Attributes:
        line: from 1.
        kind: one of KINDS.
        word: as words.txt has it.
    """

    line: int
    kind: str
    word: str


class Words:
    """The list of words, and the uses that are allowed.

    Args:
        root: the directory that has both lists below tools/.

    Raises:
        NotUsable: a line of a list has another form.
    """

    def __init__(self, root: Path) -> None:
        self.replacements: dict[str, str] = {}
        self._kinds: dict[str, set[str]] = {}
        for number, line in _lines(root / WORDS):
            head, colon, replacement = line.partition(":")
            head, kinds = head.strip(), {NAME, PROSE}
            if head.endswith((f" {NAME}", f" {PROSE}")):
                head, _, kind = head.rpartition(" ")
                kinds = {kind}
            words = [word.strip() for word in head.split(",")]
            if not colon or not all(words) or not replacement.strip():
                raise NotUsable(f"{WORDS}:{number}: not `WORD, WORD...: REPLACEMENT`: {line}")
            self.replacements |= dict.fromkeys(words, replacement.strip())
            self._kinds |= dict.fromkeys(words, kinds)
        if not self.replacements:
            raise NotUsable(f"{WORDS}: no words")
        either = "|".join(re.escape(word).replace(r"\ ", _GAP) for word in sorted(self.replacements, key=len)[::-1])
        self._words = re.compile(rf"(?<![a-z])(?:{either})(?![a-z])")
        # Splitting off comments is slow: only where a line of one may have a word, or the longest one of a phrase.
        longest = "|".join(sorted({re.escape(max(word.split(), key=len)) for word in self.replacements}))
        self._in_comment = re.compile(f"#.*(?:{longest})", re.IGNORECASE)
        self._allowed = [_allowance(number, line) for number, line in _lines(root / ALLOWED)]
        self._unused = set(range(len(self._allowed)))

    def in_file(self, path: str, text: str) -> list[Use]:
        """Return the uses in a file, by line.

        Args:
            path: from the root, with slashes.
            text: what is in it.

        Raises:
            NotUsable: it is Python with a syntax error.
        """
        allowed = [at for at, (glob, _) in enumerate(self._allowed) if fnmatch.fnmatchcase(path, glob)]
        found = []
        for line, kind, piece in [(1, "file name", path), *self._pieces(path, text)]:
            for at in allowed:
                piece, times = self._allowed[at][1].subn(lambda match: "\n" * match[0].count("\n"), piece)
                if times:
                    self._unused.discard(at)
            plain = _CAMEL.sub(" ", piece).lower()
            for match in self._words.finditer(plain):
                word = re.sub(_GAP, " ", match[0])
                if KINDS[kind] in self._kinds[word]:
                    found.append(Use(line + plain.count("\n", 0, match.start()), kind, word))
        return sorted(found)

    def _pieces(self, path: str, text: str) -> Iterator[tuple[int, str, str]]:
        """Yield the parts of a file that are read: line, kind and text."""
        if Path(path).suffix not in PYTHON:
            yield 1, "text", text
            return
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            raise NotUsable(f"{path}:{error.lineno}: invalid Python: {error.msg}") from None
        if self._in_comment.search(text):
            yield from _comments(text)
        docstrings = set()
        for node in ast.walk(tree):
            kind = type(node)
            if kind in _WITH_DOCSTRING:
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    docstrings.add(first.value)
            if kind is ast.Constant:
                if isinstance(node.value, str):
                    is_key = len(node.value.split()) < 2
                    yield node.lineno, "docstring" if node in docstrings else "key" if is_key else "string", node.value
            elif kind in _DEFINES and (name := getattr(node, _DEFINES[kind])):
                if kind in _ASSIGNED and type(node.ctx) is not ast.Store:
                    continue
                yield node.lineno, "test name" if name.startswith("test_") else "name", name

    def unused(self) -> list[str]:
        """Return the allowances that matched nothing in the files so far."""
        return [f"{self._allowed[at][0]} | {self._allowed[at][1].pattern}" for at in sorted(self._unused)]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise NotUsable(f"cannot open {path}: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _allowance(number: int, line: str) -> tuple[str, re.Pattern[str]]:
    fields = [field.strip() for field in line.split(" | ")]
    if len(fields) != 3 or not all(fields):
        raise NotUsable(f"{ALLOWED}:{number}: not `GLOB | REGULAR EXPRESSION | REASON`: {line}")
    try:
        return fields[0], re.compile(fields[1], re.IGNORECASE)
    except re.error as error:
        raise NotUsable(f"{ALLOWED}:{number}: invalid regular expression: {error}: {fields[1]}") from None


def _comments(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the comments; lines in a row are one, as phrases go over them."""
    begin, lines = 0, []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != begin + len(lines):
                if lines:
                    yield begin, "comment", "\n".join(lines)
                begin, lines = token.start[0], []
            lines.append(token.string)
    if lines:
        yield begin, "comment", "\n".join(lines)


def files(root: Path) -> list[str]:
    """Return the files that are read, as paths from the root with slashes."""
    found = []
    for at, directories, names in os.walk(root):
        directories[:] = [
            each for each in directories
            if each in DOTTED or not (each.startswith(".") or each in GENERATED or each.endswith(".egg-info"))
        ]  # fmt: skip
        for name in names:
            path = Path(at, name)
            if (path.suffix in PYTHON | OTHER and name != "LICENSE") or path.match("schemas/*.json"):
                found.append(path.relative_to(root).as_posix())
    return sorted(found)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="only these files")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except NotUsable as error:
        print(f"words.py: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    root = options.root.resolve()
    words = Words(root)
    only = {Path(os.path.relpath(file, root)).as_posix() for file in options.files}
    known = files(root)
    if unknown := sorted(only - set(known)):
        raise NotUsable(f"not a file that is read: {', '.join(unknown)}")
    count = 0
    for path in sorted(only) or known:
        for use in words.in_file(path, _text(root / path)):
            print(f'{path}:{use.line}: {use.kind}: "{use.word}": {words.replacements[use.word]}')
            count += 1
    # Of some files nothing follows about the allowances of others.
    unused = [] if only else words.unused()
    for allowance in unused:
        print(f"{ALLOWED}: remove the line, which matches nothing: {allowance}")
    return 1 if count or unused else 0


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise NotUsable(f"cannot open {path}: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
