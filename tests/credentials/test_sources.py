"""Which source of credentials wins, what is wrong with it, and no secret in any answer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from credential_homes import KEYS, agent_record
from fingerprint.credentials import botocore_order
from fingerprint.credentials.botocore_order import _answer
from fingerprint.credentials.source_values import Order, State
from fingerprint.credentials.sources import credential_order
from fingerprint.testing.machines import unix_snapshot
from nobody import NOBODY, as_user

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "AKIAPLANTED", "AWS_SECRET_ACCESS_KEY": "planted/secret"}
NO_METADATA = {"AWS_EC2_METADATA_DISABLED": "true"}
ECS = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/x"}


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


@pytest.mark.parametrize("winner", ["", "environment"])
@pytest.mark.parametrize(
    ("variable", "source"),
    [("AWS_SHARED_CREDENTIALS_FILE", "shared-file"), ("AWS_CONFIG_FILE", "config-file")],
)
@pytest.mark.parametrize(
    ("value", "reason"),
    [("{home}/gone", "{} names a missing file"), ("{home}/gone/x", "{} names a missing file"),
     ("~/gone", "{} names a missing file"), ("", "{} is empty"), ("{home}/empty", ""), (None, "")],
)  # fmt: skip
def test_a_missing_file_that_a_variable_names_is_shown(
    tmp_path: Path, variable: str, source: str, value: str | None, reason: str, winner: str
) -> None:
    """SDKs then take neither it nor the file of the home, without a message."""
    (tmp_path / "empty").touch()
    environ = {**NO_METADATA, **(ENVIRONMENT if winner else {})}
    if value is not None:
        environ[variable] = value.format(home=tmp_path)
    found = order(tmp_path, environ)
    one = next(one for one in found.sources if one.name == source)
    assert (found.winner, one.state, one.reason) == (winner, State.ABSENT, reason.format(variable))
    assert found.findings == ()


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
        ({}, "planted/secret without a section\n", 0o600, "SDKs stop with an error"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_found(tmp_path: Path, environ: dict[str, str], shared: str, mode: int, words: str) -> None:
    if shared:
        written(tmp_path, "credentials", shared, mode)
    [finding] = order(tmp_path, {**NO_METADATA, **environ}).findings
    assert words in finding.what
    assert finding.remedy
    assert "planted" not in repr(finding).lower()


@pytest.mark.parametrize(
    ("file", "section", "right"), [("config", "other", "[profile other]"), ("credentials", "profile other", "[other]")]
)
def test_a_section_with_the_name_of_the_other_file_is_found(
    tmp_path: Path, file: str, section: str, right: str
) -> None:
    path = written(tmp_path, file, f"[{section}]\n{KEYS}")
    [finding] = order(tmp_path, {**NO_METADATA, "AWS_PROFILE": "other"}).findings
    assert (finding.kind, finding.where) == ("profile-missing", str(path))
    assert finding.remedy == f"Name its section {right} in this file"


def test_a_process_that_is_not_there_is_found(tmp_path: Path) -> None:
    written(tmp_path, "config", "[default]\ncredential_process = /nowhere/program --x\n")
    found = order(tmp_path)
    assert "/nowhere/program" in found.findings[0].what
    assert states(found)["process"] == "error"
    assert (found.winner, found.stopped_by) == ("", "process")


def test_sources_behind_an_error_are_not_shadowed_by_it(tmp_path: Path) -> None:
    """No source is used: what the error hides is not the winner, and what wins before it is not stopped."""
    written(tmp_path, "config", f"[default]\nrole_arn = arn:aws:iam::111122223333:role/x\n{KEYS}")
    found = order(tmp_path)
    assert (found.winner, found.stopped_by, found.undecided) == ("", "assume-role", "")
    assert not [source for source in found.sources if source.shadowed_by]
    found = order(tmp_path, {**NO_METADATA, **ENVIRONMENT})
    assert (found.winner, found.stopped_by, found.findings) == ("environment", "", ())
    assert states(found)["assume-role"] == "error"


def test_nothing_is_run_sent_or_written(tmp_path: Path) -> None:
    """Neither a process, nor a request to a server that would count it, nor a file in the home."""
    marker = tmp_path / "marker"
    program = tmp_path / "p"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o700)
    written(tmp_path, "config", f"[default]\ncredential_process = {program}\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        before = sorted(map(str, tmp_path.rglob("*")))
        found = order(tmp_path, {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": address, "AWS_EC2_METADATA_SERVICE_ENDPOINT": address,
        })  # fmt: skip
        assert (states(found)["process"], states(found)["container"]) == ("present", "present")
        assert states(found)["instance-profile"] == "not-checked"
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert sorted(map(str, tmp_path.rglob("*"))) == before
    assert not marker.exists()


@pytest.mark.parametrize(
    ("answer", "winner", "kinds"),
    [
        ("""echo '{"Version":1,"AccessKeyId":"AKIAPLANTED","SecretAccessKey":"planted"}'""", "process", []),
        ("echo planted", "", ["process-failed"]), ("echo planted >&2; exit 3", "", ["process-failed"]),
        ("""echo '{"Version":2}'""", "", ["process-failed"]),
    ],
)  # fmt: skip
def test_a_process_is_run_on_request(tmp_path: Path, answer: str, winner: str, kinds: list[str]) -> None:
    program = tmp_path / "p"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o700)
    written(tmp_path, "config", f"[default]\ncredential_process = {program}\n")
    assert (order(tmp_path).winner, order(tmp_path).findings) == ("process", ())
    found = order(tmp_path, run=True)
    assert (found.winner, [one.kind for one in found.findings]) == (winner, kinds)
    assert "planted" not in repr(found).lower()
    done = run("credentials", "sources", "--run-process", "--output", "json",
               env={**environment(tmp_path / "state"), **NO_METADATA, "HOME": str(tmp_path)})  # fmt: skip
    assert json.loads(done.stdout)["users"][0]["winner"] == (winner or None)
    assert "planted" not in done.stdout.lower()
    assert done.returncode == bool(kinds)


def test_what_is_no_file_is_ignored_as_botocore_does(tmp_path: Path) -> None:
    (tmp_path / ".aws" / "credentials").mkdir(parents=True)
    written(tmp_path, "config", f"[default]\n{KEYS}")
    found = order(tmp_path)
    assert (found.winner, states(found)["shared-file"]) == ("config-file", "absent")
    [finding] = found.findings
    assert "directory" in finding.what
    subprocess.run(finding.remedy.removeprefix("Run: "), shell=True, check=True)
    assert order(tmp_path).findings == ()


# Asks botocore in the same process: others may not be able to start the interpreter of the tests.
IN_PROCESS = """
import json
import botocore.session, botocore.tokens, dateutil.parser
from fingerprint.credentials import botocore_order, botocore_probe
def answered(home, environ, root, run):
    os.environ.update(environ or {}, HOME=home)
    return botocore_probe._answer(root, run)
