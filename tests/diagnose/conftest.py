"""Fixtures of the tests of `diagnose`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_machines import REGION, AgentMachine
from servers import Authority


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusted(authority: Authority) -> ssl.SSLContext:
    return authority.context("localhost", "127.0.0.1", "::1", f"*.{REGION}.amazonaws.com")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback on which nothing listens, kept so that nobody else gets it."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]
