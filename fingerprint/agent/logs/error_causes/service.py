"""Causes that the service names with its answer, and those of the metadata service of an instance."""

from __future__ import annotations

from fingerprint.agent.logs.error_causes.row import RESTART, Row, Step
from fingerprint.agent.logs.sdk_errors import DENIED, MISMATCH
from fingerprint.agent.providers import METADATA_HOST
from fingerprint.vault.records import register_command

CORE_POLICY = "AmazonSSMManagedInstanceCore"
HEALTH, TOKEN = "UpdateInstanceInformation", "RequestManagedInstanceRoleToken"
_DENIALS = (DENIED, "AccessDenied", "UnauthorizedOperation", "UnauthorizedException", "NotAuthorized")
_NOT_ALLOWED = ("not authorized to perform", "is not authorized")
_SET_CLOCK = Step(
    "Set the clock and keep it synchronised (NTP)", linux="timedatectl set-ntp true",
    macos="sudo sntp -sS time.apple.com", windows="Restart-Service w32time",
)  # fmt: skip
_REGISTER = Step("Register the host again if the node is gone", register_command(again=True))
_FIND = Step("Find the node in the console of the service, in the region of its registration")
_SOURCES = Step("Show which credentials the agent finds", "fingerprint credentials sources")
_ACTIVATE = Step("Create a new activation, then register the host with it", register_command())
_WAIT = Step("Wait; the agent retries by itself, and a restart does not help")

CLOCK = (
    Row(
        name="clock", why="its clock is wrong{offset}, so the service rejects its signatures", steps=(_SET_CLOCK,),
        codes=("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"),
        says=("signature expired", "is now earlier than", "signature not yet current", "is still later than",
              "request has expired"),
        complete=True,
    ),
    Row(
        name="clock-certificate", complete=True, steps=(_SET_CLOCK,),
        why="its clock is wrong{offset}, so that certificates are not valid yet by it",
        pattern=r"(?i)current time \S+ is before|certificate is not yet valid",
    ),
)  # fmt: skip

REGISTRATION = (
    Row(
        name="fingerprint", why="the service knows another fingerprint of this node", codes=(MISMATCH,),
        steps=(Step("Compare the machine with its record", "fingerprint explain"),
               Step("Search for the earlier record", "fingerprint vault history")),
    ),
    Row(
        name="activation-expired", why="the activation has expired", steps=(_ACTIVATE,), restart=False, complete=True,
        codes=("ActivationExpired", "ExpiredActivation"), says=("activation expired", "activation has expired"),
    ),
    Row(
        name="activation-limit", why="the activation has no registrations left", steps=(_ACTIVATE,), restart=False,
        codes=("RegistrationLimitExceeded",), says=("registration limit",), complete=True,
    ),
    Row(
        name="activation-invalid", why="the service does not know the activation: wrong ID, code or region",
        steps=(_ACTIVATE,), codes=("InvalidActivation", "InvalidActivationId", "InvalidActivationCode"),
        restart=False, complete=True,
    ),
    Row(
        name="already-registered", why="the service has a registration of this instance already", complete=True,
        steps=(_FIND,), codes=("InstanceAlreadyRegistered", "PublicKeyAlreadyRegistered"),
    ),
    Row(
        name="invalid-instance", complete=True,
        why="the service does not know the node{node}: it was deleted or deregistered, or is in another region",
        steps=(_FIND, _REGISTER), codes=("InvalidInstanceId", "InvalidInstanceIdException"),
        says=("not existing instanceid", "instance id is not valid"), restart=False,
    ),
)  # fmt: skip

