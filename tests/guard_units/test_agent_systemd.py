"""The agent's unit as systemd runs it, with the drop-in: how often a stand-in of the agent starts."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commandline import COMMAND
from event_machines import before_and_after
from fingerprint.agent.paths import UNITS
from paths import DOCS
from systemd_namespace import Systemd, until

UNIT = UNITS[0]
PROGRAM = "/usr/local/bin/fingerprint"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/fingerprint-guard.conf"
VAULT = "/var/lib/amazon/ssm/Vault"
# Seconds between an end and the restart. The agent's own unit has 90.
PAUSE = 0.3
# The settings of the agent's own unit, with a shorter pause.
AGENT_UNIT = f"""[Unit]
Description=amazon-ssm-agent
DefaultDependencies=no

[Service]
Type=simple
WorkingDirectory=/usr/bin/
Environment=FROM_UNIT=yes
EnvironmentFile=-/var/lib/agent.env
ExecStart=/var/lib/agent
KillMode=process
Restart=always
RestartSec={PAUSE}
RestartPreventExitStatus=194
StandardOutput=append:/var/lib/agent.log
StandardError=append:/var/lib/agent.log

[Install]
WantedBy=boot.target
"""
# At its start it notes whether the rules accept the machine, which is what the agent checks.
AGENT = f"""#!/bin/sh
{PROGRAM} check >/dev/null 2>&1
case $? in 0) echo accept ;; 1) echo reject ;; *) echo unknown ;; esac >>/var/lib/starts
exec sleep 1000
"""
# What the transcript calls `state`: some restarts later the last decision, the unit and the starts.
STATE = f"""#!/bin/sh
sleep {4 * PAUSE}
n=0
while [ $n -lt 200 ]; do
    n=$((n + 1))
    case $(systemctl show {UNIT} -p SubState --value) in
        dead) break ;;
        running) [ "$(cat /var/lib/starts | wc -l)" -gt "$(systemctl show {UNIT} -p NRestarts --value)" ] && break ;;
    esac
    sleep 0.1
done
grep -v '^ ' /var/lib/agent.log | grep -v '^fingerprint-guard' | tail -n 1
systemctl show {UNIT} -p ActiveState -p SubState -p Result -p NRestarts | sort | paste -sd ' '
if [ -e /var/lib/starts ]; then
    echo "starts: $(wc -l </var/lib/starts), rules at the last one: $(tail -n 1 /var/lib/starts)"
else
    echo "starts: 0"
fi
"""
# The program sees a recorded machine where it compares; the name spaces have no hardware of their own.
RECORDED = """
if "guard" in sys.argv[1:] and not {"install", "uninstall", "status"} & {*sys.argv} or "check" in sys.argv[1:]:
    sys.argv[1:1] = ["--snapshot", "/var/lib/machine.json"]
    with open("/var/lib/environment", "w") as file:
        import os
        file.write("\\n".join(f"{name}={value}" for name, value in os.environ.items()))
