"""Facts that cannot be read: each caller gets the same error as the first."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fingerprint.diagnose import Site
from fingerprint.errors import FingerprintError
from fingerprint.testing.machines import unix_machine
from fingerprint.vault import Vault


def site(directory: Path) -> Site:
    return Site(unix_machine(), Vault(str(directory / "Vault"), state=str(directory / "state")))


def refused(ask: Callable[[], object]) -> Exception:
    with pytest.raises((OSError, FingerprintError)) as error:
        ask()
    return error.value


ASKED: list[Callable[[Site], object]] = [
    lambda of: of.processes, lambda of: of.timeline, lambda of: of.record, lambda of: of.explanation,
    lambda of: of.observation.required(), lambda of: of.machine.list_directory("/none"),
    lambda of: of.machine.read_file("/none"), lambda of: of.machine.read_end("/none", 10),
]  # fmt: skip


@pytest.mark.parametrize("ask", ASKED)
def test_an_error_does_not_grow_with_each_caller(tmp_path: Path, ask: Callable[[Site], Any]) -> None:
    of = site(tmp_path)
    refused(lambda: ask(of))
    lengths = {len(traceback.extract_tb(refused(lambda: ask(of)).__traceback__)) for _ in range(5)}
    assert len(lengths) == 1


@pytest.mark.parametrize("ask", ASKED[2:5])
def test_each_caller_may_set_another_remedy(tmp_path: Path, ask: Callable[[Site], Any]) -> None:
    of = site(tmp_path)
    first = refused(lambda: ask(of))
    assert isinstance(first, FingerprintError)
    remedy, first.remedy = first.remedy, "Ask somebody else"
    again = refused(lambda: ask(of))
    assert isinstance(again, FingerprintError)
    assert (again.what, again.where, again.remedy) == (first.what, first.where, remedy)
