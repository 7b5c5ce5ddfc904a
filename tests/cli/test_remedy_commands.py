"""Printed commands act on the target of the run that printed them, and start the program as it was started."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import fingerprint
from agent_machines import AgentMachine, copied_disk, mismatch, refused, started
from commandline import COMMAND
from fingerprint import Gate, Vault
from fingerprint.cli import main
from fingerprint.cli.output import begin_run, folded
from fingerprint.cli.parser import parse
from fingerprint.cli.remedy_commands import Advice, quoted
from fingerprint.cli.table import all_commands
from fingerprint.image.kinds import KINDS
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing.machines import unix_snapshot
from nobody import as_user
from printed import Printed, commands_in, unaimed

# They write to the vault, or need what only the machine itself has.
WRITERS = (
    "credentials process", "deregister", "image clean", "vault init", "register", "credentials serve",
    "threshold set", "credentials update",
    "vault backup", "vault rebaseline", "vault repair", "vault reset", "vault restore",
)  # fmt: skip
ON_DISK = ("image clean", "threshold set", "vault backup", "vault repair", "vault reset", "vault restore")
NO_TARGET = ("completion", "diagnose logs", "help", "local-service", "match", "monitor units", "s3-policy")
# How each command is run to see what it prints: nothing is written, as it says what it would do, or refuses to.
LINES: dict[str, list[str]] = {
    "show": [], "check": [], "diagnose": [], "monitor prometheus": [], "monitor watch": ["--checks", "1"],
    "explain": [],
    "whatif": ["--event", "reboot"], "vault init": [], "threshold get": [], "threshold set": ["33", "--dry-run"],
    "register": ["--region", "eu-west-1"], "deregister": [], "credentials process": [], "credentials sources": [],
    "threshold advise": ["--tolerate", "reboot"], "fleet row": [], "vault show": [], "vault verify": [],
    "vault reset": [], "vault evidence": [], "vault history": [], "vault backup": ["--dry-run"],
    "vault restore": ["0"], "vault repair": [], "vault rebaseline": ["--keep-fingerprint"], "image check": [],
    "image clean": ["--dry-run"], "guard": ["--dry-run"], "guard status": [], "guard install": ["--dry-run"],
    "guard uninstall": ["--dry-run"],
}  # fmt: skip


class Aim(NamedTuple):
    """One way to name a target: the options, the environment, and what printed commands must then carry."""

    options: list[str]
    environment: dict[str, str]
    expected: dict[str, str]


# Blanks, quotes, a bar, a dollar and a backquote; and what cannot be printed, bytes that are no text among it.
AWKWARD = 'it\'s a "vault" | $HOME `x` *'
UNPRINTABLE = "a\nb\tc\udcff"


def regenerated(machine: AgentMachine) -> None:
    """Let the vault hold a record that replaced another one after a mismatch."""
    machine.write()
    vault = Vault(str(machine.vault_path), state=machine.env["FINGERPRINT_STATE"])
    other = RecordedMachine(unix_snapshot(machine_id="e" * 32 + "\n", dmi="other", disk="other"))
    other.sleep = lambda _seconds: None  # type: ignore[method-assign]
    Gate(vault, other, policy="regenerate").fingerprint()
    machine.log("amazon-ssm-agent.log", started("08:00:00") + mismatch("08:00:01", "disk-info") + refused("08:00:17"))


def damaged(machine: AgentMachine) -> None:
    machine.record = b"{"
    machine.write()


def missing(machine: AgentMachine) -> None:
    machine.record = machine.registration = None
    machine.write()
    (machine.vault_path / "Manifest").unlink()


def differs(machine: AgentMachine) -> None:
    machine.is_now(dmi="new", disk="new", ip="192.0.2.99")
    machine.file("/root/.aws/credentials", "", 0o644)
    machine.write()


STATES: dict[str, Callable[[AgentMachine], None]] = {
    "regenerated": regenerated, "damaged": damaged, "missing": missing, "differs": differs,
}  # fmt: skip


def by_option(machine: AgentMachine, directory: Path) -> Aim:
    vault = machine.vault_path.rename(directory / AWKWARD)
    return Aim(["--vault", str(vault)], {}, {"--vault": str(vault)})


def by_relative_option(machine: AgentMachine, directory: Path) -> Aim:
    vault = machine.vault_path.rename(directory / "-v")
    os.chdir(directory)
    return Aim(["--vault=-v"], {}, {"--vault": str(vault)})


def by_environment(machine: AgentMachine, directory: Path) -> Aim:
    vault = machine.vault_path.rename(directory / UNPRINTABLE)
    return Aim([], {"FINGERPRINT_VAULT": str(vault)}, {"--vault": str(vault)})


def by_root(machine: AgentMachine, directory: Path) -> Aim:
    root = copied_disk(directory, machine).rename(directory / AWKWARD)
    return Aim(["--root", str(root)], {}, {"--root": str(root)})


def by_snapshot(machine: AgentMachine, directory: Path) -> Aim:
    snapshot = (machine.directory / "machine.json").rename(directory / AWKWARD)
    return Aim(
        ["--snapshot", str(snapshot), "--vault", str(machine.vault_path)], {},
        {"--snapshot": str(snapshot), "--vault": str(machine.vault_path)},
    )  # fmt: skip


AIMS = (by_option, by_relative_option, by_environment, by_root, by_snapshot)


@pytest.fixture
def here() -> Iterator[None]:
    before = os.getcwd()
    yield
    os.chdir(before)


@pytest.mark.parametrize("aim", AIMS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.usefixtures("here")
def test_every_printed_command_carries_the_target_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], state: str,
    aim: Callable[[AgentMachine, Path], Aim],
) -> None:  # fmt: skip
    machine = AgentMachine(tmp_path / "machine")
    machine.directory.mkdir()
    STATES[state](machine)
    machine.write() if state != "missing" and state != "regenerated" else None
    options, environment, expected = aim(machine, tmp_path)
    monkeypatch.setenv("FINGERPRINT_STATE", machine.env["FINGERPRINT_STATE"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    printed = []
    for path, more in LINES.items():
        for form in ("text", "json"):
            capfd.readouterr()
            main([*options, *path.split(), *more, "--output", form])
            streams = capfd.readouterr()
            assert "internal error" not in streams.err, (path, streams.err)
            answer = answer_of(path, streams.out) if form == "json" else streams.out
            outputs = [streams.out] if form == "text" else strings(answer)
            assert [text for output in (*outputs, streams.err) for text in unaimed(output)] == [], path
            printed += [(path, one) for one in commands_in(answer) + commands_in(streams.err)]
    for path, command in printed:
        carries(command, expected, machine.env["FINGERPRINT_STATE"], path)
    assert len(printed) > 5, "each of these states has something to advise"


def answer_of(path: str, text: str) -> Any:
    """Return the JSON that a command printed: of `watch` an object a line."""
    return [json.loads(line) for line in text.splitlines()] if path == "monitor watch" else json.loads(text or "{}")


def strings(answer: Any) -> list[str]:
    if isinstance(answer, dict):
        return [text for value in answer.values() for text in strings(value)]
    if isinstance(answer, list):
        return [text for value in answer for text in strings(value)]
    return [answer] if isinstance(answer, str) else []


def carries(command: Printed, expected: dict[str, str], state: str, path: str) -> None:
    about = (path, command)
    if command.there:
        assert "--root" in expected or "--snapshot" in expected, about
        assert (command.target, command.environment) == ({}, {}), about
        return
    if command.path in NO_TARGET or (command.path.startswith("fleet ") and command.path != "fleet row"):
        return
    assert command.target == expected, about
    assert command.environment == {"FINGERPRINT_STATE": state}, about
    if "--snapshot" in expected:
        assert command.path not in WRITERS, about
        assert "--keep" not in command.words, about
    elif "--root" in expected:
        assert command.path not in WRITERS or command.path in ON_DISK, about


def test_every_command_is_run_above_or_has_no_target() -> None:
    """Those that stay, need the extra aws first, or write what they are given, print the same advice as others."""
    elsewhere = {"report", "credentials serve", "snapshot", "credentials update", "monitor nagios"}
    fleets = {one.path for one in all_commands() if one.path.startswith("fleet ")} - {"fleet row"}
    assert {one.path for one in all_commands()} == {*LINES, *NO_TARGET, *elsewhere, *fleets}


def test_every_command_in_a_message_is_found_by_advice(tmp_path: Path) -> None:
    """At the start of a line, after a colon or in backquotes; else it would be printed without its target."""
    arguments = parse(["--vault", str(tmp_path), "check"])
    advice = Advice(arguments)
    package = Path(fingerprint.__file__).parent
    counted = 0
    for path in sorted(package.rglob("*.py")):
        # Help is the same for every target.
        if path.parent.name == "table" or path.name in ("options.py", "help.py", "overview.py"):
            continue
        for text in strings_of(path):
            printed = advice.text(text)
            assert unaimed(printed) == [], f"{path}: {text}"
            for command in commands_in(printed):
                counted += 1
                if "--to" in command.words:
                    # It writes files for another machine, whose vault is not that of this run.
                    assert command.target == {}, text
                    continue
                assert command.there or command.path in NO_TARGET or command.target == {"--vault": str(tmp_path)}, text
    assert counted > 40


@pytest.mark.parametrize("kind", KINDS)
def test_an_aimed_remedy_of_an_image_is_a_sentence(kind: str) -> None:
    """Not "Stop it with on that machine: `systemctl stop x`"."""
    aimed = Advice(parse(["--root", "/mnt", "image", "check"])).text(KINDS[kind].remedy)
    assert re.search(r"\b(?:by|from|in|of|to|with) on that machine", aimed) is None


def strings_of(path: Path) -> Iterator[str]:
    """Yield the string literals of a module but its docstrings; a field of one that is formatted is a number."""
    tree = ast.parse(path.read_text())
    parts = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
        if part is not node
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else "7" for one in node.values)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.add(id(node.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def test_a_command_is_aimed_once() -> None:
    """What is folded, and then written, passes through twice."""
    for words in (["--vault", "/a b", "check"], ["--root", "/mnt", "check"], ["--snapshot", "x.json", "check"]):
        advice = Advice(parse(words))
        for text in (
            "Put it back: fingerprint vault restore 0; or see: fingerprint vault history",
            "fingerprint threshold set 33", "Run `fingerprint image clean`", "sudo fingerprint check",
            "Record it again as root, on that machine: fingerprint snapshot FILE", "Find it with: fuser -v DIR. Then",
        ):  # fmt: skip
            once = advice.text(text)
            assert advice.text(once) == once


@pytest.mark.parametrize(
    "text",
    ["the fingerprint check failed", "a fingerprint register was lost", "Fingerprint update: none", "fingerprint init2",
     "/opt/fingerprint check", "no fingerprint show"],
)  # fmt: skip
def test_what_is_no_command_stays_as_it_is(text: str) -> None:
    assert Advice(parse(["--vault", "/a", "check"])).text(text) == text


def test_what_was_read_of_a_machine_stays_as_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A host may have the name of a command; a value is no advice."""
    snapshot = tmp_path / "machine.json"
    snapshot.write_text(json.dumps(unix_snapshot(host_name="fingerprint check")))
    main(["--snapshot", str(snapshot), "show", "--output", "json"])
    assert json.loads(capfd.readouterr().out)["hardwareHash"]["hostname-info"] == "fingerprint check"
    main(["--snapshot", str(snapshot), "show"])
    assert "  fingerprint check  " in capfd.readouterr().out


