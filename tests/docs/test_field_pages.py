"""The pages of docs/field: each command is run, on the machine that it is about, and its output compared."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import field_pages
from field_pages import MORE, PAGES, STUBS, Field, steps
from fingerprint.cli.parser import parse
from paths import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or not all(map(shutil.which, ("bash", "grep", "sed"))),
    reason="the pages are run in a shell",
)
TOOLS = {"fingerprint", "grep", "tail", "sed", "rm", *STUBS}
# What stands for a value, or for more options.
PLACEHOLDERS = {"fingerprint vault restore N", "fingerprint register"}


def ids(page: Path) -> str:
    return page.stem


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_command_of_a_page_prints_what_it_shows(page: Path, tmp_path: Path) -> None:
    field = Field(tmp_path)
    try:
        for step in steps(page.read_text()):
            assert field.run(step) == step.output, (step.machine, step.command)
    finally:
        field.close()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_page_begins_with_the_symptoms(page: Path) -> None:
    head, _, rest = page.read_text().partition("\n## ")
    assert "| you see" in head
    targets = re.findall(r"\]\(#([^)]+)\)", head)
    assert len(targets) >= 3
    assert rest.count("\n## ") + 1 >= len(set(targets))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_page_names_only_programs_that_are_run_or_known(page: Path) -> None:
    for step in steps(page.read_text()):
        for part in step.command.split(" | "):
            words = [word for word in shlex.split(part) if word != "sudo"]
            assert words[0] in TOOLS, step.command


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_in_sentences_are_valid(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for line in re.findall(r"`(?:sudo )?(fingerprint [^`]+)`", prose):
        words = shlex.split(line)
        command = parse(words[1:]).command.path if line not in PLACEHOLDERS else ""
        assert not command or line.startswith(f"fingerprint {command}"), line


def test_an_output_that_changed_is_detected() -> None:
    page = next(page for page in PAGES if page.stem == "proxy")
    changed = field_pages.rewritten(page, lambda step: f"other output\n{MORE}")
    assert changed != page.read_text()
    assert changed.count("other output") == len(list(steps(page.read_text())))


def test_each_page_is_in_the_readme_and_on_the_site() -> None:
    readme, site = (ROOT / "README.md").read_text(), (ROOT / "docs/conf.py").read_text()
    for page in PAGES:
        assert f"(docs/field/{page.name})" in readme
        assert f'"docs/field/{page.stem}"' in site
