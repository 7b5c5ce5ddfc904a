"""Beside a running agent of the same vault its key is never replaced; without one it is, as the service asks."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_process import running, vault_below
from commandline import COMMAND, environment, run
from fingerprint import Vault
from fingerprint.agent import vault_use as module
from fingerprint.agent.vault_use import VaultUse, vault_use
from fingerprint.credentials import session
from fingerprint.errors import Refused
from fingerprint.machine.process_list import agent_pids, agent_processes
from fingerprint.registration import shared_vault
from fingerprint.registration.client import ServiceClient
from fingerprint.registration.flow import Registration
from fingerprint.testing import LocalService
from fingerprint.testing.machines import unix_machine, unix_snapshot

REGION = "eu-west-1"
UPDATE = "UpdateManagedInstancePublicKey"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="made by root only")


class Node:
    """A registered node whose service asks for another key; `root` is that of an agent with its vault."""

    def __init__(self, path: Path, service: LocalService) -> None:
        self.root = path / "root"
        self.vault = Vault(str(vault_below(self.root)), state=str(path / "state"))
        self.service = service
        self.machine = unix_machine(dmi="SMBIOS 3.0 present.", disk="total 0")
        made = service.activation()
        self.registration().register(made.id, made.code, REGION)
        self.id = self.vault.read_registration().instance_id
        service.ask_for_rotation(self.id)
        self.snapshot = path / "machine.json"
        self.snapshot.write_text(json.dumps(unix_snapshot(dmi="SMBIOS 3.0 present.", disk="total 0")))
        self.env = environment(path / "state", HOME=str(path))
        self.words = ["--vault", self.vault.path, "--snapshot", str(self.snapshot)]

    def registration(self, **options: Any) -> Registration:
        return Registration(self.vault, self.machine, policy="strict", endpoint=self.service.endpoint, **options)

    def files(self) -> dict[str, bytes]:
        """Return the bytes of the key and of the journal."""
        return {path: Path(path).read_bytes() for path in (
            self.vault.data_path("RegistrationKey"), self.vault.history.path, f"{self.vault.path}/Manifest",
        )}  # fmt: skip

    def updates(self) -> int:
        return sum(operation == UPDATE for operation, *_ in self.service.requests())


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with LocalService() as service:
        yield Node(tmp_path, service)


@pytest.fixture(autouse=True)
def nothing_logged_yet() -> None:
    shared_vault._logged.clear()


def by_token(node: Node) -> None:
    assert node.registration().role_token().access_key_id


def by_age(node: Node) -> None:
    node.service._database.execute("UPDATE node SET rotate = 0")
    later = Vault(node.vault.path, state=node.vault.state, now=lambda: time.time() + 40 * 86400)
    flow = Registration(later, node.machine, policy="strict", endpoint=node.service.endpoint, rotate_after_days=30)
    assert not flow.role_token().update_key_pair
    node.service.ask_for_rotation(node.id)


def by_session(node: Node) -> None:
    made = session(node.vault, node.machine, endpoint=node.service.endpoint)
    assert made.get_credentials().get_frozen_credentials().access_key


def by_process(node: Node) -> None:
    done = run(*node.words, "credentials", "process", "--endpoint", node.service.endpoint, env=node.env)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["AccessKeyId"]


def by_update(node: Node) -> None:
    file = str(node.root / "credentials")
    done = run(*node.words, "credentials", "update", "--file", file, "--endpoint", node.service.endpoint, env=node.env)
    assert done.returncode == 0, done.stderr


def by_update_keep(node: Node) -> None:
    file = str(node.root / "credentials")
    words = [
        COMMAND,
        *node.words,
        "credentials",
        "update",
        "--keep",
        "--file",
        file,
        "--endpoint",
        node.service.endpoint,
    ]
    with subprocess.Popen(words, env=node.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        assert process.stdout.readline().startswith(b"Wrote")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def by_serve(node: Node) -> None:
    words = [COMMAND, *node.words, "credentials", "serve", "--port", "0", "--endpoint", node.service.endpoint]
    with subprocess.Popen(words, env=node.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        base = process.stdout.readline().decode().rpartition(": ")[2].strip()
        headers = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        ask = urllib.request.Request(f"{base}latest/api/token", method="PUT", headers=headers)
        token = urllib.request.urlopen(ask, timeout=30).read().decode()
        path = f"{base}latest/meta-data/iam/security-credentials/fingerprint"
        ask = urllib.request.Request(path, headers={"X-aws-ec2-metadata-token": token})
        assert json.loads(urllib.request.urlopen(ask, timeout=30).read())["AccessKeyId"]
        process.send_signal(signal.SIGTERM)
        process.wait(30)


WAYS: dict[str, Callable[[Node], None]] = {
    "role_token": by_token, "age": by_age, "session": by_session, "credentials process": by_process,
    "update": by_update, "update --keep": by_update_keep, "serve": by_serve,
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_key_is_left_to_a_running_agent_and_rotated_without_one(node: Node, tmp_path: Path, way: str) -> None:
    before = node.files()
    with running(tmp_path, node.root):
        WAYS[way](node)
        assert node.files() == before
        assert node.updates() == 0
        # The flag stays set, for the agent.
        assert node.registration().role_token().update_key_pair
    kept = Path(node.vault.state) / "credentials"
    for file in kept.iterdir() if kept.exists() else ():
        file.unlink()
    WAYS[way](node)
    assert node.files() != before
    assert node.updates() == 1
    by_token(node)


def test_key_is_not_rotated_on_request_while_an_agent_runs(node: Node, tmp_path: Path) -> None:
    before = node.files()
    with running(tmp_path, node.root) as agent, pytest.raises(Refused, match=rf"process {agent.pid}\b") as caught:
        node.registration().rotate_key()
    assert "Stop the agent" in caught.value.remedy
    assert node.files() == before
    node.registration().rotate_key()
    assert node.updates() == 1


def test_rotation_left_to_the_agent_is_logged_once_in_a_process(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fingerprint")
    for _ in range(2):
        # Also when the agent was restarted meanwhile.
        with running(tmp_path, node.root):
            by_token(node)
            by_token(node)
    logged = [record for record in caplog.records if "rotation" in record.message]
    assert [record.levelname for record in logged] == ["INFO"]
    assert node.vault.path in logged[0].message
    assert "left to the running agent (process " in logged[0].message


def test_who_is_an_agent_of_the_vault(node: Node, tmp_path: Path) -> None:
    """By the name of the process, its user, and the directory that it has for its vault."""
    vault, elsewhere = node.vault.path, tmp_path / "elsewhere"
    vault_below(elsewhere).mkdir(parents=True)
    (tmp_path / "link").symlink_to(vault)
    nobody = VaultUse()
    with running(tmp_path, node.root) as agent:
        found = VaultUse((agent.pid,))
        assert vault_use(vault) == found
        # By whatever path it is reached.
        assert vault_use(str(tmp_path / "link")) == found
        assert vault_use(str(vault_below(elsewhere))) == nobody
    assert vault_use(vault) == nobody
    with running(tmp_path, node.root, name="ssm-agent-worker") as worker:
        assert vault_use(vault) == VaultUse((worker.pid,))
    for options in ({"root": elsewhere}, {"root": "/"}, {"root": node.root, "name": "amazon-ssm"}):
        with running(tmp_path, **options):
            assert vault_use(vault) == nobody, options
    assert vault_use(str(tmp_path / "none")) == nobody


def test_vault_behind_a_link_is_found_below_the_agents_root(node: Node, tmp_path: Path) -> None:
    """The kernel would follow it from our root."""
    moved = node.root / "data" / "ssm"
    moved.parent.mkdir()
    path = Path(node.vault.path).parent
    path.rename(moved)
    path.symlink_to("/data/ssm")
    with running(tmp_path, node.root) as agent:
        assert vault_use(str(moved / "Vault")) == VaultUse((agent.pid,))


def test_zombie_of_an_agent_does_not_count(node: Node, tmp_path: Path) -> None:
    with running(tmp_path, node.root) as agent:
        agent.kill()
        os.waitid(os.P_PID, agent.pid, os.WEXITED | os.WNOWAIT)
        assert vault_use(node.vault.path) == VaultUse()


@as_root
def test_program_of_another_user_does_not_stop_a_rotation(node: Node, tmp_path: Path) -> None:
    with running(tmp_path, node.root, user=65534):
        assert vault_use(node.vault.path) == VaultUse()


@as_root
def test_an_agent_in_a_container_counts_if_its_vault_is_this_one(node: Node, tmp_path: Path) -> None:
    """It has its own name spaces of processes and mounts, and the directory of the vault mounted from here."""
    mounted = tmp_path / "container"
    vault_below(mounted).mkdir(parents=True)
    within = ["unshare", "--pid", "--mount", "--fork", "sh", "-c",
              f'mount --bind "{node.vault.path}" "{vault_below(mounted)}" || exit 1; exec "$@"', "sh"]  # fmt: skip
    with running(tmp_path, mounted, within=within):
        [pid] = vault_use(node.vault.path).pids
        assert pid in agent_pids("/proc")
        # It is none of the agents of this host.
        assert pid not in {one.pid for one in agent_processes("linux")}
        before = node.files()
        by_token(node)
        assert node.files() == before
    vault_below(tmp_path / "other").mkdir(parents=True)
    with running(tmp_path, tmp_path / "other", within=["unshare", "--pid", "--mount", "--fork"]):
        assert vault_use(node.vault.path) == VaultUse()


def test_key_is_kept_with_one_warning_without_a_process_list(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "reference_vault", lambda: node.vault.path)
    monkeypatch.setattr(shared_vault, "vault_use", lambda vault: vault_use(vault, "linux", str(tmp_path / "none")))
    before = node.files()
    flow = node.registration()
    assert flow.role_token()
    assert flow.role_token()
    assert node.files() == before
    assert node.updates() == 0
    [logged] = [record for record in caplog.records if "it is unknown whether an agent runs" in record.message]
    assert logged.levelname == "WARNING"
    assert f"{tmp_path / 'none'}: No such file or directory" in logged.message
    with pytest.raises(Refused, match="it is unknown whether an agent runs"):
        flow.rotate_key()


def test_vault_of_a_user_needs_no_process_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents let root own their vaults, and are at home in one place."""
    (tmp_path / "Vault").mkdir()
    if ROOT:
        os.chown(tmp_path / "Vault", 65534, 65534)
    none = str(tmp_path / "none")
    assert vault_use(str(tmp_path / "Vault"), "linux", none) == VaultUse()
    monkeypatch.setattr(module, "reference_vault", lambda: str(tmp_path / "Vault"))
    assert vault_use(str(tmp_path / "Vault"), "linux", none).unknown


