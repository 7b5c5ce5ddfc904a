"""The agent's configuration, amazon-ssm-agent.json, read as the agent's own decoder reads it."""

from __future__ import annotations

from fingerprint._json import JsonError, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from fingerprint.collect.machine import Machine

ON_PREMISES = "OnPrem"
IDENTITIES = ("OnPrem", "ECS", "EC2", "CustomIdentity")
DEFAULT_ORDER = ("OnPrem", "EC2", "CustomIdentity")
_STRING, _INTEGER, _BOOLEAN = "a string", "an integer", "true or false"
_STRINGS, _OBJECT, _OBJECTS = "a list of strings", "an object", "a list of objects"
_INTEGERS = range(-(2**63), 2**63)
# What the agent's decoder demands of its settings, by section; whatever else stands there it passes over.
_KINDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Profile": {
        _BOOLEAN: ("ShareCreds", "ForceUpdateCreds"), _INTEGER: ("KeyAutoRotateDays",), _STRING: ("ShareProfile",),
    },
    "Mds": {
        _STRING: ("Endpoint",),
        _INTEGER: ("CommandWorkersLimit", "CommandWorkerBufferLimit", "StopTimeoutMillis", "CommandRetryLimit"),
    },
    "Ssm": {
        _STRING: (
            "Endpoint", "CustomInventoryDefaultLocation", "SessionLogsDestination", "PluginLocalOutputCleanup",
            "OrchestrationDirectoryCleanup",
        ),
        _INTEGER: (
            "HealthFrequencyMinutes", "AssociationFrequencyMinutes", "AssociationRetryLimit",
            "AssociationLogsRetentionDurationHours", "RunCommandLogsRetentionDurationHours",
            "SessionLogsRetentionDurationHours",
        ),
    },
    "Agent": {
        _STRING: (
            "Name", "Version", "Region", "ServiceDomain", "OrchestrationRootDir", "DownloadRootDir",
            "TelemetryMetricsNamespace",
        ),
        _BOOLEAN: (
            "ContainerMode", "SelfUpdate", "TelemetryMetricsToCloudWatch", "TelemetryMetricsToSSM",
            "ShouldPurgeInstanceProfileRoleCreds", "ForceFileIPC",
        ),
        _INTEGER: (
            "SelfUpdateScheduleDay", "LongRunningWorkerMonitorIntervalSeconds", "AuditExpirationDay",
            "GoMaxProcForAgentWorker",
        ),
    },
    "Mgs": {
        _STRING: ("Region", "Endpoint"), _STRINGS: ("DeniedPortForwardingRemoteIPs",),
        _INTEGER: ("StopTimeoutMillis", "SessionWorkersLimit", "SessionWorkerBufferLimit"),
    },
    "Kms": {_STRING: ("Endpoint",), _BOOLEAN: ("RequireKMSChallengeResponse",)},
    "Os": {_STRING: ("Lang", "Name", "Version")},
    "S3": {_STRING: ("Endpoint", "Region", "LogBucket", "LogKey")},
    "Birdwatcher": {_BOOLEAN: ("ForceEnable",)},
    "Identity": {
        _STRING: ("Ec2SystemInfoDetectionResponse",), _STRINGS: ("ConsumptionOrder",),
        _OBJECTS: ("CustomIdentities",),
    },
}  # fmt: skip
_CUSTOM_IDENTITY: Mapping[str, tuple[str, ...]] = {
    _STRING: ("InstanceID", "Region", "AvailabilityZone", "AvailabilityZoneId", "InstanceType", "CredentialsProvider")
}