def machine_files(directory: Path, kind: str) -> list[str]:
    """Return the line of a command that reads files: recordings that differ, or a log with a mismatch."""
    if kind == "diagnose logs":
        log = directory / "amazon-ssm-agent.log"
        log.write_text(started("08:00:00") + mismatch("08:00:01", "disk-info") + refused("08:00:17"))
        return [*kind.split(), str(log)]
    other = {"machine_id": "7" * 32} if kind == "another id" else {"dmi": "SMBIOS 3.4 present.", "disk": "total 4"}
    for name, changes in (("a", {}), ("b", {"ip": "192.0.2.99", **other})):
        (directory / f"{name}.json").write_text(json.dumps(unix_snapshot(**changes)))
    return ["explain", str(directory / "a.json"), str(directory / "b.json")]


@pytest.mark.parametrize("kind", ["another id", "other hardware", "diagnose logs"])
@pytest.mark.parametrize("vault", [[], ["--vault", "/v"]])
def test_what_files_of_a_machine_advise_is_for_that_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kind: str, vault: list[str]
) -> None:
    """Nobody's vault but that machine's is meant, and no option names it."""
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    words = machine_files(tmp_path, kind)
    for form in ("text", "json"):
        main([*vault, *words, "--output", form])
        printed = capfd.readouterr().out
        printed = commands_in(json.loads(printed) if form == "json" else printed)
        assert printed, "there is something to advise"
        assert all(one.there and not one.target and not one.environment for one in printed), printed


