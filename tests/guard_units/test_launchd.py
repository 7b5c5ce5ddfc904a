"""The property list of the guard on macOS: its shell part runs here, with a stand-in of launchctl."""

from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from commandline import COMMAND, run
from fingerprint.agent.paths import LAUNCHD_SERVICE
from fingerprint.guard import BLOCKED
from guard_programs import BROKEN, SCRIPTS, copied, every_shell, program

AGENT = f"system/{LAUNCHD_SERVICE}"
ALLOWED = [f"enable {AGENT}", f"bootstrap system /Library/LaunchDaemons/{LAUNCHD_SERVICE}.plist"]
DENIED = [f"disable {AGENT}", f"bootout {AGENT}"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /bin/sh")


def property_list(directory: Path, *words: str) -> Any:
    done = run("guard", "install", "--system", "launchd", "--to", str(directory / "files"), *words)
    assert done.returncode == 0, done.stderr
    return plistlib.loads((directory / "files/fingerprint-guard.plist").read_bytes())


class Job:
    """The job as launchd runs it, with a state directory and a launchctl of the test."""

    def __init__(self, directory: Path, command: str) -> None:
        self.words = property_list(directory, "--program", command, "--on-mismatch", "block")["ProgramArguments"]
        self.state, self.calls = directory / "Application Support/ours", directory / "calls"
        self.mark, self.said = self.state / "guard-blocked", self.state / "guard-said"
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.launchctl("exit 0")
        self.words[self.words.index("/Library/Application Support/hardware-fingerprint")] = str(self.state)
        self.seconds("20")

    def launchctl(self, then: str) -> None:
        path = self.bin / "launchctl"
        path.write_text(f'#!/bin/sh\necho "$*" >>{self.calls}\n{then}\n')
        path.chmod(0o755)

    def seconds(self, seconds: str) -> None:
        self.words[4] = seconds

    def blocked_before(self) -> None:
        self.state.mkdir(parents=True, exist_ok=True)
        self.mark.write_text("")

    def __call__(self, shell: str) -> subprocess.CompletedProcess[str]:
        begin = [shell, "sh"] if shell.endswith("busybox") else [shell]
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        done = subprocess.run(
            [*begin, *self.words[1:]], env=env, capture_output=True, text=True, check=False, timeout=60
        )
        # A job that failed would be a reason to start it again.
        assert done.returncode == 0, done.stderr
        return done

    @property
    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


PATHS = ("/opt/a b & <c>/fingerprint", "/opt/it's/$HOME/`x`/%h", "/opt/ünï/{print}")


@pytest.mark.parametrize("path", PATHS)
def test_the_property_list_holds_the_command_as_it_was(tmp_path: Path, path: str) -> None:
    words = ("--program", path, "--vault", path, "--refresh", "--on-mismatch", "block", "--limit", "30")
    made = property_list(tmp_path, *words)
    assert made["ProgramArguments"][:2] == ["/bin/sh", "-c"]
    assert made["ProgramArguments"][3:] == [
        "fingerprint-guard", "40", LAUNCHD_SERVICE, "/Library/Application Support/hardware-fingerprint", BLOCKED,
        path, "guard", "--vault", path, "--refresh", "--on-mismatch", "block", "--limit", "30",
    ]  # fmt: skip
    assert (made["Label"], made["RunAtLoad"]) == ("hardware-fingerprint.guard", True)
    # Either would start it periodically.
    assert {"KeepAlive", "StartInterval"} & {*made} == set()


def test_the_property_list_says_that_it_is_unverified(tmp_path: Path) -> None:
    property_list(tmp_path, "--program", "/usr/local/bin/fingerprint")
    text = (tmp_path / "files/fingerprint-guard.plist").read_text()
    assert "Unverified: generated and parsed, not run on macOS." in text


@every_shell
@pytest.mark.parametrize("before", [False, True], ids=["runs", "blocked before"])
def test_the_line_with_exit_code_1_unloads_the_agent(shell: str, before: bool, tmp_path: Path) -> None:
    job = Job(tmp_path, program(tmp_path, f"echo Another machine.; echo '{BLOCKED}'; exit 1"))
    if before:
        job.blocked_before()
    assert BLOCKED in job(shell).stdout
    assert job.called == DENIED
    assert job.mark.exists()


@every_shell
def test_an_allowed_agent_is_left_alone(shell: str, tmp_path: Path) -> None:
    """Also one that somebody else disabled."""
    job = Job(tmp_path, program(tmp_path, "echo fine"))
    assert job(shell).stdout == "fine\n"
    assert (job.called, job.mark.exists()) == ([], False)


@every_shell
def test_an_allowed_agent_is_enabled_after_a_block(shell: str, tmp_path: Path) -> None:
    job = Job(tmp_path, program(tmp_path, "echo fine"))
    job.blocked_before()
    job(shell)
    assert (job.called, job.mark.exists()) == (ALLOWED, False)


FAILING = {**SCRIPTS, "its own 203": f"echo '{BLOCKED}'; exit 203", "the word without its code": f"echo '{BLOCKED}'"}


@every_shell
@pytest.mark.parametrize("before", [False, True], ids=["runs", "blocked before"])
@pytest.mark.parametrize("case", FAILING)
def test_a_command_that_fails_starts_the_agent(shell: str, case: str, before: bool, tmp_path: Path) -> None:
    job = Job(tmp_path, program(tmp_path, FAILING[case]))
    if before:
        job.blocked_before()
    errors = job(shell).stderr
    assert (job.called, job.mark.exists()) == (ALLOWED if before else [], False)
    assert ("the agent starts without it" in errors) == (case != "the word without its code")


@every_shell
@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_installation_starts_the_agent(shell: str, broken: Any, tmp_path: Path) -> None:
    """After a block, whose answer is still there."""
    job = Job(tmp_path, broken(tmp_path))
    job.blocked_before()
    job.said.write_text(f"{BLOCKED}\n")
    assert "the agent starts without it" in job(shell).stderr
    assert (job.called, job.mark.exists()) == (ALLOWED, False)


@every_shell
@pytest.mark.parametrize("ignores", ["", "trap '' TERM INT HUP; "], ids=["stops", "ignores the stop"])
def test_a_slow_command_is_ended_and_the_agent_starts(shell: str, ignores: str, tmp_path: Path) -> None:
    job = Job(tmp_path, program(tmp_path, f"{ignores}echo '{BLOCKED}'; while :; do sleep 0.1; done"))
    job.blocked_before()
    job.seconds("1")
    begin = time.monotonic()
    job(shell)
    assert time.monotonic() - begin < 20
    assert (job.called, job.mark.exists()) == (ALLOWED, False)


@every_shell
@pytest.mark.parametrize("in_place", ["directory", "file"])
def test_an_old_answer_does_not_count(shell: str, in_place: str, tmp_path: Path) -> None:
    """Where the answer cannot be kept, the command does not run, and blocks nothing."""
    job = Job(tmp_path, program(tmp_path, f"echo '{BLOCKED}'; exit 1"))
    if in_place == "directory":
        job.said.mkdir(parents=True)
    else:
        job.state.parent.mkdir(parents=True)
        job.state.write_text(f"{BLOCKED}\n")
    assert "the agent starts without it" in job(shell).stderr
    assert job.called == []


@every_shell
def test_without_its_mark_the_agent_is_not_disabled(shell: str, tmp_path: Path) -> None:
    """Nothing would enable it again."""
    job = Job(tmp_path, program(tmp_path, f"echo '{BLOCKED}'; exit 1"))
    job.mark.mkdir(parents=True)
    job(shell)
    assert job.called == DENIED[1:]


@every_shell
def test_a_mark_stays_until_the_agent_is_enabled(shell: str, tmp_path: Path) -> None:
    job = Job(tmp_path, program(tmp_path, "exit 0"))
    job.blocked_before()
    job.launchctl("exit 5")
    job(shell)
    assert (job.called, job.mark.exists()) == (ALLOWED, True)


@every_shell
def test_the_real_program_decides(shell: str, tmp_path: Path) -> None:
    """It has no record here, so the agent starts."""
    job = Job(tmp_path, copied(tmp_path, ""))
    vault = tmp_path / "Vault"
    job.words += ["--vault", str(vault), "--dry-run"]
    assert "the agent may start" in job(shell).stdout
    assert job.called == []


def test_the_commands_are_words_of_a_shell(tmp_path: Path) -> None:
    """Those that it prints: each has a program that the page names, and the file that was written."""
    directory = tmp_path / "a b"
    done = run("guard", "install", "--system", "launchd", "--to", str(directory), "--program", COMMAND)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert {line.split()[0] for line in lines[1:]} == {"install", "launchctl", "rm"}
    for line in lines[1:]:
        assert subprocess.run(["sh", "-n", "-c", line], check=False).returncode == 0
    copy = lines[1].replace("-o root -g wheel ", "").replace("/Library/LaunchDaemons", str(tmp_path))
    assert subprocess.run(["sh", "-c", copy], cwd=directory, check=False).returncode == 0
    assert (tmp_path / "fingerprint-guard.plist").is_file()
    assert shutil.which("sh")
