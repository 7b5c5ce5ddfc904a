"""What --root, --snapshot and --vault name is checked before anything is done: exit code 2, nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from commandline import environment, run
from fingerprint.cli import main
from fingerprint.cli.context import check_target
from fingerprint.cli.options import GLOBAL
from fingerprint.cli.parser import parse
from fingerprint.cli.table import all_commands
from fingerprint.errors import UsageError
from fingerprint.testing.machines import unix_snapshot
from fingerprint.vault import Vault
from fingerprint.vault.locations import resolve_vault, state_directory
from nobody import command_as_nobody

# They print the same for every target: these options do not matter to them.
OF_THE_PROGRAM = ("completion", "help")
PLUG_IN = "monitor nagios"
PATHS = sorted({command.path for command in all_commands()} - set(OF_THE_PROGRAM))
# They read the files that they name, or nothing.
UNAIMED = sorted(
    {"diagnose logs", "local-service", "match", "monitor units", "s3-policy",
     *(path for path in PATHS if path.startswith("fleet ") and path != "fleet row")}
)  # fmt: skip
WRITERS = sorted(
    {one.path for one in all_commands() if any(option.flag == "--dry-run" for option in one.options)} - {"image clean"}
)


def line_of(path: str) -> list[str]:
    """Return a command with an argument for each that it needs."""
    command = next(one for one in all_commands() if one.path == path)
    words = path.split()
    for name, kind, choices, _ in command.positionals:
        words.append(choices[0] if choices else "40" if kind == "integer" else f"no-such-{name.lower()}")
    return words


def nowhere(directory: Path) -> str:
    return str(directory / "nowhere")


def beside_nowhere(directory: Path) -> str:
    return str(directory / "nowhere" / ".." / "x")


def a_file(directory: Path) -> str:
    (directory / "file").write_text("{}")
    return str(directory / "file")


def a_directory(directory: Path) -> str:
    (directory / "directory").mkdir(exist_ok=True)
    return str(directory / "directory")


def below_a_file(directory: Path) -> str:
    return a_file(directory) + "/x"


def broken_link(directory: Path) -> str:
    if not (directory / "link").is_symlink():
        (directory / "link").symlink_to(directory / "nowhere")
    return str(directory / "link")


def a_loop(directory: Path) -> str:
    if not (directory / "loop").is_symlink():
        (directory / "loop").symlink_to("loop")
    return str(directory / "loop")


def empty(_: Path) -> str:
    return ""


def too_long(_: Path) -> str:
    return "/" + "x" * 5000


BAD_ROOTS = (nowhere, beside_nowhere, a_file, below_a_file, broken_link, a_loop, empty, too_long)
BAD_SNAPSHOTS = (nowhere, a_file, a_directory, below_a_file, broken_link, a_loop, empty, too_long)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("option", ["--root", "--snapshot"])
def test_every_command_checks_the_target_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], option: str, path: str
) -> None:
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    for bad in BAD_ROOTS if option == "--root" else BAD_SNAPSHOTS:
        named = bad(tmp_path)
        before = everything(tmp_path)
        code = main([option, named, *line_of(path)])
        printed = capfd.readouterr()
        # A plug-in answers on standard output, and 2 would be CRITICAL there.
        answer, other = (printed.out, printed.err) if path == PLUG_IN else (printed.err, printed.out)
        assert code == (3 if path == PLUG_IN else 2), (bad.__name__, answer)
        assert option in answer, bad.__name__
        assert named in answer, bad.__name__
        assert other == ""
        assert everything(tmp_path) == before, bad.__name__


def everything(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.rglob("*"))


@pytest.mark.parametrize("bad", BAD_ROOTS)
def test_the_error_has_three_parts_in_json_too(tmp_path: Path, bad: Callable[[Path], str]) -> None:
    done = run("--root", bad(tmp_path), "check", "--output", "json", env=environment(tmp_path / "state"))
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"], error["exitCode"]) == (2, "UsageError", 2)
    assert error["what"].startswith(("invalid --root: ", "--root is empty"))
    assert error["remedy"] == "Name the directory where the copied disk is mounted, or leave --root out for this host"


NAMING = sorted(
    {
        (command.path, option.flag)
        for command in all_commands() for option in (*GLOBAL, *command.options)
        if option.files and not (command.path in OF_THE_PROGRAM and option.flag in ("--root", "--snapshot"))
    }
)  # fmt: skip


@pytest.mark.parametrize(("path", "flag"), NAMING, ids=" ".join)
@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
def test_an_option_that_names_nothing_is_no_default(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    path: str,
    flag: str,
    joined: bool,
) -> None:
    """Of every option of a file or directory: such as `--vault "$VAULT"` where the variable is not set."""
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    code = main([*line_of(path), *([f"{flag}="] if joined else [flag, ""])])
    printed = capfd.readouterr()
    answer, other = (printed.out, printed.err) if path == PLUG_IN else (printed.err, printed.out)
    assert code == (3 if path == PLUG_IN else 2), printed
    assert f"{flag} is empty" in answer
    assert other == ""
    assert everything(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "flag"),
    [("diagnose", "--region"), ("diagnose", "--account"), ("diagnose", "--only"), ("register", "--node")],
)  # fmt: skip
@pytest.mark.parametrize("joined", [False, True], ids=["apart", "joined"])
def test_an_option_whose_variable_is_not_set_leaves_nothing_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    path: str,
    flag: str,
    joined: bool,
) -> None:
    """Without it another account would pass, and another node be registered."""
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    vault = str(tmp_path / "Vault")
    more = ["--region", "eu-west-1", "--activation-id", "a" * 36] if path == "register" else []
    monkeypatch.setenv("FINGERPRINT_ACTIVATION_CODE", "x" * 20)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1")
    code = main(["--vault", vault, path, *more, *([f"{flag}="] if joined else [flag, ""])])
    printed = capfd.readouterr()
    assert (code, printed.out) == (2, ""), printed
    assert everything(tmp_path) == []


def test_the_library_takes_no_empty_path_for_the_default_either() -> None:
    with pytest.raises(UsageError, match="empty"):
        Vault.open("")


def test_an_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of other programs, and as docs/formats.md says."""
    for name in ("FINGERPRINT_VAULT", "FINGERPRINT_STATE"):
        monkeypatch.delenv(name, raising=False)
    usual = resolve_vault(None), state_directory()
    for name in ("FINGERPRINT_VAULT", "FINGERPRINT_STATE"):
        monkeypatch.setenv(name, "")
    assert (resolve_vault(None), state_directory()) == usual


