"""One source after the other fails: every check answers, and none with an internal error."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine
from other_agent_machines import MacMachine, WindowsMachine

ERRORS = [
    {"error": "EACCES", "message": "Permission denied"}, {"error": "EIO", "message": "Input/output error"},
    {"error": "ENOENT", "message": "No such file or directory"},
]  # fmt: skip
PROBLEMS = ("timeout", "denied", "not-found", "too-long")
KINDS = ("files", "statuses", "folders")


def without_account(directory: Path) -> AgentMachine:
    machine = AgentMachine(directory)
    machine.file("/etc/passwd", "root:x:0:0::/root:/bin/sh\n", 0o644)
    return machine


def damaged(snapshot: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the machine with one path, all that is in one directory, or one command that fails."""
    groups: dict[str, set[str]] = defaultdict(set)
    for path in {path for kind in KINDS for path in snapshot.get(kind) or {}}:
        groups[path].add(path)
        groups[f"all of {path.replace(chr(92), '/').rpartition('/')[0]}"].add(path)
    for name, paths in sorted(groups.items()):
        for error in ERRORS:
            damaged_snapshot = copy.deepcopy(snapshot)
            for kind in KINDS:
                damaged_snapshot[kind] = {
                    path: error if path in paths else one for path, one in (damaged_snapshot.get(kind) or {}).items()
                }
            yield f"{name}: {error['error']}", damaged_snapshot
    for number, command in enumerate(snapshot["commands"]):
        for problem in PROBLEMS:
            damaged_snapshot = copy.deepcopy(snapshot)
            damaged_snapshot["commands"][number].update(problem=problem, returncode=None, stdout="")
            yield f"{command['argv']}: {problem}", damaged_snapshot


@pytest.mark.parametrize("make", [AgentMachine, without_account, MacMachine, WindowsMachine])
def test_no_check_ends_in_an_internal_error(make: Callable[[Path], AgentMachine], tmp_path: Path) -> None:
    machine, tried, wrong = make(tmp_path), 0, []
    for name, damaged_snapshot in damaged(copy.deepcopy(machine.snapshot)):
        machine.snapshot = damaged_snapshot
        tried += 1
        wrong += [f"{name}: {one.name}" for one in machine.diagnosis().results if "internal" in one.finding.text]
    assert wrong == []
    assert tried > 80
