"""Errors in the forms in which agents log them, each with its cause: for both SDKs, operations and numbers of lines.

The forms are those of public reports and of the sources of agent, SDK and Go; names and numbers are made up.
"""

from __future__ import annotations

from typing import NamedTuple

ID = "6c3e2f6a-0a1b-4c2d-9e3f-111122223333"
HOST = "ssm.eu-west-1.amazonaws.com"
TOKEN, HEALTH = "RequestManagedInstanceRoleToken", "UpdateInstanceInformation"
ROLE = "arn:aws:sts::111122223333:assumed-role/NodeRole/mi-0123456789abcdef0"
RESOURCE = "on resource: arn:aws:ssm:eu-west-1:111122223333:managed-instance/mi-0123456789abcdef0"
PAGE = (
    '<?xml version="1.0" encoding="iso-8859-1"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
    '\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n<html><head><title>404 - Not Found</title></head>\n'
    "<body><h1>404 - Not Found</h1></body></html>"
)


class ErrorMessage(NamedTuple):
    """An error, its cause, and whether a worker logged it."""

    text: str
    cause: str
    worker: bool


def answered(code: str, message: str, operation: str = TOKEN, status: int = 400) -> list[str]:
    """Return an answer of the service in each form."""
    v2 = f"operation error SSM: {operation}, https response error StatusCode: {status}, RequestID: {ID}, "
    tries = v2.replace(", https", ", exceeded maximum number of attempts, 4, https")
    return [
        f"{code}: {message}", f"{code}: {message}\n\tstatus code: {status}, request id: {ID}",
        f"error occurred in {operation}: {code}: {message}",
        f"error calling {operation}: {code}: {message}\n\tstatus code: {status}, request id: {ID}",
        f"{v2}{code}: {message}", f"{v2}api error {code}: {message}", f"{tries}api error {code}: {message}",
    ]  # fmt: skip


def not_sent(reason: str, operation: str = TOKEN, url: str = f"https://{HOST}/") -> list[str]:
    """Return a request that got no answer in each form."""
    return [
        f'RequestError: send request failed\ncaused by: Post "{url}": {reason}',
        f"RequestError: send request failed\ncaused by: Post {url}: {reason}",
        f'error occurred in {operation}: RequestError: send request failed\ncaused by: Post "{url}": {reason}',
        f"operation error SSM: {operation}, exceeded maximum number of attempts, 4, https response error StatusCode: "
        f'0, RequestID: , request send failed, Post "{url}": {reason}',
        f"operation error SSM: {operation}, https response error StatusCode: 0, RequestID: , request send failed, "
        f'Post "{url}": {reason}',
    ]  # fmt: skip


