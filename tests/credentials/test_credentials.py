"""Credentials for AWS SDKs: the cache, the credential process, boto3, the shared file, and all commands together."""

from __future__ import annotations

import json
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from event_machines import before_and_after
from fingerprint import Vault
from fingerprint.credentials import CredentialCache, session
from fingerprint.credentials.profile_file import default_path
from fingerprint.errors import ServiceMismatch, Unreachable
from fingerprint.registration.role_token import RoleCredentials
from fingerprint.testing import LocalService
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault.verify import verify
from signals import Unnoticed

HOUR = 3600.0
SCHEMAS = Path(fingerprint.__file__).parent / "schemas"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """A service that counts, and gives credentials of an hour."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked = 0
        self.error: Exception | None = None

    def __call__(self) -> RoleCredentials:
        self.asked += 1
        if self.error:
            raise self.error
        return RoleCredentials(f"ASIA{self.asked}", "secret", "token", self.clock() + HOUR)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def registered_vault(directory: Path, clock: Clock, node: str = "mi-0123456789abcdef0") -> Vault:
    """Return a vault that holds a fingerprint and the registration of this node."""
    directory.mkdir(exist_ok=True)
    vault = Vault(str(directory / "Vault"), state=str(directory / "state"), now=clock)
    with vault.edit() as edit:
        edit.store(FingerprintRecord("f", {"machine-id": "m"}, 40), why="test")
        registration = RegistrationRecord(instance_id=node, region="eu-west-1", private_key="k")
        edit.store_registration(registration, why="test")
    return vault


@pytest.fixture
def cache(tmp_path: Path, clock: Clock) -> tuple[CredentialCache, Counting]:
    ask = Counting(clock)
    return CredentialCache(registered_vault(tmp_path, clock), ask), ask


def test_credentials_are_renewed_in_their_second_half(cache: tuple[CredentialCache, Counting], clock: Clock) -> None:
    kept, ask = cache
    assert [kept.get().access_key_id for _ in range(3)] == ["ASIA1"] * 3
    clock.now += HOUR / 2 - 1
    assert kept.get().access_key_id == "ASIA1"
    clock.now += 2
    assert kept.get().access_key_id == "ASIA2"
    assert ask.asked == 2


def test_without_a_network_kept_ones_are_good_to_their_end(
    cache: tuple[CredentialCache, Counting], clock: Clock
) -> None:
    kept, ask = cache
    kept.get()
    ask.error = Unreachable("no network")
    clock.now += 0.9 * HOUR
    assert kept.get().access_key_id == "ASIA1"
    clock.now += 0.2 * HOUR
    with pytest.raises(Unreachable):
        kept.get()


def test_a_refusal_is_never_hidden_by_kept_ones(cache: tuple[CredentialCache, Counting], clock: Clock) -> None:
    kept, ask = cache
    kept.get()
    ask.error = ServiceMismatch("another fingerprint")
    clock.now += 0.6 * HOUR
    with pytest.raises(ServiceMismatch):
        kept.get()


def test_a_clock_that_was_put_back_makes_no_old_credentials_new(
    cache: tuple[CredentialCache, Counting], clock: Clock
) -> None:
    kept, ask = cache
    kept.get()
    clock.now -= 30 * 24 * HOUR
    kept.get()
    assert ask.asked == 2


def test_of_many_that_ask_at_once_one_asks_the_service(tmp_path: Path, clock: Clock) -> None:
    ask = Counting(clock)
    registered_vault(tmp_path, clock)
    started = threading.Barrier(32)

    def slow() -> RoleCredentials:
        time.sleep(0.05)
        return ask()

    def one(_: int) -> str:
        vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=clock)
        started.wait()
        return CredentialCache(vault, slow).get().access_key_id

    with ThreadPoolExecutor(32) as pool:
        assert set(pool.map(one, range(32))) == {"ASIA1"}
    assert ask.asked == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schemaVersion":1}', b"\xff"])
def test_damaged_ones_are_passed_over(cache: tuple[CredentialCache, Counting], damage: bytes) -> None:
    kept, _ = cache
    kept.get()
    assert stat.S_IMODE(Path(kept.path).stat().st_mode) == 0o600
    Path(kept.path).write_bytes(damage)
    assert kept.get().access_key_id == "ASIA2"
    kept.forget()
    kept.forget()
    assert not Path(kept.path).exists()


def test_the_environment_of_another_user_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/evil/credentials")
    assert default_path() == "/evil/credentials"
    monkeypatch.setattr(os, "getuid", lambda: 65534 if os.geteuid() != 65534 else 1)
    assert default_path() == os.path.join(pwd.getpwuid(os.geteuid()).pw_dir, ".aws", "credentials")


def test_expired_activation_is_reported_with_code_and_remedy(tmp_path: Path, service: LocalService) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    old = service.activation(seconds=-1)
    scenario.env.update(FINGERPRINT_ACTIVATION_ID=old.id, FINGERPRINT_ACTIVATION_CODE=old.code)
    done = scenario("before", "register", "--region", "eu-west-1", "--output", "json")
    assert done.returncode == 5
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "ActivationExpired"
    assert "new activation" in error["remedy"]
    # The directory is made for its lock.
    assert not [path for path in scenario.vault.rglob("*") if path.is_file()]


def test_without_the_extra_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    """In an interpreter that finds no botocore."""
    script = (
        "import sys, importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'botocore' else real(name, *a);"
        "from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    for words in (
        "register --region eu-west-1",
        "credentials process",
        "credentials update",
        "local-service",
        "credentials serve",
    ):
        done = subprocess.run([sys.executable, "-I", "-c", script, *words.split()], env=environment(tmp_path),
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 2, words
        assert shlex.quote(sys.executable) in done.stderr
        assert "'.[aws]'" in done.stderr


def no_service() -> RoleCredentials:
    raise AssertionError("the service was asked")


class Scenario:
    """A registered machine, a service, and the command line over both."""

    def __init__(self, directory: Path, service: LocalService, event: str) -> None:
        self.directory = directory
        self.service = service
        made = service.activation(5)
        self.env = {
            **environment(directory / "state"), "HOME": str(directory), "FINGERPRINT_ACTIVATION_ID": made.id,
            "FINGERPRINT_ACTIVATION_CODE": made.code, "AWS_DEFAULT_REGION": "eu-west-1",
        }  # fmt: skip
        self.code = made.code
        for name, taken in zip(("before", "after"), before_and_after(event), strict=True):
            (directory / f"{name}.json").write_text(json.dumps(taken))
        self.vault = directory / "ssm" / "Vault"

    def cache_path(self) -> str:
        return CredentialCache(Vault(str(self.vault), state=self.env["FINGERPRINT_STATE"]), no_service).path

    def __call__(self, machine: str, *words: str, vault: Path | None = None, state: Path | None = None) -> Any:
        env = self.env if state is None else {**self.env, "FINGERPRINT_STATE": str(state)}
        endpoint = (
            ["--endpoint", self.service.endpoint]
            if words[0] == "register" or words[1:2] in (("process",), ("update",))
            else []
        )
        place = ["--vault", str(vault or self.vault), "--snapshot", str(self.directory / f"{machine}.json")]
        return run(*place, *words, *endpoint, env=env)


@pytest.fixture
def service() -> Iterator[LocalService]:
    with LocalService() as local:
        yield local


def test_tutorial_commands_work_without_an_account(tmp_path: Path, service: LocalService) -> None:
    """Register, get credentials, clone, watch the clone refused, see why, and go on: docs/tutorial.md."""
    scenario = Scenario(tmp_path, service, "clone")
    done = scenario("before", "register", "--region", "eu-west-1", "--threshold", "60")
    assert done.returncode == 0, done.stderr
    assert scenario("before", "register", "--region", "eu-west-1").returncode == 4

    answer = json.loads(scenario("before", "credentials", "process").stdout)
    assert answer["Version"] == 1
    assert set(answer) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert json.loads(scenario("before", "credentials", "process").stdout) == answer

    copy, other = tmp_path / "copy" / "Vault", tmp_path / "other state"
    shutil.copytree(scenario.vault, copy)
    refused = scenario("after", "credentials", "process", vault=copy, state=other)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    asked = len(service.requests())
    regenerated = scenario("after", "credentials", "process", "--policy", "regenerate", vault=copy, state=other)
    assert regenerated.returncode == 5
    assert len(service.requests()) == asked + 1
    assert scenario("after", "check", vault=copy, state=other).returncode == 1
    shown = scenario("after", "explain", vault=copy, state=other).stdout
    assert "already regenerated" in " ".join(shown.split())

    assert scenario("before", "check").returncode == 0
    assert scenario("before", "threshold", "set", "33").returncode == 0
    assert scenario("after", "vault", "rebaseline", "--keep-fingerprint", "--yes").returncode == 0
    assert json.loads(scenario("after", "credentials", "process").stdout)["AccessKeyId"]

    assert scenario("after", "deregister").returncode == 4
    assert scenario("after", "deregister", "--yes").returncode == 0
    assert scenario("after", "credentials", "process").returncode == 3


def test_update_writes_a_profile(tmp_path: Path, service: LocalService) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario("before", "register", "--region", "eu-west-1")
    done = scenario("before", "credentials", "update", "--profile", "node", "--output", "json")
    jsonschema.validate(json.loads(done.stdout), json.loads((SCHEMAS / "credentials-update.json").read_text()))
    assert "[node]" in (tmp_path / ".aws" / "credentials").read_text()


def test_update_edits_in_place_warns_or_refuses(tmp_path: Path, service: LocalService) -> None:
    """An indented file is updated with a warning that not every SDK reads it; a file that botocore rejects stays."""
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario("before", "register", "--region", "eu-west-1")
    path = tmp_path / "credentials"
    path.write_text("[default]\n\taws_access_key_id: OLD\n\taws_secret_access_key: OLD\n[o]\nx = 1\n")
    done = scenario("before", "credentials", "update", "--file", str(path), "--output", "json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    jsonschema.validate(shown, json.loads((SCHEMAS / "credentials-update.json").read_text()))
    assert "not to the AWS SDKs for Java" in shown["warnings"][0]
    assert re.fullmatch(
        r"\[default\]\n\taws_access_key_id: ASIA\S+\n\taws_secret_access_key: \S+\n\taws_session_token: \S+\n"
        r"\[o\]\nx = 1\n",
        path.read_text(),
    )
    done = scenario("before", "credentials", "update", "--file", str(path))
    assert "not to the AWS SDKs for Java" in done.stderr
    assert "Wrote the profile default" in done.stdout
    for words in ((), ("--output", "json")):
        path.write_text("[default]\nx = 1\n[default]\n")
        done = scenario("before", "credentials", "update", "--file", str(path), *words)
        assert done.returncode == 4
        assert f"{path}:3: botocore rejects the credentials file" in done.stderr
        assert path.read_text() == "[default]\nx = 1\n[default]\n"
    assert scenario("before", "credentials", "update", "--profile", "a b", "--keep").returncode == 2


def test_update_keep_does_not_hurry_for_short_lived_tokens(tmp_path: Path) -> None:
    with LocalService(token_seconds=4) as service:
        scenario = Scenario(tmp_path, service, "agent-restart")
        scenario("before", "register", "--region", "eu-west-1")
        with running(scenario, "credentials", "update", "--keep") as process:
            assert process.stdout is not None
            assert "Wrote the profile default" in process.stdout.readline()
            time.sleep(4)
            process.send_signal(signal.SIGTERM)
            shown = process.communicate(timeout=20)[1]
        assert [asked[0] for asked in service.requests()].count("RequestManagedInstanceRoleToken") == 1
    assert re.search(r"expire in [0-4] s.*retrying in (1\d|20) s", shown, re.DOTALL)


def test_an_sdk_gets_its_credentials_by_the_process(tmp_path: Path, service: LocalService) -> None:
    """botocore runs the command itself, without a shell, as its configuration says."""
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario("before", "register", "--region", "eu-west-1")
    command = [sys.executable, "-I", "-m", "fingerprint", "--vault", str(scenario.vault), "--snapshot",
               str(tmp_path / "before.json"), "credentials", "process", "--endpoint", service.endpoint]  # fmt: skip
    (tmp_path / ".aws").mkdir(exist_ok=True)
    (tmp_path / ".aws" / "config").write_text(f"[default]\ncredential_process = {' '.join(command)}\n")
    script = (
        "import botocore.session; c = botocore.session.get_session().get_credentials(); print(c.method, c.access_key)"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], env={**os.environ, **scenario.env}, capture_output=True,
                          text=True, timeout=60, check=False)  # fmt: skip
    method, access = done.stdout.split()
    assert method == "custom-process", done.stderr
    assert access.startswith("ASIA")


def test_a_boto3_session_asks_lazily_and_once_under_32_threads(tmp_path: Path, clock: Clock) -> None:
    ask = Counting(clock)
    clock.now = time.time()
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    made = session(vault, cache=CredentialCache(vault, ask), region_name="eu-west-1")
    credentials = made.get_credentials()
    assert ask.asked == 0
    with ThreadPoolExecutor(32) as pool:
        keys = set(pool.map(lambda _: credentials.get_frozen_credentials().access_key, range(32)))
    assert keys == {"ASIA1"}
    assert ask.asked == 1
    assert "secret" not in repr(credentials)
    assert made.region_name == "eu-west-1"


def test_secrets_are_in_no_unexpected_output_or_file(tmp_path: Path, service: LocalService) -> None:
    """A full run, with refusals, reports and a process that stays; files are searched unpacked."""
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario.env["FINGERPRINT_DEBUG"] = "1"
    shown = ""
    for words in (
        ("register", "--region", "eu-west-1"), ("register", "--region", "eu-west-1"), ("check",), ("vault", "show"),
        ("vault", "history"), ("explain",), ("report", str(tmp_path / "r.tar.gz"), "--redact"), ("vault", "verify"),
        ("report", str(tmp_path / "complete.tar.gz"), "--reveal"), ("snapshot", str(tmp_path / "s.json")),
        ("vault", "history", "--reveal"), ("vault", "show", "--reveal"), ("credentials", "update", "--profile", "node"),
    ):  # fmt: skip
        done = scenario("before", *words)
        shown += done.stdout + done.stderr
    answer = json.loads(scenario("before", "credentials", "process").stdout)
    with running(scenario, "credentials", "update", "--keep") as process:
        assert process.stdout is not None
        shown += process.stdout.readline()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits)
        shown += Path(f"/proc/{process.pid}/cmdline").read_text()
        process.send_signal(signal.SIGTERM)
        shown += "".join(process.communicate(timeout=20))
    service.fail_next("RequestManagedInstanceRoleToken", "AccessDeniedException", times=8)
    Path(scenario.cache_path()).unlink()
    for output in ("text", "json"):
        done = scenario("before", "credentials", "process", "--output", output)
        assert done.returncode == 5
        shown += done.stdout + done.stderr
    private = json.loads((scenario.vault / "Store" / "RegistrationKey").read_text())["privateKey"]
    secrets = {"code": scenario.code, "private": private, "secret": answer["SecretAccessKey"],
               "token": answer["SessionToken"]}  # fmt: skip
    allowed: dict[str, set[str]] = {
        "private": {"RegistrationKey", "history"}, "secret": {".aws/credentials"}, "token": {".aws/credentials"},
    }  # fmt: skip
    for name, secret in secrets.items():
        assert secret not in shown, name
        for path in tmp_path.rglob("*"):
            if path.is_file() and any(secret.encode() in data for data in contents(path)):
                assert any(part in str(path) for part in allowed.get(name, ())), (name, path)
                assert stat.S_IMODE(path.stat().st_mode) == 0o600


def contents(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and of each file in it if it is an archive."""
    yield path.read_bytes()
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member)
                assert file is not None
                yield file.read()


