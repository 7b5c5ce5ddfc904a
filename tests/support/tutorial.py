"""Run the console blocks of docs/tutorial.md in one shell; as a program, rewrite their output in the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fingerprint.vault.state_keys import real_path, state_key
from paths import DOCS

TUTORIAL = DOCS / "tutorial.md"
_END = "-- end of command --"
# Values that differ in each run.
_MASKS = (
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "1b4e28ba-2fa1-81d2-883f-0016d3cca427"),
    (re.compile(r"(?<=fingerprint )[0-9a-f]{4}…[0-9a-f]{4}\b"), "1b4e…a427"),
    (re.compile(r"mi-[0-9a-f]{17}"), "mi-0c1d2e3f405162738"),
    (re.compile(r"(ACTIVATION_CODE=).*"), r"\1q9Zb4kT1mXw2Lr8sVd3e"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:40123"),
    (re.compile(r"ASIA[0-9A-F]*"), "ASIA"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "2026-11-25T09:00:00Z"),
)  # fmt: skip


def masked(text: str, directory: str = "") -> str:
    """Return a text with the values that differ in each run replaced."""
    if directory:
        text = text.replace(directory, "/home/you")
        text = text.replace(state_key(real_path(directory)), "home-you")
    for pattern, stand_in in _MASKS:
        text = pattern.sub(stand_in, text)
    return text


def steps(text: str) -> Iterator[tuple[int, int, str, str]]:
    """Yield (first line of the answer, line after it, command, answer) for every command of the console blocks."""
    lines = text.splitlines()
    inside, at = False, 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            command = [line[2:]]
            while lines[at].startswith("> "):
                command.append(lines[at][2:])
                at += 1
            begin = at
            while not lines[at].startswith(("$ ", "```")):
                at += 1
            yield begin, at, "\n".join(command), "\n".join(lines[begin:at])


class Shell:
    """A bash that runs one command after another, and returns the output of each."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        tools = os.path.dirname(sys.executable)
        env = {"PATH": f"{tools}:/usr/local/bin:/usr/bin:/bin", "HOME": self.directory, "LC_ALL": "C.UTF-8",
               "AWS_EC2_METADATA_DISABLED": "true"}  # fmt: skip
        self._process = subprocess.Popen(
            ["bash", "--norc"], cwd=directory, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.run("shopt -s expand_aliases")

    def run(self, command: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n__code=$?; printf '\\n{_END}\\n'; (exit $__code)\n")
        self._process.stdin.flush()
        printed = ""
        while not printed.endswith(f"\n{_END}\n"):
            line = self._process.stdout.readline()
            if not line:
                break
            printed += line
        return masked(printed.removesuffix(f"\n{_END}\n"), self.directory).rstrip("\n")

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("kill $(jobs -p) 2>/dev/null\n")
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()


def prepare(directory: Path) -> None:
    """Copy the recordings of the tutorial into a directory."""
    for name in ("original.json", "clone.json"):
        (directory / name).write_bytes((DOCS / "tutorial" / name).read_bytes())


def main() -> None:
    text = TUTORIAL.read_text()
    lines = text.splitlines()
    with tempfile.TemporaryDirectory() as directory:
        prepare(Path(directory))
        shell = Shell(Path(directory))
        answers = [(begin, end, shell.run(command)) for begin, end, command, _ in steps(text)]
        shell.close()
    for begin, end, answer in reversed(answers):
        lines[begin:end] = answer.splitlines()
    TUTORIAL.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
