"""The answers of `show`, `snapshot` and `report`."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.answers import attribute_value, recipe_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from fingerprint.machine.recorder import Recorder
    from fingerprint.types import Collection


def show_answer(collection: Collection, facts: Mapping[str, str], *, reveal: bool) -> dict[str, Any]:
    """Return a machine as it was read.

    Args:
        collection: its attributes.
        facts: what else was read, {} if nothing was asked for.
        reveal: whether identifiers are given in full.
    """
    answer: dict[str, Any] = {
        "platform": collection.platform,
        "scheme": collection.scheme,
        "sidKey": collection.sid_key,
        "collectedAt": utc(collection.collected_at),
        "seconds": round(collection.seconds, 6),
        "hardwareHash": {a.name: attribute_value(a.name, a.value, reveal=reveal) for a in collection},
        "attributes": [
            {
                "name": a.name,
                "value": attribute_value(a.name, a.value, reveal=reveal),
                "status": str(a.status),
                "reason": a.reason,
                "fault": str(a.fault),
                "source": a.source,
                "tool": a.tool,
                "seconds": round(a.seconds, 6),
            }
            for a in collection
        ],
        "masked": not reveal,
        **recipe_members(collection),
    }
    return {**answer, "facts": facts} if facts else answer


def snapshot_answer(path: str, recorder: Recorder, collection: Collection, kept: int | None) -> dict[str, Any]:
    """Return what was recorded of a machine.

    Args:
        path: the file.
        recorder: what recorded it.
        collection: its attributes.
        kept: the number of the evidence that it was kept as; None if it was not.
    """
    return {
        "file": path,
        "platform": recorder.platform,
        "files": len(recorder.snapshot["files"]),
        "commands": len(recorder.snapshot["commands"]),
        "unreadable": list(collection.unreadable),
        "keptAs": kept,
    }


def report_answer(path: str, files: Mapping[str, bytes], *, redacted: bool) -> dict[str, Any]:
    """Return the files of a support bundle.

    Args:
        path: the bundle.
        files: name -> bytes of each.
        redacted: whether identifiers in it are pseudonyms.
    """
    listed = [{"name": name, "bytes": len(data)} for name, data in files.items()]
    return {"file": path, "redacted": redacted, "files": listed}
