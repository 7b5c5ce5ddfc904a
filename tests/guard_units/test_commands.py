"""`guard install`, `uninstall` and `status` on a disk: what they write, leave alone and report."""

from __future__ import annotations

import json
import os
import shlex
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from fingerprint.agent.paths import UNITS
from fingerprint.cli import main
from fingerprint.cli.commands import guard_units as module
from fingerprint.errors import UsageError
from fingerprint.guard_units.drop_in import read_drop_in, script_of
from fingerprint.guard_units.first_evidence import FirstEvidence
from fingerprint.machine.live import LiveMachine
from fingerprint.testing.machines import unix_snapshot
from fingerprint.vault import Vault
from guard_disk import PROGRAM, VENDOR, put, with_systemd
from nobody import command_as_nobody

PACKAGE_UNIT, SNAP_UNIT = UNITS
SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return with_systemd(tmp_path / "disk")


def drop_in(disk: Path, unit: str = PACKAGE_UNIT) -> Path:
    return disk / f"etc/systemd/system/{unit}.d/fingerprint-guard.conf"


def guard(disk: Path, *words: str, code: int = 0, **more: str) -> Any:
    """Run a command on a disk, and return its answer or its error."""
    program = ["--program", PROGRAM] if words[0] == "install" and "--program" not in words else []
    line = ("--root", str(disk), "guard", *words, *program, "--output", "json")
    done = run(*line, env=environment(disk.parent / "state", **more))
    assert done.returncode == code, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    schema = "error" if answer["command"] == "error" else f"guard-{words[0]}"
    jsonschema.validate(answer, json.loads((SCHEMAS / f"{schema}.json").read_text()))
    return answer


def tree(disk: Path) -> dict[str, tuple[int, bytes | None]]:
    return {
        str(one.relative_to(disk)): (one.lstat().st_mode, one.read_bytes() if one.is_file() else None)
        for one in sorted(disk.rglob("*"))
    }


@pytest.mark.parametrize("installed", [(PACKAGE_UNIT,), (SNAP_UNIT,), (PACKAGE_UNIT, SNAP_UNIT)])
def test_each_installed_unit_gets_a_drop_in(root: Path, installed: tuple[str, ...]) -> None:
    (root / f"lib/systemd/system/{PACKAGE_UNIT}").unlink()
    for unit in installed:
        put(root, f"/etc/systemd/system/{unit}" if unit == SNAP_UNIT else f"/usr/lib/systemd/system/{unit}", VENDOR)
    before = tree(root)
    answer = guard(root, "install", "--refresh", "--on-mismatch", "block")
    assert [(one["unit"], one["did"]) for one in answer["units"]] == [(unit, "written") for unit in installed]
    assert answer["runs"] == [PROGRAM, "guard", "--refresh", "--on-mismatch", "block", "--limit", "60"]
    assert answer["evidence"] == {"kept": False, "why": "that disk does not run here", "remedy": None}
    for unit in installed:
        assert list(script_of(drop_in(root, unit).read_bytes())[4:]) == answer["runs"]
        assert stat.S_IMODE(drop_in(root, unit).stat().st_mode) == 0o644
        assert stat.S_IMODE(drop_in(root, unit).parent.stat().st_mode) == 0o755
    after = tree(root)
    assert {name: after[name] for name in before} == before
    new = {name.partition("etc/systemd/system")[2] for name in after.keys() - before.keys()}
    assert new - {""} - {f"/{unit}.d" for unit in installed} == {
        f"/{unit}.d/fingerprint-guard.conf" for unit in installed
    }
    removed = guard(root, "uninstall")
    assert {one["unit"]: one["did"] for one in removed["units"]} == {
        unit: "removed" if unit in installed else "missing" for unit in UNITS
    }
    assert not [name for name in tree(root) if "guard" in name or name.endswith(".service.d")]


def test_a_umask_does_not_hide_the_drop_in(root: Path) -> None:
    before = os.umask(0o077)
    try:
        guard(root, "install")
    finally:
        os.umask(before)
    assert stat.S_IMODE(drop_in(root).stat().st_mode) == 0o644
    assert stat.S_IMODE(drop_in(root).parent.stat().st_mode) == 0o755


def test_install_and_uninstall_are_idempotent(root: Path) -> None:
    guard(root, "install")
    held = drop_in(root).stat()
    assert guard(root, "install")["units"][0]["did"] == "unchanged"
    assert drop_in(root).stat().st_mtime_ns == held.st_mtime_ns
    assert guard(root, "install", "--on-mismatch", "block")["units"][0]["did"] == "written"
    assert "--on-mismatch block" in drop_in(root).read_text()
    assert guard(root, "uninstall")["units"][0]["did"] == "removed"
    assert guard(root, "uninstall")["units"][0]["did"] == "missing"


