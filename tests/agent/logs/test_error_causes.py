"""Errors of the agent -> causes with their remedies, in each form, and the same in `diagnose` and `diagnose logs`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from agent_machines import AgentMachine, line, ready, refused, started
from docpage import DOCS
from error_messages import HEALTH, HOST, SINGLE, TOKEN, answered, error_messages, not_sent
from fingerprint.agent.logs import code_of, conclusion, present, read_parts
from fingerprint.agent.logs.error_causes import ROWS, UNKNOWN, ErrorCause, cause_of, steps_of, system_of
from fingerprint.agent.logs.error_causes.details import span
from fingerprint.agent.logs.error_causes.row import NETWORK, Row
from fingerprint.cli import main
from fingerprint.cli.parser import parse
from fingerprint.cli.remedy_commands import Advice

MESSAGES = error_messages()
SYSTEMS = ("linux", "macos", "windows")
CAUSES = [row.name for row in ROWS]
# Programs of PowerShell, and of Windows, that remedies name.
ON_WINDOWS = (
    "Get-Disk", "Get-MpThreatDetection", "Get-NetFirewallProfile", "Get-NetRoute", "Get-PhysicalDisk", "Get-Process",
    "Get-Volume",
    "Resolve-DnsName", "Restart-Service", "Select-Object", "Sort-Object", "Start-Service", "icacls", "netsh", "w32tm",
)  # fmt: skip
# They read only, and end at once; what they print depends on the host.
READ_ONLY = ("date", "df", "findmnt", "free", "getent", "ip", "ls", "namei", "timedatectl", "uname")


def test_each_error_has_its_cause_in_each_of_its_forms() -> None:
    wrong = [
        (one.cause, found.name, one.text) for one in MESSAGES
        if (found := cause_of(one.text, worker=one.worker)).name != one.cause
    ]  # fmt: skip
    assert wrong == []


def test_the_errors_reach_each_row_of_the_table() -> None:
    assert len(MESSAGES) > 1000
    assert {one.cause for one in MESSAGES} == {*CAUSES, "unknown"}
    assert len(CAUSES) == len(set(CAUSES))


@pytest.mark.parametrize("prefix", ["no valid credentials could be retrieved for ec2 identity. Default Host Management "
                                    "Err: ", "unexpected error: ", "failed to rotate: "])  # fmt: skip
def test_words_before_an_error_do_not_change_its_cause(prefix: str) -> None:
    for one in MESSAGES:
        if one.text.startswith("error calling "):
            assert cause_of(prefix + one.text, worker=one.worker).name == one.cause, one.text


def test_line_ends_do_not_change_the_cause() -> None:
    """A journal writes them as #011, some viewers as blanks."""
    for one in MESSAGES:
        for text in (one.text.replace("\n", "\r\n"), one.text.replace("\t", "#011"), one.text + "\n"):
            assert cause_of(text, worker=one.worker).name == one.cause, text


@pytest.mark.parametrize(
    "operation",
    [
        TOKEN,
        HEALTH,
        "RegisterManagedInstance",
        "UpdateManagedInstancePublicKey",
        "GetCallerIdentity",
        "GetSecurityToken",
        "GetError",
        "ListExpired",
        "PutInventory",
    ],
)
def test_an_operation_is_never_the_code_of_an_error(operation: str) -> None:
    for form in answered("InvalidInstanceId", "x", operation):
        assert code_of(form) == "InvalidInstanceId", form
    for form in ("error calling {}", "error occurred in {}: x", "error calling {} API: x", "operation error SSM: {}"):
        assert code_of(form.format(operation)) != operation, form


# Details.


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("Signature expired: 20250814T105317Z is now earlier than 20250814T170000Z (20250814T170500Z - 5 min.)",
         "6 h 12 min behind"),
        ("Signature not yet current: 20250814T180500Z is still later than 20250814T171000Z (20250814T170500Z + 5 min.)",
         "1 h ahead"),
        ("Signature expired: 20220127T001427Z is now earlier than 20220127T014428Z (20220127T015928Z - 15 min.)",
         "1 h 45 min behind"),
        ("Signature expired: 20261124T110000Z is now earlier than 20261124T113500Z", "at least 35 min behind"),
        ("x509: certificate has expired or is not yet valid: current time 1970-01-01T00:01:00Z is before "
         "2025-01-01T00:00:00Z", "at least 55 years behind"),
        ("x509: certificate has expired or is not yet valid: current time 2024-12-31T20:00:00-05:00 is before "
         "2025-01-02T01:30:00Z", "at least 24 h 30 min behind"),
        ("Signature expired: 20259914T105317Z is now earlier than 20250814T170000Z", ""),
        ("Signature expired: yesterday", ""),
    ],
)  # fmt: skip
def test_the_offset_of_the_clock_is_computed(text: str, offset: str) -> None:
    why = cause_of(f"InvalidSignatureException: {text}" if "Sign" in text else text).why
    assert why.startswith(f"its clock is wrong ({offset}), so" if offset else "its clock is wrong, so")


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"),
                                               (172800, "2 days"), (1.7e9, "53 years")])  # fmt: skip