def read_config(machine: Machine, path: str) -> dict[str, Any] | None:
    """Return the members of a configuration file.

    Args:
        machine: whose file.
        path: of the file, as `Places.config` has it.

    Returns:
        The members, {} for a file that holds null, which leaves the agent its defaults; None without a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON, or not an object.
    """
    try:
        data = machine.read_file(path)
    except FileNotFoundError:
        return None
    if data.strip(b" \t\r\n") == b"null":
        return {}
    try:
        found = loads(data)
    except JsonError as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def setting(config: dict[str, Any] | None, section: str, name: str) -> Any:
    """Return one value of a configuration, whatever its type; None if it is not set.

    As in the agent names are compared without regard to case, and the last of several counts.
    """
    found = None
    for key, members in (config or {}).items():
        if key.lower() == section.lower() and isinstance(members, dict):
            for member, value in members.items():
                if member.lower() == name.lower() and value is not None:
                    found = value
    return found


def identity_order(settings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the identities that the agent tries, in order, and the names in Identity.ConsumptionOrder it ignores.

    Args:
        settings: what `decoded` returned.
    """
    named = settings.get("Identity.ConsumptionOrder") or []
    order = [name for name in named if name in IDENTITIES] or list(DEFAULT_ORDER)
    return order, [name for name in named if name not in IDENTITIES]


def identity_type(machine: Machine, path: str) -> str:
    """Return the identity with which the agent last got credentials, such as "OnPrem" or "EC2"; "" if unknown.

    Args:
        machine: whose agent.
        path: of its identity_config.json, as `Places.identity` has it.
    """
    try:
        found = loads(machine.read_file(path))
    except (OSError, JsonError):
        return ""
    return str(found.get("IdentityType") or "") if isinstance(found, dict) else ""


def decoded(config: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the settings that the agent knows, and the values that it rejects.

    Its decoder compares names without regard to case and takes the last of several; null keeps the default.

    Args:
        config: what `read_config` returned.

    Returns:
        "Section.Name" -> value, and (name, text for people) of each value of the wrong type.
    """
    settings: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for section, values in config.items():
        name = _known(section, _KINDS)
        if not name or values is None:
            continue
        if isinstance(values, dict):
            _decode(name, values, _KINDS[name], settings, wrong)
        else:
            wrong.append((name, _rejected(name, values, _OBJECT)))
    for number, identity in enumerate(settings.get("Identity.CustomIdentities") or []):
        where = f"Identity.CustomIdentities[{number}]"
        if isinstance(identity, dict):
            _decode(where, identity, _CUSTOM_IDENTITY, {}, wrong)
        else:
            # Null passes the decoder, and ends the agent in the next step.
            wrong.append((where, _rejected(where, identity, _OBJECT)))
    return settings, wrong


def _decode(
    section: str,
    values: dict[str, Any],
    kinds: Mapping[str, tuple[str, ...]],
    settings: dict[str, Any],
    wrong: list[tuple[str, str]],
) -> None:
    for name, value in values.items():
        for kind, names in kinds.items():
            known = _known(name, names)
            if not known:
                continue
            if _fits(value, kind):
                # A list becomes empty by null; anything else stays as it was.
                if value is not None or kind in (_STRINGS, _OBJECTS):
                    settings[f"{section}.{known}"] = value
            else:
                where = f"{section}.{known}"
                wrong.append((where, _rejected(where, value, kind)))


def _rejected(name: str, value: Any, kind: str) -> str:
    return f"{name} is {_word(value)}, and has to be {kind}"


def _known(name: str, names: Iterable[str]) -> str:
    return next((known for known in names if known.lower() == name.lower()), "")


def _fits(value: Any, kind: str) -> bool:
    """Return whether the agent's decoder takes a value for a kind."""
    if value is None:
        return True
    if kind == _INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS
    if kind == _STRINGS:
        return isinstance(value, list) and all(one is None or isinstance(one, str) for one in value)
    return isinstance(value, {_BOOLEAN: bool, _STRING: str}.get(kind, list))


def _word(value: Any) -> str:
    """Return what a value is, without telling it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return "a number" if isinstance(value, int) and value in _INTEGERS else "a number that is no integer of 64 bits"
    return _STRING if isinstance(value, str) else "a list" if isinstance(value, list) else _OBJECT
