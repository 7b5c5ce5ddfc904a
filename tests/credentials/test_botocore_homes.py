"""The order of an SDK, held against the real botocore on a table of homes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from credential_homes import ERROR, HOMES, UNKNOWN, made
from fingerprint.credentials import botocore_findings
from fingerprint.credentials.agent_order import SHARED_KEYS_MISSING
from fingerprint.credentials.botocore_order import SOURCES
from fingerprint.credentials.disk import OPEN_MODE
from fingerprint.credentials.sources import AGENT_KEYS_EXPIRED, credential_order
from sdk_choice import metadata_server, sdk_choice


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with metadata_server() as url:
        yield url


@pytest.mark.parametrize("name", HOMES)
def test_the_winner_is_the_one_that_botocore_takes(tmp_path: Path, name: str, server: str) -> None:
    environ = made(tmp_path, name, server)
    order = credential_order("you", str(tmp_path), environ)
    choice = sdk_choice(environ)
    expected = HOMES[name].winner
    if expected == ERROR:
        assert isinstance(choice, dict), choice
        assert (order.winner, order.undecided) == ("", "")
        assert order.stopped_by
    elif expected == UNKNOWN:
        assert choice in ("iam-role", None)
        assert order.undecided.startswith("instance-profile")
    else:
        assert choice is None or isinstance(choice, str), choice
        assert (SOURCES[choice][0] if choice else "") == expected
        assert (order.winner, order.undecided, order.stopped_by) == (expected, "", "")
    assert tuple(one.kind for one in order.findings) == HOMES[name].findings
    assert all(one.remedy and one.what and one.where for one in order.findings)
    assert "planted" not in repr(order).lower()


REPAIRED = (
    "missing profile", "empty profile variable", "half a pair in the environment", "secret alone in the environment",
    "expiry that is no time", "expired environment", "byte order mark", "link to itself",
    "directory in place of the file",
    "token without role", "token is missing", "missing file of the EC2 tools", "readable by others",
)  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="the remedies are those of Unix shells")
@pytest.mark.parametrize("name", REPAIRED)
def test_commands_of_remedies_work_as_printed(tmp_path: Path, name: str, server: str) -> None:
    environ = made(tmp_path, "shared file" if name == "readable by others" else name, server)
    if name == "readable by others":
        (tmp_path / ".aws/credentials").chmod(0o644)
    [finding] = credential_order("you", str(tmp_path), environ).findings
    found = re.search(r"(?:[Rr]un|with): ([^;]+)", finding.remedy)
    assert found, finding.remedy
    # The environment after the command, as the shell has it.
    shell = subprocess.run(
        ["sh", "-c", f"{found[1]} && env -0"], env=environ, capture_output=True, check=True, text=True
    )
    after = dict(pair.split("=", 1) for pair in shell.stdout.split("\0") if pair)
    order = credential_order("you", str(tmp_path), after)
    assert finding.kind not in [one.kind for one in order.findings]
    assert not order.stopped_by


def first_cells(heading: str) -> list[str]:
    """Return the first cells of a table of the page."""
    page = (Path(__file__).parents[2] / "docs/credentials-order.md").read_text()
    rows = page.partition(f"| {heading} |")[2].partition("|---|---|\n")[2].partition("\n\n")[0].splitlines()
    return [row.partition(" |")[0].strip("| ") for row in rows]


def test_each_kind_of_finding_is_documented() -> None:
    documented = {kind for cell in first_cells("kind") for kind in cell.split(", ")}
    used = {kind for home in HOMES.values() for kind in home.findings} | {row[3] for row in botocore_findings._ERRORS}
    assert used | {AGENT_KEYS_EXPIRED, SHARED_KEYS_MISSING, OPEN_MODE, "source-error"} == documented


def test_each_source_is_documented() -> None:
    assert first_cells("source") == [name for name, _ in SOURCES.values()]
