"""No character that a terminal obeys comes from anything that others wrote, in whatever command, format or stream."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pty
import re
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commandline import COMMAND, environment
from event_machines import before_and_after
from fingerprint._io.text import printable, visible, visible_json
from fingerprint.cli import main
from fingerprint.cli.table import all_commands
from servers import Server

BEFORE, AFTER = before_and_after("os-upgrade")
CODE = "an-activation-code-01"
OBEYED = ("Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn")
# What terminals, and eyes, are led astray by: colours, titles, answers, one-character CSI, directions, lines.
ATTACKS = [
    "\x1b[31m", "\x1b]0;title\x07", "\x1bP+q\x1b\\", "\x9b31m", "\x90q\x9c", "\u202etxt.exe", "\u2066x\u2069",
    "\u061c", "\r\x1b[2K", "\x08\x08", "\x00", "\x7f", "\u2028INJECTED", "\u2029INJECTED", "\x85INJECTED",
    "\x0bINJECTED", "\ufeff", "\U000e0041", "\ud83d", "\udc9b", "\U0010ffff",
]  # fmt: skip
foreign = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(st.characters(categories=OBEYED, exclude_characters="\n\t"), min_size=1, max_size=4),
)


def obeyed(text: str) -> list[str]:
    """Return what a terminal would obey."""
    return [c for c in text if unicodedata.category(c) in OBEYED and c not in "\n\t"]


def run(*words: str) -> tuple[int, str, str]:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return code, out.getvalue(), err.getvalue()


def require_harmless(*words: str) -> None:
    code, out, err = run(*words)
    assert obeyed(out + err) == [], (words, out, err)
    assert "internal error" not in err, (words, err)
    # A plug-in has its own protocol, also where --output is named.
    if "json" in words and "nagios" not in words and out and code != 2:
        json.loads(out)


@given(st.text(), st.text())
@example("\x1b[0m", "\u202e")
def test_what_is_shown_is_printable_and_json_stays_the_same(text: str, name: str) -> None:
    assert printable(text).isprintable()
    assert obeyed(visible(text)) == []
    assert visible(visible(text)) == visible(text)
    if text.isprintable():
        assert text == printable(text) == visible(text)
    for indent in (None, 2):
        encoded = json.dumps({name: [text, {text: name}]}, ensure_ascii=False, indent=indent)
        assert json.loads(visible_json(encoded)) == json.loads(encoded)
        assert obeyed(visible_json(encoded)) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths to the strings in a JSON value."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one, (*path, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from leaves(one, (*path, at))


def planted(value: Any, path: tuple[Any, ...], attack: str, where: str) -> Any:
    """Return a copy with an attack in one of its strings: before it, after each line, in its place, or in its key."""
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    text = inner[path[-1]]
    if where == "key" and isinstance(inner, dict):
        inner[f"{path[-1]}{attack}"] = inner.pop(path[-1])
    else:
        inner[path[-1]] = {
            "before": attack + text, "lines": "".join(f"{line}{attack}\n" for line in text.splitlines()),
        }.get(where, attack)  # fmt: skip
    return value


class Place:
    """A vault with a record, and a snapshot, both of which others can have written."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vault = directory / "Vault"
        self.snapshot = directory / "machine.json"
        self.target = ["--vault", str(self.vault), "--snapshot", str(self.snapshot)]
        self.snapshot.write_text(json.dumps(BEFORE))
        assert run(*self.target, "vault", "init")[0] == 0
        self.snapshot.write_text(json.dumps(AFTER))
        self.record_file = self.vault / "Store" / "InstanceFingerprint"
        self.record = json.loads(self.record_file.read_text())
        self.hash = self.record["hardwareHash"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FINGERPRINT_STATE", str(directory / "state"))
        for name in list(os.environ):
            if name.lower().endswith("_proxy") or name.startswith("AWS_"):
                patch.delenv(name)
        yield Place(directory)


READERS = [
    "show", "check", "explain", "diagnose", "diagnose --format ssm-cli", "whatif --event reboot", "vault show",
    "vault verify", "vault history", "vault evidence", "threshold get", "threshold advise --sees clone",
    "monitor prometheus",
    "monitor nagios", "credentials sources", "fleet row", "vault restore 1 --dry-run",
    "vault rebaseline --dry-run", "guard --dry-run", "guard status",
]  # fmt: skip
quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
formats = st.sampled_from([[], ["--reveal"], ["--output", "json"], ["--output", "json", "--reveal"]])


@quick
@given(st.data(), foreign, st.sampled_from(["before", "lines", "all", "key"]), st.sampled_from(READERS), formats)
def test_a_machine_cannot_write_to_the_terminal(
    place: Place, data: st.DataObject, attack: str, where: str, command: str, more: list[str]
) -> None:
    path = data.draw(st.sampled_from(list(leaves(AFTER))))
    place.snapshot.write_text(json.dumps(planted(AFTER, path, attack, where)))
    require_harmless(*place.target, *command.split(), *more)


@quick
@given(st.data(), foreign, st.sampled_from(["before", "lines", "all", "key"]), st.sampled_from(READERS), formats)
def test_a_record_cannot_write_to_the_terminal(
    place: Place, data: st.DataObject, attack: str, where: str, command: str, more: list[str]
) -> None:
    place.snapshot.write_text(json.dumps(AFTER))
    if data.draw(st.booleans()):
        path = data.draw(st.sampled_from(list(leaves(place.hash))))
        hardware_hash = planted(place.hash, path, attack, where)
        record = {**place.record, "hardwareHash": hardware_hash}
    else:
        record = planted(place.record, ("fingerprint",), attack, where)
    try:
        place.record_file.write_text(json.dumps(record), errors="surrogatepass")
        require_harmless(*place.target, *command.split(), *more)
    finally:
        place.record_file.write_text(json.dumps(place.record))


WORDS: list[Callable[[str], list[str]]] = [
    lambda attack: [attack], lambda attack: ["check", attack], lambda attack: ["check", f"--{attack}"],
    lambda attack: ["check", f"--timeout={attack}"], lambda attack: ["check", "--format", attack],
    lambda attack: ["--vault", f"/nowhere/{attack}", "check"], lambda attack: ["--root", f"/nowhere/{attack}", "check"],
    lambda attack: ["--snapshot", f"/nowhere/{attack}", "check"], lambda attack: ["s3-policy", "--region", attack],
    lambda attack: ["diagnose", "logs", f"/nowhere/{attack}"], lambda attack: ["fleet", "check", f"/nowhere/{attack}"],
    lambda attack: ["explain", f"/nowhere/{attack}", "/nowhere"], lambda attack: ["match", f"/nowhere/{attack}"],
    lambda attack: ["threshold", "set", attack], lambda attack: ["whatif", "--event", attack],
    lambda attack: ["monitor", "units", f"/nowhere/{attack}/x", "--program", f"/usr/{attack}"],
    lambda attack: ["vault", attack],
    lambda attack: ["register", "--region", attack, "--activation-id", "1" * 36],
    lambda attack: ["register", "--region", "eu-west-1", "--code-file", f"/nowhere/{attack}"],
    lambda attack: ["credentials", "update", "--profile", attack, "--file", f"/nowhere/{attack}"],
    lambda attack: ["completion", attack], lambda attack: ["report", f"/nowhere/{attack}"],
    lambda attack: ["register", "--region", "eu-west-1", "--activation-id", "1" * 36, "--proxy", f"http://a{attack}b"],
    lambda attack: ["register", "--region", "eu-west-1", "--activation-id", "1" * 36, "--endpoint", f"https://{attack}"],
]  # fmt: skip


@settings(quick, max_examples=120)
@given(foreign, st.sampled_from(WORDS), st.sampled_from([[], ["--output", "json"]]))
def test_an_argument_cannot_write_to_the_terminal(
    place: Place, attack: str, words: Callable[[str], list[str]], output: list[str]
) -> None:
    os.environ["FINGERPRINT_ACTIVATION_CODE"] = CODE
    try:
        attack = os.fsdecode(attack.encode("utf-8", "surrogatepass")).replace("\0", "\x01")
        require_harmless(*output, *words(attack))
    finally:
        del os.environ["FINGERPRINT_ACTIVATION_CODE"]


LINES = [
    "2026-11-24 11:35:00 ERROR [ssm-agent-worker] EC2RoleProvider Failed to connect: {} AccessDeniedException: {}",
    "2026-11-24 11:35:01 WARN attribute {} has changed from the registered machine configuration value {} to {}",
    "2026-11-24 11:35:02 ERROR retrieve credentials produced error: {}: {} status code: 400, request id: {}",
    "2026-11-24 11:35:03 INFO Successfully registered the instance with AWS SSM using Managed instance-id: mi-{}",
    "2026-11-24 11:35:04 ERROR Agent is in hibernate mode. Error: {}", "{} 2026-11-24 11:35:05 ERROR {}", "{}",
]  # fmt: skip


@quick
@given(foreign, st.lists(st.sampled_from(LINES), min_size=1, max_size=5), formats)
def test_a_log_cannot_write_to_the_terminal(place: Place, attack: str, lines: list[str], more: list[str]) -> None:
    log = place.directory / "amazon-ssm-agent.log"
    text = "\n".join(lines).replace("{}", f"x{attack}y") + "\n"
    log.write_bytes(text.encode("utf-8", "surrogatepass"))
    require_harmless("diagnose", "logs", str(log), *[word for word in more if word != "--reveal"])


@quick
@given(foreign, st.sampled_from(["fleet check", "fleet plan", "fleet clones"]), st.booleans(), st.booleans())
def test_a_fleet_cannot_write_to_the_terminal(
    place: Place, attack: str, command: str, as_json: bool, in_names: bool
) -> None:
    pytest.importorskip("pyarrow")
    row = {"node_id": f"mi-{attack}", "threshold": 40, "saved": place.hash, "current": place.hash}
    if in_names:
        row["saved"] = {**place.hash, f"name{attack}": attack}
    file = place.directory / "fleet.jsonl"
    file.write_text("".join(json.dumps({**row, "node_id": f"{row['node_id']}{n}", "group": attack}) + "\n"
                            for n in range(3)))  # fmt: skip
    require_harmless(*command.split(), str(file), *(["--output", "json"] if as_json else []))


@quick
@given(foreign, st.sampled_from([200, 302, 400, 403, 500, 503]), st.sampled_from([[], ["--output", "json"]]))
def test_a_service_cannot_write_to_the_terminal(place: Place, attack: str, status: int, output: list[str]) -> None:
    values = {
        "__type": f"com.amazonaws.ssm#Strange{attack}", "message": f"{attack} hello\nINJECTED", "Message": attack,
        "InstanceId": f"mi-{attack}",
    }  # fmt: skip
    body = json.dumps(values).encode()

    def serve(server: Server, connection: Any) -> None:
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nLocation: x\r\nConnection: close\r\n\r\n%s"
            % (status, len(body), body)
        )

    with pytest.MonkeyPatch.context() as patch, Server(serve) as server:
        patch.setenv("FINGERPRINT_ACTIVATION_CODE", CODE)
        patch.setattr("botocore.endpoint.time.sleep", lambda _: None)
        code, out, err = run(
            "--vault", str(place.directory / "none"), *place.target[2:], *output, "register", "--region", "eu-west-1",
            "--activation-id", "1" * 36, "--endpoint", server.url,
        )  # fmt: skip
    assert code in (5, 6), (out, err)
    assert obeyed(out + err) == []
    assert not [line for line in (out + err).splitlines() if line.startswith("INJECTED")]


