"""The installed program runs nothing of the caller's environment: a built and installed wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import fingerprint
from fingerprint.testing.machines import unix_snapshot
from paths import ROOT

PACKAGE = Path(fingerprint.__file__).parent
VERSION = f"fingerprint {fingerprint.__version__}\n"
# Modules that Python imports by itself, that the program imports at once or later, and the program.
PLANTED = ("sitecustomize", "usercustomize", "json", "re", "argparse", "logging", "random", "fingerprint")

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="the scripts are for Unix"),
    pytest.mark.skipif(not (ROOT / "setup.py").is_file(), reason="the sources are not here"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel out of our setup.py, whose native modules are those that are tested: compiling them takes a minute."""
    sources = tmp_path_factory.mktemp("wheel")
    for name in ("setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, sources)
    shutil.copytree(ROOT / "bin", sources / "bin")
    shutil.copytree(PACKAGE, sources / "fingerprint", ignore=shutil.ignore_patterns("__pycache__"))
    project = (ROOT / "pyproject.toml").read_text()
    assert '["py.typed"' in project
    (sources / "pyproject.toml").write_text(project.replace('["py.typed"', '["*.so", "py.typed"'))
    (sources / "Cython").mkdir()
    (sources / "Cython" / "__init__.py").touch()
    (sources / "Cython" / "Build.py").write_text("def cythonize(*_, **__):\n    return []\n")
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, '.'); exec(open('setup.py').read())", "-q",
         "bdist_wheel"], cwd=sources, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = (sources / "dist").iterdir()
    return built


