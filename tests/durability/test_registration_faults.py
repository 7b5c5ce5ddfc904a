"""Registering a machine, with every system call failing in turn or being the process's last: no node is lost.

A node that the service made is stored, or the journal has it and the next `register` stores it, or its id was
printed; or `vault verify` reports activation id, time and public key, and the node that the service lists with that
key is taken by its id. What is stored is what the service accepts.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commandline import COMMAND, environment
from event_machines import before_and_after
from faults import KILL, Fault, Run, faults_of, paths_within, restore_copy, run, why_not
from fingerprint import Vault
from fingerprint.errors import (
    EXIT_CANNOT_TELL,
    EXIT_DIFFERS,
    EXIT_OK,
    EXIT_REFUSED,
    FingerprintError,
    Refused,
    Unreachable,
    VaultError,
    VaultUnreadable,
)
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration
from fingerprint.registration.keys import NodeKey
from fingerprint.testing import LocalService
from fingerprint.vault import REGISTRATION_KEY
from fingerprint.vault.edit import VaultEdit
from fingerprint.vault.pending_registration import pending
from fingerprint.vault.verify import verify

MACHINE, _ = before_and_after("agent-restart")
REGION = "eu-west-1"
KINDS = (KILL, "EIO", "EIO+", "ENOSPC", "ENOSPC+", "EACCES", "EROFS")
SAMPLE = 14
REGISTER = "RegisterManagedInstance"
ASK = """
import json, os, sys
from fingerprint import Vault
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.errors import FingerprintError
from fingerprint.registration import Registration
vault, state, machine, endpoint, again = sys.argv[1:]
id, code = os.environ["ACTIVATION"].split()
with open(machine) as file:
    recorded = RecordedMachine(json.load(file))
try:
    flow = Registration(Vault(vault, state=state), recorded, policy="strict", endpoint=endpoint)
    print(flow.register(id, code, "eu-west-1", again=again == "again", provider="azure").instance_id)
except FingerprintError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


