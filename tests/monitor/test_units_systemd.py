"""The units as systemd runs them: PID 1 of name spaces of its own, with this installation's `fingerprint`."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commandline import COMMAND, run
from fingerprint.testing.machines import unix_snapshot
from systemd_namespace import Systemd, until

WATCH, METRICS = "fingerprint-watch.service", "fingerprint-metrics.service"
DMIDECODE = "/usr/sbin/dmidecode"
VAULT = "/var/lib/amazon/ssm/Vault"


class Manager(Systemd):
    """A systemd that runs our units only, with the vault where the agent has it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, WATCH, METRICS)
        self.textfile = directory / "prometheus/node-exporter/fingerprint.prom"
        self.log = directory / "watch.log"
        done = run("monitor", "units", str(self.units), "--system", "systemd")
        assert done.returncode == 0, done.stderr
        # PrivateTmp= would hide a program in /tmp, and this one may be there.
        seen = "".join(f"BindReadOnlyPaths={path}\n" for path in self.kept)
        for unit in (WATCH, METRICS):
            self.change(unit, seen, "seen")
        self.change(WATCH, "StandardOutput=append:/var/lib/watch.log\nStandardError=append:/var/lib/watch.err\n", "log")

    def fingerprint(self, *words: str) -> None:
        done = self(COMMAND, "--vault", VAULT, *words)
        assert done.returncode == 0, done.stderr

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines(keepends=True) if self.log.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def event(self, number: int) -> dict[str, Any]:
        """Return the event of a number, which must come before the deadline."""
        event: dict[str, Any] = until(lambda: self.events()[number : number + 1], f"there is no event {number}")[0]
        return event

    def renew(self) -> None:
        """Stop all, and make a new record."""
        self("systemctl", "stop", WATCH, METRICS)
        for name in ("amazon", "hardware-fingerprint", "prometheus"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        for path in (self.log, self.slow, *self.units.glob("*.d/test.conf")):
            path.unlink(missing_ok=True)
        self.textfile.parent.mkdir(parents=True)
        self.systemctl("daemon-reload")
        self("systemctl", "reset-failed")
        self.record()

    def record(self, *words: str) -> None:
        """Make a record, with directories of the mode that the agent gives them."""
        # Nothing is made where our journal knows an earlier one.
        for name in ("amazon", "hardware-fingerprint"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        self.fingerprint(*words, "vault", "init")
        for directory in (f"{VAULT}/Store", VAULT):
            (self.directory / os.path.relpath(directory, "/var/lib")).chmod(0o600)

    def close(self) -> None:
        if self.enter:
            self("systemctl", "stop", WATCH, METRICS)
        super().close()


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    made = Manager(tmp_path_factory.mktemp("lib"))
    try:
        made.boot()
        yield made
    finally:
        made.close()


@pytest.fixture
def manager(booted: Manager) -> Manager:
    booted.renew()
    return booted


def test_watch_is_ready_and_reads_every_attribute(manager: Manager) -> None:
    manager.systemctl("start", WATCH)
    # `start` returned because the program notified that it is ready, after its first check.
    assert manager.states(WATCH, "ActiveState", "SubState", "Type") == ["active", "running", "notify"]
    [status] = manager.states(WATCH, "StatusText")
    assert status.startswith("same machine: ")
    assert "9 of 9" in status or "rule 4" in status
    started = manager.event(0)
    assert (started["event"], started["why"], started["changed"], started["error"]) == ("started", "start", [], None)
    assert (started["score"]["matched"], started["score"]["total"]) == (9, 9)
    assert manager.textfile.stat().st_mode & 0o7777 == 0o644
    text = manager.textfile.read_text()
    assert "fingerprint_check_success 1\n" in text
    assert [line for line in text.splitlines() if "_unreadable{" in line and not line.endswith(" 0")] == []
    assert os.listdir(manager.textfile.parent) == [manager.textfile.name]


def test_reload_of_watch_checks_at_once(manager: Manager) -> None:
    """By SIGHUP. `systemctl kill` would send it to the complete cgroup, and so to the tools of this check."""
    manager.systemctl("start", WATCH)
    manager.fingerprint("threshold", "set", "50")
    manager.systemctl("reload", WATCH)
    changed = manager.event(1)
    assert (changed["event"], changed["why"]) == ("changed", "signal")
    assert changed["differences"] == ["threshold: 40 -> 50"]
    assert "fingerprint_threshold_ratio 0.5\n" in manager.textfile.read_text()


def test_stop_of_watch_is_a_success(manager: Manager) -> None:
    manager.systemctl("start", WATCH)
    manager.systemctl("stop", WATCH)
    # CLD_EXITED: it ended by itself, not by the signal.
    wanted = ["inactive", "success", "1", "0"]
    assert manager.states(WATCH, "ActiveState", "Result", "ExecMainCode", "ExecMainStatus") == wanted
    assert len(manager.events()) == 1


@pytest.mark.skipif(not os.path.exists(DMIDECODE), reason="dmidecode is not here")
@pytest.mark.parametrize("word", ["stop", "reload"])
def test_signal_during_a_check_does_not_spoil_it(manager: Manager, word: str) -> None:
    """The tools that it runs are in its cgroup; a signal to them would make what they read unreadable."""
    manager.systemctl("start", WATCH)
    before = manager.textfile.stat().st_mtime_ns
    manager.slow.write_text("")
    manager.systemctl("reload", WATCH)
    [group] = manager.states(WATCH, "ControlGroup")
    tools = ("sh", "-c", f"test $(wc -l </sys/fs/cgroup{group}/cgroup.procs) -gt 1")
    until(lambda: manager(*tools).returncode == 0, "it does not check")
    manager.systemctl(word, WATCH)
    until(lambda: manager.textfile.stat().st_mtime_ns != before, "the check did not end")
    if word == "reload":
        manager.slow.unlink()
        manager.systemctl("stop", WATCH)
    assert manager.states(WATCH, "Result", "ExecMainStatus") == ["success", "0"]
    assert [event["event"] for event in manager.events()] == ["started"]
    assert 'unreadable{attribute="bios-hash"} 0\n' in manager.textfile.read_text()


def test_new_address_wakes_watch(manager: Manager) -> None:
    if not any(manager("ip", "link", "add", "test0", "type", kind).returncode == 0 for kind in ("dummy", "bridge")):
        pytest.skip("this kernel makes no interface of the kinds dummy, bridge")
    try:
        assert manager("ip", "address", "add", "192.0.2.7/24", "dev", "test0").returncode == 0
        manager.record()
        manager.systemctl("start", WATCH)
        assert manager.event(0)["changed"] == []
        manager("ip", "address", "del", "192.0.2.7/24", "dev", "test0")
        manager("ip", "address", "add", "198.51.100.23/24", "dev", "test0")
        changed = manager.event(1)
        assert (changed["why"], changed["changed"]) == ("address-change", ["ipaddress-info"])
    finally:
        manager("ip", "link", "del", "test0")


def test_watchdog_is_fed_and_restarts_a_hung_watch(manager: Manager) -> None:
    manager.change(WATCH, "WatchdogSec=2s\nRestartSec=0\n", "test")
    manager.systemctl("daemon-reload")
    manager.systemctl("start", WATCH)
    [first] = manager.states(WATCH, "MainPID")
    # Its next check is 300 seconds away.
    time.sleep(5)
    assert manager.states(WATCH, "MainPID", "SubState", "NRestarts") == [first, "running", "0"]
    manager.systemctl("kill", "-s", "STOP", WATCH)
    until(lambda: manager.states(WATCH, "SubState", "NRestarts") == ["running", "1"], "it was not started again")
    assert manager.states(WATCH, "MainPID") != [first]
    assert [event["event"] for event in manager.events()] == ["started", "started"]


def test_watch_is_not_restarted_after_a_usage_error(manager: Manager) -> None:
    manager.change(WATCH, f"ExecStart=\nExecStart={COMMAND} monitor watch --checks 0\nRestartSec=0\n", "test")
    manager.systemctl("daemon-reload")
    assert manager("systemctl", "start", WATCH).returncode != 0
    assert manager.states(WATCH, "ActiveState", "ExecMainStatus", "NRestarts") == ["failed", "2", "0"]


@pytest.mark.parametrize(("case", "code"), [("same", 0), ("different", 1), ("missing", 3)])
def test_findings_of_metrics_are_no_failure_of_the_service(manager: Manager, case: str, code: int) -> None:
    if case == "different":
        (manager.directory / "machine.json").write_text(json.dumps(unix_snapshot(machine_id="0" * 32)))
        manager.record("--snapshot", "/var/lib/machine.json")
    elif case == "missing":
        shutil.rmtree(manager.directory / "amazon/ssm/Vault")
        (manager.directory / "amazon/ssm/Vault").mkdir()
    manager.systemctl("start", METRICS)
    assert manager.states(METRICS, "ActiveState", "Result", "ExecMainStatus") == ["inactive", "success", str(code)]
    assert manager.textfile.stat().st_mode & 0o7777 == 0o644
    text = manager.textfile.read_text()
    assert f"fingerprint_check_success {int(case != 'missing')}\n" in text
    assert ("fingerprint_match 1\n" in text) == (case == "same")


def test_usage_error_of_metrics_is_a_failure_of_the_service(manager: Manager) -> None:
    manager.change(METRICS, f"ExecStart=\nExecStart={COMMAND} monitor prometheus --nonsense\n", "test")
    manager.systemctl("daemon-reload")
    assert manager("systemctl", "start", METRICS).returncode != 0
    assert manager.states(METRICS, "ActiveState", "ExecMainStatus") == ["failed", "2"]


AGENT = "amazon-ssm-agent.service"


def disable(manager: Manager) -> None:
    """Leave it as an update of the package does on SUSE."""
    manager.systemctl("disable", AGENT)


def mask(manager: Manager) -> None:
    manager.systemctl("mask", AGENT)


def enable_until_the_next_start(manager: Manager) -> None:
    manager.systemctl("enable", "--runtime", AGENT)


def mask_until_the_next_start(manager: Manager) -> None:
    manager.systemctl("mask", "--runtime", AGENT)


STATES = {
    "disabled": disable, "masked": mask, "enabled-runtime": enable_until_the_next_start,
    "masked-runtime": mask_until_the_next_start,
}  # fmt: skip


@pytest.mark.parametrize("runs", [True, False], ids=["runs", "stopped"])
@pytest.mark.parametrize("state", STATES)
def test_printed_remedy_enables_the_agents_unit(manager: Manager, state: str, runs: bool) -> None:
    program = manager.directory / "amazon-ssm-agent"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    (manager.units / AGENT).write_text(
        "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/var/lib/amazon-ssm-agent 1000\n"
        "[Install]\nWantedBy=boot.target\n"
    )
    try:
        manager.systemctl("daemon-reload")
        if runs:
            manager.systemctl("start", AGENT)
        STATES[state](manager)
        manager.systemctl("daemon-reload")
        assert manager.states(AGENT, "UnitFileState", "ActiveState") == [state, "active" if runs else "inactive"]
        words = (COMMAND, "--vault", VAULT, "diagnose", "--only", "running", "--output", "json")
        found = json.loads(manager(*words).stdout)["checks"][0]
        masked = state.startswith("masked") and not runs
        words_of_state = f"its unit {AGENT} is masked" if masked else f"will not start at boot: its unit is {state}"
        assert words_of_state in found["text"]
        done = manager("sh", "-c", found["command"])
        assert done.returncode == 0, done.stderr
        manager.systemctl("daemon-reload")
        assert manager.states(AGENT, "UnitFileState", "ActiveState") == ["enabled", "active"]
        assert json.loads(manager(*words).stdout)["checks"][0]["outcome"] == "pass"
    finally:
        manager("systemctl", "unmask", AGENT)
        manager("systemctl", "unmask", "--runtime", AGENT)
        manager("systemctl", "disable", AGENT)
        manager("systemctl", "disable", "--runtime", AGENT)
        manager("systemctl", "stop", AGENT)
        (manager.units / AGENT).unlink()
        manager("systemctl", "daemon-reload")
