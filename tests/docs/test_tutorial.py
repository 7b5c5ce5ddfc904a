"""docs/tutorial.md says what happens: every command of it is run, and its answer compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tutorial

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "cut", "grep"))), reason="the tutorial is for a shell"
)


@needs_tools
def test_every_command_of_the_tutorial_prints_what_it_shows(tmp_path: Path) -> None:
    tutorial.prepare(tmp_path)
    shell = tutorial.Shell(tmp_path)
    try:
        for _, _, command, answer in tutorial.steps(tutorial.TUTORIAL.read_text()):
            assert shell.run(command) == answer, command
    finally:
        shell.close()


@needs_tools
def test_tutorial_rejects_the_copy_and_keeps_the_original() -> None:
    """The tutorial cannot lose its point by being rewritten."""
    answers = {command: answer for _, _, command, answer in tutorial.steps(tutorial.TUTORIAL.read_text())}
    assert "rule 5: 5 of 9" in answers["clone credentials process"]
    assert "MachineFingerprintDoesNotMatch" in answers["clone credentials process --policy regenerate"]
    assert answers["original credentials process | cut -c 1-14"] == '{"Version":1,"'
    assert "already regenerated" in " ".join(answers["clone explain"].split())
