"""Conclude from the findings: the state, since when, why, and what to do."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.diagnose.checks.account import FOREIGN, WITHOUT_ACCOUNT
from fingerprint.diagnose.checks.agent import restart_command
from fingerprint.diagnose.checks.replaced_key import AHEAD
from fingerprint.diagnose.checks.vault import VAULT_EXITS, VAULT_MINTS
from fingerprint.diagnose.checks.waiting import wait_of
from fingerprint.diagnose.reachability import NOT_ASKED, OF_ANOTHER
from fingerprint.diagnose.result import (
    BLOCKED,
    DO_NOT_RESTART,
    IDS_MOVED,
    LIMITED,
    NO_WMIC,
    NOT_ON_DISK,
    RECIPE_CHANGED,
    WMI_BROKEN,
    Conclusion,
    Finding,
    Outcome,
    Result,
)
from fingerprint.diagnose.waiting_cause import (
    REPLACED,
    logged,
    remedies_of,
    restart_step,
    steps_of,
    tag_of,
    why_waiting,
)
from fingerprint.errors import FingerprintError
from fingerprint.explanation.remedies import BACKUP
from fingerprint.guard import last_run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.diagnose.context import Site

_NOTHING_WRONG = "The checks that ran found nothing wrong"
# Tags of findings with which the agent does not start.
_NO_START = ("configuration", "order", "not-started")


def conclude(site: Site, results: Sequence[Result]) -> Conclusion:
    """Return the conclusion from the results.

    Args:
        site: the diagnosed site.
        results: those of all checks that ran.
    """
    foreign = next((result for result in results if result.finding.tag == FOREIGN), None)
    if foreign is not None:
        others = [result for result in results if result is not foreign]
        return _elsewhere(foreign.finding, _of(site, others) if others else None)
    return _of(site, results)


def _elsewhere(finding: Finding, rest: Conclusion | None) -> Conclusion:
    """Return a conclusion that begins with the foreign registration, which may cause the rest."""
    steps = steps_of(finding)
    text = f"{_sentence(finding.text)}. {_do(steps)}"
    state = "broken" if finding.outcome == Outcome.FAIL else "warnings"
    head = _sentence(finding.text)
    if rest is None:
        return Conclusion(state, text, "", "account", tuple(steps), head)
    if rest.state not in ("healthy", "warnings", "cannot-tell") or (rest.state == "cannot-tell" and state != "broken"):
        state = rest.state
    together = tuple(dict.fromkeys((*steps, *rest.steps)))
    then = rest.text.replace(", and nothing", ", and nothing else") if rest.state == "healthy" else rest.text
    cause = ": ".join(part for part in (rest.head, rest.cause) if part) if rest.state != "healthy" else ""
    return Conclusion(state, f"{text} {then}", rest.since, "account", together, head, cause, rest.evidence)


def _of(site: Site, results: Sequence[Result]) -> Conclusion:
    found = {result.name: result.finding for result in results}
    for conclude_if in (_blocked, _waiting, _not_registered, _broken, _already_lost, _about_to, _stopped):
        conclusion = conclude_if(site, found)
        if conclusion is not None:
            return conclusion
    return _rest(site, results)


def _sentence(text: str) -> str:
    """Capitalise a text, unless it begins with a URL or a name such as `ssm-user`."""
    return text[0].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def _starting_again(site: Site, found: dict[str, Finding], steps: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return steps, with one more if the running agent could not start again."""
    if tag_of(found, "configuration") == "configuration":
        fix = (f"Before its next start fix {site.paths.config}: the agent does not start with it", "")
    elif tag_of(found, "vault") == VAULT_EXITS:
        fix = steps_of(found["vault"])[0]
    else:
        return [*steps]
    restart = restart_step(site)
    return [*(step for step in steps if step != restart), fix, *(step for step in steps if step == restart)]