def test_a_dry_run_changes_nothing(root: Path) -> None:
    before = tree(root)
    answer = guard(root, "install", "--dry-run")
    assert (answer["dryRun"], answer["units"][0]["did"]) == (True, "written")
    assert tree(root) == before
    guard(root, "install")
    before = tree(root)
    assert guard(root, "uninstall", "--dry-run")["units"][0]["did"] == "removed"
    assert tree(root) == before


def test_other_drop_ins_stay(root: Path) -> None:
    other = put(root, f"/etc/systemd/system/{PACKAGE_UNIT}.d/override.conf", "[Service]\nNice=5\n")
    guard(root, "install")
    guard(root, "uninstall")
    assert other.read_text() == "[Service]\nNice=5\n"
    assert os.listdir(other.parent) == ["override.conf"]


def appended(path: Path) -> None:
    path.write_text(path.read_text() + "Nice=5\n")


def changed_option(path: Path) -> None:
    path.write_text(path.read_text().replace("allow", "block"))


def cut(path: Path) -> None:
    path.write_text(path.read_text().partition("\n")[0] + "\n")


@pytest.mark.parametrize("edit", [appended, changed_option, cut])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_an_edited_drop_in_needs_a_confirmation(root: Path, edit: Callable[[Path], None], command: str) -> None:
    guard(root, "install")
    edit(drop_in(root))
    before = tree(root)
    assert "was edited" in guard(root, command, code=4)["error"]["what"]
    assert tree(root) == before
    assert guard(root, "status", code=1)["units"][0]["state"] == "edited"
    guard(root, command, "--yes")
    assert read_drop_in(str(root), PACKAGE_UNIT).state == ("installed" if command == "install" else "missing")


def a_file(path: Path) -> None:
    path.write_text("[Service]\nNice=5\n")


def a_link(path: Path) -> None:
    path.symlink_to("/dev/null")


def a_directory(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [a_file, a_link, a_directory, a_pipe])
@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_what_others_wrote_stays(root: Path, make: Callable[[Path], None], command: str) -> None:
    drop_in(root).parent.mkdir(parents=True)
    make(drop_in(root))
    before = tree(root)
    for words in ((command,), (command, "--yes")):
        assert "was not written by" in guard(root, *words, code=4)["error"]["what"]
    assert tree(root) == before
    [status] = guard(root, "status", code=1)["units"]
    assert (status["state"], status["runs"]) == ("foreign", [])


def test_an_unreadable_directory_is_an_error(root: Path) -> None:
    drop_in(root).parent.parent.mkdir(parents=True)
    drop_in(root).parent.symlink_to(drop_in(root).parent.name)
    for command in ("install", "uninstall"):
        assert "cannot be read" in guard(root, command, code=3)["error"]["what"]
    [status] = guard(root, "status", code=3)["units"]
    assert status["state"] == "unreadable"


def test_links_of_the_disk_stay_on_the_disk(root: Path, tmp_path: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/systemd").symlink_to(f"{tmp_path}/units")
    guard(root, "install")
    inside = root / str(tmp_path)[1:] / "units/system" / f"{PACKAGE_UNIT}.d/fingerprint-guard.conf"
    assert inside.is_file()
    assert not (tmp_path / "units").exists()
    guard(root, "uninstall")
    assert not inside.exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--program", "/usr/bin/gone"), 2, "the program cannot be run"),
        (("--program", f"/lib/systemd/system/{PACKAGE_UNIT}"), 2, "no executable file"),
        (("--program", "/usr/bin"), 2, "no executable file"),
        (("--program", "bin/fingerprint"), 2, "not absolute"),
        (("--program", "/usr/bin/it's"), 2, "cannot hold"),
        (("--program", "/usr/bin/a\nExecStartPre=/bin/evil"), 2, "cannot hold"),
    ],
)
def test_what_a_unit_cannot_run_is_a_usage_error(root: Path, words: tuple[str, ...], code: int, text: str) -> None:
    before = tree(root)
    assert text in guard(root, "install", *words, code=code)["error"]["what"]
    assert tree(root) == before


def test_a_host_without_the_agent_is_refused(root: Path) -> None:
    (root / f"lib/systemd/system/{PACKAGE_UNIT}").unlink()
    assert "no unit of the agent is installed" in guard(root, "install", code=4)["error"]["what"]
    assert guard(root, "status", code=1)["units"] == []


