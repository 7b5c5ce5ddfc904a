"""tools/words.py finds a word wherever people read it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from paths import TOOLS

LIST = """\
told, folder: the other word
vacuous prose: weak check
house name: environment
or not to be read: or unreadable
"""

pytestmark = pytest.mark.skipif(not TOOLS.is_dir(), reason="the tools are not here")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree without any of the words."""
    files = {
        "tools/words.txt": LIST,
        "tools/words-allowed.txt": "",
        "pkg/module.py": '"""A module."""\n\nVALUE = "a value"\n',
        "docs/page.md": "# A page\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOOLS / "words.py"), "--root", str(tree), *words]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def lines_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what was found, without the totals and the replacements."""
    return [": ".join(line.split(": ")[:3]) for line in done.stdout.splitlines() if line.count(": ") > 1]


def test_a_tree_without_the_words_passes(tree: Path) -> None:
    done = run(tree)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("m.py", "x = 1  # it is told\n", '1: comment: "told"'),
        ("m.py", "# one\n# file or not\n# to be read\n", '2: comment: "or not to be read"'),
        ("m.py", '"""It is told."""\n', '1: docstring: "told"'),
        ("m.py", '"""One.\n\nMissing or not to\nbe read.\n"""\n', '3: docstring: "or not to be read"'),
        ("m.py", 'class A:\n    """Told."""\n', '2: docstring: "told"'),
        ("m.py", 'def f():\n    """Told."""\n', '2: docstring: "told"'),
        ("m.py", 'async def f():\n    """Told."""\n', '2: docstring: "told"'),
        ("m.py", 'x = "it is told"\n', '1: string: "told"'),
        ("m.py", 'x = "missing or not " "to be read"\n', '1: string: "or not to be read"'),
        ("m.py", 'x = f"{y} is told"\n', '1: string: "told"'),
        ("m.py", 'x = "the check is vacuous"\n', '1: string: "vacuous"'),
        ("m.py", 'x = "--folder"\n', '1: key: "folder"'),
        ("m.py", 'x = "house"\n', '1: key: "house"'),
        ("m.py", "folder = 1\n", '1: name: "folder"'),
        ("m.py", "self.the_folder = 1\n", '1: name: "folder"'),
        ("m.py", "for folder in x: pass\n", '1: name: "folder"'),
        ("m.py", "def in_folder(): pass\n", '1: name: "folder"'),
        ("m.py", "async def in_folder(): pass\n", '1: name: "folder"'),
        ("m.py", "def f(folder): pass\n", '1: name: "folder"'),
        ("m.py", "class FolderReader: pass\n", '1: name: "folder"'),
        ("m.py", "class HTMLFolder2: pass\n", '1: name: "folder"'),
        ("m.py", "import x as folder\n", '1: name: "folder"'),
        ("m.py", "try: pass\nexcept E as house: pass\n", '2: name: "house"'),
        ("m.py", "match x:\n    case [*_] as folder: pass\n", '2: name: "folder"'),
        ("m.pyi", "FOLDER: int\n", '1: name: "folder"'),
        ("m.py", "def test_it_is_told(): pass\n", '1: test name: "told"'),
        ("the_house.py", "", '1: file name: "house"'),
        ("my-folder.md", "", '1: file name: "folder"'),
        ("p.md", "One\nit is *told*, file or not\nto be read\n", '2: text: "told"'),
        ("p.md", "file or not\nto be read\n", '1: text: "or not to be read"'),
        ("n.pyx", "cdef int x  # told\n", '1: text: "told"'),
        ("n.h", "int x;\n/* told */\n", '2: text: "told"'),
        ("n.h", "/* file or\n * not to be read */\n", '1: text: "or not to be read"'),
        ("pyproject.toml", "# told\n", '1: text: "told"'),
        (".github/workflows/ci.yml", "# told\n", '1: text: "told"'),
        (".ci/run", "# told\n", '1: text: "told"'),
        ("pkg/schemas/a.json", '{"description": "told"}', '1: text: "told"'),
        ("s.service", "Description=told\n", '1: text: "told"'),
    ],
)
def test_word_is_found_in_each_kind_of_text(path: str, text: str, said: str, tree: Path) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)
    done = run(tree)
    assert done.returncode == 1
    assert f"{path}:{said}" in lines_of(done)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("m.py", "x = untold + folderol + retold\n"),
        ("m.py", "x = other.folder(folder=folder)\n"),  # Only used: defined elsewhere.
        ("m.py", "from other import folder\n"),
        ("m.py", "vacuous = 1\n"),
        ("m.py", 'x = "vacuous"\n'),
        ("m.py", "# a house\n"),
        ("m.py", 'x = b"it is told"\n'),
        ("data.json", '"told"'),
        ("build/m.py", "folder = 1\n"),
        (".venv/m.py", "folder = 1\n"),
        ("a.egg-info/m.py", "folder = 1\n"),
        ("LICENSE", "told\n"),
    ],
)
def test_similar_text_passes(path: str, text: str, tree: Path) -> None:
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)
    done = run(tree)
    assert (done.returncode, done.stdout) == (0, "")