def seen_on_a_terminal(words: list[str], env: dict[str, str]) -> str:
    """Return what a command writes to a terminal, to both of its streams."""
    main_side, other = pty.openpty()
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=env) as process:
        os.close(other)
        data = b""
        while True:
            try:
                more = os.read(main_side, 65536)
            except OSError:
                break
            if not more:
                break
            data += more
        process.wait()
    os.close(main_side)
    return data.decode("utf-8").replace("\r\n", "\n")


@pytest.mark.parametrize("attack", ["\x1b[31mRED", "\x9b31m", "\u202eabc", "\x1b[2K", "\x1b[0m"])
def test_a_terminal_gets_our_colours_and_no_others(place: Place, attack: str, tmp_path: Path) -> None:
    env = environment(place.directory / "state", TERM="xterm", LANG="C.UTF-8", PYTHONUTF8="1")
    seen = []
    for name in ("vm", f"vm{attack}"):
        recorded = tmp_path / "machine.json"
        recorded.write_text(json.dumps({**AFTER, "hostName": name}))
        words = ["--vault", str(place.vault), "--snapshot", str(recorded), "check", "--reveal"]
        seen.append(seen_on_a_terminal([COMMAND, *words], env))
    plain, attacked = seen
    assert "\x1b[31mNOT THE SAME MACHINE\x1b[0m" in plain
    assert visible(attack) in attacked
    assert obeyed(plain) == obeyed(attacked)
    assert attack == "\x1b[0m" or attack not in attacked