def test_a_plug_in_says_unknown(tmp_path: Path) -> None:
    """Two would be an alarm."""
    for options in (["--root", nowhere(tmp_path)], ["--snapshot", nowhere(tmp_path)]):
        done = run(*options, "monitor", "nagios", env=environment(tmp_path / "state"))
        assert (done.returncode, done.stderr) == (3, "")
        assert done.stdout.startswith("FINGERPRINT UNKNOWN - ")


def test_a_relative_root_is_a_root(tmp_path: Path) -> None:
    (tmp_path / "disk" / "etc").mkdir(parents=True)
    env = environment(tmp_path / "state")
    for named in ("disk", "./disk/", "disk/../disk"):
        done = run("--root", named, "show", "--output", "json", env=env, cwd=tmp_path)
        assert done.returncode in (0, 3), done.stderr
        assert str(tmp_path / "disk") in done.stdout


@pytest.mark.parametrize("named", ["/", "//", "/.", "/../"])
def test_the_root_itself_is_this_machine(tmp_path: Path, named: str) -> None:
    done = run("--root", named, "show", "--output", "json", env=environment(tmp_path / "state"))
    assert "copied disk" not in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_an_unreadable_root_is_reported(tmp_path: Path) -> None:
    """Checked as another user, for whom permissions count."""
    (tmp_path / "closed").mkdir(mode=0o700)
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and directory != Path("/") and str(directory).startswith("/tmp/"):
            directory.chmod(directory.stat().st_mode | 0o055)
    done = command_as_nobody("--root", str(tmp_path / "closed"), "check", env=environment(tmp_path / "state"))
    assert done.returncode == 2, done.stderr
    assert "invalid --root: it cannot be read (Permission denied)\n  Run it as root\n" in done.stderr


