"""Files of logs: rotated sets in their order, directories, what is no log, and what is not understood."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from agent_logs import Log, gets, log_of, refused, starts
from commandline import COMMAND, environment, run
from fingerprint.agent.logs import State, Timeline, present, read_logs
from fingerprint.agent.logs.rotation import in_order
from fingerprint.answers.logs import diagnose_logs_answer
from fingerprint.errors import InputError
from log_forms import FORMS, JOURNALS

MAIN = "amazon-ssm-agent.log"
# The parts of one log, older ones first, as programs that rotate logs name them.
SETS = {
    "agent": (f"{MAIN}.1", f"{MAIN}.2", f"{MAIN}.3", MAIN),
    "agent-two-digits": (f"{MAIN}.9", f"{MAIN}.10", f"{MAIN}.11", MAIN),
    "logrotate": ("syslog.3.gz", "syslog.2.gz", "syslog.1", "syslog"),
    "logrotate-agent": (f"{MAIN}.3.gz", f"{MAIN}.2.gz", f"{MAIN}.1", MAIN),
    "logrotate-xz": ("messages.12.xz", "messages.2.xz", "messages.1.bz2", "messages"),
    "dated": ("messages-20261122", "messages-20261123.gz", "messages-20261124", "messages"),
    "dated-dashes": (f"{MAIN}.2026-11-22.gz", f"{MAIN}.2026-11-23", f"{MAIN}.2026-11-24", MAIN),
    "dated-seelog": (f"{MAIN}.31.10.2026", f"{MAIN}.01.11.2026", f"{MAIN}.02.11.2026", MAIN),
    "dated-inside": ("agent-2026-11-22.log", "agent-2026-11-23.log.gz", "agent-2026-11-24.log", "agent.log"),
    "seconds": (f"{MAIN}-1795300000", f"{MAIN}-1795400000.gz", f"{MAIN}-1795500000.gz", MAIN),
    "greengrass": (
        "aws.greengrass.x_2026_11_23_09_0.log", "aws.greengrass.x_2026_11_23_10_0.log",
        "aws.greengrass.x_2026_11_23_10_1.log", "aws.greengrass.x.log",
    ),
    "old": (f"{MAIN}.2", f"{MAIN}.3.old", f"{MAIN}.4", MAIN),
}  # fmt: skip
PACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}


def answer(timeline: Timeline) -> dict[str, Any]:
    found = diagnose_logs_answer(timeline, [], None, reveal=True)
    return {name: value for name, value in found.items() if name not in ("lines", "passedOver", "notUnderstood")}


def long_log() -> Log:
    return log_of((1, 2, 9, 9, 5, 0, 1, 10, 0, 13, 1))


def stored(data: bytes, names: Sequence[str], directory: Path) -> list[str]:
    """Write a log as parts, cut at entries, and return their paths."""
    entries = re.findall(rb"(?m)^2026-11.*\n(?:(?!2026-11).*\n)*", data)
    size = len(entries) // len(names) + 1
    paths = []
    for number, name in enumerate(names):
        part = b"".join(entries[number * size : (number + 1) * size])
        path = directory / name
        path.write_bytes(PACK.get(path.suffix, bytes)(part))
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("name", SETS)
def test_rotated_parts_are_read_in_their_order(name: str, tmp_path: Path) -> None:
    log = long_log().text.encode()
    paths = stored(log, SETS[name], tmp_path)
    (tmp_path / "complete").write_bytes(log)
    complete = answer(read_logs([str(tmp_path / "complete")]))
    for order in permutations(paths):
        assert answer(read_logs(order)) == complete, order


@pytest.mark.parametrize("name", [name for name in SETS if name != "old"])
@pytest.mark.parametrize("at", ["", "2026-11-24 08:00:00"], ids=["no time", "one second"])
def test_names_give_the_order_if_times_do_not(name: str, at: str) -> None:
    names = SETS[name]
    for order in permutations(names):
        positions = in_order([(f"/var/log/{one}", at) for one in order])
        assert [order[position] for position in positions] == list(names), order


def test_a_directory_gives_the_logs_of_the_agent_in_it(tmp_path: Path) -> None:
    log = long_log().text.encode()
    directory = tmp_path / "var" / "log" / "amazon" / "ssm"
    directory.mkdir(parents=True)
    stored(log, (f"{MAIN}.1", f"{MAIN}.2.gz", MAIN), directory)
    (directory / "ssm-agent-worker.log").touch()
    (directory / "audits").mkdir()
    (directory / "audits" / "amazon-ssm-agent-audit-2026-11-24").write_text("SchemaVersion=1\n")
    (directory / "other.bin").write_bytes(b"PK\x03\x04")
    (tmp_path / "complete").write_bytes(log)
    complete = answer(read_logs([str(tmp_path / "complete")]))
    for path in (directory, tmp_path):
        assert answer(read_logs([str(path)])) == complete


def test_a_directory_of_copied_logs_is_read(tmp_path: Path) -> None:
    log = long_log().text.encode()
    (tmp_path / "journal.txt").write_bytes(log)
    assert read_logs([str(tmp_path)]).lines == log.count(b"\n")


def test_a_directory_without_logs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no logs in the directory"):
        read_logs([str(tmp_path)])
    assert run("diagnose", "logs", str(tmp_path), env=environment(tmp_path)).returncode == 3
    for name in ("web-1", "web-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / MAIN).write_text(long_log().text)
    with pytest.raises(InputError, match="several agents") as error:
        read_logs([str(tmp_path)])
    assert "web-1" in error.value.remedy


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(MAIN, data)
    return file.getvalue()


def tarred(data: bytes, mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo(MAIN)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.mark.parametrize(
    ("make", "what"),
    [(zipped, "a ZIP archive"), (tarred, "a tar archive"), (lambda data: tarred(data, "w:gz"), "a tar archive"),
     (lambda data: b"LPKSHHRH" + data, "a binary journal"), (lambda data: b"\x04\x22\x4d\x18" + data, "LZ4"),
     (lambda data: b"7z\xbc\xaf\x27\x1c" + data, "7z"), (lambda data: b"ElfFile\0" + data, "event log")],
)  # fmt: skip
def test_what_is_no_log_is_named(make: Callable[[bytes], bytes], what: str, tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_bytes(make(long_log().text.encode()))
    with pytest.raises(InputError, match=what):
        read_logs([str(path)])


def zstd(data: bytes) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    return bytes(pyarrow.compress(data, "zstd", asbytes=True))


def test_zstd_is_read_with_the_extra_or_named(tmp_path: Path) -> None:
    log = long_log().text.encode()
    path = tmp_path / "agent.log.zst"
    sink = pytest.importorskip("pyarrow").CompressedOutputStream(str(path), "zstd")
    sink.write(log)
    sink.close()
    (tmp_path / "complete").write_bytes(log)
    assert answer(read_logs([str(path)])) == answer(read_logs([str(tmp_path / "complete")]))
    code = (
        "import sys; sys.modules['pyarrow'] = None; sys.modules['compression'] = None\n"
        "from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    words = [sys.executable, "-I", "-c", code, "diagnose", "logs", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment(tmp_path))
    assert done.returncode == 3
    assert "zstd -dc" in done.stderr


@pytest.mark.parametrize("pack", PACK.values(), ids=list(PACK))
def test_a_damaged_compressed_log_is_an_error(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    data = pack(long_log().text.encode())
    for damaged in (data[:-20], data[:40] + b"\0" * 20 + data[60:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"agent\.log"):
            read_logs([str(path)])


FOREIGN = {
    "words": ["lorem ipsum dolor", "sit amet"],
    "kernel": ["[    0.000000] Linux version 6.1.0", "[    1.500000] random crng init done"],
    "dates": ["2026-11-24 something without a level", "2026/11/24 08:00:00 accepted 10.0.0.1"],
    "json": ['{"a": 1}', "[1, 2, 3]"],
    "binary": ["\x01\x02\x03\x04", "\x7fELF"],
}


@pytest.mark.parametrize("name", FOREIGN)
def test_lines_not_understood_are_counted_and_quoted(name: str, tmp_path: Path) -> None:
    lines = long_log().text.splitlines()
    at = lines.index(next(line for line in lines if line.endswith("Starting Core Agent"))) + 1
    path = tmp_path / "agent.log"
    path.write_text("\n".join(lines[:at] + FOREIGN[name] + lines[at:]) + "\n")
    timeline = read_logs([str(path)])
    assert (timeline.unknown, timeline.others) == (2, 0)
    assert timeline.first_unknown == (str(path), at + 1, FOREIGN[name][0])
    (tmp_path / "plain").write_text("\n".join(lines) + "\n")
    assert answer(timeline) == answer(read_logs([str(tmp_path / "plain")]))
    done = run("diagnose", "logs", str(path), env=environment(tmp_path))
    assert "2 lines were not understood" in " ".join(done.stdout.split())
    assert f"{path.name}:{at + 1}:" in done.stdout.replace("\n", "").replace(" ", "")
    found = json.loads(run("diagnose", "logs", str(path), "--output", "json", env=environment(tmp_path)).stdout)
    assert found["notUnderstood"]["first"]["line"] == at + 1


def test_other_programs_of_a_journal_are_not_the_agents(tmp_path: Path) -> None:
    path = tmp_path / "journal.txt"
    path.write_bytes(FORMS["journal-short"](long_log()))
    timeline = read_logs([str(path)])
    assert timeline.others == path.read_text().count("sshd")
    assert timeline.unknown == 0
    shown = run("diagnose", "logs", "--verbose", str(path), env=environment(tmp_path)).stdout
    assert f"{timeline.others} of them of other programs" in " ".join(shown.split())


@pytest.mark.parametrize("form", ["syslog", "journal-json", "rfc5424"])
def test_a_journal_without_the_agent_cannot_tell(form: str, tmp_path: Path) -> None:
    lines = [line for line in JOURNALS[form](long_log()).decode().splitlines(keepends=True) if "sshd" in line]
    path = tmp_path / "journal.txt"
    path.write_text("".join(lines))
    timeline = read_logs([str(path)])
    assert (timeline.entries, timeline.others) == (0, len(lines))
    assert present(timeline).state == State.CANNOT_TELL
    assert run("diagnose", "logs", str(path), env=environment(tmp_path)).returncode == 3


@pytest.mark.parametrize("offset", ["+02:00", "-05:30"])
def test_times_with_a_zone_are_those_of_local_times(offset: str, tmp_path: Path) -> None:
    ahead = datetime.strptime(offset, "%z").utcoffset()
    assert ahead is not None
    log, local = long_log(), long_log()
    local.lines = [(at + int(ahead.total_seconds()), level, text) for at, level, text in log.lines]
    found = []
    for name, data in (("zones", FORMS["iso"](log)), ("nanoseconds", FORMS["seelog-default"](log)),
                       ("local", local.text.encode())):  # fmt: skip
        path = tmp_path / f"{name}.log"
        path.write_bytes(data)
        done = run(
            "diagnose", "logs", str(path), f"--utc-offset={offset}", "--output", "json", env=environment(tmp_path)
        )
        found.append(json.loads(done.stdout))
    assert found[0]["starts"] == found[1]["starts"] == found[2]["starts"]
    assert found[0]["timeline"] == found[1]["timeline"] == found[2]["timeline"]


def test_times_that_are_all_in_utc_are_printed_as_such(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    log = long_log()
    path.write_bytes(FORMS["seelog-default"](log))
    found = json.loads(run("diagnose", "logs", str(path), "--output", "json", env=environment(tmp_path)).stdout)
    utc = found["utc"], found["began"]
    path.write_text(log.text)
    assert utc == (True, read_logs([str(path)]).began.replace(" ", "T") + "Z")
    found = json.loads(run("diagnose", "logs", str(path), "--output", "json", env=environment(tmp_path)).stdout)
    assert found["utc"] is False


def test_an_entry_across_blocks_is_complete(tmp_path: Path) -> None:
    """Its lines are read in two blocks, wherever the border is."""
    log = Log()
    starts(log)
    refused(log, "RequestError: send request failed\ncaused by: Post: x509: unknown authority\n\tstatus code: 0")
    gets(log)
    filler = f"{log.clock(0)}.1234 DEBUG [x] {'y' * 200}\n".encode()
    text = log.text.encode()
    path = tmp_path / "agent.log"
    block = 1 << 20
    for shift in (0, text.index(b"ERROR"), text.index(b"caused"), text.index(b"status"), text.index(b"status") + 20):
        fill = (filler * (block // len(filler) + 1))[: block - shift - 1] + b"\n"
        path.write_bytes(fill + text)
        [event] = [event for event in read_logs([str(path)]).events if event[1] == "refused"]
        assert "unknown authority" in event[2]


def test_a_wrapped_log_is_read_in_constant_memory(tmp_path: Path) -> None:
    entry = FORMS["journal-short"](long_log())
    path = tmp_path / "journal.txt"
    code = (
        "import re, sys\nfrom fingerprint.agent.logs import read_logs\nread_logs([sys.argv[1]])\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    )
    used = []
    for megabytes in (6, 24):
        path.write_bytes(entry * (megabytes * (1 << 20) // len(entry)))
        done = subprocess.run([sys.executable, "-I", "-c", code, str(path)], capture_output=True, text=True, check=True)
        used.append(int(done.stdout))
    assert used[1] - used[0] < 12, used


def test_a_printed_remedy_reads_what_it_names(tmp_path: Path) -> None:
    """A binary journal is printed by journalctl; here a file of its export takes the place of its output."""
    path = tmp_path / "system.journal"
    path.write_bytes(b"LPKSHHRH" + b"\0" * 300)
    with pytest.raises(InputError) as error:
        read_logs([str(path)])
    first, _, second = error.value.remedy.partition(": ")[2].partition(" | ")
    assert shlex.split(first)[-2:] == ["-o", "export"]
    (tmp_path / "exported").write_bytes(FORMS["journal-export"](long_log()))
    words = shlex.join([COMMAND, *shlex.split(second)[1:]])
    done = subprocess.run(["bash", "-c", f"{words} < exported"], cwd=tmp_path, capture_output=True, check=False,
                          env={**os.environ, **environment(tmp_path)})  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
