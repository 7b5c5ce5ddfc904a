"""The folders and files of a vault: one interface, and one module for each family of systems, chosen here."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from fingerprint.vault.windows_files import Folder
else:
    from fingerprint.vault.posix_files import Folder

__all__ = ["Folder"]
