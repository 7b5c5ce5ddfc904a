"""The durability suites: a short form for CI, and the full form with FINGERPRINT_DURABILITY=full; both print counts."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

FULL = os.environ.get("FINGERPRINT_DURABILITY") == "full"
_counts: Counter[str] = Counter()


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether this is the full form."""
    return FULL


@pytest.fixture(scope="session")
def count() -> Callable[[str, int], None]:
    """Return a function that adds to a figure of the summary, such as count("faults injected", 1)."""

    def add(name: str, number: int = 1) -> None:
        _counts[name] += number

    return add


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a worker of pytest-xdist.
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["durability"] = dict(_counts)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    _counts.update(getattr(node, "workeroutput", {}).get("durability", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _counts:
        terminalreporter.section(f"durability, {'full' if FULL else 'short'} form")
        for name, number in _counts.items():
            terminalreporter.write_line(f"{number:>12,}  {name}")
