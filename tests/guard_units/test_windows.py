"""The task and the script of the guard on Windows: read by the rules of its programs, and run where wine is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from commandline import run
from fingerprint.agent.paths import WINDOWS_SERVICE
from fingerprint.guard import BLOCKED

TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
SCRIPT = r"C:\Program Files\hardware-fingerprint\fingerprint-guard.cmd"
PROGRAM = r"C:\Program Files\a & b\fingerprint.exe"


def files(directory: Path, *words: str) -> tuple[str, Any]:
    """Return the script and the task of a command line."""
    done = run("guard", "install", "--system", "windows", "--to", str(directory / "files"), *words)
    assert done.returncode == 0, done.stderr
    script = (directory / "files/fingerprint-guard.cmd").read_bytes()
    task = (directory / "files/fingerprint-guard-task.xml").read_bytes()
    assert task[:2] in (b"\xff\xfe", b"\xfe\xff")
    return script.decode("ascii"), ElementTree.fromstring(task)


def argv_of(line: str) -> list[str]:
    """Return the words of a command line as CommandLineToArgvW does: 2n backslashes and a quote are n of them."""
    words, word, begun, quoted, at = [], "", False, False, 0
    while at < len(line):
        slashes = len(line[at:]) - len(line[at:].lstrip("\\"))
        if slashes:
            at += slashes
            if line[at : at + 1] == '"':
                word += "\\" * (slashes // 2)
                if slashes % 2:
                    word += '"'
                    at += 1
            else:
                word += "\\" * slashes
            begun = True
            continue
        character = line[at]
        at += 1
        if character == '"':
            quoted, begun = not quoted, True
        elif character in " \t" and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + character, True
    assert not quoted
    return [*words, word] if begun else words


def of_cmd(arguments: str) -> str:
    """Return the line that `cmd.exe /s /c "LINE"` runs; outside quotation marks it has nothing special."""
    options, found, rest = arguments.partition(' /c "')
    assert found
    assert "/s" in options.split()
    assert rest.endswith('"')
    line = rest[:-1]
    assert line.count('"') % 2 == 0
    for outside in line.split('"')[::2]:
        assert re.fullmatch(r"[-\w.:\\/ ]*", outside, re.ASCII)
    # A variable is replaced also between quotation marks.
    assert "%" not in line
    return line


VAULTS = (r"D:\a & b\Vault", r"D:\v^1\(x)\Vault", r"D:\it's;a,b=c!\Vault", "D:\\bür名\\Vault", r"\\host\share\Vault")


@pytest.mark.parametrize("vault", VAULTS)
@pytest.mark.parametrize("program", [PROGRAM, r"C:\Tools\fingerprint.exe", r"C:\x^y!\F.EXE"])
def test_the_task_holds_the_command_as_it_was(tmp_path: Path, vault: str, program: str) -> None:
    words = ("--program", program, "--vault", vault, "--refresh", "--on-mismatch", "block", "--limit", "30")
    _, task = files(tmp_path, *words)
    assert task.tag == f"{TASK}Task"
    assert task.findtext(f".//{TASK}Command") == r"%SystemRoot%\System32\cmd.exe"
    line = of_cmd(task.findtext(f".//{TASK}Arguments"))
    assert argv_of(line) == [
        SCRIPT, program, "guard", "--vault", vault, "--refresh", "--on-mismatch", "block", "--limit", "30"
    ]  # fmt: skip


def test_the_task_runs_at_the_boot_as_the_system(tmp_path: Path) -> None:
    script, task = files(tmp_path, "--program", PROGRAM, "--limit", "30")
    assert [one.tag for one in task.find(f"{TASK}Triggers")] == [f"{TASK}BootTrigger"]
    assert task.findtext(f".//{TASK}UserId") == "S-1-5-18"
    assert "not run on Windows" in task.findtext(f".//{TASK}Description")
    # After these seconds the script starts the agent, which the end of the task must not prevent.
    [seconds] = re.findall(r"ping\.exe\" -n (\d+) ", script)
    assert int(seconds) - 1 == 30 + 15
    assert task.findtext(f".//{TASK}ExecutionTimeLimit") == f"PT{30 + 15 + 300}S"


def test_the_script_has_the_form_of_a_batch_file(tmp_path: Path) -> None:
    script, _ = files(tmp_path, "--program", PROGRAM)
    assert script.count("\r\n") == script.count("\n")
    assert "not run on Windows" in script
    assert not re.search("@[A-Z]+@", script)
    labels = {line[1:] for line in script.split("\r\n") if line.startswith(":")}
    named = {*re.findall(r"goto (\w+)", script), *re.findall(r"call :(\w+)", script)}
    assert named == labels
    # By its directory: what lies in the current one, or on PATH, could be of another user.
    for name in ("sc", "find", "reg", "ping", "cmd"):
        assert not re.search(rf"(?<!%system%\\)\b{name}\.exe", script)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--program", "/usr/bin/fingerprint"), "not absolute"), (("--program", r"\fingerprint.exe"), "not absolute"),
        (("--program", r"C:\a\fingerprint.cmd"), ".exe"), (("--program", r"C:\a\fingerprint"), ".exe"),
        (("--program", r"C:\%TEMP%\fingerprint.exe"), "cannot hold"),
        (("--program", PROGRAM, "--vault", 'C:\\a" & calc'), "cannot hold"),
        (("--program", PROGRAM, "--vault", "Vault"), "not absolute"),
        (("--program", PROGRAM, "--vault", "C:\\a\\"), "directory"),
        (("--program", PROGRAM, "--vault", "C:\\a\r\ncalc"), "cannot hold"),
    ],
)  # fmt: skip
def test_what_the_files_cannot_hold_is_a_usage_error(tmp_path: Path, words: tuple[str, ...], text: str) -> None:
    done = run("guard", "install", "--system", "windows", "--to", str(tmp_path / "files"), *words)
    assert (done.returncode, text in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "files").exists()


WINE = shutil.which("wine") or shutil.which("wine64")
KEY = rf"HKLM\SYSTEM\CurrentControlSet\Services\{WINDOWS_SERVICE}"
STARTS = {"auto": 2, "demand": 3, "disabled": 4}
# Answer and exit code of the command, the start type before, and what the script then does with the service.
CASES = {
    "fine": ("echo fine", 0, "auto", ["start"]),
    "fine, and blocked before": ("echo fine", 0, "demand", ["auto", "start"]),
    "blocked": (f"echo {BLOCKED}", 1, "auto", ["demand", "stop"]),
    "blocked again": (f"echo {BLOCKED}", 1, "demand", ["auto", "demand", "stop"]),
    "an exception": ("echo x", 1, "auto", ["start"]),
    "an exception, and blocked before": ("echo x", 1, "demand", ["auto", "start"]),
    "no answer": ("rem", 1, "demand", ["auto", "start"]),
    "a usage error": (f"echo {BLOCKED}", 2, "demand", ["auto", "start"]),
    "its own 127": (f"echo {BLOCKED}", 127, "auto", ["start"]),
    "its own 203": (f"echo {BLOCKED}", 203, "auto", ["start"]),
    "ended": (f"echo {BLOCKED}", -1073741510, "demand", ["auto", "start"]),
    "the word without its code": (f"echo {BLOCKED}", 0, "auto", ["start"]),
    "missing": ("", None, "demand", ["auto", "start"]),
    "disabled by the operator": ("echo fine", 0, "disabled", ["start"]),
    "hanging": ("hang", 0, "auto", ["start"]),
    "hanging, and blocked before": ("hang", 0, "demand", ["auto", "start"]),
}  # fmt: skip


class Wine:
    """The script in cmd.exe of wine, with stand-ins of the service manager and of the program."""

    def __init__(self, directory: Path) -> None:
        prefix = Path(os.environ.get("WINEPREFIX") or Path.home() / ".wine")
        self.directory = prefix / "drive_c/guardtest" / directory.name
        self.windows = rf"C:\guardtest\{directory.name}"
        self.calls = self.directory / "calls"
        # A blank, as the directory of programs has.
        (self.directory / "a b").mkdir(parents=True)
        script, task = files(directory, "--program", PROGRAM, "--vault", r"D:\a & b", "--limit", "1")
        # wine's sc.exe has no `config`; and it waits for 3 seconds in place of 16.
        script = script.replace('"%system%\\sc.exe"', f'call "{self.windows}\\sc.cmd"').replace("-n 17 ", "-n 4 ")
        self.script = rf"{self.windows}\a b\fingerprint-guard.cmd"
        self.write("a b/fingerprint-guard.cmd", script)
        self.arguments = task.findtext(f".//{TASK}Arguments").replace(SCRIPT, self.script)
        change = '"%SystemRoot%\\System32\\reg.exe" add ' + KEY + " /v Start /t REG_DWORD /d {} /f >nul\r\n"
        changes = [
            f'if "%4"=="{word}" {change.format(number)}' for word, number in (("delayed-auto", 2), ("demand", 3))
        ]
        self.write("sc.cmd", f'@echo off\r\n{"".join(changes)}echo %1 %4>>"{self.windows}\\calls"\r\nexit /b 0\r\n')

    def write(self, name: str, text: str) -> None:
        (self.directory / name).write_bytes(text.encode("ascii"))

    def run(self, *words: str) -> int:
        assert WINE
        with open(self.directory / "out", "w") as out:
            done = subprocess.run(
                [WINE, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False, timeout=60
            )
        return done.returncode

    def task(self, program: str) -> int:
        """Run the line of the task, with another program in it."""
        line = self.arguments.replace(f'"{PROGRAM}"', program)
        assert line != self.arguments
        # For the file that starts it, in which the two marks at the beginning leave the rest outside.
        line = line.replace("&", "^&")
        self.write("task.cmd", f"@echo off\r\nC:\\windows\\system32\\cmd.exe {line}\r\nexit %errorlevel%\r\n")
        return self.run("cmd.exe", "/d", "/c", rf"{self.windows}\task.cmd")

    def service(self, start: str) -> None:
        assert self.run("reg.exe", "add", KEY, "/v", "Start", "/t", "REG_DWORD", "/d", str(STARTS[start]), "/f") == 0

    @property
    def called(self) -> list[str]:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [{"delayed-auto": "auto"}.get(word, word) for word in (line.split()[-1] for line in lines)]


@pytest.mark.skipif(WINE is None, reason="wine is not here: the script is unverified")
@pytest.mark.parametrize("case", CASES)
def test_the_script_starts_the_agent_unless_it_is_blocked(tmp_path: Path, case: str) -> None:
    answer, code, before, expected = CASES[case]
    wine = Wine(tmp_path)
    wine.service(before)
    # An old answer, which must not count.
    wine.write("a b/fingerprint-guard.out", f"{BLOCKED}\r\n")
    hangs = answer == "hang"
    line = '"%SystemRoot%\\System32\\ping.exe" -n 9 127.0.0.1 >nul' if hangs else answer
    wine.write("guard.cmd", f"@echo off\r\n{line}\r\nexit {code}\r\n")
    program = r"C:\windows\system32\cmd.exe /d /c " + rf"{wine.windows}\guard.cmd"
    ended = wine.task(r"C:\gone\f.exe" if code is None else program)
    assert ended == (1 if "stop" in expected else 0 if code == 0 else 2)
    if "stop" in expected:
        # Until what is started late has seen the block.
        time.sleep(6)
    called = wine.called
    if hangs:
        assert called.count("start") == 2
    assert [*dict.fromkeys(called)] == expected
