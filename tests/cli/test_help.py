"""Help, suggestions and manual pages: all made from the same tables, and short enough to read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import environment, run
from fingerprint.cli.help import help_of
from fingerprint.cli.overview import overview
from fingerprint.cli.table import GROUPS, NOUNS, all_commands
from paths import TOOLS

COMMANDS = all_commands()
PATHS = [command.path for command in COMMANDS]
WORDS = [word for _, _, words in GROUPS for word in words]


def test_the_first_page_has_about_twenty_words_in_six_groups(tmp_path: Path) -> None:
    text = run("--help", env=environment(tmp_path)).stdout
    assert len(GROUPS) == 6
    assert len(WORDS) == len(set(WORDS)) <= 22
    for title, _, words in GROUPS:
        assert f"\n{title}:\n" in text
        for word in words:
            assert re.search(rf"^  {word} +\S", text, re.MULTILINE), word
    for answer in (run("-h", env=environment(tmp_path)), run("help", env=environment(tmp_path))):
        assert (answer.returncode, answer.stdout) == (0, text)


def test_every_command_is_in_the_group_of_its_first_word() -> None:
    assert {path.split()[0] for path in PATHS} == set(WORDS)
    assert {path.split()[0] for path in PATHS if " " in path} - {"diagnose", "guard"} == set(NOUNS)
    assert len(PATHS) == len(set(PATHS))


@pytest.mark.parametrize("path", PATHS)
def test_a_line_of_help_is_short_and_begins_with_a_verb(path: str) -> None:
    text = next(command.text for command in COMMANDS if command.path == path)
    assert len(text) <= 60
    assert text[0].islower()
    assert not text.endswith(".")
    assert text.split()[0] not in ("do", "be", "stay", "which", "the", "what", "how", "a", "an")


@pytest.mark.parametrize("columns", ["40", "60", "80", "120"])
@pytest.mark.parametrize("path", ["", *PATHS, *NOUNS])
def test_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, path: str, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text, _, examples = (help_of(path) if path else overview()).partition("examples:\n")
    usage, _, text = text.partition("\n")
    assert len(usage) < 70
    # Usage and examples are one line each; what is one word cannot be broken.
    long = [line for line in text.splitlines() if len(line) > int(columns) and len(line.split(" ")) > 1]
    assert not long
    assert len(examples) == 0 or path in PATHS
    if columns == "120" and path in PATHS:
        about = next(command.about for command in COMMANDS if command.path == path)
        assert " ".join(about.split()) in " ".join(text.split())


@pytest.mark.parametrize(("columns", "widest"), [("0", 80), ("abc", 80), ("-5", 40), ("20", 40), ("9" * 30, 120)])
@pytest.mark.parametrize("words", ["--help", "vault --help", "help vault restore"])
def test_an_odd_width_is_brought_within_limits(tmp_path: Path, columns: str, widest: int, words: str) -> None:
    done = run(*words.split(), env=environment(tmp_path, COLUMNS=columns), stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    longest = max(len(line) for line in done.stdout.partition("examples:\n")[0].splitlines()[1:])
    assert widest - 50 < longest <= widest


@pytest.mark.parametrize("path", [*PATHS, *NOUNS])
def test_help_of_a_command_is_its_own_page(tmp_path: Path, path: str) -> None:
    asked = run("help", *path.split(), env=environment(tmp_path))
    page = run(*path.split(), "--help", env=environment(tmp_path))
    assert (asked.returncode, page.returncode) == (0, 0)
    assert asked.stdout == page.stdout
    assert page.stdout.startswith(f"usage: fingerprint {path}")


def test_help_for_what_is_no_command_is_a_usage_error(tmp_path: Path) -> None:
    done = run("help", "no", "such", env=environment(tmp_path))
    assert done.returncode == 2
    assert "no such command: no such" in done.stderr


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("chek", "check"), ("diagnos", "diagnose"), ("vaul show", "vault"), ("vault shwo", "vault show"),
        ("init", "vault init"), ("restore 3", "vault restore"), ("prometheus", "monitor prometheus"),
        ("check --outptu json", "--output"), ("whatif --evnt reboot", "--event"), ("--vualt x check", "--vault"),
        ("fleet chek x", "fleet check"), ("diagnose log a.log", "diagnose logs"), ("verify", "vault verify"),
        ("help chek", "check"), ("help vault shwo", "vault show"), ("help process", "credentials process"),
    ],
)  # fmt: skip
def test_a_mistake_prints_a_suggestion(tmp_path: Path, line: str, meant: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert done.returncode == 2
    assert f"Did you mean: {meant}\n" in done.stderr
    assert "choose from" not in done.stderr
    assert "\\x0a" not in done.stderr


@pytest.mark.parametrize("line", ["zzzzzz", "check --zzzzzz", "vault zzzzzz"])
def test_what_is_like_nothing_gets_no_suggestion(tmp_path: Path, line: str) -> None:
    done = run(*line.split(), env=environment(tmp_path))
    assert done.returncode == 2
    assert "Did you mean" not in done.stderr
    assert "zzzzzz" in done.stderr


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_a_noun_alone_names_what_follows_it(tmp_path: Path, noun: str) -> None:
    done = run(noun, env=environment(tmp_path))
    assert done.returncode == 2
    for path in PATHS:
        first, _, second = path.partition(" ")
        if first == noun:
            assert second in done.stderr


@pytest.mark.parametrize(
    "words", [["explain", "a.json"], ["explain", "a", "b", "c"], ["explain", "--before", "a", "b"]]
)
def test_explain_takes_two_snapshots_or_none(tmp_path: Path, words: list[str]) -> None:
    assert run(*words, env=environment(tmp_path)).returncode == 2


@pytest.mark.parametrize("option", [["--before", "a"], []])
def test_explain_refuses_what_does_not_go_together(tmp_path: Path, option: list[str]) -> None:
    words = ["a", "b", *option] if option else ["--threshold", "50"]
    done = run("explain", *words, env=environment(tmp_path))
    assert done.returncode == 2
    assert ("mutually exclusive" if option else "requires A and B") in done.stderr


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, str(TOOLS / "man_pages.py"), str(directory)], check=True)
    return directory


@pytest.mark.skipif(not TOOLS.is_dir(), reason="the sources are not here")
def test_every_command_has_a_manual_page_with_all_its_options(manual: Path) -> None:
    names = {f"fingerprint-{path.replace(' ', '-')}.1" for path in PATHS}
    assert {path.name for path in manual.iterdir()} == {"fingerprint.1", *names}
    for command in COMMANDS:
        text = (manual / f"fingerprint-{command.path.replace(' ', '-')}.1").read_text().replace("\\-", "-")
        for option in command.options:
            assert option.flag in text, command.path
        for line, _ in command.examples:
            assert line in text.replace("\\(aq", "'").replace("\\`", "`").replace("\\e", "\\")


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_renders_every_page_without_a_warning(manual: Path) -> None:
    for path in sorted(manual.iterdir()):
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", str(path)], capture_output=True, text=True, check=True,
            env={**os.environ, "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.stderr == "", path.name
        assert "NAME" in done.stdout
