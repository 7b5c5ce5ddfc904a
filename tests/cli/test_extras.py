"""How an extra is installed: from the checkout, by the interpreter that runs the program, and never by a name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import fingerprint
from paths import ROOT

PACKAGE = Path(fingerprint.__file__).parent
# Whoever published something under the name would have it installed by our readers.
PUBLISHED = re.compile(r"hardware[-_]fingerprint\s*\[|\b(?:pip3?|pipx|uvx?)\s(?:.*[\s'\"])?hardware[-_]fingerprint\b")
SUFFIXES = {".md", ".py", ".pyx", ".pxi", ".pyi", ".toml", ".ini", ".cfg", ".yml", ".yaml", ".json", ".service",
            ".timer", ".plist", ".xml", ".txt", ".sh", ".h", ""}  # fmt: skip
SKIPPED = {".git", ".tox", "build", "dist", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".venv"}
# A project that needs nothing to be built, so that no network is asked.
CHECKOUT = {
    "pyproject.toml": """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "hardware-fingerprint"
version = "1"
[project.optional-dependencies]
aws = []
fleet = []
""",
    "backend.py": """\
import os, zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "hardware_fingerprint-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("hardware_fingerprint-1.dist-info/METADATA",
                       "Metadata-Version: 2.1\\nName: hardware-fingerprint\\nVersion: 1\\nProvides-Extra: aws\\n")
        wheel.writestr("hardware_fingerprint-1.dist-info/WHEEL",
                       "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("hardware_fingerprint-1.dist-info/RECORD", "")
    return name
build_editable = build_wheel
""",
}


def text_files(root: Path) -> list[Path]:
    found = []
    for directory, directories, names in os.walk(root):
        directories[:] = [name for name in directories if name not in SKIPPED and not name.endswith(".egg-info")]
        found += [Path(directory, name) for name in names if Path(name).suffix in SUFFIXES]
    return found


@pytest.mark.parametrize(
    "text",
    ["pip install 'hardware-fingerprint[aws]'", "pip install hardware-fingerprint", "hardware_fingerprint[spark]",
     "python -m pip install -U hardware-fingerprint", "pipx install hardware-fingerprint", "uvx hardware-fingerprint"],
)  # fmt: skip
def test_the_published_name_would_be_found(text: str) -> None:
    assert PUBLISHED.search(text)


def test_no_remedy_installs_the_published_name() -> None:
    roots = [PACKAGE, *(ROOT / name for name in ("docs", "benchmarks", "native", "bin") if (ROOT / name).is_dir())]
    files = [file for root in roots for file in text_files(root)]
    files += [file for pattern in ("*.md", "*.toml", "*.py", "*.ini") for file in ROOT.glob(pattern)]
    assert {"README.md", "tutorial.md", "extras.py"} <= {file.name for file in files}
    found = [
        f"{file}:{number}: {line.strip()}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1)
        if PUBLISHED.search(line)
    ]
    assert found == []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with blanks and a quote in its name, with an environment and a checkout."""
    directory = tmp_path_factory.mktemp("extras") / "it's a place"
    directory.mkdir()
    subprocess.run([sys.executable, "-m", "venv", directory / "my venv"], check=True)
    # The program alone: beside it may lie what pip noted when it installed the one that is tested.
    (directory / "lib").mkdir()
    (directory / "lib" / "fingerprint").symlink_to(PACKAGE)
    (directory / "my checkout").mkdir()
    for name, text in CHECKOUT.items():
        (directory / "my checkout" / name).write_text(text)
    return directory


def remedy(place: Path, *, without_pip: bool = False) -> str:
    """Return what the program says when an interpreter of this environment runs it."""
    hidden = ("botocore", "pip") if without_pip else ("botocore",)
    script = (
        "import sys, importlib.util as u; real = u.find_spec;"
        f"u.find_spec = lambda name, *a: None if name in {hidden} else real(name, *a);"
        f"sys.path.insert(0, {os.fspath(place / 'lib')!r});"
        "from fingerprint.cli import main; sys.exit(main(['register', '--region', 'eu-west-1']))"
    )
    done = subprocess.run(
        [place / "my venv/bin/python", "-I", "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "FINGERPRINT_STATE": os.fspath(place / "state")},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    return done.stderr


def run(command: str, cwd: Path) -> str:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(["sh", "-c", command], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the command is for a shell of Unix")
def test_the_remedy_installs_the_extra_for_this_interpreter(place: Path) -> None:
    said = remedy(place)
    assert "In a checkout of the sources run: " in said
    output = run(said.partition(" run: ")[2], place / "my checkout")
    assert "Successfully installed hardware-fingerprint-1" in output
    # Now it is known where the program came from, and the command works from everywhere.
    said = remedy(place)
    assert "Run: cd " in said
    output = run(said.partition("Run: ")[2], Path("/"))
    assert "hardware-fingerprint-1" in output
    run(f"{shlex.quote(os.fspath(place / 'my venv/bin/python'))} -m pip install -e .", place / "my checkout")
    assert " install -e '.[aws]'" in remedy(place)
    assert "ensurepip" in remedy(place, without_pip=True)
    # The checkout is gone: nobody is sent there.
    (place / "my checkout/pyproject.toml").rename(place / "my checkout/gone.toml")
    assert "In a checkout of the sources run: " in remedy(place)
