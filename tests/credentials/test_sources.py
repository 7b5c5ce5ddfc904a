"""Which source of credentials wins, held against botocore's own choice; and no secret in any answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from fingerprint.agent.identity_config import AgentCredentials
from fingerprint.credentials.sources import Order, State, agent_credentials, credential_order
from fingerprint.testing.machines import unix_snapshot

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
KEYS = "aws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted/secret\n"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAPLANTED", "AWS_SECRET_ACCESS_KEY": "planted/secret"}
NO_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}
ECS = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x"}
# botocore's name of each source.
METHODS = {"env": "environment", "shared-credentials-file": "shared-file", "config-file": "config-file",
           "custom-process": "config-file", "None": ""}  # fmt: skip


def written(home: Path, name: str, text: str, mode: int = 0o600) -> Path:
    path = home / ".aws" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def order(home: Path, environ: dict[str, str] | None = None, **options: Any) -> Order:
    return credential_order("you", str(home), NO_METADATA if environ is None else environ, **options)


def states(found: Order) -> dict[str, str]:
    return {source.name: str(source.state) for source in found.sources}


PROCESS = """credential_process = /bin/echo '{"Version":1,"AccessKeyId":"AKIAPLANTED","SecretAccessKey":"s"}'\n"""
SITUATIONS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "nothing": ({}, "", "", ""),
    "environment": (ENVIRONMENT, "", "", "environment"),
    "shared file": ({}, f"[default]\n{KEYS}", "", "shared-file"),
    "environment over shared file": (ENVIRONMENT, f"[default]\n{KEYS}", "", "environment"),
    "another profile": ({}, f"[other]\n{KEYS}", "", ""),
    "another profile is chosen": ({"AWS_PROFILE": "other"}, f"[other]\n{KEYS}", "", "shared-file"),
    "config file": ({}, "", f"[default]\n{KEYS}", "config-file"),
    "profile of the config file": ({"AWS_PROFILE": "other"}, "", f"[profile other]\n{KEYS}", "config-file"),
    "shared file over config file": ({}, f"[default]\n{KEYS}", f"[default]\n{KEYS}", "shared-file"),
    "process": ({}, "", f"[default]\n{PROCESS}", "config-file"),
    "comments and blanks": ({}, f"# x\n\n[default]\n; y\n{KEYS}", "", "shared-file"),
    "a colon": ({}, f"[default]\n{KEYS.replace(' =', ':')}", "", "shared-file"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_winner_is_the_one_that_botocore_takes(tmp_path: Path, situation: str) -> None:
    environ, shared, config, expected = SITUATIONS[situation]
    if shared:
        written(tmp_path, "credentials", shared)
    if config:
        written(tmp_path, "config", config)
    found = order(tmp_path, {**NO_METADATA, **environ})
    assert found.winner == expected
    assert not found.undecided
    script = "import botocore.session as s; c = s.get_session().get_credentials(); print(c.method if c else None)"
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **NO_METADATA, **environ}
    sdk = subprocess.run([sys.executable, "-I", "-c", script], env=env, capture_output=True, text=True, check=False)
    if "config profile" in sdk.stderr or "ProfileNotFound" in sdk.stderr:
        assert expected == ""
    else:
        assert METHODS[sdk.stdout.strip()] == expected, sdk.stderr


def test_what_loses_is_shadowed_by_the_winner(tmp_path: Path) -> None:
    written(tmp_path, "credentials", f"[default]\n{KEYS}")
    found = order(tmp_path, {**ENVIRONMENT, **ECS})
    assert {source.name: source.shadowed_by for source in found.sources if source.shadowed_by} == {
        "shared-file": "environment", "container": "environment",
    }  # fmt: skip
    assert states(found)["instance-profile"] == "not-checked"


def test_network_source_leaves_it_open_only_if_it_could_win(tmp_path: Path) -> None:
    assert order(tmp_path, {}).undecided.startswith("instance-profile")
    assert order(tmp_path, {}).winner == ""
    assert order(tmp_path, ECS).winner == "container"
    assert not order(tmp_path, ECS).undecided


@pytest.mark.parametrize(
    ("environ", "shared", "mode", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAPLANTED"}, "", 0o600, "only one key"),
        ({}, "[default]\naws_access_key_id = AKIAPLANTED\n", 0o600, "only one key"),
        ({}, f"[default]\n{KEYS}", 0o644, "mode 0644"), ({}, f"[other]\n{KEYS}", 0o640, "mode 0640"),
        ({}, "planted/secret without a section\n", 0o600, "not an INI file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(tmp_path: Path, environ: dict[str, str], shared: str, mode: int, words: str) -> None:
    if shared:
        written(tmp_path, "credentials", shared, mode)
    [finding] = order(tmp_path, {**NO_METADATA, **environ}).findings
    assert words in finding.what
    assert finding.remedy
    assert "planted" not in repr(finding).lower()


def test_a_process_that_is_not_there_is_found(tmp_path: Path) -> None:
    written(tmp_path, "config", "[default]\ncredential_process = /nowhere/program --x\n")
    found = order(tmp_path)
    assert "/nowhere/program" in found.findings[0].what
    assert states(found)["config-file"] == "incomplete"
    assert found.winner == ""


def test_a_file_that_cannot_be_read_is_never_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").mkdir(parents=True)
    found = order(tmp_path)
    assert states(found)["shared-file"] == "unreadable"
    assert found.undecided.startswith("shared-file")
    written(tmp_path, "config", f"[default]\n{KEYS}")
    assert order(tmp_path).winner == ""


def test_copied_disk_is_read_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    written(tmp_path / "root", "credentials", f"[default]\n{KEYS}")
    found = credential_order("root", "/root", None, root=str(tmp_path))
    assert found.winner == "shared-file"
    assert found.sources[0].state is State.NOT_CHECKED
    path = tmp_path / "var/lib/amazon/ssm/credentials"
    path.parent.mkdir(parents=True)
    path.write_text(f"[default]\n{KEYS}")
    path.chmod(0o600)
    assert states(credential_order("root", "/root", None, root=str(tmp_path)))["default-host-management"] == "present"


@pytest.mark.parametrize("link", ["directory", "file", "loop"])
def test_links_on_a_copied_disk_do_not_lead_out_of_it(tmp_path: Path, link: str) -> None:
    """They count as if its root were "/": what they name here is another machine's."""
    disk, here = tmp_path / "disk", tmp_path / "here"
    home = disk / "root"
    home.mkdir(parents=True)
    here.mkdir()
    (here / "credentials").write_text("[default]\naws_access_key_id = AKIAPLANTED\n")
    if link == "directory":
        (home / ".aws").symlink_to(here)
    else:
        (home / ".aws").mkdir()
        (home / ".aws/credentials").symlink_to(here / "credentials" if link == "file" else "credentials")
    found = credential_order("root", "/root", None, root=str(disk))
    assert states(found)["shared-file"] == ("unreadable" if link == "loop" else "absent")
    assert found.findings == ()
    if link != "loop":
        place = disk / here.relative_to("/")
        place.mkdir(parents=True)
        (place / "credentials").write_text(f"[default]\n{KEYS}")
        (place / "credentials").chmod(0o600)
        assert credential_order("root", "/root", None, root=str(disk)).winner == "shared-file"


