"""`fingerprint monitor nagios`: states, conditions, the line and its performance data."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_machines import before_and_after
from fingerprint import Vault, collect
from fingerprint.gate import set_threshold
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault.records import encode_fingerprint
from vault_setup import Setup

OK, WARNING, CRITICAL, UNKNOWN = range(4)
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
# Nine attributes have a value, so the check is not weak at threshold 40.
MACHINE = {"dmi": "SMBIOS 3.0 present.", "disk": "total 0", "ip": "192.0.2.2", "host_name": "zebra-77"}
OTHER = {
    "dmi": "SMBIOS 3.1 present.", "disk": "total 8", "ip": "198.51.100.23", "host_name": "quagga-78",
    "mac": "a2:99:21:33:46:99", "machine_id": "00112233445566778899aabbccddeeff\n",
}  # fmt: skip
# How many of the nine hang on each.
WEIGHTS = {"dmi": 4, "disk": 1, "ip": 1, "host_name": 1, "mac": 1, "machine_id": 1}
OTHER_FINGERPRINT = "5f1c1f6e-94d2-4f7e-8a0a-2c8e4a5d1b77"

_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = rf"@?(?:(?:~|{_NUMBER}):(?:{_NUMBER})?|{_NUMBER})"
_ITEM = re.compile(
    rf"(?P<label>'(?:[^'=]|'')+'|[^\s'=]+)=(?P<value>{_NUMBER})(?P<unit>s|us|ms|%|B|KB|MB|TB|c)?"
    rf"(?:;(?P<warn>{_RANGE})?(?:;(?P<crit>{_RANGE})?(?:;(?P<min>{_NUMBER})?(?:;(?P<max>{_NUMBER})?)?)?)?)?"
)


class Item(NamedTuple):
    """One item of performance data."""

    value: float
    unit: str
    warn: str
    crit: str
    min: float | None
    max: float | None


class Answer(NamedTuple):
    """What a scheduler takes from a plug-in."""

    state: int
    text: str
    items: dict[str, Item]
    rest: list[str]


def alerts(text: str, value: float) -> bool:
    """Return whether a range of the guidelines of monitoring-plugins raises an alert for a value."""
    if not text:
        return False
    inside = text.startswith("@")
    low, colon, high = text.removeprefix("@").rpartition(":")
    start = -math.inf if low == "~" else float(low) if colon else 0.0
    end = float(high) if high else math.inf
    assert start <= end, text
    return (start <= value <= end) == inside


def performance(text: str) -> dict[str, Item]:
    """Parse performance data strictly: items with one space between, and every character belongs to one."""
    items: dict[str, Item] = {}
    for word in text.split(" "):
        found = _ITEM.fullmatch(word)
        assert found, f"no item of performance data: {word!r}"
        label = found["label"].strip("'")
        assert label not in items
        least, most = (None if found[name] is None else float(found[name]) for name in ("min", "max"))
        items[label] = Item(
            float(found["value"]), found["unit"] or "", found["warn"] or "", found["crit"] or "", least, most
        )
    return items


def parsed(stdout: str, code: int) -> Answer:
    """Parse the output of a plug-in as the guidelines have it."""
    assert stdout.endswith("\n")
    first, *rest = stdout[:-1].split("\n")
    assert "|" not in "".join(rest)
    assert first.count("|") <= 1
    assert first.isprintable()
    text, bar, data = first.partition(" | ")
    head = re.fullmatch(r"FINGERPRINT (OK|WARNING|CRITICAL|UNKNOWN) - (\S.*\S)", text)
    assert head, first
    assert STATES.index(head[1]) == code
    return Answer(code, head[2], performance(data) if bar else {}, rest)


def asked(setup: Setup, *words: str) -> Answer:
    done = setup("monitor", "nagios", *words)
    assert done.stderr == ""
    return parsed(done.stdout, done.returncode)


def changed(*names: str) -> dict[str, str]:
    return {**MACHINE, **{name: OTHER[name] for name in names}}


def denied(setup: Setup) -> None:
    """Let the tool that reads the SMBIOS table fail as it does without root."""
    snapshot = json.loads(setup.snapshot.read_text())
    for command in snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=1, stdout="", stderr="/dev/mem: Permission denied\n")
    setup.snapshot.write_text(json.dumps(snapshot))


def rewritten(setup: Setup, **fields: Any) -> None:
    """Write the record as another program would."""
    record = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"]).read()
    setup.record.write_bytes(encode_fingerprint(record.replace(fingerprint=OTHER_FINGERPRINT, **fields)))


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return Setup.with_record(tmp_path, **MACHINE)


HIBERNATES = "the agent will hibernate after its next check"
DRIFTED = ("host_name",)
ONLY_ADDRESS = ("dmi", "disk", "host_name")
REFUSED = ("dmi", "disk", "host_name", "ip", "mac")


@pytest.mark.parametrize(
    ("names", "state", "text"),
    [
        ((), OK, "same machine, 9/9 = 100.0% >= 40"),
        (DRIFTED, WARNING, "attributes changed since the record was made: 8/9 = 88.9% >= 40"),
        (("ip",), WARNING, "attributes changed since the record was made: 8/9 = 88.9% >= 40"),
        (REFUSED, CRITICAL, "the agent will hibernate after its next check: 1/9 = 11.1% < 40"),
        (
            ("machine_id",),
            CRITICAL,
            "the agent will hibernate after its next check: rule 3: the hardware ID (machine-id) differs",
        ),
    ],
)
def test_default_conditions_decide_the_state(
    setup: Setup, names: tuple[str, ...], state: int, text: str
) -> None:  # fmt: skip
    setup.is_now(**changed(*names))
    answer = asked(setup)
    assert (answer.state, answer.text) == (state, text)


def test_changed_attributes_are_named_in_the_long_output(setup: Setup) -> None:
    assert asked(setup).rest == []
    setup.is_now(**changed("dmi", "mac"))
    assert asked(setup).rest == ["changed: bios-hash, macaddr-info, memory-hash, processor-hash, system-hash"]


def test_performance_data_hold_the_values_of_the_check(setup: Setup) -> None:
    setup.is_now(**changed("ip", "mac"))
    items = asked(setup).items
    assert items["matched"] == Item(7, "", "", "4:", 0, 9)
    assert items["score"] == Item(77.8, "%", "", "40:", 0, 100)
    assert items["threshold"] == Item(40, "", "", "", -1, 100)
    assert items["changed"] == Item(2, "", "0", "", 0, 9)
    assert items["time"].unit == "s"
    assert list(items) == ["matched", "score", "threshold", "changed", "time"]


@pytest.mark.parametrize(
    ("names", "threshold", "condition", "holds"),
    [
        ((), 40, "any-drift", False),
        (DRIFTED, 40, "any-drift", True),
        (DRIFTED, 40, "ip-alone", False),
        (ONLY_ADDRESS, 40, "ip-alone", True),
        (REFUSED, 40, "ip-alone", False),
        (ONLY_ADDRESS, -1, "ip-alone", False),
        (DRIFTED, 40, "vacuous", False),
        ((), 11, "vacuous", True),
        ((), 12, "vacuous", False),
        ((), -1, "vacuous", True),
        (ONLY_ADDRESS, 40, "will-hibernate", False),
        (REFUSED, 40, "will-hibernate", True),
        (("machine_id",), 40, "will-hibernate", True),
        (("machine_id",), -1, "will-hibernate", False),
        (REFUSED, 40, "copy", False),
        (REFUSED, 40, "never", False),
    ],
)
def test_condition_alone_alarms_where_it_holds(
    setup: Setup, names: tuple[str, ...], threshold: int, condition: str, holds: bool
) -> None:
    assert setup("threshold", "set", "--", str(threshold)).returncode == 0
    setup.is_now(**changed(*names))
    assert asked(setup, "-w", condition, "-c", "never").state == (WARNING if holds else OK)
    assert asked(setup, "-w", "never", "-c", condition).state == (CRITICAL if holds else OK)


@pytest.mark.parametrize(("event", "holds"), [("clone", True), ("dhcp-lease", False)])
def test_copy_that_the_agents_rules_accept_is_reported(tmp_path: Path, event: str, holds: bool) -> None:
    setup = Setup(tmp_path)
    before, after = before_and_after(event)
    setup.snapshot.write_text(json.dumps(before))
    assert setup("vault", "init").returncode == 0
    assert asked(setup, "-c", "copy").state == OK
    setup.snapshot.write_text(json.dumps(after))
    assert setup("check").returncode == 0
    answer = asked(setup, "-w", "never", "-c", "copy")
    assert answer.state == (CRITICAL if holds else OK)
    assert answer.text.startswith("scheme stable sees another machine") == holds


def test_most_severe_condition_is_reported(setup: Setup) -> None:
    setup.is_now(**changed(*ONLY_ADDRESS))
    every = "never,any-drift,ip-alone,vacuous,copy,will-hibernate,blocked"
    assert asked(setup, "-c", every).text.startswith("only the same IP address keeps it")
    assert setup("threshold", "set", "11").returncode == 0
    assert asked(setup, "-c", every).text.startswith("any host with this hardware ID passes")
    setup.is_now(**changed("machine_id", "host_name"))
    assert asked(setup, "-c", every).text.startswith("the agent will hibernate")


def test_critical_wins_over_warning_for_the_same_condition(setup: Setup) -> None:
    setup.is_now(**changed(*DRIFTED))
    assert asked(setup, "-w", "any-drift", "-c", "any-drift").state == CRITICAL


def test_severe_warning_does_not_hide_a_critical_condition(setup: Setup) -> None:
    setup.is_now(**changed(*REFUSED))
    answer = asked(setup, "-w", "will-hibernate", "-c", "any-drift")
    assert (answer.state, answer.text[:18]) == (CRITICAL, "attributes changed")


@pytest.mark.parametrize(
    "words",
    [
        ("-w", "never", "-c", "any-drift"),
        ("--warning", "never", "--critical", "any-drift"),
        ("--warning=never", "--critical=any-drift"),
        ("-wnever", "-cany-drift"),
        ("-c", "ip-alone,any-drift,", "-w", ""),
    ],
)
def test_short_and_long_options_are_equivalent(setup: Setup, words: tuple[str, ...]) -> None:
    setup.is_now(**changed(*DRIFTED))
    assert asked(setup, *words).state == CRITICAL


@pytest.mark.parametrize(
    "words",
    [("-w", "drift"), ("-c", "any-drift|never"), ("-c", "any-drift", "-w", "ip-alone,Never")],
)
def test_unknown_condition_is_reported_with_the_valid_ones(
    setup: Setup, words: tuple[str, ...]
) -> None:  # fmt: skip
    answer = asked(setup, *words)
    assert (answer.state, answer.items) == (UNKNOWN, {})
    assert answer.text.startswith("no such condition: '")
    assert "any-drift, ip-alone, vacuous, weak-id, copy, will-hibernate, blocked, never" in answer.text


@pytest.mark.parametrize("words", [("--bogus",), ("-w",), ("more",), ("--timeout", "no"), ("--output", "xml")])
def test_usage_error_is_unknown_and_no_alarm(setup: Setup, words: tuple[str, ...]) -> None:
    answer = asked(setup, *words)
    assert (answer.state, answer.items) == (UNKNOWN, {})
    assert answer.text.endswith(" --help")


def test_conditions_are_options_of_the_plugin_alone(setup: Setup) -> None:
    done = setup("check", "-w", "any-drift")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unrecognized arguments: -w\n-w is an option of: monitor nagios\n" in done.stderr


def test_a_missing_vault_is_unknown(tmp_path: Path) -> None:
    answer = asked(Setup(tmp_path))
    assert (answer.state, answer.items) == (UNKNOWN, {})
    assert "fingerprint vault init" in answer.text


def test_corrupt_record_is_critical(setup: Setup) -> None:
    """The agent stores a new fingerprint over it."""
    setup.record.write_bytes(b'{"fingerprint": ')
    assert asked(setup).state == CRITICAL
    assert asked(setup, "-c", "never").state == UNKNOWN


def test_a_lost_record_is_critical(setup: Setup) -> None:
    setup.record.unlink()
    assert asked(setup).state == CRITICAL


def test_a_missing_snapshot_is_unknown(setup: Setup) -> None:
    setup.snapshot.unlink()
    assert "cannot open the snapshot: No such file" in asked(setup).text


def test_bar_in_a_path_does_not_begin_performance_data(tmp_path: Path) -> None:
    (tmp_path / "a|b").mkdir()
    answer = asked(Setup(tmp_path / "a|b"))
    assert (answer.state, answer.items) == (UNKNOWN, {})
    assert "a/b" in answer.text


def test_denied_attributes_that_decide_are_unknown(setup: Setup) -> None:
    setup.is_now(**changed(*REFUSED))
    denied(setup)
    answer = asked(setup)
    assert answer.state == UNKNOWN
    assert re.search(r"processor-hash, .* could not be read, and would decide", answer.text)
    # The score is too low for want of root, and must raise no alarm by its range either.
    assert not any(alerts(text, item.value) for item in answer.items.values() for text in (item.warn, item.crit))


def test_known_change_is_critical_despite_unreadable_attributes(setup: Setup) -> None:
    setup.is_now(**changed(*REFUSED))
    denied(setup)
    assert asked(setup, "-c", "any-drift").state == CRITICAL


def test_unreadable_attributes_do_not_count_as_changed(setup: Setup) -> None:
    denied(setup)
    answer = asked(setup, "-w", "any-drift,ip-alone")
    assert (answer.state, answer.rest) == (OK, [])
    assert answer.items["changed"].value == 0


def test_record_replaced_by_another_program_is_critical(setup: Setup) -> None:
    setup.is_now(**changed(*REFUSED))
    rewritten(setup, hardware_hash=collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash)
    assert setup("check").returncode == 1
    answer = asked(setup)
    assert answer.state == CRITICAL
    assert answer.text.startswith("the fingerprint was replaced by another program: the service knows the one before")
    assert asked(setup, "-w", "will-hibernate", "-c", "never").state == WARNING


@pytest.mark.parametrize("names", [(), DRIFTED, ONLY_ADDRESS, REFUSED, ("machine_id",)])
def test_output_holds_no_id_and_no_value(setup: Setup, names: tuple[str, ...]) -> None:
    setup.is_now(**changed(*names))
    record = Vault(str(setup.vault), state=setup.env["FINGERPRINT_STATE"]).read()
    assert record.hardware_hash is not None
    now = collect(RecordedMachine.load(str(setup.snapshot))).hardware_hash
    done = setup("monitor", "nagios", "-w", "any-drift,ip-alone,vacuous,copy")
    parsed(done.stdout, done.returncode)
    secrets = {record.fingerprint, *record.hardware_hash.values(), *now.values()}
    assert len(secrets) >= 10
    for value in secrets:
        assert value.strip() not in done.stdout + done.stderr


def test_state_is_printed_to_an_ascii_standard_output(tmp_path: Path) -> None:
    directory = tmp_path / "ünicode"
    directory.mkdir()
    setup = Setup(directory)
    setup.env["PYTHONIOENCODING"] = "ascii"
    # The installed program starts Python isolated, without its variables.
    words = [sys.executable, "-m", "fingerprint", "--vault", str(setup.vault), "monitor", "nagios"]
    done = subprocess.run(words, env=setup.env, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == UNKNOWN
    assert "ünicode" in done.stdout
    parsed(done.stdout, done.returncode)


@pytest.mark.parametrize(
    ("text", "value", "alert"),
    [
        ("10", 10, False), ("10", 11, True), ("10", -1, True), ("10:", 10, False), ("10:", 9.9, True),
        ("~:10", -99, False), ("~:10", 11, True), ("10:20", 15, False), ("10:20", 21, True), ("@10:20", 15, True),
        ("@10:20", 21, False), ("0", 1, True), ("0", 0, False), ("", 5, False),
    ],
)  # fmt: skip
def test_reference_of_ranges_follows_the_guidelines(text: str, value: float, alert: bool) -> None:
    assert alerts(text, value) == alert


@pytest.fixture(scope="module")
def random_setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    made = Setup(tmp_path_factory.mktemp("random"))
    made.is_now(**MACHINE)
    assert made("vault", "init").returncode == 0
    return made


CONDITIONS = ("any-drift", "ip-alone", "vacuous", "will-hibernate", "never")
conditions = st.sets(st.sampled_from(CONDITIONS), min_size=1)


@settings(max_examples=60, deadline=None)
@given(
    names=st.sets(st.sampled_from(sorted(WEIGHTS))),
    threshold=st.one_of(st.just(-1), st.integers(1, 100)),
    warning=conditions,
    critical=conditions,
)
def test_state_and_ranges_agree_with_the_rules_for_any_machine(
    random_setup: Setup, names: set[str], threshold: int, warning: set[str], critical: set[str]
) -> None:
    vault = Vault(str(random_setup.vault), state=random_setup.env["FINGERPRINT_STATE"])
    if vault.read().threshold != threshold:
        set_threshold(vault, threshold)
    random_setup.is_now(**changed(*names))
    answer = asked(random_setup, "-w", ",".join(sorted(warning)), "-c", ",".join(sorted(critical)))

    matched = 9 - sum(WEIGHTS[name] for name in names)
    same_id, same_ip, disabled = "machine_id" not in names, "ip" not in names, threshold == -1
    enough = matched * 100 >= threshold * 9
    match = disabled or (same_id and (same_ip or enough))
    holding = {
        "any-drift": bool(names),
        "ip-alone": not disabled and same_id and same_ip and (matched - 1) * 100 < threshold * 9,
        "vacuous": disabled or threshold * 9 <= 100,
        "will-hibernate": not match,
        "never": False,
    }
    alarms = [any(holding[name] for name in chosen) for chosen in (critical, warning)]
    assert answer.state == (CRITICAL if alarms[0] else WARNING if alarms[1] else OK)

    items = answer.items
    assert (items["matched"].value, items["threshold"].value) == (matched, threshold)
    assert items["changed"].value == 9 - matched
    for item in items.values():
        assert not alerts(item.crit, item.value) or answer.state == CRITICAL
        assert not alerts(item.warn, item.value) or answer.state in (WARNING, CRITICAL)
        assert item.min is None or item.min <= item.value
        assert item.max is None or item.value <= item.max
    assert alerts(items["changed"].warn, items["changed"].value) == (bool(names) and "any-drift" in warning)
    by_score = same_id and not same_ip and not disabled
    for label in ("matched", "score"):
        assert bool(items[label].crit) == (by_score and "will-hibernate" in critical)
        if items[label].crit:
            assert alerts(items[label].crit, items[label].value) == (not match)
