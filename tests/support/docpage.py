"""Runs the `python` and `sh` blocks of a page of docs/, in order and in one directory, as its reader would.

A line of Python that ends with `# -> VALUE` must give that value. A block after `<!-- not run: REASON -->` is left out.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paths import DOCS

_WANTED = re.compile(r"# -> (.+)$")
_LEFT_OUT = re.compile(r"<!-- not run: (.+) -->")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: "python" or "sh".
        text: what is in it.
        line: the number of its first line, from 1.
        left_out: why it is not run, "" if it is.
    """

    language: str
    text: str
    line: int
    left_out: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page that are code."""
    lines = page.splitlines()
    at = 0
    while at < len(lines):
        language = lines[at].removeprefix("```") if lines[at].startswith("```") else None
        at += 1
        if language is None:
            continue
        begin = at
        while lines[at] != "```":
            at += 1
        note = _LEFT_OUT.fullmatch(lines[begin - 2]) if begin > 1 else None
        if language in ("python", "sh"):
            yield Block(language, "\n".join(lines[begin:at]), begin + 1, note[1] if note else "")
        at += 1


class Page:
    """A page whose code blocks are run.

    Args:
        name: the file below docs/.
        directory: where its commands run.
    """

    def __init__(self, name: str, directory: Path) -> None:
        self.path = DOCS / name
        self.blocks = list(blocks(self.path.read_text("utf-8")))
        self._directory = directory
        self._names: dict[str, Any] = {"__name__": "__page__"}

    def run(self, block: Block) -> None:
        """Run a block.

        Raises:
            AssertionError: a command fails, or a value differs.
        """
        if block.language == "sh":
            self._shell(block)
        else:
            self._python(block)

    def _python(self, block: Block) -> None:
        tree = ast.parse(block.text)
        ast.increment_lineno(tree, block.line - 1)
        lines = block.text.splitlines()
        for statement in tree.body:
            wanted = _WANTED.search(lines[(statement.end_lineno or 0) - block.line])
            if not wanted:
                exec(compile(ast.Module([statement], []), str(self.path), "exec"), self._names)
                continue
            assert isinstance(statement, ast.Expr), f"{self.path}:{statement.lineno}: only an expression has a value"
            found = eval(compile(ast.Expression(statement.value), str(self.path), "eval"), self._names)
            assert repr(found) == wanted[1], f"{self.path}:{statement.lineno}: it is {found!r}"

    def _shell(self, block: Block) -> None:
        tools = os.path.dirname(sys.executable)
        environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(self._directory)}
        done = subprocess.run(
            ["sh", "-e", "-c", block.text],
            cwd=self._directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{self.path}:{block.line}: {done.stdout}{done.stderr}"
        # `|| echo` hides a usage error from the shell, not from the reader.
        assert "exit code 2" not in done.stdout, f"{self.path}:{block.line}: {done.stdout}{done.stderr}"
