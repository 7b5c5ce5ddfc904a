"""A log gives the same timeline in each form in which operators have it, whatever the agent went through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_logs import ERRORS, PARTS, Log, hibernates, log_of, refused, starts
from fingerprint.agent.logs import Timeline, conclusion, present, read_logs, read_parts
from fingerprint.answers.logs import diagnose_logs_answer
from log_forms import FORMS

# What depends on the form, or on the name of the file.
_OF_THE_FORM = ("files", "lines", "passedOver", "notUnderstood")


def read(data: bytes, directory: Path, name: str = "agent.log") -> Timeline:
    path = directory / name
    path.write_bytes(data)
    return read_logs([str(path)])


def answer(timeline: Timeline) -> dict[str, Any]:
    found = diagnose_logs_answer(timeline, [], None, reveal=True)
    return {name: value for name, value in found.items() if name not in _OF_THE_FORM}


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.integers(0, len(PARTS) - 1), max_size=12))
def test_each_form_gives_the_timeline_of_the_plain_one(form: str, numbers: list[int], tmp_path: Path) -> None:
    log = log_of(numbers)
    found = read(FORMS[form](log), tmp_path)
    assert answer(found) == answer(read(log.text.encode(), tmp_path))
    assert found.unknown == 0, found.first_unknown


@pytest.mark.parametrize("form", FORMS)
def test_every_part_comes_through_every_form(form: str, tmp_path: Path) -> None:
    log = log_of(range(len(PARTS)))
    assert answer(read(FORMS[form](log), tmp_path)) == answer(read(log.text.encode(), tmp_path))


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("happens", [refused, hibernates])
def test_an_error_is_taken_with_all_its_lines(name: str, happens: Any, tmp_path: Path) -> None:
    log = Log()
    starts(log)
    happens(log, ERRORS[name])
    timeline = read(log.text.encode(), tmp_path)
    wait = timeline.wait
    assert wait is not None
    lines = [line.strip() for line in ERRORS[name].partition(", request id")[0].split("\n") if line.strip()]
    assert [line for line in lines if line[:60] not in wait.error][:1] == []
    assert "\\x0a" not in conclusion(timeline)[0]


@pytest.mark.parametrize("form", ["plain", "utf-16-le", "seelog-default", "crlf", "iso-offset", "nul-before"])
def test_the_ends_of_a_hosts_logs_have_any_form(form: str) -> None:
    log = log_of((1, 2, 9, 0, 1, 9))
    plain = read_parts([log.text.encode()], [], [])
    assert answer(read_parts([FORMS[form](log)], [], [], 0)) == answer(plain)
    # An end may begin within a line, or within a character.
    for cut in (1, 2, 51, 52):
        data = FORMS[form](log)
        assert present(read_parts([data[len(data) // 4 + cut :]], [], [], 0)) == present(plain)


@pytest.mark.parametrize("text", ["{text}", "{level} {text}", "{level}: {text}", "[{level}] {text}"])
def test_lines_without_a_time_give_the_same_state(text: str, tmp_path: Path) -> None:
    log = log_of((1, 2, 9, 9))
    lines = "".join(f"{text.format(text=message, level=level)}\n" for _, level, message in log.lines)
    found, plain = read(lines.encode(), tmp_path), read(log.text.encode(), tmp_path)
    assert (present(found).state, found.refusals.keys()) == (present(plain).state, plain.refusals.keys())
    assert len(found.open_mismatches) == len(plain.open_mismatches)
    assert found.began == ""
