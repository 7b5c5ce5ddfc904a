"""What others wrote, in logs and errors, as it may be told: without passwords, and with ids masked."""

from __future__ import annotations

import re

from fingerprint.model import masked

# Up to the last @ of the word, or of what is in quotes: a password may hold what should have been escaped. What has no
# @ is taken as well, so that it is read once.
_PASSWORDS = (
    re.compile(r'("[A-Za-z][A-Za-z0-9+.-]*://)([^"\\]*(?:\\.[^"\\]*)*)'),
    re.compile(r'(://)([^\s"]*)'),
)  # fmt: skip
_IDS = re.compile(
    # Nodes, accounts, UUIDs, and what is made of one without its hyphens. The end of a text may be cut off.
    r"\b(?:mi|i)-[0-9a-f]{8,17}\b|(?<!\d)\d{12}(?!\d)|(?<=:)\d{6,11}$"
    r"|\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b|\b[0-9A-Fa-f]{32}\b"
)


def without_passwords(text: str) -> str:
    """Return a text without user and password of the URLs in it."""
    if "@" in text:
        for pattern in _PASSWORDS:
            text = pattern.sub(_without_password, text)
    return text


def hidden(url: str) -> str:
    """Return what somebody named as a URL without what may be user and password, whether it is a URL or not."""
    scheme, separator, rest = url.rpartition("://")
    _, at, host = rest.rpartition("@")
    # A separator within the password leaves a part of it on its left.
    scheme = scheme if scheme.isalnum() else "***"
    # Nor what may be a token.
    end = min((place + 1 for mark in "?#" if (place := host.find(mark)) >= 0), default=0)
    host = f"{host[:end]}***" if end else host
    return f"{scheme if separator else ''}{separator}{'***@' if at else ''}{host}"


def _without_password(found: re.Match[str]) -> str:
    _, at, place = found[2].rpartition("@")
    return f"{found[1]}***@{place}" if at else found[0]


def with_ids_masked(text: str) -> str:
    """Return a text with the ids in it shortened, so that two can be told apart and none can be used."""
    return _IDS.sub(lambda found: masked(found[0]), text)
