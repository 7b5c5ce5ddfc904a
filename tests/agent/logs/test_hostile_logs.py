"""Logs that were made or damaged to hide an entry, to stop the reader, or to use up its time and memory."""

from __future__ import annotations

import gzip
import lzma
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import pytest

from commandline import COMMAND, environment
from fingerprint._io.text import without_secrets
from fingerprint.agent.logs import read_logs
from fingerprint.agent.logs.rotation import in_order, log_files
from fingerprint.errors import InputError

MAIN = "amazon-ssm-agent.log"
READY = "2026-11-24 10:00:00.0000 INFO [amazon-ssm-agent] [CredentialRefresher] Credentials ready\n"
JSON = '{"MESSAGE": "%s", "SYSLOG_IDENTIFIER": "amazon-ssm-agent"}\n'
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="requires pipes, devices and /proc")
# Half a character, as JSON may have it, in each field that is read.
HALVES = (
    JSON % "\\ud800", JSON % "\\ud800 INFO Credentials ready", '{"log": "\\udfff x\\n", "stream": "stderr"}\n',
    '{"msg": "x", "level": "\\ud800", "time": "\\udbff"}\n', '{"message": "\\udc80 ERROR x"}\n',
    '{\n  "MESSAGE": "\\ud800"\n}\n',
)  # fmt: skip


def measured(path: Path) -> tuple[float, int]:
    """Return the seconds and the KiB of memory of a run in a process of its own."""
    code = (
        "import sys, time; from fingerprint.agent.logs import read_logs; begin = time.perf_counter();"
        "read_logs(sys.argv[1:]); seconds = time.perf_counter() - begin;"
        "print(seconds, *(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    words = [sys.executable, "-I", "-c", code, path]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=True)
    seconds, kib = done.stdout.split()
    return float(seconds), int(kib)


@pytest.mark.parametrize("line", HALVES)
def test_half_a_character_hides_no_other_line(tmp_path: Path, line: str) -> None:
    log = tmp_path / "journal.json"
    ready = '{\n  "MESSAGE": "%s",\n  "_COMM": "amazon-ssm-agen"\n}\n' if line.startswith("{\n") else JSON
    log.write_text(line + ready % READY.strip())
    timeline = read_logs([str(log)])
    assert timeline.last_good == "2026-11-24 10:00:00"


@pytest.mark.parametrize(
    "content",
    [b"{\n" + b"\n" * 4_000_000, b"{\n" + b"a" * 40_000_000, b"{\n" + b"\t\n" * 400_000,
     b"__CURSOR=1\n" + b"".join(b"A%d=\n" % number for number in range(1_000_000)),
     b"2026-11-24T10:00:00Z stdout P x\n" * 600_000],
    ids=["line ends", "one line", "blank lines", "fields", "parts of a line"],
)  # fmt: skip
@needs_linux
def test_endless_records_take_neither_time_nor_memory(tmp_path: Path, content: bytes) -> None:
    log = tmp_path / "log.gz"
    log.write_bytes(gzip.compress(content, 1))
    seconds, kib = measured(log)
    assert seconds < 20
    assert kib < 300 * 1024


@needs_linux
def test_the_lines_of_one_message_take_linear_time(tmp_path: Path) -> None:
    head = "Tue 2026-11-24 10:00:00.000000 UTC [s=a;i=1;b=2;m=3;t=4;x=5]\n    MESSAGE=x\n"
    log = tmp_path / "verbose"
    log.write_text(head + "x\n" * 400_000)
    assert measured(log)[0] < 4


@needs_linux
def test_what_a_packed_log_takes_to_unpack_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "x y.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 256 << 20}]
    log.write_bytes(lzma.compress(READY.encode(), filters=filters))
    with pytest.raises(InputError, match="MiB to unpack") as raised:
        read_logs([str(log)])
    assert shlex.quote(str(log)) in str(raised.value.remedy)


PACKED: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: lzma.compress(data, preset=9),
    lambda data: lzma.compress(data[:40]) + lzma.compress(data[40:]),
    lambda data: lzma.compress(data) + bytes(8),
    lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
)


@pytest.mark.parametrize("pack", PACKED)
def test_every_form_of_xz_is_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    log = tmp_path / f"{MAIN}.xz"
    log.write_bytes(pack((READY * 5000).encode()))
    assert read_logs([str(log)]).lines == 5000


