"""Golden images: search for what all machines made from a disk would share, and remove it after a backup."""

from __future__ import annotations

from fingerprint.image.cleaning import clean, is_inside
from fingerprint.image.findings import Done, Findings, Leftover, masked_path
from fingerprint.image.kinds import EMPTY, KEEP, REMOVE
from fingerprint.image.search import leftovers

__all__ = [
    "EMPTY",
    "KEEP",
    "REMOVE",
    "Done",
    "Findings",
    "Leftover",
    "clean",
    "is_inside",
    "leftovers",
    "masked_path",
]
