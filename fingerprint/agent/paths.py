"""Where the agent's files are, per operating system."""

from __future__ import annotations

import os
import sys

from fingerprint.types import Value

_BINARIES = (
    "amazon-ssm-agent", "ssm-agent-worker", "ssm-cli", "ssm-document-worker", "ssm-session-worker",
    "ssm-session-logger",
)  # fmt: skip
SNAP = "/snap/amazon-ssm-agent/current"


class Places(Value):
    """Paths as the machine that is looked at has them.

    Attributes:
        data: folder of its data, with the vault, the registration file and the state of nodes.
        registration: the registration file.
        identity: the runtime configuration that tells of the last credentials.
        host_management: credentials of the default host management role.
        config: its configuration file.
        certificates: a file of certificates that it trusts beside the system's.
        logs: folder of its logs.
        programs: folder of its programs.
        binaries: names of those.
    """

    data: str
    registration: str
    identity: str
    host_management: str
    config: str
    certificates: str
    logs: str
    programs: str
    binaries: tuple[str, ...]

    def __init__(self, data: str, identity: str, host_management: str, config: str, logs: str, programs: str,
                 binaries: tuple[str, ...], separator: str) -> None:  # fmt: skip
        self._set(
            data=data, registration=f"{data}{separator}registration", identity=identity,
            host_management=host_management, config=config, logs=logs, programs=programs, binaries=binaries,
            certificates=separator.join((config.rpartition(separator)[0], "certs", "amazon-ssm-agent.crt")),
        )  # fmt: skip


def places_of(platform: str) -> Places:
    """Return the places of a platform, as `Machine.platform` names it."""
    if platform == "windows":
        data, programs = r"C:\ProgramData\Amazon\SSM", r"C:\Program Files\Amazon\SSM"
        if sys.platform == "win32":
            data = os.path.join(os.environ.get("PROGRAMDATA", r"C:\ProgramData"), "Amazon", "SSM")
            programs = os.path.join(os.environ.get("PROGRAMFILES", r"C:\Program Files"), "Amazon", "SSM")
        return Places(
            data + r"\InstanceData", data + r"\runtimeconfig\identity_config.json", programs + r"\credentials",
            programs + r"\amazon-ssm-agent.json", data + r"\Logs", programs,
            tuple(f"{name}.exe" for name in _BINARIES), "\\",
        )  # fmt: skip
    if platform == "macos":
        return Places(
            "/opt/aws/ssm/data", "/opt/aws/ssm/runtimeconfig/identity_config.json", "/opt/aws/ssm/data/credentials",
            "/opt/aws/ssm/amazon-ssm-agent.json", "/var/log/amazon/ssm", "/opt/aws/ssm/bin", _BINARIES, "/",
        )  # fmt: skip
    data = "/var/lib/amazon/ssm"
    return Places(
        data, f"{data}/runtimeconfig/identity_config.json", f"{data}/credentials",
        "/etc/amazon/ssm/amazon-ssm-agent.json", "/var/log/amazon/ssm", "/usr/bin", _BINARIES, "/",
    )  # fmt: skip
