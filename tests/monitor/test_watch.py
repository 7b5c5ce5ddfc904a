"""`fingerprint monitor watch` as a real process: what it logs, when it checks, how it ends, how it notifies systemd."""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import fingerprint.monitor.sd_notify as notifying
from commandline import COMMAND, environment
from fingerprint import Vault, collect
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.monitor.sd_notify import Notifier
from fingerprint.monitor.wake import END, HANGUP, Waker
from fingerprint.monitor.watch import Event, Watcher
from fingerprint.testing import unix_snapshot
from fingerprint.vault.records import encode_fingerprint
from paths import DOCS
from vault_setup import Setup

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals as Unix has them")

SCHEMA = Draft202012Validator(json.loads((resources.files("fingerprint") / "schemas/monitor-watch.json").read_text()))
DOC = DOCS / "monitoring.md"
MACHINE = {"dmi": "SMBIOS 3.0 present.", "disk": "total 0", "ip": "192.0.2.2", "host_name": "zebra-77"}
REFUSED = {
    "dmi": "SMBIOS 3.1 present.", "disk": "total 8", "ip": "198.51.100.23", "host_name": "quagga-78",
    "mac": "a2:99:21:33:46:99",
}  # fmt: skip
OTHER_FINGERPRINT = "5f1c1f6e-94d2-4f7e-8a0a-2c8e4a5d1b77"
# Far beyond what anything takes; only a failing test waits so long.
DEADLINE = 30.0
FOREVER = ("--interval", "86400")


class Listener:
    """Stands for systemd: a datagram socket, and what came in there."""

    def __init__(self, address: str) -> None:
        self.connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.connection.bind("\0" + address[1:] if address.startswith("@") else address)
        self.connection.settimeout(DEADLINE)
        self.environ = {"NOTIFY_SOCKET": address}

    def next(self) -> dict[str, str]:
        """Return the next message, which must come before the deadline."""
        lines = self.connection.recv(65536).decode().split("\n")
        assert all("=" in line for line in lines), lines
        return dict(line.split("=", 1) for line in lines)

    def next_check(self) -> dict[str, str]:
        """Wait for the next check, and return its message."""
        while True:
            message = self.next()
            if "STATUS" in message:
                return message

    def waiting(self) -> list[dict[str, str]]:
        """Return the messages that came in already."""
        found = []
        self.connection.setblocking(False)
        try:
            while True:
                found.append(self.next())
        except BlockingIOError:
            return found
        finally:
            self.connection.settimeout(DEADLINE)


class Watch:
    """A running `fingerprint monitor watch`."""

    def __init__(self, words: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def line(self) -> str:
        """Return the next line, which must come before the deadline; "" where the output ended."""
        return self._lines.get(timeout=DEADLINE)

    def event(self, *kinds: str) -> dict[str, Any]:
        """Return the next line as an event, which must be of one of the kinds."""
        line = self.line()
        assert line.endswith("\n"), f"it ended: {self.process.stderr.read() if self.process.stderr else ''}"
        event: dict[str, Any] = json.loads(line)
        SCHEMA.validate(event)
        assert event["event"] in kinds, event
        return event

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, list[str], str]:
        """End it, and return its exit code, the lines that were not asked for, and its diagnostics."""
        self.send(number)
        return self.ended()

    def ended(self) -> tuple[int, list[str], str]:
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        assert self.process.stderr is not None
        complaint = self.process.stderr.read()
        lines = list(self._lines.queue)
        assert lines.pop() == ""
        assert "Traceback" not in complaint
        return code, lines, complaint

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup.with_record(tmp_path, **MACHINE)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(str(tmp_path / "notify"))
    yield made
    made.connection.close()


@contextmanager
def watch(setup: Setup, *words: str, form: str = "json", **environ: str) -> Iterator[Watch]:
    running = Watch(
        [
            COMMAND,
            "--vault",
            str(setup.vault),
            "--snapshot",
            str(setup.snapshot),
            "monitor",
            "watch",
            "--output",
            form,
            *words,
        ],
        {**setup.env, **environ},
    )
    try:
        yield running
    finally:
        running.close()


