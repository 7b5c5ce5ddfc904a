"""The order of an SDK, held against the real botocore on a table of homes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from credential_homes import ERROR, HOMES, UNKNOWN, made
from fingerprint.credentials.botocore_order import SOURCES
from fingerprint.credentials.sources import credential_order
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
