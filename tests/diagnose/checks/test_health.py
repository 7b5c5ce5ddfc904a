"""Health reports that an agent skips, as the metadata service of its provider does not answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_machines import (
    AZURE_SILENT,
    AgentMachine,
    Present,
    copied_disk,
    line,
    ready,
    refused,
    reported,
    skipped,
    started,
)
from commandline import environment, run
from fingerprint.agent.logs import State, present, read_parts
from fingerprint.diagnose import Network, diagnose
from fingerprint.diagnose.http_probe import Connection
from fingerprint.diagnose.result import Finding
from fingerprint.machine.recorded import RecordedMachine
from metadata import alone, beside_metadata
from printed import commands_in
from servers import Server, answering

PASS, WARN, FAIL, SKIPPED = "pass", "warn", "fail", "skipped"
WHY = {"Azure": AZURE_SILENT, "EC2": "EC2MetadataError: failed to make EC2Metadata request"}
OFFLINE = "the service shows the node as offline"


def skips(at: str, provider: str = "Azure", *, why: bool = True) -> str:
    return skipped(at, WHY[provider] if why else "", provider)


RUNS = started("08:00:00") + ready("08:00:01")
# What the log has, whether the last report was skipped, how many in a row, since when.
LOGS: dict[str, tuple[str, bool, int, str]] = {
    "none": (RUNS, False, 0, ""),
    "sent": (RUNS + reported("08:05:00") + reported("08:10:00"), False, 0, ""),
    "sent, with a provider": (RUNS + reported("08:05:00", "EC2") + reported("08:10:00", "EC2"), False, 0, ""),
    "one": (RUNS + skips("08:05:00"), True, 1, "08:05:00"),
    "some in a row": (RUNS + "".join(skips(f"08:{at}:00") for at in ("05", "10", "15", "20")), True, 4, "08:05:00"),
    "without the reasons": (RUNS + skips("08:05:00", why=False), True, 1, "08:05:00"),
    "after some that were sent": (
        RUNS + reported("08:05:00", "EC2") + reported("08:10:00", "EC2") + skips("08:15:00", "EC2"), True, 1,
        "08:15:00",
    ),
    "sent again": (
        RUNS + skips("08:05:00") + reported("08:10:00", "Azure") + reported("08:15:00", "Azure"), False, 0, "",
    ),
    "sent again, once": (
        RUNS + skips("08:05:00") + reported("08:10:00", "Azure") + ready("08:30:00"), False, 1, "08:05:00",
    ),
    "begun, and nothing more logged": (RUNS + skips("08:05:00") + reported("08:10:00", "Azure"), True, 1, "08:05:00"),
    "now and then": (
        RUNS + skips("08:05:00") + reported("08:10:00", "Azure") + reported("08:15:00", "Azure") + skips("08:20:00"),
        True, 1, "08:20:00",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOGS)
def test_skipped_reports_end_with_a_sent_report(name: str) -> None:
    text, skipped, count, since = LOGS[name]
    timeline = read_parts([text.encode()], [], [])
    assert timeline.skips_reports == skipped
    assert timeline.reports.skipped == count
    assert timeline.reports.since == (f"2026-11-24 {since}" if since else "")
    state = present(timeline)
    assert state.state == (State.FAILING if skipped else State.HEALTHY)
    assert (OFFLINE in state.cause) == skipped
    if skipped and "without" not in name:
        assert WHY["EC2" if "some that" in name else "Azure"] in state.cause


@pytest.mark.parametrize("padding", [0, 700_000, 2_500_000], ids=["one block", "two", "several"])
@pytest.mark.parametrize("name", LOGS)
def test_lines_between_reports_do_not_matter(name: str, padding: int) -> None:
    """Of many reports in a row the reader of logs keeps the last two of a block."""
    text, skipped, _, since = LOGS[name]
    filler = line("08:01:00", "DEBUG", "x" * 4000, "") * (padding // 4000)
    lines = text.splitlines(keepends=True)
    middle = next((n for n, one in enumerate(lines) if "Skipping" in one), len(lines) - 1) + 1
    spread = "".join(lines[:middle]) + filler + "".join(lines[middle:])
    timeline = read_parts([(reported("08:02:00") * 50 + spread).encode()], [], [])
    assert (timeline.skips_reports, timeline.reports.since) == (skipped, f"2026-11-24 {since}" if since else "")


@pytest.mark.parametrize("error", ["RequestError: send request failed", "AccessDeniedException: x"])
def test_missing_credentials_have_priority_over_reports(error: str) -> None:
    now = present(read_parts([(RUNS + skips("08:05:00") + refused("08:30:00", error)).encode()], [], []))
    assert now.state == State.FAILING
    assert OFFLINE not in now.cause


def test_after_a_start_the_state_of_reports_is_unknown() -> None:
    text = RUNS + skips("08:05:00") + started("09:00:00") + ready("09:00:01")
    now = present(read_parts([text.encode()], [], []))
    assert (now.state, now.since) == (State.CANNOT_TELL, "2026-11-24 09:00:00")
    assert "before its last start it skipped its health reports" in now.cause
    again = present(read_parts([(text + skips("09:05:00")).encode()], [], []))
    assert again.state == State.FAILING


def test_the_log_is_explained(tmp_path: Path) -> None:
    log = tmp_path / "amazon-ssm-agent.log"
    log.write_text(LOGS["some in a row"][0])
    done = run("diagnose", "logs", str(log), env=environment(tmp_path / "state"))
    text = " ".join(done.stdout.split())
    assert "Failing since 2026-11-24 08:05:00. Cause it skips its health reports" in text
    assert OFFLINE in text
    assert "169.254.169.254 without a proxy" in text


# Diagnosed.


def of_provider(machine: AgentMachine, provider: str | None) -> None:
    machine.registration = machine.registration.replace(provider=provider)  # type: ignore[union-attr]


def finding(machine: AgentMachine) -> tuple[str, str, str, str]:
    found = machine.diagnosis("health")["health"]
    return str(found.outcome), found.text, " ".join(found.evidence), found.remedy


Change = Callable[[AgentMachine], Any]
RECENT = started("08:00:00") + ready("08:00:01") + ready("11:30:00")
SKIPPING = RECENT + skips("11:50:00") + skips("11:55:00")


def logged(text: str) -> Change:
    return lambda m: m.log("amazon-ssm-agent.log", text)


def version(text: str) -> Change:
    return lambda m: m.command(("/usr/bin/amazon-ssm-agent", "-version"), f"SSM Agent version: {text}\n")


CASES: list[tuple[str | None, Change, str, str]] = [
    (None, logged(RECENT + reported("11:55:00")), PASS, "the last report began at 2026-11-24T11:55:00Z"),
    ("", logged(RECENT + reported("11:55:00")), PASS, "the last report began at 2026-11-24T11:55:00Z"),
    (None, logged(RECENT), SKIPPED, "the log has no health report"),
    (None, lambda m: m.snapshot.update(folders={}), SKIPPED, "there is no log"),
    ("Azure", logged(RECENT + reported("11:55:00", "Azure")), PASS, "registered with provider Azure"),
    ("Azure", logged(RECENT), SKIPPED, "registered with provider Azure"),
    ("Azure", logged(SKIPPING), FAIL, "because the metadata service of Azure does not answer: " + OFFLINE),
    ("EC2", logged(SKIPPING), FAIL, "because the metadata service of EC2 does not answer: " + OFFLINE),
    # The record was changed since, or cannot be read: the log shows what the running agent does.
    ("", logged(SKIPPING), FAIL, "the metadata service of its provider does not answer"),
    ("Azure", lambda m: [logged(SKIPPING)(m), setattr(m, "registration", b"{")], FAIL, "of its provider"),
    ("Azure", lambda m: [logged(SKIPPING)(m), m.stopped()], WARN, "when the agent last ran, it skipped"),
    ("Azure", logged(SKIPPING + started("11:57:00") + ready("11:57:01")), "unknown", "before its last start"),
    ("Azure", logged(SKIPPING + reported("11:58:00", "Azure")), PASS, "2026-11-24T11:58:00Z"),
    ("Azure", logged(SKIPPING + reported("11:59:30", "Azure")), FAIL, OFFLINE),
    ("azure", logged(RECENT), WARN, "has provider 'azure', which the agent does not know"),
    ("GCP\x1b[2J", logged(RECENT), WARN, "has provider 'GCP\\x1b[2J'"),
    ("Azure", lambda m: [version("3.3.987.0")(m), logged(RECENT)(m)], WARN, "3.3.987.0 does not know providers"),
    ("EC2", lambda m: [version("3.3.4792.0")(m), logged(RECENT)(m)], WARN, "3.3.4792.0 does not know providers"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "change", "outcome", "words"), CASES)
def test_reports_are_diagnosed(
    machine: AgentMachine, provider: str | None, change: Change, outcome: str, words: str
) -> None:
    of_provider(machine, provider)
    change(machine)
    found = machine.diagnosis("health")["health"]
    assert ("unknown" if found.undetermined else str(found.outcome)) == outcome, found
    assert words in found.text
    assert found.text.isprintable()
    if outcome in (FAIL, WARN):
        assert found.remedy


def test_the_conclusion_is_that_the_node_is_offline(machine: AgentMachine) -> None:
    of_provider(machine, "Azure")
    machine.log("amazon-ssm-agent.log", SKIPPING)
    shown = machine.json("diagnose")["conclusion"]
    assert (shown["state"], shown["because"]) == ("broken", "health")
    assert shown["text"].startswith("Not hibernating, but the agent skips its health reports, because the metadata")
    evidence = finding(machine)[2]
    assert "last skipped: 2026-11-24T11:55:00Z; in a row: 2, since 2026-11-24T11:50:00Z" in evidence
    assert WHY["Azure"] in evidence


@pytest.mark.parametrize(
    ("environment_", "variable"),
    [
        ("http_proxy=http://proxy:3128", "http_proxy"), ("HTTP_PROXY=http://u:hunter2@proxy:3128", "HTTP_PROXY"),
        ("http_proxy=http://proxy:3128 no_proxy=10.0.0.0/8", "http_proxy"),
        ("http_proxy=http://proxy:3128 no_proxy=169.254.169.254", ""), ("https_proxy=http://proxy:3128", ""), ("", ""),
    ],
)  # fmt: skip
def test_a_proxy_of_the_service_is_named_as_the_cause(machine: AgentMachine, environment_: str, variable: str) -> None:
    of_provider(machine, "Azure")
    machine.log("amazon-ssm-agent.log", SKIPPING)
    machine.unit(Environment=environment_, Id="snap.amazon-ssm-agent.amazon-ssm-agent.service")
    found = machine.diagnosis("health")["health"]
    assert ("no_proxy" in found.remedy) == bool(variable)
    assert "hunter2" not in repr(found)
    if variable:
        assert f"({variable} is set)" in found.remedy
        assert found.command == "systemctl edit snap.amazon-ssm-agent.amazon-ssm-agent.service"
    else:
        assert found.command == "fingerprint diagnose --network --only health"
    # `proxy` warns before anything is skipped.
    machine.log("amazon-ssm-agent.log", RECENT)
    outcome = str(machine.diagnosis("proxy")["proxy"].outcome)
    assert outcome == (WARN if variable else PASS)


ANSWERS = {"EC2": b"i-0123456789abcdef0", "Azure": b'{"compute":{"location":"x"}}'}


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "403 Forbidden"])
@pytest.mark.parametrize("provider", ["Azure", "EC2", ""])
def test_with_the_network_the_metadata_service_is_asked(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, provider: str, status: str
) -> None:
    of_provider(machine, provider)
    machine.log("amazon-ssm-agent.log", RECENT)
    with Server(answering(status, ANSWERS.get(provider, b""))) as server:
        # EC2's has a variable; that of Azure has its address only.
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.url)
        monkeypatch.setattr("fingerprint.diagnose.metadata_service.METADATA_HOST", f"127.0.0.1:{server.port}")
        site = machine.site(Network("", {"http_proxy": "http://127.0.0.1:9"}, seconds=2))
        site.machine = Present(machine.machine)
        found = diagnose(site, ["health", "imds"])
    if not provider:
        assert not server.heads
        return
    assert str(found["health"].outcome) == (PASS if status == "200 OK" else FAIL)
    assert found["imds"].text == f"the node is registered with provider {provider}: see `health`"
    if provider == "Azure":
        [head] = server.heads
        assert head.startswith("GET /metadata/instance?api-version=2025-04-07&format=json HTTP/1.1\r\n")
        assert "\r\nMetadata: true\r\n" in head


def asked(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, provider: str, body: bytes, unit: str = ""
) -> Finding:
    """Return what is found where a metadata service answers with this."""
    of_provider(machine, provider)
    machine.log("amazon-ssm-agent.log", RECENT)
    with Server(answering("200 OK", body)) as server:
        machine.unit(Environment=unit)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://169.254.169.254:{server.port}")
        monkeypatch.setattr("fingerprint.diagnose.metadata_service.METADATA_HOST", f"169.254.169.254:{server.port}")
        # Its address is given to the server of this test, as loopback is never asked through a proxy.
        connect = Connection.connect
        monkeypatch.setattr(Connection, "connect", lambda line, _, port: connect(line, "127.0.0.1", port))
        site = machine.site(Network("", {}, seconds=2))
        site.machine = Present(machine.machine)
        return diagnose(site, ["health"])["health"]


PAGES = (b"", b"<html>Log in</html>", b"<html>", b"\xff\xfe", b"OK", b"null", b"[]", b'"x"', b"{", b"x" * 100_000,
         b"[" * 100_000)  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=[repr(page[:8]) for page in PAGES])
@pytest.mark.parametrize("provider", ["EC2", "Azure"])
def test_an_answer_of_something_else_is_no_metadata_service(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, provider: str, page: bytes
) -> None:
    found = asked(machine, monkeypatch, provider, page)
    assert (str(found.outcome), "(something else answers in its place)" in found.text) == (FAIL, True), found


def test_user_data_do_not_invalidate_an_answer(machine: AgentMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    long = json.dumps({"compute": {"userData": "QQ" * 43_000}}).encode()
    assert str(asked(machine, monkeypatch, "Azure", long).outcome) == PASS


@pytest.mark.parametrize(
    ("unit", "outcome"),
    [
        ("http_proxy=http://127.0.0.1:9", WARN), ("HTTP_PROXY=http://127.0.0.1:9 no_proxy=10.0.0.0/8", WARN),
        ("http_proxy=http://127.0.0.1:9 no_proxy=169.254.0.0/16", PASS), ("https_proxy=http://127.0.0.1:9", PASS),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["EC2", "Azure"])
def test_an_answer_warns_if_the_agent_uses_a_proxy_for_it(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, provider: str, unit: str, outcome: str
) -> None:
    found = asked(machine, monkeypatch, provider, ANSWERS[provider], unit)
    assert str(found.outcome) == outcome, found
    assert found.remedy.startswith("Add 169.254.169.254 to no_proxy") == (outcome == WARN)


@pytest.mark.parametrize(
    ("unit", "remedy"),
    [
        ("{0}_MODE=IPv5", "Correct {0}_MODE in the agent's service or in this shell"),
        ("{0}_MODE=http://u:hunter2@h", "Correct {0}_MODE in the agent's service or in this shell"),
        ("{0}=http://[", "Correct {0} in the agent's service or in this shell"),
        ("{0}_MODE=IPv6", "Allow the agent to reach http://[fd00:ec2::254] ("),
        ("{0}=http://u:hunter2@198.51.100.7:81", "Allow the agent to reach http://***@198.51.100.7:81 ("),
        ("{0}_MODE=IPv6 http_proxy=http://p:1", "Add fd00:ec2::254 to no_proxy of the agent's service (http_proxy is"),
        ("{0}=https://198.51.100.7 https_proxy=http://p:1", "Add 198.51.100.7 to no_proxy of the agent's service (h"),
        ("{0}_MODE=IPv6 http_proxy=http://p:1 no_proxy=fd00:ec2::254",
         "Allow the agent to reach http://[fd00:ec2::254]"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("skipping", [True, False], ids=["in the log", "asked"])
def test_the_remedy_names_the_agents_metadata_service(
    machine: AgentMachine, unit: str, remedy: str, skipping: bool
) -> None:
    of_provider(machine, "EC2")
    machine.log("amazon-ssm-agent.log", SKIPPING if skipping else RECENT)
    name = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
    machine.unit(Environment=unit.format(name))
    site = machine.site(Network("", {}, seconds=0.3))
    site.machine = Present(machine.machine)
    found = diagnose(site, ["health"])["health"]
    assert str(found.outcome) == FAIL
    assert found.remedy.startswith(remedy.format(name)), found
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("unit", ["", "http_proxy=http://p:1"], ids=["", "proxy"])
@pytest.mark.parametrize(
    ("name", "value"), [("", "http://198.51.100.7"), ("", "http://["), ("_MODE", "IPv6"), ("_MODE", "IPv5")]
)
def test_variables_of_the_shell_do_not_count_for_another_machine(
    machine: AgentMachine, monkeypatch: pytest.MonkeyPatch, name: str, value: str, unit: str
) -> None:
    of_provider(machine, "EC2")
    machine.log("amazon-ssm-agent.log", SKIPPING)
    machine.unit(Environment=unit)
    before = [(one.name, one.finding) for one in machine.diagnosis("health", "imds", "proxy").results]
    monkeypatch.setenv(f"AWS_EC2_METADATA_SERVICE_ENDPOINT{name}", value)
    assert [(one.name, one.finding) for one in machine.diagnosis("health", "imds", "proxy").results] == before
    assert "169.254.169.254" in before[0][1].remedy


def test_a_copied_disk_is_diagnosed_by_its_log_alone(machine: AgentMachine, tmp_path: Path) -> None:
    of_provider(machine, "Azure")
    machine.log("amazon-ssm-agent.log", SKIPPING)
    root = copied_disk(tmp_path, machine)
    done = run("--root", str(root), "diagnose", "--only", "health", env=machine.env)
    assert "when the agent last ran, it skipped its health reports" in " ".join(done.stdout.split())


@alone
@pytest.mark.parametrize(("status", "code"), [(200, 0), (0, 1), (410, 1)])
def test_the_printed_remedy_checks_whether_it_answers(machine: AgentMachine, status: int, code: int) -> None:
    of_provider(machine, "Azure")
    machine.write()
    words = ("--vault", str(machine.vault_path), "diagnose", "--network", "--only", "health")
    printed = beside_metadata(0, *words, env=machine.env)
    assert printed.code == 1, printed.err
    [command] = {one.line for one in commands_in(printed.out) if "--only health" in one.line}
    done = beside_metadata(status, "-c", command, env=machine.env, command=("sh",))
    assert done.code == code, done.out + done.err
    assert bool(done.asked) == bool(status)


def test_network_commands_are_for_the_machine_itself(machine: AgentMachine) -> None:
    """Over a recording the network is not asked."""
    of_provider(machine, "Azure")
    machine.log("amazon-ssm-agent.log", SKIPPING)
    assert "(on that machine: fingerprint diagnose --network --only health)" in " ".join(
        machine("diagnose").stdout.split()
    )  # fmt: skip


def test_a_recording_of_an_earlier_version_is_diagnosed(machine: AgentMachine) -> None:
    machine.snapshot["folders"] = {}
    machine.registration = None
    assert isinstance(machine.machine, RecordedMachine)
    assert finding(machine)[0] == SKIPPED
