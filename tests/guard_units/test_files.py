"""`guard install --to`: what it writes for macOS and Windows, what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import shlex
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from fingerprint.cli import main
from fingerprint.cli.commands import guard_units as module
from fingerprint.cli.guard_files import NAMES

SCHEMA = json.loads((Path(fingerprint.__file__).parent / "schemas/guard-install.json").read_text())
PROGRAMS = {"launchd": "/usr/local/bin/fingerprint", "windows": r"C:\Program Files\fingerprint\fingerprint.exe"}
SYSTEM = {"launchd": "macOS", "windows": "Windows"}
every_system = pytest.mark.parametrize("system", NAMES)


def install(directory: Path, system: str, *words: str, code: int = 0, **more: str) -> Any:
    done = run(
        "guard", "install", "--to", str(directory), "--system", system, "--program", PROGRAMS[system], *words,
        "--output", "json", env=environment(directory.parent / "state", **more),
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    if not code:
        jsonschema.validate(answer, SCHEMA)
    return answer


@every_system
def test_files_of_a_system_are_written_and_listed(tmp_path: Path, system: str) -> None:
    directory = tmp_path / "new" / "directory"
    answer = install(directory, system, "--refresh", "--on-mismatch", "block", "--limit", "30", "--timeout", "5")
    assert (answer["system"], answer["dryRun"]) == (system, False)
    assert answer["files"] == [str(directory / name) for name in NAMES[system]]
    assert sorted(os.listdir(directory)) == sorted(NAMES[system])
    assert answer["runs"] == [
        PROGRAMS[system], "guard", "--timeout", "5", "--refresh", "--on-mismatch", "block", "--limit", "30"
    ]  # fmt: skip
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_every_file_of_the_package_belongs_to_a_system() -> None:
    files = os.listdir(Path(fingerprint.__file__).parent / "guard_units" / "files")
    assert {*files} == {name for names in NAMES.values() for name in names} | {"fingerprint-guard.sh"}


@every_system
@pytest.mark.parametrize("words", [(), ("--dry-run",)])
def test_each_text_says_that_it_is_unverified(tmp_path: Path, system: str, words: tuple[str, ...]) -> None:
    said = f"Unverified: generated and parsed, not run on {SYSTEM[system]}."
    line = ("guard", "install", "--to", str(tmp_path / "f"), "--system", system, "--program", PROGRAMS[system], *words)
    done = run(*line)
    assert (done.returncode, said in done.stdout) == (0, True)
    assert install(tmp_path / "g", system, *words)["unverified"] == said


def test_the_help_says_that_they_are_unverified() -> None:
    text = " ".join(run("guard", "install", "--help").stdout.split())
    assert "unverified: generated and parsed, not run on macOS or Windows" in text


@every_system
def test_a_dry_run_writes_no_file(tmp_path: Path, system: str) -> None:
    answer = install(tmp_path / "f", system, "--dry-run")
    assert (answer["dryRun"], [Path(one).name for one in answer["files"]]) == (True, [*NAMES[system]])
    assert not (tmp_path / "f").exists()


@every_system
def test_no_file_is_overwritten(tmp_path: Path, system: str) -> None:
    (tmp_path / NAMES[system][-1]).write_text("mine")
    error = install(tmp_path, system, code=4)["error"]
    assert NAMES[system][-1] in error["where"]
    assert (tmp_path / NAMES[system][-1]).read_text() == "mine"
    assert not (tmp_path / NAMES[system][0]).exists() or len(NAMES[system]) == 1


@every_system
def test_the_commands_name_what_was_written(tmp_path: Path, system: str) -> None:
    answer = install(tmp_path / "f", system)
    text = " ".join(answer["next"])
    for name in NAMES[system]:
        assert name in text
    # A directory of this host says nothing on another one.
    assert str(tmp_path) not in text
    made = {"launchd": ("bootstrap", "bootout"), "windows": ("/Create", "/Delete")}[system]
    assert made[0] in text
    assert made[1] in " ".join(answer["remove"])


def test_on_its_own_system_the_commands_name_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert main(["guard", "install", "--to", str(tmp_path / "a b"), "--program", "/usr/local/bin/fingerprint"]) == 0
    said = capsys.readouterr().out
    assert f"'{tmp_path}/a b/fingerprint-guard.plist' /Library/LaunchDaemons\n" in said
    assert "Next, as root:\n" in said


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
@pytest.mark.parametrize("command", ["install", "uninstall", "status"])
def test_without_to_other_systems_are_refused(
    platform: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.sys, "platform", platform)
    words = ["--refresh", "--limit", "9"] if command == "install" else []
    assert main(["guard", command, *words]) == 4
    said = capsys.readouterr().err
    if platform == "freebsd14":
        assert "fingerprint guard --dry-run` to see" in said
        return
    given = " ".join(["--refresh", "--limit", "9", "--to", "fingerprint-guard"][0 if words else 3 :])
    assert f"fingerprint guard install {given}\n" in said


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--system", "launchd"), "--system requires --to"), (("--system", "windows", "--refresh"), "requires --to"),
        (("--system", "openrc"), "no such system"), (("--to", "f", "--system", "openrc"), "no such system"),
        (("--to", "f", "--system", ""), "no such system"), (("--to", ""), "--to is empty"),
        (("--to", "f", "--system", "systemd"), "--to is for launchd and windows"),
        (("--to", "f", "--system", "launchd", "--root", "/tmp"), "mutually exclusive"),
        (("--to", "f", "--system", "launchd", "--program", "fingerprint"), "not absolute"),
        (("--to", "f", "--system", "launchd", "--program", "/a\x07"), "cannot hold"),
        (("--to", "f", "--system", "launchd", "--vault", "Vault"), "not absolute"),
        (("--to", "f", "--system", "launchd", "--limit", "0"), "--limit"),
        (("--to", "http://a/b", "--system", "launchd"), "--to is a URL"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    done = run("guard", "install", *words, cwd=tmp_path, env=environment(tmp_path / "state"))
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "f").exists()


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        assert install(place, "launchd", code=3)["error"]["kind"] == "InputError"


@pytest.mark.parametrize("system", ["launchd", "windows"])
def test_the_printed_remedy_keeps_the_options_and_works(tmp_path: Path, system: str) -> None:
    vault = {"launchd": "/opt/v", "windows": r"D:\a b\V"}[system]
    words = ["--refresh", "--on-mismatch", "block", "--limit", "9", "--program", PROGRAMS[system], "--vault", vault]
    env = environment(tmp_path / "state")
    done = run("guard", "install", "--system", system, *words, "--output", "json", env=env)
    remedy = json.loads(done.stdout)["error"]["remedy"]
    line = shlex.split(remedy[remedy.index("fingerprint ") :])
    done = run(*line[1:], "--output", "json", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runs"] == [
        PROGRAMS[system], "guard", "--vault", vault, "--refresh", "--on-mismatch", "block", "--limit", "9"
    ]  # fmt: skip


def test_a_vault_of_another_system_is_not_read_here(tmp_path: Path) -> None:
    """Nor is the one that the environment of this host names in the files."""
    answer = install(tmp_path / "f", "windows", "--vault", r"D:\no such\Vault")
    assert answer["runs"][2:4] == ["--vault", r"D:\no such\Vault"]
    answer = install(tmp_path / "g", "launchd", FINGERPRINT_VAULT=str(tmp_path / "no/such/Vault"))
    assert "--vault" not in answer["runs"]