def set_threshold(setup: Setup, threshold: int) -> None:
    assert setup("threshold", "set", "--", str(threshold)).returncode == 0


def replace_record(setup: Setup) -> None:
    """Write another record as another program would, whose fingerprint this host lost."""
    record = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"]).read()
    now = collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash
    setup.record.write_bytes(encode_fingerprint(record.replace(fingerprint=OTHER_FINGERPRINT, hardware_hash=now)))


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


# What it reports.


def test_watch_reports_its_start_and_then_only_changes(setup: Setup, listener: Listener) -> None:
    with watch(setup, *FOREVER, **listener.environ) as running:
        started = running.event("started")
        assert (started["why"], started["verdict"], started["differences"]) == ("start", "same", [])
        assert started["text"] == "same machine: rule 4: same hardware ID and same IP address"
        assert started["score"] == {"matched": 9, "total": 9, "percent": 100.0}
        listener.next_check()
        for _ in range(3):
            running.send(signal.SIGHUP)
            listener.next_check()
        # The next line is of the change, so the checks in between wrote none.
        set_threshold(setup, 77)
        running.send(signal.SIGHUP)
        changed = running.event("changed")
        assert (changed["why"], changed["threshold"]) == ("signal", 77)
        assert changed["differences"] == ["threshold: 40 -> 77"]
        assert running.end() == (0, [], "")


def test_each_interval_is_a_check(setup: Setup) -> None:
    with watch(setup, "--interval", "0.05") as running:
        running.event("started")
        set_threshold(setup, 5)
        changed = running.event("changed")
        assert changed["why"] == "interval"
        assert changed["differences"] == ["threshold: 40 -> 5", "vacuous begins"]
        set_threshold(setup, 40)
        assert running.event("changed")["differences"] == ["threshold: 5 -> 40", "vacuous ends"]


def test_replaced_record_is_reported(setup: Setup) -> None:
    setup.is_now(**REFUSED)
    with watch(setup, "--interval", "0.05") as running:
        started = running.event("started")
        assert (started["verdict"], started["conditions"]) == ("different", ["any-drift", "will-hibernate"])
        assert started["text"].endswith(", and the service rejects it")
        replace_record(setup)
        changed = running.event("changed")
        assert (changed["verdict"], changed["regenerated"], changed["changed"]) == ("same", True, [])
        assert "the fingerprint was replaced" in changed["differences"]
        assert changed["conditions"] == ["will-hibernate"]
        assert "; the fingerprint was replaced by another program: the service knows the one before" in changed["text"]


def test_changed_verdict_is_reported_with_both_rules(setup: Setup) -> None:
    setup.is_now(**{**MACHINE, "ip": "198.51.100.23", "dmi": "SMBIOS 3.1 present."})
    with watch(setup, "--interval", "0.05") as running:
        assert running.event("started")["verdict"] == "same"
        set_threshold(setup, 45)
        changed = running.event("changed")
        assert changed["verdict"] == "different"
        assert changed["differences"] == [
            "verdict: same (SIMILAR) -> different (NOT_SIMILAR)", "threshold: 40 -> 45", "will-hibernate begins",
        ]  # fmt: skip


def test_lost_and_restored_record_is_reported_once_each(setup: Setup, listener: Listener) -> None:
    with watch(setup, *FOREVER, **listener.environ) as running:
        running.event("started")
        listener.next_check()
        kept = setup.directory / "kept"
        setup.record.rename(kept)
        for _ in range(3):
            running.send(signal.SIGHUP)
            assert "unknown: " in listener.next_check()["STATUS"]
        kept.rename(setup.record)
        running.send(signal.SIGHUP)
        failed = running.event("failed")
        assert (failed["verdict"], failed["reason"], failed["score"]) == ("cannot-tell", None, None)
        assert (failed["error"]["kind"], failed["error"]["where"]) == ("VaultCorrupt", str(setup.record))
        recovered = running.event("recovered")
        assert (recovered["verdict"], recovered["error"]) == ("same", None)
        assert running.end() == (0, [], "")


