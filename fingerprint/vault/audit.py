"""The audit log of our state directory: one line of JSON for each change of a vault, without secrets.

The journal of each vault is the durable record; this is for people, and for programs that collect logs.
"""

from __future__ import annotations

import os
import sys

from fingerprint._core import dumps
from fingerprint.vault.files import Directory
from fingerprint.vault.journal import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AUDIT_LOG = "audit.log"


def append_audit(state: str, change: dict[str, Any]) -> None:
    """Add the line of a change to the audit log.

    Args:
        state: our state directory.
        change: the members of the line; `by` is added.

    Raises:
        VaultError: it could not be written.
    """
    with Directory.make(state, 0o700) as directory:
        directory.append_shared(AUDIT_LOG, dumps({**change, "by": who()}) + b"\n")


def who() -> dict[str, Any]:
    """Return the user and the program that write: uid (None on Windows), sudoUser, pid, program."""
    return {
        "uid": os.getuid() if hasattr(os, "getuid") else None,
        "sudoUser": json_text(os.environ["SUDO_USER"]) if "SUDO_USER" in os.environ else None,
        "pid": os.getpid(),
        "program": json_text(os.path.basename(sys.argv[0])) if sys.argv else "",
    }