REQUEST = (
    Row(
        name="throttled", why="the service limits the rate of requests", steps=(_WAIT,), restart=False,
        codes=("ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled",
               "RequestThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "TooManyUpdates",
               "SlowDown", "EC2ThrottledException"),
        says=("rate exceeded", "too many requests"), pattern=r"(?i)status ?code: 429\b", unless=("<html",),
    ),
    Row(
        name="token-expired", why="the credentials that it uses have expired",
        steps=(RESTART, _SOURCES, Step("Check the clock, too", linux="timedatectl", macos="date -u",
                              windows="w32tm /query /status")),
        codes=("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
        says=("token included in the request is expired", "credentials are already expired"),
    ),
    Row(
        name="wrong-region", why="the request is signed for another region or service",
        steps=(Step("Correct the region of the agent", "fingerprint diagnose --only account,configuration"),),
        says=("credential should be scoped to", "scoped to a valid region", "scoped to correct service"),
    ),
    Row(
        name="region-not-enabled", why="the account has not enabled that region",
        steps=(Step("Enable the region for the account, or correct the region of the agent",
                    "fingerprint diagnose --only account"),),
        codes=("OptInRequired", "RegionDisabledException"),
    ),
    Row(
        name="signature", why="its signature is not valid: key and node do not belong together, or a proxy changes the "
            "requests",
        steps=(Step("Check key and registration", "fingerprint vault verify"), _FIND, _REGISTER),
        codes=("InvalidSignatureException", "InvalidSignature", "SignatureDoesNotMatch", "IncompleteSignature",
               "IncompleteSignatureException", "MissingAuthenticationToken", "MissingAuthenticationTokenException"),
        says=("signature we calculated does not match",),
    ),
    Row(
        name="unknown-client", why="the service does not know the credentials: deleted, of another partition "
            "(China, GovCloud), or not valid in that region",
        steps=(_SOURCES, Step("Compare region and account", "fingerprint diagnose --only account")),
        codes=("UnrecognizedClientException", "UnrecognizedClient"), says=("security token included in the request "
                                                                           "is invalid",),
        unless=("invalidclienttokenid",),
    ),
    Row(
        name="unknown-key", why="the access key does not exist: it was deleted or deactivated, or is of another "
            "partition",
        steps=(_SOURCES,), codes=("InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure"),
    ),
)  # fmt: skip

RIGHTS = (
    Row(
        name="host-management-off", complete=True,
        why="the instance has no role that allows Systems Manager: Default Host Management is off in the account, and "
            "its instance profile does not allow it",
        steps=(Step(f"Attach an instance profile with the policy {CORE_POLICY}, or turn on Default Host Management "
                    "in Fleet Manager"),),
        says=("instance management role is not configured",),
    ),
    Row(
        name="role-trust", why="the service may not assume the role of the node", complete=True,
        steps=(Step("Let ssm.amazonaws.com assume the role (its trust policy), with the account as condition"),),
        says=("sts:assumerole", "sts:tagsession", "trust policy", "unable to assume", "cannot assume", "assume role"),
        unless=("trust provider",),
    ),
    Row(
        name="endpoint-policy", why="the policy of the VPC endpoint does not allow {action}", codes=_DENIALS,
        steps=(Step("Allow {action} in the policy of the VPC endpoint"),), needs=("vpc endpoint policy",),
        complete=True,
    ),
    Row(
        name="explicit-deny", why="a policy denies {action} explicitly ({policy})", codes=_DENIALS, complete=True,
        steps=(Step("Remove the deny of {action}, or except the role of the node from it"),),
        needs=("explicit deny",),
    ),
    Row(
        name="no-health-permission", why="its role does not allow health reports (ssm:UpdateInstanceInformation)",
        steps=(Step(f"Allow its role to report its health (policy {CORE_POLICY})"),), codes=_DENIALS,
        operation=HEALTH, complete=True,
    ),
    Row(
        name="no-permission", why="its role does not allow {action}",
        steps=(Step(f"Allow {{action}} for its role (policy {CORE_POLICY} for the agent itself)"),), codes=_DENIALS,
        says=_NOT_ALLOWED, needs=_NOT_ALLOWED, complete=True,
    ),
    Row(
        name="deregistered", why="the service rejects the node: it was deregistered, or its role was changed or "
            "removed",
        steps=(Step("Find the node and its role in the console of the service; register again if it is gone"),),
        codes=_DENIALS, complete=True,
    ),
)  # fmt: skip

METADATA = (
    Row(
        name="no-instance-role", why="the agent takes the host for an EC2 instance, and the instance has no role",
        steps=(Step(f"On EC2: attach an instance profile with the policy {CORE_POLICY}"),
               Step("Elsewhere: register the host", register_command())),
        says=("no ec2 instance role found", "no ec2 imds role found"), no_credentials=True,
    ),
    Row(
        name="metadata-service", why="the metadata service of the instance does not answer",
        steps=(Step(f"Let the agent reach {METADATA_HOST} without a proxy (instance metadata options, hop limit, "
                    "firewall)"),
               Step("If this is not an EC2 instance, register it", register_command())),
        says=(METADATA_HOST, "[fd00:ec2::254]", "ec2metadata", "ec2imds", "failed to retrieve instance identity role",
              "instance metadata response is invalid", "no authorization header in request",
              "ec2 instance not yet registered"),
        no_credentials=True,
    ),
)  # fmt: skip

FAULT = (
    Row(
        name="service-error", why="the service, or a proxy before it, answers with an internal error",
        steps=(_WAIT, Step("If it persists, check the health of the region in the AWS Health Dashboard")),
        codes=("InternalServerError", "InternalServerException", "InternalFailure", "InternalError",
               "ServiceUnavailable", "ServiceUnavailableException"),
        pattern=r"(?i)status ?code: 5(?!11)\d\d\b", restart=False,
    ),
)  # fmt: skip