# Cause -> reasons for which a request got no answer.
NOT_SENT = {
    "dns": (
        f"dial tcp: lookup {HOST} on 127.0.0.53:53: server misbehaving", f"dial tcp: lookup {HOST}: no such host",
        f"dial tcp: lookup {HOST} on 10.0.0.2:53: no such host",
        f"dial tcp: lookup {HOST} on 10.0.0.2:53: read udp 10.0.0.7:40125->10.0.0.2:53: i/o timeout",
        f"dial tcp: lookup {HOST} on [::1]:53: dial udp [::1]:53: connect: cannot assign requested address",
        f"dial tcp: lookup {HOST} on 127.0.0.1:53: read udp 127.0.0.1:4711->127.0.0.1:53: read: connection refused",
        f"dial tcp: lookup {HOST}: Temporary failure in name resolution",
        f"dial tcp: lookup {HOST}: getaddrinfow: No such host is known.",
        f"dial tcp: lookup {HOST}: device or resource busy",
    ),
    "no-region": (
        "dial tcp: lookup ssm..amazonaws.com: no such host",
        "dial tcp: lookup ssm.xn--us-east-1-9b0eua.amazonaws.com on 8.8.8.8:53: no such host",
    ),
    "refused": (
        "dial tcp 10.0.0.9:443: connect: connection refused",
        "dial tcp 10.0.0.9:443: connectex: No connection could be made because the target machine actively refused it.",
    ),
    "timeout": (
        "dial tcp 10.0.0.9:443: i/o timeout", "dial tcp 10.0.0.9:443: connect: connection timed out",
        "net/http: TLS handshake timeout",
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)",
        "dial tcp 10.0.0.9:443: connectex: A connection attempt failed because the connected party did not properly "
        "respond after a period of time",
    ),
    "no-route": (
        "dial tcp 10.0.0.9:443: connect: no route to host", "dial tcp 10.0.0.9:443: connect: network is unreachable",
        "dial tcp [2a05:d018::1]:443: connect: network is unreachable",
        "dial tcp 10.0.0.9:443: connectex: A socket operation was attempted to an unreachable network.",
    ),
    "local-firewall": (
        "dial tcp 10.0.0.9:443: connect: operation not permitted",
        "dial tcp 10.0.0.9:443: connect: permission denied",
        "dial tcp 10.0.0.9:443: connectex: An attempt was made to access a socket in a way forbidden by its access "
        "permissions.",
    ),
    "cut-off": (
        "EOF", "unexpected EOF", "read tcp 10.0.0.7:40125->10.0.0.9:443: read: connection reset by peer",
        "write tcp 10.0.0.7:40125->10.0.0.9:443: write: broken pipe",
        "read tcp 10.0.0.7:4012->10.0.0.9:443: wsarecv: An existing connection was forcibly closed by the remote host.",
    ),
    "unknown-ca": (
        "x509: certificate signed by unknown authority",
        "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        "tls: failed to verify certificate: x509: \u201cssm.eu-west-1.amazonaws.com\u201d certificate is not trusted",
        "x509: A certificate chain processed, but terminated in a root certificate which is not trusted by the trust "
        "provider.",
    ),
    "tls-interception": (
        'x509: certificate signed by unknown authority (possibly because of "x509: invalid signature: parent '
        'certificate cannot sign this kind of certificate" while trying to verify candidate authority certificate '
        '"Zscaler Intermediate Root CA (zscloud.net)")',
        'tls: failed to verify certificate: x509: certificate signed by unknown authority (possibly because of '
        '"crypto/rsa: verification error" while trying to verify candidate authority certificate "Example Proxy CA")',
    ),
    "certificate-name": (
        f"x509: certificate is valid for *.corp.example, proxy.corp.example, not {HOST}",
        f"tls: failed to verify certificate: x509: certificate is valid for 10.0.0.9, not {HOST}",
        "x509: cannot validate certificate for 10.0.0.9 because it doesn't contain any IP SANs",
        "x509: certificate relies on legacy Common Name field, use SANs instead",
        f"x509: certificate is not valid for any names, but wanted to match {HOST}",
    ),
    "clock-certificate": (
        "x509: certificate has expired or is not yet valid: current time 1970-01-01T00:01:00Z is before "
        "2025-01-01T00:00:00Z",
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time "
        "2024-12-31T20:00:00-05:00 is before 2025-01-02T00:00:00Z",
    ),
    "certificate-expired": (
        "x509: certificate has expired or is not yet valid: current time 2026-11-24T08:50:27-03:00 is after "
        "2026-07-04T05:01:27Z",
        "x509: certificate has expired or is not yet valid",
        "x509: certificate has expired or is not yet valid: ",
        "tls: failed to verify certificate: x509: \u201cssm.eu-west-1.amazonaws.com\u201d certificate is expired",
    ),
    "no-ca-bundle": ("x509: failed to load system roots and no roots provided",),
    "tls-handshake": (
        "remote error: tls: handshake failure", "remote error: tls: protocol version not supported",
        "tls: server selected unsupported protocol version 301", "remote error: tls: unrecognized name",
    ),
    "not-tls": (
        "tls: first record does not look like a TLS handshake", "http: server gave HTTP response to HTTPS client",
    ),
    "html-answer": ("Network Authentication Required",),
    "proxy-login": (
        "Proxy Authentication Required", "proxyconnect tcp: Proxy Authentication Required", "authenticationrequired",
    ),
    "proxy-rejects": ("Forbidden", "Bad Gateway", "Service Unavailable", "Gateway Timeout", "Method Not Allowed"),
    "proxy-unreachable": (
        "proxyconnect tcp: dial tcp 10.0.0.3:3128: connect: connection refused",
        "proxyconnect tcp: dial tcp 10.0.0.3:3128: i/o timeout", "proxyconnect tcp: EOF",
        "proxyconnect tcp: dial tcp 10.0.0.3:3128: connect: no route to host",
        "proxyconnect tcp: dial tcp: lookup proxy.corp.example on 10.0.0.2:53: no such host",
        f"socks connect tcp 10.0.0.3:1080->{HOST}:443: dial tcp 10.0.0.3:1080: connect: connection refused",
    ),
    "proxy-scheme": (
        "proxyconnect tcp: tls: first record does not look like a TLS handshake",
        "proxyconnect tcp: tls: oversized record received with length 20527",
    ),
    "proxy-certificate": ("proxyconnect tcp: x509: certificate signed by unknown authority",),
}  # fmt: skip

