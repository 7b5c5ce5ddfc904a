"""The order of credential sources of the agent itself, and what it shares with other programs.

The agent of a registered node requests credentials with its registration. Any other one takes the order that AWS
documents for it: environment, shared credentials file, container, instance profile, default host management.
"""

from __future__ import annotations

from shlex import quote

from fingerprint._io.text import printable
from fingerprint.agent.paths import PACKAGE, paths_of
from fingerprint.credentials.disk import ABSENT, UNPARSABLE, open_mode, parsed
from fingerprint.credentials.profile_dialects import ACCESS_KEY, SECRET_KEY
from fingerprint.credentials.source_values import (
    CONTAINER,
    ENVIRONMENT,
    SHARED_FILE,
    Finding,
    Order,
    Source,
    State,
    ranked,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.credentials.disk import Disk

REGISTRATION = "registration"
SHARED_KEYS_MISSING = "shared-keys-missing"
HOST_MANAGEMENT = "default-host-management"
_ENVIRONMENT = "the environment of the agent's service is unknown"
_HALF = "profile {0} has only one key of the pair"


def agent_order_of(
    disk: Disk, user: str, platform: str, shared: str, registered: bool | None, credentials: AgentCredentials | None,
    now: float,
) -> Order:  # fmt: skip
    """Return the sources of the agent.

    Args:
        disk: the files of the machine.
        user: the account that the agent runs as.
        platform: the machine's `sys.platform`.
        shared: the shared credentials file of that account.
        registered: whether the vault has a complete registration; None if that is unknown.
        credentials: what the agent wrote of its last credentials; None if nothing can be read.
        now: seconds since 1970-01-01 UTC.
    """
    findings: list[Finding] = []
    paths = paths_of(platform)
    state = {True: State.PRESENT, False: State.ABSENT, None: State.UNREADABLE}[registered]
    unknown = "the registration is unreadable" if registered is None else ""
    sources = [
        Source(REGISTRATION, paths.vault, state, unknown),
        Source(ENVIRONMENT, "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", State.NOT_CHECKED, _ENVIRONMENT),
        file_source(SHARED_FILE, disk, shared, "default", findings),
        Source(CONTAINER, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", State.NOT_CHECKED, _ENVIRONMENT),
        Source("instance-profile", "the metadata service", State.NOT_CHECKED,
               "requires the network, which is not used here"),
        file_source(HOST_MANAGEMENT, disk, paths.host_management, "default", findings),
    ]  # fmt: skip
    if credentials is not None and credentials.file:
        more: list[Finding] = []
        written = file_source(SHARED_FILE, disk, credentials.file, credentials.profile, more)
        findings += [one for one in more if one not in findings]
        # A node that is no longer registered may have left a record of old credentials.
        if registered or not credentials.expired(now):
            findings += _unshared(written, credentials)
    return ranked(user, PACKAGE, sources, findings)


def _unshared(source: Source, credentials: AgentCredentials) -> list[Finding]:
    """Return the finding that the keys are not where the agent says that it wrote them, if so."""
    # Go's zero time: the agent has not shared any yet.
    if source.state is not State.ABSENT or credentials.retrieved is None:
        return []
    profile = printable(credentials.profile)
    what = f"the agent shared its credentials in profile {profile}, which is gone ({source.reason})"
    remedy = "Restart the agent, which writes them again"
    return [Finding(SHARED_KEYS_MISSING, what, printable(credentials.file), remedy)]


def file_source(name: str, disk: Disk, path: str, section: str, findings: list[Finding]) -> Source:
    """Return a credentials file as a source, and add its faults to the findings."""
    shown = printable(path)
    where = f"{shown}, profile {printable(section)}"
    try:
        data, mode = disk.read(path), disk.mode(path)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in ABSENT:
            return Source(name, where, State.ABSENT, "no such file")
        return Source(name, where, State.UNREADABLE, getattr(error, "strerror", "") or "unreadable")
    parser = parsed(data)
    if parser is None:
        findings.append(
            Finding(UNPARSABLE, "not an INI file, so no SDK can read it", shown, f"Fix it, or run: rm {quote(path)}")
        )
        return Source(name, where, State.UNREADABLE, "not an INI file")
    findings += open_mode(shown, mode, parser)
    if not parser.has_section(section):
        others = len(parser.sections())
        return Source(name, where, State.ABSENT, f"the file has {others} other profile{'s' * (others != 1)}")
    halves = [bool((parser.get(section, key, fallback="") or "").strip()) for key in (ACCESS_KEY, SECRET_KEY)]
    if all(halves):
        return Source(name, where, State.PRESENT)
    if any(halves):
        findings.append(Finding("half-pair", _HALF.format(printable(section)), shown, "Write both keys, or none"))
        return Source(name, where, State.INCOMPLETE, "one of the two keys is missing")
    return Source(name, where, State.ABSENT, "the profile has no keys")
