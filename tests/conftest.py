"""What holds for all tests."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator

import pytest

# A runner that was started in the background ignores Ctrl-C, and whatever it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """A command that a test runs within this process sets levels and handlers, which are not for the next test."""
    loggers = (logging.getLogger(), logging.getLogger("fingerprint"))
    before = [(one, one.level, one.propagate, list(one.handlers)) for one in loggers]
    yield
    for one, level, propagate, handlers in before:
        one.setLevel(level)
        one.propagate = propagate
        one.handlers[:] = handlers
