"""A log that is cut at any line, or within one, gives the state of the agent at that time, or an unknown with a reason.

`recorded_states.txt` has the state of each recorded agent by time. It was written from what was done to the agents and
from their lines, not from the product's answers.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from agent_runs import RUNS, Row, made
from fingerprint.agent.logs import State, conclusion, parse, present, read_logs
from recorded_states import CAUSES, STATES, recorded
from shared import CASES

RECORDED = CASES / "agent" / "logs"
needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="logs of the real agent are not part of it")
_LATE_SECONDS = 2
_TIME = re.compile(rb"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d\.\d{4}) ")
ROWS = recorded()


class Cut:
    """What is right after the first bytes of a log.

    Attributes:
        row: of the table at that time.
        shown: whether the lines that show its state are in the log.
        last: whether the next line belongs to the next row.
        before: the row before it, if the line that shows its state is being written: lines of several processes and
            threads are written up to two seconds after their time.
    """

    def __init__(self, row: Row, *, shown: bool, last: bool = False, before: Row | None = None) -> None:
        self.row, self.shown, self.last, self.before = row, shown, last, before or row


def _row_at(rows: list[Row], at: str) -> Row:
    return next(row for row in reversed(rows) if row[0] <= at)


def _late(rows: list[Row], row: Row, now: str) -> Row | None:
    """Return the row before one that began less than two seconds ago."""
    began, ended = (60 * int(at[3:5]) + float(at[6:]) for at in (row[0], now))
    return rows[max(0, rows.index(row) - 1)] if ended - began < _LATE_SECONDS else None


def cuts_of(data: bytes, rows: list[Row]) -> list[tuple[int, Cut]]:
    """Return each length at which a log is cut, with what is right then; the longest first."""
    found: list[tuple[int, Cut]] = []
    lines = data.splitlines(keepends=True)
    times = [match[1].decode() if (match := _TIME.match(line)) else "" for line in lines]
    length, now, seen = 0, "", set()
    for number, line in enumerate(lines):
        row_of_before = _row_at(rows, now or rows[0][0])
        now = max(now, times[number])
        row = _row_at(rows, now)
        late = _late(rows, row, now) if row[0] not in seen else None
        within = len(line) // 2
        # What is not an entry is cut within less often: half of a line that says nothing says nothing either.
        if within and (number % 10 == 0 or parse(line.decode("utf-8", "replace")) is not None):
            before = late if late is not None else row_of_before
            found.append((length + within, Cut(row, shown=row[0] in seen, before=before)))
        length += len(line)
        after = next((time for time in times[number + 1 :] if time), "")
        if times[number] == row[0] and after != row[0]:
            # Several lines may have the time at which a state begins; the last of them shows it.
            seen.add(row[0])
        last = length == len(data) or _row_at(rows, max(now, after)) != row
        found.append((length, Cut(row, shown=row[0] in seen, last=last, before=None if row[0] in seen else late)))
    return found[::-1]


def wrong_cuts(data: bytes, rows: list[Row], path: Path, counted: Counter[str]) -> list[tuple[str, ...]]:
    """Return the cuts of a log at which a wrong state is concluded."""
    wrong = []
    path.write_bytes(data)
    for length, cut in cuts_of(data, rows):
        os.truncate(path, length)
        timeline = read_logs([str(path)])
        now, text = present(timeline), conclusion(timeline)[0]
        at, state, cause = cut.row
        counted["cuts"] += 1
        counted[str(now.state)] += 1
        expected, right = STATES[state], {STATES[state], STATES[cut.before[1]]}
        if now.state not in right and (cut.shown or now.state != State.CANNOT_TELL):
            wrong.append((at, state, str(length), str(now.state), text))
        elif now.state == State.CANNOT_TELL and not now.cause:
            wrong.append((at, state, str(length), "no reason", text))
        elif state == "starting" and cut.shown and "start" not in text:
            wrong.append((at, state, str(length), "does not say that it starts", text))
        elif cut.last and now.state == expected and not re.search(CAUSES[cause], now.cause):
            wrong.append((at, state, str(length), f"not the cause {cause}", text))
    return wrong


@needs_recorded
@pytest.mark.parametrize("name", ROWS)
def test_no_cut_of_a_recorded_log_gives_a_wrong_state(name: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    data = (RECORDED / name / "amazon-ssm-agent.log").read_bytes()
    wrong = wrong_cuts(data, ROWS[name], tmp_path / "amazon-ssm-agent.log", counted)
    print(name, dict(counted))
    assert wrong == []
    assert counted["cuts"] > data.count(b"\n")


@needs_recorded
def test_each_row_of_the_table_begins_at_a_line_of_its_log() -> None:
    for name, rows in ROWS.items():
        data = (RECORDED / name / "amazon-ssm-agent.log").read_bytes()
        times = {match[1].decode() for match in re.finditer(_TIME.pattern, data)}
        assert [at for at, _, _ in rows if at not in times] == []
        assert [at for at, _, _ in rows] == sorted({at for at, _, _ in rows})


@pytest.mark.parametrize("name", RUNS)
def test_no_cut_of_a_generated_log_gives_a_wrong_state(name: str, tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    data, rows = made(name)
    wrong = wrong_cuts(data, rows, tmp_path / "amazon-ssm-agent.log", counted)
    assert wrong == []
    assert counted["cuts"] > data.count(b"\n")


def test_the_generated_logs_have_each_state_and_cause() -> None:
    rows = [row for name in RUNS for row in made(name)[1]]
    assert {state for _, state, _ in rows} == set(STATES)
    assert {cause for _, _, cause in rows} == set(CAUSES)
