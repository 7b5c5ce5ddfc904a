"""Errors of AWS SDK for Go, versions 1 and 2, as the agent logs them: one code for one cause, whichever spelled it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_machines import AgentMachine, line, refused, started
from fingerprint.agent.logs import code_of, parse, read_parts, sdk_error
from fingerprint.agent.logs.sdk_errors import NO_ANSWER

TOKEN = "RequestManagedInstanceRoleToken"
OPERATIONS = (TOKEN, "RegisterManagedInstance", "UpdateManagedInstancePublicKey", "UpdateInstanceInformation")
ID = "6c3e2f6a-0a1b-4c2d-9e3f-111122223333"
# Codes with each ending that the service uses, and one without any.
CODES = (
    "MachineFingerprintDoesNotMatch", "AccessDeniedException", "InvalidInstanceId", "InternalServerError",
    "ThrottlingException", "InvalidSignatureException", "ExpiredTokenException", "RequestExpired", "TooManyUpdates",
    "InvalidActivation", "PublicKeyAlreadyRegistered", "UnrecognizedClientException", "ServiceUnavailable",
)  # fmt: skip
ATTEMPTS = ("", "exceeded maximum number of attempts, 4, ")
NOT_SENT = 'request send failed, Post "https://ssm.eu-west-1.amazonaws.com/":'
NETWORK = (
    f"{NOT_SENT} dial tcp: lookup ssm.eu-west-1.amazonaws.com on 127.0.0.53:53: no such host",
    f"{NOT_SENT} dial tcp 10.0.0.1:443: connect: connection refused",
    f"{NOT_SENT} x509: certificate signed by unknown authority",
    f"{NOT_SENT} proxyconnect tcp: EOF",
    "canceled, context deadline exceeded",
)


@pytest.mark.parametrize("attempts", ATTEMPTS, ids=["once", "after all attempts"])
@pytest.mark.parametrize("api", ["", "api error "], ids=["modelled", "other"])
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("code", CODES)
def test_an_answer_has_its_code_in_both_versions(code: str, operation: str, api: str, attempts: str) -> None:
    text = f"{attempts}https response error StatusCode: 400, RequestID: {ID}, {api}{code}: the message, with: colons"
    found = sdk_error(f"operation error SSM: {operation}, {text}")
    assert (found.code, found.sdk, found.operation, found.status, found.request_id) == (code, 2, operation, 400, ID)
    assert found.answered
    for first in (f"{code}: the message, with: colons", f"{code}: the message\n\tstatus code: 400, request id: {ID}"):
        old = sdk_error(first)
        assert (old.code, old.sdk, old.answered) == (code, 1, True)


@pytest.mark.parametrize("attempts", ATTEMPTS, ids=["once", "after all attempts"])
@pytest.mark.parametrize("network", NETWORK, ids=["name", "refused", "certificate", "proxy", "deadline"])
def test_a_failed_connection_has_one_code_in_both_versions(network: str, attempts: str) -> None:
    text = f"operation error SSM: {TOKEN}, {attempts}https response error StatusCode: 0, RequestID: , {network}"
    found = sdk_error(text)
    assert (found.code, found.sdk, found.status, found.request_id, found.answered) == (NO_ANSWER, 2, 0, "", False)
    old = sdk_error("RequestError: send request failed")
    assert (old.code, old.sdk, old.answered) == (NO_ANSWER, 1, False)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        # Message of the line with the status: with and without the words before it.
        (f"https response error StatusCode: 400, RequestID: {ID}, InvalidInstanceId: x", "InvalidInstanceId"),
        (f"https response error StatusCode: 503, RequestID: {ID}, api error SlowDown: x", "SlowDown"),
        ("api error InvalidInstanceId: x", "InvalidInstanceId"),
        # Without a message; without a readable answer; from the metadata service.
        (f"operation error SSM: {TOKEN}, https response error StatusCode: 400, RequestID: x, RequestExpired: ",
         "RequestExpired"),
        (f"operation error SSM: {TOKEN}, https response error StatusCode: 413, RequestID: x, deserialization failed, "
         "failed to decode response body, invalid character '<'", ""),
        (f"operation error SSM: {TOKEN}, get identity: get credentials: failed to refresh cached credentials, no EC2 "
         "IMDS role found, operation error ec2imds: GetMetadata, http response error StatusCode: 404, request to EC2 "
         "IMDS failed", ""),
        (f"operation error SSM: {TOKEN}, failed to sign request: failed to retrieve credentials: failed to refresh "
         "cached credentials, operation error STS: AssumeRole, https response error StatusCode: 403, RequestID: "
         f"{ID}, api error ExpiredToken: The security token included in the request is expired", "ExpiredToken"),
        (f"operation error SSM: {TOKEN}, failed to resolve service endpoint, endpoint rule error, Invalid", ""),
        (f"operation error SSM: {TOKEN}", ""),
        ("operation error ", ""),
        # Version 1 after other words: the operation's name is not a code, although it ends like one.
        (f"error calling {TOKEN}: MachineFingerprintDoesNotMatch: x", "MachineFingerprintDoesNotMatch"),
        (f"error occurred in {TOKEN}: AccessDeniedException: x", "AccessDeniedException"),
        (f"error calling {TOKEN}: InvalidInstanceId: x", "InvalidInstanceId"),
        (f"{TOKEN}: InvalidInstanceId: x", "InvalidInstanceId"),
        (f"error calling {TOKEN}: x", ""),
        ("unexpected error getting role credentials: AccessDeniedException: no", "AccessDeniedException"),
        ("Failed to get machine fingerprint: vault", ""),
        ("some api error Foo: bar", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_code_is_found_in_every_form(text: str, code: str) -> None:
    assert code_of(text) == code


QUOTED = ("AccessDenied: no", "api error AccessDenied: no", "RequestError: send request failed", "dial tcp: EOF")


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("api", ["", "api error "], ids=["modelled", "other"])
@pytest.mark.parametrize("code", CODES)
def test_an_error_that_the_message_quotes_is_not_the_code(code: str, api: str, quoted: str) -> None:
    for before in (f"operation error SSM: {TOKEN}, ", ""):
        found = sdk_error(
            f"{before}https response error StatusCode: 400, RequestID: {ID}, {api}{code}: it was {quoted}"
        )
        assert (found.code, found.answered) == (code, True)
    old = sdk_error(f"{code}: it was {quoted}")
    assert (old.code, old.answered) == (code, True)


@given(st.text(max_size=300))
def test_any_string_is_parsed(text: str) -> None:
    found = sdk_error(f"operation error SSM: {TOKEN}, https response error StatusCode: {text}")
    assert found.status >= 0
    assert sdk_error(text).sdk in (0, 1, 2)


# In logs.


def v2(code: str, api: str = "") -> str:
    return f"operation error SSM: {TOKEN}, https response error StatusCode: 400, RequestID: {ID}, {api}{code}: x"


def test_an_error_in_the_forms_of_both_versions_counts_once() -> None:
    error = v2("InvalidInstanceId")
    text = started("08:00:00") + refused("08:00:01", "InvalidInstanceId: x") + refused("08:01:01", error, "")
    status = f"Status code 400 returned from AWS API. RequestId: {ID} Message: {error}"
    text += line("08:01:01", "ERROR", status)
    timeline = read_parts([text.encode()], [], [])
    assert {code: times for code, (times, _, _) in timeline.refusals.items()} == {"InvalidInstanceId": 2}
    assert timeline.run.checked == "2026-11-24 08:00:01"


def test_a_code_far_behind_in_the_error_is_kept() -> None:
    """Version 2 puts operation, attempts, status and request before it; nested errors put more."""
    error = v2("MachineFingerprintDoesNotMatch").replace(", https", ", exceeded maximum number of attempts, 4, https")
    nested = f"operation error SSM: {TOKEN}, get identity: get credentials: failed to refresh credentials, {error}"
    timeline = read_parts([(started("08:00:00") + refused("08:00:01", nested)).encode()], [], [])
    assert code_of(timeline.refresher.error) == "MachineFingerprintDoesNotMatch"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (v2("MachineFingerprintDoesNotMatch"), "the service knows another fingerprint of this node"),
        (v2("AccessDeniedException", "api error "), "the service rejects the node"),
        (v2("InvalidInstanceId"), "the service does not know the node"),
    ],
)
def test_diagnose_concludes_from_version_2_as_from_version_1(tmp_path: Path, error: str, words: str) -> None:
    machine = AgentMachine(tmp_path)
    machine.log("amazon-ssm-agent.log", started("08:00:00", "3.3.5068.0") + refused("11:40:00", error))
    assert words in machine.diagnosis().conclusion.text


# The console of an instance.


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("SSM Agent entering hibernation due to error: <error>AccessDeniedException: no</error>", "hibernate",
         "AccessDeniedException"),
        (f"SSM Agent unable to acquire credentials: <error>{v2('MachineFingerprintDoesNotMatch')}</error>", "refused",
         "MachineFingerprintDoesNotMatch"),
        ("SSM Agent unable to acquire credentials: <error>RequestError: cut", "refused", "RequestError"),
    ],
)  # fmt: skip
def test_a_line_of_the_console_is_the_error_that_it_repeats(text: str, kind: str, error: str) -> None:
    entry = parse(f"[   12.345678] 2026/05/23 17:01:51Z: {text}\r\n")
    assert entry is not None
    assert (entry.at, entry.kind) == ("2026-05-23 17:01:51", kind)
    timeline = read_parts([f"2026/05/23 17:01:51Z: {text}\n".encode()], [], [])
    wait = timeline.worker if kind == "hibernate" else timeline.refresher
    assert code_of(wait.error) == error
    assert wait.since == "2026-05-23 17:01:51"


def test_an_error_repeated_on_the_console_counts_once() -> None:
    text = started("08:00:00") + refused("08:00:01")
    once = read_parts([text.encode()], [], [])
    text += line("08:00:01", "INFO", "Write to serial port: SSM Agent unable to acquire credentials: <error>x</error>",
                 "[SerialPort] ")  # fmt: skip
    timeline = read_parts([text.encode()], [], [])
    assert timeline.refusals == once.refusals
    assert timeline.events == once.events


# Lines of newer agents.


def test_a_flushed_cache_is_followed_by_a_request() -> None:
    text = started("08:00:00", "3.3.5068.0") + line("08:00:01", "INFO", "Credentials ready")
    text += line("08:30:00", "INFO", "Credential config file missing, triggering immediate credential refresh")
    timeline = read_parts([text.encode()], [], [])
    assert timeline.run.asks_next == "2026-11-24 08:30:00"
    assert timeline.run.outcome == "good"


def test_a_refresher_that_gives_up_is_a_failure() -> None:
    text = started("08:00:00") + line("08:00:01", "ERROR", "Unexpected identity retrieved: Azure. Stopping credential "
                                                          "refresher.")  # fmt: skip
    timeline = read_parts([text.encode()], [], [])
    assert timeline.run.outcome == "failed"
    assert "Unexpected identity retrieved: Azure" in timeline.refresher.error
    stopped = line("08:00:01", "INFO", "Stopping credentials refresher")
    assert read_parts([(started("08:00:00") + stopped).encode()], [], []).run.outcome != "failed"


@pytest.mark.parametrize(
    ("words", "recipe"),
    [
        ("Detected Windows 2025 version or later, returning WQL as WMI interface...", "wql"),
        ("Detected version prior to Windows 2025, returning WMIC as WMI interface...", "wmic"),
        ("Failed to determine Windows version: x, returning WMIC as WMI interface", "wmic"),
        ("something else", ""),
    ],
)
def test_the_recipe_for_windows_is_read_from_the_log(words: str, recipe: str) -> None:
    text = started("08:00:00", "3.3.1311.0") + line("08:00:01", "DEBUG", words, "") * 6
    timeline = read_parts([text.encode()], [], [])
    assert timeline.recipe == recipe
    assert sum(kind == "recipe" for _, kind, *_ in timeline.events) == (1 if recipe else 0)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("Failed to load shared credentials provider: x", "unavailable"),
        ("Failed to fetch WMI object: x", "wmi-failed"),
        ("Failed to encode WMI object: x", "wmi-failed"),
        ("Unexpected error while calculating fingerprint: x", "no-fingerprint"),
        ("Unexpected error while calculateing fingerprint: x", "no-fingerprint"),
        ("Skipping health update due to identity provider errors", "health-skipped"),
    ],
)
def test_a_line_of_a_newer_agent_has_its_kind(words: str, kind: str) -> None:
    entry = parse(line("08:00:01", "ERROR", words, "[x] "))
    assert entry is not None
    assert entry.kind == kind
