"""A diagnosis of damaged recordings: a clear error or an answer, and clean output."""

from __future__ import annotations

import copy
import json
import random
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import fingerprint.diagnose
from agent_machines import LOGS, MISMATCH, REGENERATED, AgentMachine, line, mismatch, ready, refused, started
from fingerprint._core import dumps
from fingerprint.answers import enveloped
from fingerprint.answers.diagnose import diagnose_answer
from fingerprint.cli.commands.diagnose import _print, run
from fingerprint.cli.parser import Arguments
from fingerprint.cli.table import all_commands
from fingerprint.diagnose import CHECKS, Check, Diagnosis, Site, diagnose
from fingerprint.diagnose.result import passed
from fingerprint.errors import SnapshotError
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing.machines import unix_snapshot
from fingerprint.vault import Vault

BATCHES, CASES = 8, 60
[COMMAND] = [command for command in all_commands() if command.path == "diagnose"]
FRAGMENTS = (
    "\u00b2", "2026-11-24", "9" * 400, "0001-01-01 00:00:00", "9999-12-31 23:59:59", "2026-99-99 99:99:99",
    "\x00", "\x1b[2J", "\x9b", "\u202e", "'", '"', "(", ")", "[", "] ", ": ", "\n", "\r", "INFO ", "ERROR ", "hibernat",
    "hardware id (", "The hardware ID (", "produced error: ", "amazon-ssm-agent - v3.\u00b2", "amazon-ssm-agent - v3.3",
    "Sleeping for 9h before retrying retrieve", "Sleeping for 99999999999999999h before retrying retrieve credentials",
    "-1", "1e999", "null", "true", "[]", "{}", "=", "\t", "LoadState=loaded", "Id=", "version: ", "version: 3.\u00b2",
    "version: " + "9" * 5000, "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "/root/\x00x", "a" * 5000,
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, 0, -1, True, "", "x", [], {}, {"error": "EACCES", "message": "Permission denied"}, {"error": "ENOTDIR"},
    {"error": "errorcode", "message": 1}, {"error": "__doc__"}, {"error": 5}, {"text": "\u00b2"}, {"text": 5},
    {"base64": "/w=="}, {"base64": "!"}, [None], [1], ["\0"], ["\ud800"], 10**30, -(10**30), 10**5000, 1.5,
    float("nan"), float("inf"), "\ud800", "9999-12-31T23:59:59Z", "9999-99-99T99:99:99Z", "1970-01-01T00:00:00Z",
)  # fmt: skip
ODD_LINES = (
    "0001-01-01 00:00:00 ERROR Retrieve credentials produced error: X: y\n",
    "9999-12-31 23:59:59 INFO Sleeping for 9999999h before retrying retrieve credentials\n",
    "2026-99-99 99:99:99 ERROR Retrieve credentials produced error: \x1b]0;owned\x07\n",
    line("09:59:00", "ERROR", "Retrieve credentials produced error: \u202e\x9b2J: " + "z" * 3000),
    line("09:59:01", "INFO", "Entering SSM Agent hibernate - \x1b[31m" + MISMATCH, "[ssm-agent-worker] "),
    line("09:59:02", "INFO", "Backing off health check to every 99999999999 seconds for 1800 seconds.", ""),
    line("09:59:03", "INFO", "amazon-ssm-agent - v\u0663.3", ""),
    "The 'a' value () has changed from the registered machine configuration value ().\n",
)
# Without these there is no recording at all; that is tried, too, but seldom.
SELDOM = ("platform", "schemaVersion", "kernel", "recordedAt", "files", "commands")


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Return every place in JSON data, as what it is in and its name or number there."""
    if isinstance(value, dict):
        inner: list[tuple[Any, Any]] = list(value.items())
    else:
        inner = list(enumerate(value)) if isinstance(value, list) else []
    return [place for name, one in inner for place in ((value, name), *spots(one))]


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 5)):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.randint(0, 12))
        way = chance.random()
        if way < 0.45:
            text = text[:begin] + chance.choice(FRAGMENTS) + text[end:]
        elif way < 0.6:
            text = text[:begin] + text[end:]
        elif way < 0.75:
            text = text[:begin] + chr(chance.choice((chance.randrange(0x100), chance.randrange(0x3000)))) + text[end:]
        elif way < 0.9:
            text = text[:begin]
        else:
            text = text[:begin] + chance.choice(ODD_LINES) + text[begin:]
    return text


def change(snapshot: dict[str, Any], chance: random.Random) -> None:
    """Change one thing, at any depth."""
    members = spots(snapshot)
    where, name = chance.choice([p for p in members if p[1] not in SELDOM or chance.random() < 0.05])
    old = where[name]
    if isinstance(old, str) and chance.random() < 0.85:
        where[name] = mutated(old, chance)
    elif chance.random() < 0.7:
        where[name] = copy.deepcopy(chance.choice(ODD_VALUES))
    elif isinstance(where, dict):
        del where[name]
        if chance.random() < 0.3:
            where[chance.choice(FRAGMENTS)] = old
    else:
        where.insert(name, copy.deepcopy(chance.choice(ODD_VALUES)))


def printed(found: Diagnosis, at: float, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the text output, after a check of the JSON output against its schema."""
    schema = json.loads((resources.files("fingerprint") / "schemas" / "diagnose.json").read_text())
    answer = enveloped("diagnose", diagnose_answer("/v", found, at))
    Draft202012Validator(schema).validate(answer)
    assert json.loads(dumps(answer, html_safe=False)) == json.loads(json.dumps(answer))
    capsys.readouterr()
    _print(found, Arguments(COMMAND, {"no_color": True, "verbose": True}))
    text = capsys.readouterr().out
    assert [c for c in text if not c.isprintable() and c != "\n"] == []
    return text


