"""Policy `evidence` where credentials are handed out, from end to end: the commands, and the library."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commandline import environment, run
from event_machines import before_and_after
from fingerprint import Vault, collect
from fingerprint.credentials import session
from fingerprint.errors import FingerprintMismatch
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration.flow import Registration
from fingerprint.testing import LocalService
from fingerprint.vault.history import KEPT

REGION = "eu-west-1"
TOKEN = "RequestManagedInstanceRoleToken"
# The rules of the agent reject both.
INNOCENT = ("os-upgrade", "reinstalled")
# The rules of the agent accept both.
COPIES = ("clone", "disk-moved")
WAYS = ("process", "update", "update --keep", "serve", "role_token", "session")
COMMANDS = ("process", "update", "serve")


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


class Site:
    """A machine that was registered before an event, and is asked for credentials after it."""

    def __init__(self, directory: Path, service: LocalService, event: str) -> None:
        self.directory = directory
        self.service = service
        before, self.after = before_and_after(event)
        self.snapshot = directory / "after.json"
        self.snapshot.write_text(json.dumps(self.after))
        self.vault = Vault(str(directory / "ssm" / "Vault"), state=str(directory / "state"))
        self.env = {**environment(directory / "state"), "HOME": str(directory), "AWS_DEFAULT_REGION": REGION}
        made = service.activation()
        flow = Registration(self.vault, RecordedMachine(before), policy="strict", endpoint=service.endpoint)
        flow.register(made.id, made.code, REGION)
        self.record = self.vault.read()

    def copy(self) -> None:
        """Replace vault and state by copies of them, as a copied disk has them: at the same path."""
        for name in ("ssm", "state"):
            here, away = self.directory / name, self.directory / f"{name}.original"
            here.rename(away)
            shutil.copytree(away, here)

    def requests(self) -> int:
        """Return how many tokens were requested."""
        return sum(request[0] == TOKEN for request in self.service.requests())

    def contents(self) -> dict[str, bytes]:
        """Return what is in vault and state, but for locks."""
        files = (path for name in ("ssm", "state") for path in sorted((self.directory / name).rglob("*")))
        return {str(path): path.read_bytes() for path in files if path.is_file() and path.stat().st_size}

    def words(self, way: str, policy: str) -> list[str]:
        place = ["--vault", self.vault.path, "--snapshot", str(self.snapshot)]
        return [*place, "credentials", *way.split(), "--policy", policy, "--endpoint", self.service.endpoint]

    def ask(self, way: str, policy: str = "evidence") -> tuple[int, str, str]:
        """Return exit code, access key ID and message of one way to credentials."""
        return {"role_token": self._library, "session": self._library, "serve": self._served,
                "update --keep": self._kept}.get(way, self._once)(way, policy)  # fmt: skip

    def _once(self, way: str, policy: str) -> tuple[int, str, str]:
        done = run(*self.words(way, policy), env=self.env)
        key = ""
        if done.returncode == 0:
            key = json.loads(done.stdout)["AccessKeyId"] if way == "process" else self._profile()
        return done.returncode, key, done.stderr

    def _profile(self) -> str:
        text = (self.directory / ".aws" / "credentials").read_text()
        return next(line.partition(" = ")[2] for line in text.splitlines() if line.startswith("aws_access_key_id"))

    def _kept(self, way: str, policy: str) -> tuple[int, str, str]:
        with self._running(way, policy) as process:
            assert process.stderr is not None
            line = process.stderr.readline()
            # The gate may say first why the rules decided.
            while "the next request" not in line and " ERROR " not in line:
                line = process.stderr.readline()
        return (1, "", line) if " ERROR " in line else (0, self._profile(), line)

    def _served(self, way: str, policy: str) -> tuple[int, str, str]:
        with self._running("serve --port 0", policy) as process:
            assert process.stdout is not None
            endpoint = process.stdout.readline().rpartition(" ")[2].strip().rstrip("/")
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            token = _http(f"{endpoint}/latest/api/token", headers, "PUT")[1]
            path = f"{endpoint}/latest/meta-data/iam/security-credentials/fingerprint"
            status, body = _http(path, {"X-aws-ec2-metadata-token": token})
        answer = json.loads(body)
        if status == 200:
            return 0, answer["AccessKeyId"], ""
        assert (status, answer["Code"]) == (403, "FingerprintMismatch")
        return 1, "", answer["Message"]

    @contextmanager
    def _running(self, way: str, policy: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-I", "-m", "fingerprint", *self.words(way, policy)]
        with subprocess.Popen(command, env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    def _library(self, way: str, policy: str) -> tuple[int, str, str]:
        machine = RecordedMachine(self.after)
        endpoint = self.service.endpoint
        try:
            if way == "role_token":
                return (
                    0,
                    Registration(self.vault, machine, policy=policy, endpoint=endpoint).role_token().access_key_id,
                    "",
                )
            made = session(self.vault, machine, policy=policy, endpoint=endpoint)
            return 0, made.get_credentials().access_key, ""
        except FingerprintMismatch as error:
            return error.exit_code, "", str(error)


def _http(url: str, headers: dict[str, str], method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("event", INNOCENT)
def test_an_innocent_machine_gets_its_token(tmp_path: Path, service: LocalService, event: str, way: str) -> None:
    """With the old fingerprint, and a record of the present machine; by strict it gets none."""
    site = Site(tmp_path, service, event)
    held = site.contents()
    assert site.ask(way, "strict")[0] == 1
    assert site.requests() == 0
    assert site.contents() == held
    code, key, message = site.ask(way)
    assert (code, key[:4]) == (0, "ASIA"), message
    [node] = service.nodes()
    now = site.vault.read()
    assert now.fingerprint == site.record.fingerprint == node["fingerprint"]
    assert now.hardware_hash == collect(RecordedMachine(site.after)).hardware_hash
    assert site.vault.history.entries()[-1]["why"] == KEPT
    assert site.requests() == 1
    # The agent accepts it from now on, and so does every policy.
    assert run("--vault", site.vault.path, "--snapshot", str(site.snapshot), "check", env=site.env).returncode == 0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("event", COPIES)
def test_a_copy_that_the_rules_accept_gets_no_token(
    tmp_path: Path, service: LocalService, event: str, way: str
) -> None:
    """No request leaves, and nothing is written; by strict it gets one."""
    site = Site(tmp_path, service, event)
    site.copy()
    held = site.contents()
    code, _, message = site.ask(way)
    assert code == 1
    assert "another machine: " in message
    assert site.requests() == 0
    assert site.contents() == held
    assert site.ask(way, "strict")[0] == 0
    assert site.requests() == 1


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("event", "accepted"), [("cross-hypervisor-same-ip", True), ("cross-hypervisor-move", False)])
def test_the_rules_decide_what_is_not_certain(
    tmp_path: Path, service: LocalService, event: str, accepted: bool, way: str
) -> None:
    site = Site(tmp_path, service, event)
    held = site.contents()
    code, key, message = site.ask(way)
    assert (code, bool(key)) == ((0, True) if accepted else (1, False)), message
    assert site.requests() == int(accepted)
    if not accepted:
        assert "not the same machine: rule 5: " in message
        assert "both a move and a copy" in message
        assert site.contents() == held
    assert site.vault.read() == site.record


@pytest.mark.parametrize("way", COMMANDS)
@pytest.mark.parametrize("event", ["clone", "clone-new-id"])
def test_kept_credentials_hide_a_copy_no_longer_than_by_strict(
    tmp_path: Path, service: LocalService, event: str, way: str
) -> None:
    """They are used without a gate, by each policy, but only in the start of the machine in which they came."""
    site = Site(tmp_path, service, event)
    before, after = before_and_after(event)
    site.snapshot.write_text(json.dumps(before))
    assert site.ask("process", "strict")[0] == 0
    site.snapshot.write_text(json.dumps(after))
    site.copy()
    for policy in ("strict", "evidence"):
        assert site.ask(way, policy)[0] == 0
    assert site.requests() == 1
    # A copied disk is started anew.
    [kept] = (tmp_path / "state" / "credentials").glob("*.json")
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "boot": "another"}))
    assert site.ask(way)[0] == 1
    assert site.requests() == 1


def test_the_remedy_of_a_refused_machine_works_as_printed(tmp_path: Path, service: LocalService) -> None:
    """Hardware that was replaced on purpose: the owner says so, and the node goes on."""
    site = Site(tmp_path, service, "clone")
    code, _, message = site.ask("process")
    assert code == 1, message
    assert " (on that machine): fingerprint vault rebaseline " in message
    words = message.partition(" (on that machine): fingerprint ")[2].split()
    done = run("--vault", site.vault.path, "--snapshot", str(site.snapshot), *words, env=site.env)
    assert done.returncode == 0, done.stderr
    assert site.ask("process")[0] == 0
    assert site.vault.read().fingerprint == site.record.fingerprint


@pytest.mark.parametrize("policy", ["strict", "evidence"])
def test_no_request_leaves_where_nothing_can_be_stored(tmp_path: Path, service: LocalService, policy: str) -> None:
    """The same exit code as with strict, except that it is known that the machine is the same."""
    site = Site(tmp_path, service, "reinstalled")
    for command in site.after["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update({"problem": "timeout", "returncode": None})
    site.snapshot.write_text(json.dumps(site.after))
    held = site.contents()
    code, key, message = site.ask("process", policy)
    assert (code, key) == ({"strict": 1, "evidence": 3}[policy], ""), message
    assert site.requests() == 0
    assert site.contents() == held
