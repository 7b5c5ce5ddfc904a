"""No command reads a source of the machine, or a file of the vault, twice: what it prints is of one moment.

A source is a file, a command line, a dump of the kernel, a query of WMI (tests/machine/test_wmi_once.py). Not counted:
directories that are opened to find what lies in them, and /dev/null, which is the standard input of each tool.

These read again, each for a reason:

- the gate makes three attempts, each an observation of its own, since one mismatch decides nothing; so does `watch` at
  each check;
- a command that writes decides by what it reads, and reads it again below the lock of the vault;
- the C library resolves names and homes of users in /etc/passwd by itself, where HOME does not name them;
- a record that does not agree with our journal is read once more, with manifest and journal: a writer may have come in
  between the two (`Vault._read`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine, copied_disk
from broken_machines import other_machine
from commandline import environment
from fingerprint.cli import main
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault.files import Directory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tools and files of Linux")

COMMANDS = (
    "check", "check --output json", "monitor nagios -c copy", "explain", "explain --output json", "diagnose",
    "show", "show --facts", "show --scheme stable", "monitor prometheus", "monitor watch --checks 1",
    "whatif --event dhcp-lease --sweep",
    "snapshot -", "report --redact FILE", "vault rebaseline --keep-fingerprint --accept-new-sid --dry-run", "fleet row",
    "threshold advise --tolerate reboot", "threshold get", "vault show", "vault verify", "vault history",
    "vault evidence",
)  # fmt: skip
# The questions that the machine of a command line is asked; what it says of itself is no source.
QUESTIONS = (
    "access_list", "addresses", "agent_processes", "agent_version", "default_route", "firmware_table", "host_name",
    "links", "list_directory", "machine_guid", "outgoing_address", "processor", "processor_id", "read_file",
    "service_state", "utc_offset",
)  # fmt: skip


def words_of(command: str, directory: Path) -> list[str]:
    return command.replace("FILE", str(directory / f"{os.urandom(4).hex()}.tar.gz")).split()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count what the machine of the command line is asked, and what is read of vault and state directory."""
    found: Counter[str] = Counter()

    def is_meant(machine: RecordedMachine) -> bool:
        return machine.where == str(tmp_path / "machine.json")

    def counting(name: str) -> None:
        ask = getattr(RecordedMachine, name)

        def counted(machine: RecordedMachine, *arguments: Any) -> Any:
            if is_meant(machine):
                found[" ".join((name, *arguments[:1]))] += 1
            return ask(machine, *arguments)

        monkeypatch.setattr(RecordedMachine, name, counted)

    for name in QUESTIONS:
        counting(name)
    run, read = RecordedMachine.run, Directory.read

    def counted_run(machine: RecordedMachine, commands: Sequence[tuple[str, ...]], *more: Any) -> Any:
        found.update(" ".join(argv) for argv in commands if is_meant(machine))
        return run(machine, commands, *more)

    def counted_read(opened: Directory, name: str, *arguments: Any, **options: Any) -> bytes | None:
        found[f"{opened.path}/{name}"] += 1
        return read(opened, name, *arguments, **options)

    monkeypatch.setattr(RecordedMachine, "run", counted_run)
    monkeypatch.setattr(Directory, "read", counted_read)
    return found


def changed(machine: AgentMachine, state: str) -> None:
    """Let a machine, whose record has its evidence, be as it was, another one, or one that its agent replaced."""
    machine.write()
    done = machine("vault", "backup", "--yes")
    assert done.returncode == 0, done.stderr
    assert machine("snapshot", str(machine.directory / "kept.json"), "--keep").returncode == 0
    if state != "same":
        other_machine(machine)
    if state == "regenerated":
        text = machine.snapshot["files"]["/var/log/amazon/ssm/amazon-ssm-agent.log"]["text"]
        later = "2026-11-24 11:58:00.1234 WARN Calculated hardware difference, regenerating fingerprint...\n"
        machine.log("amazon-ssm-agent.log", text + later)
    (machine.directory / "machine.json").write_text(json.dumps(machine.snapshot))


def twice(found: Counter[str]) -> dict[str, int]:
    return {source: count for source, count in found.items() if count > 1}


@pytest.mark.parametrize("state", ["same", "other", "regenerated"])
def test_no_command_asks_a_machine_or_a_vault_twice(
    state: str, tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = AgentMachine(tmp_path)
    changed(machine, state)
    for name, value in machine.env.items():
        monkeypatch.setenv(name, value)
    target = ["--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json")]
    repeated: dict[str, dict[str, int]] = {}
    for command in COMMANDS:
        asked.clear()
        main([*target, *words_of(command, tmp_path)])
        assert "internal error" not in capfd.readouterr().err
        assert asked, command
        if twice(asked):
            repeated[command] = twice(asked)
    assert repeated == {}


def test_watch_reads_everything_once_per_check(
    tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = AgentMachine(tmp_path)
    changed(machine, "other")
    for name, value in machine.env.items():
        monkeypatch.setenv(name, value)
    main(["--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json"),
          "monitor", "watch", "--checks", "2", "--interval", "0.01"])  # fmt: skip
    assert set(asked.values()) == {2}


def test_another_programs_record_is_read_once_more(
    tmp_path: Path, asked: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = AgentMachine(tmp_path)
    changed(machine, "other")
    record = machine.vault_path / "Store" / "InstanceFingerprint"
    record.write_bytes(record.read_bytes().replace(b'"similarityThreshold":40', b'"similarityThreshold":60'))
    for name, value in machine.env.items():
        monkeypatch.setenv(name, value)
    target = ["--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json")]
    for command in COMMANDS:
        asked.clear()
        main([*target, *words_of(command, tmp_path)])
        of_the_vault = {source: count for source, count in asked.items() if source.startswith(str(tmp_path))}
        assert all(count <= 2 for count in of_the_vault.values()), (command, of_the_vault)
        assert not twice(asked - Counter(of_the_vault)), command


