"""Text and JSON are UTF-8 on pipes and in files, whatever a locale or code page says: every command, both streams."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine
from commandline import COMMAND
from every_command import WRITING, machine_for_every_command, words_of
from shared import VECTORS, needs_vectors
from windows_machines import windows_snapshot

NAME = "büro-пк-名前-pc😀"
# As Windows starts it: no isolated mode, and the code page of the machine as the encoding of what is no console.
START = [sys.executable, "-m", "fingerprint"]
ENCODINGS = ("cp1252", "cp437", "cp932", "ascii", "latin-1", "utf-16", "utf-8-sig")
SERVERS = ("credentials serve", "local-service")
# Their answers, in one form at least, name neither the host nor the directory of the vault.
PLAIN = (
    "completion", "credentials sources", "diagnose logs", "fleet check", "fleet clones", "fleet diff", "fleet plan",
    "fleet row", "match", "monitor prometheus", "s3-policy", "whatif", "threshold advise", "threshold get", "help",
    "monitor nagios", "monitor watch", "guard", "guard install", "guard uninstall",
)  # fmt: skip


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> AgentMachine:
    directory = tmp_path_factory.mktemp("machine") / NAME
    directory.mkdir()
    return machine_for_every_command(directory, host_name=NAME)


def forced(machine: AgentMachine, encoding: str) -> dict[str, str]:
    return {**machine.env, "PYTHONIOENCODING": encoding}


def started(words: list[str], env: dict[str, str], directory: Path) -> tuple[bytes, bytes]:
    """Return what a command writes into two pipes; a server is ended after its first words."""
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=env,
                               cwd=directory)  # fmt: skip
    try:
        return running.communicate(timeout=60 if not {"serve", "local-service"} & set(words) else 3)
    except subprocess.TimeoutExpired:
        running.terminate()
        return running.communicate(timeout=30)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("path", WRITING)
def test_every_command_writes_utf_8_despite_another_encoding(machine: AgentMachine, path: str, form: str) -> None:
    if (path, form) in [(one, "json") for one in ("completion", "help", "monitor nagios")]:
        pytest.skip("it prints text only")
    if (path, form) == ("snapshot", "json"):
        pytest.skip("what is already JSON takes no form")
    outputs = []
    for encoding in ("utf-8", "cp1252"):
        longer = ["--verbose"] if path in ("diagnose", "explain") else []
        words = [*START, *words_of(machine, path), *longer, *(["--output", "json"] if form == "json" else [])]
        outputs.append(b"\n".join(started(words, forced(machine, encoding), machine.directory)).decode("utf-8"))
    letters, forced_letters = ({c for c in text if not c.isascii()} for text in outputs)
    assert forced_letters == letters
    # The host and the directory of the vault have them. Without an extra the answer is its name.
    assert letters or path in (*PLAIN, *SERVERS) or "pip install" in outputs[0], outputs[0]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("sink", ["pipe", "file"])
def test_a_name_stays_what_it_is(machine: AgentMachine, tmp_path: Path, encoding: str, sink: str) -> None:
    words = [*START, "--snapshot", str(machine.directory / "machine.json"), "show", "--output", "json"]
    options: dict[str, Any] = {
        "env": forced(machine, encoding),
        "cwd": machine.directory,
        "timeout": 60,
        "check": False,
    }
    if sink == "file":
        with open(tmp_path / "out", "wb") as file:
            subprocess.run(words, stdout=file, **options)
        data = (tmp_path / "out").read_bytes()
    else:
        data = subprocess.run(words, stdout=subprocess.PIPE, **options).stdout
    attributes = {one["name"]: one["value"] for one in json.loads(data.decode("utf-8"))["attributes"]}
    assert attributes["hostname-info"] == NAME
    assert NAME.encode() in data


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", ["text", "json"])
def test_errors_are_utf_8_on_both_streams(machine: AgentMachine, encoding: str, form: str) -> None:
    words = [*START, "--vault", str(machine.directory / "none"), "check", "--output", form]
    done = subprocess.run(words, capture_output=True, env=forced(machine, encoding), cwd=machine.directory, check=False)
    assert done.returncode == 3
    assert NAME in done.stderr.decode("utf-8")
    if form == "json":
        assert NAME in json.loads(done.stdout.decode("utf-8"))["error"]["where"]


@pytest.mark.parametrize("words", [["check", f"--{NAME}"], [NAME], ["threshold", "set", NAME]])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_usage_errors_are_utf_8(machine: AgentMachine, words: list[str], encoding: str) -> None:
    env = forced(machine, encoding)
    done = subprocess.run([*START, *words], capture_output=True, env=env, cwd=machine.directory, check=False)
    assert done.returncode == 2
    assert NAME in done.stderr.decode("utf-8")


def test_a_locale_without_such_letters_changes_nothing(machine: AgentMachine) -> None:
    """Neither Python's own mode for the C locale nor its coercion of it is what makes the answer UTF-8."""
    words = [*START, "--snapshot", str(machine.directory / "machine.json"), "show"]
    env = {**machine.env, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    encoding = subprocess.run(
        [sys.executable, "-c", "import sys; print(sys.stdout.encoding)"], capture_output=True, text=True, env=env
    ).stdout
    assert encoding != "utf-8\n"
    done = subprocess.run(words, capture_output=True, env=env, cwd=machine.directory, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert NAME in done.stdout.decode("utf-8")


@pytest.mark.skipif(not shutil.which("localedef"), reason="there is no localedef to make the locale")
def test_the_command_writes_utf_8_in_a_locale_without_it(machine: AgentMachine, tmp_path: Path) -> None:
    """Isolated as it starts, it knows no PYTHONIOENCODING; the locale speaks to it all the same."""
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(tmp_path / "de_DE")], capture_output=True, text=True
    )
    if not (tmp_path / "de_DE").is_dir():
        pytest.skip(f"localedef: {made.stderr}")
    env = {**machine.env, "LC_ALL": "de_DE", "LOCPATH": str(tmp_path)}
    encoding = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(sys.stdout.encoding)"], capture_output=True, text=True, env=env
    ).stdout
    assert encoding == "iso8859-1\n"
    words = [COMMAND, "--snapshot", str(machine.directory / "machine.json"), "show"]
    for more in ([], ["--output", "json"]):
        done = subprocess.run([*words, *more], capture_output=True, env=env, check=False)
        assert NAME in done.stdout.decode("utf-8"), done