class Setup:
    """A machine that is going to register: for the first time, with a fingerprint, or again."""

    def __init__(self, directory: Path, service: LocalService, begin: str) -> None:
        self.service, self.begin = service, begin
        self.trace, self.path, self.template = directory / "trace", directory / "setup", directory / "template"
        self.machine = directory / "machine.json"
        self.machine.write_text(json.dumps(MACHINE))
        self.path.mkdir(mode=0o700)
        self.vault = Vault(str(self.path / "Vault"), state=str(self.path / "state"))
        self.old_node = ""
        if begin == "again":
            made = service.activation()
            self.old_node = self.flow().register(made.id, made.code, REGION).instance_id
        shutil.copytree(self.path, self.template)
        self.begun: set[str] = set()
        self.reset()

    def flow(self) -> Registration:
        return Registration(self.vault, RecordedMachine(MACHINE), policy="strict", endpoint=self.service.endpoint)

    def reset(self) -> None:
        restore_copy(self.template, self.path, Path(self.vault.state))
        self.made = self.service.activation(limit=9)
        self.begun = {node["id"] for node in self.service.nodes()}

    def new_nodes(self) -> dict[str, str]:
        """Return id -> public key of the nodes that the service made since then."""
        return {one["id"]: one["publicKey"] for one in self.service.nodes() if one["id"] not in self.begun}

    def words(self) -> list[str]:
        arguments = [self.vault.path, self.vault.state, str(self.machine), self.service.endpoint, self.begin]
        return [sys.executable, "-I", "-c", ASK, *arguments]

    def run(self, watched: set[str] | tuple[str, ...] = (), fault: Fault | None = None) -> Run:
        # Not an argument: strace would show it.
        os.environ["ACTIVATION"] = f"{self.made.id} {self.made.code}"
        try:
            return run(self.words(), self.trace, watched, fault)
        finally:
            del os.environ["ACTIVATION"]

    def stored(self) -> str:
        try:
            return self.vault.read_registration().instance_id
        except VaultError:
            return ""

    def defects(self, ended: Run, kind: str, count: Callable[[str, int], None]) -> Iterator[str]:
        expected = (-9,) if kind == KILL else (EXIT_OK, EXIT_CANNOT_TELL)
        if ended.code not in expected or "Traceback" in ended.complaint:
            yield f"exit code {ended.code}: {ended.complaint}"
        nodes = self.new_nodes()
        if len(nodes) > 1:
            yield f"{len(nodes)} nodes of one registration"
        if ended.code == EXIT_OK and (list(nodes) != [self.stored()] or ended.output.strip() not in nodes):
            yield f"it answered {ended.output.strip()}, stored {self.stored()}, the service made {list(nodes)}"
        yield from self.secrets_in(ended)
        for node, public in nodes.items():
            yield from self.lost(node, public, ended, count)
        yield from self.later_defects(nodes)

    def secrets_in(self, ended: Run) -> Iterator[str]:
        said = ended.output + ended.complaint
        keys = [one.registration.private_key for one in pending(self.vault)]
        if self.made.code in said or any(key in said for key in keys):
            yield f"a secret was printed: {said}"
        for path in self.path.rglob("*"):
            if path.is_file():
                if path.stat().st_mode & 0o077:
                    yield f"others may read {path}"
                if self.made.code.encode() in path.read_bytes():
                    yield f"the activation code is in {path}"

    def lost(self, node: str, public: str, ended: Run, count: Callable[[str, int], None]) -> Iterator[str]:
        """Say how a node that the service made can be had here, and yield a defect if it cannot."""
        if self.stored() == node:
            count("nodes stored", 1)
            return
        open_ones = pending(self.vault)
        findings = [finding for finding in verify(self.vault) if finding.kind == "registration-open"]
        if any(one.node == node for one in open_ones):
            count("nodes in the journal, stored by the next register", 1)
            if not any(node in finding.what for finding in findings):
                yield f"verify does not report {node}"
            return
        figure = "nodes whose id was printed" if node in ended.complaint else "nodes reported by key and time"
        count(figure, 1)
        reported = [one for one in open_ones if one.public_key == public and one.activation_id == self.made.id]
        if not reported or not any(reported[0].search_terms in finding.what for finding in findings):
            yield f"{node} is lost: neither stored nor reported"
            return
        if node in ended.complaint and f"fingerprint register --node {node}" not in ended.complaint:
            yield f"it does not say how to finish: {ended.complaint}"
        if self.flow().finish(node) is None or self.stored() != node:
            yield f"{node} could not be finished by its id"

    def later_defects(self, nodes: dict[str, str]) -> Iterator[str]:
        """Register once more with no fault: the node that is known here is returned; the service accepts it."""
        flow, known = self.flow(), {one.node for one in pending(self.vault)} - {""}
        stored = self.stored()
        made = self.service.activation()
        try:
            if stored in ("", self.old_node) or known:
                record = flow.register(made.id, made.code, REGION, again=bool(self.old_node))
                if known and record.instance_id not in known:
                    yield f"register made {record.instance_id} and did not finish {known}"
            flow.role_token()
        except FingerprintError as error:
            yield f"a later command fails: {error}"
            return
        if nodes and self.stored() not in nodes:
            yield f"{list(nodes)} was replaced by {self.stored()}"
        here = NodeKey.decode(self.vault.read_registration().private_key, "here").public()
        [node] = [one for one in self.service.nodes() if one["id"] == self.stored()]
        if here != node["publicKey"]:
            yield "another key here than at the service"
        if (self.vault.read_registration().provider or "") != (node["provider"] or ""):
            yield "another provider here than at the service"
        if pending(self.vault) or verify(self.vault):
            yield f"left after all: {pending(self.vault)} {verify(self.vault)}"


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected")
@pytest.mark.parametrize("begin", ["first", "again"])
def test_no_fault_and_no_kill_loses_a_node(
    begin: str, tmp_path: Path, service: LocalService, full: bool, count: Callable[[str, int], None]
) -> None:
    setup = Setup(tmp_path, service, begin)
    watched = paths_within(setup.run().calls, str(setup.path))
    setup.reset()
    seen = setup.run(watched)
    assert seen.code == EXIT_OK, seen.complaint
    assert list(setup.new_nodes()) == [setup.stored()] == [seen.output.strip()]
    faults = faults_of(seen.calls, KINDS)
    chosen = faults if full else random.Random(7).sample(faults, SAMPLE)
    found = []
    for fault in chosen:
        setup.reset()
        ended = setup.run(watched, fault)
        found += [f"{fault}: {words}" for words in setup.defects(ended, fault.kind, count)]
    count("faults and kills while a machine was registered", len(chosen))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("begin", ["first", "again"])
