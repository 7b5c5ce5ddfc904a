"""The check of the service: each state of a unit, why the agent ends or has no worker, and what to do."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from agent_machines import BINARIES, LOGS, AgentMachine, copied_disk, line, of_version, ready, refused, started
from commandline import run
from fingerprint.diagnose import Finding, diagnose

DEB, SNAP = "amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"
CORE, WORKER = "/usr/bin/amazon-ssm-agent", "/usr/bin/ssm-agent-worker"
# Programs of a Linux system that a remedy may start, and words after which a command of its own begins.
PROGRAMS = ("chmod", "df", "dmesg", "journalctl", "mount", "restorecon", "snap", "systemctl", "systemd-analyze")
Change = Callable[[AgentMachine], Any]


def down(m: AgentMachine, **properties: str) -> None:
    m.snapshot["agentProcesses"] = []
    m.unit(**{"ActiveState": "inactive", "SubState": "dead", "MainPID": "0", **properties})


def loops(m: AgentMachine, restarts: int = 57, **properties: str) -> None:
    down(m, **{"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": str(restarts), **properties})


def failed_unit(m: AgentMachine, **properties: str) -> None:
    down(m, ActiveState="failed", SubState="failed", **properties)


def without_worker(m: AgentMachine, *lines: str) -> None:
    del m.snapshot["agentProcesses"][1]
    if lines:
        m.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + "".join(lines))


def finding(m: AgentMachine) -> Finding:
    return m.diagnosis("running")["running"]


def parsed(command: str) -> list[list[str]]:
    """Return the words of each program that a command starts."""
    return [shlex.split(one) for one in command.replace(" && ", ";").split(";")]


# "no" is also what systemd shows of a unit that was never started.
UNMET = {"ConditionResult": "no", "ConditionTimestampMonotonic": "81240"}
NEVER = {"ConditionResult": "no", "ConditionTimestampMonotonic": "0"}

# The change, words of the finding, its command.
STATES: list[tuple[str, Change, str, str]] = [
    ("stopped", down, "does not run", f"systemctl restart {DEB}"),
    ("disabled", lambda m: down(m, UnitFileState="disabled"), "its unit is disabled", f"systemctl enable --now {DEB}"),
    ("only in /run", lambda m: down(m, UnitFileState="enabled-runtime"), "its unit is enabled-runtime",
     f"systemctl enable --now {DEB}"),
    ("masked", lambda m: down(m, LoadState="masked", UnitFileState="masked"), "is masked, so nothing can start it",
     f"systemctl unmask {DEB} && systemctl enable --now {DEB}"),
    ("masked in /run", lambda m: down(m, LoadState="masked", UnitFileState="masked-runtime"), "is masked",
     f"systemctl unmask --runtime {DEB} && systemctl enable --now {DEB}"),
    ("masked, state unknown", lambda m: down(m, LoadState="masked", UnitFileState=""), "is masked",
     f"systemctl unmask {DEB} && systemctl enable --now {DEB}"),
    ("bad setting", lambda m: down(m, LoadState="bad-setting"), "systemd cannot load its unit",
     f"systemd-analyze verify {DEB}"),
    ("unit in error", lambda m: down(m, LoadState="error"), "systemd cannot load its unit",
     f"systemd-analyze verify {DEB}"),
    ("failed", failed_unit, f"its service {DEB} has failed", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("failed and disabled", lambda m: failed_unit(m, UnitFileState="disabled"), "will not start at boot",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("crash loop", loops, "systemd has restarted it 57 times", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("first restart", lambda m: loops(m, 0), "it ends at each start", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("old systemd", lambda m: loops(m, 0, NRestarts=""), "it ends at each start",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("loop of the snap", lambda m: loops(m, Id=SNAP), "restarted it 57 times",
     f"journalctl -u {SNAP} -n 50 --no-pager"),
    ("loop, state between", lambda m: down(m, ActiveState="activating", SubState="start", NRestarts="9"),
     "restarted it 9 times", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("being started", lambda m: down(m, ActiveState="activating", SubState="start-pre"), "in the state activating",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("being stopped", lambda m: down(m, ActiveState="deactivating", SubState="stop-sigterm"), "the state deactivating",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("snap disabled", lambda m: down(m, Id=SNAP, UnitFileState="disabled"), "its unit is disabled",
     "snap start --enable amazon-ssm-agent"),
    ("no systemd", lambda m: (m.snapshot.update(agentProcesses=[]), m.remove("/usr/bin/systemctl")), "does not run",
     "systemctl restart amazon-ssm-agent"),
    ("condition", lambda m: (down(m), m.details(**UNMET), m.journal(
        f"2026-11-24T08:00:00+0000 vm systemd[1]: {DEB} - amazon-ssm-agent was skipped because of a failed condition "
        "check (ConditionPathExists=/etc/ssm-wanted).")), "is not met (PathExists=/etc/ssm-wanted)",
     f"systemctl status {DEB}"),
    ("condition, old words", lambda m: (down(m), m.details(**UNMET)), "a condition of its unit is not met",
     f"systemctl status {DEB}"),
    ("never started", lambda m: (down(m), m.details(**NEVER)), "does not run",
     f"systemctl restart {DEB}"),
    ("condition met since", lambda m: (down(m), m.details(ConditionResult="yes")), "does not run",
     f"systemctl restart {DEB}"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words", "command"), [row[1:] for row in STATES], ids=[row[0] for row in STATES])
def test_each_state_of_a_unit_has_its_command(machine: AgentMachine, change: Change, words: str, command: str) -> None:
    change(machine)
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("fail", "not-running")
    assert words in found.text
    assert found.command == command
    for program, *_ in parsed(command):
        assert program in PROGRAMS
    conclusion = machine.diagnosis("running", "waiting", "registration").conclusion
    assert (conclusion.state, conclusion.because) == ("not-running", "running")
    assert words in conclusion.text
    assert f"(`{command}`)" in conclusion.text


@pytest.mark.parametrize("name", ["masked", "crash loop", "bad setting", "snap disabled"])
def test_a_command_for_another_machine_is_printed_as_one(machine: AgentMachine, name: str) -> None:
    [(_, change, _, command)] = [row for row in STATES if row[0] == name]
    change(machine)
    assert f"(on that machine: {command})" in " ".join(machine("diagnose", "--only", "running").stdout.split())


def journal_line(text: str, program: str = "systemd[1]") -> str:
    return f"2026-11-24T11:59:00+0000 vm {program}: {text}"


PANIC = (
    journal_line("panic: runtime error: invalid memory address or nil pointer dereference", "amazon-ssm-agent[99]"),
    journal_line("[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]", "amazon-ssm-agent[99]"),
    journal_line("goroutine 1 [running]:", "amazon-ssm-agent[99]"),
    journal_line(f"{DEB}: Main process exited, code=exited, status=2/INVALIDARGUMENT"),
)
AVC = (
    'type=AVC msg=audit(1795521540.1:77): avc:  denied  { execute } for  pid=99 comm="(ssm-agent)" '
    'name="amazon-ssm-agent" dev="sda1" ino=7 scontext=system_u:system_r:init_t:s0 '
    "tcontext=unconfined_u:object_r:user_tmp_t:s0 tclass=file permissive=0"
)
APPARMOR = (
    'kernel: audit: type=1400 audit(1795521540.1:78): apparmor="DENIED" operation="exec" profile="hardened-agent" '
    'name="/usr/bin/ssm-agent-worker" pid=99 comm="amazon-ssm-agen" requested_mask="x" denied_mask="x"'
)
# Why it ends: the change, words of the reason, the command ("" for a remedy without one).
REASONS: list[tuple[str, Change, str, str]] = [
    ("panic", lambda m: m.journal(*PANIC), "it panics (runtime error: invalid memory address", ""),
    ("fatal error", lambda m: m.journal(journal_line("fatal error: runtime: out of memory", "amazon-ssm-agent[9]")),
     "it panics (runtime: out of memory)", ""),
    ("panic in its log", lambda m: m.log("amazon-ssm-agent.log", started("11:59:00") + line(
        "11:59:01", "ERROR", "Agent core startup panic: runtime error: index out of range [3] with length 2", "")),
     "it panics (runtime error: index out of range", ""),
    ("crashed by its log", lambda m: m.log("errors.log", line(
        "11:59:01", "ERROR", "Core Agent crashed with message assignment to entry in nil map!", "")),
     "it panics (assignment to entry in nil map)", ""),
    ("exec format", lambda m: m.journal(journal_line(
        f"{DEB}: Failed at step EXEC spawning {CORE}: Exec format error")),
     "of another processor architecture", ""),
    ("file missing", lambda m: m.remove(CORE), f"{CORE} is missing", ""),
    ("no x bit", lambda m: m.file(CORE, None, 0o644), f"{CORE} is not executable", f"chmod 755 {CORE}"),
    ("noexec", lambda m: m.mounts(usr="ro,noexec"), "/usr is mounted with noexec", "mount -o remount,exec /usr"),
    ("noexec below /", lambda m: m.mounts(root="rw,noexec,relatime"), "/ is mounted with noexec",
     "mount -o remount,exec /"),
    ("SELinux", lambda m: m.file("/var/log/audit/audit.log", AVC + "\n"), "SELinux denies it: execute", ""),
    ("SELinux by step", lambda m: (
        m.kernel_journal(journal_line(AVC, "audit[99]")),
        m.journal(journal_line(f"{DEB}: Failed at step EXEC spawning {CORE}: Permission denied"))),
     "SELinux denies it: execute", f"restorecon -v {CORE}"),
    ("AppArmor", lambda m: m.kernel_journal(journal_line(APPARMOR, "kernel")), "AppArmor denies it: exec", ""),
    ("denied, by whom is unknown", lambda m: m.journal(journal_line(
        f"{DEB}: Failed to locate executable {CORE}: Permission denied")), "(permission denied)", ""),
    ("203/EXEC", lambda m: m.details(Result="exit-code", ExecMainCode="1", ExecMainStatus="203"), "(203/EXEC)", ""),
    ("217/USER", lambda m: m.details(Result="exit-code", ExecMainCode="1", ExecMainStatus="217"), "(217/USER)",
     f"systemctl cat {DEB}"),
    ("226/NAMESPACE", lambda m: m.details(Result="exit-code", ExecMainStatus="226"), "(226/NAMESPACE)",
     f"systemctl cat {DEB}"),
    ("another status", lambda m: m.details(Result="exit-code", ExecMainCode="1", ExecMainStatus="1"),
     "its exit status is 1", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("out of memory", lambda m: m.details(Result="oom-kill", ExecMainCode="2", ExecMainStatus="9"),
     "the kernel killed it, as memory ran out", ""),
    ("signal", lambda m: m.details(Result="core-dump", ExecMainCode="3", ExecMainStatus="11"), "signal SIGSEGV ended",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("nothing is known", lambda m: None, "systemd has restarted it 57 times", f"journalctl -u {DEB} -n 50 --no-pager"),
]  # fmt: skip


@pytest.mark.parametrize("state", [loops, failed_unit], ids=["loop", "failed"])
@pytest.mark.parametrize(("change", "words", "command"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS])
def test_why_the_agent_ends_is_named(
    machine: AgentMachine, state: Change, change: Change, words: str, command: str
) -> None:
    state(machine)
    change(machine)
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("fail", "not-running")
    if "restarted" not in words:
        assert words in found.text
    assert found.command == command
    assert found.remedy
    for program, *_ in parsed(command) if command else []:
        assert program in PROGRAMS


def test_a_loop_shows_the_limit_and_drop_ins(machine: AgentMachine) -> None:
    failed_unit(machine, NRestarts="5")
    machine.details(Result="start-limit-hit", DropInPaths="/etc/systemd/system/amazon-ssm-agent.service.d/x.conf")
    found = finding(machine)
    assert "restarted it 5 times" in found.text
    shown = " | ".join(found.evidence)
    assert f"systemctl reset-failed {DEB} && systemctl start {DEB}" in shown
    assert "settings added to its unit: /etc/systemd/system/amazon-ssm-agent.service.d/x.conf" in shown


def test_a_denial_that_is_only_logged_is_no_reason(machine: AgentMachine) -> None:
    loops(machine)
    machine.file("/var/log/audit/audit.log", AVC.replace("permissive=0", "permissive=1") + "\n")
    assert "SELinux" not in finding(machine).text


def test_a_denial_of_another_program_is_no_reason(machine: AgentMachine) -> None:
    loops(machine)
    other = AVC.replace("amazon-ssm-agent", "nginx").replace("(ssm-agent)", "nginx")
    machine.file("/var/log/audit/audit.log", other + "\n")
    assert "SELinux" not in finding(machine).text


@pytest.mark.parametrize(("restarts", "minutes", "loop"), [(57, 1, True), (3, 4, True), (2, 1, False), (57, 30, False)])
def test_an_agent_that_was_just_restarted_again_loops(
    machine: AgentMachine, restarts: int, minutes: int, loop: bool
) -> None:
    at = f"2026-11-24T11:{60 - minutes}:00Z"
    for process in machine.snapshot["agentProcesses"]:
        process["started"] = at
    machine.unit(NRestarts=str(restarts))
    found = finding(machine)
    assert str(found.outcome) == ("fail" if loop else "pass")
    if loop:
        assert f"systemd has restarted it {restarts} times, last at {at}" in found.text
        assert found.command == f"journalctl -u {DEB} -n 50 --no-pager"


# The worker.


def worker_error(error: str, path: str = WORKER) -> str:
    text = f"failed to start worker ssm-agent-worker, fork/exec {path}: {error}"
    return line("11:00:00", "ERROR", text, "[amazon-ssm-agent] [LongRunningWorkerContainer] ")


def ended(at: str, number: int) -> str:
    """Return the words of an agent of each generation for a worker that ended."""
    forms = ("Process ssm-agent-worker (pid:{}) has been terminated, remove from worker pool",
             "process: ssm-agent-worker (pid: {}) terminated")  # fmt: skip
    return line(at, "INFO", forms[number % 2].format(1000 + number), "[LongRunningWorkerContainer] ")


STARTED = line("11:00:01", "INFO", "Worker ssm-agent-worker (pid:4711) started", "[amazon-ssm-agent] ")
WORKERS: list[tuple[str, Change, str, str]] = [
    ("unknown", lambda m: without_worker(m), "so the node is offline", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("denied", lambda m: without_worker(m, worker_error("permission denied")), "(permission denied)", ""),
    ("no x bit", lambda m: (without_worker(m, worker_error("permission denied")), m.file(WORKER, None, 0o600)),
     f"{WORKER} is not executable", f"chmod 755 {WORKER}"),
    ("noexec", lambda m: (without_worker(m, worker_error("permission denied")), m.mounts(usr="ro,noexec")),
     "/usr is mounted with noexec", "mount -o remount,exec /usr"),
    ("AppArmor", lambda m: (
        without_worker(m, worker_error("permission denied")), m.kernel_journal(journal_line(APPARMOR, "kernel"))),
     "AppArmor denies it", ""),
    ("exec format", lambda m: without_worker(m, worker_error("exec format error")), "another processor", ""),
    ("program gone", lambda m: (
        without_worker(m, worker_error("no such file or directory")), m.remove(WORKER)), f"{WORKER} is missing", ""),
    ("gone, not logged", lambda m: (without_worker(m), m.remove(WORKER)), f"{WORKER} is missing", ""),
    ("no memory", lambda m: without_worker(m, worker_error("cannot allocate memory")), "there is not enough memory",
     ""),
    ("another error", lambda m: without_worker(m, worker_error("unknown error 4711")), "(unknown error 4711)",
     f"journalctl -u {DEB} -n 50 --no-pager"),
    ("ends", lambda m: without_worker(m, *(ended(f"11:{n:02}:00", n) for n in range(10, 17))),
     "it has ended 7 times", f"journalctl -u {DEB} -n 50 --no-pager"),
    ("panics", lambda m: without_worker(m, ended("11:10:00", 1), line(
        "11:10:00", "ERROR", "panic: runtime error: slice bounds out of range", "")), "it panics", ""),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words", "command"), [row[1:] for row in WORKERS], ids=[row[0] for row in WORKERS])
def test_an_agent_without_its_worker_is_offline(
    machine: AgentMachine, change: Change, words: str, command: str
) -> None:
    change(machine)
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("fail", "no-worker")
    assert "without its worker ssm-agent-worker, so the node is offline" in found.text
    assert words in found.text
    assert found.command == command
    assert machine.diagnosis("running", "waiting").conclusion.state == "broken"


@pytest.mark.parametrize("disabled", [False, True])
@pytest.mark.parametrize(
    ("change", "words", "remedy", "command"),
    [
        (lambda m: None, "(operation not permitted): the system does not let it run", "Find what denies it", ""),
        (lambda m: m.file(WORKER, None, 0o600), "is not executable", "Make it executable", f"chmod 755 {WORKER}"),
        (lambda m: m.remove(WORKER), f"{WORKER} is missing", "Reinstall the agent", ""),
        (lambda m: m.mounts(usr="ro,noexec"), "is mounted with noexec", "Mount it without noexec",
         "mount -o remount,exec /usr"),
    ],
)  # fmt: skip
def test_a_stopped_agent_shows_why_it_had_no_worker(
    machine: AgentMachine, change: Change, words: str, remedy: str, command: str, disabled: bool
) -> None:
    without_worker(machine, worker_error("operation not permitted"))
    down(machine, UnitFileState="disabled" if disabled else "enabled")
    change(machine)
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("fail", "not-running")
    boot = " and will not start at boot: its unit is disabled" if disabled else ""
    assert found.text.startswith(f"the agent does not run{boot}; when it last ran, it had no worker: ")
    assert words in found.text
    assert found.remedy.startswith(remedy)
    assert found.remedy.endswith("then enable and start it" if disabled else "then start it")
    assert found.command == command or (command == "" and found.command.startswith("systemctl "))


@pytest.mark.parametrize("lines", [(), (STARTED,), (worker_error("permission denied"), STARTED)])
def test_a_stopped_agent_that_had_a_worker_is_started(machine: AgentMachine, lines: tuple[str, ...]) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + "".join(lines))
    down(machine)
    found = finding(machine)
    assert (found.text, found.remedy) == ("the agent does not run", "Start it")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        # It starts none before it has credentials.
        (lambda m: without_worker(m, refused("11:35:00")), "pass"),
        # It was started a minute ago.
        (lambda m: (without_worker(m), m.snapshot["agentProcesses"][0].update(started="2026-11-24T11:59:00Z")), "pass"),
        # Agents before 3.0 are one process.
        (lambda m: (without_worker(m), of_version(m, "2.3.1205.0"), m.remove(WORKER)), "pass"),
        # The start failed, and then succeeded.
        (lambda m: m.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + worker_error("x") + STARTED),
         "pass"),
        # A worker that ended some time ago.
        (lambda m: m.log("amazon-ssm-agent.log", started("08:00:00") + "".join(
            ended(f"09:{n}:00", n) for n in range(10, 17)) + STARTED + ready("11:30:00")), "pass"),
        # Errors of an earlier process of the agent.
        (lambda m: m.log("amazon-ssm-agent.log", worker_error("permission denied") + started("08:00:00")
                         + ready("08:00:01")), "pass"),
    ],
    ids=["waits", "just started", "before 3.0", "started since", "ended long ago", "of an earlier process"],
)  # fmt: skip
def test_an_agent_that_needs_no_worker_yet_passes(machine: AgentMachine, change: Change, outcome: str) -> None:
    change(machine)
    assert str(finding(machine).outcome) == outcome


def test_logs_that_cannot_be_read_prove_no_missing_worker(machine: AgentMachine) -> None:
    without_worker(machine)
    machine.denied(f"{LOGS}/amazon-ssm-agent.log")
    # By the file it has had credentials for long enough.
    assert str(finding(machine).outcome) == "fail"
    machine.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json")
    assert str(finding(machine).outcome) == "skipped"


def test_the_agents_journal_is_asked_only_if_it_is_needed(machine: AgentMachine) -> None:
    """A healthy machine is diagnosed without the time that a long journal costs."""
    machine.journal(*PANIC)
    asked: list[str] = []
    site = machine.site()
    original = site.machine.run
    site.machine.run = lambda commands, *rest: asked.extend(c[0] for c in commands) or original(commands, *rest)  # type: ignore[method-assign]
    assert diagnose(site).conclusion.state == "healthy"
    assert not [program for program in asked if "journalctl" in program]


# No agent.


@pytest.mark.parametrize(
    "unit",
    [
        lambda m: m.units({"Id": DEB, "LoadState": "not-found"}, {"Id": SNAP, "LoadState": "not-found"}),
        lambda m: m.stopped(),
        lambda m: m.remove("/usr/bin/systemctl"),
        failed_unit,
        lambda m: down(m, LoadState="masked", UnitFileState="masked"),
    ],
    ids=["no unit", "a unit is left", "no systemd", "a failed unit is left", "a masked unit is left"],
)
def test_nothing_is_said_of_an_agent_that_is_not_installed(machine: AgentMachine, unit: Change) -> None:
    for name in BINARIES:
        machine.remove(f"/usr/bin/{name}")
    machine.snapshot["agentProcesses"] = []
    unit(machine)
    machine.config(Profile={"ShareCreds": "yes"})
    found = machine.diagnosis()
    assert (found.conclusion.state, found.conclusion.because) == ("not-running", "installed")
    assert "is not installed" in found.conclusion.text
    for name in ("package", "running", "version", "published", "update", "configuration", "storage"):
        if name == "running" and "is masked" in found[name].text:
            # The program of a masked unit is not known.
            continue
        assert (str(found[name].outcome), found[name].text) == ("skipped", "the agent is not installed"), name
    assert not [one for one in found.results if "restart" in one.finding.command]


def test_an_agent_without_a_unit_is_installed_again(machine: AgentMachine) -> None:
    machine.snapshot["agentProcesses"] = []
    machine.units({"Id": DEB, "LoadState": "not-found"}, {"Id": SNAP, "LoadState": "not-found"})
    found = finding(machine)
    assert (str(found.outcome), found.command) == ("fail", "")
    assert "systemd has no unit of it" in found.text
    assert found.remedy == "Reinstall the agent"


@pytest.mark.parametrize("left", ["process", "unit"])
def test_a_program_that_is_gone_does_not_hide_what_is_left(machine: AgentMachine, left: str) -> None:
    for name in BINARIES:
        machine.remove(f"/usr/bin/{name}")
    if left == "unit":
        loops(machine)
    else:
        machine.units({"Id": DEB, "LoadState": "not-found"}, {"Id": SNAP, "LoadState": "not-found"})
    found = machine.diagnosis("installed", "running", "configuration")
    assert str(found["installed"].outcome) == "fail"
    assert ("and yet it runs" in found["installed"].text) == (left == "process")
    assert found["running"].text != "the agent is not installed"
    assert found["configuration"].text != "the agent is not installed"


def test_a_copied_disk_shows_no_running_agent(machine: AgentMachine) -> None:
    root = copied_disk(machine.directory, machine)
    done = run("--root", str(root), "diagnose", "--only", "running,storage", env=machine.env)
    assert done.returncode in (0, 3)
    assert "journalctl" not in done.stdout