def test_a_terminal_stays_as_it_is(machine: AgentMachine) -> None:
    """It shows what its encoding has, and escapes for the rest."""
    controller, terminal = pty.openpty()
    words = [*START, "--snapshot", str(machine.directory / "machine.json"), "show"]
    env = forced(machine, "latin-1")
    subprocess.run(words, stdout=terminal, stderr=terminal, env=env, cwd=machine.directory, check=False, timeout=60)
    os.close(terminal)
    shown = os.read(controller, 65536)
    os.close(controller)
    assert "büro".encode("latin-1") in shown
    assert rb"\U0001f600" in shown


@pytest.mark.parametrize(("closed", "code"), [("<&- >&-", 3), ("<&- 2>&-", 0), (">&- 2>&-", 3)])
def test_a_stream_that_is_not_there_is_passed_over(machine: AgentMachine, closed: str, code: int) -> None:
    words = [*START, "--snapshot", str(machine.directory / "machine.json"), "show"]
    done = subprocess.run(["bash", "-c", f'"$@" {closed}', "bash", *words], capture_output=True,
                          env=forced(machine, "cp1252"), cwd=machine.directory, check=False)  # fmt: skip
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


def host_names() -> list[dict[str, str]]:
    path = VECTORS / "windows" / "gates_and_network.json"
    return json.loads(path.read_text())["hostNames"] if path.exists() else []


@pytest.mark.parametrize("case", host_names(), ids=lambda case: case["registryName"])
@needs_vectors
def test_the_host_names_of_windows_reach_the_answer(
    machine: AgentMachine, tmp_path: Path, case: dict[str, str]
) -> None:
    """As the real agent stored them; the code page of the machine has only some of their letters."""
    snapshot = tmp_path / "windows.json"
    snapshot.write_text(json.dumps(windows_snapshot(hostName=case["registryName"])))
    words = [*START, "--snapshot", str(snapshot), "show", "--output", "json"]
    done = subprocess.run(words, capture_output=True, env=forced(machine, "cp1252"), cwd=tmp_path, check=False)
    attributes = json.loads(done.stdout.decode("utf-8"))["attributes"]
    assert next(one["value"] for one in attributes if one["name"] == "hostname-info") == case["agent"]