@pytest.mark.parametrize("command", ["show", "check", "explain", "vault verify"])
def test_colours_change_no_other_character(place: Place, command: str, tmp_path: Path) -> None:
    recorded = tmp_path / "machine.json"
    recorded.write_text(json.dumps(AFTER))
    words = [COMMAND, "--vault", str(place.vault), "--snapshot", str(recorded), *command.split(), "--reveal"]
    env = environment(place.directory / "state", TERM="xterm", LANG="C.UTF-8", PYTHONUTF8="1")
    piped = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    seen = re.sub(r"\x1b\[[0-9;]*m", "", seen_on_a_terminal(words, env))
    times = re.compile(r"[0-9.]+ m?s\b")
    assert times.sub("", seen).strip() == times.sub("", piped.stdout + piped.stderr).strip()


def test_matches_hold_nothing_of_what_is_matched(place: Place, tmp_path: Path) -> None:
    """It is the native core that writes them, past all that is tested here."""
    for line in (
        {"saved": place.hash, "current": {**place.hash, "a\u202e\x9b": "\u202e"}, "threshold": 40, "\u202e": "\x9b"},
        {"saved": place.hash, "current": "\u202e", "threshold": "\x9b"}, {"\u202e": []}, "\x9b",
    ):  # fmt: skip
        pairs = tmp_path / "pairs.jsonl"
        pairs.write_text(json.dumps(line, ensure_ascii=False) + "\n")
        env = environment(tmp_path / "state", PYTHONUTF8="1")
        done = subprocess.run([COMMAND, "match", str(pairs)], env=env, capture_output=True, text=True, check=False)
        assert obeyed(done.stdout + done.stderr) == []
        assert done.stdout.startswith('{"match":')


