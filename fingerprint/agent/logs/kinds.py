"""Kinds of the lines that the agent logs, by their text, the level of each kind, and the form of a line."""

from __future__ import annotations

from fingerprint.agent.versions import LOG_LINES

LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "CRITICAL")
# The local time before a line, as the agent and journals write it.
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?"
# A line end within a message, and the beginning of a line that continues no other one.
LINE_END, BEGINS = "\x1e", "\x1d"
# Of what the agent writes to the serial port of an instance.
CONSOLE_MARK = "Z: SSM Agent "
# (kind, a part of its line in lower case); the first match counts.
KINDS = tuple((line.kind, line.text) for line in LOG_LINES if line.kind)
# What the agent prints before it has a logger, or beside it.
PRINTED = (
    "Initializing new seelog logger", "New Seelog Logger Creation Complete", "Error occurred fetching the seelog",
    "Applying config override", "Found config file at", "processing appconfig overrides",
)  # fmt: skip
# For a log whose format leaves the level out. Lines of all other kinds are of level INFO.
_LEVEL_OF = {
    "attribute": "WARN", "health-skipped": "WARN", "unavailable": "WARN", "unreadable": "WARN",
    **dict.fromkeys((
        "crashed", "expired", "gives-up", "id-differs", "mismatch", "no-channel", "no-fingerprint", "no-identity",
        "not-loaded", "not-started", "panic", "ping-failed", "provider-silent", "refused", "status", "unwritten",
        "wmi-failed", "worker-fails",
    ), "ERROR"),
}  # fmt: skip


def kind_of(text: str) -> str | None:
    """Return the kind of a line of the agent; None if it is not relevant."""
    lowered = text.lower()
    return next((kind for kind, piece in KINDS if piece in lowered), None)


def level_of(kind: str) -> str:
    """Return the level at which the agent logs lines of a kind."""
    return _LEVEL_OF.get(kind, "INFO")
