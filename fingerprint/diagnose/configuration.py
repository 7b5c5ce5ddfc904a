"""How the agent is configured: whether it can load that at all, read as its own decoder does, and what matters here."""

from __future__ import annotations

from fingerprint.diagnose.agent import unit_of
from fingerprint.diagnose.network import without_password
from fingerprint.diagnose.results import failed, passed, unknown
from fingerprint.errors import VaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from fingerprint.diagnose.results import Finding
    from fingerprint.diagnose.site import Site

_UNIT = "amazon-ssm-agent.service"
_IDENTITIES = ("OnPrem", "ECS", "EC2", "CustomIdentity")
_DEFAULT_ORDER = ("OnPrem", "EC2", "CustomIdentity")
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
# JSON that the agent's decoder reads, and ours does not.
_READ_BY_THE_AGENT = ("not UTF-8", "lone surrogate", "nested too deeply")


def configuration(site: Site) -> Finding:
    """Whether the agent can read its configuration, and what in it matters here."""
    path = site.places.config
    try:
        config = site.config
    except OSError as error:
        return unknown(f"{path}: {error.strerror or error}")
    except ValueError as error:
        if str(error).startswith(_READ_BY_THE_AGENT):
            return unknown(f"{path}: {error}; the agent may read it, this program does not",
                           remedy="Write it as UTF-8")  # fmt: skip
        if _is_null(site):
            return passed("the defaults", f"{path} holds null")
        return _not_loaded(site, f"{path} is no JSON", str(error))
    if config is None:
        return passed("the defaults", f"{path} does not exist")
    settings, wrong = _decoded(config)
    if wrong:
        return _not_loaded(site, f"{path} has {len(wrong)} value{'s' * (len(wrong) != 1)} of the wrong type", *wrong)
    told = []
    for section in ("Ssm", "Mds", "Mgs", "S3", "Kms"):
        endpoint = settings.get(f"{section}.Endpoint")
        if endpoint:
            told.append(f"{section}.Endpoint is {without_password(endpoint)}")
    if settings.get("Profile.ShareCreds") is False:
        told.append("credentials are not shared: its worker waits, not the core agent")
    named = settings.get("Identity.ConsumptionOrder") or []
    strange = [name for name in named if name not in _IDENTITIES]
    order = [name for name in named if name in _IDENTITIES] or list(_DEFAULT_ORDER)
    if strange:
        told.append(f"the agent knows no identity {', '.join(map(ascii, strange))}: its order is {', '.join(order)}")
    if "OnPrem" not in order and _has_registration(site):
        return failed(f"the order of identities ({', '.join(order)}) leaves out OnPrem: the registration is "
                      "never used", *told,
                      remedy="Take Identity.ConsumptionOrder out, and restart the agent", tag="order")  # fmt: skip
    return passed(f"{path} is read", *told)


def _not_loaded(site: Site, what: str, *evidence: str) -> Finding:
    """Return that the agent does not start, as it cannot load its configuration."""
    unit = unit_of(site) if site.machine.platform == "linux" else None
    again = ("systemd starts it again every 90 s, in vain",) if unit and unit.get("Id") == _UNIT else ()
    return failed(f"{what}: the agent does not start with it", *evidence,
                  "at its start it ends with \"app config could not be loaded\"; one that runs has read it before",
                  *again, remedy="Mend it, or move it away to have the defaults, and restart the agent",
                  tag="configuration")  # fmt: skip


def _is_null(site: Site) -> bool:
    """Return whether the configuration is the word null, which leaves the agent its defaults."""
    try:
        return site.machine.read_file(site.places.config).strip(b" \t\r\n") == b"null"
    except OSError:
        return False


def _decoded(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that the agent knows, as "Section.Name", and what it does not take, in words.

    As its decoder does it: names without regard to case, the last of several; null leaves the default.
    """
    settings: dict[str, Any] = {}
    wrong: list[str] = []
    for section, values in config.items():
        name = _known(section, _KINDS)
        if not name or values is None:
            continue
        if isinstance(values, dict):
            _decode(name, values, _KINDS[name], settings, wrong)
        else:
            wrong.append(f"{name} is {_word(values)}, and has to be {_OBJECT}")
    for number, identity in enumerate(settings.get("Identity.CustomIdentities") or []):
        where = f"Identity.CustomIdentities[{number}]"
        if isinstance(identity, dict):
            _decode(where, identity, _CUSTOM_IDENTITY, {}, wrong)
        else:
            # Null passes the decoder, and ends the agent in the next step.
            wrong.append(f"{where} is {_word(identity)}, and has to be {_OBJECT}")
    return settings, wrong


def _decode(
    section: str,
    values: dict[str, Any],
    kinds: Mapping[str, tuple[str, ...]],
    settings: dict[str, Any],
    wrong: list[str],
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
                wrong.append(f"{section}.{known} is {_word(value)}, and has to be {kind}")


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


def _has_registration(site: Site) -> bool:
    try:
        return site.registered
    except VaultError:
        return False