def test_agent_credentials_are_not_read_out_of_a_copied_disk(tmp_path: Path) -> None:
    identity(tmp_path / "here", "2026-11-24T03:00:00Z")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/var").symlink_to(tmp_path / "here/var")
    assert agent_credentials(str(tmp_path / "disk"), "linux") is None


@pytest.mark.parametrize(("program", "place"), [("/opt/p", "opt/p"), ("p", "usr/local/bin/p"), ("/bin/sh", "bin/sh")])
def test_credential_process_is_searched_on_the_copied_disk(tmp_path: Path, program: str, place: str) -> None:
    (tmp_path / "root").mkdir()
    written(tmp_path / "root", "config", f"[default]\ncredential_process = {program}\n")
    order = credential_order("root", "/root", None, root=str(tmp_path))
    assert [finding.what for finding in order.findings] == [f"credential_process runs {program}, which does not exist"]
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.touch(0o755)
    assert credential_order("root", "/root", None, root=str(tmp_path)).winner == "config-file"


def identity(root: Path, expires: str) -> None:
    path = root / "var/lib/amazon/ssm/runtimeconfig/identity_config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({
        "SchemaVersion": "1.1", "InstanceId": "mi-0123456789abcdef0", "IdentityType": "OnPrem",
        "ShareFile": "/root/.aws/credentials", "ShareProfile": "", "CredentialsExpiresAt": expires,
        "CredentialsRetrievedAt": "2026-11-24T02:00:00Z", "CredentialSource": "SSM",
    }))  # fmt: skip


