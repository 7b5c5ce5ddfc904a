"""Updates that failed, and sessions that the role does not allow, out of the agent's logs: recognised and explained."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent_machines import line, ready, refused, started
from commandline import environment, run
from fingerprint.agent.logs import State, Timeline, parse, present, read_parts
from fingerprint.agent.logs.updates import KINDS, Beside
from fingerprint.agent.paths import UPDATE_LOG
from fingerprint.agent.versions import LOG_LINES
from update_logs import REASONS, WANTED, failure, info

CHANNEL = (
    "Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request "
    "failed: unexpected response from the service {}"
)
DENIALS = (
    "<AccessDeniedException>\\n  <Message>Unauthorized request</Message>\\n</AccessDeniedException>",
    "AccessDeniedException: User is not authorized to perform: ssmmessages:CreateControlChannel",
    "<UnauthorizedRequest>Unauthorized request</UnauthorizedRequest>",
)
NO_DENIALS = ("<InternalFailure/>", "read tcp 10.0.0.7: connection reset by peer", "<html>503</html>")


def timeline_of(*lines: str) -> Timeline:
    return read_parts(["".join(lines).encode()], [], [])


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("ended", [True, False])
def test_each_form_of_the_two_messages_is_parsed_and_explained(reason: str, ended: bool) -> None:
    kind, source, target = REASONS[reason]
    timeline = timeline_of(failure("10:00:00", reason, target or WANTED) if ended else info("10:00:00", reason))
    failed = timeline.beside.failed
    assert failed is not None
    assert (failed.kind, failed.source, failed.text) == (kind, source, reason)
    assert failed.target == (target or (WANTED if ended else ""))
    assert failed.at == "2026-11-24 10:00:00"
    assert "two weeks" in " ".join(failed.meaning.split())
    assert failed.remedy


def test_a_new_minute_does_not_separate_a_reason_from_its_end() -> None:
    reason = "amazon-ssm-agent target version 3.3.5828.0 is unsupported on current platform"
    timeline = timeline_of(info("10:59:59", reason), info("11:00:00", f"Failed to update amazon-ssm-agent to {WANTED}"))
    assert timeline.beside.failed is not None
    assert (timeline.beside.failed.kind, timeline.beside.failed.at) == ("unsupported", "2026-11-24 10:59:59")


def test_another_failure_is_not_taken_for_one_of_the_two() -> None:
    reason = next(iter(REASONS))
    later = info("11:00:00", "Failed to update amazon-ssm-agent to 3.3.5828.0")
    failed = timeline_of(failure("10:00:00", reason), later).beside.failed
    assert failed is not None
    assert (failed.kind, failed.at, failed.target) == ("other", "2026-11-24 11:00:00", WANTED)


def test_a_later_success_replaces_the_failure() -> None:
    done = info("11:00:00", f"amazon-ssm-agent updated successfully to {WANTED}")
    beside = timeline_of(failure("10:00:00", next(iter(REASONS))), done).beside
    assert (beside.failed, beside.updated) == (None, ("2026-11-24 11:00:00", WANTED))
    beside = timeline_of(done, failure("12:00:00", next(iter(REASONS)))).beside
    assert beside.updated is None
    assert beside.failed is not None


@pytest.mark.parametrize("denial", DENIALS)
def test_a_denied_channel_is_shown_until_it_opens_or_a_start(denial: str) -> None:
    denied = line("09:00:00", "ERROR", CHANNEL.format(denial), "[MessageService] ")
    before = started("08:00:00") + ready("08:00:01")
    beside = timeline_of(before, denied).beside
    assert (beside.channel_denied_at, "CreateControlChannel failed" in beside.channel_denied) == (
        "2026-11-24 09:00:00", True)  # fmt: skip
    opened = info("09:10:00", "Set up control channel successfully")
    for after in (opened, started("09:10:00"), line("09:10:00", "ERROR", CHANNEL.format(NO_DENIALS[1]), "")):
        assert timeline_of(before, denied, after).beside.channel_denied == ""
    assert timeline_of(before, opened, denied).beside.channel_denied


@pytest.mark.parametrize("error", NO_DENIALS)
def test_another_error_of_the_channel_is_not_about_rights(error: str) -> None:
    assert timeline_of(line("09:00:00", "ERROR", CHANNEL.format(error), "")).beside.channel_denied == ""


@pytest.mark.parametrize("beside", [*REASONS, *(CHANNEL.format(one) for one in DENIALS)])
def test_updates_and_sessions_do_not_change_the_agents_state(beside: str) -> None:
    healthy = started("08:00:00") + ready("08:00:01")
    for log in (healthy, healthy + refused("10:00:00"), healthy + started("09:00:00") + refused("10:00:00")):
        alone = timeline_of(log)
        # Before, between and after all other lines.
        lines = log.splitlines(keepends=True)
        for at in range(len(lines) + 1):
            timeline = timeline_of(*lines[:at], line("10:00:00", "ERROR", beside, ""), *lines[at:])
            assert present(timeline) == present(alone)
            assert (timeline.refusals, timeline.last_good, timeline.wait is None) == (
                alone.refusals, alone.last_good, alone.wait is None)  # fmt: skip


def test_every_kind_has_its_lines_and_every_line_its_kind() -> None:
    assert {entry.kind for entry in LOG_LINES} >= set(KINDS)
    for text in (*REASONS, "amazon-ssm-agent updated successfully to 3.3.5828.0", CHANNEL.format("x")):
        entry = parse(info("10:00:00", text))
        assert entry is not None
        assert entry.kind in KINDS


@given(st.lists(st.tuples(st.sampled_from([piece.text for piece in LOG_LINES if piece.kind in KINDS]), st.text())))
def test_any_text_around_the_message_is_accepted(pieces: list[tuple[str, str]]) -> None:
    beside = Beside()
    for words, around in pieces:
        entry = parse(f"2026-11-24 10:00:00 ERROR {around}{words}{around}".replace("\n", " "))
        if entry is not None and entry.kind in KINDS:
            beside.take(entry)
    if beside.failed is not None:
        assert beside.failed.meaning
        assert beside.failed.remedy


# The command.


def answer(directory: Path, *logs: Path) -> dict[str, Any]:
    done = run("diagnose", "logs", "--output", "json", *map(str, logs), env=environment(directory))
    found: dict[str, Any] = json.loads(done.stdout)
    schema = resources.files("fingerprint") / "schemas" / "diagnose-logs.json"
    Draft202012Validator(json.loads(schema.read_text())).validate(found)
    return found


@pytest.mark.parametrize("reason", REASONS)
def test_a_failed_update_is_explained_beside_the_state(tmp_path: Path, reason: str) -> None:
    main, update = tmp_path / "amazon-ssm-agent.log", tmp_path / UPDATE_LOG
    main.write_text(started("08:00:00") + ready("08:00:01"))
    update.write_text(failure("10:00:00", reason, REASONS[reason][2] or WANTED))
    found = answer(tmp_path, main, update)
    assert (found["state"], found["failedUpdate"]["kind"]) == ("healthy", REASONS[reason][0])
    assert found["failedUpdate"]["text"] == reason
    done = run("diagnose", "logs", str(main), str(update), env=environment(tmp_path))
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    assert "Update the last one" in text
    assert found["failedUpdate"]["remedy"] in text
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_reason_why_no_session_starts_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "amazon-ssm-agent.log"
    denied = line("09:00:00", "ERROR", CHANNEL.format(DENIALS[0]), "[MessageService] ")
    log.write_text(started("08:00:00") + ready("08:00:01") + denied)
    found = answer(tmp_path, log)
    assert (found["state"], found["failedUpdate"]) == ("healthy", None)
    assert "CreateControlChannel" in found["channelDenied"]
    assert "ssmmessages:CreateControlChannel" in run("diagnose", "logs", str(log), env=environment(tmp_path)).stdout


@pytest.mark.parametrize(
    ("lines", "step"),
    [((), "fingerprint diagnose"), ((failure("10:00:00", next(iter(REASONS)), WANTED),), "Name amazon-ssm-agent.log")],
    ids=["empty", "update log"],
)
def test_without_the_main_log_the_command_asks_for_it(lines: tuple[str, ...], step: str) -> None:
    found = present(timeline_of(*lines))
    assert found.state == State.CANNOT_TELL
    assert found.steps[0].startswith(step)


def test_an_unsupported_plug_in_is_no_failed_update() -> None:
    text = line("08:00:00", "ERROR", "Plugin aws:domainJoin is unsupported on current platform", "[ssm-agent-worker] ")
    assert read_parts([text.encode()], [], []).beside.failed is None
