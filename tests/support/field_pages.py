"""Run the console blocks of the pages in docs/field; as a program, rewrite their output in the pages.

A block runs on the machine that the comment before it names, `<!-- on: NAME -->`, which the comments after it need
not repeat. What ends with a line "..." shows the beginning of an output.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import tutorial
from field_machines import MACHINES, registered_copy
from fingerprint.testing.local_service import LocalService
from fingerprint.vault.state_keys import state_key
from paths import DOCS
from servers import Authority, Proxy, Server, answering

PAGES = sorted((DOCS / "field").glob("*.md"))
_ON = re.compile(r"<!-- on: ([\w-]+) -->")
MORE = "..."
# What the machine itself has at another path than its recording here.
_PATHS = {
    "/var/log/amazon/ssm": "logs",
    "/mnt/image": "image",
    "/etc/machine-id": "etc/machine-id",
    "/var/lib/amazon/ssm/Vault": "Vault",
}
# The machine that registers in a page.
_REGISTERS = "copy"
# Programs of the system that a page names, and that nothing here may run.
STUBS = ("systemctl", "winmgmt", "Restart-Service", "Stop-Service", "Start-Service", "systemd-machine-id-setup")
# The command line as it is on the machine itself: commands in its output name no recording.
_PROGRAM = """
import sys
from fingerprint.cli import main
from fingerprint.cli.remedy_commands import Advice
Advice.text = lambda self, text, blank=" ": text
Advice.step = lambda self, text, command: (text, command)
Advice.elsewhere = property(lambda self: False)
words = sys.argv[2:]
named = " ".join(words)
if "--root" not in words and not named.startswith(("diagnose logs", "help", "local-service")):
    words = ["--vault", f"{sys.argv[1]}/Vault", *words]
    if "--proxy" not in words:
        words = ["--snapshot", f"{sys.argv[1]}/machine.json", *words]
sys.exit(main(words))
"""


# Proxies that a page names: one that denies, and one that opens TLS.
DENYING, INSPECTING = "proxy.example:3128", "inspecting.example:3128"


class Step:
    """A command of a page.

    Attributes:
        machine: where it runs.
        begin, end: the lines of its output.
        command: of the shell.
        output: as the page shows it.
    """

    def __init__(self, machine: str, begin: int, end: int, command: str, output: str) -> None:
        self.machine, self.begin, self.end, self.command, self.output = machine, begin, end, command, output


def steps(text: str) -> Iterator[Step]:
    """Yield the commands of a page."""
    lines = text.splitlines()
    for begin, end, command, output in tutorial.steps(text):
        on = [found[1] for line in lines[:begin] if (found := _ON.fullmatch(line))]
        yield Step(on[-1], begin, end, command, output)


class Field:
    """The machines of the pages, and a shell for each."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._shells: dict[str, tutorial.Shell] = {}
        self._program = directory / "program.py"
        self._program.write_text(_PROGRAM)
        self._stack = contextlib.ExitStack()
        self._proxies: dict[str, int] = {}

    def run(self, step: Step) -> str:
        """Return the output of a command, shortened as the page has it."""
        home = self._directory / step.machine
        command = step.command
        for path, name in _PATHS.items():
            command = command.replace(path, str(home / name))
        proxy = next((name for name in (DENYING, INSPECTING) if name in command), "")
        if proxy:
            command = command.replace(proxy, f"127.0.0.1:{self._port(proxy)}")
        printed = self._shell(step.machine).run(command)
        if proxy:
            # As the shell masks it.
            printed = printed.replace("127.0.0.1:40123", proxy)
        for path, name in _PATHS.items():
            printed = printed.replace(f"/home/you/{name}", path)
        printed = printed.replace("/home/you/state", "/var/lib/hardware-fingerprint")
        printed = printed.replace("home-you-Vault", state_key("/var/lib/amazon/ssm/Vault"))
        wanted = step.output.splitlines()
        if wanted[-1:] == [MORE]:
            printed = "\n".join([*printed.splitlines()[: len(wanted) - 1], MORE])
        return printed

    def _shell(self, machine: str) -> tutorial.Shell:
        if machine not in self._shells:
            home = self._directory / machine
            home.mkdir()
            env = {}
            if machine == _REGISTERS:
                env = registered_copy(home, self._stack.enter_context(LocalService()))
            else:
                MACHINES[machine](home)
            _write_logs(home)
            shell = self._shells[machine] = tutorial.Shell(home)
            program = shlex.join([sys.executable, str(self._program), str(home)])
            shell.run(f'fingerprint() {{ {program} "$@"; }}; sudo() {{ "$@"; }}')
            shell.run("; ".join(f"{name}() {{ :; }}" for name in STUBS))
            shell.run(f"export FINGERPRINT_STATE={shlex.quote(str(home / 'state'))} COLUMNS=80")
            for name, value in env.items():
                shell.run(f"export {name}={shlex.quote(value)}")
        return self._shells[machine]

    def _port(self, proxy: str) -> int:
        if not self._proxies:
            (self._directory / "authority").mkdir()
            context = Authority(self._directory / "authority").context("ssm.eu-west-1.amazonaws.com")
            server = self._stack.enter_context(Server(answering(), context))
            for name, made in (
                (DENYING, Proxy("407 Proxy Authentication Required")),
                (INSPECTING, Proxy(to=server.port)),
            ):
                self._proxies[name] = self._stack.enter_context(made).port
        return self._proxies[proxy]

    def close(self) -> None:
        self._stack.close()
        for shell in self._shells.values():
            shell.close()


def _write_logs(home: Path) -> None:
    """Write the logs of a recorded machine as files."""
    (home / "logs").mkdir(exist_ok=True)
    snapshot = home / "machine.json"
    files = json.loads(snapshot.read_text())["files"] if snapshot.exists() else {}
    for path, entry in files.items():
        if "/log" in path.lower() and entry.get("text"):
            (home / "logs" / re.split(r"[/\\]", path)[-1]).write_text(entry["text"])


def rewritten(page: Path, run: Callable[[Step], str]) -> str:
    """Return a page with the present output of its commands."""
    text = page.read_text()
    lines = text.splitlines()
    for step, printed in reversed([(step, run(step)) for step in steps(text)]):
        lines[step.begin : step.end] = printed.splitlines()
    return "\n".join(lines) + "\n"


def main() -> None:
    os.umask(0o022)
    for page in PAGES:
        with tempfile.TemporaryDirectory() as directory:
            field = Field(Path(directory))
            page.write_text(rewritten(page, field.run))
            field.close()


if __name__ == "__main__":
    main()
