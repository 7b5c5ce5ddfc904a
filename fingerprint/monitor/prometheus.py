"""Metrics of a check for Prometheus, and their file for the textfile collector. They hold no IDs."""

from __future__ import annotations

import os

from fingerprint._io.atomic import AtomicFile
from fingerprint._io.times import seconds_of
from fingerprint.errors import InputError, VaultError
from fingerprint.observation import UNKNOWN
from fingerprint.rules.ssm import THRESHOLD_DISABLED
from fingerprint.types import Reason, Status, Value
from fingerprint.vault import FINGERPRINT_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.monitor.status import CheckResult
    from fingerprint.vault import Vault

# The collector runs as another user.
_MODE = 0o644
_RULES = (
    (Reason.DISABLED, "disabled"),
    (Reason.NOTHING_TO_COMPARE, "nothing-to-compare"),
    (Reason.SID_DIFFERS, "sid"),
    (Reason.SAME_IP, "same-ip"),
    (Reason.SIMILAR, "similarity"),
    (Reason.NOT_SIMILAR, "similarity"),
)
_NEXT_CHECKS = ("at-next-start", "at-next-refresh", "unknown")
_RULE_NAMES = ("disabled", "nothing-to-compare", "sid", "same-ip", "similarity")


class Metric(Value):
    """One gauge.

    Attributes:
        name: with its unit at the end.
        text: its HELP line.
        samples: (label and its value, or None; number) of each.
    """

    name: str
    text: str
    samples: tuple[tuple[tuple[str, str] | None, float], ...]


def metrics(result: CheckResult, vault: Vault) -> tuple[Metric, ...]:
    """Return the metrics of a check.

    Args:
        result: of the check.
        vault: the vault that was checked.
    """
    has_verdict = result.compared is not None and result.observation.level != UNKNOWN
    found = [
        _one("fingerprint_last_collect_timestamp_seconds", "Time of the last check.", result.at),
        _one("fingerprint_collect_duration_seconds", "Duration of the check.", result.seconds),
        _one("fingerprint_check_success", "Whether the check reached a verdict.", has_verdict),
        _one("fingerprint_next_start_refused", "Whether the agent will reject this host at its next check.",
             "will-hibernate" in result.conditions),
        _one("fingerprint_regenerated", "Whether a mismatch replaced the fingerprint already.", result.regenerated),
    ]  # fmt: skip
    found += [*_of_the_next_check(result), *_of_the_guard(result, vault)]
    if result.compared is None:
        kind = type(result.error).__name__
        found.append(Metric("fingerprint_check_error", "Why the check reached no verdict.", ((("kind", kind), 1.0),)))
        return tuple(found)
    verdict = result.compared.verdict
    rule = dict(_RULES)[verdict.reason]
    disabled = verdict.threshold == THRESHOLD_DISABLED
    found += [
        _one("fingerprint_match", "Whether this host matches the record by the agent's rules.", verdict.match),
        Metric("fingerprint_rule", "The rule that decided.",
               tuple((("rule", name), float(name == rule)) for name in _RULE_NAMES)),
        _one("fingerprint_score_ratio", "Share of the attributes that match.", verdict.percent / 100),
        _one("fingerprint_threshold_ratio", "Similarity threshold; 0 while the check is disabled.",
             0.0 if disabled else verdict.threshold / 100),
        _one("fingerprint_disabled", "Whether the check is disabled (threshold -1).", disabled),
        _one("fingerprint_attributes", "Attributes that are compared.", verdict.total),
        _one("fingerprint_attributes_effective", "Attributes that carry evidence on both sides.", verdict.effective),
        _one("fingerprint_vacuous", "Whether any host with this hardware ID passes.", verdict.vacuous),
        _one("fingerprint_ip_alone", "Whether the match depends on the same IP address alone.",
             "ip-alone" in result.conditions),
        Metric("fingerprint_attribute_changed", "Whether an attribute differs from the record.",
               tuple((("attribute", r.name), float(r.name in result.changed))
                     for r in verdict.rows if r.current is not None)),
        Metric("fingerprint_attribute_absent", "Whether an attribute has no value on this host.",
               tuple((("attribute", a.name), float(a.status == Status.ABSENT))
                     for a in result.compared.collection)),
        Metric("fingerprint_attribute_unreadable", "Whether an attribute is unreadable.",
               tuple((("attribute", a.name), float(a.unreadable)) for a in result.compared.collection)),
    ]  # fmt: skip
    written = vault.written_at(FINGERPRINT_KEY)
    if written is not None:
        found.append(_one("fingerprint_record_written_timestamp_seconds", "When the record was written.", written))
    return tuple(found)


def _of_the_next_check(result: CheckResult) -> list[Metric]:
    """Return the metrics of the agent's next check; none for an unchanged machine and where no agent can run."""
    if result.forecast is None:
        return []
    check = result.forecast.check
    found = [
        Metric("fingerprint_next_check", "When the agent compares the hardware next.",
               tuple((("when", when), float(when == str(check.trigger))) for when in _NEXT_CHECKS)),
    ]  # fmt: skip
    if check.at is not None and check.seconds_left is not None:
        found += [
            _one("fingerprint_next_check_timestamp_seconds", "Time of that check, if it is known.", check.at),
            _one("fingerprint_next_check_seconds", "Seconds from this check until then.", check.seconds_left),
        ]
    return found


def _of_the_guard(result: CheckResult, vault: Vault) -> list[Metric]:
    """Return the metrics of the guard's last run that found a change; none without one."""
    from fingerprint.guard import Decision, last_run
    from fingerprint.guard_forecast import blocks_now

    try:
        run = last_run(vault)
    except VaultError:
        # Another user's: `fingerprint_check_success` says that the vault cannot be read, either.
        return []
    if run is None:
        return []
    found = [
        Metric("fingerprint_guard_decision", "What the guard found when it last found a change.",
               tuple((("decision", str(one)), float(one == run.decision)) for one in Decision.members())),
        _one("fingerprint_guard_blocks", "Whether the guard keeps the agent from starting.",
             blocks_now(run, result.observation)),
    ]  # fmt: skip
    at = seconds_of(run.at)
    if at is not None:
        found.append(_one("fingerprint_guard_run_timestamp_seconds", "Time of that run.", at))
    return found


def _one(name: str, text: str, value: float) -> Metric:
    return Metric(name, text, ((None, float(value)),))


def exposition(found: tuple[Metric, ...]) -> str:
    """Return metrics in the text format of Prometheus."""
    lines = []
    for metric in found:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} gauge"]
        for label, value in metric.samples:
            labels = "" if label is None else f'{{{label[0]}="{label[1]}"}}'
            lines.append(f"{metric.name}{labels} {value:.16g}")
    return "\n".join(lines) + "\n"


def write_textfile(path: str, text: str) -> None:
    """Replace a file, or a link to one, atomically: a reader gets the old or the new content.

    Raises:
        InputError: the file cannot be written, or the path is not a regular file. The old file is unchanged, unless the
            disk failed after the new one got its name.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        # Replacing /dev/stdout would remove it for every process.
        raise InputError(
            "cannot write the metrics: not a regular file", where=path,
            remedy="Name a file; without --textfile `fingerprint monitor prometheus` writes to standard output",
        )  # fmt: skip
    try:
        with AtomicFile(path, replace=True, mode=_MODE) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot write the metrics: {error.strerror}",
            where=path,
            remedy="Name a file in a directory that this user can write",
        ) from None
