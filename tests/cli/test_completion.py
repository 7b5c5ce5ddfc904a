"""Completion: a shell asks the printed script what may follow each line."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from commandline import run
from fingerprint.attributes.events import EVENTS
from fingerprint.cli.options import GLOBAL
from fingerprint.cli.table import GROUPS, NOUNS, all_commands

COMMANDS = all_commands()
WORDS = [word for _, _, words in GROUPS for word in words]
FILES = ["a b.json", "x.log", "sub", "a dir"]
DIRECTORIES = ["sub", "a dir"]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).mkdir() if name in DIRECTORIES else (tmp_path / name).write_text("")
    return tmp_path


def completed(lines: list[str], workdir: Path) -> dict[str, list[str]]:
    """Return what bash offers for the last word of each line; words are split as readline does it."""
    script = [run("completion", "bash").stdout]
    for line in lines:
        words = re.findall(r"=|[^\s=]+", f"fingerprint {line}")
        if line[-1:] in ("", " ", "="):
            words += [] if line.endswith("=") else [""]
        typed = " ".join(f"'{word}'" for word in words)
        script.append(
            f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; COMPREPLY=(); _fingerprint\n"
            "printf '%s\\n' \"${COMPREPLY[@]}\"; echo '--end--'"
        )
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(script)], capture_output=True, text=True, check=True, cwd=workdir
    )
    assert done.stderr == ""
    answers = [[word for word in part.splitlines() if word] for part in done.stdout.split("--end--\n")]
    return dict(zip(lines, answers, strict=False))


def test_bash_offers_what_may_follow_each_word(workdir: Path) -> None:
    expected = {"": WORDS, "help ": WORDS, "diagnose ": ["logs"], "help vault re": [], "check ": []}
    for noun in NOUNS:
        below = [command.path.split()[1] for command in COMMANDS if command.path.startswith(f"{noun} ")]
        expected.update({f"{noun} ": below, f"help {noun} ": below, f"--vault=/x --reveal {noun} ": below})
    expected["help vault re"] = ["repair", "restore", "rebaseline", "reset"]
    assert completed([*expected], workdir) == expected


def test_bash_offers_the_options_of_each_command_once(workdir: Path) -> None:
    own = {f"{command.path} -": command for command in COMMANDS}
    for line, offered in completed([*own], workdir).items():
        flags = {name for option in own[line].options for name in (option.flag, option.short) if name}
        assert set(offered) == flags | {option.flag for option in GLOBAL} | {"--help"}, line
        assert len(offered) == len(set(offered)), line


@pytest.mark.parametrize("between", [" ", "="])
def test_bash_offers_the_values_of_each_option(workdir: Path, between: str) -> None:
    expected: dict[str, list[str]] = {}
    for command in COMMANDS:
        for option in (*GLOBAL, *command.options):
            if option.metavar and not (option.flag in ("--event", "--tolerate", "--reject")
                                       or option.metavar in ("CONDITIONS", "SYSTEM")):  # fmt: skip
                values = DIRECTORIES if option.files == "directory" else FILES if option.files else []
                expected[f"{command.path} {option.flag}{between}"] = sorted(option.choices or values)
    expected |= {f"monitor units --system{between}": ["launchd", "systemd", "windows"]}
    expected |= {f"whatif --event{between}": sorted(event.name for event in EVENTS)}
    found = completed([*expected], workdir)
    assert {line: sorted(words) for line, words in found.items()} == expected


def test_bash_offers_files_for_each_command_that_takes_them(workdir: Path) -> None:
    expected: dict[str, list[str]] = {}
    for command in COMMANDS:
        for name, kind, choices, _ in command.positionals if command.path not in ("help", "diagnose") else ():
            several = kind in ("text", "several") and not choices
            files = DIRECTORIES if name == "DIR" else FILES if several else choices
            expected[f"{command.path} --reveal "] = sorted(files)
            if several and name != "DIR":
                expected[f"{command.path} x.log a"] = ["a b.json", "a dir"]
    assert len(expected) > 12
    found = completed([*expected], workdir)
    assert {line: sorted(words) for line, words in found.items()} == expected


def test_fish_asks_for_both_words_of_a_command() -> None:
    """One of them alone is that of other commands, too: `check`, `image check` and `fleet check`."""
    script = run("completion", "fish").stdout
    for command in COMMANDS:
        first, _, second = command.path.partition(" ")
        for option in command.options:
            line = next(
                (
                    one for one in script.splitlines()
                    if f" -l {option.flag[2:]} " in one and f"seen_subcommand_from {first}" in one
                    and (not second or f"; and __fish_seen_subcommand_from {second}'" in one)
                ),
                "",
            )  # fmt: skip
            assert line, (command.path, option.flag)
    for noun in (*NOUNS, *WORDS):
        assert re.search(rf"use_subcommand -a {noun} -d '", script), noun


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script(workdir: Path) -> None:
    script = "autoload -U compinit && compinit -u\n" + run("completion", "zsh").stdout
    done = subprocess.run(
        ["zsh", "-f", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(workdir)},
    )
    assert done.stderr == ""