@pytest.mark.parametrize("after", [False, True], ids=["before it made the node", "after it made the node"])
def test_a_kill_during_the_request_is_reported_with_the_node(
    after: bool, begin: str, tmp_path: Path, service: LocalService, count: Callable[[str, int], None]
) -> None:
    setup = Setup(tmp_path, service, begin)
    held = threading.Event()
    service.hold_next(REGISTER, held, after=after)
    env = {**os.environ, "ACTIVATION": f"{setup.made.id} {setup.made.code}"}
    with subprocess.Popen(setup.words(), stdout=subprocess.DEVNULL, env=env) as process:
        assert held.wait(30)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert len(setup.new_nodes()) == after
    [one] = pending(setup.vault)
    [finding] = [finding for finding in verify(setup.vault) if finding.kind == "registration-open"]
    assert one.search_terms in finding.what
    assert (one.activation_id, one.region) == (setup.made.id, REGION)
    assert one.registration.private_key not in finding.what
    assert list(setup.defects(Run(-9, "", "", []), KILL, count)) == []


@pytest.mark.parametrize("answered", ["no answer", "no id", "not JSON", "busy"])
def test_a_request_without_a_usable_answer_is_sent_again(
    answered: str, tmp_path: Path, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    setup = Setup(tmp_path, service, "first")
    if answered == "no answer":
        service.drop_next(REGISTER, after=True)
        service.drop_next(REGISTER, times=3)
    elif answered == "busy":
        service.fail_next(REGISTER, "InternalServerError", 500, times=4)
    else:
        service.answer_next(REGISTER, 200, b'{"InstanceId":"x"}' if answered == "no id" else b"{")
    with pytest.raises(FingerprintError) as caught:
        setup.flow().register(setup.made.id, setup.made.code, REGION)
    assert "may have registered this host" in caught.value.remedy
    [one] = pending(setup.vault)
    record = setup.flow().register(setup.made.id, setup.made.code, REGION)
    # The same key and fingerprint: whichever node the service has of them is this one's.
    assert record.private_key == one.registration.private_key
    assert {node["fingerprint"] for node in service.nodes()} == {setup.vault.read().fingerprint}
    assert setup.flow().role_token()
    assert pending(setup.vault) == [] == verify(setup.vault)


def test_an_exhausted_activation_does_not_end_the_request(
    tmp_path: Path, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt made the node, its answer was lost, and the next attempt is refused."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    setup = Setup(tmp_path, service, "first")
    made = service.activation(limit=1)
    service.drop_next(REGISTER, after=True)
    with pytest.raises(FingerprintError, match="used as often") as caught:
        setup.flow().register(made.id, made.code, REGION)
    assert "may have registered this host" in caught.value.remedy
    [node] = setup.new_nodes()
    finished = setup.flow().finish(node)
    assert finished is not None
    assert finished.instance_id == node
    assert setup.flow().role_token()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "https://nowhere.invalid"])