# Asked once as root first: another user may not be able to import the package.
ASKED = """
import os, sys
from fingerprint.agent.vault_use import vault_use
assert not vault_use(sys.argv[1]).unknown
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
print(vault_use(sys.argv[1]).unknown)
"""


@as_root
@pytest.mark.parametrize("hidden", [False, True])
def test_user_without_sight_of_processes_gets_the_reason(node: Node, hidden: bool) -> None:
    """Another user: of an agent's process the root cannot be read; with hidepid not even the process is seen."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        vault_below(path).mkdir(parents=True)
        with running(path, path):
            mount = "mount -t proc -o hidepid=2 proc /proc || exit 77; " if hidden else ""
            command = f'{mount}exec "$@"'
            asked = [sys.executable, "-I", "-c", ASKED, str(vault_below(path))]
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", command, "sh", *asked], capture_output=True, text=True, check=False
            )
    if done.returncode == 77:
        pytest.skip("a file system of processes cannot be mounted here")
    assert done.returncode == 0, done.stderr
    assert ("processes cannot be listed" if hidden else "root of process") in done.stdout


def test_vault_in_a_container_may_have_an_agent_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == Path("/").stat().st_dev:
        pytest.skip("there is no second file system to write to")
    proc = tmp_path / "proc"
    for name in ("1/stat", "self/ns/pid"):
        (proc / name).parent.mkdir(parents=True)
        (proc / name).touch()
    with tempfile.TemporaryDirectory(dir=shared) as mounted:
        # A vault of its own is no agent's, wherever it is mounted from.
        assert vault_use(mounted, "linux", str(proc)) == VaultUse()
        monkeypatch.setattr(module, "reference_vault", lambda: mounted)
        assert "mounted into this container" in vault_use(mounted, "linux", str(proc)).unknown
        assert vault_use(mounted) == VaultUse(vault_use(mounted).pids, vault_use(mounted).unknown)
    monkeypatch.setattr(module, "reference_vault", lambda: str(tmp_path))
    if tmp_path.stat().st_dev == Path("/").stat().st_dev:
        assert vault_use(str(tmp_path), "linux", str(proc)) == VaultUse()


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_reference_vault_is_the_agents_on_other_systems(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = str(tmp_path)
    with running(tmp_path) as agent:
        assert vault_use(vault, platform) == VaultUse()
        monkeypatch.setattr(module, "reference_vault", lambda: vault)
        assert agent.pid in vault_use(vault, platform).pids

        def broken(_: object) -> object:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("psutil.process_iter", broken)
        assert "cannot be listed: Permission denied" in vault_use(vault, platform).unknown


def test_agent_that_starts_during_a_rotation_needs_a_restart(
    node: Node, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agents = []

    class Client(ServiceClient):
        def update_key(self, *arguments: Any) -> None:
            agents.append(running(tmp_path, node.root))
            agents[0].__enter__()
            super().update_key(*arguments)

    flow = Registration(
        node.vault, node.machine, policy="strict", client=lambda region: Client(region, endpoint=node.service.endpoint)
    )
    try:
        assert flow.role_token()
    finally:
        agents[0].__exit__(None, None, None)
    assert node.updates() == 1
    assert "an agent was started while the key was rotated: restart it" in caplog.text
