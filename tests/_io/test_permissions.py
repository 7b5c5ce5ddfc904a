"""The remedy for root is never to become root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine, copied_disk
from commandline import COMMAND
from fingerprint._io.permissions import is_root, rights_remedy, root_lacks
from nobody import NOBODY, as_user

HOST_MAP = "         0          0 4294967295\n"
ALL = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
unix_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")


def lacking(tmp_path: Path, *, caps: str = ALL, users: str = HOST_MAP, lockdown: str = "") -> str:
    paths = {name: tmp_path / name for name in ("status", "users", "lockdown")}
    for name, text in (("status", caps), ("users", users), ("lockdown", lockdown)):
        if text:
            paths[name].write_text(text)
    return root_lacks(str(paths["status"]), str(paths["users"]), str(paths["lockdown"]))


def test_a_container_of_another_user_is_named(tmp_path: Path) -> None:
    assert "user namespace" in lacking(tmp_path, users="0 100000 65536\n")


def test_a_missing_capability_is_named(tmp_path: Path) -> None:
    remedy = lacking(tmp_path, caps="CapEff:\t00000000a80425fb\n")
    assert "CAP_SYS_RAWIO" in remedy
    assert "CAP_SYS_ADMIN" in remedy
    assert "CAP_DAC_OVERRIDE" not in remedy


@pytest.mark.parametrize("mode", ["integrity", "confidentiality"])
def test_lockdown_is_named(tmp_path: Path, mode: str) -> None:
    text = "none integrity confidentiality\n".replace(mode, f"[{mode}]")
    assert f"lockdown ({mode})" in lacking(tmp_path, lockdown=text)


@pytest.mark.parametrize("lockdown", ["", "[none] integrity confidentiality\n"])
def test_where_nothing_of_that_is_so_the_rest_is_named(tmp_path: Path, lockdown: str) -> None:
    assert "security module" in lacking(tmp_path, lockdown=lockdown)


def test_files_that_are_not_there_say_nothing(tmp_path: Path) -> None:
    assert "security module" in lacking(tmp_path, caps="", users="")


@pytest.mark.parametrize(("platform", "who"), [("linux", "root"), ("macos", "root"), ("windows", "Administrator")])
def test_a_recorded_machine_is_recorded_again_there(platform: str, who: str) -> None:
    assert rights_remedy(recorded=platform) == f"Record it again as {who}, on that machine: fingerprint snapshot FILE"


@unix_root
@pytest.mark.parametrize("where", [{}, {"copied": True}, {"recorded": "linux"}])
def test_remedy_for_root_is_never_to_become_root(where: dict[str, Any]) -> None:
    assert is_root()
    assert not rights_remedy(**where).lower().startswith(("run it as root", "try it as root"))


@unix_root
def test_remedy_names_a_real_user_namespace() -> None:
    done = run("unshare", "--user", "--map-root-user")
    if done is None:
        pytest.skip("no user namespaces here")
    assert "user namespace" in done


@unix_root
def test_real_missing_capabilities_are_named() -> None:
    done = run("setpriv", "--bounding-set", "-sys_rawio", "--inh-caps", "-sys_rawio")
    if done is None:
        pytest.skip("no setpriv here")
    assert "CAP_SYS_RAWIO" in done or "user namespace" in done


@unix_root
@pytest.mark.parametrize("where", ["", "copied=True"])
def test_remedy_for_another_user_is_to_become_root(where: str) -> None:
    done = as_user(NOBODY, f"from fingerprint._io.permissions import rights_remedy; print(rights_remedy({where}))")
    assert done.stdout == "Run it as root\n", done.stderr


def run(*wrapper: str) -> str | None:
    code = "from fingerprint._io.permissions import rights_remedy; print(rights_remedy())"
    try:
        done = subprocess.run([*wrapper, sys.executable, "-c", code], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


DENIED = {"error": "EACCES", "message": "Permission denied"}
LOOKS = (
    ["check"], ["monitor", "nagios"], ["explain"], ["diagnose"], ["show"], ["vault", "verify"], ["monitor",
    "prometheus"],
    ["vault", "rebaseline", "--keep-fingerprint", "--dry-run"], ["credentials", "sources"], ["monitor", "watch",
    "--checks", "1"],
)  # fmt: skip


def advice_to_become_root(text: str) -> list[str]:
    """Return what sends somebody to root; on the machine that is recorded one may be another user."""
    plain = " ".join(text.lower().split())
    recorded = "record the machine again as root (on that machine): sudo"
    for other in ("record it again as root", recorded, "which run as root", "not as root"):
        plain = plain.replace(other, "")
    return [plain[max(0, at - 40) :] for word in (" as root", "sudo ") if (at := plain.find(word)) >= 0]


@unix_root
@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
@pytest.mark.parametrize("where", ["snapshot", "root", "live"])
def test_root_is_never_sent_to_root_by_any_command(tmp_path: Path, where: str, words: list[str]) -> None:
    machine = AgentMachine(tmp_path)
    machine.write()
    machine.is_now(dmi="other", ip="192.0.2.9")
    for path in ("/etc/machine-id", "/var/log/amazon/ssm/amazon-ssm-agent.log", "/root/.aws/credentials"):
        machine.denied(path)
    prefix: list[str] = []
    if where == "snapshot":
        machine.write()
        target = ["--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json")]
    else:
        machine.is_now()
        root = copied_disk(tmp_path, machine)
        vault = root / "var/lib/amazon/ssm/Vault"
        # What belongs to another user root reads by a capability only.
        for path in (vault, root / "etc", root / "var/log/amazon/ssm"):
            os.chown(path, 65534, 65534)
            path.chmod(0o700)
        target = ["--root", str(root)] if where == "root" else ["--vault", str(vault)]
        prefix = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps",
                  "-dac_override,-dac_read_search"]  # fmt: skip
    done = subprocess.run(
        [*prefix, COMMAND, *target, *words], capture_output=True, text=True, env=machine.env, timeout=60
    )  # fmt: skip
    assert advice_to_become_root(done.stdout + done.stderr) == [], words
    if where == "live" and words in (["check"], ["explain"], ["vault", "verify"]):
        assert "Root lacks CAP_DAC_OVERRIDE" in " ".join((done.stdout + done.stderr).split())
