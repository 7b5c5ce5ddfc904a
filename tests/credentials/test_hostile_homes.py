"""Homes that were made to run a program, to take memory, or to put a secret into the answer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fingerprint.credentials.botocore_order import SOURCES
from fingerprint.credentials.source_values import Order
from fingerprint.credentials.sources import credential_order

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="requires pipes and devices")
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
ROLE = "[default]\nrole_arn = arn:aws:iam::123456789012:role/x\n"


def asked(home: Path, config: str, **environ: str) -> Order:
    (home / ".aws").mkdir()
    (home / ".aws" / "config").write_text(config)
    return credential_order("you", str(home), {"HOME": str(home), **environ})


@pytest.mark.parametrize("name", ["{nope}", "{0}", "{", "{last", "{chain.__class__.__mro__}", "{profile!z}", "%s{}"])
def test_a_name_of_a_profile_is_no_template(tmp_path: Path, name: str) -> None:
    order = asked(tmp_path, f"{ROLE}source_profile = {name}\n")
    assert order.findings[0].kind == "source-profile-missing"
    assert name in order.findings[0].what


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "/dev/random"])
@pytest.mark.parametrize("setting", ["web_identity_token_file", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_a_token_that_never_ends_is_not_read(tmp_path: Path, kind: str, setting: str) -> None:
    path = kind
    if kind == "pipe":
        path = str(tmp_path / "token")
        os.mkfifo(path)
    in_file = setting.islower()
    environ = {} if in_file else {setting: path, "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/x"}
    order = asked(tmp_path, f"{ROLE}{setting} = {path}\n" if in_file else "", **environ)
    assert order.reader.startswith("botocore")
    assert order.winner == "web-identity"
    assert [(one.kind, "not a file" in one.what) for one in order.findings] == [("web-identity-token", True)]


def test_a_configuration_without_end_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    with open(tmp_path / ".aws" / "credentials", "wb") as file:
        file.truncate(1 << 36)
    order = credential_order("you", str(tmp_path), {"HOME": str(tmp_path)})
    assert "too large" in order.undecided


@pytest.mark.parametrize(
    "command",
    [f"AWS_SECRET_ACCESS_KEY={SECRET} prog", f"/bin/prog?token={SECRET}", f"https://u:{SECRET}@host/x", f"-p={SECRET}"],
)
def test_no_secret_in_a_command_is_shown(tmp_path: Path, command: str) -> None:
    order = asked(tmp_path, f"[default]\ncredential_process = {command}\n")
    assert order.findings[0].kind == "process-missing"
    assert SECRET not in repr(order)


def test_a_program_is_still_named(tmp_path: Path) -> None:
    order = asked(tmp_path, "[default]\ncredential_process = /opt/my-tool/bin/get_keys.sh --for me\n")
    assert "/opt/my-tool/bin/get_keys.sh, which does not exist" in order.findings[0].what


@pytest.mark.parametrize("setting", ["[plugins]\nevil = evilmod\n", "[default]\ncli_legacy_plugin_path = .\n"])
def test_no_code_of_a_home_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    for name in ("evilmod", "sitecustomize", "usercustomize", "botocore", "json", "encodings"):
        (tmp_path / f"{name}.py").write_text("import os; os.mkdir('ran')")
    monkeypatch.chdir(tmp_path)
    order = asked(
        tmp_path, setting, PYTHONPATH=str(tmp_path), PYTHONSTARTUP=str(tmp_path / "evilmod.py"),
        AWS_DATA_PATH=str(tmp_path), PYTHONHOME=str(tmp_path), PYTHONUSERBASE=str(tmp_path),
    )  # fmt: skip
    assert {one.name for one in order.sources} <= {one for one, _ in SOURCES.values()}
    assert not (tmp_path / "ran").exists()