def pip(*words: str | Path, **env: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed by pip into an environment with a blank in its path."""
    place = tmp_path_factory.mktemp("installed") / "an environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip("--python", place, "install", "-q", "--no-index", "--no-deps", wheel)
    return place / "bin" / "fingerprint"


def evil(tmp_path: Path) -> dict[str, Any]:
    """Return a directory to run in, and an environment that brings code with it; what runs of it leaves `ran`."""
    directory, home = tmp_path / "evil", tmp_path / "home"
    mark = f"open({str(tmp_path / 'ran')!r}, 'a').write(__name__ + '\\n')\n"
    directory.mkdir()
    for name in PLANTED:
        (directory / f"{name}.py").write_text(mark)
    user = home / ".local" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    user.mkdir(parents=True)
    (user / "evil.pth").write_text(f"import sys; {mark}")
    return {
        "cwd": directory,
        "env": {
            "PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(directory),
            "PYTHONSTARTUP": f"{directory}/json.py",
            "PYTHONUSERBASE": f"{home}/.local", "PYTHONWARNINGS": "error", "PYTHONBREAKPOINT": "json.x",
            "FINGERPRINT_STATE": str(tmp_path / "state"),
        },
    }  # fmt: skip


def ran(tmp_path: Path) -> list[str]:
    file = tmp_path / "ran"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("how", ["path", "name", "link", "relative", "shell"])
@pytest.mark.parametrize("words", ["--version", "--help", "check", "diagnose --output json"])
def test_the_script_runs_nothing_of_the_environment(installed: Path, tmp_path: Path, how: str, words: str) -> None:
    hostile = evil(tmp_path)
    (tmp_path / "machine.json").write_text(json.dumps(unix_snapshot()))
    (tmp_path / "a link").symlink_to(installed)
    start = {
        "path": [installed], "name": ["fingerprint"], "link": [tmp_path / "a link"],
        "relative": [os.path.relpath(installed, hostile["cwd"])], "shell": ["/bin/sh", installed],
    }[how]  # fmt: skip
    hostile["env"]["PATH"] = f"{installed.parent}:/usr/bin:/bin"
    target = ["--vault", tmp_path / "vault", "--snapshot", tmp_path / "machine.json"] if words != "--version" else []
    done = subprocess.run([*start, *target, *words.split()], capture_output=True, text=True, check=False, **hostile)
    assert ran(tmp_path) == [], done.stderr
    assert {"--version": VERSION, "--help": "usage: fingerprint "}.get(words, "") in done.stdout
    assert done.returncode == {"--version": 0, "--help": 0, "check": 3}.get(words, done.returncode), done.stderr
    assert "Traceback" not in done.stderr


# First lines of installers and distributions, with the interpreter's path for {}.
FIRST_LINES = {
    "plain": "#!{}\n", "option": "#!{} -s\n", "options": "#!{} -sP\n", "isolated": "#!{} -I\n",
    "wrapped": "#!/bin/sh\n'''exec' \"{}\" \"$0\" \"$@\"\n' '''\n",
    "wrapped, no quotes": "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\n",
    "wrapped by distlib": "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\n# -*- coding: utf-8 -*-\n",
}  # fmt: skip
SHELLS = ["/bin/sh", *(shell for name in ("bash", "dash", "busybox") if (shell := shutil.which(name)))]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("first", FIRST_LINES)
def test_the_script_finds_the_interpreter_in_each_first_line(
    installed: Path, tmp_path: Path, first: str, shell: str
) -> None:
    """With functions in the environment, which bash takes also where it is the system's sh."""
    place, python = tmp_path / "programs", installed.with_name("python")
    place.mkdir()
    if "no quotes" in first or "distlib" in first:
        # An environment without a blank in its path, which is found by the file beside the interpreter.
        python = tmp_path / "plain" / "bin" / "python"
        shutil.copytree(installed.parents[1], tmp_path / "plain", symlinks=True)
    shutil.copy(installed, place)
    main = place / "fingerprint-main"
    _, _, rest = (ROOT / "bin" / main.name).read_text().partition("\n")
    main.write_text(FIRST_LINES[first].format(python) + rest)
    main.chmod(0o755)
    # Started as "sh": then bash is the shell of POSIX, in which no function stands for a special word.
    sh = place / "sh"
    sh.symlink_to(shell)
    hostile = evil(tmp_path)
    for name in ("read", "readlink", "[", "unset", "exec", ":", "test", "echo"):
        hostile["env"][f"BASH_FUNC_{name}%%"] = f"() {{ /bin/echo {name} >> {tmp_path / 'ran'}; }}"
    done = subprocess.run(
        [sh, place / "fingerprint", "--version"], capture_output=True, text=True, check=False, **hostile
    )
    assert (done.stdout, done.stderr) == (VERSION, "")
    assert ran(tmp_path) == []


def test_an_unguarded_shell_takes_the_functions(tmp_path: Path) -> None:
    if not shutil.which("bash"):
        pytest.skip("bash is not installed")
    (tmp_path / "sh").symlink_to(str(shutil.which("bash")))
    env = {"BASH_FUNC_read%%": f"() {{ /bin/echo read >> {tmp_path / 'ran'}; }}"}
    subprocess.run([tmp_path / "sh", "-c", "read -r line"], env=env, stdin=subprocess.DEVNULL, check=False)
    assert ran(tmp_path) == ["read"]


@pytest.mark.parametrize("directory", ["stdlib", "platstdlib", "purelib", "lib-dynload"])
@pytest.mark.parametrize("by", ["PYTHONPATH", "current directory"])
def test_a_directory_of_this_python_stays_on_the_search_path(
    installed: Path, tmp_path: Path, directory: str, by: str
) -> None:
    python = installed.with_name("python")
    code = "import sysconfig, sys; print(sysconfig.get_path(sys.argv[1]))"
    place = subprocess.check_output([python, "-c", code, directory.replace("lib-dynload", "stdlib")], text=True).strip()
    place += "/lib-dynload" if directory == "lib-dynload" else ""
    env, cwd = {"HOME": str(tmp_path)}, str(tmp_path)
    if by == "PYTHONPATH":
        env[by] = place
    else:
        cwd = place
    # Not imported before that: files of the library, a module of lib-dynload, and the program's own.
    code = (
        "import os, fingerprint.cli.isolation as i; up = os.path.dirname; i.leave_others_code_out(up(up(i.__file__)));"
        "import random, _json, fingerprint.testing; from fingerprint.cli import main; main(['--version'])"
    )
    done = subprocess.run([python, "-c", code], env=env, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.stdout == VERSION, done.stderr


def test_the_environment_would_run_code_without_that(installed: Path, tmp_path: Path) -> None:
    """What the test above prevents happens where Python is not isolated."""
    hostile = evil(tmp_path)
    python = installed.with_name("python")
    subprocess.run([python, "-c", "import json"], capture_output=True, check=False, **hostile)
    assert {"sitecustomize", "json"} <= set(ran(tmp_path))


@pytest.mark.parametrize("start", [["fingerprint-main"], ["-m", "fingerprint"]])
def test_the_program_imports_no_code_of_the_environment(installed: Path, tmp_path: Path, start: list[str]) -> None:
    """What Python, or -m, searched before the program began is beyond it."""
    hostile = evil(tmp_path)
    (hostile["cwd"] / "fingerprint.py").unlink()
    # By its interpreter: a first line with a blank in it is none for the kernel.
    if start == ["fingerprint-main"]:
        start = [str(installed.with_name("fingerprint-main"))]
    words = [installed.with_name("python"), *start, "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **hostile)
    assert done.stdout.startswith("usage: fingerprint "), done.stderr
    assert set(ran(tmp_path)) <= {"sitecustomize", "usercustomize"}
    shutil.rmtree(hostile["cwd"])
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=hostile["env"], cwd=tmp_path)
    assert done.stdout.startswith("usage: fingerprint "), done.stderr


def test_the_module_runs_isolated_with_i(installed: Path, tmp_path: Path) -> None:
    words = [installed.with_name("python"), "-I", "-m", "fingerprint", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **evil(tmp_path))
    assert (done.stdout, ran(tmp_path)) == (VERSION, [])


@pytest.mark.parametrize("option", ["--user", "--prefix"])
def test_the_script_finds_an_installation_beside_it(wheel: Path, tmp_path: Path, option: str) -> None:
    base = tmp_path / "base"
    # Outside an environment: there pip has no --user.
    python = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    words = ["--prefix", base] if option == "--prefix" else ["--user"]
    pip("--python", python, "install", "-q", "--no-index", "--no-deps", "--no-warn-script-location",
        "--ignore-installed", "--break-system-packages", *words, wheel, PYTHONUSERBASE=str(base))  # fmt: skip
    scheme = sysconfig.get_preferred_scheme("user")
    directory = Path(sysconfig.get_path("scripts", scheme, {"userbase": str(base)}))
    script = next(place / "fingerprint" for place in (directory, base / "bin", base / "local/bin") if place.is_dir())
    hostile = evil(tmp_path)
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False, **hostile)
    assert (done.stdout, done.stderr) == (VERSION, "")
    assert ran(tmp_path) == []


def test_advice_names_the_program_and_works(installed: Path, tmp_path: Path) -> None:
    hostile = evil(tmp_path)
    words = [installed, "--vault", tmp_path / "vault", "check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, **hostile)
    [line] = [line for line in done.stderr.splitlines() if f"'{installed}'" in line]
    command = line[line.index("FINGERPRINT_STATE=") :]
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False, **hostile)
    assert done.returncode == 0, done.stderr
    assert subprocess.run(words, capture_output=True, check=False, **hostile).returncode == 0
    assert ran(tmp_path) == []
