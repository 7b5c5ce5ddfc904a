"""Where the agent's files are, by operating system and package, and what its service, processes and logs are called.

Data only, below all modules that search for an agent: a new path or name is one edit, here.
"""

from __future__ import annotations

import os
import sys

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The package, the core agent's program and process, and the process that it starts.
PACKAGE = CORE = "amazon-ssm-agent"
WORKER = "ssm-agent-worker"
PROCESSES = (CORE, WORKER)
_PROGRAMS = (CORE, WORKER, "ssm-cli", "ssm-document-worker", "ssm-session-worker", "ssm-session-logger")
# Of systemd: that of the packages, and that of the snap.
UNITS = (f"{CORE}.service", f"snap.{CORE}.{CORE}.service")
# Of Windows' service manager, and of launchd.
WINDOWS_SERVICE = "AmazonSSMAgent"
LAUNCHD_SERVICE = "com.amazon.aws.ssm"
# The account that sessions run as, and its rights.
SESSION_USER = "ssm-user"
SUDOERS = "/etc/sudoers.d/ssm-agent-users"
MAIN_LOG, ERROR_LOG, HIBERNATION_LOG = LOGS = (f"{CORE}.log", "errors.log", "hibernate.log")
# What the updater logs, since 3.0.1031.
UPDATE_LOG = "AmazonSSMAgent-update.txt"
CONFIG_NAME = f"{CORE}.json"
REGISTRATION_NAME = "registration"
# Where the AWS SDKs have credentials and settings, below a home directory.
SDK_CREDENTIALS, SDK_CONFIG = (".aws", "credentials"), (".aws", "config")
# The programs of the snap. Its other files are at the paths of the packages.
SNAP = f"/snap/{PACKAGE}/current"
# A path that holds one of these, in lower case with slashes, is the agent's.
_PARTS = ("/amazon/ssm/", "/aws/ssm/", f"/{PACKAGE}")
# In a line of the kernel, which names a program by its first 15 bytes.
_NAMES = ("amazon-ssm-age", "ssm-agent-work", "ssm-document-w", "ssm-session-", "amazon/ssm")
# Matches of journalctl for what the kernel and the audit system log of all programs.
KERNEL_AND_AUDIT = ("_TRANSPORT=audit", "+", "_TRANSPORT=kernel")
_DATA = "/var/lib/amazon/ssm"
_SYSTEMS = {"win32": "windows", "darwin": "macos"}


class AgentPaths(Value):
    """Paths of an agent, in the form of its host's system.

    Attributes:
        data: directory of its data, with the vault, the registration file and the state of nodes.
        vault: directory of its vault.
        registration: the registration file.
        identity: the runtime configuration that names the last credentials.
        host_management: credentials of the default host management role.
        other_host_management: another path that AWS's page names for these; "" without one.
        config: its configuration file.
        certificates: a file of certificates that it trusts in addition to the system's.
        logs: directory of its logs.
        programs: directory of its programs.
        binaries: names of its programs.
        home: home directory of the account that it runs as, which holds its shared credentials; "" on Windows, where
            they are in the system's directory.
        separator: of the names in a path.
    """

    data: str
    vault: str
    registration: str
    identity: str
    host_management: str
    other_host_management: str
    config: str
    certificates: str
    logs: str
    programs: str
    binaries: tuple[str, ...]
    home: str
    separator: str

    @property
    def core(self) -> str:
        """Name of the core agent's program."""
        return self.binaries[0]

    @property
    def shared_credentials(self) -> str:
        """The usual credentials file of the account that it runs as; on Windows below the system's directory."""
        return self.separator.join((self.home or r"System32\config\systemprofile", *SDK_CREDENTIALS))


def paths_of(platform: str, environ: Mapping[str, str] | None = None) -> AgentPaths:
    """Return the paths of a platform.

    Args:
        platform: as `Machine.platform` or `sys.platform` names it.
        environ: names the directories of Windows; None for the environment of this process on Windows, and for the
            usual ones elsewhere.
    """
    system = _SYSTEMS.get(platform, platform)
    if system == "windows":
        return _on_windows((os.environ if sys.platform == "win32" else {}) if environ is None else environ)
    return _MACOS if system == "macos" else _UNIX


def is_agents(path: str) -> bool:
    """Return whether a path is one of the agent's, on any system: its configuration, its state, its logs."""
    plain = path.replace("\\", "/").lower()
    return any(part in plain for part in _PARTS)


def names_agent(line: str) -> bool:
    """Return whether a line of the system's log names a program or a file of the agent."""
    return any(name in line for name in _NAMES)


def _on_windows(environ: Mapping[str, str]) -> AgentPaths:
    all_users = environ.get("ALLUSERSPROFILE")
    data = environ.get("ProgramData") or (rf"{all_users}\Application Data" if all_users else r"C:\ProgramData")
    data += r"\Amazon\SSM"
    programs = (environ.get("ProgramFiles") or r"C:\Program Files") + r"\Amazon\SSM"
    return _paths(
        data=rf"{data}\InstanceData", runtime=data, config=programs, programs=programs, home="", logs=rf"{data}\Logs",
        host_management=rf"{programs}\credentials", separator="\\", suffix=".exe",
    )  # fmt: skip


def _paths(
    *, data: str, runtime: str, config: str, programs: str, home: str, logs: str = "/var/log/amazon/ssm",
    host_management: str = "", other: str = "", separator: str = "/", suffix: str = "",
) -> AgentPaths:  # fmt: skip
    def inner(*parts: str) -> str:
        return separator.join(parts)

    return AgentPaths(
        data=data, vault=inner(data, "Vault"), registration=inner(data, REGISTRATION_NAME),
        identity=inner(runtime, "runtimeconfig", "identity_config.json"),
        host_management=host_management or inner(data, "credentials"), other_host_management=other,
        config=inner(config, CONFIG_NAME), certificates=inner(config, "certs", f"{CORE}.crt"), logs=logs,
        programs=programs, binaries=tuple(name + suffix for name in _PROGRAMS), home=home, separator=separator,
    )  # fmt: skip


# Made once: each read of a vault compares its path with them.
_UNIX = _paths(data=_DATA, runtime=_DATA, config="/etc/amazon/ssm", programs="/usr/bin", home="/root")
_MACOS = _paths(
    data="/opt/aws/ssm/data", runtime="/opt/aws/ssm", config="/opt/aws/ssm", programs="/opt/aws/ssm/bin",
    home="/var/root", other=f"{_DATA}/credentials",
)  # fmt: skip
