"""The conclusion by findings: the state, the check that gives the cause, and the steps in their order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_machines import DENIED, MISMATCH, AgentMachine, line, ready, refused, started
from broken_machines import NO_PERMISSION, other_machine
from fingerprint.diagnose import Site
from fingerprint.diagnose.checks.account import FOREIGN, WITHOUT_ACCOUNT
from fingerprint.diagnose.checks.agent import restart_command
from fingerprint.diagnose.checks.replaced_key import AHEAD, REJECTED, UNDATED
from fingerprint.diagnose.checks.vault import VAULT_EXITS, VAULT_MINTS
from fingerprint.diagnose.conclusion import conclude
from fingerprint.diagnose.reachability import NOT_ASKED, OF_ANOTHER
from fingerprint.diagnose.result import (
    DO_NOT_RESTART,
    IDS_MOVED,
    NO_WMIC,
    NOT_ON_DISK,
    RECIPE_CHANGED,
    Conclusion,
    Diagnosis,
    Finding,
    Outcome,
    Result,
    failed,
    not_on_disk,
    passed,
    skipped,
    unknown,
    warned,
)
from fingerprint.errors import VaultUnreadable
from fingerprint.explanation.remedies import BACKUP
from fingerprint.vault.regeneration import State

Found = tuple[str, Finding]


@pytest.fixture
def host(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def results(found: Sequence[Found]) -> list[Result]:
    return [Result(name, name, finding, 0.0) for name, finding in found]


def concluded(host: AgentMachine, *found: Found) -> Conclusion:
    return conclude(host.site(), results(found))


def problem(text: str = "a problem", tag: str = "", command: str = "do it") -> Finding:
    return failed(text, remedy=f"Against {text}", command=command, tag=tag)


def step(text: str = "a problem", command: str = "do it") -> tuple[str, str]:
    return f"Against {text}", command


WARNED, OTHER_WARNED = (warned(text, remedy=f"Against {text}", command="do it") for text in ("a warning", "another"))
UNREAD, OTHER_UNREAD = (unknown(text, remedy=f"Against {text}", command="do it") for text in ("unread", "also unread"))
FINE, AWAKE = ("one", passed("fine")), ("waiting", passed("nothing waits"))


@pytest.mark.parametrize(
    ("found", "state", "because", "steps"),
    [
        ([FINE, AWAKE], "healthy", "", []),
        ([FINE], "healthy", "", []),
        ([FINE, ("two", skipped("not here"))], "healthy", "", []),
        ([("one", skipped("not here")), ("two", skipped("not here"))], "healthy", "", []),
        ([AWAKE, ("one", WARNED), ("two", OTHER_WARNED)], "warnings", "one", [step("a warning"), step("another")]),
        ([AWAKE, ("one", WARNED), ("two", WARNED)], "warnings", "one", [step("a warning")]),
        ([("one", WARNED), ("two", UNREAD), ("three", OTHER_UNREAD)], "cannot-tell", "two",
         [step("unread"), step("also unread")]),
        ([("one", UNREAD), ("two", WARNED), ("three", problem()), ("four", problem("other"))], "broken", "three",
         [step()]),
        ([("one", not_on_disk("not on a disk")), ("two", not_on_disk("not on a disk"))], "cannot-tell", "one", []),
        ([("one", not_on_disk("not on a disk")), FINE], "healthy", "", []),
        ([("one", skipped(NOT_ASKED)), ("two", skipped("not here"))], "cannot-tell", "one", []),
        ([("one", skipped("not here")), ("two", skipped(OF_ANOTHER))], "cannot-tell", "one", []),
        ([("one", skipped(NOT_ASKED)), FINE], "healthy", "", []),
        ([("registration", problem(tag="not-registered")), ("vault", problem("other", VAULT_MINTS))],
         "not-registered", "registration", [step()]),
        ([("vault", problem(tag=VAULT_EXITS)), ("one", problem("other"))], "broken", "vault", [step()]),
        ([("fingerprint", problem(tag="lost")), ("running", problem("other", "not-running"))], "broken", "fingerprint",
         [step()]),
        ([("installed", problem(tag="not-installed")), ("one", problem("other"))], "not-running", "installed",
         [step()]),
        ([("running", problem(tag="not-running"))], "not-running", "running", [step()]),
        ([("running", problem("other")), ("installed", problem())], "broken", "running", [step("other")]),
        *(
            ([(cause, problem("cause", tag)), ("running", problem(tag="not-running"))], "not-running", cause,
             [step("cause"), step()])
            for cause, tag in (
                ("configuration", "configuration"), ("configuration", "order"), ("waiting", "not-started"),
            )
        ),
        ([("configuration", problem("cause", "order")), ("installed", problem(tag="not-installed"))], "not-running",
         "installed", [step()]),
        ([("key", problem(tag=AHEAD))], "will-hibernate", "key", [step()]),
    ],
)  # fmt: skip
def test_findings_give_the_state_the_cause_and_the_steps(
    host: AgentMachine, found: list[Found], state: str, because: str, steps: list[Any]
) -> None:
    made = concluded(host, *found)
    assert (made.state, made.because, list(made.steps)) == (state, because, steps)
    # The sentence has what was found and what to do first.
    found_by = {name: finding.text for name, finding in found}
    if because in found_by and found_by[because] not in ("not on a disk", "not here"):
        assert found_by[because][1:] in made.text
    if steps:
        assert (steps[0][0][1:] if state != "will-hibernate" else "Do: ") in made.text
    assert made.text.endswith((".", "`)."))


def test_a_vault_in_which_the_agent_mints_has_a_warning_first(host: AgentMachine) -> None:
    made = concluded(host, ("vault", problem(tag=VAULT_MINTS)), ("running", problem("other", "not-running")))
    assert (made.state, made.because) == ("broken", "vault")
    assert made.steps[1:] == (step(),)
    assert made.steps[0][1] == ""


def test_a_replaced_fingerprint_is_restored_before_the_restart(host: AgentMachine) -> None:
    made = concluded(host, ("regenerated", problem()), ("running", problem("other", "not-running")))
    assert (made.state, made.because) == ("hibernating", "regenerated")
    assert [command for _, command in made.steps] == ["do it", restart_command(host.site())]
    assert concluded(host, ("regenerated", WARNED)).state == "warnings"


@pytest.mark.parametrize("tag", [RECIPE_CHANGED, IDS_MOVED])
def test_before_a_recipe_is_fixed_the_record_is_kept(host: AgentMachine, tag: str) -> None:
    made = concluded(host, ("collector", problem(tag=tag)), ("fingerprint", problem("other", "differs")))
    assert (made.state, made.because) == ("will-hibernate", "collector")
    assert made.steps == ((BACKUP.text, BACKUP.command), step())


def test_another_machine_gets_the_remedies_of_the_explanation(host: AgentMachine) -> None:
    other_machine(host)
    site = host.site()
    made = conclude(site, results([("fingerprint", problem(tag="differs"))]))
    assert (made.state, made.because) == ("will-hibernate", "fingerprint")
    assert made.steps == tuple((one.text, one.command) for one in site.explanation.remedies)


@pytest.mark.parametrize(
    ("finding", "rest", "state", "because"),
    [
        (problem("foreign", FOREIGN), [], "broken", "account"),
        (warned("foreign", remedy="Against foreign", command="do it", tag=FOREIGN), [], "warnings", "account"),
        (warned("foreign", remedy="Against foreign", command="do it", tag=FOREIGN), [FINE, AWAKE], "warnings",
         "account"),
        (warned("foreign", remedy="Against foreign", command="do it", tag=FOREIGN), [("one", problem())], "broken",
         "account"),
        (warned("foreign", remedy="Against foreign", command="do it", tag=FOREIGN), [("one", UNREAD)], "cannot-tell",
         "account"),
        (problem("foreign", FOREIGN), [("one", UNREAD)], "broken", "account"),
        (problem("foreign", FOREIGN), [("running", problem(tag="not-running"))], "not-running", "account"),
        (problem("foreign", FOREIGN), [("one", WARNED)], "broken", "account"),
    ],
)  # fmt: skip
def test_a_node_that_is_registered_elsewhere_comes_first(
    host: AgentMachine, finding: Finding, rest: list[Found], state: str, because: str
) -> None:
    made = concluded(host, *rest, ("account", finding))
    assert (made.state, made.because, made.steps[0]) == (state, because, step("foreign"))
    assert made.steps[1:] == (concluded(host, *rest).steps if rest else ())


@pytest.mark.parametrize(
    ("text", "begins"),
    [
        ("two words-with a dash", "Two words-with"),
        ("ssm-user may not", "ssm-user may"),
        ("https://example.com is closed", "https://"),
        ("word", "Word."),
    ],
)
def test_a_sentence_begins_with_a_capital_unless_with_a_name(host: AgentMachine, text: str, begins: str) -> None:
    assert concluded(host, ("one", problem(text))).text.startswith(begins)


@pytest.mark.parametrize(
    ("remedy", "command", "said"),
    [
        ("Say it: fingerprint check", "", "say it: `fingerprint check`"),
        ("Say it: fingerprint check", "do it", "say it: fingerprint check (`do it`)"),
        ("Say `it`: fingerprint check", "", "say `it`: fingerprint check."),
        ("Say it", "do it", "say it (`do it`)"),
        ("Say it", "", "say it."),
    ],
)
def test_a_command_is_marked_once(host: AgentMachine, remedy: str, command: str, said: str) -> None:
    text = concluded(host, ("one", failed("a problem", remedy=remedy, command=command))).text
    assert said in text
    assert text.count("`") == 2 * ("`" in said)


def test_a_problem_without_a_remedy_has_no_step(host: AgentMachine) -> None:
    made = concluded(host, ("one", failed("a problem")))
    assert (made.steps, made.text) == ((), "A problem.")


def test_a_conclusion_says_that_the_account_is_not_known(host: AgentMachine) -> None:
    without = ("account", Finding(Outcome.SKIPPED, "not known", tag=WITHOUT_ACCOUNT))
    assert concluded(host, AWAKE, FINE, without).text != concluded(host, AWAKE, FINE).text


def waiting_log(error: str) -> str:
    return started("08:00:00") + ready("08:00:01") + started("11:00:00") + refused("11:35:00", error)


def waits(host: AgentMachine, *found: Found, error: str = MISMATCH) -> Conclusion:
    host.log("amazon-ssm-agent.log", waiting_log(error))
    return concluded(host, ("waiting", problem("it waits", "waiting-refresher")), *found)


CAUSES = [("regenerated", ""), ("vault", VAULT_MINTS), ("key", REJECTED), ("wmi", ""), ("collector", RECIPE_CHANGED),
          ("collector", IDS_MOVED), ("collector", NO_WMIC), ("clock", ""), ("endpoint-ssm", ""),
          ("configuration", "order")]  # fmt: skip
# An error of which each of them may be the reason.
UNKNOWN = "something happened"


@pytest.mark.parametrize(("name", "tag"), CAUSES)
def test_a_check_that_failed_is_the_cause_of_the_wait(host: AgentMachine, name: str, tag: str) -> None:
    made = waits(host, (name, problem("cause", tag or "any")), error=UNKNOWN)
    restart = restart_command(host.site())
    assert (made.state, made.because, made.since) == ("hibernating", name, "2026-11-24T11:35:00Z")
    # What fixes a replaced key is the restart itself.
    assert [command for _, command in made.steps] == (["do it"] if tag == REJECTED else ["do it", restart])
    # Who registers again starts the agent anyhow.
    again = waits(host, (name, problem("cause", tag, command="fingerprint register")), error=UNKNOWN)
    assert [command for _, command in again.steps] == ["fingerprint register"]
    # A warning, and another failure of the same check, are no cause.
    assert waits(host, (name, warned("cause", tag=tag)), error=UNKNOWN).because == "waiting"
    if tag:
        assert waits(host, (name, problem("cause", "something-else")), error=UNKNOWN).because == "waiting"


def test_the_strongest_cause_is_named(host: AgentMachine) -> None:
    found = [(name, problem("cause", tag)) for name, tag in CAUSES if name != "collector"]
    for number in range(len(found)):
        assert waits(host, *reversed(found[number:]), error=UNKNOWN).because == found[number][0]


@pytest.mark.parametrize("differs", [True, False])
def test_a_machine_that_differs_is_fixed_before_its_key(host: AgentMachine, differs: bool) -> None:
    if differs:
        other_machine(host)
    more = [("fingerprint", problem("other", "differs"))] if differs else []
    made = waits(host, ("key", problem("cause", REJECTED)), *more, error=DENIED)
    remedies = [(one.text, one.command) for one in host.site().explanation.remedies] if differs else []
    assert made.because == "key"
    assert list(made.steps) == [*remedies, step("cause")]


@pytest.mark.parametrize(
    ("error", "found", "because", "commands"),
    [
        (MISMATCH, [], "waiting", ["fingerprint vault history", ""]),
        (DENIED, [], "waiting", ["", "RESTART"]),
        (DENIED, [("key", warned("a key", tag=UNDATED))], "waiting", ["", "RESTART"]),
        ("RequestError: send request failed", [], "waiting", ["fingerprint diagnose --network", "RESTART"]),
        (
            "InvalidSignatureException: Signature expired: 1 is now earlier than 2",
            [],
            "clock",
            ["timedatectl set-ntp true", "RESTART"],
        ),
        (UNKNOWN, [], "waiting", ["", "RESTART", "fingerprint report --redact ticket.tar.gz"]),
    ],
)
def test_the_error_is_the_cause_where_no_check_failed(
    host: AgentMachine, error: str, found: list[Found], because: str, commands: list[str]
) -> None:
    made = waits(host, *found, error=error)
    restart = restart_command(host.site())
    assert (made.state, made.because) == ("hibernating", because)
    assert [command.replace(restart, "RESTART") for _, command in made.steps] == commands
    if "RequestError" in error:
        assert "send request failed" in made.text


# An error -> checks that cannot be its reason, although they failed.
NO_REASONS = {
    "ThrottlingException: Rate exceeded": ("vault", "wmi", "clock", "endpoint-ssm", "key", "configuration"),
    MISMATCH: ("clock", "endpoint-ssm", "key"), DENIED: ("clock", "endpoint-ssm", "wmi", "vault"),
    "dial tcp: lookup a.example: no such host": ("vault", "wmi", "key"),
    "InvalidInstanceId: Not existing InstanceId": ("vault", "wmi", "clock", "endpoint-ssm"),
}  # fmt: skip


@pytest.mark.parametrize("error", NO_REASONS)
def test_a_check_that_cannot_explain_the_error_is_no_cause(host: AgentMachine, error: str) -> None:
    alone = waits(host, error=error)
    tags = dict(CAUSES)
    for name in NO_REASONS[error]:
        made = waits(host, (name, problem("cause", tags[name])), error=error)
        assert (made.because, made.text, made.steps) == (alone.because, alone.text, alone.steps), name


def test_a_replaced_fingerprint_is_named_besides_another_cause(host: AgentMachine) -> None:
    made = waits(host, ("regenerated", problem("replaced")), error="ThrottlingException: Rate exceeded")
    assert made.because == "waiting"
    assert "the service limits the rate of requests" in made.text
    assert "besides, its fingerprint was replaced" in made.text
    assert step("replaced") in made.steps


def test_an_undated_key_is_named_as_a_possible_cause(host: AgentMachine) -> None:
    undated = waits(host, ("key", warned("a key", tag=UNDATED)), error=DENIED)
    assert len(undated.text) > len(waits(host, error=DENIED).text)


def test_a_machine_that_differs_is_the_cause_of_a_mismatch(host: AgentMachine) -> None:
    other_machine(host)
    made = waits(host, ("fingerprint", problem("other", "differs")))
    remedies = [(one.text, one.command) for one in host.site().explanation.remedies]
    assert made.because == "fingerprint"
    assert list(made.steps[:-1]) == remedies
    assert made.steps[-1][1] == restart_command(host.site())


class Restored(Site):
    """A host whose record was restored, or whose history cannot be read."""

    restored_at: str | None = ""

    @property
    def record_state(self) -> tuple[State, tuple[str, ...]]:  # type: ignore[override]
        if self.restored_at is None:
            raise VaultUnreadable("the history cannot be read", where="/some/file")
        return State(restored_at=self.restored_at), ()


@pytest.mark.parametrize(
    ("restored_at", "more", "because"),
    [
        ("2026-11-24T11:50:00Z", [], "regenerated"),
        ("2026-11-24T11:35:00Z", [], "regenerated"),
        ("2026-11-24T11:20:00Z", [], "waiting"),
        ("", [], "waiting"),
        (None, [], "waiting"),
        ("2026-11-24T11:50:00Z", [("fingerprint", problem("other", "differs"))], "fingerprint"),
    ],
)
def test_an_agent_that_holds_the_fingerprint_before_the_restore(
    host: AgentMachine, restored_at: str | None, more: list[Found], because: str
) -> None:
    host.log("amazon-ssm-agent.log", waiting_log(MISMATCH))
    plain = host.site()
    site = Restored(plain.machine, plain.vault)
    site.restored_at = restored_at
    made = conclude(site, results([("waiting", problem("it waits", "waiting-refresher")), *more]))
    assert (made.state, made.because) == ("hibernating", because)
    if because == "regenerated":
        assert [command for _, command in made.steps] == [restart_command(site)]


@pytest.mark.parametrize(("text", "asks_network"), [(NO_PERMISSION, False), ("RequestError: no way", True)])
def test_a_worker_that_waits_has_causes_of_its_own(host: AgentMachine, text: str, asks_network: bool) -> None:
    error = text if asks_network is False else f"Entering SSM Agent hibernate - {text}"
    host.log(
        "amazon-ssm-agent.log",
        started("11:00:00") + ready("11:00:01") + line("11:00:03", "INFO", error, "[ssm-agent-worker] ")
        + ready("11:30:01"),
    )  # fmt: skip
    made = concluded(host, ("waiting", problem("it waits", "waiting-worker")))
    assert (made.state, made.because) == ("hibernating", "waiting")
    assert ("fingerprint diagnose --network" in [command for _, command in made.steps]) == asks_network
    assert made.steps[-1][1] == restart_command(host.site())


@pytest.mark.parametrize(
    ("name", "finding"),
    [("configuration", problem("cause", "configuration")), ("vault", problem("cause", VAULT_EXITS))],
)
def test_what_blocks_the_agent_is_fixed_before_the_restart(host: AgentMachine, name: str, finding: Finding) -> None:
    made = waits(host, (name, finding), error=DENIED)
    assert len(made.steps) == 3
    assert made.steps[-1][1] == restart_command(host.site())
    assert (made.steps[1] == step("cause")) == (name == "vault")


def seen(text: str = "a problem", tag: str = "") -> Finding:
    return failed(text, "seen", "also seen", remedy="Fix it", tag=tag)


@pytest.mark.parametrize(
    ("found", "head", "cause", "evidence"),
    [
        ([("fingerprint", seen(tag="lost"))], "A problem", "", "seen"),
        ([("registration", seen(tag="not-registered"))], "A problem", "", "seen"),
        ([("running", seen(tag="not-running"))], "A problem", "", "seen"),
        ([("configuration", seen("cause", "order")), ("running", failed("no process", "other", tag="not-running"))],
         "No process", "cause", "seen"),
        ([("vault", seen(tag=VAULT_EXITS))], "The agent exits at its next start", "a problem", "seen"),
        ([("vault", seen(tag=VAULT_MINTS))], "Will hibernate after its next check: do not restart the agent",
         "a problem", "seen"),
        ([("regenerated", seen())], "The agent gets no credentials any more", "a problem", "seen"),
        ([("key", seen(tag=AHEAD))], "Not hibernating yet: the service will reject the agent's next token request",
         "the running agent signs with a replaced key", "seen"),
        ([AWAKE, ("one", seen())], "Not hibernating", "a problem", "seen"),
        ([("one", seen())], "A problem", "", "seen"),
        ([("one", unknown("unread", "seen"))], "Unknown", "cannot check one (unread)", "seen"),
        ([AWAKE, ("one", warned("a warning", "seen"))], "Not hibernating, with 1 warning", "a warning", "seen"),
        ([("one", skipped(NOT_ASKED))], "Unknown", f"no check ran ({NOT_ASKED})", ""),
        ([AWAKE], "Not hibernating, and nothing is wrong", "", ""),
        ([AWAKE, ("one", not_on_disk("gone"))], "Not hibernating, and nothing is wrong", "",
         "A copied disk does not show: one."),
    ],
)  # fmt: skip
def test_a_conclusion_has_head_cause_and_evidence(
    host: AgentMachine, found: list[Found], head: str, cause: str, evidence: str
) -> None:
    made = concluded(host, *found)
    assert (made.head, made.cause, made.evidence) == (head, cause, evidence)


def test_a_diagnosis_failed_or_is_undetermined_by_any_finding() -> None:
    none = Conclusion("healthy", "", "", "", (), "")
    for found, expected in (
        ([FINE], (False, False)),
        ([FINE, ("two", problem())], (True, False)),
        ([FINE, ("two", UNREAD)], (False, True)),
        ([FINE, ("two", skipped("not here"))], (False, False)),
    ):
        diagnosis = Diagnosis(none, tuple(results(found)))
        assert (diagnosis.failed, diagnosis.undetermined) == expected
        assert diagnosis["one"] == FINE[1]
    with pytest.raises(KeyError):
        diagnosis["three"]


def test_unanswered_checks_are_named_with_the_first_reason(host: AgentMachine) -> None:
    made = concluded(host, ("two", UNREAD), ("three", OTHER_UNREAD))
    assert "two" in made.text
    assert "three" in made.text
    assert "(unread)" in made.text


@pytest.mark.parametrize("readable", [True, False])
def test_an_agent_that_exits_leaves_a_record_that_is_there(host: AgentMachine, readable: bool) -> None:
    if not readable:
        host.record = b"{"
    made = concluded(host, ("vault", problem(tag=VAULT_EXITS)))
    assert (made.state, made.because) == ("broken", "vault")
    other = AgentMachine(host.directory / "other")
    assert (made.text == concluded(other, ("vault", problem(tag=VAULT_EXITS))).text) is readable


def test_what_a_disk_cannot_show_is_skipped() -> None:
    found = not_on_disk("no process runs", "evidence")
    assert (found.outcome, found.text, found.evidence) == (Outcome.SKIPPED, "no process runs", ("evidence",))
    assert found.tag == NOT_ON_DISK


@pytest.mark.parametrize(
    ("steps", "first"),
    [((), ()), ((DO_NOT_RESTART,), ()), ((DO_NOT_RESTART, ("Fix it", "fix"), ("Then", "")), (("Fix it", "fix"),)),
     ((("Fix it", "fix"), DO_NOT_RESTART), (("Fix it", "fix"),)), ((("A", ""), ("B", "")), (("A", ""),))],
)  # fmt: skip
def test_the_first_step_is_one_that_the_head_does_not_say(steps: tuple[Any, ...], first: tuple[Any, ...]) -> None:
    assert Conclusion("broken", "", "", "", steps, "").first_step == first
