"""Links between the pages: each leads to a file, and to a heading of it, that is there."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from paths import ROOT

PAGES = sorted(
    page
    for place in (".", "docs", "docs/field", "benchmarks", "benchmarks/fleet")
    for page in (ROOT / place).glob("*.md")
)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_KEPT = frozenset(string.ascii_lowercase + string.digits + "-_")

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the pages are not here")


def links(text: str) -> list[str]:
    """Return where a page's links lead, without those to other hosts."""
    found = _LINK.findall(_FENCED.sub("", text))
    return [link for link in found if "://" not in link and not link.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    found: dict[str, int] = {}
    for line in _FENCED.sub("", text).splitlines():
        if line.startswith("#"):
            words = line.lstrip("#").strip().lower().replace(" ", "-")
            anchor = "".join(char for char in words if char in _KEPT or (ord(char) > 127 and char.isalnum()))
            found[anchor] = found.get(anchor, -1) + 1
    return {f"{anchor}-{number}" if number else anchor for anchor, most in found.items() for number in range(most + 1)}


def problem(page: Path, link: str) -> str:
    """Return what is wrong with a link, "" for nothing."""
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_relative_to(ROOT) or not target.exists():
        return f"{link} leads to no file"
    return f"{link} leads to no heading" if anchor and anchor not in anchors(target.read_text()) else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_has_a_target(page: Path) -> None:
    assert [said for link in links(page.read_text()) if (said := problem(page, link))] == []


def test_every_page_of_the_docs_is_linked_from_the_readme() -> None:
    reached, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page.read_text())]
            ahead += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.parent.name == "docs" and page not in reached] == []


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("no.md", "no file"),
        ("page.md#no", "no heading"),
        ("page.md#a-heading--1", ""),
        ("#a-heading--1", ""),
        ("..", "no file"),
    ],
)
def test_broken_link_is_found(link: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A `heading` & (1)\n```\n[x](no.md)\n```\n")
    assert links(page.read_text()) == []
    assert said in problem(page, link)
    assert bool(problem(page, link)) is bool(said)
