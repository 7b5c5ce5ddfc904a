"""The answers of `monitor prometheus`, `units` and `watch`."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.answers import next_check_members, score_members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from fingerprint.monitor.prometheus import Metric
    from fingerprint.monitor.watch import Event


def monitor_prometheus_answer(textfile: str | None, outcome: str, metrics: Iterable[Metric]) -> dict[str, Any]:
    """Return the metrics of a machine.

    Args:
        textfile: the file that they were written to; None without one.
        outcome: whether it is the machine that the service knows.
        metrics: the metrics.
    """
    samples = [
        {"name": metric.name, "labels": {} if label is None else {label[0]: label[1]}, "value": value}
        for metric in metrics for label, value in metric.samples
    ]  # fmt: skip
    return {"textfile": textfile, "verdict": outcome, "metrics": samples}


def monitor_units_answer(
    directory: str, system: str, program: str, files: Iterable[str], commands: Sequence[str]
) -> dict[str, Any]:
    """Return the service files that were written.

    Args:
        directory: where they lie.
        system: what they are for: "systemd", "launchd" or "windows".
        program: the program that they run.
        files: their paths.
        commands: those that install and start them.
    """
    return {
        "directory": directory, "system": system, "program": program, "files": [*files], "next": list(commands),
    }  # fmt: skip


def monitor_watch_answer(event: Event) -> dict[str, Any]:
    """Return an event of `watch`, without identifiers and values."""
    result = event.result
    verdict = result.compared.verdict if result.compared else None
    forecast = result.forecast
    return {
        "at": utc(event.at), "event": event.kind, "why": event.why, "text": event.text,
        "verdict": result.outcome, "status": result.observation.level,
        "reason": None if verdict is None else str(verdict.reason),
        "score": None if verdict is None else score_members(verdict),
        "threshold": None if verdict is None else verdict.threshold, "changed": list(result.changed),
        "conditions": list(result.conditions), "regenerated": result.regenerated,
        "forecast": None if forecast is None else {
            "refused": forecast.refused, **next_check_members(forecast.check),
        },
        "differences": list(event.differences), "error": result.error.facts() if result.error else None,
    }  # fmt: skip