# The machine is this one, and only the tools are scripts: they count their runs.
PROBE = """
import sys
from fingerprint.cli import context, main
from fingerprint.machine.live import LiveMachine

tools = dict(zip(sys.argv[1:6:2], sys.argv[2:7:2]))
context.machine_of = lambda arguments: arguments.recorded or LiveMachine(arguments.root, tools)
sys.exit(main(sys.argv[7:]))
"""
TOOLS = ("/usr/sbin/dmidecode", "/usr/bin/ls", "/bin/ls")
_OPENED = re.compile(
    r'open(?:at)?\((?:AT_FDCWD)?(?:\d+)?(?:<(?P<directory>[^>]*)>)?(?:, )?"(?P<path>[^"]*)", (?P<flags>\S+)'
)
# Not every strace has the names.
_DUMPS = {"0x12": "RTM_GETLINK", "RTM_GETLINK": "RTM_GETLINK", "0x16": "RTM_GETADDR", "RTM_GETADDR": "RTM_GETADDR"}
# Of the interpreter and the system's libraries.
_RUNTIME = (
    "/usr/lib",
    "/lib",
    "/usr/share",
    "/usr/local/lib",
    "/etc/ld.so",
    "/etc/localtime",
    "/dev/",
    "/proc/self/fd",
)


class Traced:
    """This host with counting tools, and the command line over it below strace."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = environment(directory / "state", HOME=str(directory))
        self.words = [sys.executable, "-I", "-c", PROBE]
        self.runs = directory / "runs"
        for number, tool in enumerate(TOOLS):
            script = directory / f"tool{number}"
            script.write_text(
                f'#!/bin/sh\necho {tool} "$@" >>{self.runs}\necho "# dmidecode 3.4"\n'
                f'while read -r line; do echo "$line"; done <{directory}/says\n'
            )
            script.chmod(0o755)
            self.words += [tool, str(script)]
        self.says("one")

    def says(self, word: str) -> None:
        (self.directory / "says").write_text(
            f"Handle 0x0001, DMI type 1, 27 bytes\nSystem Information\n\tUUID: {word}\n"
        )

    def __call__(self, *words: str, trace: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        target = () if "--root" in words else ("--vault", str(self.directory / "Vault"))
        return subprocess.run([*trace, *self.words, *target, *words], env=self.env, capture_output=True, text=True,
                              check=False, timeout=120)  # fmt: skip

    def reads(self, command: str) -> Counter[str]:
        """Return how often a command reads each file, runs each tool and takes each dump of the kernel."""
        self.runs.write_text("")
        trace = self.directory / "trace"
        done = self(*words_of(command, self.directory), trace=(
            "strace", "-f", "-qq", "-y", "--seccomp-bpf", "-s", "300", "-e", "trace=open,openat,execve,sendto",
            "-o", str(trace),
        ))  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr
        assert "internal error" not in done.stdout + done.stderr
        found = Counter(self.runs.read_text().splitlines())
        tools = set()
        for line in trace.read_text(errors="replace").splitlines():
            pid, _, call = line.partition(" ")
            call = call.strip()
            if call.startswith("execve(") and sys.executable not in call.partition(",")[0]:
                # What a tool reads itself is its own.
                tools.add(pid)
                if str(self.directory) not in call.partition(",")[0]:
                    found[call.partition("], ")[0]] += 1
            if pid not in tools:
                found.update(_sources(call))
        return found


def _sources(call: str) -> Iterator[str]:
    if call.startswith("sendto("):
        kind = re.search(r"nlmsg_type=(\w+)", call)
        if kind and kind[1] in _DUMPS:
            yield _DUMPS[kind[1]]
        return
    opened = _OPENED.match(call)
    if opened is None or "O_DIRECTORY" in opened["flags"] or "O_RDONLY" not in opened["flags"]:
        return
    path = os.path.join(opened["directory"] or "", opened["path"])
    ours = (sys.prefix, sys.base_prefix, str(Path(main.__code__.co_filename).parents[1]), *_RUNTIME)
    if not path.startswith(ours) and not path.endswith(("/python3._pth", "pyvenv.cfg")):
        yield path


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    machine = Traced(tmp_path_factory.mktemp("traced"))
    assert machine("vault", "init").returncode == 0
    return machine


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("state", ["same", "drift"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_opens_a_file_or_runs_a_tool_twice(command: str, state: str, traced: Traced) -> None:
    traced.says("one" if state == "same" else "two")
    found = traced.reads(command)
    if command.split()[0] in ("check", "explain", "diagnose", "monitor", "snapshot", "report", "fleet"):
        assert found["/etc/machine-id"] == 1
        assert {source: found[source] for source in found if source.startswith("/usr/sbin/dmidecode")} == {
            f"/usr/sbin/dmidecode -t {group}": 1 for group in ("processor", "memory", "bios", "system")
        }
        assert found["RTM_GETLINK"] == found["RTM_GETADDR"] == 1
    assert twice(found) == {}


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_file_of_a_copied_disk_is_opened_twice(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    root = copied_disk(tmp_path, machine)
    traced = Traced(tmp_path)
    for command in ("check", "diagnose", "explain", "fleet row", "image check"):
        found = traced.reads(f"--root {root} {command}")
        assert any(source.startswith(str(root)) for source in found), command
        assert twice(found) == {}, command