def test_another_failure_is_reported_again(setup: Setup) -> None:
    with watch(setup, "--interval", "0.05") as running:
        running.event("started")
        setup.record.rename(setup.directory / "kept")
        assert "its data file is missing" in running.event("failed")["error"]["what"]
        setup.record.write_bytes(b"{")
        assert "its data file is missing" not in running.event("failed")["error"]["what"]


def test_watch_starts_before_the_vault_exists(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    with watch(setup, "--interval", "0.05") as running:
        assert running.event("started")["error"]["kind"] == "VaultMissing"
        assert setup("vault", "init").returncode == 0
        while running.event("recovered", "failed")["event"] != "recovered":
            # A check may have seen a part of the vault.
            pass


def test_output_holds_no_id(setup: Setup) -> None:
    vault = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"])
    record = vault.read()
    assert record.hardware_hash is not None
    setup.is_now(**REFUSED)
    now = collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash
    lines_so_far = []
    with watch(setup, "--interval", "0.05", form="text") as running:
        lines_so_far.append(running.line())
        replace_record(setup)
        lines_so_far.append(running.line())
        setup.record.rename(setup.directory / "kept")
        lines_so_far.append(running.line())
        code, lines, complaint = running.end()
    assert code == 0
    text = "".join([*lines_so_far, *lines, complaint])
    secrets = {record.fingerprint, OTHER_FINGERPRINT, *record.hardware_hash.values(), *now.values()}
    assert len(secrets) > 10
    for value in secrets:
        assert value.strip() not in text
    line = r"2026-11-24T00:00:00Z changed \(interval\): same machine: .* \[.*the fingerprint was replaced.*\]\n"
    assert re.fullmatch(line, lines_so_far[1])


def test_json_holds_no_id(setup: Setup) -> None:
    setup.is_now(**REFUSED)
    record = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"]).read()
    assert record.hardware_hash is not None
    with watch(setup, "--interval", "0.05") as running:
        text = json.dumps(running.event("started"))
        replace_record(setup)
        text += json.dumps(running.event("changed"))
    now = collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash
    for value in {record.fingerprint, OTHER_FINGERPRINT, *record.hardware_hash.values(), *now.values()}:
        assert value.strip() not in text


def test_event_of_the_page_has_all_fields(setup: Setup) -> None:
    found = re.search(
        r'^    (\{"schemaVersion":1,"command":"monitor watch".*?\})$', DOC.read_text(), re.MULTILINE | re.DOTALL
    )
    assert found
    event = json.loads(found[1].replace("\n     ", ""))
    SCHEMA.validate(event)
    with watch(setup, *FOREVER) as running:
        assert list(running.event("started")) == list(event)


def test_changed_and_unreadable_attributes_are_named(setup: Setup) -> None:
    machine = RecordedMachine(unix_snapshot(**MACHINE))
    denied = unix_snapshot(**MACHINE)
    for command in denied["commands"]:
        if command["argv"][-1] == "bios":
            command.update(returncode=1, stdout="", stderr="/dev/mem: Permission denied\n")
    coming = [denied, unix_snapshot(**MACHINE), unix_snapshot(**{**MACHINE, "host_name": "quagga-78"})]
    events: list[Event] = []

    def report(event: Event) -> None:
        events.append(event)
        if coming:
            machine.snapshot = coming.pop(0)

    vault = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"])
    Watcher(vault, machine, report, pytest.fail, interval=0.001, notifier=Notifier({})).run(checks=4)
    assert [event.differences for event in events] == [
        (), ("bios-hash is unreadable",), ("bios-hash is readable again",),
        ("hostname-info changed", "any-drift begins"),
    ]  # fmt: skip
    assert [event.result.changed for event in events] == [(), (), (), ("hostname-info",)]


# How it ends.


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_with_exit_code_0_and_leaves_no_file(setup: Setup, number: int) -> None:
    target = setup.directory / "out" / "f.prom"
    target.parent.mkdir()
    before = files(setup.directory)
    with watch(setup, *FOREVER, "--textfile", str(target)) as running:
        running.event("started")
        assert running.end(number) == (0, [], "")
    assert files(setup.directory) == sorted([*before, "out/f.prom"])


@pytest.mark.parametrize(("number", "word"), [(signal.SIGHUP, HANGUP), (signal.SIGTERM, END), (signal.SIGINT, END)])
def test_signal_to_another_thread_ends_the_wait(number: int, word: str) -> None:
    """So it is with one that comes just before the waiting; here another thread is interrupted."""

    def send() -> None:
        time.sleep(0.2)
        signal.pthread_kill(threading.get_ident(), number)

    with Waker() as waker:
        sender = threading.Thread(target=send)
        sender.start()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
        try:
            assert waker.wait(DEADLINE) == word
        finally:
            sender.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_signal_handlers_are_restored() -> None:
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with Waker():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_while_its_output_pipe_is_full(setup: Setup, number: int) -> None:
    reading, full = os.pipe()
    os.set_blocking(full, False)
    with suppress(BlockingIOError):
        while True:
            os.write(full, b"x")
    os.set_blocking(full, True)
    words = [
        COMMAND,
        "--vault",
        str(setup.vault),
        "--snapshot",
        str(setup.snapshot),
        "monitor",
        "watch",
        "--interval",
        "86400",
    ]
    with subprocess.Popen(words, env=setup.env, stdout=full, stderr=subprocess.PIPE) as process:
        time.sleep(1)
        process.send_signal(number)
        try:
            assert process.wait(DEADLINE) == 0
        finally:
            process.kill()
    os.close(reading)
    os.close(full)


def test_signal_while_it_waits_for_the_pipe_is_kept() -> None:
    reading, full = os.pipe()
    with Waker(addresses=False) as waker:
        assert waker.wait_writable(full)
        signal.raise_signal(signal.SIGHUP)
        assert waker.wait_writable(full)
        assert waker.wait(0) == HANGUP
        os.set_blocking(full, False)
        with suppress(BlockingIOError):
            while True:
                os.write(full, b"x")
        signal.raise_signal(signal.SIGTERM)
        assert not waker.wait_writable(full)
        os.read(reading, 1_000_000)
        assert waker.wait_writable(full)
        assert waker.wait(DEADLINE) == END
    os.close(reading)
    os.close(full)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_while_it_checks_without_pause(setup: Setup, number: int) -> None:
    with watch(setup, "--interval", "0.001", "--textfile", str(setup.directory / "f.prom")) as running:
        running.event("started")
        assert running.end(number) == (0, [], "")
    assert [name for name in files(setup.directory) if name.endswith(".tmp")] == []


@pytest.mark.parametrize(("case", "code"), [("same", 0), ("different", 1), ("missing", 3)])
def test_limited_checks_end_with_the_code_of_the_last(setup: Setup, listener: Listener, case: str, code: int) -> None:
    if case == "different":
        setup.is_now(**REFUSED)
    elif case == "missing":
        shutil.rmtree(setup.vault)
    with watch(setup, "--interval", "0.01", "--checks", "3", **listener.environ) as running:
        running.event("started")
        assert running.ended() == (code, [], "")
    assert sum("STATUS" in message for message in listener.waiting()) == 3


@pytest.mark.parametrize(
    "words", [("--checks", "0"), ("--checks", "-1"), ("--checks", "x"), ("--interval", "0"), ("--interval", "-5")]
)
def test_invalid_option_value_is_a_usage_error(setup: Setup, words: tuple[str, ...]) -> None:
    done = setup("monitor", "watch", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fingerprint: ")


def test_closed_pipe_ends_it_silently(setup: Setup) -> None:
    words = [COMMAND, "--vault", str(setup.vault), "--snapshot", str(setup.snapshot), "monitor", "watch", *FOREVER]
    with subprocess.Popen(words, env=setup.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "started" in process.stdout.readline()
        process.stdout.close()
        set_threshold(setup, 50)
        process.send_signal(signal.SIGHUP)
        try:
            assert process.wait(DEADLINE) == 141
        finally:
            process.kill()
        assert process.stderr.read() == ""


# The metrics.


def test_metrics_are_written_at_each_check(setup: Setup, listener: Listener) -> None:
    target = setup.directory / "out" / "f.prom"
    target.parent.mkdir()
    with watch(setup, *FOREVER, "--textfile", str(target), **listener.environ) as running:
        running.event("started")
        listener.next_check()
        for threshold in (50, 60):
            assert f"fingerprint_threshold_ratio 0.{threshold // 10}\n" not in target.read_text()
            set_threshold(setup, threshold)
            running.send(signal.SIGHUP)
            listener.next_check()
            assert f"fingerprint_threshold_ratio 0.{threshold // 10}\n" in target.read_text()
        target.unlink()
        running.send(signal.SIGHUP)
        listener.next_check()
        assert target.stat().st_mode & 0o777 == 0o644


def test_failed_metrics_are_reported_once_and_checks_go_on(setup: Setup, listener: Listener) -> None:
    target = setup.directory / "out" / "f.prom"
    with watch(setup, *FOREVER, "--textfile", str(target), **listener.environ) as running:
        running.event("started")
        listener.next_check()

        def check() -> None:
            running.send(signal.SIGHUP)
            listener.next_check()

        check()
        check()
        set_threshold(setup, 50)
        check()
        running.event("changed")
        target.parent.mkdir()
        check()
        assert target.exists()
        # After it went well, another failure is news.
        shutil.rmtree(target.parent)
        check()
        check()
        code, lines, complaint = running.end()
    assert (code, lines) == (0, [])
    assert complaint.count("\n") == complaint.count("cannot write the metrics: No such file") == 2


# The service manager.


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_manager_is_notified_of_start_state_and_end(setup: Setup, tmp_path: Path, kind: str) -> None:
    if kind == "abstract" and not os.path.exists("/proc/net/unix"):
        pytest.skip("only Linux has sockets without a file")
    listener = Listener(f"@fingerprint-{os.getpid()}" if kind == "abstract" else str(tmp_path / "notify"))
    target = setup.directory / "f.prom"
    try:
        with watch(setup, *FOREVER, "--textfile", str(target), **listener.environ) as running:
            first = listener.next()
            # It is ready after its first check: its metrics are written.
            assert target.exists()
            assert first == {
                "READY": "1", "STATUS": "same machine: rule 4: same hardware ID and same IP address", "WATCHDOG": "1",
            }  # fmt: skip
            running.event("started")
            set_threshold(setup, -1)
            running.send(signal.SIGHUP)
            second = listener.next()
            assert second == {"STATUS": "same machine: rule 1: the check is disabled (threshold -1)", "WATCHDOG": "1"}
            assert running.end()[0] == 0
            assert listener.next() == {"STOPPING": "1"}
            assert listener.waiting() == []
    finally:
        listener.connection.close()


def test_watch_is_ready_even_without_a_verdict(tmp_path: Path, listener: Listener) -> None:
    with watch(Setup(tmp_path), *FOREVER, **listener.environ):
        message = listener.next()
        assert message["READY"] == "1"
        assert message["STATUS"].startswith("unknown: ")


def test_watchdog_is_fed_between_two_checks(setup: Setup, listener: Listener) -> None:
    with watch(setup, *FOREVER, WATCHDOG_USEC="200000", **listener.environ) as running:
        running.event("started")
        assert "READY" in listener.next()
        begin = time.monotonic()
        for _ in range(4):
            # Twelve hours before the next check.
            assert listener.next() == {"WATCHDOG": "1"}
        # At half of the time allowed, and not as fast as it can.
        assert time.monotonic() - begin > 0.3
        set_threshold(setup, 50)
        running.send(signal.SIGHUP)
        assert running.event("changed")["why"] == "signal"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None), ({"WATCHDOG_USEC": "900000000"}, 450.0), ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None), ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "77"}, 1.0),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "78"}, None),
    ],
)  # fmt: skip
def test_watchdog_interval_is_half_of_the_limit(environ: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environ, pid=77).watchdog_every == seconds