def test_allowance_lets_one_use_pass(tree: Path) -> None:
    (tree / "docs/page.md").write_text("I was told\nthat\n\nfolder\n")
    (tree / "tools/words-allowed.txt").write_text("docs/*.md | I was told\\sthat | a quotation\n")
    done = run(tree)
    assert (done.returncode, lines_of(done)) == (1, ['docs/page.md:4: text: "folder"'])
    (tree / "docs/page.md").write_text("I was\n")
    done = run(tree)
    assert done.returncode == 1
    assert "remove the line, which matches nothing: docs/*.md | I was told" in done.stdout


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("tools/words.txt", "told\n", "tools/words.txt:1: not `WORD, WORD...: REPLACEMENT`: told"),
        ("tools/words.txt", "# x\n\ntold:\n", "tools/words.txt:3: not"),
        ("tools/words.txt", "told,: x\n", "tools/words.txt:1: not"),
        ("tools/words.txt", "", "tools/words.txt: no words"),
        ("tools/words-allowed.txt", "* | told\n", "tools/words-allowed.txt:1: not `GLOB"),
        ("tools/words-allowed.txt", "* | ( | why\n", "tools/words-allowed.txt:1: invalid regular expression"),
        ("pkg/module.py", "x = (\n", "pkg/module.py:1: invalid Python"),
    ],
)
def test_a_list_that_cannot_be_used_has_exit_code_2(path: str, text: str, said: str, tree: Path) -> None:
    (tree / path).write_text(text)
    done = run(tree)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_missing_list_has_exit_code_2(tree: Path) -> None:
    (tree / "tools/words.txt").unlink()
    done = run(tree)
    assert (done.returncode, "cannot open" in done.stderr) == (2, True)


def test_an_unknown_file_has_exit_code_2(tree: Path) -> None:
    done = run(tree, "docs/none.md")
    assert (done.returncode, "docs/none.md" in done.stderr) == (2, True)


def test_named_files_are_read_alone(tree: Path) -> None:
    (tree / "docs/page.md").write_text("told\n")
    (tree / "docs/other.md").write_text("told\n")
    (tree / "tools/words-allowed.txt").write_text("docs/third.md | told | a quotation\n")
    done = run(tree, "docs/page.md")
    assert (done.returncode, done.stdout) == (1, 'docs/page.md:1: text: "told": the other word\n')
    done = run(tree, "pkg/module.py")
    assert (done.returncode, done.stdout) == (0, "")


def test_each_word_of_the_list_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("words", TOOLS / "words.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "words", module)
    spec.loader.exec_module(module)
    words = module.Words(TOOLS.parent)
    assert len(words.replacements) > 50
    for word in words.replacements:
        found = words.in_file("m.py", f"# a {word} b\n") + words.in_file("m.py", f"{word.replace(' ', '_')} = 1\n")
        assert {use.word for use in found} == {word}
