"""A copy of the tree in which a mutant can be written, and the tests that run there for tools/mutation.py."""

from __future__ import annotations

import compileall
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
import venv
from pathlib import Path

from mutants import Mutant

TOOLS = Path(__file__).resolve().parent
NOT_COPIED = shutil.ignore_patterns(
    ".git", "build", "dist", ".venv*", ".tox", "__pycache__", ".hypothesis", "*.egg-info"
)
PYTEST = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "mutation_plugin", "--no-header"]
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
NO_TESTS = 5


class NotUsable(Exception):
    """Why a run gives no figures."""


class Copy:
    """A copy of the tree, with an environment whose commands run the code of the copy.

    Args:
        tree: what is copied.
        directory: a new directory for it.
    """

    def __init__(self, tree: Path, directory: Path) -> None:
        self.root = directory / "tree"
        self._stopped = False
        self._process: subprocess.Popen[str] | None = None
        shutil.copytree(tree, self.root, ignore=NOT_COPIED, symlinks=True)
        venv.create(directory / "env", with_pip=False, symlinks=True)
        paths = {"base": str(directory / "env"), "platbase": str(directory / "env")}
        (Path(sysconfig.get_path("purelib", "venv", paths)) / "mutation.pth").write_text(
            "\n".join([str(self.root), *dict.fromkeys(map(sysconfig.get_path, ("purelib", "platlib"))), str(TOOLS)])
        )
        self.python = directory / "env" / "bin" / "python"
        for command in (self.root / "bin").glob("fingerprint*"):
            text = command.read_text().replace("#!python", f"#!{self.python}", 1)
            (self.python.parent / command.name).write_text(text)
            (self.python.parent / command.name).chmod(0o755)
        compileall.compile_dir(self.root / "fingerprint", quiet=2)

    def stop(self) -> None:
        """Kill what runs in the copy, and start nothing there from now on."""
        self._stopped = True
        self._kill()

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def pytest(self, words: list[str], seconds: float, **variables: str) -> tuple[int | None, str]:
        """Run pytest in the copy.

        Args:
            words: files, tests and options.
            seconds: after which it is killed.
            variables: of its environment, beside those of the caller.

        Returns:
            Its exit code, None if it was killed, and its output.
        """
        # The cache of compiled files goes by the time in seconds, and two mutants can be written within one.
        variables = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | variables
        if self._stopped:
            raise NotUsable("the run was stopped")
        with tempfile.TemporaryFile("w+", errors="replace") as output:
            process = subprocess.Popen(
                # A directory of its own: pytest cleans up those of others, too.
                [self.python, *PYTEST, f"--basetemp={self.root.parent / 'tmp'}", *words],
                cwd=self.root,
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            self._process = process
            if self._stopped:
                # Between the check above and here.
                self._kill()
            try:
                status: int | None = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                self._kill()
                process.wait()
            output.seek(0)
            return status, output.read()


class Tests:
    """The tests of an area, and how they ran without a mutant.

    Args:
        name: of the area.
        files: of tests that run for each mutant, as far as they execute the changed line.
        more: files that run for each mutant that survives those.
        copy: where they run.
        timeout: seconds for the tests of a mutant; None for 30 and five times those without a mutant.

    Raises:
        NotUsable: one of them fails.
    """

    def __init__(self, name: str, files: list[str], more: list[str], copy: Copy, timeout: float | None) -> None:
        self._name, self._more = name, more
        record = copy.root.parent / "record.json"
        start = time.monotonic()
        self._must_pass(copy, files, MUTATION_RECORD=str(record), PYTHONDONTWRITEBYTECODE="")
        self._timeout = timeout
        self._limit = timeout or 30 + 5 * (time.monotonic() - start)
        recorded = json.loads(record.read_text())
        self._seconds: dict[str, float] = recorded["seconds"]
        self._lines: dict[str, dict[str, list[str]]] = recorded["lines"]
        self._more_limit = 0.0

    def _must_pass(self, copy: Copy, tests: list[str], **variables: str) -> None:
        status, output = copy.pytest(tests, 3600, **variables)
        if status == NO_TESTS:
            raise NotUsable(f"there is no test in {', '.join(tests)}")
        if status:
            raise NotUsable(f"the tests of {self._name} fail without a mutant: {output.strip()[-2000:]}")

    def prepare_more(self, copy: Copy) -> None:
        """Run the files that only some mutants need, for the time that they take."""
        if self._more:
            start = time.monotonic()
            self._must_pass(copy, self._more)
            self._more_limit = self._timeout or 30 + 5 * (time.monotonic() - start)

    def executing(self, mutant: Mutant, last: int) -> list[str]:
        """Return the tests that execute one of the lines, the fastest first; all of the file if the line has none."""
        lines = self._lines.get(mutant.file, {})
        found = {test for line in range(mutant.line, last + 1) for test in lines.get(str(line), [])}
        if not found:
            found = {test for tests in lines.values() for test in tests}
        return sorted(found, key=lambda test: (self._seconds[test], test))

    def run(self, mutant: Mutant, last: int, copy: Copy, more: bool) -> str:
        """Return what became of the mutant that is written in the copy."""
        if more:
            return self._outcome(*copy.pytest(self._more, self._more_limit))
        names = self.executing(mutant, last)
        arguments = copy.root.parent / "tests.txt"
        arguments.write_text("\n".join(names))
        return self._outcome(*copy.pytest([f"@{arguments}"], self._limit)) if names else SURVIVED

    @staticmethod
    def _outcome(status: int | None, output: str) -> str:
        if status is None:
            return TIMED_OUT
        if status == NO_TESTS:
            raise NotUsable(f"no test ran: {output.strip()[-500:]}")
        return KILLED if status else SURVIVED