def test_a_span_is_in_its_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (not_sent(f"dial tcp: lookup {HOST} on 10.0.0.2:53: no such host")[0], f"{HOST} does not resolve (DNS)"),
        (not_sent("dial tcp 10.0.0.9:443: i/o timeout")[3], f"{HOST} (10.0.0.9:443) does not answer in time"),
        (not_sent("proxyconnect tcp: dial tcp 10.0.0.3:3128: i/o timeout")[1],
         "its proxy 10.0.0.3:3128 cannot be reached"),
        (not_sent("proxyconnect tcp: dial tcp: lookup proxy.corp.example on 10.0.0.2:53: no such host")[0],
         "its proxy proxy.corp.example cannot be reached"),
        ("open /root/.aws/credentials: no space left on device", "the disk is full (/root/.aws/credentials)"),
        ("write /var/lib/amazon/ssm/mi-0123456789abcdef0/x: no space left on device",
         "the disk is full (/var/lib/amazon/ssm)"),
        ("no space left on device", "the disk is full"),
        ("InvalidInstanceId: Not existing InstanceId mi-0123456789abcdef0",
         "the service does not know the node mi-0123456789abcdef0: it was deleted or deregistered, or is in another "
         "region"),
        ("AccessDeniedException: User: x is not authorized to perform: ssm:PutInventory on resource: y",
         "its role does not allow ssm:PutInventory"),
    ],
)  # fmt: skip
def test_the_words_name_the_details(text: str, why: str) -> None:
    assert cause_of(text).why == why


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RequestError: send request failed\ncaused by: x: EOF", "x: EOF"),
        ("AccessDenied: no\n\tstatus code: 400, request id: 1", "AccessDenied: no status code: 400, request id: 1"),
        ("EC2RoleRequestError: no EC2 instance role found\ncaused by: EC2MetadataError: failed\n<html><h1>x</h1>\n"
         "#011status code: 404, request id:", "EC2MetadataError: failed status code: 404"),
        ("x" * 1000, "x" * 300 + " ..."), ("", ""),
        ("x" * 290 + " 111122223333 y", "x" * 290 + " ..."), ("x" * 290 + "111122223333", "x" * 290 + " ..."),
        ("no credentials. Err: error calling GetParameter: ThrottlingException: slow", "ThrottlingException: slow"),
        ("SerializationError: x\n\tstatus code: 403\ncaused by: UnmarshalError: y\n\t00000000  3c 68 74  |<ht|\n"
         "caused by: invalid character '<'", "UnmarshalError: y"),
    ],
)  # fmt: skip
def test_the_evidence_is_one_line_without_a_web_page(text: str, words: str) -> None:
    assert cause_of(text).words == words


# Remedies.


def remedies(cause: ErrorCause) -> list[tuple[str, str, str]]:
    return [(system, *step) for system in SYSTEMS for step in cause.steps(system, restart="")]


@pytest.mark.parametrize("name", [*CAUSES, "unknown"])
def test_each_command_of_a_remedy_can_be_run(name: str, tmp_path: Path) -> None:
    text = next(one for one in MESSAGES if one.cause == name and one.text)
    cause = cause_of(text.text, worker=text.worker)
    assert cause.steps("linux")
    for system, _, command in remedies(cause):
        if not command:
            continue
        assert "{" not in command
        if command.startswith("fingerprint "):
            parse(shlex.split(command.replace("FILE", str(tmp_path / "code")))[1:])
        elif system == "windows":
            programs = [part.split()[0] for part in re.split(r"[;|]", command)]
            assert set(programs) <= set(ON_WINDOWS), command
        else:
            subprocess.run(["bash", "-n", "-c", command], check=True)
            program = shlex.split(command)[0]
            if system == "linux" and program in READ_ONLY and shutil.which(program):
                done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=20, check=False)
                assert "usage" not in done.stderr.lower(), (command, done.stderr)
                assert "invalid option" not in done.stderr + done.stdout, (command, done.stderr)


