"""Remedies of `guard install`, `uninstall` and `status` keep the options of the operator, and work as printed."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from commandline import environment, run
from fingerprint.agent.paths import UNITS
from fingerprint.cli import main
from fingerprint.guard_units.drop_in import DropIn, read_drop_in, script_of
from fingerprint.guard_units.manager import Loaded
from fingerprint.guard_units.status import status_of
from fingerprint.machine.live import LiveMachine
from guard_disk import PROGRAM, put, with_systemd

UNIT = UNITS[0]
DROP_IN = f"etc/systemd/system/{UNIT}.d/fingerprint-guard.conf"
OTHER = "/opt/finger print/bin/fingerprint"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")
# Each set of options of `guard install`, and what the drop-in then runs after the program.
OPTIONS = (
    ((), ["--on-mismatch", "allow", "--limit", "60"]),
    (("--refresh", "--on-mismatch", "block", "--limit", "9"), ["--refresh", "--on-mismatch", "block", "--limit", "9"]),
    (("--timeout", "7"), ["--timeout", "7", "--on-mismatch", "allow", "--limit", "60"]),
    (("--vault", "{root}/srv/a vault"), ["--vault", "/srv/a vault", "--on-mismatch", "allow", "--limit", "60"]),
    (("--vault", "{root}/srv/v", "--refresh", "--limit", "9"),
     ["--vault", "/srv/v", "--refresh", "--on-mismatch", "allow", "--limit", "9"]),
    (("--program", OTHER, "--limit", "9"), ["--on-mismatch", "allow", "--limit", "9"]),
)  # fmt: skip
every_options = pytest.mark.parametrize(("options", "runs"), OPTIONS, ids=lambda one: " ".join(one) or "none")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    disk = with_systemd(tmp_path / "disk")
    put(disk, OTHER, "#!/bin/sh\n", 0o755)
    (disk / "srv/a vault").mkdir(parents=True)
    (disk / "srv/v").mkdir()
    return disk


def words_for(root: Path, options: tuple[str, ...]) -> list[str]:
    given = [word.format(root=root) for word in options]
    return given if "--program" in given else [*given, "--program", PROGRAM]


def guard(root: Path, *words: str) -> Any:
    done = run("--root", str(root), "guard", *words, "--output", "json", env=environment(root.parent / "state"))
    return json.loads(done.stdout)


def execute(root: Path, text: str) -> None:
    """Run the one command of a text as it was printed."""
    command = text[text.index("fingerprint ") :]
    done = run(*shlex.split(command)[1:], env=environment(root.parent / "state"))
    assert done.returncode == 0, (command, done.stderr)


def runs_now(root: Path) -> tuple[str, ...]:
    return read_drop_in(str(root), UNIT).command


@every_options
def test_an_edited_file_is_replaced_with_the_options(root: Path, options: tuple[str, ...], runs: list[str]) -> None:
    words = words_for(root, options)
    program = words[words.index("--program") + 1]
    guard(root, "install", *words)
    for said_by in ("install", "status"):
        (root / DROP_IN).write_text((root / DROP_IN).read_text() + "Nice=5\n")
        if said_by == "install":
            text = guard(root, "install", *words)["error"]["remedy"]
        else:
            [finding] = guard(root, "status")["units"][0]["findings"]
            text = finding["command"]
        execute(root, text)
        assert runs_now(root) == (program, "guard", *runs), text


@every_options
def test_an_edited_file_is_removed_as_printed(root: Path, options: tuple[str, ...], runs: list[str]) -> None:
    guard(root, "install", *words_for(root, options))
    (root / DROP_IN).write_text((root / DROP_IN).read_text() + "Nice=5\n")
    vault = ("--vault", str(root / "srv/v")) if options else ()
    execute(root, guard(root, "uninstall", *vault)["error"]["remedy"])
    assert not (root / DROP_IN).exists()


@pytest.mark.parametrize("last", ["--no-such-option", "--limit 0", "--limit x", "--on-mismatch maybe", "$(reboot)"])
def test_words_that_guard_does_not_know_are_left_out(root: Path, last: str) -> None:
    guard(root, "install", "--refresh", "--program", PROGRAM)
    path = root / DROP_IN
    path.write_text(path.read_text().replace("--on-mismatch allow --limit 60", last))
    [finding] = guard(root, "status")["units"][0]["findings"]
    execute(root, finding["command"])
    assert runs_now(root) == (PROGRAM, "guard", "--refresh", "--on-mismatch", "allow", "--limit", "60")


def test_a_dry_run_prints_a_remedy_that_is_one(root: Path) -> None:
    guard(root, "install", "--program", PROGRAM)
    (root / DROP_IN).write_text((root / DROP_IN).read_text() + "Nice=5\n")
    before = (root / DROP_IN).read_text()
    execute(root, guard(root, "install", "--program", PROGRAM, "--dry-run")["error"]["remedy"])
    assert (root / DROP_IN).read_text() == before


def test_a_disk_without_this_program_gets_a_command_that_works(root: Path) -> None:
    [finding] = guard(root, "status")["units"][0]["findings"]
    execute(root, finding["command"])
    assert runs_now(root)[0] == PROGRAM
    guard(root, "uninstall")
    (root / PROGRAM[1:]).unlink()
    [finding] = guard(root, "status")["units"][0]["findings"]
    assert (finding["command"], "--program" in finding["remedy"]) == ("", True)


class Host(LiveMachine):
    """The disk as a host of its own."""

    @property
    def elsewhere(self) -> bool:
        return False


@pytest.mark.parametrize(("seconds", "limit"), [(40.0, 24), (17.0, 1), (16.5, 1), (16.0, None), (3.0, None)])
def test_a_limit_that_fits_is_in_the_command(
    root: Path, seconds: float, limit: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def loading(_: object, __: DropIn) -> Loaded:
        return Loaded(True, seconds)

    guard(root, "install", "--refresh", "--program", OTHER)
    monkeypatch.setattr("fingerprint.guard_units.status.loading_of", loading)
    monkeypatch.setattr("fingerprint.guard_units.manager.loading_of", loading)
    found = status_of(LiveMachine(str(root)), str(root), UNIT, PROGRAM)
    [(text, _, command)] = found.findings
    assert "TimeoutStartSec=" in text
    words = ["--root", str(root), "guard", "install", "--refresh", "--program", OTHER]
    assert main(words) == 4
    said = capsys.readouterr().err
    if limit is None:
        assert (command, "fingerprint " in said.partition("\n")[2]) == ("", False)
        return
    for printed in (f"--root {shlex.quote(str(root))} {command.partition('fingerprint ')[2]}", said.split(": ")[-1]):
        line = shlex.split(printed)
        # Where the program is not on PATH, it is `python -m fingerprint`.
        line = line[line.index("fingerprint") + 1 :] if "fingerprint" in line else line
        assert line[line.index("--limit") + 1] == str(limit)
        assert main(line) == 0
        assert runs_now(root) == (OTHER, "guard", "--refresh", "--on-mismatch", "allow", "--limit", str(limit))


# By what is wrong with them: each is a usage error that says what the option takes.
LIMITS = (
    "0", "-1", "-60", "1.5", "60.0", "1e3", "3601", "99999999999999999999", "9" * 5000, "abc", "", " 5", "5 ", "1_0",
    "٣", "inf", "nan", "0x10", "60s", "1,000",
)  # fmt: skip


@pytest.mark.parametrize("limit", LIMITS, ids=lambda one: one[:12] or "empty")
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_bad_limit_is_a_clear_usage_error(root: Path, limit: str, output: str) -> None:
    """Before anything else is said, such as that there is no agent."""
    (root / f"lib/systemd/system/{UNIT}").unlink()
    done = run(
        "--root", str(root), "guard", "install", f"--limit={limit}", "--output", output,
        env=environment(root.parent / "state"),
    )  # fmt: skip
    said = json.loads(done.stdout)["error"]["what"] if output == "json" else done.stderr
    assert done.returncode == 2
    assert "--limit" in said
    assert "3600" in said
    assert len(said) < 200
    assert not (root / "etc").exists()


@pytest.mark.parametrize("limit", ["1", "3600", "060"])
def test_each_integer_from_1_to_3600_is_a_limit(root: Path, limit: str) -> None:
    guard(root, "install", "--limit", limit, "--program", PROGRAM)
    assert runs_now(root)[-1] == str(int(limit))


def made(vault: Path, state: Path, decision: str) -> None:
    """Note a last run for a vault."""
    from fingerprint import Vault
    from fingerprint.guard import Decision, GuardRun, finish

    vault.mkdir(parents=True, exist_ok=True)
    finish(
        Vault(str(vault), state=str(state)),
        GuardRun("2026-01-02T03:04:05Z", Decision(decision), decision == "copy", f"made for {vault.name}"),
    )  # fmt: skip


@pytest.mark.parametrize("named", ["option", "environment", "nothing"])
def test_the_last_run_is_that_of_the_vault_of_the_unit(root: Path, named: str) -> None:
    """Whatever vault the operator's own command line and environment name."""
    state = root.parent / "state"
    made(root / "srv/v", state, "copy")
    made(root / "srv/other", state, "accepted")
    guard(root, "install", "--program", PROGRAM, "--vault", str(root / "srv/v"))
    other = str(root / "srv/other")
    more = {"FINGERPRINT_VAULT": other} if named == "environment" else {}
    words = ["--vault", other] if named == "option" else []
    done = run("--root", str(root), "guard", "status", *words, "--output", "json", env=environment(state, **more))
    answer = json.loads(done.stdout)
    assert (answer["lastRun"]["decision"], answer["lastRun"]["why"]) == ("copy", "made for v")


