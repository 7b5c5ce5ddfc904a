"""Identities of other services on a node: Greengrass, ECS, Kubernetes (EKS hybrid nodes).

Sources: AWS's guide "Golden images for Greengrass"; aws-greengrass-lite; amazon-ecs-agent; eks-hybrid (nodeadm).
"""

from __future__ import annotations

import os
import re

from fingerprint.image.content import decoded, secret_paths
from fingerprint.image.environment import SERVICES
from fingerprint.image.pointers import named_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from fingerprint.image.scan import File, Scan

_GREENGRASS = ("/greengrass/v2", "/greengrass")
_LOADER = re.compile(r"(?P<root>/[^\s\"']{0,300}?)/alts/(?:current|init|old|new)/distro/bin/loader")
# Keys and certificates of a device, in its root directory and in those of provisioning.
_GREENGRASS_KEYS = ("", "/certs", "/claim-certs", "/ggc/certs", "/greengrass-v2-certs")
_LITE_KEYS = ("/var/lib/greengrass/credentials",)
_GREENGRASS_FILES = (
    "/config/effectiveConfig.yaml", "/config/config.yaml", "/config/config.tlog", "/config/config.json",
)  # fmt: skip
_LITE_FILES = ("/etc/greengrass/config.yaml", "/var/lib/greengrass/config.db")
_LITE_CONFIGS = "/etc/greengrass/config.d"
_KEY = re.compile(r".*\.key|.*private.*\.pem|.*privkey.*\.pem", re.IGNORECASE)
_CERTIFICATE = re.compile(r".*\.(?:crt|pem|cert)", re.IGNORECASE)
_AUTHORITY = re.compile(r"root.?ca|\bca\.(?:pem|crt)", re.IGNORECASE)
# In YAML and JSON; a line of config.tlog has the name in a list, and the value as "V".
_THING = re.compile(
    r"thing(?:Name|Arn)[\"']?[ \t]*:[ \t]*[\"']?[^\s\"',}]"
    r"|\"thingName\"\][^\n]{0,200}?\"V\":\"[^\"]"
    r"|secretResponse[\"']?[ \t]*:[ \t]*[\"'][^\"']"
)
_NAMED = re.compile(
    r"(?:privateKeyPath|certificateFilePath|claimCertificatePath|claimCertificatePrivateKeyPath|keyPath|certPath)"
    r"(?:[\"']?[ \t]*:[ \t]*[\"']?|\"\][^\n]{0,200}?\"V\":\")(?:file://)?(?P<path>/[^\s\"',}]+)"
)
_ECS_STATE = re.compile(r".*\.(?:db|json)")
_ECS_DATA = "/var/lib/ecs/data"
_KUBELET_KEYS = ("/var/lib/kubelet/pki", "/etc/kubernetes/pki")
_KUBECONFIGS = (
    "/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf", "/etc/kubernetes/admin.conf",
    "/var/lib/kubelet/kubeconfig", "/var/lib/kubelet/bootstrap-kubeconfig",
)  # fmt: skip
_KUBECONFIG_SECRET = re.compile(r"^[ \t]*(?:-[ \t]*)?(?:token|client-key-data|password)[ \t]*:[ \t]*\S", re.MULTILINE)
# Of IAM Roles Anywhere, as nodeadm has them.
_ROLES_ANYWHERE, _ROLES_ANYWHERE_CONFIG = "/etc/iam/pki", "/etc/aws/hybrid/config"


def greengrass(scan: Scan) -> None:
    """Note keys, certificates and configuration of Greengrass devices: version 2, its lite runtime, and version 1."""
    roots = [*_GREENGRASS, *_loaders(scan)]
    for root in dict.fromkeys(roots):
        for path in (f"{root}{name}" for name in _GREENGRASS_FILES):
            scan.attempt(_greengrass_config, scan, path)
        for directory in (f"{root}{name}" for name in _GREENGRASS_KEYS):
            _greengrass_keys(scan, directory)
    for path in (*_LITE_FILES, *(f"{_LITE_CONFIGS}/{name}" for name in scan.listed(_LITE_CONFIGS))):
        scan.attempt(_greengrass_config, scan, path)
    for directory in _LITE_KEYS:
        _greengrass_keys(scan, directory)


def _loaders(scan: Scan) -> Iterator[str]:
    """Yield the root directories that units start Greengrass in."""
    for directory in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"):
        for unit in SERVICES:
            if unit.startswith("greengrass") and scan.exists(f"{directory}/{unit}"):
                file = scan.read(f"{directory}/{unit}")
                yield from (match["root"] for match in _LOADER.finditer(decoded(file.data) if file else ""))


def _greengrass_config(scan: Scan, inside: str) -> None:
    file = scan.read(inside)
    if file is None or not file.status.st_size:
        return
    text = decoded(file.data)
    # A database has the name in a form of its own.
    if _THING.search(text) or not text:
        scan.note_new("greengrass-config", file)
    for match in _NAMED.finditer(text):
        scan.attempt(_greengrass_key, scan, match["path"])


def _greengrass_key(scan: Scan, inside: str) -> None:
    file = scan.read(inside)
    if file is not None and file.status.st_size:
        _note_greengrass(scan, file)


def _greengrass_keys(scan: Scan, directory: str) -> None:
    for file in scan.files(directory, 1):
        name = os.path.basename(file.path)
        if not file.status.st_size or _AUTHORITY.search(name):
            continue
        if _KEY.fullmatch(name) or _CERTIFICATE.fullmatch(name):
            _note_greengrass(scan, file)


def _note_greengrass(scan: Scan, file: File) -> None:
    is_key = _KEY.fullmatch(os.path.basename(file.path)) or b"PRIVATE KEY" in file.data
    scan.note_new("greengrass-key" if is_key else "greengrass-certificate", file)


def ecs(scan: Scan) -> None:
    """Note the state of the ECS agent. Its configuration is searched with the environment of its service."""
    for file in scan.files(_ECS_DATA, 1):
        if _ECS_STATE.fullmatch(os.path.basename(file.path)) and file.status.st_size:
            scan.note_new("ecs-state", file)


def kubernetes(scan: Scan) -> None:
    """Note keys and tokens of a Kubernetes node, and those of IAM Roles Anywhere."""
    for directory in _KUBELET_KEYS:
        for file in scan.files(directory, 1):
            name = os.path.basename(file.path)
            if _KEY.fullmatch(name) or (name.startswith("kubelet") and _CERTIFICATE.fullmatch(name)):
                scan.note_new("kubelet-key", file)
    for path in _KUBECONFIGS:
        scan.attempt(_kubeconfig, scan, path)
    scan.attempt(named_file, scan, _ROLES_ANYWHERE_CONFIG)
    for file in scan.files(_ROLES_ANYWHERE, 1):
        if file.status.st_size:
            scan.note_new("secret-file", file)


def _kubeconfig(scan: Scan, inside: str) -> None:
    file = scan.read(inside)
    if file is None:
        return
    text = decoded(file.data)
    if _KUBECONFIG_SECRET.search(text):
        scan.note_new("kubelet-key", file)
    for path in secret_paths(text):
        scan.attempt(named_file, scan, path, True)