def test_each_system_has_a_restart() -> None:
    for system, restart in (("linux", "systemctl restart amazon-ssm-agent"), ("windows", "Restart-Service"),
                            ("macos", "sudo launchctl kickstart -k system/")):  # fmt: skip
        assert any(command.startswith(restart) for _, command in cause_of("x").steps(system))
    found = cause_of("x").steps("linux", unit="snap.x.service", restart="systemctl restart snap.x.service")
    assert found[1] == ("Restart the agent: it retries at once", "systemctl restart snap.x.service")


@pytest.mark.parametrize("name", CAUSES)
def test_the_network_is_checked_only_for_its_causes(name: str) -> None:
    [row] = [row for row in ROWS if row.name == name]
    assert (NETWORK in row.steps) <= row.network
    if not row.network:
        assert not any("--network" in step.command for step in steps_of(row))
    assert NETWORK not in UNKNOWN.steps


@pytest.mark.parametrize(
    "path",
    [
        "/x;reboot",
        "/x`reboot`",
        "/x$(reboot)",
        "/a b",
        "/x|y",
        "/x'y",
        '/x"y',
        "/-rf",
        "/x\x1b[2J",
        "//evil",
        "/\u202ex",
    ],
)
@pytest.mark.parametrize("form", ["open {}: no space left on device", "failed to start worker w, fork/exec {}: "
                                  "permission denied", "open {}: permission denied"])  # fmt: skip
def test_a_path_of_an_error_adds_nothing_to_a_command(path: str, form: str) -> None:
    """Whoever writes to the log must not choose what an operator pastes into a shell."""
    safe = re.compile(r"[\w@%+=:,./ '|;<>-]*\Z", re.ASCII)
    expected = {command.replace("/safe", "") for _, _, command in remedies(cause_of(form.format("/safe")))}
    for _, _, command in remedies(cause_of(form.format(path))):
        assert safe.match(re.sub(r'"[A-Z]:[^"`$%]*"|"(?:/[\w.@+-]+)+"', "", command)), command
        assert any(len(command) <= len(one) + len(path) for one in expected)
        assert "reboot" not in command
        assert "evil" not in command or "/evil" in command


@pytest.mark.parametrize(("text", "system"), [
    (r"open C:\ProgramData\Amazon\SSM\x: Access is denied.", "windows"), ("open /opt/aws/ssm/data/Vault: x", "macos"),
    ("open /var/root/.aws/credentials: x", "macos"), ("fork/exec /usr/bin/ssm-agent-worker: x", "linux"),
    ("open /var/lib/amazon/ssm/x", "linux"), ('Post "https://x/etc/y"', ""), ("", ""),
])  # fmt: skip
def test_the_system_is_known_by_the_paths_of_its_log(text: str, system: str) -> None:
    assert system_of(text) == system


def test_lines_have_the_commands_of_the_system() -> None:
    resolve = not_sent(f"dial tcp: lookup {HOST}: no such host")[0]
    for_both = (
        f"Resolve the name as the agent does (on Linux: `getent hosts {HOST}`; on Windows: `Resolve-DnsName {HOST}`)",
        "Check the network (`fingerprint diagnose --network`)", "Restart the agent: it retries at once",
    )  # fmt: skip
    assert cause_of(resolve).lines() == for_both
    assert cause_of(resolve).lines("windows")[0] == f"Resolve the name as the agent does (`Resolve-DnsName {HOST}`)"
    unknown = cause_of("something").lines()
    assert unknown[-1] == "Send the support bundle to support (`fingerprint report --redact ticket.tar.gz`)"


def test_commands_for_another_machine_say_so() -> None:
    advice = Advice(parse(["diagnose", "logs", "/tmp/of-another.log"]))
    for row in ROWS:
        text = next(one for one in MESSAGES if one.cause == row.name)
        for one in cause_of(text.text, worker=text.worker).lines():
            said = advice.text(one)
            # Commands for two systems are in one list, which says it once.
            times = 1 if "(on " in one else one.count("`") // 2
            assert said.count("on that machine") == times, (one, said)
            assert advice.text(said) == said