def test_a_host_without_timeout_is_refused(root: Path) -> None:
    (root / "usr/bin/timeout").unlink()
    assert "timeout is missing" in guard(root, "install", code=4)["error"]["what"]
    put(root, "/bin/timeout", "", 0o755)
    guard(root, "install")
    assert "$$(/bin/timeout -k" in drop_in(root).read_text()


@pytest.mark.parametrize("name", ["a vault", "100%", "cost$HOME"])
def test_a_named_vault_is_in_the_command(root: Path, name: str) -> None:
    vault = root / "srv" / name
    vault.mkdir(parents=True)
    answer = guard(root, "install", "--vault", str(vault))
    assert answer["runs"][2:4] == ["--vault", f"/srv/{name}"]
    assert list(script_of(drop_in(root).read_bytes())[4:]) == answer["runs"]
    assert guard(root, "install", FINGERPRINT_VAULT=str(vault))["units"][0]["did"] == "unchanged"


def test_status_of_a_disk_names_what_is_missing(root: Path) -> None:
    [found] = guard(root, "status", code=1)["units"]
    assert (found["state"], found["works"], found["loaded"]) == ("missing", None, None)
    assert found["findings"][0]["text"] == "it is not installed"
    guard(root, "install")
    [found] = guard(root, "status")["units"]
    assert (found["state"], found["works"], found["loaded"], found["findings"]) == ("installed", None, None, [])


def test_printed_remedies_of_status_work(root: Path, tmp_path: Path) -> None:
    """On the disk that the run named."""
    for edited in (False, True):
        if edited:
            appended(drop_in(root))
        [finding] = guard(root, "status", code=1)["units"][0]["findings"]
        words = shlex.split(finding["command"])
        done = run(*words[words.index("--root") :], env=environment(tmp_path / "state"))
        assert done.returncode == 0, done.stderr
        assert str(root) in finding["command"]
        guard(root, "status")


def test_a_drop_in_of_a_removed_agent_is_shown_and_removed(root: Path) -> None:
    guard(root, "install")
    (root / f"lib/systemd/system/{PACKAGE_UNIT}").unlink()
    [found] = guard(root, "status")["units"]
    assert found["state"] == "installed"
    assert guard(root, "uninstall")["units"][0]["did"] == "removed"


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root becomes another user")
def test_without_rights_nothing_is_left(root: Path) -> None:
    for one in (root.parent, root):
        one.chmod(0o755)
    done = command_as_nobody("--root", str(root), "guard", "install", "--program", PROGRAM)
    assert done.returncode in (2, 3), done.stdout
    assert "Run it as root" in done.stderr
    assert not (root / "etc").exists()


def test_a_recording_holds_no_units(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text(json.dumps(unix_snapshot()))
    for command in ("install", "uninstall", "status"):
        done = run("--snapshot", str(tmp_path / "machine.json"), "guard", command)
        assert done.returncode == 2, done.stdout
        assert "a recording holds no units" in done.stderr


@pytest.mark.parametrize(
    ("version", "code"), [("219", 4), ("242 (242-1)", 4), ("243 (243.1)", 0), ("257.4", 0), ("", 0)]
)
def test_a_systemd_that_ignores_the_line_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], version: str,
    code: int,
) -> None:  # fmt: skip
    systemctl = put(tmp_path, "/systemctl", f"#!/bin/sh\n[ $1 = --version ] && echo 'systemd {version}'\n", 0o755)

    class Host(LiveMachine):
        """The disk, with a systemd."""

        @property
        def elsewhere(self) -> bool:
            return False

        def run(self, commands: Any, timeout: float, meanwhile: Callable[[], None] = lambda: None) -> Any:
            host = LiveMachine(executables={"/usr/bin/systemctl": str(systemctl)})
            return host.run(commands, timeout, meanwhile)

    put(root, "/usr/bin/systemctl", "", 0o755)
    monkeypatch.setattr(module, "machine_of", lambda arguments: Host(arguments.root))
    assert main(["--root", str(root), "guard", "install", "--program", PROGRAM]) == code
    assert ("does not know ExecCondition=" in capsys.readouterr().err) == (code == 4)
    assert drop_in(root).exists() == (code == 0)


def test_an_ambiguous_vault_fails_no_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The drop-in is there already when the evidence is taken."""

    def ambiguous(_: object) -> Vault:
        raise UsageError("ambiguous vault", where="/var/lib", remedy="Name it with --vault")

    monkeypatch.setattr(module, "vault_of", ambiguous)
    arguments: Any = SimpleNamespace(root="/", timeout=None, dry_run=False)
    found = module._evidence(LiveMachine(str(tmp_path)), arguments)
    assert found == FirstEvidence(False, "/var/lib: ambiguous vault", "Name it with --vault")
