"""The agent's configuration by its version: types that stop it, ranges that it ignores, names of later versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_machines import AgentMachine, of_version, ready, shown, started
from fingerprint.agent.config import decoded, settings_of
from fingerprint.agent.config_keys import BOOLEAN, INTEGER, KEYS, OBJECT, OBJECTS, STRING, STRINGS, Key
from fingerprint.agent.versions import NEWEST_ASSESSED
from fingerprint.collectors.recipes import version_of

ALL = [(section, name, key) for section, keys in KEYS.items() for name, key in keys.items()]
NAMES = [f"{section}.{name}" for section, name, _ in ALL]
# One value of each JSON type, and those that fit each kind.
TYPES: tuple[Any, ...] = ("text", 7, 7.5, True, [], ["text"], [7], {}, 2**63)
RIGHT = {
    STRING: ("text",), INTEGER: (7,), BOOLEAN: (True,), STRINGS: ([], ["text"]), OBJECTS: ([],), OBJECT: ({},),
}  # fmt: skip
# The settings that came after October 2024, by newer.md of the reference, its README and its parser.
SINCE = {
    "Ssm.HibernationMaxBackoffIntervalMinutes": ("3.3.2299.0", 5, 1440, 60),
    "Ssm.SessionHandshakeTimeoutSeconds": ("3.3.2746.0", 1, 60, 15),
    "Ssm.CredentialRetryMaxSleepSeconds": ("3.3.3050.0", 60, 1800, 1800),
    "Agent.GlobalEnhancedTelemetryEnabled": ("3.3.2656.0", None, None, None),
    "Agent.UseDualStackEndpoint": ("3.3.3270.0", None, None, None),
    "Agent.EnforceWorkspaceRootOwnership": ("3.3.4177.0", None, None, None),
    "CloudWatchLogs.Endpoint": ("3.3.2958.0", None, None, None),
    "CloudWatchLogs.Region": ("3.3.2958.0", None, None, None),
}


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def one(section: str, name: str, value: Any) -> dict[str, Any]:
    return {section: {name: value}}


@pytest.mark.parametrize("name", SINCE)
def test_a_newer_setting_has_its_version_and_its_range(name: str) -> None:
    section, _, key = name.partition(".")
    known = KEYS[section][key]
    assert (known.since, known.low, known.high, known.default) == SINCE[name]
    assert {f"{s}.{n}" for s, n, k in ALL if k.since} == SINCE.keys()


@pytest.mark.parametrize(("section", "name", "key"), ALL, ids=NAMES)
def test_a_setting_of_the_wrong_type_stops_agents_that_know_it(section: str, name: str, key: Key) -> None:
    for value in TYPES:
        settings = settings_of(one(section, name, value))
        fits = any(value == right and type(value) is type(right) for right in RIGHT[key.kind])
        if key.until:
            assert settings.wrong == []
            settings = settings_of(one(section, name, value), key.until)
        assert (settings.wrong == []) == fits, value
        for where, text in settings.wrong:
            assert where.partition("[")[0] == f"{section}.{name}"
            assert text.startswith(f"{where} is ")
            assert text.endswith(f"must be {OBJECT if '[' in where else key.kind}")
    # The case of names is ignored, and null is the default.
    wrong = [] if key.kind == STRING else [f"{section}.{name}"]
    assert [where for where, _ in settings_of(one(section.upper(), name.lower(), "x"), key.until).wrong] == wrong
    assert settings_of(one(section, name, None), key.until).wrong == []


@pytest.mark.parametrize(("section", "name", "key"), [row for row in ALL if row[2].since], ids=list(SINCE))
def test_an_agent_accepts_any_type_for_an_unknown_setting(
    machine: AgentMachine, section: str, name: str, key: Key
) -> None:
    value = "7" if key.kind != STRING else 7
    before = f"3.3.{version_of(key.since)[2] - 1}.0"
    machine.config(**one(section, name, value))
    outcome, text, evidence = shown(of_version(machine, before), "configuration")
    assert outcome == "warn", text
    assert "in settings that only newer agents know: a newer agent would not start" in text
    assert f"{section}.{name} is a" in evidence
    assert f"has no effect: only agents from {key.since} on know it, and this agent is {before}" in evidence
    outcome, text, evidence = shown(of_version(machine, key.since), "configuration")
    assert (outcome, "1 value of the wrong type: the agent does not start with it" in text) == ("fail", True)
    assert f"{section}.{name} is a" in evidence
    # A section that is unknown may be of any type, too.
    machine.config(**{section: 5})
    assert shown(of_version(machine, before), "configuration")[0] == ("warn" if section == "CloudWatchLogs" else "fail")


@pytest.mark.parametrize(("section", "name", "key"), [row for row in ALL if row[2].low is not None])
def test_an_integer_out_of_range_is_shown_with_the_default(
    machine: AgentMachine, section: str, name: str, key: Key
) -> None:
    assert key.low is not None
    ends = [key.low - 1, *([key.high + 1] if key.high is not None else [])]
    for value in ends:
        settings = settings_of(one(section, name, value))
        assert settings.replaced, value
        assert f"{section}.{name} is {value}, " in settings.replaced[0]
        assert settings.replaced[0].endswith(f"the agent uses {key.default}")
        assert settings.number(f"{section}.{name}") is None
    for value in (key.low, key.high if key.high is not None else 10**9):
        settings = settings_of(one(section, name, value))
        assert (settings.replaced, settings.number(f"{section}.{name}")) == ([], value)
    machine.config(**one(section, name, ends[0]))
    outcome, text, _ = shown(machine, "configuration")
    assert outcome == "pass"
    assert f"{section}.{name} is {ends[0]}, " in text


@pytest.mark.parametrize(("section", "name", "key"), [row for row in ALL if row[2].words])
def test_a_word_that_a_setting_does_not_allow_is_shown(section: str, name: str, key: Key) -> None:
    assert settings_of(one(section, name, "nonsense")).replaced == [
        f"{section}.{name} is 'nonsense', none of {', '.join(key.words)}: the agent uses {key.default}"
    ]
    for word in (*key.words, "", None):
        assert settings_of(one(section, name, word)).replaced == []


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("3.3.4851.0", "it has no effect"), ("3.3.1142.0", "it has no effect"),
        ("3.4.0.0", "this agent is 3.4.0.0 and may know it"), ("", "it has no effect"), ("dev", "it has no effect"),
    ],
)  # fmt: skip
def test_settings_of_a_future_agent_are_shown_only(machine: AgentMachine, version: str, words: str) -> None:
    machine.config(Ssm={"Sleepiness": {"deep": 1}, "HealthFrequencyMinutes": 5}, Quantum={"Endpoint": [1]}, Nap=None)
    machine.log("amazon-ssm-agent.log", ready("11:30:00"))
    outcome, text, evidence = shown(of_version(machine, version), "configuration")
    assert outcome == "pass"
    assert f"Ssm.Sleepiness is not a setting of agents up to {NEWEST_ASSESSED}: {words}" in text
    assert "; and 2 more" in text
    assert f"Quantum is not a setting of agents up to {NEWEST_ASSESSED}: {words}" in evidence
    assert ("newest known row used" in evidence) == (version not in ("3.3.4851.0", "3.3.1142.0"))
    assert settings_of(json.loads('{"Ssm":{"HealthFrequencyMinutes":5,"Sleepiness":1}}'), version).values == {
        "Ssm.HealthFrequencyMinutes": 5
    }


def test_a_thousand_unknown_names_are_shown_briefly(machine: AgentMachine) -> None:
    machine.config(Ssm={f"Name{number}\u202e": 1 for number in range(1000)})
    outcome, text, evidence = shown(machine, "configuration")
    assert (outcome, text.isprintable()) == ("pass", True)
    assert evidence.count("is not a setting") == 20
    assert "and 980 more" in evidence
    assert machine("diagnose", "--only", "configuration").returncode == 0


def test_a_setting_that_is_gone_does_not_stop_a_newer_agent() -> None:
    config = one("Identity", "Ec2SystemInfoDetectionResponse", 5)
    assert [name for name, _ in settings_of(config, "3.3.1142.0").wrong] == ["Identity.Ec2SystemInfoDetectionResponse"]
    for version in ("3.3.2299.0", ""):
        settings = settings_of(config, version)
        assert (settings.wrong, settings.wrong_later) == ([], [])
        assert "has no effect: only agents up to 3.3.2298.0 know it" in settings.ignored[0]


def test_settings_of_a_future_agent_leave_the_endpoint_usable() -> None:
    """Clients of the service use their settings, whatever else the configuration has."""
    values, wrong = decoded({"Ssm": {"Endpoint": "ssm.example", "Next": [1]}, "Next": 5})
    assert (values, wrong) == ({"Ssm.Endpoint": "ssm.example"}, [])


@given(
    st.dictionaries(
        st.one_of(st.sampled_from([*KEYS, "ssm", "Next"]), st.text(max_size=8)),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.one_of(st.sampled_from([name for _, name, _ in ALL]), st.text(max_size=5)), inner,
                                max_size=4),
            ), max_leaves=8,
        ), max_size=5,
    ),
    st.sampled_from(["", "x", "2.3.0.0", "3.3.1142.0", "3.3.5828.0", "9.0"]),
)  # fmt: skip
def test_any_configuration_is_accepted(config: dict[str, Any], version: str) -> None:
    settings = settings_of(config, version)
    for name, text in (*settings.wrong, *settings.wrong_later):
        assert text.startswith(name)
    for name in NAMES:
        settings.number(name)


# SUSE, and the snap.

UNIT = "amazon-ssm-agent.service"
SNAP_UNIT = "snap.amazon-ssm-agent.amazon-ssm-agent.service"
ON_SUSE = "on SUSE an update of the package leaves the unit disabled"


@pytest.mark.parametrize(
    ("release", "suse"),
    [
        ('NAME="SLES"\nID="sles"\nID_LIKE="suse"\n', True), ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', True),
        ('ID="sles_sap"\n', True), ("ID=ubuntu\nID_LIKE=debian\n", False), ('NAME="not suse"\nID=fedora\n', False),
        (None, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("runs", [True, False])
def test_a_disabled_unit_gets_the_command_and_on_suse_the_cause(
    machine: AgentMachine, release: str | None, suse: bool, runs: bool
) -> None:
    if release is not None:
        machine.file("/etc/os-release", release, 0o644)
    if not runs:
        machine.stopped()
    machine.unit(UnitFileState="disabled", **({} if runs else {"ActiveState": "inactive", "SubState": "dead"}))
    finding = machine.diagnosis("running")["running"]
    assert str(finding.outcome) == ("warn" if runs else "fail")
    assert finding.command == f"systemctl enable {'' if runs else '--now '}{UNIT}"
    assert "its unit is disabled" in finding.text
    assert any(ON_SUSE in fact for fact in finding.evidence) == suse
    machine.unit(UnitFileState="enabled")
    assert ON_SUSE not in shown(machine, "running")[2]


def test_the_step_against_a_disabled_unit_enables_it(machine: AgentMachine) -> None:
    machine.stopped()
    machine.unit(UnitFileState="disabled", ActiveState="inactive", SubState="dead")
    conclusion = machine.diagnosis().conclusion
    assert conclusion.state == "not-running"
    assert conclusion.steps[0][1] == f"systemctl enable --now {UNIT}"


def snap(machine: AgentMachine, *versions: str, fails: bool) -> None:
    """Make the agent a snap that was refreshed before noon; it may fail since then."""
    for path in [path for path in machine.snapshot["statuses"] if path.startswith("/usr/bin/amazon-ssm-agent")]:
        machine.remove(path)
    for name in ("amazon-ssm-agent", "ssm-agent-worker", "ssm-cli", "ssm-document-worker", "ssm-session-worker",
                 "ssm-session-logger"):  # fmt: skip
        machine.remove(f"/usr/bin/{name}")
        machine.file(f"/snap/amazon-ssm-agent/current/{name}", None, 0o755)
    machine.file("/snap/amazon-ssm-agent/current", None, 0o755)
    machine.command(("/snap/amazon-ssm-agent/current/amazon-ssm-agent", "-version"),
                    f"SSM Agent version: {versions[-1]}\n")  # fmt: skip
    text = ""
    for number, version in enumerate(versions):
        text += started(f"{8 + number:02}:00:00", version)
        failing = fails and number == len(versions) - 1
        text += "" if failing else ready(f"{8 + number:02}:00:01")
    if fails:
        from agent_machines import refused

        text += refused(f"{7 + len(versions):02}:00:02", "RequestError: send request failed")
    machine.snapshot["agentProcesses"] = [
        {**process, "started": f"2026-11-24T{7 + len(versions):02}:00:00Z"}
        for process in machine.snapshot["agentProcesses"]
    ]
    machine.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json")
    machine.log("amazon-ssm-agent.log", text)


def test_a_snap_that_fails_since_its_refresh_can_be_reverted(machine: AgentMachine) -> None:
    snap(machine, "3.3.4851.0", "3.3.5226.0", fails=True)
    finding = machine.diagnosis("version")["version"]
    assert str(finding.outcome) == "warn"
    assert (
        "it was refreshed by snapd from 3.3.4851.0 to 3.3.5226.0 at 2026-11-24T09:00:00Z, and has failed since then"
        in (finding.text)
    )
    assert finding.command == "snap revert amazon-ssm-agent"


def test_a_snap_that_works_since_its_refresh_passes(machine: AgentMachine) -> None:
    snap(machine, "3.3.4851.0", "3.3.5226.0", fails=False)
    outcome, text, evidence = shown(machine, "version")
    assert (outcome, text) == ("pass", "version 3.3.5226.0")
    assert "it was refreshed by snapd from 3.3.4851.0 to 3.3.5226.0 at 2026-11-24T09:00:00Z" in evidence
    assert "snapd refreshes it automatically: `snap refresh --hold amazon-ssm-agent` keeps" in evidence
    snap(machine, "3.3.5226.0", fails=True)
    assert "refreshed by snapd" not in shown(machine, "version")[2]


def test_a_package_that_fails_since_its_update_is_not_a_snap(machine: AgentMachine) -> None:
    snap(machine, "3.3.4851.0", "3.3.5226.0", fails=True)
    for name in ("amazon-ssm-agent",):
        machine.file(f"/usr/bin/{name}", None, 0o755)
    machine.remove("/snap/amazon-ssm-agent/current")
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.5226.0\n")
    finding = machine.diagnosis("version")["version"]
    assert "it was updated from 3.3.4851.0 to 3.3.5226.0" in finding.text
    assert "snap" not in f"{finding.command} {' '.join(finding.evidence)}"


def test_a_disabled_snap_is_enabled_by_snapd(machine: AgentMachine) -> None:
    machine.unit(Id=SNAP_UNIT, UnitFileState="disabled")
    assert machine.diagnosis("running")["running"].command == "snap start --enable amazon-ssm-agent"


NOT_AT_BOOT = ("disabled", "enabled-runtime", "indirect", "linked", "linked-runtime", "masked", "masked-runtime")


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("unit", [UNIT, SNAP_UNIT])
@pytest.mark.parametrize("state", [*NOT_AT_BOOT, "enabled", "static", "generated", "alias", ""])
def test_a_unit_that_does_not_start_at_boot_is_shown(machine: AgentMachine, state: str, unit: str, runs: bool) -> None:
    if not runs:
        machine.stopped()
    masked = state.startswith("masked")
    machine.unit(Id=unit, UnitFileState=state, LoadState="masked" if masked else "loaded",
                 **({} if runs else {"ActiveState": "inactive", "SubState": "dead"}))  # fmt: skip
    finding = machine.diagnosis("running")["running"]
    words = "nothing can start it" if masked and not runs else "will not start at boot"
    assert (words in finding.text) == (state in NOT_AT_BOOT)
    if state not in NOT_AT_BOOT:
        assert str(finding.outcome) == ("pass" if runs else "fail")
        return
    assert f"its unit is {state}" in finding.text or (f"its unit {unit} is masked" in finding.text and masked)
    now = "" if runs else "--now "
    unmask = f"systemctl unmask {'--runtime ' * state.endswith('-runtime')}{unit} && " if masked else ""
    enable = "snap start --enable amazon-ssm-agent" if unit == SNAP_UNIT else f"systemctl enable {now}{unit}"
    assert finding.command == unmask + enable


@pytest.mark.parametrize("latest", [False, True])
def test_a_vulnerable_snap_is_refreshed_by_snapd(machine: AgentMachine, tmp_path: Path, latest: bool) -> None:
    snap(machine, "3.3.4364.0", fails=False)
    newest = tmp_path / "VERSION"
    newest.write_text("3.3.5226.0\n")
    finding = machine.diagnosis("version", **({"latest": str(newest)} if latest else {}))["version"]
    assert str(finding.outcome) == "warn"
    assert (finding.remedy, finding.command) == ("Refresh its snap", "snap refresh amazon-ssm-agent")