def test_what_never_left_this_machine_is_no_open_request(
    endpoint: str, tmp_path: Path, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    setup = Setup(tmp_path, service, "first")
    flow = Registration(setup.vault, RecordedMachine(MACHINE), policy="strict", endpoint=endpoint)
    with pytest.raises(Unreachable) as caught:
        flow.register(setup.made.id, setup.made.code, REGION)
    assert "may have registered" not in caught.value.remedy
    assert pending(setup.vault) == []


def test_an_id_that_is_not_this_machines_is_refused(tmp_path: Path, service: LocalService) -> None:
    setup = Setup(tmp_path, service, "again")
    held = threading.Event()
    service.hold_next(REGISTER, held, after=True)
    env = {**os.environ, "ACTIVATION": f"{setup.made.id} {setup.made.code}"}
    with subprocess.Popen(setup.words(), stdout=subprocess.DEVNULL, env=env) as process:
        assert held.wait(30)
        process.kill()
    [node] = setup.new_nodes()
    for wrong in (setup.old_node, "mi-" + "0" * 17):
        with pytest.raises(FingerprintError, match="no open registration has a key"):
            setup.flow().finish(wrong)
    assert setup.stored() == setup.old_node
    finished = setup.flow().finish(node)
    assert finished is not None
    assert setup.stored() == node
    with pytest.raises(FingerprintError, match="no open registration to finish"):
        setup.flow().finish(node)


def test_a_dry_run_names_the_node_that_would_be_stored(tmp_path: Path, service: LocalService) -> None:
    setup = Setup(tmp_path, service, "first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VaultEdit, "store_registration", full_disk)
        with pytest.raises(VaultError, match="registered this host as mi-") as caught:
            setup.flow().register(setup.made.id, setup.made.code, REGION)
    [node] = setup.new_nodes()
    assert caught.value.remedy.endswith(f"fingerprint register --node {node}")
    planned = setup.flow().register(setup.made.id, setup.made.code, REGION, dry_run=True)
    assert (planned.instance_id, planned.private_key) == (node, "")
    # Nothing of an activation is needed, as without --dry-run.
    words = [COMMAND, "--vault", setup.vault.path, "--snapshot", str(setup.machine), "register", "--dry-run"]
    done = subprocess.run(words, env=environment(Path(setup.vault.state)), capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_OK, done.stderr
    assert node in done.stdout
    assert setup.stored() == ""
    asked = len(service.requests())
    record = setup.flow().register(setup.made.id, setup.made.code, REGION)
    assert (record.instance_id, len(service.requests())) == (node, asked)
    assert setup.flow().role_token()


def full_disk(*_: object, **__: object) -> None:
    raise VaultUnreadable("no space left", where="disk")


def test_who_deregisters_gives_open_requests_up(tmp_path: Path, service: LocalService) -> None:
    setup = Setup(tmp_path, service, "again")
    service.answer_next(REGISTER, 200, b"{")
    with pytest.raises(FingerprintError):
        setup.flow().register(setup.made.id, setup.made.code, REGION, again=True)
    assert len(pending(setup.vault)) == 1
    setup.flow().deregister()
    assert pending(setup.vault) == []


def answered_and_not_stored(setup: Setup) -> str:
    """Let the service register the machine, and the vault not take that; return the node."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VaultEdit, "store_registration", full_disk)
        with pytest.raises(VaultError, match="registered this host as mi-"):
            setup.flow().register(setup.made.id, setup.made.code, REGION, again=setup.begin == "again")
    [node] = setup.new_nodes()
    return node


@pytest.mark.parametrize("begin", ["first", "again"])
def test_an_answered_request_replaces_no_later_registration(begin: str, tmp_path: Path, service: LocalService) -> None:
    setup = Setup(tmp_path, service, begin)
    node = answered_and_not_stored(setup)
    # As the agent registers it: our journal does not know.
    other = Vault(setup.vault.path, state=str(tmp_path / "other"))
    flow = Registration(other, RecordedMachine(MACHINE), policy="strict", endpoint=service.endpoint)
    since = flow.register(setup.made.id, setup.made.code, REGION, again=True).instance_id
    assert setup.flow().finish() is None
    with pytest.raises(Refused, match=f"already registered as {since}"):
        setup.flow().register(setup.made.id, setup.made.code, REGION)
    assert setup.stored() == since
    [finding] = [one for one in verify(setup.vault) if one.kind == "registration-open"]
    assert since in finding.what
    assert finding.remedy.endswith(f"fingerprint register --node {node}")
    finished = setup.flow().finish(node)
    assert finished is not None
    assert setup.stored() == node
    assert setup.flow().role_token()


def test_a_key_that_changed_meanwhile_is_no_other_registration(
    tmp_path: Path, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = Setup(tmp_path, service, "again")
    seen = setup.vault.read_registration().replace(private_key="the one before")
    monkeypatch.setattr(Registration, "_present", lambda _: seen)
    record = setup.flow().register(setup.made.id, setup.made.code, REGION, again=True)
    assert [record.instance_id] == list(setup.new_nodes())


def test_a_request_of_another_key_is_found_after_registration(
    tmp_path: Path, service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    setup = Setup(tmp_path, service, "first")
    service.drop_next(REGISTER, after=True)
    service.drop_next(REGISTER, times=3)
    with pytest.raises(FingerprintError):
        setup.flow().register(setup.made.id, setup.made.code, REGION)
    [lost] = setup.new_nodes()
    # The machine has changed since, so that the request cannot be sent again.
    monkeypatch.setattr("fingerprint.registration.activation._may_send_again", lambda *_: False)
    record = setup.flow().register(setup.made.id, setup.made.code, REGION)
    assert record.instance_id != lost
    assert pending(setup.vault) == [] == verify(setup.vault)
    finished = setup.flow().finish(lost)
    assert finished is not None
    assert setup.stored() == lost
    assert setup.flow().role_token()


def wait_for_the_lock(process: subprocess.Popen[str], vault: str) -> None:
    """Wait until a process has a vault's directory open and goes on having it open: it waits for the lock."""
    seen, deadline = 0, time.monotonic() + 30
    while seen < 4:
        assert process.poll() is None
        assert time.monotonic() < deadline
        opened = []
        for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                opened.append(os.readlink(descriptor))
        seen = seen + 1 if vault in opened else 0
        time.sleep(0.05)


def test_two_that_register_at_any_time_make_one_node(
    tmp_path: Path, service: LocalService, full: bool, count: Callable[[str, int], None]
) -> None:
    races = 50 if full else 4
    setup = Setup(tmp_path, service, "first")
    for _ in range(races):
        setup.reset()
        env = {**os.environ, "ACTIVATION": f"{setup.made.id} {setup.made.code}"}
        pair = [
            subprocess.Popen(setup.words(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
            for _ in range(2)
        ]
        said = [process.communicate(timeout=60) for process in pair]
        [node] = setup.new_nodes()
        assert setup.stored() == node
        # One that begins after the other is done says so.
        assert sorted(process.returncode for process in pair) in ([EXIT_OK, EXIT_OK], [EXIT_OK, EXIT_REFUSED])
        assert all(node in output + complaint for output, complaint in said)
    count("races of two that register, at any time, one node each", races)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/PID/fd")
@pytest.mark.parametrize("again", [False, True])
def test_of_two_that_register_at_once_both_get_one_node(
    again: bool, tmp_path: Path, service: LocalService, full: bool, count: Callable[[str, int], None]
) -> None:
    races = 50 if full else 4
    setup = Setup(tmp_path, service, "again" if again else "first")
    for _ in range(races):
        setup.reset()
        env = {**os.environ, "ACTIVATION": f"{setup.made.id} {setup.made.code}"}
        held, go = threading.Event(), threading.Event()
        service.delay_next(REGISTER, held, go)
        pair = [subprocess.Popen(setup.words(), stdout=subprocess.PIPE, text=True, env=env)]
        assert held.wait(30)
        # The other one comes while the first is waiting for its answer.
        pair.append(subprocess.Popen(setup.words(), stdout=subprocess.PIPE, text=True, env=env))
        wait_for_the_lock(pair[1], setup.vault.path)
        go.set()
        said = {process.communicate(timeout=60)[0].strip() for process in pair}
        assert [process.returncode for process in pair] == [EXIT_OK, EXIT_OK]
        assert said == {setup.stored()} == set(setup.new_nodes())
    count("races of two that register, one node each", races)


# The command line: a full disk, a read-only one, and the remedies as they are printed.


class Line:
    """The command over a vault on a disk of its own."""

    def __init__(self, directory: Path, service: LocalService) -> None:
        self.directory, self.service = directory, service
        (directory / "machine.json").write_text(json.dumps(MACHINE))
        (directory / "disk").mkdir()
        self.made = service.activation(limit=9)
        (directory / "code").write_text(self.made.code)
        (directory / "code").chmod(0o600)

    def words(self) -> str:
        return (
            f"{COMMAND} --vault {self.directory}/disk/Vault --snapshot {self.directory}/machine.json register "
            f"--region {REGION} --activation-id {self.made.id} --code-file {self.directory}/code "
            f"--endpoint {self.service.endpoint}"
        )

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["unshare", "-m", "bash", "-c", f"set -u; cd {self.directory}\n{script}"], capture_output=True, text=True,
            timeout=120, env={**environment(self.directory / "state"), "HOME": str(self.directory)}, check=False,
        )  # fmt: skip


FULL = "mount -t tmpfs -o size=32k tmpfs disk; chmod 700 disk; dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null; "
NEARLY_FULL = FULL + "rm disk/fill; dd if=/dev/zero of=disk/fill bs=4k count=6 2>/dev/null; "
READ_ONLY = "mount -t tmpfs -o size=1m tmpfs disk; chmod 700 disk; mkdir -m 700 disk/Vault; mount -o remount,ro disk; "


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
@pytest.mark.parametrize("disk", [FULL, NEARLY_FULL, READ_ONLY], ids=["full", "nearly full", "read-only"])
def test_a_full_disk_is_noticed_before_the_request(disk: str, tmp_path: Path, service: LocalService) -> None:
    line = Line(tmp_path, service)
    done = line.run(disk + line.words())
    assert done.returncode == EXIT_CANNOT_TELL, done
    assert "Traceback" not in done.stderr
    assert service.requests() == []


@pytest.mark.parametrize("provider", ["", "azure", "ec2"])
@pytest.mark.parametrize("before", ["not registered", "registered"])
@pytest.mark.parametrize("again", [False, True], ids=["the node that the service lists", "ask again"])
def test_remedies_of_an_interrupted_registration_work(
    again: bool, before: str, provider: str, tmp_path: Path, service: LocalService
) -> None:
    """Killed before the answer: `vault verify` names what finds the node, and its remedies are executed."""
    line = Line(tmp_path, service)
    env = {**environment(tmp_path / "state"), "HOME": str(tmp_path)}
    words = [*line.words().split(), *(["--provider", provider] if provider else [])]
    if before == "registered":
        subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL)
        words.append("--again")
    held = threading.Event()
    service.hold_next(REGISTER, held, after=True)
    with subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL) as process:
        assert held.wait(30)
        process.kill()
    verify_command = [COMMAND, "--vault", f"{tmp_path}/disk/Vault", "vault", "verify", "--output", "json"]
    shown = subprocess.run(verify_command, env=env, capture_output=True, text=True, check=False)
    # Without a vault, the rest is unknown.
    assert shown.returncode == (EXIT_DIFFERS if before == "registered" else EXIT_CANNOT_TELL)
    [finding] = [one for one in json.loads(shown.stdout)["findings"] if one["kind"] == "registration-open"]
    node = service.nodes()[-1]
    assert node["publicKey"] in finding["what"]
    assert line.made.id in finding["what"]
    assert line.made.code not in shown.stdout + shown.stderr
    by_id = finding["remedy"].rpartition("with: ")[2].replace("ID", node["id"])
    asking = finding["remedy"].partition("Ask again with: ")[2].partition(". If")[0].replace("FILE", f"{tmp_path}/code")
    remedy = f"{asking} --snapshot {tmp_path}/machine.json" if again else by_id
    done = subprocess.run(
        ["bash", "-c", remedy.replace("fingerprint", COMMAND, 1)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == EXIT_OK, done
    stored = service.nodes()[-1]
    assert f"Registered as {stored['id']} in {REGION}" in done.stdout
    # With another provider it would be another request, with a key of its own.
    same = ("publicKey", "fingerprint", "provider")
    assert [stored[name] for name in same] == [node[name] for name in same]
    assert (stored["id"] == node["id"]) is not again
    # The other one is named once more.
    assert (line.made.id in done.stderr) is again
    shown = subprocess.run(verify_command, env=env, capture_output=True, text=True, check=False)
    assert shown.returncode == EXIT_OK, shown
    vault = Vault(f"{tmp_path}/disk/Vault", state=str(tmp_path / "state"))
    assert REGISTRATION_KEY in json.loads(Path(vault.path, "Manifest").read_text())
