"""The answer of a command that failed."""

from __future__ import annotations

from fingerprint._io.text import without_passwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.errors import FingerprintError


def error_answer(error: FingerprintError) -> dict[str, Any]:
    """Return why there is no other answer; passwords in URLs are left out."""
    facts = error.facts()
    return {
        "error": {name: without_passwords(one) if isinstance(one, str) else one for name, one in facts.items()}
    }  # fmt: skip
