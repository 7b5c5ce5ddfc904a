"""The command line as users meet it: real processes, exit codes, text and JSON."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commandline import COMMAND, environment, run
from fingerprint.testing.machines import MACHINE_ID, unix_snapshot
from vault_setup import Setup

SECRET_ID = MACHINE_ID.strip()


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup(tmp_path)


@pytest.fixture
def settled(setup: Setup) -> Setup:
    assert setup("vault", "init").returncode == 0
    return setup


def test_check_after_init_reports_the_same_machine(setup: Setup) -> None:
    done = setup("vault", "init")
    assert (done.returncode, done.stderr) == (0, "")
    done = setup("check")
    assert done.returncode == 0
    assert done.stdout.startswith("SAME MACHINE\n")
    assert "rule 4" in done.stdout


def test_another_machine_id_is_not_the_same_machine(settled: Setup) -> None:
    settled.is_now(machine_id="f" * 32 + "\n")
    done = settled("check")
    assert done.returncode == 1
    assert done.stdout.startswith("NOT THE SAME MACHINE\n")
    assert "rule 3" in done.stdout
    assert "The agent notices" in done.stdout


@pytest.mark.parametrize("ip", ["192.0.2.2", "192.0.2.99"])
def test_unreadable_attributes_are_not_reported_as_changed(setup: Setup, ip: str) -> None:
    setup.is_now(dmi="SMBIOS 3.4 present.")
    setup("vault", "init")
    now = unix_snapshot(dmi="SMBIOS 3.4 present.", ip=ip)
    for command in now["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=None, problem="timeout")
    setup.snapshot.write_text(json.dumps(now))
    text = " ".join(setup("check").stdout.split())
    assert "unknown" in text
    assert not re.search(r"Changed since[^.]*-hash", text)
    assert "an upgrade of dmidecode" not in text
    # Without an agent there is no next check.
    assert ("ipaddress-info: " in text) == (ip != "192.0.2.2")


def test_a_score_below_the_threshold_names_one_that_passes(setup: Setup) -> None:
    setup.is_now(dmi="old", disk="old")
    setup("vault", "init")
    setup.is_now(dmi="new", disk="new", ip="192.0.2.99")
    done = setup("check")
    assert done.returncode == 1
    assert "3 of 9 = 33.3 %, threshold 40" in done.stdout
    assert "fingerprint threshold set 33" in done.stdout
    assert setup("threshold", "set", "33").returncode == 0
    assert setup("check").returncode == 0


def test_unreadable_attributes_make_cannot_tell_of_a_mismatch(setup: Setup) -> None:
    setup.is_now(dmi="old", disk="old")
    setup("vault", "init", "--threshold", "60")
    snapshot = unix_snapshot(dmi="old", disk="old", ip="192.0.2.99")
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=None, stdout="", problem="timeout")
    setup.snapshot.write_text(json.dumps(snapshot))
    done = setup("check")
    assert done.returncode == 3
    assert done.stdout.startswith("CANNOT TELL\n")
    assert "memory-hash: failed" in done.stderr


def test_a_weak_check_is_reported(settled: Setup) -> None:
    assert "Weak check: " in settled("check").stdout
    assert settled.json("check")["vacuous"] is True


def test_every_line_of_a_check_fits_80_columns(settled: Setup) -> None:
    settled.is_now(ip="192.0.2.99", host_name="a-rather-long-host-name.example.internal")
    head, *lines = settled("check").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and "vault" not in line] == []
    assert head == "SAME MACHINE"


def test_every_json_answer_follows_its_schema(setup: Setup) -> None:
    assert setup.json("vault", "init", "--dry-run")["created"] is False
    assert setup.json("vault", "init")["created"] is True
    assert setup.json("vault", "init", "--if-missing")["created"] is False
    assert setup.json("show")["sidKey"] == "machine-id"
    assert setup.json("check")["verdict"] == "same"
    assert setup.json("threshold", "get")["threshold"] == 40
    assert setup.json("threshold", "set", "50", "--dry-run")["changed"] is False
    assert setup.json("threshold", "set", "50")["changed"] is True
    assert setup.json("vault", "show")["threshold"] == 50
    assert setup.json("vault", "verify")["sound"] is True
    assert setup.json("vault", "reset", "--dry-run")["cleared"] is False
    assert setup.json("vault", "reset")["error"]["exitCode"] == 4
    assert setup.json("vault", "reset", "--yes")["cleared"] is True
    assert setup.json("check")["error"]["kind"] == "VaultMissing"


def test_ids_are_masked_unless_revealed(settled: Setup) -> None:
    for words in (["show"], ["check"], ["vault", "show"], ["check", "--output", "json"]):
        fingerprint = json.loads(settled.record.read_text())["fingerprint"]
        masked = settled(*words)
        assert SECRET_ID not in masked.stdout + masked.stderr
        assert fingerprint not in masked.stdout + masked.stderr
        assert SECRET_ID in settled(*words, "--reveal").stdout


def test_every_command_prints_the_same_mask_of_the_id(settled: Setup) -> None:
    for words in (["show"], ["check"], ["vault", "show"], ["vault", "show", "--output", "json"]):
        assert f"{SECRET_ID[:4]}…{SECRET_ID[-4:]}" in settled(*words).stdout


def test_init_is_refused_where_a_fingerprint_is(settled: Setup) -> None:
    before = settled.record.read_bytes()
    done = settled("vault", "init")
    assert done.returncode == 4
    assert "already holds a fingerprint" in done.stderr
    assert settled.record.read_bytes() == before
    assert settled("vault", "init", "--if-missing").returncode == 0


def test_reset_requires_yes_and_keeps_the_record(settled: Setup) -> None:
    before = settled.record.read_text()
    assert settled("vault", "reset").returncode == 4
    assert settled("vault", "reset", "--dry-run").returncode == 0
    assert settled.record.read_text() == before
    assert settled("vault", "reset", "--yes").returncode == 0
    assert settled.record.read_text() == '{"fingerprint":"","hardwareHash":null,"similarityThreshold":0}'
    [journal] = (settled.directory / "state" / "history").glob("*.jsonl")
    assert json.loads(journal.read_text().splitlines()[-2])["before"] == before
    assert json.loads(journal.read_text().splitlines()[-1])["outcome"] == "written"


@pytest.mark.parametrize("threshold", ["0", "101", "-2", "abc", "40.5", ""])
def test_an_unknown_threshold_is_rejected_and_changes_nothing(settled: Setup, threshold: str) -> None:
    before = settled.record.read_bytes()
    done = settled("threshold", "set", threshold)
    assert done.returncode == 2
    assert done.stderr
    assert settled.record.read_bytes() == before


def test_minus_one_disables_with_a_warning(settled: Setup) -> None:
    done = settled("threshold", "set", "-1")
    assert done.returncode == 0
    assert "not even the hardware ID" in done.stderr
    assert settled("threshold", "get").stdout == "-1\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ('{"fingerprint":"x","hardwareHash":{},"similarityThreshold":"40"}', "VaultCorrupt"),
        ('{"fingerprint":"\\ud800","hardwareHash":{},"similarityThreshold":40}', "VaultCorrupt"),
        ("", "VaultCorrupt"),
        ("{", "VaultCorrupt"),
        ("[]", "VaultCorrupt"),
        ("x" * 70000, "VaultCorrupt"),
    ],
)
def test_a_corrupt_record_is_an_error_and_stays_as_it_is(settled: Setup, content: str, kind: str) -> None:
    settled.record.write_text(content)
    for words in (["check"], ["threshold", "set", "50"], ["vault", "init"], ["vault", "show"], ["vault", "verify"]):
        done = settled(*words)
        assert done.returncode == 3, words
        assert "Traceback" not in done.stderr
        assert str(settled.record) in done.stdout + done.stderr
    assert settled.json("check")["error"]["kind"] == kind
    assert settled.record.read_text() == content


def test_a_record_of_two_gigabytes_is_refused_at_once(settled: Setup) -> None:
    os.truncate(settled.record, 2 * 1024**3)
    start = time.monotonic()
    done = settled("check")
    assert done.returncode == 3
    assert "2147483648 bytes" in done.stderr
    assert time.monotonic() - start < 5


def test_a_fifo_in_place_of_the_record_is_rejected_at_once(settled: Setup) -> None:
    settled.record.unlink()
    os.mkfifo(settled.record, 0o600)
    done = settled("check", timeout=10)
    assert done.returncode == 3
    assert "FIFO" in done.stderr


def test_a_vault_that_is_a_file_is_refused(setup: Setup) -> None:
    setup.vault.write_text("")
    for words in (["check"], ["vault", "init"], ["vault", "verify"]):
        done = setup(*words)
        assert done.returncode == 3
        assert "not a directory" in done.stdout + done.stderr


def test_a_missing_vault_prints_how_to_make_one(setup: Setup) -> None:
    done = setup("check")
    assert done.returncode == 3
    assert "fingerprint vault init" in setup("threshold", "get").stderr or "no such directory" in done.stderr
    assert not setup.vault.exists()


def test_verify_names_each_defect_with_a_remedy(settled: Setup) -> None:
    (settled.vault / "notes.txt").write_text("")
    (settled.vault / "Store" / "Old").write_text("")
    settled.record.chmod(0o644)
    (settled.vault / "Manifest").unlink()
    done = settled("vault", "verify")
    assert done.returncode == 1
    for word in ("notes.txt", "0644", "Manifest is missing"):
        assert word in done.stdout
    answer = settled.json("vault", "verify")
    assert {"orphan", "mode", "manifest-missing"} <= {f["kind"] for f in answer["findings"]}
    assert all(f["remedy"] for f in answer["findings"])


def test_a_vault_that_others_can_write_is_refused(settled: Setup) -> None:
    settled.vault.chmod(0o777)
    done = settled("check")
    assert done.returncode == 3
    assert "others can write" in done.stderr


@pytest.mark.parametrize(
    "words",
    [[], ["nonsense"], ["check", "--nonsense"], ["check", "extra"], ["--output", "xml", "check"], ["threshold"],
     ["threshold", "set"], ["check", "--timeout", "soon"], ["check", "--vault"], ["match"],
     ["--root", "/", "--snapshot", "x", "check"]],
)  # fmt: skip
def test_a_wrong_line_is_a_usage_error_with_a_hint(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "--help" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [["--help"], ["check", "--help"], ["vault", "-h"], ["vault", "reset", "--help"]])
def test_help_is_given_on_standard_output(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 0
    assert "usage: fingerprint" in done.stdout


def test_help_pages_show_examples() -> None:
    assert "examples:" in run("check", "--help").stdout


def test_options_may_stand_before_or_after_the_command(settled: Setup) -> None:
    before = run("--vault", str(settled.vault), "--output=json", "threshold", "get", env=settled.env)
    after = run("threshold", "get", "--output", "json", f"--vault={settled.vault}", env=settled.env)
    assert before.stdout == after.stdout != ""


def test_the_module_is_the_command(settled: Setup) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fingerprint", "--vault", str(settled.vault), "threshold", "get"],
        capture_output=True, text=True, env=settled.env, cwd=settled.directory, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "40\n")


def test_a_data_directory_stands_for_the_vault_in_it(settled: Setup) -> None:
    assert run("--vault", str(settled.directory), "threshold", "get", env=settled.env).stdout == "40\n"


def test_the_environment_may_name_the_vault(settled: Setup) -> None:
    env = {**settled.env, "FINGERPRINT_VAULT": str(settled.vault)}
    assert run("threshold", "get", env=env).stdout == "40\n"


def test_color_is_for_terminals_that_want_it(settled: Setup) -> None:
    words = [COMMAND, "--vault", str(settled.vault), "--snapshot", str(settled.snapshot), "check"]
    assert "\x1b[" not in settled("check").stdout
    assert "\x1b[32m" in _on_a_terminal(words, {**settled.env, "TERM": "xterm"})
    assert "\x1b[" not in _on_a_terminal(words, {**settled.env, "TERM": "xterm", "NO_COLOR": "1"})
    assert "\x1b[" not in _on_a_terminal([*words, "--no-color"], {**settled.env, "TERM": "xterm"})


def _on_a_terminal(words: list[str], env: dict[str, str]) -> str:
    mine, its = pty.openpty()
    process = subprocess.Popen(words, stdout=its, env=env)
    os.close(its)
    text = b""
    try:
        while chunk := os.read(mine, 65536):
            text += chunk
    except OSError:
        pass
    os.close(mine)
    process.wait()
    return text.decode()


def test_a_full_or_closed_standard_output_is_an_error(settled: Setup) -> None:
    with open("/dev/full", "w") as full:
        done = settled("check", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert "standard output" in done.stderr
    assert "Traceback" not in done.stderr
    line = f"{COMMAND} --vault {settled.vault} --snapshot {settled.snapshot} show >&-"
    closed = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=settled.env, check=False)
    assert closed.returncode == 3
    assert "it is closed" in closed.stderr


@pytest.mark.parametrize("words", ["check", "explain", "explain SNAPSHOT SNAPSHOT", "diagnose", "diagnose logs LOG"])
def test_a_closed_standard_output_is_an_error_with_colors(settled: Setup, words: str) -> None:
    assert closed(settled, words, ">&-") == (3, "fingerprint: standard output: the answer could not be written "
                                                "(it is closed)\n")  # fmt: skip


@pytest.mark.parametrize("words", ["diagnose", "diagnose --output json", "diagnose logs LOG", "threshold get"])
def test_a_closed_standard_error_costs_no_answer(settled: Setup, words: str) -> None:
    """Without standard error, progress and diagnostics are lost, and the answer is not."""
    code, answer = closed(settled, words, "2>&-")
    assert (code, answer) == closed(settled, words, "2>/dev/null")
    assert answer
    assert (code, answer) == closed(settled, words, "2>/dev/full")


def closed(setup: Setup, words: str, stream: str) -> tuple[int, str]:
    """Run a command with a stream redirected; return its exit code and what the other stream got."""
    log = setup.directory / "agent.log"
    log.write_text("2026-11-24 08:00:00.1234 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n")
    # A command that reads the files that it names takes no other target.
    target = "" if "SNAPSHOT" in words or "LOG" in words else f"--snapshot {setup.snapshot}"
    words = words.replace("SNAPSHOT", str(setup.snapshot)).replace("LOG", str(log))
    line = f"{COMMAND} --vault {setup.vault} {target} {words} {stream}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=setup.env, check=False)
    # How long a check took differs from run to run.
    return done.returncode, re.sub(r'"seconds": [0-9.]+', "", done.stdout + done.stderr)


def test_a_reader_that_leaves_stops_a_long_answer(settled: Setup, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"saved":{"machine-id":"a"},"current":{"machine-id":"a"},"threshold":40}\n' * 200_000)
    line = f"{COMMAND} match {pairs} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1] == "141"
    assert done.stderr == ""


def test_ctrl_c_during_a_wait_exits_130_and_writes_nothing(settled: Setup) -> None:
    """Another process holds the lock; the command waits for it and is interrupted."""
    import fcntl

    before = settled.record.read_bytes()
    descriptor = os.open(settled.vault, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        process = subprocess.Popen(
            [COMMAND, "--vault", str(settled.vault), "threshold", "set", "50"],
            env=settled.env, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=10)
    finally:
        os.close(descriptor)
    assert process.returncode == 130
    assert "interrupted" in complaint
    assert "Traceback" not in complaint
    assert settled.record.read_bytes() == before


def test_snapshots_that_are_missing_or_broken_are_named(setup: Setup) -> None:
    setup.snapshot.write_text('{"schemaVersion":1}')
    done = setup("show")
    assert done.returncode == 2
    assert "machine.json" in done.stderr
    setup.snapshot.unlink()
    assert setup("show").returncode == 2


def test_a_live_machine_can_be_recorded_and_played_back(tmp_path: Path) -> None:
    """`snapshot` here, `--snapshot` anywhere: the same hashes, and a file that only its owner reads."""
    env = environment(tmp_path / "state")
    saved = tmp_path / "this.json"
    assert run("snapshot", str(saved), env=env).returncode == 0
    assert saved.stat().st_mode & 0o777 == 0o600
    for scheme in ("ssm", "stable"):
        words = ("show", "--scheme", scheme, "--output", "json", "--reveal")
        live = json.loads(run(*words, env=env).stdout)
        played = json.loads(run("--snapshot", str(saved), *words, env=env).stdout)
        assert played["scheme"] == scheme
        assert played["hardwareHash"] == live["hardwareHash"]
    assert run("snapshot", str(saved), env=env).returncode == 4
    assert json.loads(run("snapshot", "-", env=env).stdout)["schemaVersion"] == 1


def test_all_commands_work_on_this_machine_without_root(tmp_path: Path) -> None:
    """Our own vault needs no root: init, check, change of threshold, reset."""
    env = environment(tmp_path / "state", HOME=str(tmp_path))
    assert run("vault", "init", env=env).returncode == 0
    assert run("check", env=env).returncode == 0
    assert run("threshold", "set", "88", env=env).returncode == 0
    assert run("vault", "reset", "--yes", env=env).returncode == 0
    assert run("check", env=env).returncode == 3


def test_a_hostile_path_changes_nothing(tmp_path: Path) -> None:
    evil = tmp_path / "bin"
    evil.mkdir()
    for name in ("ls", "dmidecode", "sh", "env"):
        script = evil / name
        script.write_text(f"#!/bin/sh\ntouch {tmp_path}/owned\n")
        script.chmod(0o755)
    env = {**environment(tmp_path / "state"), "PATH": str(evil)}
    clean = run("show", "--output", "json", env=environment(tmp_path / "state"))
    hostile = run("show", "--output", "json", env=env)
    assert json.loads(hostile.stdout)["hardwareHash"] == json.loads(clean.stdout)["hardwareHash"]
    assert not (tmp_path / "owned").exists()


def test_facts_are_shown_on_request(tmp_path: Path) -> None:
    answer = json.loads(run("show", "--facts", "--output", "json", env=environment(tmp_path)).stdout)
    assert answer["facts"]
    assert "facts" not in json.loads(run("show", "--output", "json", env=environment(tmp_path)).stdout)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_every_command(shell: str) -> None:
    script = run("completion", shell).stdout
    for word in ("show", "check", "match", "init", "threshold", "vault", "verify", "reset"):
        assert re.search(rf"\b{word}\b", script)


def test_bash_completes_commands_options_and_choices() -> None:
    script = run("completion", "bash").stdout
    ask = 'COMP_WORDS=({0}); COMP_CWORD={1}; _fingerprint; echo "${{COMPREPLY[*]}}"'
    for line, at, expected in (
        ("fingerprint ch", 1, "check"),
        ("fingerprint vault ''", 2, "init show verify repair history evidence backup restore rebaseline reset"),
        ("fingerprint --output ''", 2, "text json"),
        ("fingerprint vault init --if", 3, "--if-missing"),
        ("fingerprint --vault /tmp threshold s", 4, "set"),
        ("fingerprint whatif --event reboot --sw", 4, "--sweep"),
    ):
        done = subprocess.run(
            ["bash", "--norc", "-c", script + "\n" + ask.format(line, at)], capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == expected.split(), line
