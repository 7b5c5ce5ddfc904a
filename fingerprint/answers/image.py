"""The answers of `image check` and `image clean`."""

from __future__ import annotations

from fingerprint.errors import writable
from fingerprint.image import masked_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from fingerprint.image import Done, Findings


def image_check_answer(found: Findings, *, reveal: bool) -> dict[str, Any]:
    """Return what an image holds that its machines would share.

    Args:
        found: what was found.
        reveal: whether node IDs in paths are given in full.
    """
    return {
        "root": writable(found.root),
        "clean": found.is_clean,
        "items": [
            {
                "kind": item.kind,
                "path": image_path(item.path, found, reveal=reveal),
                "what": item.what,
                "why": item.why,
                "action": item.action,
                "bytes": item.size,
                "remedy": image_path(item.remedy, found, reveal=reveal),
            }
            for item in found.items
        ],
        "unreadable": [
            {"path": image_path(path, found, reveal=reveal), "reason": reason} for path, reason in found.unreadable
        ],
    }


def image_clean_answer(
    after: Findings, done: Iterable[Done], backup: str | None, *, inside: bool, dry_run: bool, reveal: bool
) -> dict[str, Any]:
    """Return what became of the findings of an image.

    Args:
        after: what is left; with `dry_run` what was found.
        done: what was done, or would be.
        backup: the file that has what was removed; None without one.
        inside: whether that lies in the image, which is not clean then.
        dry_run: whether it would only be done.
        reveal: whether node IDs in paths are given in full.
    """
    results = [
        {"path": image_path(one.path, after, reveal=reveal), "did": one.did, "error": one.error or None} for one in done
    ]
    answer = image_check_answer(after, reveal=reveal)
    answer["clean"] = answer["clean"] and not inside
    return {
        **answer, "done": results, "backup": backup and writable(backup), "backupInside": inside, "dryRun": dry_run,
    }  # fmt: skip


def image_path(path: str, found: Findings, *, reveal: bool) -> str:
    """Return a path in an image as text, the node IDs in it masked unless they are to be revealed."""
    return writable(path) if reveal else masked_path(writable(path), writable(found.root))