@pytest.mark.parametrize(("logs", "there"), [
    (["/var/log/amazon/ssm/amazon-ssm-agent.log"], False),
    (["/var/log/amazon/ssm/x/../amazon-ssm-agent.log", "/var/log/amazon/ssm/errors.log"], False),
    (["/var/log/amazon/ssm/amazon-ssm-agent.log", "/tmp/errors.log"], True), (["-"], True),
])  # fmt: skip
def test_the_logs_of_the_agent_here_are_of_this_machine(logs: list[str], there: bool) -> None:
    printed = Advice(parse(["diagnose", "logs", *logs])).text("fingerprint vault history")
    assert printed.startswith("on that machine: ") == there


@pytest.mark.parametrize("command", ["systemctl restart amazon-ssm-agent", "chmod 600 /root/.aws/credentials"])
@pytest.mark.parametrize("words", [["--root", "/mnt"], ["--snapshot", "x.json"]])
def test_commands_of_other_programs_are_for_that_machine(words: list[str], command: str) -> None:
    advice = Advice(parse([*words, "check"]))
    assert advice.step("Do it", command) == (f"Do it (on that machine: {command})", "")
    assert advice.text(f"Do it (`{command}`).") == f"Do it (on that machine: `{command}`)."
    assert advice.text(f"Do it with: {command}. Then") == f"Do it with (on that machine): {command}. Then"
    assert Advice(parse(["check"])).step("Do it", command) == ("Do it", command)


