"""Imports point down only: the floors of the house."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fingerprint

PACKAGE = Path(fingerprint.__file__).parent
FLOORS = {
    "errors": 0,
    "vocabulary": 0,
    "rights": 0,
    "newfile": 1,
    "interruptible": 1,
    "copieddisk": 1,
    "windows_access": 1,
    "keydates": 1,
    "_json": 1,
    "_digest": 1,
    "_compare": 1,
    "_matchlines": 1,
    "_smbios": 1,
    "_system": 1,
    "_canonical": 1,
    "_fleet": 1,
    "model": 1,
    "no_smbios": 1,
    "machine_id": 1,
    "smbios": 1,
    "smbios_names": 1,
    "quoting": 2,
    "match": 2,
    "catalogue": 2,
    "smbios_text": 2,
    "strengths": 1,
    "stable": 2,
    "events": 2,
    "collectors": 2,
    "collect": 3,
    "vault": 3,
    "engine": 4,
    "agent": 4,
    "recovery": 5,
    "service": 5,
    "registrationfile": 4,
    "credentials": 6,
    "fleet": 6,
    "forecast": 7,
    "explanation": 7,
    "agentlog": 5,
    "agentcredentials": 2,
    "nextcheck": 6,
    "addresses": 1,
    "printable": 1,
    "knownvalues": 1,
    "redact": 4,
    "identifying": 5,
    "report": 7,
    "regions": 1,
    "buckets": 6,
    "image": 7,
    # It asks the other leaves what they know.
    "diagnose": 8,
    "assessment": 9,
    "monitoring": 10,
    "cli": 11,
    "testing": 12,
}
# The face and the entry point of the package name what they re-export.
FACES = ("__init__.py", "__main__.py")
MODULES = [p for p in sorted(PACKAGE.rglob("*.py")) if str(p.relative_to(PACKAGE)) not in FACES]


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fingerprint"):
            parts = (node.module or "").split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("fingerprint.")}
    return rooms - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    mine = room(path)
    for other in imported_rooms(path) - {mine}:
        assert FLOORS[other] < FLOORS[mine] or (FLOORS[other] == FLOORS[mine] == 1), (
            f"{path.name} on floor {FLOORS[mine]} imports {other}"
        )


def test_the_machine_and_the_disk_do_not_know_each_other_nor_the_rules() -> None:
    for path in MODULES:
        if room(path) == "collect":
            assert not imported_rooms(path) & {"vault", "match"}, path
        if room(path) == "vault":
            assert not imported_rooms(path) & {"collect", "match"}, path


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in MODULES} <= FLOORS.keys()
