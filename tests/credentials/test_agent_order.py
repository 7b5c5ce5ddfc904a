"""The order of the agent itself, and the file in which it shares its credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from credential_homes import KEYS, agent_record
from fingerprint.agent.identity_config import AgentCredentials
from fingerprint.credentials.source_values import Order
from fingerprint.credentials.sources import agent_credentials, agent_order, credential_order, uses_shared


def credentials(disk: Path, text: str) -> None:
    """Write root's shared credentials file."""
    path = disk / "root/.aws/credentials"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def ordered(disk: Path, *, registered: bool | None) -> Order:
    found = agent_credentials(str(disk), "linux")
    return agent_order(found, registered=registered, root=str(disk), platform="linux")


def states(found: Order) -> dict[str, str]:
    return {source.name: str(source.state) for source in found.sources}


def test_last_credentials_of_the_agent_are_reported(tmp_path: Path) -> None:
    assert agent_credentials(str(tmp_path), "linux") is None
    agent_record(tmp_path, "2026-11-24T03:00:00.123456789Z")
    shown = agent_credentials(str(tmp_path), "linux")
    assert shown == AgentCredentials(
        "/root/.aws/credentials",
        "default",
        "2026-11-24T02:00:00Z",
        "2026-11-24T03:00:00.123456789Z",
        "mi-0123456789abcdef0",
    )
    assert shown.expired(1_795_489_200.0) is False
    assert shown.expired(1_795_489_200.2) is True
    for text, expired in (("2026-11-24T04:00:00+01:00", True), ("2026-11-24T04:00:01+01:00", False), ("soon", None)):
        agent_record(tmp_path, text)
        found = agent_credentials(str(tmp_path), "linux")
        assert found is not None
        assert found.expired(1_795_489_200.0) is expired


def test_agent_credentials_are_not_read_out_of_a_copied_disk(tmp_path: Path) -> None:
    agent_record(tmp_path / "here", "2026-11-24T03:00:00Z")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/var").symlink_to(tmp_path / "here/var")
    assert agent_credentials(str(tmp_path / "disk"), "linux") is None


def test_the_agents_file_that_is_gone_is_found(tmp_path: Path) -> None:
    """It records where it wrote its keys; programs that use them have none."""
    agent_record(tmp_path, "2099-11-24T03:00:00Z")
    found = ordered(tmp_path, registered=True)
    assert [(one.kind, one.where) for one in found.findings] == [("shared-keys-missing", "/root/.aws/credentials")]
    credentials(tmp_path, f"[other]\n{KEYS}")
    assert ordered(tmp_path, registered=True).findings[0].kind == "shared-keys-missing"
    credentials(tmp_path, f"[default]\n{KEYS}")
    found = ordered(tmp_path, registered=True)
    assert (found.findings, found.winner) == ((), "registration")
    # Go's zero time: the agent has not received any.
    agent_record(tmp_path, "0001-01-01T00:00:00Z", retrieved="0001-01-01T00:00:00Z")
    (tmp_path / "root/.aws/credentials").unlink()
    assert ordered(tmp_path, registered=True).findings == ()
    # Another node's record, or one from before it was deregistered, is not missed once it expired.
    for expires, kinds in (("2026-11-24T03:00:00Z", []), ("2099-11-24T03:00:00Z", ["shared-keys-missing"])):
        agent_record(tmp_path, expires)
        found = ordered(tmp_path, registered=False)
        assert [one.kind for one in found.findings] == kinds


def test_the_agents_other_file_and_profile_are_its_source(tmp_path: Path) -> None:
    agent_record(tmp_path, "2099-11-24T03:00:00Z", file="/etc/aws/ssm-credentials", profile="node")
    path = tmp_path / "etc/aws/ssm-credentials"
    path.parent.mkdir(parents=True)
    path.write_text(f"[node]\n{KEYS}")
    path.chmod(0o600)
    found = ordered(tmp_path, registered=True)
    # It does not read that file itself.
    assert (states(found)["shared-file"], found.findings) == ("absent", ())
    path.chmod(0o644)
    found = ordered(tmp_path, registered=True)
    assert [(one.kind, one.where) for one in found.findings] == [("open-mode", "/etc/aws/ssm-credentials")]
    assert uses_shared(credential_order("root", "/root", None, root=str(tmp_path)),
                       agent_credentials(str(tmp_path), "linux")) is None  # fmt: skip


@pytest.mark.parametrize(("registered", "winner"), [(True, "registration"), (False, "shared-file"), (None, "")])
def test_the_agent_uses_its_registration_first(tmp_path: Path, registered: bool | None, winner: str) -> None:
    credentials(tmp_path, f"[default]\n{KEYS}")
    path = tmp_path / "var/lib/amazon/ssm/credentials"
    path.parent.mkdir(parents=True)
    path.write_text(f"[default]\n{KEYS}")
    path.chmod(0o600)
    found = ordered(tmp_path, registered=registered)
    assert (found.reader, found.winner) == ("amazon-ssm-agent", winner)
    assert bool(found.undecided) is (registered is None)
    assert states(found)["default-host-management"] == "present"