def test_the_last_run_is_that_of_the_usual_vault_by_default(root: Path) -> None:
    state = root.parent / "state"
    made(root / "var/lib/amazon/ssm/Vault", state, "copy")
    made(root / "srv/other", state, "accepted")
    guard(root, "install", "--program", PROGRAM)
    other = {"FINGERPRINT_VAULT": str(root / "srv/other")}
    done = run("--root", str(root), "guard", "status", "--output", "json", env=environment(state, **other))
    assert json.loads(done.stdout)["lastRun"]["decision"] == "copy"


def test_a_vault_of_the_units_environment_is_that_of_the_unit(root: Path) -> None:
    state = root.parent / "state"
    made(root / "srv/v", state, "copy")
    put(root, f"/lib/systemd/system/{UNIT}", "[Service]\nEnvironment=FINGERPRINT_VAULT=/srv/v\n")
    guard(root, "install", "--program", PROGRAM)
    assert script_of((root / DROP_IN).read_bytes())[4:6] == (PROGRAM, "guard")
    assert guard(root, "status")["lastRun"]["decision"] == "copy"


def test_a_program_is_named_where_it_is_another_one(root: Path) -> None:
    guard(root, "install", "--program", PROGRAM, "--refresh")
    (root / DROP_IN).write_text((root / DROP_IN).read_text() + "Nice=5\n")
    host = Host(str(root))
    [(_, _, command)] = status_of(host, str(root), UNIT, PROGRAM).findings
    assert "--program" not in command
    [(_, _, command)] = status_of(host, str(root), UNIT, OTHER).findings
    assert f"--program {PROGRAM}" in command
