"""`fingerprint image clean` that is interrupted at any point."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time

import pytest

from commandline import COMMAND, run
from images import Image, needs_linux, no_windows, tree

pytestmark = [no_windows, needs_linux]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_end_during_the_backup_removes_nothing(soiled: Image, number: signal.Signals) -> None:
    soiled.put("var/log/amazon/ssm/big.log", os.urandom(40_000_000))
    before = tree(soiled.root)
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=soiled.env, cwd=soiled.directory, stderr=subprocess.PIPE) as process:
        while not [path for path in soiled.directory.glob(".golden*") if path.stat().st_size > 100_000]:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(number)
        assert process.wait(60) == (130 if number == signal.SIGINT else -number)
    assert not (soiled.directory / "golden.tar.gz").exists()
    assert tree(soiled.root) == before
    assert number == signal.SIGKILL or not list(soiled.directory.glob(".golden*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_end_during_removal_leaves_a_complete_backup(image: Image, number: signal.Signals) -> None:
    for index in range(4000):
        image.put(f"var/lib/amazon/ssm/Vault/Store/{index:05}", str(index))
    store = image.root / "var/lib/amazon/ssm/Vault/Store"
    before = tree(image.root, times=False)
    command = [COMMAND, "--root", str(image.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=image.env, cwd=image.directory, stderr=subprocess.PIPE, text=True) as process:
        while (store / "00100").exists():
            assert process.poll() is None
        process.send_signal(number)
        message = process.communicate()[1]
        assert process.returncode == (130 if number == signal.SIGINT else -number)
    left = tree(image.root, times=False)
    assert 0 < len(left) < len(before)
    assert left.items() <= before.items()
    if number == signal.SIGINT:
        # The one that was just removed may not be counted yet.
        reported = int(message.partition("at least ")[2].split()[0])
        assert 0 <= len(before) - len(left) - reported <= 1
        assert "the backup of all of them is complete" in message
    subprocess.run(["tar", "-xpf", "golden.tar.gz", "-C", str(image.root)], check=True, cwd=image.directory)
    assert tree(image.root, times=False) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="the order of system calls is seen by strace")
def test_backup_is_durable_before_the_first_removal(soiled: Image) -> None:
    log = soiled.directory / "calls"
    calls = "trace=fsync,link,linkat,unlinkat,ftruncate,rmdir"
    words = ["--root", str(soiled.root), "image", "clean", "--yes", "--backup", str(soiled.directory / "golden.tar.gz")]
    done = subprocess.run(
        ["strace", "-y", "-o", str(log), "-e", calls, COMMAND, *words], env=soiled.env, check=False, capture_output=True
    )
    if not log.exists() or "ftruncate" not in log.read_text():
        pytest.skip(f"strace may not trace here: {done.stderr[:80]!r}")
    lines = log.read_text().splitlines()
    written = next(i for i, line in enumerate(lines) if line.startswith("fsync") and ".golden.tar.gz." in line)
    named = next(i for i, line in enumerate(lines) if line.startswith("link") and "golden.tar.gz" in line)
    durable = next(i for i, line in enumerate(lines) if line.startswith("fsync") and f"<{soiled.directory}>" in line)
    first = next(i for i, line in enumerate(lines) if line.startswith(("unlinkat", "ftruncate")))
    assert written < named < durable < first


def test_failed_output_reports_removals_and_the_backup(soiled: Image) -> None:
    with open("/dev/full", "w") as full:
        done = run("--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz", env=soiled.env,
                   cwd=soiled.directory, capture_output=False, stdout=full, stderr=subprocess.PIPE)  # fmt: skip
    assert done.returncode == 3
    assert "golden.tar.gz" in done.stderr
    assert "at least 11 of 11 are gone" in done.stderr


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="another system has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_lost_connection_leaves_no_partial_backup(soiled: Image, name: str) -> None:
    # So much that it is still being written when the signal comes, on any machine.
    soiled.put("var/log/amazon/ssm/large.log", os.urandom(100_000_000))
    before = tree(soiled.root, times=False)
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(command, env=soiled.env, cwd=soiled.directory, stderr=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as process:  # fmt: skip
        while not list(soiled.directory.glob(".golden.tar.gz.*")):
            assert process.poll() is None
        process.send_signal(getattr(signal, name))
        process.communicate()
    assert process.returncode == 130
    assert not list(soiled.directory.glob("*golden.tar.gz*"))
    assert tree(soiled.root, times=False) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="another system has no such signals")
def test_ignored_sighup_does_not_stop_clean(soiled: Image) -> None:
    """As `nohup` starts it."""
    soiled.put("var/log/amazon/ssm/large.log", os.urandom(30_000_000))
    command = [COMMAND, "--root", str(soiled.root), "image", "clean", "--yes", "--backup", "golden.tar.gz"]
    with subprocess.Popen(["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command], env=soiled.env, cwd=soiled.directory,
                          stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:  # fmt: skip
        while not list(soiled.directory.glob(".golden.tar.gz.*")):
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        _, complaint = process.communicate()
    # 1, as not all that is soiled can be cleaned.
    assert (process.returncode, complaint) == (1, b"")
    assert (soiled.directory / "golden.tar.gz").exists()