def test_what_libraries_write_is_harmless(tmp_path: Path) -> None:
    """A warning without a handler, and the traceback of a developer."""
    script = """
import sys, warnings
sys.argv = ["fingerprint", "--version"]
import fingerprint.cli as cli
import logging
def run(words):
    logging.getLogger("other").warning("\\x1b[31m\\u202e")
    warnings.warn("\\x9b31m")
    sys.stderr.write("\\x07")
    raise ValueError("\\x1b]0;x\\x07")
cli._run = run
cli.main_and_exit()
"""
    for debug in ("", "1"):
        done = subprocess.run(
            [Path(COMMAND).with_name("python"), "-I", "-c", script], capture_output=True, check=False,
            env={"FINGERPRINT_DEBUG": debug, "PYTHONUTF8": "1"},
        )  # fmt: skip
        complaint = done.stderr.decode()
        assert obeyed(complaint) == []
        assert complaint.count("\\x1b") >= 2, complaint
        assert done.returncode == (1 if debug else 3)


def test_no_command_is_left_out_unawares() -> None:
    """These write files, run on, or print only what the other commands print, too."""
    tried = {" ".join(words("x")) for words in WORDS} | set(READERS) | {"fleet check", "fleet plan", "fleet clones"}
    left = {c.path for c in all_commands() if not any(one == c.path or one.startswith(f"{c.path} ") for one in tried)}
    assert left == {
        "credentials process", "deregister", "fleet diff", "fleet pack", "fleet report", "image check", "image clean",
        "vault init", "local-service", "credentials serve", "snapshot", "vault backup", "vault repair",
        "vault reset", "monitor watch", "help", "guard install", "guard uninstall",
    }  # fmt: skip