botocore_order._answer = answered
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_closed_file_is_unknown_only_to_others_than_its_reader(tmp_path: Path) -> None:
    """botocore reads past a file that it may not open; of another user's file we know nothing."""
    home = Path(tempfile.mkdtemp())
    try:
        written(home, "credentials", f"[default]\n{KEYS}", 0o000)
        written(home, "config", f"[default]\n{KEYS}", 0o644)
        for path in (home, home / ".aws"):
            path.chmod(0o755)
        code = (
            "from fingerprint.credentials.sources import credential_order as o\n"
            "a = o('nobody', sys.argv[1], {'AWS_EC2_METADATA_DISABLED': 'true'})\n"
            "b = o('root', sys.argv[1], None)\n"
            "f = a.findings[0]\n"
            "print(json.dumps([a.winner, a.undecided, f.kind, f.remedy, b.winner, b.undecided]))"
        )
        done = as_user(NOBODY, code, str(home), before=IN_PROCESS)
        winner, undecided, kind, remedy, *of_root = json.loads(done.stdout)
        assert (winner, undecided, kind) == ("config-file", "", "unreadable-file")
        assert of_root == ["", "assume-role: Permission denied"]
        subprocess.run(remedy.removeprefix("Run as root: "), shell=True, check=True)
        assert json.loads(as_user(NOBODY, code, str(home), before=IN_PROCESS).stdout)[0] == "shared-file"
    finally:
        shutil.rmtree(home)