def test_a_cut_off_log_of_xz_is_an_error(tmp_path: Path) -> None:
    log = tmp_path / f"{MAIN}.xz"
    log.write_bytes(lzma.compress((READY * 5000).encode())[:-30])
    with pytest.raises(InputError):
        read_logs([str(log)])


@needs_linux
def test_pipes_and_devices_in_a_directory_are_not_read(tmp_path: Path) -> None:
    (tmp_path / MAIN).write_text(READY)
    os.mkfifo(tmp_path / "errors.log")
    (tmp_path / "hibernate.log").symlink_to("/dev/zero")
    (tmp_path / f"{MAIN}.1").symlink_to(tmp_path / MAIN)
    assert log_files([str(tmp_path)]) == [str(tmp_path / MAIN), str(tmp_path / f"{MAIN}.1")]


def test_a_directory_of_many_parts_is_ordered_at_once() -> None:
    begin = perf_counter()
    parts = [(f"{MAIN}.{number}", f"2026-11-24 10:00:00.{number:06}") for number in range(9999)]
    assert in_order(parts) == list(range(9999))
    assert perf_counter() - begin < 2


@needs_linux
def test_many_parts_need_no_more_files_than_the_system_allows(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"{MAIN}.{number}").write_text(READY.replace("10:00", f"10:{number // 60:02}"))
    command = shlex.join([COMMAND, "diagnose", "logs", str(tmp_path)])
    done = subprocess.run(
        ["sh", "-c", f"ulimit -n 128; {command}"], capture_output=True, text=True, env=environment(tmp_path),
        timeout=60, check=False,
    )  # fmt: skip
    assert "Healthy" in done.stdout, done.stderr


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x04\x22\x4d\x18", b"LPKSHHRH"])
@pytest.mark.parametrize("name", ["a;touch pwned.log", "-x.log", "a'b.log", "$(touch pwned).log"])
@needs_linux
def test_no_name_of_a_file_adds_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, magic: bytes, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(magic + bytes(300))
    with pytest.raises(InputError) as raised:
        read_logs([name])
    command = str(raised.value.remedy).partition(": ")[2]
    assert (f"./{name}" if name.startswith("-") else name) in shlex.split(command)


SECRET, CODE = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AbCdEfGh1234567890ab"
SECRETS = (
    f"aws_secret_access_key={SECRET}", f"aws_secret_access_key = {SECRET}", f'"SecretAccessKey":"{SECRET}"',
    f'\\"SecretAccessKey\\": \\"{SECRET}\\"', f"X-Amz-Security-Token={SECRET}", f"aws_session_token : '{SECRET}'",
    f"AKIAIOSFODNN7EXAMPLE:{SECRET}", f"ASIAIOSFODNN7EXAMPLE {SECRET}",
    f"amazon-ssm-agent -register -code {CODE} -id 1",
    f"--activation-code={CODE}", f"activationCode={CODE}", f"SSM_ACTIVATION_CODE={CODE}", f"Password: {CODE}",
    f"-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}",
)  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "head", ["", "2026-11-24 10:00:00.0000 ERROR [CredentialRefresher] Retrieve credentials produced error: "]
)
def test_no_secret_of_a_log_is_shown(tmp_path: Path, secret: str, head: str) -> None:
    log = tmp_path / "x.log"
    log.write_text(f"{head or 'some program [x] '}{secret} of it\n")
    for more in ([], ["--reveal"], ["--verbose"], ["--output", "json", "--reveal"]):
        done = subprocess.run(
            [COMMAND, "diagnose", "logs", log, *more], capture_output=True, text=True, env=environment(tmp_path),
            timeout=60, check=False,
        )  # fmt: skip
        assert SECRET[:12] not in done.stdout + done.stderr
        assert CODE[:12] not in done.stdout + done.stderr
    assert "***" in done.stdout


WORDS = (
    "status code: 400, request id: 5", "ExpiredTokenException: The security token included in the request is expired",
    "exit code 127", "InvalidToken: token 12 is expired",
)  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_words_beside_a_secret_stay(text: str) -> None:
    assert without_secrets(text) == text
