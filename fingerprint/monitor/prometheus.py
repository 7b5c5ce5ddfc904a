"""Metrics of a look for Prometheus, and their file for the textfile collector. No ids are in them."""

from __future__ import annotations

import os

from fingerprint._io.atomic import AtomicFile
from fingerprint.errors import InputError
from fingerprint.observation import UNKNOWN
from fingerprint.rules.ssm import THRESHOLD_DISABLED
from fingerprint.types import Reason, Status, Value
from fingerprint.vault import FINGERPRINT_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.monitor.status import Look
    from fingerprint.vault import Vault

# Whoever collects them runs as another user.
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
        text: what it tells.
        samples: (label and its value, or nothing; number) of each.
    """

    name: str
    text: str
    samples: tuple[tuple[tuple[str, str] | None, float], ...]


def metrics(seen: Look, vault: Vault) -> tuple[Metric, ...]:
    """Return the metrics of a look.

    Args:
        seen: the look.
        vault: the vault that was looked at.
    """
    reached = seen.compared is not None and seen.observation.level != UNKNOWN
    told = [
        _one("fingerprint_last_collect_timestamp_seconds", "When it was looked last.", seen.at),
        _one("fingerprint_collect_duration_seconds", "How long the look took.", seen.seconds),
        _one("fingerprint_check_success", "Whether a verdict was reached.", reached),
        _one("fingerprint_next_start_refused", "Whether the agent's next check will refuse the machine.",
             "will-hibernate" in seen.conditions),
        _one("fingerprint_regenerated", "Whether a mismatch replaced the fingerprint already.", seen.regenerated),
    ]  # fmt: skip
    told += _of_the_next_check(seen)
    if seen.compared is None:
        kind = type(seen.error).__name__
        told.append(Metric("fingerprint_check_error", "Why no verdict was reached.", ((("kind", kind), 1.0),)))
        return tuple(told)
    verdict = seen.compared.verdict
    rule = dict(_RULES)[verdict.reason]
    disabled = verdict.threshold == THRESHOLD_DISABLED
    told += [
        _one("fingerprint_match", "Whether this is the machine of the record, by the agent's rules.", verdict.match),
        Metric("fingerprint_rule", "The rule that decided.",
               tuple((("rule", name), float(name == rule)) for name in _RULE_NAMES)),
        _one("fingerprint_score_ratio", "Share of the attributes that are equal.", verdict.percent / 100),
        _one("fingerprint_threshold_ratio", "Similarity threshold; 0 while the check is disabled.",
             0.0 if disabled else verdict.threshold / 100),
        _one("fingerprint_disabled", "Whether the check is disabled (threshold -1).", disabled),
        _one("fingerprint_attributes", "Attributes that are compared.", verdict.total),
        _one("fingerprint_attributes_effective", "Attributes that say something.", verdict.effective),
        _one("fingerprint_vacuous", "Whether any machine with this hardware ID passes.", verdict.vacuous),
        _one("fingerprint_ip_alone", "Whether only the same IP address makes it a match.",
             "ip-alone" in seen.conditions),
        Metric("fingerprint_attribute_changed", "Whether an attribute differs from the record.",
               tuple((("attribute", r.name), float(r.name in seen.changed))
                     for r in verdict.rows if r.current is not None)),
        Metric("fingerprint_attribute_absent", "Whether an attribute says nothing on this host.",
               tuple((("attribute", a.name), float(a.status == Status.ABSENT))
                     for a in seen.compared.collection)),
        Metric("fingerprint_attribute_unreadable", "Whether an attribute could not be read, and may be anything.",
               tuple((("attribute", a.name), float(a.unreadable)) for a in seen.compared.collection)),
    ]  # fmt: skip
    written = vault.written_at(FINGERPRINT_KEY)
    if written is not None:
        told.append(_one("fingerprint_record_written_timestamp_seconds", "When the record was written.", written))
    return tuple(told)


def _of_the_next_check(seen: Look) -> list[Metric]:
    """Return when the agent compares next; nothing for an unchanged machine, and where no agent can run."""
    if seen.forecast is None:
        return []
    check = seen.forecast.check
    told = [
        Metric("fingerprint_next_check", "When the agent compares the hardware next.",
               tuple((("when", word), float(word == str(check.trigger))) for word in _NEXT_CHECKS)),
    ]  # fmt: skip
    if check.at is not None and check.seconds_left is not None:
        told += [
            _one("fingerprint_next_check_timestamp_seconds", "When that is, where it is at a known time.", check.at),
            _one("fingerprint_next_check_seconds", "Seconds from the look until then.", check.seconds_left),
        ]
    return told


def _one(name: str, text: str, value: float) -> Metric:
    return Metric(name, text, ((None, float(value)),))


def exposition(told: tuple[Metric, ...]) -> str:
    """Return metrics in the text format of Prometheus."""
    lines = []
    for metric in told:
        lines += [f"# HELP {metric.name} {metric.text}", f"# TYPE {metric.name} gauge"]
        for label, value in metric.samples:
            labels = "" if label is None else f'{{{label[0]}="{label[1]}"}}'
            lines.append(f"{metric.name}{labels} {value:.16g}")
    return "\n".join(lines) + "\n"


def write_textfile(path: str, text: str) -> None:
    """Replace a file, or a link to one, as a whole; whoever reads it meanwhile has the old or the new one.

    Raises:
        InputError: it could not be written, or is something else than a file; what was there is as
            it was, unless the disk failed when the name of the new one was flushed.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        # /dev/stdout would be gone for the whole machine.
        raise InputError(
            "the metrics could not be written (it is no regular file, which this replaces)", where=path,
            remedy="Name a file; without --textfile `fingerprint monitor prometheus` writes to standard output",
        )  # fmt: skip
    try:
        with AtomicFile(path, replace=True, mode=_MODE) as file:
            file.write(text.encode("utf-8"))
    except OSError as error:
        raise InputError(
            f"the metrics could not be written ({error.strerror})",
            where=path,
            remedy="Name a file in a directory that this user may write",
        ) from None
