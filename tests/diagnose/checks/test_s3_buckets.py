"""The check of the buckets of a region, with a real server in place of S3."""

from __future__ import annotations

import socket
import threading

import pytest

from agent_machines import REGION, AgentMachine
from fingerprint.diagnose import Outcome
from fingerprint.diagnose.reachability import reach_buckets
from network_checks import NEEDED, configured, diagnosed, network
from servers import Serve, Server, cutting

PASS, WARN, SKIPPED = Outcome.PASS, Outcome.WARN, Outcome.SKIPPED


def buckets_of(statuses: dict[str, str]) -> Serve:
    """Answer as S3 does, with a status for the names that contain a word."""

    def serve(server: Server, connection: socket.socket) -> None:
        target = server.head(connection).split(" ")[1]
        status = next((status for word, status in statuses.items() if word in target), "200 OK")
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return serve


def test_buckets_that_answer_pass_also_without_read_access(machine: AgentMachine) -> None:
    with Server(buckets_of({"aws-ssm-": "403 Forbidden"})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert (found.outcome, found.text) == (PASS, f"all {len(NEEDED)} buckets of {REGION} answer")
    assert sorted(server.targets) == sorted(f"/{name}/" for name in NEEDED)
    assert sum("reached (HTTP 403" in one for one in found.evidence) == 1
    assert all(head.startswith("HEAD ") for head in server.heads)


def test_a_missing_bucket_warns_and_is_named(machine: AgentMachine) -> None:
    with Server(buckets_of({"patch-baseline": "404 Not Found"})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert (found.outcome, found.text) == (WARN, f"1 of {len(NEEDED)} buckets of {REGION} cannot be reached")
    assert f"patch-baseline-snapshot-{REGION}: no such bucket (404)" in found.evidence
    assert found.command == f"fingerprint s3-policy --region {REGION}"


@pytest.mark.parametrize("region", ["eusc-de-east-1", "mx-central-1", "cn-north-1"])
@pytest.mark.parametrize(
    ("statuses", "outcome"), [({}, PASS), ({"patch": "404 Not Found"}, SKIPPED), ({"amazon-ssm-": "cut"}, WARN)]
)
def test_missing_buckets_that_aws_does_not_list_are_unknown(
    machine: AgentMachine, region: str, statuses: dict[str, str], outcome: Outcome
) -> None:
    def serve(server: Server, connection: socket.socket) -> None:
        if "cut" in statuses.values():
            cutting(server, connection)
        else:
            buckets_of(statuses)(server, connection)

    with Server(serve) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets", region=region)["s3-buckets"]
    assert (found.outcome, found.undetermined) == (outcome, outcome == SKIPPED)
    assert "not verified" in " ".join((found.text, *found.evidence))


def test_buckets_that_cannot_be_reached_warn_with_the_reason(machine: AgentMachine, closed_port: int) -> None:
    configured(machine, S3=f"http://127.0.0.1:{closed_port}")
    found = diagnosed(machine, network(), "s3-buckets")["s3-buckets"]
    assert found.outcome == WARN
    assert [one.partition(": ")[2] for one in found.evidence] == ["the connection is refused"] * len(NEEDED)
    assert "endpoint policy and the firewall" in found.remedy


def test_the_buckets_are_those_of_the_region_that_is_named(machine: AgentMachine) -> None:
    with Server(buckets_of({})) as server:
        configured(machine, S3=server.url)
        found = diagnosed(machine, network(), "s3-buckets", region="me-south-1")["s3-buckets"]
    assert found.outcome == PASS
    assert "/patch-baseline-snapshot-me-south-1-uduvl7q8/" in server.targets


def test_buckets_are_read_in_parallel_and_listed_in_order() -> None:
    together = threading.Barrier(4)

    def serve(server: Server, connection: socket.socket) -> None:
        server.head(connection)
        # Broken, and so no answer, unless four are here at the same time.
        together.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    names = ["a", "b", "c", "d"]
    with Server(serve) as server:
        found = reach_buckets(network(seconds=12), server.url + "/", names)
    assert [(name, reached) for name, reached, _ in found] == [(name, True) for name in names]
