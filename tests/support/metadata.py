"""A metadata service at its real address, in a separate network, and the command line in the same network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

import pytest

from commandline import COMMAND

_BESIDE = """
import json, os, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
sys.path[:0] = json.loads(os.environ.pop("PATHS"))
from fingerprint.testing import LocalService

asked, status, document = [], int(sys.argv[1]), os.environ.pop("DOCUMENT").encode()
page = os.environ.pop("PAGE").encode()

class Metadata(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        right = self.path.startswith("/latest/") or (
            self.headers["Metadata"] == "true" and self.path.startswith("/metadata/instance?")
            and "api-version=2025-04-07" in self.path and "format=json" in self.path
        )
        body = b"AQAEAtoken=="
        if self.command == "GET":
            body = b"i-0123456789abcdef0" if self.path.startswith("/latest/") else b'{"compute":{"location":"x"}}'
        if self.path.endswith("/instance-identity/document"):
            body = document
        body = page or body
        self.send_response(status if right else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_PUT = do_GET
    def log_message(self, *_):
        pass

if status:
    server = HTTPServer(("169.254.169.254", 80), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
with LocalService() as service:
    made = service.activation()
    env = {**os.environ, "FINGERPRINT_ACTIVATION_ID": made.id, "FINGERPRINT_ACTIVATION_CODE": made.code,
           "AWS_ENDPOINT_URL_SSM": service.endpoint}
    done = subprocess.run(sys.argv[2:], env=env, capture_output=True, text=True)
    print(json.dumps([done.returncode, done.stdout, done.stderr, service.nodes(), asked]))
"""
_ON_LINK = 'ip link set lo up && ip addr add 169.254.169.254/32 dev lo && exec "$@"'


class Beside(NamedTuple):
    """The result of a command beside a metadata service, the nodes of a local service, and the requested paths."""

    code: int
    out: str
    err: str
    nodes: list[dict[str, Any]]
    asked: list[str]


def beside_metadata(
    status: int, *words: str, env: dict[str, str], document: str = "{}", page: str = "",
    command: tuple[str, ...] = (COMMAND,),
) -> Beside:  # fmt: skip
    """Run the command in a network whose metadata service answers with a status; 0 for no such service.

    Args:
        status: of HTTP.
        words: arguments of the command.
        env: its environment.
        document: the identity document of an EC2 instance.
        page: the answer of another program in place of the metadata service; "" for the service itself.
        command: to run in place of ours.
    """
    done = subprocess.run(
        ["unshare", "-n", "sh", "-ec", _ON_LINK, "sh", sys.executable, "-c", _BESIDE, str(status), *command, *words],
        env={**env, "PATHS": json.dumps(sys.path), "DOCUMENT": document, "PAGE": page}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return Beside(*json.loads(done.stdout))


def _may_have_own_network() -> bool:
    try:
        done = subprocess.run(["unshare", "-n", "ip", "link"], check=False, capture_output=True)
    except OSError:
        return False
    return os.geteuid() == 0 and done.returncode == 0


alone = pytest.mark.skipif(not _may_have_own_network(), reason="needs a network of its own")
