"""Whoever is root already is never told to become root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fingerprint.rights import is_root, rights_remedy, root_lacks

WHOLE_HOST = "         0          0 4294967295\n"
ALL = "Name:\tpython\nCapEff:\t000001ffffffffff\n"
unix_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")


def lacking(tmp_path: Path, *, caps: str = ALL, users: str = WHOLE_HOST, lockdown: str = "") -> str:
    paths = {name: tmp_path / name for name in ("status", "users", "lockdown")}
    for name, text in (("status", caps), ("users", users), ("lockdown", lockdown)):
        if text:
            paths[name].write_text(text)
    return root_lacks(str(paths["status"]), str(paths["users"]), str(paths["lockdown"]))


def test_a_container_of_another_user_is_named(tmp_path: Path) -> None:
    assert "user namespace" in lacking(tmp_path, users="0 100000 65536\n")


def test_a_missing_capability_is_named(tmp_path: Path) -> None:
    told = lacking(tmp_path, caps="CapEff:\t00000000a80425fb\n")
    assert "CAP_SYS_RAWIO" in told
    assert "CAP_SYS_ADMIN" in told
    assert "CAP_DAC_OVERRIDE" not in told


@pytest.mark.parametrize("mode", ["integrity", "confidentiality"])
def test_lockdown_is_named(tmp_path: Path, mode: str) -> None:
    text = "none integrity confidentiality\n".replace(mode, f"[{mode}]")
    assert f"lockdown ({mode})" in lacking(tmp_path, lockdown=text)


@pytest.mark.parametrize("lockdown", ["", "[none] integrity confidentiality\n"])
def test_where_nothing_of_that_is_so_the_rest_is_named(tmp_path: Path, lockdown: str) -> None:
    assert "security module" in lacking(tmp_path, lockdown=lockdown)


def test_files_that_are_not_there_say_nothing(tmp_path: Path) -> None:
    assert "security module" in lacking(tmp_path, caps="", users="")


def test_a_recorded_machine_is_recorded_again_there() -> None:
    assert rights_remedy(recorded=True) == "Record it again as root, on that machine: fingerprint snapshot FILE"


@unix_root
@pytest.mark.parametrize("where", [{}, {"copied": True}, {"recorded": True}])
def test_root_is_never_told_to_run_it_as_root(where: dict[str, bool]) -> None:
    assert is_root()
    assert not rights_remedy(**where).lower().startswith(("run it as root", "try it as root"))


@unix_root
def test_root_of_a_real_user_namespace_is_told_so() -> None:
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
def test_another_user_is_told_to_run_it_as_root(where: str) -> None:
    code = f"import os; os.setuid(65534); from fingerprint.rights import rights_remedy as r; print(r({where}))"
    done = subprocess.run([sys.executable, "-c", "import fingerprint.rights;" + code], capture_output=True, text=True)
    assert done.stdout == "Run it as root\n", done.stderr


def run(*wrapper: str) -> str | None:
    code = "from fingerprint.rights import rights_remedy; print(rights_remedy())"
    try:
        done = subprocess.run([*wrapper, sys.executable, "-c", code], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