@contextmanager
def running(scenario: Scenario, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that stays."""
    command = [sys.executable, "-I", "-m", "fingerprint", "--vault", str(scenario.vault), "--snapshot",
               str(scenario.directory / "before.json"), *words, "--endpoint", scenario.service.endpoint]  # fmt: skip
    with subprocess.Popen(command, env={**os.environ, **scenario.env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_an_interrupted_registration_says_how_to_find_the_node(tmp_path: Path, service: LocalService) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    held = threading.Event()
    service.hold_next("RegisterManagedInstance", held, after=True)
    with running(scenario, "register", "--region", "eu-west-1") as process:
        assert held.wait(30)
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "may have registered" in text
    assert "vault verify" in text
    assert "registration-open" in {
        one.kind for one in verify(Vault(str(scenario.vault), state=str(tmp_path / "state")))
    }


@pytest.mark.parametrize(
    "content", ["root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/x\n", "\0" * 30, "a" * 251, "a" * 19]
)
def test_a_file_that_holds_no_activation_code_is_not_sent(tmp_path: Path, service: LocalService, content: str) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    (tmp_path / "code").write_text(content)
    done = scenario("before", "register", "--region", "eu-west-1", "--code-file", str(tmp_path / "code"))
    assert done.returncode == 2, done.stderr
    assert "not an activation" in done.stderr
    assert content.strip() not in done.stderr
    assert not service.requests()


def test_an_activation_code_comes_from_a_file_or_standard_input(tmp_path: Path, service: LocalService) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    (tmp_path / "code").write_text(scenario.code + "\n")
    del scenario.env["FINGERPRINT_ACTIVATION_CODE"]
    assert scenario("before", "register", "--region", "eu-west-1").returncode == 2
    assert scenario("before", "register", "--region", "eu-west-1", "--code-file", "/nowhere").returncode == 3
    done = scenario(
        "before", "register", "--region", "eu-west-1", "--code-file", str(tmp_path / "code"), "--output", "json"
    )
    assert done.returncode == 0, done.stderr
    jsonschema.validate(json.loads(done.stdout), json.loads((SCHEMAS / "register.json").read_text()))


def test_the_local_service_is_there_for_trials(tmp_path: Path) -> None:
    env = environment(tmp_path)
    command = [sys.executable, "-I", "-m", "fingerprint", "local-service", "--output", "json"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        shown = json.loads(text)
        jsonschema.validate(shown, json.loads((SCHEMAS / "local-service.json").read_text()))
        assert shown["endpoint"].startswith("http://127.0.0.1:")
        process.send_signal(2)
        assert process.wait(20) == 130


def test_kept_ones_are_of_one_node_and_one_start_of_the_machine(tmp_path: Path, clock: Clock) -> None:
    """A copied disk starts anew: what is kept on it passes no gate."""
    ask = Counting(clock)
    vault = registered_vault(tmp_path, clock, node="mi-00000000000000001")
    kept = CredentialCache(vault, ask)
    kept.get()
    path = Path(kept.path)
    shown = json.loads(path.read_bytes())
    path.write_text(json.dumps({**shown, "boot": "another"}))
    assert kept.get().access_key_id == "ASIA2"
    with vault.edit() as edit:
        edit.store_registration(
            RegistrationRecord(instance_id="mi-0123456789abcdef0", region="eu-west-1", private_key="k"), why="test"
        )
    assert kept.get().access_key_id == "ASIA3"
    assert kept.get().access_key_id == "ASIA3"


def test_service_is_asked_each_time_if_nothing_can_be_kept(tmp_path: Path, clock: Clock) -> None:
    ask = Counting(clock)
    registered = registered_vault(tmp_path / "registered", clock)
    (tmp_path / "state").write_text("a file where the directory would be")
    vault = Vault(registered.path, state=str(tmp_path / "state"), now=clock)
    assert [CredentialCache(vault, ask).get().access_key_id for _ in range(2)] == ["ASIA1", "ASIA2"]


def test_update_goes_on_until_it_is_ended(tmp_path: Path, service: LocalService) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario("before", "register", "--region", "eu-west-1")
    for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 130)):
        with running(scenario, "credentials", "update", "--keep") as process:
            assert process.stdout is not None
            assert "Wrote the profile default" in process.stdout.readline()
            process.send_signal(number)
            assert process.wait(20) == code
    assert "ASIA" in (tmp_path / ".aws" / "credentials").read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_update_ends_on_a_signal_just_before_it_waits(
    tmp_path: Path, service: LocalService, number: int, code: int
) -> None:
    scenario = Scenario(tmp_path, service, "agent-restart")
    scenario("before", "register", "--region", "eu-west-1")
    words = ("--vault", str(scenario.vault), "--snapshot", str(tmp_path / "before.json"), "credentials", "update",
    "--keep",
             "--endpoint", service.endpoint)  # fmt: skip
    with Unnoticed(number, *words, cwd=tmp_path, env=scenario.env) as waiting:
        assert waiting.process.stdout is not None
        assert "Wrote the profile default" in waiting.process.stdout.readline()
        assert waiting.end()[0] == code