@pytest.mark.parametrize("path", ["/a", "/a b", "/it's", AWKWARD, "/a;b&c", "/a\\b", "", "/ü", "~"])
def test_a_quoted_path_is_one_word_of_a_shell(path: str) -> None:
    if "|" not in path:
        assert shlex.split(quoted(path)) == [path]
    shell = subprocess.run(["bash", "-c", f"printf %s {quoted(path)}"], capture_output=True, check=True)
    assert os.fsdecode(shell.stdout) == path


@pytest.mark.parametrize("path", [UNPRINTABLE, "/a|b", "/\x1b[2J", "/'\\|\n"])
def test_a_quoted_path_has_no_control_characters(path: str) -> None:
    word = quoted(path)
    assert word.isprintable()
    assert "|" not in word
    assert os.fsdecode(subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True).stdout) == path


def test_what_is_printed_works_when_it_is_pasted(tmp_path: Path) -> None:
    """From another directory and without the environment of the first run."""
    machine = AgentMachine(tmp_path)
    machine.write()
    vault = machine.vault_path.rename(tmp_path / UNPRINTABLE)
    done = subprocess.run(
        [COMMAND, "vault", "backup"], capture_output=True, check=True, cwd=tmp_path,
        env={**machine.env, "FINGERPRINT_VAULT": str(vault)},
    )  # fmt: skip
    command = commands_in(os.fsdecode(done.stdout))[0]
    line = command.line.removesuffix(" --yes")
    pasted = subprocess.run(
        ["bash", "-c", f"{line} --dry-run --output json"], capture_output=True, cwd="/",
        env={"PATH": machine.env["PATH"]},
    )  # fmt: skip
    assert pasted.returncode == 0, pasted.stderr
    assert json.loads(pasted.stdout)["dryRun"] is True


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, and another user")
@pytest.mark.parametrize("user", [0, 65534])
def test_sudo_is_printed_to_users_and_finds_everything(tmp_path: Path, user: int) -> None:
    script = """
from fingerprint.cli.remedy_commands import Advice
from fingerprint.cli.parser import parse
print(Advice(parse(sys.argv[1:])).text("Check again: sudo fingerprint check"))
"""
    program: Path | str = Path(sys.executable).with_name("fingerprint")
    env = {"PATH": f"{program.parent}:/bin", "FINGERPRINT_STATE": "/s"}
    done = as_user(user, script, "--vault", "/a b", "check", env=env)
    if not all(directory.stat().st_mode & 0o001 for directory in program.parents):
        # That user cannot see the program there.
        program = f"{sys.executable} -I -m fingerprint"
    start = "FINGERPRINT_STATE=/s fingerprint" if user == 0 else f"sudo env FINGERPRINT_STATE=/s {program}"
    assert done.stdout == f"Check again: {start} --vault '/a b' check\n", done.stderr
    [command] = commands_in(done.stdout)
    assert (command.by_root, command.target, command.environment) == (
        user != 0, {"--vault": "/a b"}, {"FINGERPRINT_STATE": "/s"},
    )  # fmt: skip