@pytest.mark.parametrize("address", ["/nonexistent/notify", "@nobody-listens-here", "vsock:2:1234", ""])
def test_missing_manager_does_no_harm(setup: Setup, address: str) -> None:
    with watch(setup, "--interval", "0.01", "--checks", "3", NOTIFY_SOCKET=address, WATCHDOG_USEC="2000") as running:
        running.event("started")
        assert running.ended() == (0, [], "")


def fill(address: str) -> None:
    """Send to a socket that nobody reads until it takes no more of anybody; each sender has a limit, too."""
    sent = -1
    while sent:
        sent = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filling:
            filling.setblocking(False)
            filling.connect(address)
            try:
                while True:
                    filling.send(b"STATUS=full")
                    sent += 1
            except BlockingIOError:
                continue


def test_hung_manager_does_not_stop_the_checks(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    fill(listener.environ["NOTIFY_SOCKET"])
    monkeypatch.setattr(notifying, "_SEND_SECONDS", 0.05)
    teller = threading.Thread(target=Notifier(listener.environ).notify, args=("WATCHDOG=1",), daemon=True)
    teller.start()
    teller.join(DEADLINE)
    assert not teller.is_alive()


# Addresses.


class Network:
    """A network namespace of its own, with one interface that has one address."""

    def __init__(self) -> None:
        # It lives as long as this process, which ends with its input.
        self.holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.holder.stdout is not None
        self.ready = self.holder.stdout.readline() == "ready\n"
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]

    def ip(self, *lines: str) -> bool:
        done = subprocess.run(
            [*self.enter, "ip", "-batch", "-"],
            input="\n".join(lines) + "\n",
            text=True,
            capture_output=True,
            check=False,
        )
        return done.returncode == 0

    def close(self) -> None:
        self.holder.communicate(timeout=DEADLINE)


