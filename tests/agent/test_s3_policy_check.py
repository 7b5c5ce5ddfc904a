"""`s3-policy --check`: which buckets of the policy answer, through which endpoint and proxy."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from commandline import environment
from fingerprint.agent.buckets import arns, policy
from s3_command import Command, answered, command_in, names
from servers import Proxy


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return command_in(tmp_path)


class S3(ThreadingHTTPServer):
    """Answers for S3, with a status for the names that contain a word."""

    def __init__(self) -> None:
        self.statuses: dict[str, int] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                server.asked.append(self.path)
                found = (status for word, status in server.statuses.items() if word in self.path)
                self.send_response(next(found, 200))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def s3() -> Iterator[S3]:
    with S3() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_buckets_that_answer_pass_even_if_reading_is_forbidden(command: Command, s3: S3) -> None:
    s3.statuses = {"aws-ssm-eu-west-1": 403, "packages": 301}
    done = command("--region", "eu-west-1", "--check", "--endpoint", s3.url)
    assert done.returncode == 0
    assert json.loads(done.stdout) == policy("eu-west-1")
    assert sorted(s3.asked) == sorted(f"/{name}/" for name in names("eu-west-1"))
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == names("eu-west-1")
    assert "aws-ssm-eu-west-1: reached (HTTP 403, " in done.stderr


def test_a_missing_bucket_is_a_finding(command: Command, s3: S3) -> None:
    s3.statuses = {"birdwatcher": 404}
    done = command("--region", "eu-west-1", "--check", "--endpoint", s3.url)
    assert done.returncode == 1
    assert json.loads(done.stdout) == policy("eu-west-1")
    assert "eu-west-1-birdwatcher-prod: no such bucket (404)\n" in done.stderr
    assert done.stderr.count("reached (HTTP 200") == len(names("eu-west-1")) - 1


def test_only_the_buckets_of_the_operating_system_are_tried(command: Command, s3: S3) -> None:
    answer = answered(command, "--region", "eu-west-1", "--os", "linux", "--check", "--endpoint", s3.url + "/")
    assert sorted(s3.asked) == sorted(f"/{name}/" for name in names("eu-west-1", "linux"))
    assert [(one["name"], one["reached"]) for one in answer["reached"]] == [
        (name, True) for name in names("eu-west-1", "linux")
    ]


def test_a_refused_connection_is_a_finding_for_each_bucket(command: Command, s3: S3) -> None:
    # Bound and not listening: connections are refused, and no other process gets the port.
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{kept.getsockname()[1]}"
        done = command("--region", "eu-west-1", "--check", "--endpoint", url, "--resources-only")
        answer = answered(command, "--region", "eu-west-1", "--check", "--endpoint", url)
    assert done.returncode == 1
    assert done.stdout.splitlines() == arns("eu-west-1")
    assert {(one["reached"], one["text"]) for one in answer["reached"]} == {(False, "the connection is refused")}
    assert len(answer["reached"]) == len(names("eu-west-1"))


def test_buckets_are_tried_through_the_proxy_that_is_named(command: Command, s3: S3) -> None:
    # A request to a proxy has the absolute URL.
    done = command(
        "--region", "cn-north-1", "--check", "--endpoint", "http://s3.example", "--proxy",
        s3.url.replace("//", "//user:hunter2@"),
    )  # fmt: skip
    assert done.returncode == 0
    assert sorted(s3.asked) == sorted(f"http://s3.example/{name}/" for name in names("cn-north-1"))
    assert "hunter2" not in done.stdout + done.stderr


ENDPOINTS = {
    ("eu-west-1",): "s3.eu-west-1.amazonaws.com",
    ("eu-west-1", "--dual-stack"): "s3.dualstack.eu-west-1.amazonaws.com",
    ("eusc-de-east-1", "--dual-stack"): "s3.dualstack.eusc-de-east-1.amazonaws.eu",
    ("cn-north-1", "--dual-stack"): "s3.dualstack.cn-north-1.amazonaws.com.cn",
    ("us-east-1", "--fips"): "s3-fips.us-east-1.amazonaws.com",
    ("us-gov-east-1", "--fips"): "s3-fips.us-gov-east-1.amazonaws.com",
    ("ca-west-1", "--fips", "--dual-stack"): "s3-fips.dualstack.ca-west-1.amazonaws.com",
}


@pytest.mark.parametrize("words", ENDPOINTS)
def test_buckets_are_tried_at_the_endpoint_that_is_chosen(command: Command, words: tuple[str, ...]) -> None:
    with Proxy("403 Filtered") as proxy:
        done = command("--check", "--os", "linux", "--region", *words, "--proxy", proxy.at())
    assert done.returncode == 1
    assert set(proxy.targets) == {f"{ENDPOINTS[words]}:443"}
    assert len(proxy.targets) == len(names(words[0], "linux"))


@pytest.mark.parametrize("region", ["eu-west-1", "eusc-de-east-1", "cn-north-1", "xx-nowhere-1"])
def test_a_region_without_a_fips_endpoint_is_an_error(command: Command, region: str, tmp_path: Path) -> None:
    done = command("--region", region, "--check", "--fips", "--comments", str(tmp_path / "buckets.md"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"list no FIPS endpoint of S3 in {region}" in done.stderr
    assert not (tmp_path / "buckets.md").exists()


def test_without_botocore_fips_names_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['botocore'] = None; from fingerprint.cli import main; sys.exit(main(sys.argv[1:]))"
    words = ["s3-policy", "--region", "us-east-1", "--check", "--fips"]
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *words], env=environment(tmp_path / "state"), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "--fips requires the endpoint data of botocore: botocore is not installed" in done.stderr
    assert "[aws]" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--fips",),
        ("--dual-stack",),
        ("--check", "--fips", "--endpoint", "https://127.0.0.1"),
        ("--check", "--dual-stack", "--endpoint", "https://127.0.0.1"),
        ("--endpoint", "https://127.0.0.1"),
        ("--proxy", "http://127.0.0.1:3128"),
        ("--check", "--endpoint", "s3.eu-west-1.amazonaws.com"),
        ("--check", "--endpoint", "https://127.0.0.1:99999"),
        ("--check", "--endpoint", "ftp://127.0.0.1"),
        ("--check", "--proxy", "socks5://127.0.0.1:1080"),
    ],
)
def test_contradicting_options_of_the_check_are_usage_errors(command: Command, words: tuple[str, ...]) -> None:
    done = command("--region", "eu-west-1", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
