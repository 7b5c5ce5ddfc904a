"""What holds for all tests."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from fingerprint._io.text import forget_masks

# The same examples in each run, so that a failure comes from a change; the full form generates new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("new", print_blob=True)
# Under sanitizers the same code takes ten times as long.
settings.register_profile("sanitized", print_blob=True, deadline=None)
settings.load_profile("new" if os.environ.get("FINGERPRINT_DURABILITY") == "full" else "same")

# A runner that was started in the background ignores Ctrl-C, one that nohup started ignores SIGHUP; whatever it starts
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _no_masks_of_other_tests() -> None:
    """Values are numbered where their ends are equal, from the begin of a run on."""
    forget_masks()


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
