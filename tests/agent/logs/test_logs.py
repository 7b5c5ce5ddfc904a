"""The agent's logs: the published case, both forms of lines, several files, and any other content."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fingerprint
from commandline import COMMAND, environment, run
from fingerprint.agent.logs import (
    State,
    Timeline,
    TimelineBuilder,
    conclusion,
    duration,
    next_try,
    offset_of,
    parse,
    present,
    read_logs,
    read_parts,
    to_utc,
)
from fingerprint.errors import InputError
from printed import commands_in
from shared import VECTORS, needs_vectors

# The attributes that changed in the published case of an upgrade of Ubuntu; the address is logged twice.
UPGRADE = ("IP Address", "processor-hash", "ipaddress-info", "disk-info", "memory-hash", "bios-hash", "system-hash")
THRESHOLD = "Machine configuration has changed more than the allowed threshold."


def line(at: str, level: str, text: str, context: str = "[OnPremCredsProvider] ") -> str:
    return f"2024-05-07 {at}.1234 {level} {context}{text}\n"


def changed(at: str, name: str, saved: str = "old", current: str = "new") -> str:
    text = f"The '{name}' value ({current}) has changed from the registered machine configuration value ({saved})."
    return line(at, "WARN", text)


def mismatch(at: str, names: tuple[str, ...] = UPGRADE) -> str:
    head = line(at, "ERROR", f"Cannot connect to AWS Systems Manager.  {THRESHOLD}")
    return head + "".join(changed(at, name) for name in names)


def refused(at: str, pause: str = "25m47s") -> str:
    error = "MachineFingerprintDoesNotMatch: Fingerprint does not match registration data"
    return line(at, "ERROR", f"Retrieve credentials produced error: {error}", "[CredentialRefresher] ") + line(
        at, "INFO", f"Sleeping for {pause} before retrying retrieve credentials", "[CredentialRefresher] "
    )


REGENERATED = "Calculated hardware difference, regenerating fingerprint..."
LOG = (
    line("08:00:00", "INFO", "amazon-ssm-agent - v3.3.0.0", "[amazon-ssm-agent] ")
    + line("08:00:01", "INFO", "Credentials ready", "[CredentialRefresher] ")
    + line("08:31:00", "INFO", "amazon-ssm-agent - v3.3.551.0", "[amazon-ssm-agent] ")
    + "".join(mismatch(f"08:31:{second:02}") for second in (1, 6, 11, 16))
    + line("08:31:16", "INFO", REGENERATED)
    + refused("08:31:17")
    + refused("08:57:05")
)


def timeline_of(text: str, directory: Path) -> Timeline:
    path = directory / "amazon-ssm-agent.log"
    path.write_text(text)
    return read_logs([str(path)])


def test_the_published_case_of_an_upgrade_is_3_of_9(tmp_path: Path) -> None:
    timeline = timeline_of(LOG, tmp_path)
    [found] = timeline.mismatches
    assert (found.matched, found.times) == (3, 4)
    assert len(found.changed) == 6
    assert timeline.regenerated_at == ["2024-05-07 08:31:16"]
    assert timeline.last_good == "2024-05-07 08:00:01"
    assert timeline.versions == ["3.3.0.0", "3.3.551.0"]
    assert timeline.wasted == 2
    assert timeline.hibernating
    assert next_try(timeline)[0] == "2024-05-07 09:22:52"
    text, steps, unknown = conclusion(timeline)
    assert text.startswith("Failing since 2024-05-07 08:31:01: the machine differed from its record")
    assert "rejects the new one permanently; 2 retries since then wasted" in text
    assert "A lower threshold does not help now" in steps[-1]
    assert unknown == []


def test_lines_without_a_time_give_all_but_the_time(tmp_path: Path) -> None:
    """Lines as they are quoted in a ticket."""
    text = "".join(part.partition(".1234 ")[2] for part in LOG.splitlines(keepends=True))
    timeline = timeline_of(text, tmp_path)
    assert timeline.mismatches[0].matched == 3
    assert timeline.began == next_try(timeline)[0] == ""
    assert "when: the lines have no time" in conclusion(timeline)[2]


def test_a_journals_prefix_does_not_matter(tmp_path: Path) -> None:
    text = "".join(f"2024-05-07T08:00:00+02:00 web-7 amazon-ssm-agent[812]: {part}\n" for part in LOG.splitlines())
    assert timeline_of(text, tmp_path).regenerated_at == ["2024-05-07 08:31:16"]


def test_a_hardware_id_is_logged_with_its_end_of_line(tmp_path: Path) -> None:
    text = "The hardware ID (aaaa\n) has changed from the registered value (bbbb\n)."
    timeline = timeline_of(line("08:00:00", "ERROR", text) + line("08:00:15", "INFO", REGENERATED), tmp_path)
    [found] = timeline.mismatches
    assert found.id_differs
    assert found.changed == {"hardware ID": ("bbbb", "aaaa")}
    assert found.matched is None


def test_hidden_attributes_are_reported_as_missing(tmp_path: Path) -> None:
    timeline = timeline_of(mismatch("08:00:00", ()), tmp_path)
    assert timeline.mismatches[0].matched is None
    assert "which attributes changed" in conclusion(timeline)[2][0]


def test_the_older_form_is_parsed(tmp_path: Path) -> None:
    text = line("08:00:00", "DEBUG", "saved hardware hash is not equal to current") + changed("08:00:00", "disk-info")
    assert timeline_of(text, tmp_path).mismatches[0].matched == 8


def test_the_workers_hibernation_is_shown_with_its_steps(tmp_path: Path) -> None:
    text = (
        "2024-05-07 08:00:00 INFO Entering SSM Agent hibernate - AccessDeniedException: no\n"
        "2024-05-07 08:05:00 INFO Agent is in hibernate mode. Reducing logging.\n"
        "2024-05-07 08:05:00 INFO Backing off health check to every 600 seconds for 1800 seconds.\n"
        "2024-05-07 08:05:01 ERROR Health ping failed with error - AccessDeniedException\n"
    )
    timeline = timeline_of(text, tmp_path)
    assert timeline.hibernating
    assert next_try(timeline)[0] == "2024-05-07 08:15:00"
    assert present(timeline).state == State.FAILING
    assert "it has credentials, and its role does not allow health reports" in conclusion(timeline)[0]


WORKER = "2024-05-07 07:30:00.1000 INFO [ssm-agent-worker] ssm-agent-worker - v{}\n"
HIBERNATES = (
    "2024-05-07 08:00:00.1000 INFO [ssm-agent-worker] Entering SSM Agent hibernate - AccessDeniedException: x\n"
)


@pytest.mark.parametrize(
    ("version", "first"), [("3.0.529.0", "08:05:00"), ("3.3.2298.0", "08:05:00"), ("3.3.5828.0", "08:05:00")]
)
def test_a_worker_shows_the_version_of_an_earlier_started_agent(version: str, first: str) -> None:
    timeline = read_parts([(WORKER.format(version) + HIBERNATES).encode()], [], [])
    assert (timeline.versions, timeline.run.version) == ([version], version)
    assert next_try(timeline) == (f"2024-05-07 {first}", f"2024-05-07 {first}",
                               f"the schedule of {version}, for its health pings")  # fmt: skip


def test_the_agents_version_overrides_its_workers() -> None:
    # Until the core agent restarts, the worker of another version may be started.
    start = "2024-05-07 07:00:00.1000 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.987.0\n"
    timeline = read_parts([(start + WORKER.format("3.3.2299.0") + HIBERNATES).encode()], [], [])
    assert (timeline.versions, timeline.run.version) == (["3.3.987.0"], "3.3.987.0")


def test_credentials_end_a_hibernation(tmp_path: Path) -> None:
    timeline = timeline_of(refused("08:00:00") + line("08:30:00", "INFO", "Credentials ready"), tmp_path)
    assert not timeline.hibernating
    assert next_try(timeline)[0] == ""


def test_rotated_compressed_and_repeated_lines_give_one_timeline(tmp_path: Path) -> None:
    lines = LOG.splitlines(keepends=True)
    (tmp_path / "log.1.gz").write_bytes(gzip.compress("".join(lines[:15]).encode()))
    (tmp_path / "log").write_text("".join(lines[15:]))
    (tmp_path / "errors.log").write_text("".join(part for part in lines if " ERROR " in part))
    paths = [str(tmp_path / name) for name in ("log", "errors.log", "log.1.gz")]
    timeline = read_logs(paths)
    complete = timeline_of(LOG, tmp_path)
    assert (timeline.mismatches[0].matched, timeline.mismatches[0].times) == (3, complete.mismatches[0].times)
    assert timeline.wasted == complete.wasted
    assert timeline.events == complete.events


def test_a_long_log_takes_no_memory(tmp_path: Path) -> None:
    """Repetitions are one event of the timeline, and the timeline has a limit."""
    text = "".join(refused(f"{h:02}:{m:02}:00", f"{m}m{h}s") for h in range(24) for m in range(60))
    timeline = timeline_of(text, tmp_path)
    assert len(timeline.events) <= 400
    assert timeline.dropped > 2000
    assert timeline.refusals["MachineFingerprintDoesNotMatch"][0] == 24 * 60


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "log.gz"
    broken.write_bytes(gzip.compress(LOG.encode())[:-20])
    with pytest.raises(InputError, match=r"log\.gz"):
        read_logs([str(broken)])
    with pytest.raises(InputError, match="nowhere"):
        read_logs([str(tmp_path / "nowhere")])


@pytest.mark.parametrize("words", ["entering hibernation due to error", "unable to acquire credentials"])
def test_lines_of_a_console_count_as_the_agents(words: str, tmp_path: Path) -> None:
    text = f"2026/05/23 17:01:51Z: SSM Agent {words}: <error>AccessDeniedException: x</error>\n"
    assert timeline_of(text + "[    0.0] Linux\n", tmp_path).passed_over == 1


@needs_vectors
def test_the_log_of_a_real_agent_is_understood(tmp_path: Path) -> None:
    recorded = json.loads((VECTORS / "wire" / "agent_hibernation.json").read_text())
    timeline = timeline_of("\n".join(recorded["console"]) + "\n", tmp_path)
    assert timeline.versions == ["3.3.0.0"]
    assert timeline.refusals["MachineFingerprintDoesNotMatch"][0] == 1
    assert next_try(timeline)[0] == "2026-11-24 03:17:45"


@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(LOG.splitlines())), max_size=40))
def test_arbitrary_log_lines_never_raise(lines: list[str]) -> None:
    timeline = TimelineBuilder()
    for text in lines:
        entry = parse(text)
        if entry is not None:
            timeline.take(entry)
    timeline.finish()
    assert all(conclusion(timeline)[:1])


@given(st.binary(max_size=3000))
def test_arbitrary_files_raise_inputerror_only(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(data)
    try:
        read_logs([str(path)])
    except InputError:
        return


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("25m47s", 1547.0), ("1h2m3s", 3723.0), ("17.5s", 17.5), ("500ms", 0.5), ("", None), ("soon", None), ("5x", None)],
)
def test_durations_are_those_of_go(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


def test_local_times_become_utc_by_an_offset() -> None:
    assert to_utc("2024-05-07 08:31:16", offset_of("+02:00")) == "2024-05-07T06:31:16Z"
    assert offset_of("-0530") == -timedelta(hours=5, minutes=30)
    for text in ("2", "+25:00", "CEST"):
        with pytest.raises(ValueError, match="offset"):
            offset_of(text)


@pytest.mark.parametrize("day", ["2026-02-31", "2026-02-29", "2026-04-31", "2026-06-31"])
@pytest.mark.parametrize("words", [(), ("--utc-offset", "+02:00"), ("--output", "json", "--utc-offset=-05:30")])
def test_a_day_that_no_calendar_has_is_printed_as_logged(tmp_path: Path, day: str, words: tuple[str, ...]) -> None:
    text = f"{day} 08:31:16 ERROR [ssm-agent-worker] Entering SSM Agent hibernate - x\n"
    done = command(tmp_path, *words, text=text)
    assert done.returncode == 3, done.stderr
    assert f"{day} 08:31:16" in done.stdout
    assert not done.stderr


def command(tmp_path: Path, *words: str, text: str = LOG) -> Any:
    path = tmp_path / "agent.log"
    path.write_text(text)
    return run("diagnose", "logs", str(path), *words, env=environment(tmp_path))


def test_the_command_shows_score_conclusion_and_steps(tmp_path: Path) -> None:
    done = command(tmp_path, "--verbose")
    assert done.returncode == 1
    assert "3/9 = 33.3 %" in done.stdout
    assert [text for text in done.stdout.splitlines() if len(text) > 80 and not commands_in(text)] == []
    answer = json.loads(command(tmp_path, "--utc-offset", "+02:00", "--output", "json").stdout)
    schema = Path(fingerprint.__file__).parent / "schemas" / "diagnose-logs.json"
    jsonschema.validate(answer, json.loads(schema.read_text()))
    assert answer["mismatches"][0]["percent"] == 33.3333
    assert answer["regeneratedAt"] == ["2024-05-07T06:31:16Z"]


def test_the_command_reports_a_log_without_entries(tmp_path: Path) -> None:
    assert command(tmp_path, text="hello\n").returncode == 3
    assert command(tmp_path, text=line("08:00:00", "INFO", "Credentials ready")).returncode == 0
    assert command(tmp_path, "--utc-offset", "tea").returncode == 2
    assert run("diagnose", "logs", env=environment(tmp_path)).returncode == 2
    assert run("diagnose", "logs", "/nowhere/a.log", env=environment(tmp_path)).returncode == 3


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("source", ["<(cat stored)", "- < <(cat stored)"], ids=["named", "standard input"])
def test_a_log_comes_complete_through_a_pipe(tmp_path: Path, source: str, packed: bool) -> None:
    """A pipe can be opened and read only once, and holds less than this log."""
    text = LOG + line("09:00:00", "INFO", "Credentials ready") * 5_000
    (tmp_path / "stored").write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    done = subprocess.run(
        ["bash", "-c", f"{COMMAND} diagnose logs --output json {source}"], cwd=tmp_path, capture_output=True,
        check=False, env=environment(tmp_path),
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert (answer["lines"], len(answer["mismatches"])) == (text.count("\n"), 1)


def test_a_compressed_log_is_read_in_any_chunks(tmp_path: Path) -> None:
    with subprocess.Popen(
        [COMMAND, "diagnose", "logs", "--verbose", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
    ) as process:
        assert process.stdin is not None
        data = gzip.compress(LOG.encode())
        for part in (data[:1], data[1:]):
            time.sleep(0.3)
            process.stdin.write(part)
            process.stdin.flush()
        shown, _ = process.communicate(timeout=30)
    assert b"3/9 = 33.3 %" in shown


def test_a_log_without_events_has_no_timeline(tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("not of an agent\n")
    done = run("diagnose", "logs", str(tmp_path / "x.log"))
    assert done.returncode == 3
    assert "Timeline" not in done.stdout
    assert "no line of the agent about its fingerprint in 1 line" in done.stderr.splitlines()[0]
    assert "1 lines" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="another system has no such terminals")
def test_one_end_of_file_ends_input_from_a_terminal(tmp_path: Path) -> None:
    terminal, side = os.openpty()
    try:
        with subprocess.Popen([COMMAND, "diagnose", "logs", "-"], stdin=side, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=environment(tmp_path)) as process:  # fmt: skip
            time.sleep(0.5)
            os.write(terminal, b"\x04")
            assert process.wait(20) == 3
    finally:
        os.close(terminal)
        os.close(side)


def test_ids_in_a_log_are_masked_unless_revealed(tmp_path: Path) -> None:
    secret = "5f0c7b3a9e1d4c6f8a2b4d6e8f0a1c3e"
    differs = f"The hardware ID ({secret}\n) has changed from the registered value ({secret[::-1]}\n)."
    text = line("08:00:00", "ERROR", differs)
    assert secret not in command(tmp_path, "--verbose", text=text).stdout
    assert secret in command(tmp_path, "--verbose", "--reveal", text=text).stdout


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_timeline_has_ids_masked_and_no_passwords(tmp_path: Path, form: str) -> None:
    node, account = "mi-0123456789abcdef0", "123456789012"
    error = f'RequestError: arn:aws:sts::{account}:role/{node}, "http://bob:hunter2@proxy:80"'
    text = line("08:00:00", "ERROR", f"Retrieve credentials produced error: {error}")
    words = ("--verbose",) if form == "text" else ()
    answer = command(tmp_path, "--output", form, *words, text=text).stdout
    revealed = command(tmp_path, "--output", form, "--reveal", *words, text=text).stdout
    assert [one for one in (node, account, "hunter2") if one in answer] == []
    assert [one for one in (node, account, "hunter2") if one in " ".join(revealed.split())] == [node, account]
