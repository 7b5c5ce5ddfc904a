"""The answer of `diagnose logs`, and how it and the text show times, values and quotations of a log."""

from __future__ import annotations

from fingerprint._io.text import one_line, printable, with_ids_masked
from fingerprint.agent.logs import ATTRIBUTES, State, conclusion, next_try, present, to_utc
from fingerprint.attributes.ssm import SID_KEYS
from fingerprint.explanation.causes import short_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from typing import Any

    from fingerprint.agent.logs import Mismatch, Timeline


def diagnose_logs_answer(
    timeline: Timeline, paths: Sequence[str], offset: timedelta | None, *, reveal: bool
) -> dict[str, Any]:
    """Return what logs of the agent say.

    Args:
        timeline: what was read.
        paths: the files.
        offset: of the local time of the logs to UTC; None if it is not known, and times stay local.
        reveal: whether identifiers are given in full.
    """
    text, steps, unknown = conclusion(timeline)
    now = present(timeline)
    waits = now.state == State.FAILING and timeline.hibernating
    earliest, latest, how = next_try(timeline) if waits else ("", "", "")

    def when(at: str) -> str:
        return log_time(at, offset)

    def quote(part: str) -> str:
        return quoted(part, reveal=reveal)

    failed, unknown_line = timeline.beside.failed, timeline.first_unknown
    return {
        "state": str(now.state), "since": when(now.since), "cause": quote(now.cause),
        "nextRequest": when(timeline.run.asks_next) if now.state == State.HEALTHY else "",
        "starts": [
            {"at": when("" if run.started == "-" else run.started), "version": run.version, "outcome": run.outcome,
             "error": quote(run.error)}
            for run in timeline.runs if run.started
        ],
        "files": list(paths), "lines": timeline.lines, "passedOver": timeline.passed_over,
        "notUnderstood": {
            "lines": timeline.unknown,
            "first": None if unknown_line is None else {
                "file": unknown_line[0], "line": unknown_line[1], "text": quote(unknown_line[2]),
            },
        },
        "utc": offset is not None,
        "began": when(timeline.began), "ended": when(timeline.ended), "agentVersions": timeline.versions,
        "lastGood": when(timeline.last_good), "mismatches": [_mismatch(m, offset, reveal) for m in timeline.mismatches],
        "regeneratedAt": [when(at) for at in timeline.regenerated_at],
        "refusals": [
            {"error": code, "times": count, "first": when(first), "last": when(last)}
            for code, (count, first, last) in timeline.refusals.items()
        ],
        "wastedRetries": timeline.wasted, "hibernating": waits, "nextRetry": when(earliest),
        "nextRetryLatest": when(latest), "nextRetryBy": how,
        "timeline": [
            {"at": when(at), "kind": kind, "text": quote(event), "times": count, "last": when(last)}
            for at, kind, event, count, last in timeline.events
        ],
        "dropped": timeline.dropped,
        "failedUpdate": None if failed is None else {
            "at": when(failed.at), "kind": failed.kind, "source": failed.source, "target": failed.target,
            "text": quote(failed.text), "meaning": failed.meaning, "remedy": failed.remedy,
        },
        "channelDenied": quote(timeline.beside.channel_denied),
        "conclusion": quote(text), "remedies": steps, "cannotTell": unknown,
    }  # fmt: skip


def log_time(at: str, offset: timedelta | None) -> str:
    """Return a time of a log, in UTC if the offset of its local time is known."""
    return to_utc(at, offset) if at and offset is not None else at


def quoted(text: str, *, reveal: bool) -> str:
    """Return a text of a log in one line, the identifiers in it masked unless they are to be revealed."""
    text = one_line(text)
    return text if reveal else with_ids_masked(text)


def logged_value(name: str, value: str, *, reveal: bool) -> str:
    """Return a value of a log, that of a hardware ID masked unless it is to be revealed."""
    is_id = name in ("hardware ID", *SID_KEYS)
    return printable(value) if is_id and reveal else short_value("machine-id" if is_id else name, value)


def _mismatch(found: Mismatch, offset: timedelta | None, reveal: bool) -> dict[str, Any]:
    matched = found.matched
    return {
        "first": log_time(found.first, offset), "last": log_time(found.last, offset), "times": found.times,
        "rule": "hardware-id" if found.id_differs else "similarity",
        "changed": [
            {"name": name, "saved": logged_value(name, saved, reveal=reveal),
             "current": logged_value(name, current, reveal=reveal)}
            for name, (saved, current) in found.changed.items()
        ],
        "matched": matched, "total": ATTRIBUTES,
        "percent": None if matched is None else round(matched / ATTRIBUTES * 100, 4),
    }  # fmt: skip