@pytest.fixture
def network() -> Iterator[Network]:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root may make a network namespace")
    for tool in ("unshare", "nsenter", "ip"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not here")
    made = Network()
    try:
        if not made.ready:
            pytest.skip("no network namespace may be made here")
        # Not every kernel has dummy interfaces.
        kinds = ("dummy", "bridge", "veth")
        if not any(made.ip(f"link add test0 type {kind}") for kind in kinds):
            pytest.skip(f"this kernel makes no interface of the kinds {', '.join(kinds)}")
        assert made.ip("address add 192.0.2.7/24 dev test0")
        yield made
    finally:
        made.close()


@contextmanager
def watch_live(network: Network, directory: Path, listener: Listener) -> Iterator[Watch]:
    """Watch this host, in a network namespace, with a vault of its own."""
    env = {**environment(directory / "state"), **listener.environ}
    command = [*network.enter, COMMAND, "--vault", str(directory / "Vault")]
    subprocess.run([*command, "vault", "init"], env=env, check=True, capture_output=True)
    running = Watch([*command, "monitor", "watch", "--output", "json", *FOREVER], env)
    try:
        yield running
    finally:
        running.close()


def test_new_address_wakes_it(network: Network, tmp_path: Path, listener: Listener) -> None:
    with watch_live(network, tmp_path, listener) as running:
        started = running.event("started")
        assert started["changed"] == []
        listener.next_check()
        assert network.ip("address del 192.0.2.7/24 dev test0", "address add 198.51.100.23/24 dev test0")
        changed = running.event("changed")
        assert changed["why"] == "address-change"
        assert "ipaddress-info changed" in changed["differences"]
        assert changed["changed"] == ["ipaddress-info"]
        assert network.ip("link set test0 address 02:00:00:00:00:77")
        changed = running.event("changed")
        assert (changed["why"], changed["changed"]) == ("address-change", ["ipaddress-info", "macaddr-info"])
        assert running.end() == (0, [], "")


def test_flapping_interface_causes_few_checks(network: Network, tmp_path: Path, listener: Listener) -> None:
    with watch_live(network, tmp_path, listener) as running:
        running.event("started")
        listener.next_check()
        flap = ("address del 192.0.2.7/24 dev test0", "address add 192.0.2.7/24 dev test0")
        assert network.ip(*flap * 10, "address del 192.0.2.7/24 dev test0", "address add 198.51.100.23/24 dev test0")
        # A check may have come in between and seen any state.
        while running.event("changed")["changed"] != ["ipaddress-info"]:
            pass
        assert running.end()[0] == 0
        checks = [message for message in listener.waiting() if "STATUS" in message]
        assert 1 <= len(checks) <= 4