@pytest.fixture
def healthy(tmp_path: Path) -> AgentMachine:
    machine = AgentMachine(tmp_path)
    machine.log("errors.log", refused("07:00:00"))
    machine.log("hibernate.log", "2026-11-23 10:00:00 INFO Agent is in hibernate mode.\n")
    machine.config(
        Identity={"ConsumptionOrder": ["OnPrem"]}, Profile={"KeyAutoRotateDays": 30, "ShareCreds": True},
        Ssm={"Endpoint": "ssm.example"}, Agent={"Region": "eu-west-1"},
    )  # fmt: skip
    machine.write()
    return machine


WAITS = started("08:00:00") + mismatch("09:00:00", "disk-info") + line("09:00:01", "INFO", REGENERATED)
WAITS += refused("11:50:00")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_recording_is_rejected_or_answered(
    batch: int, healthy: AgentMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(batch)
    refused_of, answered = 0, 0
    for case in range(CASES):
        snapshot = copy.deepcopy(healthy.snapshot)
        if chance.random() < 0.4:
            log = mutated(WAITS if chance.random() < 0.7 else started("08:00:00") + ready("08:00:01"), chance)
            snapshot["files"][f"{LOGS}/amazon-ssm-agent.log"] = {"text": log}
        for _ in range(chance.randint(1, 2)):
            change(snapshot, chance)
        try:
            machine = RecordedMachine(snapshot, "m.json")
        except SnapshotError as error:
            refused_of += 1
            complaint = str(error)
        else:
            complaint = ""
        if complaint:
            assert complaint.startswith("m.json: "), (batch, case, complaint)
            assert "not a snapshot: " in complaint, (batch, case, complaint)
            continue
        vault = Vault(str(healthy.vault_path), state=str(healthy.directory / "state"))
        found = diagnose(Site(machine, vault))
        answered += 1
        text = printed(found, machine.now(), capsys)
        internal = [(r.name, r.finding.text) for r in found.results if "internal error" in r.finding.text]
        assert (internal, "internal error" in text) == ([], False), (batch, case)
    # Neither way is the rule.
    assert min(answered, refused_of) > CASES // 6


def test_escapes_of_a_log_do_not_reach_the_output(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    error = "Foo: \x1b]0;owned\x07\x1b[2J bad\u202e\x9b"
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:59:50", error, "34s"))
    done = machine("diagnose")
    assert done.returncode == 1
    assert "\\x1b]0;owned\\x07" in done.stdout
    assert [c for c in done.stdout if not c.isprintable() and c != "\n"] == []


def test_commands_and_steps_are_printed_without_escapes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = (("first \x1b[1m", "rm \x1b[2J"), ("then\x07", ""))
    conclusion = fingerprint.diagnose.Conclusion("broken", "it \x1b[31m is", "", "", steps, "it \x1b[31m is")
    monkeypatch.setattr(fingerprint.diagnose, "conclude", lambda _site, _results: conclusion)
    text = printed(AgentMachine(tmp_path).diagnosis("guard"), 0.0, capsys)
    assert all(part in text for part in ("it \\x1b[31m is", "first \\x1b[1m", "rm \\x1b[2J", "then\\x07"))


@pytest.mark.parametrize("error", [KeyError("waiting"), SnapshotError("it is torn", where="m.json", remedy="Fix it")])
def test_a_failing_conclusion_loses_no_findings(
    error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_site: Site, _results: Any) -> None:
        raise error

    monkeypatch.setattr(fingerprint.diagnose, "conclude", fails)
    machine = AgentMachine(tmp_path)
    found = machine.diagnosis()
    assert len(found.results) == sum(check.platform == "" for check in CHECKS)
    conclusion = found.conclusion
    assert (conclusion.state, conclusion.because) == ("cannot-tell", "")
    known = isinstance(error, SnapshotError)
    assert ("internal error, please report it: KeyError" in conclusion.text) is not known
    assert conclusion.steps == ((("Fix it", ""),) if known else ())
    # Nobody takes it for an answer.
    words = {"vault": str(machine.vault_path), "snapshot": str(machine.directory / "machine.json"), "only": "guard"}
    assert run(Arguments(COMMAND, words)) == 3
    printed(found, 0.0, capsys)


@pytest.mark.parametrize(
    ("platform", "timeout", "limits"),
    [
        ("linux", None, {"fingerprint": 10, "guard": 10, "running": 10, "imds": 15, "clock": 30}),
        ("linux", 60.0, {"fingerprint": 65, "guard": 65, "running": 65, "imds": 65, "clock": 65}),
        ("linux", 8.0, {"fingerprint": 13, "clock": 30}),
        ("linux", 1.0, {"fingerprint": 10, "clock": 30}),
        ("windows", None, {"fingerprint": 90, "next-start": 90, "regenerated": 90, "guard": 90, "collector": 90,
                           "running": 10, "vault": 10}),
        ("windows", 120.0, {"fingerprint": 125, "running": 125}),
    ],
)  # fmt: skip
def test_a_check_has_the_time_limit_of_a_collection(
    platform: str, timeout: float | None, limits: dict[str, float], tmp_path: Path
) -> None:
    site = Site(RecordedMachine({**unix_snapshot(), "platform": platform}), Vault(str(tmp_path)), timeout=timeout)
    assert {check.name: check.limit(site) for check in CHECKS if check.name in limits} == limits


def test_a_timeout_has_a_remedy_that_raises_the_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def slow(_site: Site) -> Any:
        time.sleep(0.5)
        return passed("at last")

    monkeypatch.setattr(fingerprint.diagnose, "CHECKS", (Check("slow", "Slow", slow, 0.1),))
    machine = AgentMachine(tmp_path)
    found = machine.diagnosis()["slow"]
    assert (found.undetermined, found.text) == (True, "no answer within 0.1 s")
    assert found.remedy == "Raise the limit with --timeout SECONDS"
    assert machine.diagnosis(timeout=1.0)["slow"].text == "at last"
