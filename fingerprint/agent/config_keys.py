"""The settings of amazon-ssm-agent.json: type, range, default, and the versions that know each. Data only.

A value of the wrong type keeps the agent from starting. A value out of range, or none of the words of its setting, is
replaced by the default without a line in any log. A name that a version does not know is ignored.

Sources: the agent's contracts, parser and README, October 2024 to 2026; docs/compatibility.md.
"""

from __future__ import annotations

from fingerprint.types import Value

STRING, INTEGER, BOOLEAN = "a string", "an integer", "true or false"
STRINGS, OBJECT, OBJECTS = "a list of strings", "an object", "a list of objects"


class Key(Value):
    """One setting.

    Attributes:
        kind: the type of its value, one of the constants of this module.
        low, high: the range of an integer; None without that bound.
        words: the allowed strings; () for any.
        default: what the agent uses for a value outside of these; None for a setting without them.
        since, until: the first and the last version that knows it; "" without that bound.
    """

    kind: str
    low: int | None = None
    high: int | None = None
    default: int | str | None = None
    words: tuple[str, ...] = ()
    since: str = ""
    until: str = ""


_HOURS = Key(INTEGER, 8, None, 336)
_TEXT, _FLAG, _NUMBER = Key(STRING), Key(BOOLEAN), Key(INTEGER)
# Section -> name -> setting. The range of Agent.GoMaxProcForAgentWorker is the number of processors.
KEYS: dict[str, dict[str, Key]] = {
    "Profile": {
        "ShareCreds": _FLAG, "ShareProfile": _TEXT, "ForceUpdateCreds": _FLAG,
        "KeyAutoRotateDays": Key(INTEGER, 0, 365, 0),
    },
    "Mds": {
        "Endpoint": _TEXT, "CommandWorkersLimit": Key(INTEGER, 1, None, 5),
        "CommandWorkerBufferLimit": Key(INTEGER, 1, None, 5),
        "StopTimeoutMillis": Key(INTEGER, 10_000, 1_000_000, 20_000), "CommandRetryLimit": Key(INTEGER, 1, 100, 15),
    },
    "Ssm": {
        "Endpoint": _TEXT, "HealthFrequencyMinutes": Key(INTEGER, 5, 60, 5),
        "AssociationFrequencyMinutes": Key(INTEGER, 5, 60, 10), "AssociationRetryLimit": _NUMBER,
        "CustomInventoryDefaultLocation": _TEXT,
        "HibernationMaxBackoffIntervalMinutes": Key(INTEGER, 5, 1440, 60, since="3.3.2299.0"),
        "AssociationLogsRetentionDurationHours": Key(INTEGER, 8, None, 24),
        "RunCommandLogsRetentionDurationHours": _HOURS, "SessionLogsRetentionDurationHours": _NUMBER,
        "SessionHandshakeTimeoutSeconds": Key(INTEGER, 1, 60, 15, since="3.3.2746.0"),
        "SessionLogsDestination": Key(STRING, default="none", words=("disk", "none")),
        "PluginLocalOutputCleanup": Key(
            STRING, default="default", words=("after-execution", "after-upload", "default")
        ),
        "OrchestrationDirectoryCleanup": Key(
            STRING, default="default", words=("clean-success", "clean-success-failed", "default")
        ),
        "CredentialRetryMaxSleepSeconds": Key(INTEGER, 60, 1800, 1800, since="3.3.3050.0"),
    },
    "Agent": {
        "Name": _TEXT, "Version": _TEXT, "Region": _TEXT, "ServiceDomain": _TEXT, "OrchestrationRootDir": _TEXT,
        "DownloadRootDir": _TEXT, "TelemetryMetricsNamespace": _TEXT, "ContainerMode": _FLAG, "SelfUpdate": _FLAG,
        "TelemetryMetricsToCloudWatch": _FLAG, "TelemetryMetricsToSSM": _FLAG,
        "GlobalEnhancedTelemetryEnabled": Key(BOOLEAN, since="3.3.2656.0"),
        "ShouldPurgeInstanceProfileRoleCreds": _FLAG, "ForceFileIPC": _FLAG,
        "SelfUpdateScheduleDay": Key(INTEGER, 1, 7, 7),
        "LongRunningWorkerMonitorIntervalSeconds": Key(INTEGER, 30, 1800, 60),
        "AuditExpirationDay": Key(INTEGER, 3, 30, 7), "GoMaxProcForAgentWorker": _NUMBER,
        "UseDualStackEndpoint": Key(BOOLEAN, since="3.3.3270.0"),
        "EnforceWorkspaceRootOwnership": Key(BOOLEAN, since="3.3.4177.0"),
    },
    "Mgs": {
        "Region": _TEXT, "Endpoint": _TEXT, "StopTimeoutMillis": _NUMBER, "SessionWorkersLimit": _NUMBER,
        "SessionWorkerBufferLimit": Key(INTEGER, 1, None, 1), "DeniedPortForwardingRemoteIPs": Key(STRINGS),
    },
    "Kms": {"Endpoint": _TEXT, "RequireKMSChallengeResponse": _FLAG},
    "Os": {"Lang": _TEXT, "Name": _TEXT, "Version": _TEXT},
    "S3": {"Endpoint": _TEXT, "Region": _TEXT, "LogBucket": _TEXT, "LogKey": _TEXT},
    "CloudWatchLogs": {"Endpoint": Key(STRING, since="3.3.2958.0"), "Region": Key(STRING, since="3.3.2958.0")},
    "Birdwatcher": {"ForceEnable": _FLAG},
    "Identity": {
        "ConsumptionOrder": Key(STRINGS), "CustomIdentities": Key(OBJECTS),
        # Gone by 3.3.2299; the release is not known.
        "Ec2SystemInfoDetectionResponse": Key(STRING, until="3.3.2298.0"),
    },
}  # fmt: skip
CUSTOM_IDENTITY: dict[str, Key] = dict.fromkeys(
    ("InstanceID", "Region", "AvailabilityZone", "AvailabilityZoneId", "InstanceType", "CredentialsProvider"), _TEXT
)