@pytest.mark.parametrize(
    "words",
    [["--root", ".", "--snapshot", "m.json", "check"], ["--root", ".", "check", "--snapshot", "m.json"],
     ["--snapshot", "m.json", "check", "--root=."], ["check", "--snapshot", "m.json", "--root", "."]],
    ids=["before", "between", "between, too", "after"],
)  # fmt: skip
def test_a_copied_disk_and_a_recorded_machine_are_not_both(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "m.json").write_text(json.dumps(unix_snapshot()))
    done = run(*words, env=environment(tmp_path / "state"), cwd=tmp_path)
    assert done.returncode == 2
    assert "--root and --snapshot are mutually exclusive" in done.stderr.replace(
        "--snapshot and --root", "--root and --snapshot"
    )


@pytest.mark.parametrize("words", [*map(line_of, UNAIMED), ["explain", "a.json", "b.json"]], ids=" ".join)
@pytest.mark.parametrize("option", ["--root", "--snapshot"])
def test_a_target_that_a_command_would_not_read_is_an_error(tmp_path: Path, option: str, words: list[str]) -> None:
    """The answer would be about another machine than the one that the line names."""
    (tmp_path / "disk").mkdir()
    for name in ("m.json", "a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps(unix_snapshot()))
    before = everything(tmp_path)
    named = str(tmp_path / ("disk" if option == "--root" else "m.json"))
    done = run(option, named, *words, env=environment(tmp_path / "state"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"does not read {option}\n" in done.stderr
    assert named in done.stderr
    assert f"Leave {option} out" in done.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("path", sorted({*PATHS} - {*UNAIMED}))
def test_every_other_command_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    (tmp_path / "m.json").write_text(json.dumps(unix_snapshot()))
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    arguments = parse(["--snapshot", "m.json", *(["explain"] if path == "explain" else line_of(path))])
    assert arguments is not None
    check_target(arguments)
    assert arguments.recorded is not None


@pytest.mark.parametrize("path", WRITERS)
@pytest.mark.parametrize("by", ["option", "environment"])
def test_nothing_is_written_into_a_directory_that_is_not_there(tmp_path: Path, path: str, by: str) -> None:
    """As where a disk was not mounted: the vault would be made on the disk below."""
    vault = tmp_path / "mnt" / "var" / "lib" / "Vault"
    env = environment(tmp_path / "state", **({"FINGERPRINT_VAULT": str(vault)} if by == "environment" else {}))
    options = ["--vault", str(vault)] if by == "option" else []
    before = everything(tmp_path)
    done = run(*options, *line_of(path), env=env)
    assert done.returncode == 2
    assert f"invalid --vault: there is no directory {vault.parents[1]} to hold it" in done.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("made", ["nothing", "a file"])
def test_a_missing_vault_is_not_diagnosed_as_another_host(tmp_path: Path, made: str) -> None:
    vault = tmp_path / "nope"
    if made == "a file":
        vault.write_text("")
    done = run("--vault", str(vault), "diagnose", "--only", "vault,registration", env=environment(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"fingerprint: {vault}: invalid --vault: there is no such directory\n")
    vault.unlink(missing_ok=True)
    vault.mkdir()
    done = run("--vault", str(vault), "diagnose", "--only", "vault,registration", env=environment(tmp_path / "state"))
    assert "This host is not registered" in done.stdout


def test_the_data_directory_of_a_vault_is_made_with_it(tmp_path: Path) -> None:
    """The registration file lies in it, beside the vault."""
    done = run("--vault", str(tmp_path / "ssm" / "Vault"), "vault", "init", env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    done = run("--vault", str(tmp_path / "other" / "named"), "vault", "init", env=environment(tmp_path / "state"))
    assert done.returncode == 2


def test_a_vault_whose_path_a_manifest_cannot_name_is_not_made(tmp_path: Path) -> None:
    done = run("--vault", str(tmp_path / "v\udcff"), "vault", "init", env=environment(tmp_path / "state"))
    assert done.returncode == 2
    assert "not valid UTF-8" in done.stderr
    assert everything(tmp_path) == []


@pytest.mark.parametrize("words", [["completion", "bash"], ["help"], ["--help"], ["check", "--help"]])
def test_commands_without_a_target_do_not_check_one(tmp_path: Path, words: list[str]) -> None:
    assert run("--root", nowhere(tmp_path), *words, env=environment(tmp_path / "state")).returncode == 0
