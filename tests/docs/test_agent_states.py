"""docs/agent-states.md shows the tables of `agent.states`, and these are complete."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from fingerprint.agent.logs.state import _EXPLAINED
from fingerprint.agent.states import CONCLUSIONS, EVENTS, OF_HOST, PARTS, STATES, AgentStates, State

TOOL = Path(__file__).parents[2] / "tools" / "agent_states.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("agent_states_tool", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_tables_of_the_code(tool: ModuleType) -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.filled(page) == page, "run: python tools/agent_states.py --write"
    with pytest.raises(ValueError, match="no marks"):
        tool.filled("nothing")
    printed = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True, check=True).stdout
    assert all(table() in printed for table in tool.TABLES.values())
    assert subprocess.run([sys.executable, str(TOOL), "--all"], capture_output=True, check=False).returncode == 2


def test_events_and_conclusions_name_states_that_exist() -> None:
    for event in EVENTS.values():
        for part, move in event.moves.items():
            named = {move} if isinstance(move, str) else {*move, *move.values()} - {"*"}
            assert named <= set(STATES[part]), (event.name, part)
    for one in CONCLUSIONS:
        assert all(set(states) <= set(STATES[part]) for part, states in one.states.items()), one.name


def test_each_state_of_a_part_can_be_reached() -> None:
    reached = {part: {"unknown"} for part in PARTS}
    for _ in range(4):
        for event in EVENTS.values():
            for part in event.moves:
                for before in tuple(reached[part]):
                    states = AgentStates({**dict.fromkeys(PARTS, "unknown"), part: before})
                    states.take(event.name)
                    reached[part].add(states.of[part])
    assert reached == {part: set(states) for part, states in STATES.items()}


def test_each_conclusion_of_a_log_alone_is_explained() -> None:
    of_host = {"absent", "overdue", "worker-missing", "log-ahead", "log-silent", "log-empty"}
    assert {one.name for one in CONCLUSIONS} - of_host == set(_EXPLAINED)
    assert {one.name for one in CONCLUSIONS if one.state == State.HEALTHY} == {"healthy"}


@pytest.mark.parametrize("part", PARTS)
def test_only_credentials_make_an_agent_healthy(part: str) -> None:
    for state in STATES[part]:
        concluded = AgentStates({**dict.fromkeys(PARTS, "unknown"), part: state}).conclusion
        assert (concluded.state == State.HEALTHY) == (part == "credentials" and state in ("good", "disk"))


def test_a_start_is_never_healthy_from_before() -> None:
    """Whatever was before, neither the begin of a process nor its version is a sign of credentials."""
    for credentials in STATES["credentials"]:
        for worker in STATES["worker"]:
            for event in ("begins", "runs", "runs-unlogged"):
                of = {**dict.fromkeys(PARTS, "unknown"), "credentials": credentials, "worker": worker}
                states = AgentStates(of)
                states.take(event)
                assert states.conclusion.state == State.CANNOT_TELL, (credentials, worker, event)
    assert "runs-unlogged" in OF_HOST