def _blocked(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    if tag_of(found, "guard-run") != BLOCKED:
        return None
    finding = found["guard-run"]
    run = last_run(site.vault)
    if run is None:
        return None
    others = remedies_of(site) if tag_of(found, "fingerprint") == "differs" else []
    steps = list(dict.fromkeys((*steps_of(finding), *others, ("Then start the agent", restart_command(site)))))
    head = f"The agent does not run: the guard blocks its start since {run.at}"
    text = f"{head}, because {run.why}. {_do(steps)}"
    return Conclusion("not-running", text, run.at, "guard-run", tuple(steps), head, run.why, _evidence(finding))


def _waiting(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    if not tag_of(found, "waiting").startswith("waiting-"):
        return None
    # The check has read the logs already, so this does not wait.
    timeline = site.timeline
    wait = wait_of(site)
    if wait is None:
        return None
    began = site.seconds_of(wait.since)
    since = utc(began) if began is not None else ""
    head = f"Hibernating since {since or wait.since or 'an unknown time'}"
    because, why, steps = why_waiting(site, found, wait, wait is timeline.worker)
    steps = _starting_again(site, found, steps)
    text = f"{head}, because {why}. {_do(steps)}"
    evidence = logged(site, wait) or _evidence(found.get(because))
    return Conclusion("hibernating", text, since, because, tuple(steps), head, why, evidence)


def _evidence(finding: Finding | None) -> str:
    """Return the first evidence of a finding; "" for none."""
    return finding.evidence[0] if finding is not None and finding.evidence else ""


def _do(steps: Sequence[tuple[str, str]]) -> str:
    if not steps:
        return ""
    text, command = steps[0]
    head, colon, named = text.rpartition(": fingerprint ")
    if colon and not command and "`" not in text:
        text = f"{head}: `fingerprint {named}`"
    return f"Do: {text[0].lower()}{text[1:]}{f' (`{command}`)' if command else ''}."


def _not_registered(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    if tag_of(found, "registration") != "not-registered":
        return None
    finding = found["registration"]
    steps = steps_of(finding)
    text = _sentence(finding.text)
    return Conclusion(
        "not-registered", f"{text}. {_do(steps)}", "", "registration", tuple(steps), text, evidence=_evidence(finding)
    )


def _broken(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    if tag_of(found, "vault") == VAULT_MINTS:
        finding = found["vault"]
        steps = [DO_NOT_RESTART, *steps_of(finding)]
        text = (
            f"Will hibernate after its next check, because {finding.text}. Do not restart the agent. {_do(steps[1:])}"
        )
        head = "Will hibernate after its next check: do not restart the agent"
        return Conclusion("broken", text, "", "vault", tuple(steps), head, finding.text, _evidence(finding))
    if tag_of(found, "vault") == VAULT_EXITS:
        finding = found["vault"]
        kept = ": the fingerprint is safe" if _has_record(site) else ""
        head = "The agent exits at its next start"
        text = f"{head}, because {finding.text}. It writes nothing{kept}. {_do(steps_of(finding))}".rstrip()
        steps = steps_of(finding)
        return Conclusion("broken", text, "", "vault", tuple(steps), head, finding.text, _evidence(finding))
    if tag_of(found, "fingerprint") == "lost":
        finding = found["fingerprint"]
        head, steps = _sentence(finding.text), steps_of(finding)
        return Conclusion(
            "broken", f"{head}. {_do(steps)}", "", "fingerprint", tuple(steps), head, evidence=_evidence(finding)
        )
    return None


def _has_record(site: Site) -> bool:
    """Return whether the vault holds a fingerprint that can be read."""
    try:
        return bool(site.record.fingerprint)
    except FingerprintError:
        return False


def _already_lost(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    finding = found.get("regenerated")
    if finding is None or finding.outcome != Outcome.FAIL:
        return None
    steps = _starting_again(site, found, [*steps_of(finding), restart_step(site)])
    head = "The agent gets no credentials any more"
    text = f"{head}, because {finding.text}. {_do(steps)}"
    return Conclusion("hibernating", text, "", "regenerated", tuple(steps), head, finding.text, _evidence(finding))


def _about_to(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    if tag_of(found, "collector") in (RECIPE_CHANGED, IDS_MOVED):
        name, why = "collector", found["collector"].text
        steps = [(BACKUP.text, BACKUP.command), *steps_of(found["collector"])]
    elif tag_of(found, "fingerprint") == "differs":
        name, why, steps = "fingerprint", _why_it_differs(site), remedies_of(site)
        if tag_of(found, "collector") in (NO_WMIC, WMI_BROKEN):
            name, why = "collector", found["collector"].text
    elif tag_of(found, "key") == AHEAD:
        step = steps_of(found["key"])
        head = "Not hibernating yet: the service will reject the agent's next token request"
        text = f"{head}, because {REPLACED}. {_do(step)}"
        return Conclusion("will-hibernate", text, "", "key", tuple(step), head, REPLACED, _evidence(found["key"]))
    else:
        return None
    # A backup and the preferred remedy; the others are alternatives.
    then = ", then ".join(f"{text[0].lower()}{text[1:]}" for text, _ in steps[:2])
    head = f"Not hibernating yet: the agent will be rejected {_when(site)}"
    text = f"{head}, because {why}.{f' Do: {then}.' if then else ''}"
    return Conclusion("will-hibernate", text, "", name, tuple(steps), head, why, _evidence(found[name]))


def _why_it_differs(site: Site) -> str:
    explanation = site.explanation
    if explanation.outcome == "cannot-tell":
        return f"it reads empty values in place of {', '.join(explanation.collection.unreadable)}"
    return f"the machine differs from its record ({explanation.rule})"


def _when(site: Site) -> str:
    """Return when the agent compares next, as the end of a sentence."""
    forecast = site.forecast
    return forecast.check.when if forecast is not None else "at its next check, when it next requests a token"


def _stopped(site: Site, found: dict[str, Finding]) -> Conclusion | None:
    cause = next((name for name in ("configuration", "waiting") if tag_of(found, name) in _NO_START), None)
    for name in ("installed", "running"):
        finding = found.get(name)
        if finding is not None and finding.tag in ("not-installed", "not-running"):
            text = _sentence(finding.text)
            if cause is not None and name == "running":
                steps = [*steps_of(found[cause]), *steps_of(finding)]
                text = f"{text}, because {found[cause].text}. {_do(steps)}"
                because = found[cause]
                return Conclusion(
                    "not-running", text, "", cause, tuple(steps), _sentence(finding.text), because.text,
                    _evidence(because),
                )  # fmt: skip
            steps = steps_of(finding)
            return Conclusion(
                "not-running", f"{text}. {_do(steps)}", "", name, tuple(steps), text, evidence=_evidence(finding)
            )
    return None


def _rest(site: Site, results: Sequence[Result]) -> Conclusion:
    # Only the check of the logs shows whether the agent hibernates.
    awake = any(result.name == "waiting" and result.finding.outcome == Outcome.PASS for result in results)
    not_hibernating = "Not hibernating by its logs" if site.copied else "Not hibernating"
    left_out = ", ".join(result.name for result in results if result.finding.tag == NOT_ON_DISK)
    note = f" A copied disk does not show: {left_out}." if left_out else ""
    if any(result.finding.tag == WITHOUT_ACCOUNT for result in results):
        note = f" Its account is unknown.{note}"
    limits = next((result.finding for result in results if result.finding.tag == LIMITED), None)
    wrong = [result for result in results if result.finding.outcome == Outcome.FAIL]
    if wrong:
        first = wrong[0]
        steps = steps_of(first.finding)
        text = first.finding.text
        head = f"{not_hibernating}, but {text}" if awake else _sentence(text)
        return Conclusion(
            "broken", f"{head}. {_do(steps)}".rstrip(), "", first.name, tuple(steps),
            not_hibernating if awake else _sentence(text), text if awake else "", _evidence(first.finding),
        )  # fmt: skip
    unread = [result for result in results if result.finding.undetermined]
    if unread:
        names = ", ".join(result.name for result in unread)
        steps = list(dict.fromkeys(step for result in unread for step in steps_of(result.finding)))
        first_reason = unread[0].finding.text
        return Conclusion(
            "cannot-tell", f"Unknown: cannot check {names} ({first_reason}). {_do(steps)}".rstrip(), "",
            unread[0].name, tuple(steps), "Unknown", f"cannot check {names} ({first_reason})",
            _evidence(unread[0].finding),
        )  # fmt: skip
    warnings = [result for result in results if result.finding.outcome == Outcome.WARN]
    if warnings:
        steps = [step for result in warnings for step in steps_of(result.finding)]
        count = f"{len(warnings)} warning{'s' * (len(warnings) != 1)}"
        head = f"{not_hibernating}, with {count}" if awake else f"{count[0].upper()}{count[1:]}"
        limited = "" if limits is None or warnings[0].finding is limits else f" {_sentence(limits.evidence[0])}."
        text = f"{head}: {warnings[0].finding.text}. {_do(steps[:1])}".rstrip() + limited + note
        return Conclusion(
            "warnings", text, "", warnings[0].name, tuple(dict.fromkeys(steps)), head, warnings[0].finding.text,
            _evidence(warnings[0].finding),
        )  # fmt: skip
    if results and all(result.finding.tag == NOT_ON_DISK for result in results):
        # Without a single answer the state is not healthy.
        head = f"Unknown: a copied disk does not show {left_out}"
        return Conclusion("cannot-tell", f"{head}.", "", results[0].name, (), head)
    if awake:
        nothing = "nothing on the disk is wrong" if site.copied else "nothing is wrong"
        limited = "" if limits is None else limits.evidence[0]
        head = f"{not_hibernating}, and {nothing}"
        text = f"{head}.{f' {_sentence(limited)}.' if limited else ''}{note}"
        return Conclusion("healthy", text, "", "", (), head, evidence=f"{limited}{'. ' * bool(limited)}{note.strip()}")
    unasked = next((text for text in (NOT_ASKED, OF_ANOTHER) if any(one.finding.text == text for one in results)), "")
    none = all(result.finding.outcome == Outcome.SKIPPED for result in results)
    if none and unasked:
        return Conclusion(
            "cannot-tell", f"Unknown: no check ran ({unasked}).", "", results[0].name, (), "Unknown",
            f"no check ran ({unasked})",
        )  # fmt: skip
    waits = next((one for one in results if one.name == "waiting"), None)
    if waits is not None:
        # It ran, and does not show whether the agent hibernates.
        text = waits.finding.text
        return Conclusion(
            "cannot-tell", f"Unknown: {text}.{note}", "", "waiting", (), "Unknown", text, _evidence(waits.finding)
        )
    head = f"No check applies here ({results[0].finding.text})" if none and results else _NOTHING_WRONG
    head += "; none of them shows whether the agent hibernates"
    return Conclusion("healthy", f"{head}.{note}", "", "", (), head, evidence=note.strip())