def test_the_text_says_which_machine_its_commands_are_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "amazon-ssm-agent.log"
    log.write_text(started("08:00:00") + refused("11:40:00", not_sent(f"dial tcp: lookup {HOST}: no such host")[3]))
    main(["diagnose", "logs", str(log)])
    text = " ".join(capfd.readouterr().out.split())
    assert f"(on that machine, on Linux: `getent hosts {HOST}`; on Windows: `Resolve-DnsName {HOST}`)" in text


PARTS = (
    "current time x ", "Post https://a: ", 'candidate authority certificate "', "/a", r"C:\a b ", "lookup a",
    "dial tcp a->",
    "explicit deny in a a ", "caused by: ", "parse http://", "send failed a", "\n\t00000000  3", "error calling A: ",
    "9", "certificate is valid for a, ",
    "20250814T105317Z is now earlier than ", "proxyconnect tcp: ", "<html", "EOF", "-",
)  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_a_long_error_is_classified_in_linear_time(part: str) -> None:
    """With quadratic time these would take minutes."""
    begin = time.monotonic()
    cause_of(part * (100_000 // len(part)) + "!")
    assert time.monotonic() - begin < 5


# In the two commands.


def of_one_line() -> list[tuple[str, str, bool]]:
    """Return for each cause the errors that are one line of a log, one of the refresher and one of a worker."""
    found: dict[tuple[str, bool], str] = {}
    for one in MESSAGES:
        if "\n" not in one.text and one.text:
            found.setdefault((one.cause, one.worker), one.text)
    return [(cause, text, worker) for (cause, worker), text in found.items() if cause != "fingerprint"]


@pytest.mark.parametrize(("name", "text", "worker"), of_one_line())
def test_both_commands_name_the_same_cause(name: str, text: str, worker: bool, tmp_path: Path) -> None:
    log = started("08:00:00", "3.3.1142.0") + ready("08:00:01")
    if worker:
        log += line("08:00:03", "INFO", f"Entering SSM Agent hibernate - {text}", "[ssm-agent-worker] ")
    else:
        log += refused("11:40:00", text)
    cause = cause_of(text, worker=worker)
    assert cause.name == name
    timeline = read_parts([log.encode()], [], [])
    machine = AgentMachine(tmp_path)
    machine.log("amazon-ssm-agent.log", log)
    diagnosed = machine.diagnosis("waiting").conclusion
    assert diagnosed.state == "hibernating"
    if name == "deregistered":
        assert "the service rejects the node" in present(timeline).cause
        assert "the service rejects the node" in diagnosed.text
        return
    assert cause.sentence in present(timeline).cause
    assert machine.site().quoted(cause.sentence) in diagnosed.text
    words = [machine.site().quoted(text) for text, _ in cause.steps("linux")]
    assert [text for text, _ in diagnosed.steps] == words
    assert [one.partition(" (")[0] for one in conclusion(timeline)[1]] == [one.partition(" (")[0] for one in words]


# The documentation.


def documented(row: Row) -> str:
    said = [f"`{one.strip()}`" for one in (*row.codes, *row.says)]
    named = ", ".join(said[:3]) + (" ..." if len(said) > 3 else "") if said else "its form"
    with_it = ", ".join(f"`{one}`" for one in row.needs[:2])
    return f"{named}; with {with_it}{' ...' * (len(row.needs) > 2)}" if with_it else named


def table() -> list[str]:
    rows = ["| cause | in the error | do |", "|---|---|---|"]
    for row in ROWS:
        steps = "; ".join(
            f"{step.text}{f' (`{command}`)' if (command := step.command or step.linux) else ''}"
            for step in row.steps if step is not NETWORK
        ).replace("`{restart}`", "").replace(" ()", "").replace("|", "\\|")  # fmt: skip
        why = re.sub(r" ?\{(?:of|offset|expired|node)\}", "", row.why)
        network = " N" if row.network else ""
        rows.append(f"| `{row.name}`{network}: {why} | {documented(row)} | {steps} |")
    return rows


def test_the_documentation_has_the_table_of_causes() -> None:
    page = (DOCS / "diagnose.md").read_text()
    _, _, section = page.partition("| cause | in the error | do |")
    written = ["| cause | in the error | do |", *section.partition("\n\n")[0].split("\n")[1:]]
    assert written == table()


def test_the_public_reports_have_their_causes() -> None:
    """Of the form of each report, all lines of the error."""
    assert {name for name, _ in SINGLE} >= {"host-management-off", "no-instance-role", "metadata-service", "read-only"}