# (cause, code, message, status): answers of the service about a request for a token.
ANSWERED = (
    ("fingerprint", "MachineFingerprintDoesNotMatch", "Fingerprint does not match registration data", 400),
    ("deregistered", "AccessDeniedException", "Machine is not registered", 400),
    ("deregistered", "AccessDeniedException", "", 400),
    ("invalid-instance", "InvalidInstanceId", "Not existing InstanceId mi-0123456789abcdef0", 400),
    ("invalid-instance", "InvalidInstanceId", "The specified instance ID is not valid", 400),
    ("throttled", "ThrottlingException", "Rate exceeded", 400),
    ("throttled", "TooManyUpdates", "", 400),
    ("throttled", "Throttling", "Rate exceeded", 400),
    ("clock", "InvalidSignatureException", "Signature expired: 20250814T105317Z is now earlier than 20250814T170000Z "
     "(20250814T170500Z - 5 min.)", 400),
    ("clock", "InvalidSignatureException", "Signature not yet current: 20250814T180500Z is still later than "
     "20250814T171000Z (20250814T170500Z + 5 min.)", 400),
    ("clock", "SignatureDoesNotMatch", "Signature expired: 20220127T001427Z is now earlier than 20220127T014428Z "
     "(20220127T015928Z - 15 min.)", 403),
    ("clock", "RequestExpired", "Request has expired.", 400),
    ("clock", "RequestTimeTooSkewed", "The difference between the request time and the current time is too large", 403),
    ("signature", "InvalidSignatureException", "The request signature we calculated does not match the signature you "
     "provided. Check your AWS Secret Access Key and signing method.", 400),
    ("signature", "IncompleteSignatureException", "Authorization header requires 'Signature' parameter", 400),
    ("wrong-region", "InvalidSignatureException", "Credential should be scoped to a valid region.", 400),
    ("token-expired", "ExpiredTokenException", "The security token included in the request is expired", 400),
    ("token-expired", "ExpiredToken", "The security token included in the request is expired", 403),
    ("unknown-client", "UnrecognizedClientException", "The security token included in the request is invalid.", 400),
    ("unknown-key", "InvalidClientTokenId", "The security token included in the request is invalid.", 403),
    ("region-not-enabled", "OptInRequired", "You are not subscribed to this region", 403),
    ("service-error", "InternalServerError", "An error occurred on the server side", 500),
    ("service-error", "ServiceUnavailable", "", 503),
    ("service-error", "InternalFailure", "The request processing has failed", 500),
    ("host-management-off", "AccessDeniedException", "Systems Manager's instance management role is not configured for "
     "account: 111122223333", 400),
    ("role-trust", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: sts:AssumeRole on resource: "
     "arn:aws:iam::111122223333:role/NodeRole", 400),
    ("no-permission", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: "
     f"ssm:RequestManagedInstanceRoleToken {RESOURCE}", 400),
    ("no-permission", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: ssm:GetParameter on "
     "resource: arn:aws:ssm:eu-west-1:111122223333:parameter/x because no identity-based policy allows it", 400),
)  # fmt: skip
# The same of a health ping.
OF_PINGS = (
    ("no-health-permission", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: "
     f"ssm:UpdateInstanceInformation {RESOURCE}", 400),
    ("no-health-permission", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: "
     f"ssm:UpdateInstanceInformation {RESOURCE} because no identity-based policy allows the "
     "ssm:UpdateInstanceInformation action", 400),
    ("no-health-permission", "AccessDeniedException", "", 400),
    ("endpoint-policy", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: "
     f"ssm:UpdateInstanceInformation {RESOURCE} because no VPC endpoint policy allows the action", 400),
    ("explicit-deny", "AccessDeniedException", f"User: {ROLE} is not authorized to perform: "
     f"ssm:UpdateInstanceInformation {RESOURCE} with an explicit deny in a service control policy", 400),
    ("invalid-instance", "InvalidInstanceId", "Not existing InstanceId mi-0123456789abcdef0", 400),
    ("throttled", "ThrottlingException", "Rate exceeded", 400),
    ("token-expired", "ExpiredTokenException", "The security token included in the request is expired", 400),
    ("unknown-client", "UnrecognizedClientException", "The security token included in the request is invalid.", 400),
    ("service-error", "InternalServerError", "", 500),
)  # fmt: skip
# What is answered to a registration.
OF_REGISTRATIONS = (
    ("activation-expired", "ActivationExpired", "The activation has expired", 400),
    ("activation-limit", "RegistrationLimitExceeded", "Registration limit reached", 400),
    ("activation-invalid", "InvalidActivation", "Invalid activation", 400),
    ("activation-invalid", "InvalidActivationId", "Invalid activation id", 400),
    ("already-registered", "InstanceAlreadyRegistered", "", 400),
)  # fmt: skip

