"""The agent's state at the end of its logs: the last state counts, wherever the logs are cut, in whatever order."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from agent_machines import DENIED, MISMATCH, REGENERATED, line, mismatch, ready, refused, skipped, started
from fingerprint.agent.logs import State, Timeline, TimelineBuilder, conclusion, parse, present, read_logs, read_parts
from fingerprint.agent.states import CONCLUSIONS
from recorded_states import STATES, recorded
from shared import SHARED

RECORDED = SHARED / "cases" / "agent" / "logs"
needs_recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="logs of the real agent are not part of it")

# The states that are right from a time on.
HEALTHY, FAILING, STOPPED, NOT_STARTED = {"healthy"}, {"failing"}, {"stopped"}, {"not-started"}
STARTING = {"cannot-tell"}
NAMES = tuple(recorded())


def text_of(name: str, log: str = "amazon-ssm-agent.log") -> list[bytes]:
    return (RECORDED / name / log).read_bytes().splitlines(keepends=True)


def clock(one: bytes) -> str:
    """Return the time of a line without its day; "" without one."""
    text = one.decode("latin-1")
    return text[11:24] if one[:4].isdigit() and text[13:14] == ":" else ""


def timeline_of(*logs: bytes, directory: Path, names: tuple[str, ...] = ("amazon-ssm-agent.log",)) -> Timeline:
    paths = []
    for name, data in zip(names, logs, strict=True):
        (directory / name).write_bytes(data)
        paths.append(str(directory / name))
    return read_logs(paths)


@needs_recorded
@pytest.mark.parametrize("name", NAMES)
def test_a_log_that_begins_at_any_line_gives_no_wrong_state(name: str, tmp_path: Path) -> None:
    lines = text_of(name)
    allowed = {STATES[recorded()[name][-1][1]], "cannot-tell"}
    wrong = []
    for begin in range(0, len(lines), 7):
        state = str(present(timeline_of(b"".join(lines[begin:]), directory=tmp_path)).state)
        if state not in allowed:
            wrong.append((begin, state))
    assert wrong == []


@needs_recorded
@pytest.mark.parametrize("name", NAMES)
def test_errors_alone_never_prove_the_current_state(name: str, tmp_path: Path) -> None:
    lines = text_of(name, "errors.log")
    for count in range(1, len(lines) + 1, 1 + len(lines) // 100):
        now = present(timeline_of(b"".join(lines[:count]), directory=tmp_path, names=("errors.log",)))
        assert now.state == State.CANNOT_TELL, (count, now)


@needs_recorded
@pytest.mark.parametrize("name", NAMES)
def test_two_logs_in_either_order_give_the_main_logs_state(name: str, tmp_path: Path) -> None:
    main, errors = text_of(name), text_of(name, "errors.log")
    deciding = (b"Retrieve credentials produced", b"Credentials ready")
    for number in [*(n for n, one in enumerate(main) if any(word in one for word in deciding)), len(main) - 1]:
        end = clock(main[number]) if number + 1 < len(main) else "24"
        while number + 1 < len(main) and not clock(main[number + 1]):
            # The other lines of the same error.
            number += 1
        until = itertools.takewhile(lambda one, end=end: clock(one) <= end, errors)  # type: ignore[misc]
        cut = [b"".join(main[: number + 1]), b"".join(until)]
        alone = timeline_of(cut[0], directory=tmp_path)
        for names in (("amazon-ssm-agent.log", "errors.log"), ("errors.log", "amazon-ssm-agent.log")):
            both = timeline_of(*(cut if names[1] == "errors.log" else cut[::-1]), directory=tmp_path, names=names)
            assert conclusion(both) == conclusion(alone), (end, names)
            assert both.events == alone.events


@needs_recorded
@pytest.mark.parametrize("name", NAMES)
def test_a_log_rotated_at_any_line_is_one(name: str, tmp_path: Path) -> None:
    lines = text_of(name)
    complete = timeline_of(b"".join(lines), directory=tmp_path)
    names = ("amazon-ssm-agent.log", "amazon-ssm-agent.log.1")
    for cut in range(1, len(lines), 41):
        while not clock(lines[cut]):
            cut -= 1
        parts = (b"".join(lines[cut:]), b"".join(lines[:cut]))
        for one, other in ((0, 1), (1, 0)):
            joined = timeline_of(parts[one], parts[other], directory=tmp_path, names=(names[one], names[other]))
            assert (present(joined), joined.events) == (present(complete), complete.events), cut
        assert present(read_parts(list(parts), [], [])) == present(complete)


@needs_recorded
@pytest.mark.parametrize(
    ("name", "end", "words"),
    [
        ("a", "19:24", "another program replaced the node's key"),
        ("b", "19:25:40", "the machine differed from its record, and the agent stored a new fingerprint"),
        (
            "b",
            "19:27:47",
            "the service rejects the node: it was deregistered, or its role was changed or removed, or its",
        ),
        ("b", "19:28:00", "its clock is wrong"),
        ("b", "19:28:20", "connect"),
        ("b", "19:29:30", "the agent ends at each start: the agent finds no identity"),
        ("b", "19:30:00", "the agent could not read its record (unexpected end of JSON input)"),
        ("c", "19:32:33", "failed to unmarshal vault manifest"),
        ("c", "19:32:42", "data file of InstanceFingerprint is missing"),
        ("c", "19:33:44", "is not valid UTF-8: Hardware hash generated contains invalid characters"),
        ("e", "19:36", "it compares the hardware and requests new ones at 2026-11-29 19:37:25"),
    ],
)
def test_the_current_cause_is_shown_and_no_earlier_one(name: str, end: str, words: str, tmp_path: Path) -> None:
    lines = list(itertools.takewhile(lambda one: clock(one) <= end + "~", text_of(name)))
    assert words in present(timeline_of(b"".join(lines), directory=tmp_path)).cause


@needs_recorded
def test_an_agent_that_recovered_is_healthy() -> None:
    timeline = read_logs([str(RECORDED.parent / "recovered.log")])
    assert present(timeline).state == State.HEALTHY
    assert present(timeline).since == "2026-11-29 19:32:16"
    assert conclusion(timeline)[1] == []
    assert "Before that, and over: 1 new fingerprint, MachineFingerprintDoesNotMatch 1 time." in conclusion(timeline)[0]


# The same kinds, composed of single lines.

_STOP = "Stopping Core Agent"
FROM_DISK = "Credentials ready"
LOST = mismatch("09:00:05", "ipaddress-info", "disk-info") + line("09:00:16", "INFO", REGENERATED, "")
_CORE = "[amazon-ssm-agent] "


def restarted_on_disk(at: str, minutes: str) -> str:
    """Return the lines of an agent that finds valid credentials on the disk at its start."""
    version, loop = started(at).splitlines(keepends=True)
    rotation = line(at, "INFO", f"Next credential rotation will be in {minutes} minutes")
    return version + line(at, "INFO", FROM_DISK) + loop + rotation


def state_of(text: str) -> str:
    return str(present(read_parts([text.encode()], [], [])).state)


STEPS: list[tuple[str, set[str]]] = [
    (started("08:00:00"), STARTING),
    (ready("08:00:01"), HEALTHY),
    (line("08:59:50", "INFO", _STOP, _CORE), STOPPED),
    (started("09:00:00"), STARTING),
    (LOST, FAILING),
    (refused("09:00:17"), FAILING),
    (refused("09:26:04"), FAILING),
    (line("09:29:50", "INFO", _STOP, _CORE), STOPPED),
    (started("09:30:00"), STARTING),
    (refused("09:30:01"), FAILING),
    (started("09:40:00") + ready("09:40:01"), HEALTHY),
    (refused("10:10:00", DENIED), FAILING),
    (ready("10:36:00"), HEALTHY),
    (restarted_on_disk("10:40:00", "26.0"), HEALTHY),
    (LOST.replace(" 09:00:", " 11:06:"), FAILING),
    (refused("11:06:17"), FAILING),
    (restarted_on_disk("11:07:00", "-2.1"), STARTING),
    (refused("11:07:20"), FAILING),
    (line("11:10:00", "ERROR", "Error occurred when starting amazon-ssm-agent: no identity", ""), NOT_STARTED),
    (started("11:12:00") + ready("11:12:01"), HEALTHY),
    (line("11:12:03", "INFO", "Entering SSM Agent hibernate - AccessDeniedException: no", ""), FAILING),
    (line("11:17:03", "INFO", "ssm-agent-worker - v3.3.1142.0", ""), HEALTHY),
]  # fmt: skip


def test_each_step_of_a_timeline_gives_its_state() -> None:
    text = ""
    for step, allowed in STEPS:
        text += step
        assert state_of(text) in allowed, step


@pytest.mark.parametrize("begin", range(len(STEPS)))
def test_a_timeline_from_any_step_on_ends_in_the_same_state(begin: int) -> None:
    text = "".join(step for step, _ in STEPS[begin:])
    assert state_of(text) in STEPS[-1][1] | {"cannot-tell"}


@pytest.mark.parametrize("count", range(1, len(STEPS) + 1))
def test_both_readers_and_both_orders_of_logs_agree(count: int, tmp_path: Path) -> None:
    text = "".join(step for step, _ in STEPS[:count])
    errors = "".join(one for one in text.splitlines(keepends=True) if " ERROR " in one)
    alone = present(timeline_of(text.encode(), directory=tmp_path))
    assert alone == present(read_parts([text.encode()], [errors.encode()], []))
    for names in (("errors.log", "amazon-ssm-agent.log"), ("amazon-ssm-agent.log", "errors.log")):
        logs = {"errors.log": errors, "amazon-ssm-agent.log": text}
        both = timeline_of(*(logs[name].encode() for name in names), directory=tmp_path, names=names)
        assert present(both) == alone
    only = present(timeline_of(errors.encode(), directory=tmp_path, names=("errors.log",)))
    assert only.state == State.CANNOT_TELL


@pytest.mark.parametrize(("failed", "first"), [
    (LOST + refused("09:00:17"), "Search for the old record: `fingerprint vault history`. If it was kept: "
     "`fingerprint vault restore N --rebaseline --yes`"),
    (refused("09:00:17", DENIED), "Find the node and its role"),
    (ready("09:00:01") + refused("09:30:17", DENIED), "Start the agent: it then signs with the key in the vault"),
    (refused("09:00:17", "RequestError: send request failed"), "Check the network"),
    (refused("09:00:17", "something"), "Fix what the error names"),
    ("", "Start the agent"), (ready("09:00:01"), "Start the agent"),
])  # fmt: skip
def test_a_failure_before_a_stop_is_fixed_before_the_start(failed: str, first: str) -> None:
    stop = line("09:40:00", "INFO", _STOP, _CORE)
    _, steps, _ = conclusion(read_parts([(started("09:00:00") + failed + stop).encode()], [], []))
    assert steps[0].startswith(first)
    assert len(steps) == 1 or any(step.startswith("Start the agent") for step in steps)
    assert not any("estart the agent" in step for step in steps)


_EXPIRED = (
    "[HealthCheck] error when calling AWS APIs. error details - shared credentials are already expired, they were "
    "retrieved at 2026-11-24T08:00:00Z and expired at 2026-11-24T09:00:00Z"
)
_BEGINS = "[LongRunningWorkerContainer] Worker ssm-agent-worker is not running, starting worker process"
_CANNOT_RUN = (
    "[LongRunningWorkerContainer] failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: "
    "operation not permitted"
)
_NO_REGISTRATION = (
    "Entering SSM Agent hibernate - Failed to fetch instance ID. Data from vault is empty. RequestError: send request "
    "failed"
)
# Failure -> (conclusion, its lines).
FAILURES: dict[str, tuple[str, str]] = {
    "request": ("failing", refused("09:00:17", DENIED)),
    "expired": ("expired", line("09:05:00", "ERROR", _EXPIRED, "[ssm-agent-worker] ")),
    "hibernates": ("hibernating", ready("09:00:01") + line(
        "09:00:05", "INFO", "Entering SSM Agent hibernate - AccessDeniedException: no", "[ssm-agent-worker] ")),
    "hibernates without a registration": ("hibernating", line("09:00:05", "INFO", _NO_REGISTRATION, "")),
    "worker is not let run": ("worker-failing", ready("09:00:01") + line("09:00:02", "ERROR", _CANNOT_RUN, _CORE)),
    "worker ends": ("worker-failing", ready("09:00:01") + "".join(
        line(f"09:0{minute}:02", "INFO", _BEGINS, _CORE) for minute in range(5))),
    "offline": ("offline", ready("09:00:01") + skipped("09:00:03")),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_stopped_agent_shows_what_failed_before(name: str) -> None:
    """A stop ends no failure: a start of the agent would bring it back."""
    concluded, lines = FAILURES[name]
    text = started("09:00:00") + lines
    failing = read_parts([text.encode()], [], [])
    assert (failing.states.conclusion.name, present(failing).state) == (concluded, State.FAILING)
    now = present(read_parts([(text + line("09:40:00", "INFO", _STOP, _CORE)).encode()], [], []))
    assert (now.state, now.since) == (State.STOPPED, "2026-11-24 09:40:00")
    assert present(failing).cause in now.cause
    assert now.steps != ("Start the agent",)
    assert any("tart the agent" in step for step in now.steps)
    assert not any("estart the agent" in step for step in now.steps)


def test_each_failure_that_a_log_can_show_is_tried() -> None:
    of_host = {"overdue", "worker-missing"}
    assert {one.name for one in CONCLUSIONS if one.state == State.FAILING} - of_host == {
        concluded for concluded, _ in FAILURES.values()
    }


@pytest.mark.parametrize("error", [
    "Failed to fetch instance ID. Data from vault is empty. RequestError: send request failed",
    "failed to get identity: failed to find agent identity",
    "EC2RoleRequestError: no EC2 instance role found\ncaused by: EC2MetadataError: failed to make EC2Metadata request",
    "EC2MetadataRequestError: failed to get EC2 instance identity document",
    "NoCredentialProviders: no valid providers in chain. Deprecated.",
    "SharedCredsLoad: failed to load shared credentials file",
])  # fmt: skip
@pytest.mark.parametrize("before", ["", started("09:00:00", "2.3.1319.0"), started("09:00:00") + ready("09:00:01")])
def test_no_credentials_are_claimed_beside_a_lack_of_them(error: str, before: str) -> None:
    text = before + line("09:00:05", "INFO", f"Entering SSM Agent hibernate - {error}", "")
    timeline = read_parts([text.encode()], [], [])
    assert timeline.states.conclusion.name == "hibernating"
    shown = timeline.states.of["credentials"] in ("good", "disk")
    assert ("it has credentials" in present(timeline).cause) == shown == ("Credentials ready" in before)


def test_past_failures_are_history_and_current_ones_the_state() -> None:
    text = "".join(step for step, _ in STEPS[:12])
    sentence, steps, _ = conclusion(read_parts([text.encode()], [], []))
    assert sentence.startswith("Failing since 2026-11-24 10:10:00: the service rejects the node, from which the same")
    assert "Before that, and over: 1 mismatch, 1 new fingerprint, MachineFingerprintDoesNotMatch 3 times." in sentence
    assert not any("vault restore" in step for step in steps)


def test_a_passed_comparison_at_debug_is_no_mismatch() -> None:
    """At DEBUG the agent logs each attribute that differs, also for a machine that it accepts."""
    differs = "The 'disk-info' value (new) has changed from the registered machine configuration value (old)."
    accepted = "Calculated hardware hash is same as saved one, returning fingerprint"
    text = started("08:00:00") + line("08:00:01", "DEBUG", differs, "") + line("08:00:01", "DEBUG", accepted, "")
    timeline = read_parts([(text + ready("08:00:02")).encode()], [], [])
    assert (timeline.mismatches, str(present(timeline).state)) == ([], "healthy")
    assert timeline.run.checked == "2026-11-24 08:00:01"


def test_a_mismatch_that_passes_at_the_next_retry_is_over() -> None:
    text = started("08:00:00") + mismatch("08:00:01", "ipaddress-info", "disk-info") + ready("08:00:07")
    assert state_of(text) == "healthy"


def test_errors_older_than_the_main_log_leave_the_state_open() -> None:
    """They go back for months; the recovery may be in a part of the main log that was rotated away."""
    january = refused("06:00:00", pause="").encode()
    awake = line("10:40:00", "INFO", "[HealthCheck] HealthCheck reporting agent health.", "[ssm-agent-worker] ")
    timeline = read_parts([awake.encode()], [january], [])
    assert present(timeline).state == State.CANNOT_TELL
    assert present(read_parts([(awake + ready("11:00:00")).encode()], [january], [])).state == State.HEALTHY
    hibernates = "2026-11-24 06:05:03 INFO Agent is in hibernate mode. Reducing logging.\n"
    assert present(read_parts([], [], [hibernates.encode()])).state == State.CANNOT_TELL


def test_expired_credentials_prove_a_failure_missing_in_the_log() -> None:
    ran_out = (
        "[HealthCheck] error when calling AWS APIs. error details - shared credentials are already expired, they were "
        "retrieved at 2026-11-24T11:00:00Z and expired at 2026-11-24T12:00:00Z"
    )
    awake = line("12:05:00", "INFO", "[HealthCheck] HealthCheck reporting agent health.", "[ssm-agent-worker] ")
    text = awake + line("12:05:00", "ERROR", ran_out, "[ssm-agent-worker] ") + awake
    now = present(read_parts([text.encode()], [], []))
    assert (now.state, now.cause) == (
        State.FAILING, "its credentials expired at 2026-11-24T12:00:00Z, and none came since"
    )  # fmt: skip
    assert state_of(text + ready("12:06:00")) == "healthy"


def test_a_moved_rotation_time_proves_new_credentials() -> None:
    text = started("08:00:00", "3.2.582.0") + line(
        "08:00:01", "INFO", "Next credential rotation will be in 29.9 minutes"
    )
    assert state_of(text) == "cannot-tell"
    assert (
        state_of(text + line("08:01:01", "INFO", "Next credential rotation will be in 28.9 minutes")) == "cannot-tell"
    )
    assert state_of(text + line("08:29:55", "INFO", "Next credential rotation will be in 29.9 minutes")) == "healthy"


def test_a_new_registration_ends_earlier_failures() -> None:
    text = started("09:00:00") + LOST + refused("09:00:17") + line("09:10:00", "INFO", _STOP, _CORE)
    text += line(
        "09:20:00", "INFO", "Successfully registered the instance with AWS SSM using Managed instance-id: mi-1", ""
    )
    text += started("09:21:00")
    now = present(read_parts([text.encode()], [], []))
    assert (now.state, "failed" in now.cause) == (State.CANNOT_TELL, False)
    assert state_of(text + ready("09:21:01")) == "healthy"


def test_each_start_is_listed() -> None:
    timeline = read_parts(["".join(step for step, _ in STEPS[:11]).encode()], [], [])
    assert [(run.started[11:], run.outcome) for run in timeline.runs] == [
        ("08:00:00", "good"), ("09:00:00", "failed"), ("09:30:00", "failed"), ("09:40:00", "good"),
    ]  # fmt: skip


def test_the_newest_mismatches_are_kept() -> None:
    timeline = TimelineBuilder()
    for number in range(120):
        for one in mismatch("08:00:00", f"name-{number}").splitlines():
            entry = parse(one)
            assert entry is not None
            timeline.take(entry)
    timeline.finish()
    assert [*timeline.open_mismatches[-1].changed] == ["name-119"]
    assert len(timeline.mismatches) == 50
    assert MISMATCH not in conclusion(timeline)[0]


@pytest.mark.parametrize(
    ("data", "cause", "step"),
    [
        (b"", "the logs are empty", "fingerprint diagnose   # on the host: shows whether the agent can write its log"),
        (b"Nov 24 11:59:50 web-7 sshd[1]: Accepted publickey\n" * 5, "no line is the agent's",
         "Name amazon-ssm-agent.log, or lines of the agent's service from the journal"),
    ],
)  # fmt: skip
def test_logs_without_a_line_of_the_agent_say_so(data: bytes, cause: str, step: str, tmp_path: Path) -> None:
    timeline = timeline_of(data, directory=tmp_path)
    now = present(timeline)
    assert (now.state, now.cause, now.steps) == (State.CANNOT_TELL, cause, (step,))
    assert conclusion(timeline)[2] == []
