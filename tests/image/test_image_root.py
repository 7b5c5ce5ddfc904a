"""Which directory is the image, and which command lines are rejected."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from commandline import COMMAND, environment, run
from images import Image, needs_linux, needs_root, no_windows, tree

pytestmark = [no_windows, needs_linux]


def test_contradictory_options_are_usage_errors(soiled: Image, tmp_path: Path) -> None:
    recording = tmp_path / "machine.json"
    recording.write_text("{}")
    other = tmp_path / "Vault"
    other.mkdir()
    before = tree(soiled.root)
    for words in (
        ("clean", "--yes", "--no-backup", "--backup", "x"),
        ("clean", "--yes", "--vault", str(other)),
        ("clean", "--yes", "--vault", str(soiled.root / "etc")),
    ):
        assert soiled(*words).returncode == 2
    for command in ("check", "clean"):
        assert run("--snapshot", str(recording), "image", command, env=soiled.env).returncode == 2
    assert tree(soiled.root) == before


def test_missing_root_is_a_usage_error(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path / "nowhere"), "image", "check", env=environment(tmp_path / "state"))
    assert done.returncode == 2
    assert "there is no such directory" in done.stderr


@needs_root
def test_this_host_is_not_cleaned_while_the_agent_runs(tmp_path: Path) -> None:
    agent = tmp_path / "amazon-ssm-agent"
    shutil.copy(shutil.which("sleep") or "sleep", agent)
    env = environment(tmp_path / "state")
    # If it were not refused, it would fail at the backup: nothing of the machine of the tests is ever removed.
    words = ("image", "clean", "--yes", "--backup", str(tmp_path / "nowhere/golden.tar.gz"))
    with subprocess.Popen([str(agent), "60"]) as process:
        try:
            for root in ("/", "//", "/tmp/.."):
                done = run("--root", root, *words, env=env)
                assert done.returncode == 4
                assert "the agent is running" in done.stderr
        finally:
            process.kill()


def test_empty_root_is_a_usage_error(soiled: Image) -> None:
    """As of a variable that is not set: the directory in which one stands must not be taken for the image."""
    before = tree(soiled.root)
    for words in (("check",), ("clean", "--yes", "--no-backup")):
        done = run("--root", "", "image", *words, env=soiled.env, cwd=soiled.root)
        assert done.returncode == 2
        assert "--root is empty" in done.stderr
    assert tree(soiled.root) == before


def test_root_is_resolved_as_the_system_resolves_it(soiled: Image, tmp_path: Path) -> None:
    """A link and ".." behind it: of what the link leads to, and not of the directory in which it lies."""
    victim = tmp_path / "victim"
    (victim / "etc").mkdir(parents=True)
    (victim / "etc/machine-id").write_text("f" * 32)
    (victim / "data").symlink_to(soiled.root / "var")
    done = run("--root", str(victim / "data" / ".."), "image", "clean", "--yes", "--no-backup", env=soiled.env)
    assert str(soiled.root) in done.stdout
    assert (victim / "etc/machine-id").read_text() == "f" * 32
    assert (soiled.root / "etc/machine-id").read_bytes() == b""


def test_directory_without_a_system_is_not_clean(image: Image, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for root in (tmp_path / "empty", tmp_path):
        done = run("--root", str(root), "image", "check", env=image.env)
        assert done.returncode == 3
        assert "not the root of a system" in done.stdout
    assert image("check").returncode == 0


def test_system_without_var_is_not_clean(image: Image) -> None:
    """It is where everything would be, and may be a disk of its own that is not mounted."""
    shutil.rmtree(image.root / "var")
    assert "/etc or /var is missing" in image("check").stdout
    (image.root / "var").mkdir()
    for words in (("check",), ("clean", "--yes")):
        done = image(*words)
        assert done.returncode == 3
        assert f"{image.root}/var\n    it is empty: its disk may not be mounted" in done.stdout


def test_missing_current_directory_is_reported(soiled: Image) -> None:
    before = tree(soiled.root)
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", COMMAND, "--root", str(soiled.root), "image", "clean", "--yes"], env=soiled.env,
        cwd=soiled.directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert "the current directory cannot be found" in done.stderr
    assert tree(soiled.root) == before