_EC2 = "no valid credentials could be retrieved for ec2 identity. Default Host Management Err: error calling " + TOKEN
_NO_ROLE = (
    "EC2RoleRequestError: no EC2 instance role found\ncaused by: EC2MetadataError: failed to make EC2Metadata request"
)
_WORKER = "[LongRunningWorkerContainer] failed to start worker ssm-agent-worker, fork/exec /usr/bin/ssm-agent-worker: "
_FORCE = "Failed to write credentials to disk even with force, retrying: SharedCredentialsStore: "
_EXE = r"C:\Program Files\Amazon\SSM\ssm-agent-worker.exe"
_HOME = r"C:\WINDOWS\system32\config\systemprofile\.aws\credentials"
_IMDS = "http://169.254.169.254/latest/meta-data/instance-id"
# Errors of one form.
SINGLE = (
    ("host-management-off", f"{_EC2}: AccessDeniedException: Systems Manager's instance management role is not "
     f"configured for account: 111122223333\n\tstatus code: 400, request id: {ID}"),
    ("no-instance-role", f"{_NO_ROLE}\n{PAGE}\n\tstatus code: 404, request id: "),
    ("no-instance-role", f"{_NO_ROLE}\n\tstatus code: 404, request id:\ncaused by: {PAGE}"),
    ("no-instance-role", f"retrieved credentials failed to report to ssm. Error: {_NO_ROLE}\n{PAGE}"),
    ("no-instance-role", f"operation error SSM: {HEALTH}, get identity: get credentials: failed to refresh cached "
     "credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, http response error StatusCode: 404, "
     "request to EC2 IMDS failed"),
    ("metadata-service", f"{_EC2}: unable to build RSA signature. No Authorization header in request"),
    ("metadata-service", "failed to retrieve instance identity role. Error: RequestError: send request failed\ncaused "
     "by: Get \"http://169.254.169.254/latest/meta-data/identity-credentials/ec2/security-credentials/ec2-instance\": "
     "dial tcp 169.254.169.254:80: connect: network is unreachable"),
    ("not-registered", "Failed to fetch instance ID. Data from vault is empty. RequestError: send request failed\n"
     f"caused by: Get {_IMDS}: net/http: request canceled while waiting for connection (Client.Timeout exceeded while "
     "awaiting headers)"),
    ("not-registered", "Failed to load instance info from vault. RegistrationKey does not exist."),
    ("no-health-permission", "unexpected error getting instance profile role credentials or calling "
     f"{HEALTH}. Skipping default host management fallback: AccessDeniedException: no"),
    ("no-health-permission", f"retrieved credentials failed to report to ssm. RequestId: {ID} Error: "
     "AccessDeniedException: User is not authorized"),
    ("html-answer", "SerializationError: failed decoding JSON RPC error response\n\tstatus code: 403, request id: \n"
     "caused by: invalid character '<' looking for beginning of value"),
    ("html-answer", f"SerializationError: failed to unmarshal response error\n\tstatus code: 200, request id: \n"
     f"caused by: {PAGE}"),
    ("html-answer", f"operation error SSM: {TOKEN}, https response error StatusCode: 200, RequestID: , "
     "deserialization failed, failed to decode response body, invalid character '<' looking for beginning of value"),
    ("html-answer", "UnmarshalError: failed to unmarshal error message\n\tstatus code: 511, request id: "),
    ("html-answer", "SerializationError: failed to unmarshal response error\n\tstatus code: 403, request id: \n"
     "caused by: UnmarshalError: failed to unmarshal error message\n\t00000000  3c 68 74 6d 6c 3e 3c 68  65 61 64 3e "
     "3c 74 69 74  |<html><head><tit|\n\ncaused by: invalid character '<' looking for beginning of value"),
    ("service-error", "SerializationError: failed decoding JSON RPC error response\n\tstatus code: 503, request id: \n"
     "caused by: invalid character '<' looking for beginning of value"),
    ("proxy-setting", 'RequestError: send request failed\ncaused by: Post "https://ssm.eu-west-1.amazonaws.com/": '
     'proxyconnect tcp: dial tcp: address http:3128: invalid port'),
    ("proxy-setting", 'invalid proxy address "http//proxy:3128": parse "http://http//proxy:3128": invalid port'),
    ("no-connection", "RequestError: send request failed"),
    ("no-region", "MissingRegion: could not find region configuration"),
    ("no-region", f"operation error SSM: {TOKEN}, failed to resolve service endpoint, endpoint rule error, Invalid "
     "Configuration: Missing Region"),
    ("ca-bundle", "LoadCustomCABundleError: unable to load custom CA bundle, HTTPClient's transport unsupported type"),
    ("no-credentials", "NoCredentialProviders: no valid providers in chain. Deprecated.\n\tFor verbose messaging see "
     "aws.Config.CredentialsChainVerboseErrors"),
    ("no-credentials", f"operation error SSM: {TOKEN}, get identity: get credentials: failed to refresh cached "
     "credentials, static credentials are empty"),
    ("file-missing", "open /var/lib/amazon/ssm/ipc/health: no such file or directory"),
    ("file-missing", r"open C:\ProgramData\Amazon\SSM\x.json: The system cannot find the path specified."),
    ("timeout", f"operation error SSM: {TOKEN}, https response error StatusCode: 0, RequestID: , canceled, context "
     "deadline exceeded"),
    ("token-expired", "shared credentials are already expired, they were retrieved at 2026-11-24T08:00:00Z and "
     "expired at 2026-11-24T09:00:00Z"),
    ("disk-full", f"{_FORCE}failed to save profile\ncaused by: write /root/.aws/credentials: no space left on device"),
    ("disk-full", "Failed to write credentials to disk even with force: open /root/.aws/credentials: no space left on "
     "device"),
    ("disk-full", f"{_FORCE}failed to save profile\ncaused by: write {_HOME}: There is not enough space on the disk."),
    ("disk-full", "failed to write data file for RegistrationKey. write /var/lib/amazon/ssm/Vault/Store/"
     "RegistrationKey: disk quota exceeded"),
    ("inotify-limit", "filewatcher listener encountered error when add watch: no space left on device"),
    ("read-only", f"{_FORCE}failed to create shared credentials file\ncaused by: mkdir /root/.aws: read-only file "
     "system"),
    ("read-only", "Failed to save new expiration: open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: "
     "read-only file system"),
    ("disk-error", "failed to read data file for InstanceFingerprint. read /var/lib/amazon/ssm/Vault/Store/"
     "InstanceFingerprint: input/output error"),
    ("open-files", "failed to create channel: pipe2: too many open files"),
    ("memory", f"{_WORKER}cannot allocate memory"), ("memory", "fatal error: runtime: out of memory"),
    ("shared-file-unwritable", f"{_FORCE}failed to save profile\ncaused by: open /root/.aws/credentials: permission "
     "denied"),
    ("shared-file-unwritable", "occurred sharing credentials. SharedCredentialsStore: failed to save profile caused "
     f"by: rename {_HOME}.971110400.tmp {_HOME}: Access is denied."),
    ("shared-file-unwritable", f"{_FORCE}failed to load shared credentials file\ncaused by: read /root/.aws/"
     "credentials: is a directory"),
    ("shared-file-gone", "Credentials are not available when they should be: SharedCredsLoad: failed to load shared "
     "credentials file\ncaused by: FailedRead: unable to open file\ncaused by: open /root/.aws/credentials: no such "
     "file or directory"),
    ("shared-file-gone", "unable to load shared credentials. Err: SharedCredsAccessKey: shared credentials default in "
     "/root/.aws/credentials did not contain aws_access_key_id"),
    ("shared-file-gone", "failed to get shared config profile, default"),
    ("worker-denied", f"{_WORKER}permission denied"), ("worker-denied", f"{_WORKER}operation not permitted"),
    ("worker-antivirus", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: Operation did not complete "
     "successfully because the file contains a virus or potentially unwanted software."),
    ("worker-denied", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: An Application Control policy has "
     "blocked this file."),
    ("worker-denied", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: Access is denied."),
    ("worker-denied", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: This program is blocked by group "
     "policy. For more information, contact your system administrator."),
    ("worker-missing", f"{_WORKER}no such file or directory"),
    ("worker-missing", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: The system cannot find the file "
     "specified."),
    ("worker-architecture", f"{_WORKER}exec format error"),
    ("worker-architecture", f"failed to start worker ssm-agent-worker, fork/exec {_EXE}: %1 is not a valid Win32 "
     "application."),
    ("worker-start", f"{_WORKER}text file busy"), ("worker-start", f"{_WORKER}resource temporarily unavailable"),
    ("selinux", 'type=AVC msg=audit(1795500000.1:42): avc:  denied  { execute } for  pid=812 comm="amazon-ssm-agen" '
     'path="/usr/bin/ssm-agent-worker"'),
    ("apparmor", 'audit: type=1400 audit(1795500000.1:42): apparmor="DENIED" operation="exec" '
     'profile="/usr/bin/amazon-ssm-agent" name="/usr/bin/ssm-agent-worker"'),
    ("panic", "credentials refresher panic: runtime error: invalid memory address or nil pointer dereference"),
    ("panic", "panic: runtime error: index out of range [0] with length 0\n\ngoroutine 1 [running]:\nmain.main()"),
    ("panic", "bootstrap init run panic: assignment to entry in nil map"),
    ("fips", "panic: opensslcrypto: FIPS mode requested (system FIPS mode) but not available in OpenSSL 1.1.1"),
    ("configuration", "app config could not be loaded - invalid character '}' looking for beginning of object key"),
    ("vault-damaged", "Failed to load instance info from vault. failed to unmarshal vault manifest. unexpected end of "
     "JSON input"),
    ("vault-damaged", "Failed to unmarshal instance info. invalid character '\\x00' looking for beginning of value"),
    ("vault-damaged", "Error while fetching fingerprint data from vault: data file of InstanceFingerprint is missing"),
    ("vault-damaged", "Failed to load instance info from vault. Failed to set permission for vault folder or its "
     "content. chown /var/lib/amazon/ssm/Vault: operation not permitted"),
    ("no-identity", "failed to get identity: failed to find agent identity"),
    ("identity-changed", "Unexpected identity retrieved: EC2. Stopping credential refresher."),
    ("key-rotation", "Failed to update remote public key after saving locally failed: AccessDenied"),
    ("invalid-text", "Hardware hash generated contains invalid characters. map[hostname-info:caf\ufffd]"),
    ("key-rotation", "failed to rotate private key. InvalidPublicKeyException"),
    ("throttled", "Failed to rotate private key with error: ThrottlingException: Rate exceeded"),
    ("no-fingerprint", "unable to fetch machine-id"),
    ("no-fingerprint", "Unexpected error while calculating fingerprint: wmi"),
    ("permission", "open /var/lib/amazon/ssm/ipc/health: permission denied"),
    ("permission", r"open C:\ProgramData\Amazon\SSM\InstanceData\x.json: Access is denied."),
    # Nothing known: no cause is made up.
    ("unknown", ""), ("unknown", "something happened"), ("unknown", f"error calling {TOKEN}: x"),
    ("unknown", "ValidationException: 1 validation error detected"), ("unknown", f"operation error SSM: {TOKEN}"),
    ("unknown", "UnknownError: x\n\tstatus code: 418, request id: 1"), ("unknown", TOKEN), ("unknown", HEALTH),
)  # fmt: skip


def error_messages() -> list[ErrorMessage]:
    """Return each error in each of its forms."""
    found = []
    for cause, reasons in NOT_SENT.items():
        for reason in reasons:
            found += [ErrorMessage(text, cause, False) for text in not_sent(reason)]
            found += [ErrorMessage(text, cause, True) for text in not_sent(reason, HEALTH)]
    for rows, operation in ((ANSWERED, TOKEN), (OF_PINGS, HEALTH), (OF_REGISTRATIONS, "RegisterManagedInstance")):
        for cause, code, message, status in rows:
            forms = answered(code, message, operation, status)
            found += [ErrorMessage(text, cause, operation == HEALTH) for text in forms]
    return found + [ErrorMessage(text, cause, False) for cause, text in SINGLE]
