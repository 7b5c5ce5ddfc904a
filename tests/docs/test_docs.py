"""The code of a page of docs/ runs and gives what the page says, in the order of the page."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

import docpage

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

OPTIONAL = ("polars", "pandas")
PAGES = {"fleet.md": 1}  # how many blocks are not run


@pytest.mark.skipif(shutil.which("sh") is None, reason="the commands are for a shell")
@pytest.mark.parametrize("name", PAGES)
def test_the_code_of_a_page_does_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = docpage.Page(name, tmp_path)
    missing = []
    for block in page.blocks:
        if block.left_out:
            continue
        lacking = [library for library in OPTIONAL if f"import {library}" in block.text and not find_spec(library)]
        if lacking:
            missing.append(f"{name}:{block.line} needs {', '.join(lacking)}")
            continue
        page.run(block)
    assert sum(bool(block.left_out) for block in page.blocks) == PAGES[name]
    assert len(page.blocks) > PAGES[name] + 4
    if missing:
        pytest.skip(f"all else passed, but {', '.join(missing)}")


PAGE = """\
Text.

```python
x = 6
x * 7  # -> 42
```
<!-- not run: it would end the world -->
```sh
false
```
```yaml
a: b
```
```sh
echo here > file
```
"""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> docpage.Page:
    monkeypatch.setattr(docpage, "DOCS", tmp_path)
    (tmp_path / "page.md").write_text(PAGE)
    return docpage.Page("page.md", tmp_path)


def test_blocks_are_found_with_their_lines(page: docpage.Page, tmp_path: Path) -> None:
    assert [(block.language, block.line, block.left_out) for block in page.blocks] == [
        ("python", 4, ""), ("sh", 9, "it would end the world"), ("sh", 15, ""),
    ]  # fmt: skip
    page.run(page.blocks[0])
    page.run(page.blocks[2])
    assert (tmp_path / "file").read_text() == "here\n"


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [("python", "1 + 1  # -> 3", "page.md:7: it is 2"), ("python", "x = 1  # -> 1", "only an expression"),
     ("sh", "false\ntrue", "page.md:7"), ("sh", "(exit 2) || echo exit code $?", "page.md:7")],
)  # fmt: skip
def test_block_with_another_result_fails(page: docpage.Page, language: str, text: str, said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        page.run(docpage.Block(language, text, 7, ""))
