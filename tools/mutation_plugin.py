"""What pytest loads in a run of tools/mutation.py.

MUTATION_RECORD names a file: the run writes there which lines of which files each test executes, and how long it takes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import mutants
import pytest
from coverage import Coverage
from hypothesis import Phase, settings

RECORD = os.environ.pop("MUTATION_RECORD", "")
_seconds: dict[str, float] = {}
_coverage: Coverage | None = None


def pytest_configure(config: pytest.Config) -> None:
    """A counterexample that is not small kills as well, and the search for a smaller one takes minutes."""
    global _coverage
    mutants.define_exception()
    phases = (Phase.explicit, Phase.reuse, Phase.generate)
    settings.register_profile("mutation", settings.get_profile("same"), phases=phases, database=None, deadline=None)
    settings.load_profile("mutation")
    if RECORD:
        _coverage = Coverage(data_file=None, config_file=False, source=[str(config.rootpath / "fingerprint")])
        _coverage.start()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if _coverage is None:
        return (yield)
    _coverage.switch_context(item.nodeid)
    start = time.perf_counter()
    try:
        return (yield)
    finally:
        _seconds[item.nodeid] = time.perf_counter() - start
        _coverage.switch_context("")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _coverage is None:
        return
    _coverage.stop()
    data = _coverage.get_data()
    lines = {}
    for file in data.measured_files():
        name = Path(file).relative_to(config.rootpath).as_posix()
        lines[name] = {line: sorted(filter(None, tests)) for line, tests in data.contexts_by_lineno(file).items()}
    Path(RECORD).write_text(json.dumps({"seconds": _seconds, "lines": lines}))