class Start(NamedTuple):
    """A way to start the program, and how it then names itself."""

    words: list[str]
    path: str
    named: str


def starts(directory: Path) -> list[Start]:
    bin_directory = str(Path(COMMAND).parent)
    linked = directory / "my bin" / "fingerprint"
    linked.parent.mkdir()
    linked.symlink_to(COMMAND)
    other = directory / "other" / "fingerprint"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    plain = "/usr/bin:/bin"
    return [
        Start([COMMAND], f"{bin_directory}:{plain}", "fingerprint"),
        Start([COMMAND], plain, COMMAND),
        Start([COMMAND], f"{other.parent}:{bin_directory}:{plain}", COMMAND),
        Start([str(linked)], f"{linked.parent}:{plain}", "fingerprint"),
        Start([str(linked)], plain, f"'{linked}'"),
        Start([sys.executable, "-m", "fingerprint"], plain, f"{sys.executable} -m fingerprint"),
        Start([sys.executable, "-I", "-m", "fingerprint"], plain, f"{sys.executable} -I -m fingerprint"),
        Start([sys.executable, "-m", "fingerprint"], f"{bin_directory}:{plain}", "fingerprint"),
    ]


def test_the_program_names_itself_as_it_was_started(tmp_path: Path) -> None:
    # From another directory than the sources, which `-m` would take.
    options: dict[str, Any] = {"capture_output": True, "text": True, "cwd": tmp_path}
    for words, path, named in starts(tmp_path):
        done = subprocess.run([*words, "--vault", str(tmp_path / "none"), "check"], env={"PATH": path}, **options)
        assert done.returncode == 3
        assert f"{named} --vault {tmp_path}/none vault init" in done.stderr
        done = subprocess.run([*words, "check", "--nonsense"], env={"PATH": path}, **options)
        assert done.stderr.endswith(f"Try: {named} check --help\n")


def test_no_line_ends_within_what_can_be_copied() -> None:
    begin_run(None)
    text = "The agent does not run. Do: start it (`systemctl restart amazon-ssm-agent.service`)."
    assert folded(text, 60)[-1] == "(`systemctl restart amazon-ssm-agent.service`)."
    there = Advice(parse(["--snapshot", "web.json", "diagnose"]))
    said = there.text("Restart the agent: it tries again at once (on that machine: systemctl restart agent)", "_")
    assert said.endswith("(on_that_machine:_systemctl_restart_agent)")
