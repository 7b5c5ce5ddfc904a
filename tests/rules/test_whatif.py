"""Forecasts: every change set against the textbook, thresholds for events, and the agent's next start."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from commandline import environment, run
from event_machines import machine, snapshot
from fingerprint.agent.forecast import foretell
from fingerprint.agent.next_check import NextCheck, Trigger
from fingerprint.attributes.events import EVENTS, Event, event_of
from fingerprint.machine.process_list import agent_processes
from fingerprint.rules.whatif import STANDARD, advise, of_event, simulate, sweep
from fingerprint.types import Outlook
from textbook import decide

HASH = {name: f"value of {name}" for name in STANDARD}
THRESHOLDS = (-1, *range(1, 101))


def event(name: str) -> Event:
    found = event_of(name)
    assert found is not None
    return found


def test_every_change_set_and_threshold_agree_with_the_textbook() -> None:
    """All 512 sets of changed attributes, at -1 and 1 to 100: 51,712 verdicts."""
    for size in range(len(STANDARD) + 1):
        for change in itertools.combinations(STANDARD, size):
            changed = {name: f"other {value}" if name in change else value for name, value in HASH.items()}
            for threshold in THRESHOLDS:
                verdict = simulate(HASH, HASH, threshold, change)
                result = (verdict.match, str(verdict.reason), verdict.matched, verdict.total)
                assert result == decide(HASH, changed, threshold), (change, threshold)


def test_empty_values_stay_empty() -> None:
    bare = {**HASH, "bios-hash": "", "memory-hash": ""}
    assert simulate(bare, bare, 40, ("bios-hash", "memory-hash", "no-such")).matched == 9


def test_earlier_changes_count() -> None:
    drifted = {**HASH, "disk-info": "later"}
    assert simulate(HASH, drifted, 40, ("ipaddress-info", "disk-info")).matched == 7


def test_a_sweep_has_the_steps_that_change_the_verdict() -> None:
    steps = sweep(HASH, HASH, ("ipaddress-info", "disk-info"))
    ends = [(step.low, step.high) for step in steps]
    assert ends == [(1, 11), (12, 22), (23, 33), (34, 44), (45, 55), (56, 66), (67, 77), (78, 88), (89, 100)]
    assert [step.passes for step in steps] == [True] * 7 + [False] * 2
    for step in steps:
        for threshold in (step.low, step.high):
            assert simulate(HASH, HASH, threshold, ("ipaddress-info", "disk-info")).match == step.passes
    assert sweep({}, {}) == []


def test_tolerated_events_add_up() -> None:
    advice = advise([event("reboot"), event("dhcp"), event("dmidecode-upgrade")], [])
    assert (advice.low, advice.high, advice.conflict) == (1, 33, "")
    assert advice.bounds[-1].event == "reboot + dhcp-lease + tool-upgrade"


def test_a_conflict_names_both_sides() -> None:
    advice = advise([event("os-upgrade")], [event("clone")])
    assert advice.low > advice.high
    assert "os-upgrade passes up to 33" in advice.conflict
    assert "clone is rejected from 56" in advice.conflict


@pytest.mark.parametrize(
    ("tolerate", "reject", "text"),
    [
        ("wmic-to-cim", "", "cannot be tolerated by a threshold: the hardware ID differs"),
        ("", "cross-hypervisor-same-ip", "cannot be rejected by a threshold: the same IP address"),
    ],
)
def test_an_impossible_threshold_has_a_reason(tolerate: str, reject: str, text: str) -> None:
    hashes = {("uuid" if name == "machine-id" else name): value for name, value in HASH.items()}
    sid = "uuid" if tolerate else "machine-id"
    saved = hashes if tolerate else HASH
    advice = advise([event(n) for n in [tolerate] if n], [event(n) for n in [reject] if n], saved, saved, sid_key=sid)
    assert text in advice.conflict


@pytest.mark.parametrize("one", EVENTS, ids=lambda found: found.name)
def test_a_limit_is_the_last_threshold_that_satisfies_it(one: Event) -> None:
    for tolerate in (True, False):
        [bound] = advise([one] if tolerate else [], [] if tolerate else [one]).bounds
        if bound.limit is not None:
            change = of_event(one, worst=tolerate)
            assert simulate(HASH, HASH, bound.limit, change).match == tolerate
            beyond = bound.limit + (1 if tolerate else -1)
            assert not 1 <= beyond <= 100 or simulate(HASH, HASH, beyond, change).match != tolerate


def process(directory: Path, pid: int, name: str, ticks: int) -> None:
    (directory / str(pid)).mkdir(parents=True)
    fields = " ".join(["0"] * 18)
    (directory / str(pid) / "stat").write_text(f"{pid} ({name}) S {fields} {ticks} 0 0\n")


def test_the_start_of_the_running_agent_is_found(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu 1 2 3\nbtime 1700000000\n")
    assert agent_processes("linux", str(tmp_path)) == ()
    process(tmp_path, 7, "bash", 100)
    process(tmp_path, 812, "amazon-ssm-agen", 500 * os.sysconf("SC_CLK_TCK"))
    process(tmp_path, 900, "ssm-agent-worke", 900 * os.sysconf("SC_CLK_TCK"))
    process(tmp_path, 901, "a) b (c", 1)
    (tmp_path / "902").mkdir()
    found = agent_processes("linux", str(tmp_path))
    assert [(one.name, one.started) for one in found] == [
        ("amazon-ssm-agent", 1700000500.0), ("ssm-agent-worker", 1700000900.0),
    ]  # fmt: skip
    assert agent_processes("linux", "/nowhere") == ()


def test_the_forecast_has_the_action_and_time_of_the_agent() -> None:
    refused, accepted, unknown = Outlook.REJECTS, Outlook.ACCEPTS, Outlook.UNKNOWN
    computed = NextCheck(Trigger.AT_NEXT_START, 2000.0, "by its log", started=1000.0)
    waits = NextCheck(Trigger.AT_NEXT_REFRESH, 2000.0, "by its log", at=2137.6, started=1000.0)
    none = NextCheck(Trigger.AT_NEXT_START, 2000.0, "no agent is running", runs=False)
    open_ = NextCheck(Trigger.UNKNOWN, 2000.0, "its log cannot be read", started=1000.0)
    assert foretell(refused, computed, 500.0).refused is True
    assert "goes on with the fingerprint" in foretell(refused, computed, 500.0).text
    assert "may be an earlier one" in foretell(refused, computed, 1500.0).text
    assert "no agent is running" in foretell(refused, none, 500.0).text
    forecast = foretell(refused, waits, 1500.0)
    assert "rejected in 2 min 18 s (138 s), at 1970-01-01T00:35:37Z, without a restart" in forecast.text
    assert (forecast.trigger, forecast.compares_at, forecast.seconds_left) == (
        Trigger.AT_NEXT_REFRESH,
        2137.6,
        pytest.approx(137.6),
    )
    assert "at an unknown time, possibly at once and without a restart" in foretell(refused, open_, 500.0).text
    assert foretell(accepted, computed, None).refused is False
    assert foretell(unknown, open_, None).refused is None
    assert "its collection fails" in foretell(Outlook.STOPS, computed, None).text


@pytest.fixture
def place(tmp_path: Path) -> tuple[dict[str, str], list[str]]:
    env = environment(tmp_path / "state")
    (tmp_path / "m.json").write_text(json.dumps(snapshot(machine())))
    words = ["--vault", str(tmp_path / "Vault"), "--snapshot", str(tmp_path / "m.json")]
    assert run(*words, "vault", "init", env=env).returncode == 0
    return env, words


def test_simulate_prints_the_verdict_after_an_event(place: tuple[dict[str, str], list[str]]) -> None:
    env, words = place
    done = run(*words, "whatif", "--event", "os-upgrade", "--sweep", env=env)
    assert done.returncode == 1
    assert "would pass with a threshold of at most 33" in done.stdout
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []
    assert run(*words, "whatif", "--event", "os-upgrade", "--threshold", "33", env=env).returncode == 0
    answer = json.loads(run(*words, "whatif", "--change", "ip,mac", "--sweep", "--output", "json", env=env).stdout)
    assert answer["then"]["matched"] == 7
    assert [step["then"] for step in answer["sweep"]] == [True] * 7 + [False] * 2


@pytest.mark.parametrize(
    "words",
    [("--event", "nothing"), ("--change", "ip,nothing"), ("--threshold", "0"), ("--threshold", "101")],
)
def test_simulate_names_unknown_events_and_attributes(
    place: tuple[dict[str, str], list[str]], words: tuple[str, ...]
) -> None:
    env, machine_words = place
    done = run(*machine_words, "whatif", *words, env=env)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_events_are_listed_without_a_vault(tmp_path: Path) -> None:
    env = environment(tmp_path)
    text = run("whatif", "--list-events", env=env).stdout
    assert all(one.name in text for one in EVENTS)
    assert len(json.loads(run("whatif", "--list-events", "--output", "json", env=env).stdout)["events"]) == len(EVENTS)


def test_advise_is_exit_code_1_on_a_conflict(place: tuple[dict[str, str], list[str]]) -> None:
    env, words = place
    done = run(*words, "threshold", "advise", "--tolerate", "os-upgrade", "--reject", "clone", env=env)
    assert done.returncode == 1
    assert done.stdout.startswith("No threshold meets the requirements.")
    fine = run(*words, "threshold", "advise", "--tolerate", "reboot-dhcp", "--reject", "clone", env=env)
    assert fine.returncode == 0
    assert fine.stdout.startswith("77 (56 to 77 meet the requirements)")
    assert run("threshold", "advise", "--standard", "--tolerate", "dhcp", env=env).returncode == 0
    assert run(*words, "threshold", "advise", env=env).returncode == 2