def test_last_credentials_of_the_agent_are_reported(tmp_path: Path) -> None:
    assert agent_credentials(str(tmp_path), "linux") is None
    identity(tmp_path, "2026-11-24T03:00:00.123456789Z")
    shown = agent_credentials(str(tmp_path), "linux")
    assert shown == AgentCredentials(
        "/root/.aws/credentials",
        "default",
        "2026-11-24T02:00:00Z",
        "2026-11-24T03:00:00.123456789Z",
        "mi-0123456789abcdef0",
    )
    assert shown.expired(1_795_489_200.0) is False
    assert shown.expired(1_795_489_200.2) is True
    for text, expired in (("2026-11-24T04:00:00+01:00", True), ("2026-11-24T04:00:01+01:00", False), ("soon", None)):
        identity(tmp_path, text)
        found = agent_credentials(str(tmp_path), "linux")
        assert found is not None
        assert found.expired(1_795_489_200.0) is expired


@pytest.mark.parametrize("expired", [False, True])
def test_command_prints_it_without_a_secret(tmp_path: Path, expired: bool) -> None:
    disk = tmp_path / "disk"
    (disk / "root").mkdir(parents=True)
    written(disk / "root", "credentials", f"[default]\n{KEYS}aws_session_token = planted/token\n")
    moment = time.time() + (-3600 if expired else 3600)
    identity(disk, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)))
    env = environment(tmp_path / "state")
    text = run("credentials", "sources", "--root", str(disk), env=env)
    done = run("credentials", "sources", "--root", str(disk), "--output", "json", env=env)
    jsonschema.validate(json.loads(done.stdout), json.loads((SCHEMAS / "credentials-sources.json").read_text()))
    assert done.returncode == text.returncode == (1 if expired else 0)
    assert "For root: shared-file wins, unless the environment" in " ".join(text.stdout.split())
    assert ("EXPIRED" in text.stdout) is expired
    assert max(map(len, text.stdout.splitlines())) <= 80
    for output in (text.stdout, text.stderr, done.stdout, done.stderr):
        assert "planted" not in output.lower()


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_a_remedy_for_what_is_closed(tmp_path: Path) -> None:
    """Root's home is closed to him: that is said, and not taken for empty."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-I", "-m", "fingerprint",
               "credentials", "sources", "--output", "json"]  # fmt: skip
    env = {**environment(tmp_path / "state"), "HOME": "/nonexistent", **NO_METADATA}
    done = subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)
    if "No module named" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the interpreter of the tests is closed to others")
    own, root = json.loads(done.stdout)["users"]
    assert (root["user"], root["sources"][0]["state"]) == ("root", "not-checked")
    if Path("/root").stat().st_mode & 0o005 == 0:
        assert root["sources"][1]["state"] == "unreadable"
        assert "Permission denied" in root["undecided"]
    assert own["sources"][1]["state"] == "absent"


def test_a_recording_holds_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(unix_snapshot()))
    done = run("--snapshot", str(tmp_path / "x"), "credentials", "sources", env=environment(tmp_path))
    assert done.returncode == 2
    assert "a recording holds no credential files" in done.stderr
