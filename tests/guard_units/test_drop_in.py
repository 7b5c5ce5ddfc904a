"""The line of the drop-in: it blocks a start only where the guard itself said so, whatever else happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint.guard import BLOCKED
from fingerprint.guard_units.drop_in import content, replaceable, script_of
from guard_programs import BROKEN, SCRIPTS, copied, every_shell, program
from nobody import NOBODY

TIMEOUT = "/usr/bin/timeout"
# One that stops a command after a second.
SOON = -9
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")


def words_of(shell: str, command: str, limit: int = 60) -> list[str]:
    """Return the line as systemd runs it, in a shell; the words are those that were quoted for systemd."""
    words = script_of(content((command, "guard", "--on-mismatch", "block"), TIMEOUT, limit))
    assert words[:2] == ("/bin/sh", "-c")
    return [*((shell, "sh") if shell.endswith("busybox") else (shell,)), *words[1:]]


def condition(shell: str, command: str, limit: int = 60, before: tuple[str, ...] = ()) -> tuple[int, str, str]:
    done = subprocess.run(
        [*before, *words_of(shell, command, limit)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


@every_shell
def test_a_start_is_blocked_by_exit_code_1_with_its_word(shell: str, tmp_path: Path) -> None:
    said = f"Another machine.\n  Cause  it differs\n{BLOCKED}"
    path = program(tmp_path, f"echo '{said}'; exit 1")
    assert condition(shell, path) == (1, f"{said}\n", "")


@every_shell
def test_what_the_command_prints_is_printed(shell: str, tmp_path: Path) -> None:
    path = program(tmp_path, 'echo "$*"; echo careful >&2')
    assert condition(shell, path) == (0, "guard --on-mismatch block\n", "careful\n")


@every_shell
@pytest.mark.parametrize("case", SCRIPTS)
def test_a_command_that_fails_blocks_nothing(shell: str, case: str, tmp_path: Path) -> None:
    code, _, errors = condition(shell, program(tmp_path, SCRIPTS[case]))
    assert code == 0
    assert "the agent starts without it" in errors


@every_shell
def test_a_word_without_its_exit_code_blocks_nothing(shell: str, tmp_path: Path) -> None:
    assert condition(shell, program(tmp_path, f"echo '{BLOCKED}'"))[0] == 0


@every_shell
@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_a_broken_installation_blocks_nothing(shell: str, broken: object, tmp_path: Path) -> None:
    path = broken(tmp_path)  # type: ignore[operator]
    code, _, errors = condition(shell, path)
    assert code == 0
    assert "the agent starts without it" in errors


def test_a_copied_program_works_without_a_change(tmp_path: Path) -> None:
    """So what the tests above see is the change."""
    done = subprocess.run([copied(tmp_path, ""), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("fingerprint ")


@every_shell
@pytest.mark.parametrize("ignores", ["", "trap '' TERM INT HUP; "], ids=["stops", "ignores the stop"])
def test_a_slow_command_is_ended_and_blocks_nothing(shell: str, ignores: str, tmp_path: Path) -> None:
    wait = f"n=0; while [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done; touch {tmp_path}/ended"
    path = program(tmp_path, f"{ignores}echo '{BLOCKED}'; {wait}")
    code, _, errors = condition(shell, path, SOON)
    assert code == 0
    assert not (tmp_path / "ended").exists()
    assert "the agent starts without it" in errors


@every_shell
@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2", "full", "pipe"])
def test_closed_output_does_not_change_the_decision(shell: str, closed: str, blocks: bool, tmp_path: Path) -> None:
    path = program(tmp_path, f"echo '{BLOCKED}'; exit 1" if blocks else "echo fine; exit 0")
    ends = {"full": ">/dev/full 2>/dev/full", "pipe": "| :"}
    redirected = ends.get(closed) or " ".join(f"{number}>&-" for number in closed.split())
    line = f'"$@" {redirected}' if closed != "pipe" else '{ "$@"; echo $? >"$CODE"; } | :'
    code = tmp_path / "code"
    done = subprocess.run(
        ["sh", "-c", line, "sh", *words_of(shell, path)], check=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, env={**os.environ, "CODE": str(code)}, timeout=60,
    )  # fmt: skip
    assert (int(code.read_text()) if closed == "pipe" else done.returncode) == int(blocks)


@every_shell
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root becomes another user")
def test_a_shell_that_cannot_fork_blocks_nothing(shell: str, tmp_path: Path) -> None:
    for tool in ("setpriv", "prlimit"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
    user = NOBODY - 7
    before = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "prlimit", "--nproc=1")
    assert condition(shell, "/bin/true", before=before)[0] == 0


@every_shell
def test_a_missing_timeout_program_blocks_nothing(shell: str) -> None:
    words = script_of(content(("/bin/true",), "/gone/timeout", 60))
    begin = [shell, "sh"] if shell.endswith("busybox") else [shell]
    done = subprocess.run([*begin, *words[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "the agent starts without it" in done.stderr


@pytest.mark.parametrize("path", ["/opt/a b/fingerprint", "/opt/100%n/$HOME/x", "/opt/it;s/&/x", "/opt/${A}/$$x"])
def test_every_path_comes_back_as_it_was(path: str) -> None:
    command = (path, "guard", "--vault", path, "--limit", "60")
    data = content(command, TIMEOUT, 60)
    assert script_of(data)[4:] == command
    # systemd would replace a single one: by a value of the unit, or by a variable.
    [line] = (line for line in data.decode().splitlines() if line.startswith("ExecCondition="))
    assert "%" not in line.replace("%%", "")
    assert "$" not in line.replace("$$", "")


def test_the_drop_in_has_one_setting_only() -> None:
    """Any other would apply to the agent."""
    lines = content(("/usr/bin/fingerprint", "guard"), TIMEOUT, 60).decode().splitlines()
    settings = [line for line in lines if not line.startswith("#")]
    assert settings[0] == "[Service]"
    assert [line.partition("=")[0] for line in settings[1:]] == ["ExecCondition"]


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root owns what root may run")
@pytest.mark.parametrize(
    "changed", ["owner", "mode", "group", "group root", "directory", "group of directory", "link", "sticky", ""]
)
def test_a_program_that_another_user_can_replace_is_known(tmp_path: Path, changed: str) -> None:
    inner = tmp_path / "bin"
    inner.mkdir(mode=0o755)
    path = Path(program(inner, "exit 0"))
    named, expected = path, ""
    if changed == "owner":
        os.chown(path, NOBODY, NOBODY)
        expected = str(path)
    elif changed == "mode":
        path.chmod(0o777)
        expected = str(path)
    elif changed.startswith("group"):
        shared = inner if "directory" in changed else path
        os.chown(shared, 0, 0 if changed == "group root" else NOBODY)
        shared.chmod(0o775)
        expected = "" if changed == "group root" else str(shared)
    elif changed == "directory":
        os.chown(inner, NOBODY, NOBODY)
        expected = str(inner)
    elif changed == "link":
        path.chmod(0o777)
        named = tmp_path / "link"
        named.symlink_to(path)
        expected = str(path)
    elif changed == "sticky":
        inner.chmod(0o1777)
    assert replaceable(str(named)) == expected