"""


class Agent(Systemd):
    """A systemd with the unit of the agent, its vault, and this installation at /usr/local/bin."""

    def __init__(self, directory: Path) -> None:
        # As if it were enabled: then systemd keeps its result after its end.
        super().__init__(directory, UNIT)
        self.machine, self.starts = directory / "machine.json", directory / "starts"
        self.vault = directory / "amazon/ssm/Vault"

    def prepare(self) -> None:
        """Begin anew: no drop-in, no start, a record of the machine before the event."""
        self("systemctl", "stop", UNIT)
        self.write(self.directory / "agent", AGENT)
        for name in ("amazon", "hardware-fingerprint"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for name in ("starts", "agent.log", "agent.env", "environment"):
            (self.directory / name).unlink(missing_ok=True)
        script = "rm -rf /etc/systemd/system/*; mountpoint -q /usr/local/bin || mount -t tmpfs tmpfs /usr/local/bin"
        assert self("sh", "-c", script).returncode == 0
        self.write(self.directory / "unit", AGENT_UNIT)
        self.put(self.directory / "unit", f"/etc/systemd/system/{UNIT}", "644")
        self.install_program()
        self.write(self.directory / "state", STATE)
        self.put(self.directory / "state", "/usr/local/bin/state", "755")
        self.systemctl("daemon-reload")
        self("systemctl", "reset-failed")

    def install_program(self, change: str = "", interpreter: str = "") -> None:
        """Install the program, with a change of its Python part."""
        main = Path(f"{COMMAND}-main").read_text()
        first, _, rest = main.partition("\n")
        cleaned, imported, last = rest.partition("try:\n")
        assert imported
        text = f"{first}\n{cleaned}{RECORDED}\n{change}\n{imported}{last}"
        if interpreter:
            text = text.replace(first, f"#!{interpreter}", 1)
        self.write(self.directory / "main", text)
        self.put(Path(COMMAND), PROGRAM, "755")
        self.put(self.directory / "main", f"{PROGRAM}-main", "755")

    def write(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def put(self, source: Path, target: str, mode: str) -> None:
        inside = f"/var/lib/{source.name}" if source.parent == self.directory else str(source)
        done = self("install", "-m", mode, inside, target)
        assert done.returncode == 0, done.stderr

    def event(self, name: str) -> dict[str, Any]:
        """Make the record of a machine, with its evidence; let an event happen to the machine; return the record."""
        before, after = before_and_after(name)
        self.machine.write_text(json.dumps(before))
        (self.directory / "amazon/ssm").mkdir(parents=True)
        done = self(COMMAND, "--vault", VAULT, "--snapshot", "/var/lib/machine.json", "vault", "init")
        assert done.returncode == 0, done.stderr
        self.machine.write_text(json.dumps(after))
        return self.record()

    def record(self) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self.run("vault", "show", "--reveal", "--output", "json"))
        return record

    def run(self, *words: str) -> str:
        done = self(PROGRAM, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def started(self) -> list[str]:
        """What the agent noted at each of its starts."""
        return self.starts.read_text().splitlines() if self.starts.exists() else []

    @property
    def log(self) -> str:
        path = self.directory / "agent.log"
        return path.read_text() if path.exists() else ""

    def kill(self) -> None:
        """Let the agent crash, so that Restart=always starts it again."""
        self.systemctl("kill", "-s", "KILL", UNIT)


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    made = Agent(tmp_path_factory.mktemp("lib"))
    try:
        made.boot()
        yield made
    finally:
        if made.enter:
            made("systemctl", "stop", UNIT)
        made.close()


@pytest.fixture
def agent(booted: Agent) -> Agent:
    booted.prepare()
    return booted


def start(agent: Agent, action: str = "block") -> None:
    agent.run("guard", "install", "--refresh", "--on-mismatch", action)
    agent.systemctl("start", UNIT)


def runs(agent: Agent, starts: int) -> None:
    """Wait until the agent runs after so many starts."""
    until(lambda: len(agent.started) >= starts, f"{agent.started}: {agent.log}")
    assert len(agent.started) == starts
    assert agent.states(UNIT, "ActiveState", "SubState") == ["active", "running"]


SKIPPED = ["inactive", "dead", "exec-condition", "no"]
STATES = ("ActiveState", "SubState", "Result", "ConditionResult")


def skipped(agent: Agent, restarts: str) -> None:
    """Wait longer than several restarts would take, in which none happens."""
    until(lambda: agent.states(UNIT, *STATES) == SKIPPED, str(agent.states(UNIT, *STATES)) + agent.log)
    time.sleep(4 * PAUSE)
    assert agent.states(UNIT, *STATES, "NRestarts") == [*SKIPPED, restarts]
    assert agent("systemctl", "is-failed", UNIT).stdout == "inactive\n"


def test_an_unchanged_machine_starts_at_each_start(agent: Agent) -> None:
    record = agent.event("agent-restart")
    start(agent)
    runs(agent, 1)
    agent.kill()
    runs(agent, 2)
    assert agent.states(UNIT, "NRestarts") == ["1"]
    assert agent.started == ["accept"] * 2
    assert agent.log.count("Same machine, unchanged") == 2
    assert agent.record() == record


def test_a_kept_record_is_renewed_before_the_agent_starts(agent: Agent) -> None:
    record = agent.event("reinstalled")
    agent.systemctl("start", UNIT)
    runs(agent, 1)
    assert agent.started == ["reject"]
    agent.systemctl("stop", UNIT)
    start(agent)
    runs(agent, 2)
    assert agent.started == ["reject", "accept"]
    assert "Same machine, and its record is renewed" in agent.log
    present = agent.record()
    assert present["fingerprint"] == record["fingerprint"]
    assert present != record


def test_a_copy_starts_where_it_is_allowed(agent: Agent) -> None:
    record = agent.event("clone")
    start(agent, "allow")
    runs(agent, 1)
    assert "its agent may start" in agent.log
    assert agent.record() == record


def test_a_copy_is_skipped_and_neither_failed_nor_restarted(agent: Agent) -> None:
    record = agent.event("clone")
    start(agent)
    skipped(agent, "0")
    assert agent.started == []
    assert "its agent must" in agent.log
    assert agent.record() == record


def test_a_crashed_agent_is_not_restarted_on_a_copy(agent: Agent) -> None:
    before, after = before_and_after("clone")
    agent.event("clone")
    agent.machine.write_text(json.dumps(before))
    start(agent)
    runs(agent, 1)
    agent.machine.write_text(json.dumps(after))
    agent.kill()
    skipped(agent, "1")
    assert len(agent.started) == 1


def removed(agent: Agent) -> None:
    agent("rm", PROGRAM, f"{PROGRAM}-main")


def interpreter_removed(agent: Agent) -> None:
    agent.install_program(interpreter="/gone/python3")


def import_broken(agent: Agent) -> None:
    agent.install_program("sys.modules['fingerprint._core'] = None")


def killed(agent: Agent) -> None:
    agent.install_program(
        "import os, signal\nif 'guard' in sys.argv: print('fingerprint-guard: blocked', flush=True); "
        "os.kill(os.getpid(), signal.SIGKILL)"
    )


def a_usage_error(agent: Agent) -> None:
    agent.install_program("if 'guard' in sys.argv: sys.argv[1:] = ['guard', '--no-such-option']")


def no_output(agent: Agent) -> None:
    """Its output is lost, so nobody knows what it decided."""
    agent.install_program("if 'guard' in sys.argv: import os; os.close(1); os.open('/dev/full', os.O_WRONLY)")


def no_vault(agent: Agent) -> None:
    shutil.rmtree(agent.vault)


def damaged_vault(agent: Agent) -> None:
    for one in agent.vault.rglob("*"):
        if one.is_file():
            one.write_bytes(b"{")


BROKEN = (
    removed, interpreter_removed, import_broken, killed, a_usage_error, no_output, no_vault, damaged_vault,
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__)
def test_the_agent_starts_where_the_guard_is_broken(agent: Agent, broken: Any) -> None:
    """On a copy that it would block."""
    agent.event("clone")
    agent.run("guard", "install", "--on-mismatch", "block")
    broken(agent)
    agent.systemctl("start", UNIT)
    runs(agent, 1)
    agent.kill()
    runs(agent, 2)


def test_status_names_a_program_that_is_gone_and_its_remedy(agent: Agent) -> None:
    agent.event("agent-restart")
    agent.run("guard", "install")
    removed(agent)
    done = agent(COMMAND, "guard", "status", "--output", "json")
    assert done.returncode == 1, done.stdout
    [found] = json.loads(done.stdout)["units"]
    [finding] = found["findings"]
    assert (found["works"], finding["text"]) == (
        False, f"it does not work: {PROGRAM} is missing; the agent starts without it"
    )  # fmt: skip
    done = agent("sh", "-c", finding["command"].removeprefix("sudo "))
    assert done.returncode == 0, done.stderr
    assert agent(COMMAND, "guard", "status").returncode == 0


@pytest.mark.parametrize("broken", [interpreter_removed, import_broken, killed], ids=lambda one: one.__name__)
def test_status_reports_a_program_that_does_not_work(agent: Agent, broken: Any) -> None:
    agent.event("agent-restart")
    agent.run("guard", "install")
    broken(agent)
    done = agent(COMMAND, "guard", "status", "--output", "json")
    assert done.returncode == 1, done.stdout
    [found] = json.loads(done.stdout)["units"]
    assert (found["works"], found["decision"]) == (False, None)
    assert found["findings"][0]["text"].startswith("it does not work: ")


def test_status_prints_the_last_decision_and_the_present_one(agent: Agent) -> None:
    agent.event("clone")
    start(agent)
    skipped(agent, "0")
    answer = json.loads(agent.run("guard", "status", "--output", "json"))
    assert (answer["lastRun"]["decision"], answer["lastRun"]["blocks"]) == ("copy", True)
    [found] = answer["units"]
    assert (found["works"], found["decision"], found["blocks"]) == (True, "copy", True)


def test_a_hanging_guard_is_ended_and_the_agent_starts(agent: Agent) -> None:
    agent.event("clone")
    agent.run("guard", "install", "--on-mismatch", "block", "--limit", "1")
    agent.install_program(
        "import signal, time\nif 'guard' in sys.argv:\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    time.sleep(600)"
    )
    agent.systemctl("start", UNIT)
    runs(agent, 1)
    assert "the agent starts without it" in agent.log


def test_a_killed_shell_is_retried_by_the_unit(agent: Agent) -> None:
    """The one end that counts as a failure: the shell itself was killed, and Restart=always starts again."""
    agent.event("agent-restart")
    agent.run("guard", "install", "--on-mismatch", "block")
    agent.install_program("import time\nif 'guard' in sys.argv: time.sleep(2)")
    agent.systemctl("start", "--no-block", UNIT)
    until(lambda: agent.states(UNIT, "SubState") == ["condition"], "it does not run")
    [pid] = agent.states(UNIT, "ControlPID")
    assert agent("kill", "-KILL", pid).returncode == 0
    runs(agent, 1)
    assert agent.states(UNIT, "NRestarts") == ["1"]


def test_the_guard_has_the_environment_of_the_agent(agent: Agent) -> None:
    agent.event("agent-restart")
    (agent.directory / "agent.env").write_text("FROM_FILE=yes\nPATH=/opt/tools:/usr/bin:/bin\n")
    start(agent)
    runs(agent, 1)
    found = (agent.directory / "environment").read_text().splitlines()
    # The last one that wrote it is the agent's own call.
    assert {"FROM_UNIT=yes", "FROM_FILE=yes", "PATH=/opt/tools:/usr/bin:/bin"} <= {*found}


def test_install_and_uninstall_are_read_by_systemd(agent: Agent) -> None:
    agent.event("agent-restart")
    answer = json.loads(agent.run("guard", "install", "--output", "json"))
    assert (answer["reloaded"], answer["next"]) == (True, [])
    assert agent.states(UNIT, "DropInPaths", "NeedDaemonReload") == [DROP_IN, "no"]
    again = json.loads(agent.run("guard", "install", "--output", "json"))
    assert (again["reloaded"], again["units"][0]["did"]) == (False, "unchanged")
    status = json.loads(agent.run("guard", "status", "--output", "json"))
    [found] = status["units"]
    assert (found["loaded"], found["works"], found["decision"], found["findings"]) == (True, True, "unchanged", [])
    removed = json.loads(agent.run("guard", "uninstall", "--output", "json"))
    assert removed["reloaded"]
    assert agent.states(UNIT, "DropInPaths", "NeedDaemonReload") == ["", "no"]
    assert agent("test", "-e", f"/etc/systemd/system/{UNIT}.d").returncode == 1


def test_a_drop_in_that_systemd_has_not_read_is_a_finding(agent: Agent) -> None:
    agent.event("agent-restart")
    start(agent)
    # A unit that runs is not read again by itself.
    agent("sh", "-c", f"printf '#\\n' >>/etc/systemd/system/{UNIT}; touch -d tomorrow /etc/systemd/system/{UNIT}")
    done = agent(PROGRAM, "guard", "status", "--output", "json")
    [finding] = json.loads(done.stdout)["units"][0]["findings"]
    assert (done.returncode, finding["text"]) == (1, "systemd has not read the drop-in")
    assert agent("sh", "-c", finding["command"].removeprefix("sudo ")).returncode == 0
    assert json.loads(agent.run("guard", "status", "--output", "json"))["units"][0]["findings"] == []


def test_a_program_of_another_user_is_refused(agent: Agent) -> None:
    assert agent("chown", "65534", PROGRAM).returncode == 0
    done = agent(COMMAND, "guard", "install", "--program", PROGRAM)
    assert (done.returncode, "another user can replace the program" in done.stderr) == (4, True)
    assert agent.states(UNIT, "DropInPaths") == [""]


def test_a_unit_with_a_short_time_limit_needs_one_too(agent: Agent) -> None:
    agent("sh", "-c", f"sed -i 's/^Type=simple/&\\nTimeoutStartSec=40/' /etc/systemd/system/{UNIT}")
    agent.systemctl("daemon-reload")
    done = agent(PROGRAM, "guard", "install")
    assert done.returncode == 4
    assert "TimeoutStartSec= of amazon-ssm-agent.service is 40 s" in done.stderr
    agent.run("guard", "install", "--limit", "20")


# By the comments of the transcript.
SCENES = {
    "Nothing changed": "agent-restart", "The system was installed again on the same hardware": "reinstalled",
    "A copy on other hardware, which is allowed": "clone", "A copy on other hardware": "clone",
    "A copy on other hardware, and the program is gone": "clone",
}  # fmt: skip


def transcript() -> list[str]:
    text = (DOCS / "guard.md").read_text().partition("```console\n")[2].partition("```")[0]
    return text.splitlines()


def test_the_transcript_of_the_page_is_what_systemd_does(agent: Agent) -> None:
    """All of it is run, and the page is compared with what came out."""
    done = []
    for line in transcript():
        if line.startswith("# "):
            agent.prepare()
            agent.event(SCENES[line[2:]])
        if not line.startswith(("# ", "$ ")):
            continue
        done.append(line)
        if line.startswith("$ "):
            ran = agent("sh", "-c", f"export PATH=/usr/local/bin:$PATH; {line[2:]}")
            assert ran.returncode == 0, ran.stderr
            done += ran.stdout.splitlines()
    assert {line[2:] for line in done if line.startswith("# ")} == SCENES.keys()
    assert done == transcript(), "\n".join(done)