NO_BOTOCORE = (
    "import sys, importlib.util as u; real = u.find_spec;"
    "u.find_spec = lambda name, *a: None if name == 'botocore' else real(name, *a);"
    "from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize("shown", ["text", "json"])
def test_without_botocore_the_order_of_sdks_is_unknown(tmp_path: Path, shown: str) -> None:
    """It is not guessed; what the agent does with the same files is still shown."""
    disk = tmp_path / "disk"
    (disk / "root").mkdir(parents=True)
    written(disk / "root", "credentials", f"[default]\n{KEYS}")
    words = ["--root", str(disk), "credentials", "sources", "--output", shown]
    done = subprocess.run([sys.executable, "-I", "-c", NO_BOTOCORE, *words], env=environment(tmp_path / "state"),
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 3, done.stderr
    if shown == "text":
        assert "which source SDKs use is unknown without botocore" in " ".join(done.stdout.split())
        assert ".[aws]" in done.stdout
        assert "/root/.aws/credentials, profile default" in done.stdout
    else:
        answer = json.loads(done.stdout)
        jsonschema.validate(answer, json.loads((SCHEMAS / "credentials-sources.json").read_text()))
        [user] = answer["users"]
        assert (user["reader"], user["winner"], user["sources"]) == (None, None, [])
        assert {one["name"]: one["state"] for one in answer["agentOrder"]["sources"]}["shared-file"] == "present"


def test_without_botocore_the_check_of_diagnose_is_skipped(tmp_path: Path) -> None:
    """Not for what is wrong with the agent's own files."""
    disk = tmp_path / "disk"
    (disk / "root").mkdir(parents=True)
    words = ["--root", str(disk), "diagnose", "--only", "credential-order", "--output", "json"]
    for text, outcome in ((f"[default]\n{KEYS}", "skipped"), ("[default]\naws_access_key_id = A\n", "fail")):
        written(disk / "root", "credentials", text)
        done = subprocess.run([sys.executable, "-I", "-c", NO_BOTOCORE, *words], env=environment(tmp_path / "state"),
                              capture_output=True, text=True, check=False)  # fmt: skip
        [check] = json.loads(done.stdout)["checks"]
        assert check["outcome"] == outcome, done.stderr
        assert ("unknown without botocore" in check["text"]) is (outcome == "skipped")


@pytest.mark.parametrize("known", [False, True])
def test_an_older_botocore_that_lacks_login_does_not_decide(tmp_path: Path, known: bool) -> None:
    """Its provider is taken away: login_session leaves the winner open, but what wins before it stays."""
    written(tmp_path, "config", f"[default]\nlogin_session = arn:aws:iam::111122223333:user/x\n{KEYS}")
    if known:
        written(tmp_path, "credentials", f"[default]\n{KEYS}")
    answer = _answer(str(tmp_path), NO_METADATA, "/", run=False)
    answer["providers"] = [one for one in answer["providers"] if one["method"] != "login"]
    with patch.object(botocore_order, "_answer", lambda *_, **__: answer):
        found = order(tmp_path)
    assert found.winner == ("shared-file" if known else "")
    assert bool(found.undecided) is not known
    assert "does not know this source" in {one.name: one.reason for one in found.sources}["login"]


def test_an_interpreter_without_answer_leaves_it_unknown(tmp_path: Path) -> None:
    with patch.object(botocore_order, "_PROBE", "import sys; print('planted', file=sys.stderr); sys.exit(3)"):
        found = order(tmp_path)
    assert (found.reader, found.winner, found.sources) == ("", "", ())
    assert "exit code 3" in found.undecided


def test_copied_disk_is_read_below_its_root(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    written(tmp_path / "root", "credentials", f"[default]\n{KEYS}")
    found = credential_order("root", "/root", None, root=str(tmp_path))
    assert found.winner == "shared-file"
    assert found.sources[0].state is State.NOT_CHECKED


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
    assert states(found)["shared-file"] == "absent"
    assert [one.kind for one in found.findings] == (["unreadable-file"] if link == "loop" else [])
    if link != "loop":
        place = disk / here.relative_to("/")
        place.mkdir(parents=True)
        (place / "credentials").write_text(f"[default]\n{KEYS}")
        (place / "credentials").chmod(0o600)
        assert credential_order("root", "/root", None, root=str(disk)).winner == "shared-file"


@pytest.mark.parametrize(("program", "place"), [("/opt/p", "opt/p"), ("p", "usr/local/bin/p"), ("/bin/sh", "bin/sh")])
def test_credential_process_is_searched_on_the_copied_disk(tmp_path: Path, program: str, place: str) -> None:
    (tmp_path / "root").mkdir()
    written(tmp_path / "root", "config", f"[default]\ncredential_process = {program}\n")
    order = credential_order("root", "/root", None, root=str(tmp_path))
    assert [finding.what for finding in order.findings] == [f"credential_process runs {program}, which does not exist"]
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.touch(0o755)
    assert credential_order("root", "/root", None, root=str(tmp_path)).winner == "process"


@pytest.mark.parametrize("expired", [False, True])
def test_command_prints_it_without_a_secret(tmp_path: Path, expired: bool) -> None:
    disk = tmp_path / "disk"
    (disk / "root").mkdir(parents=True)
    written(disk / "root", "credentials", f"[default]\n{KEYS}aws_session_token = planted/token\n")
    moment = time.time() + (-3600 if expired else 3600)
    agent_record(disk, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)))
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


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_a_remedy_for_what_is_closed(tmp_path: Path) -> None:
    """Root's home is closed to him: that is said, and not taken for empty."""
    env = {**environment(tmp_path / "state"), "HOME": "/nonexistent", **NO_METADATA}
    code = "from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
    done = as_user(NOBODY, code, "credentials", "sources", "--output", "json", before=IN_PROCESS, env=env, cwd="/")
    own, root = json.loads(done.stdout)["users"]
    assert (root["user"], root["sources"][0]["state"]) == ("root", "not-checked")
    if Path("/root").stat().st_mode & 0o005 == 0:
        assert {one["name"]: one["state"] for one in root["sources"]}["shared-file"] == "unreadable"
        assert "Permission denied" in root["undecided"]
        assert done.returncode == 3
    assert {one["name"]: one["state"] for one in own["sources"]}["shared-file"] == "absent"


def test_a_recording_holds_none_of_it(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(unix_snapshot()))
    done = run("--snapshot", str(tmp_path / "x"), "credentials", "sources", env=environment(tmp_path))
    assert done.returncode == 2
    assert "a recording holds no credential files" in done.stderr
