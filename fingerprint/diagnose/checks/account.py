"""Check where the node is registered: its ID, region and account, and whether it should be elsewhere.

The account is that of the role that the service named in an error of the agent's log, else that of the access key that
the agent shares. --region and --account are required values. Values of the environment, the profile, the agent's
configuration and EC2's metadata service may belong to something else, so they only warn.
"""

from __future__ import annotations

import os
from configparser import Error as IniError
from configparser import RawConfigParser

from fingerprint._core import JsonError, loads
from fingerprint._io.text import masked, printable, quoted
from fingerprint.agent.accounts import account_of_key, is_account
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.agent.retry_schedule import EC2 as EC2_IDENTITY
from fingerprint.credentials.profile_dialects import (
    ACCESS_KEY,
    BOTOCORE,
    DIALECTS,
    Unreadable,
    config_file,
    named_profile,
)
from fingerprint.diagnose.checks.metadata import base_url
from fingerprint.diagnose.http_probe import Unreached
from fingerprint.diagnose.metadata_service import ask_ec2
from fingerprint.diagnose.reachability import network_of, without_network
from fingerprint.diagnose.result import Finding, Outcome, failed, passed, skipped, unknown, warned
from fingerprint.errors import VaultError, VaultMissing
from fingerprint.vault.locations import is_own
from fingerprint.vault.records import EC2, register_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.types import RegistrationRecord

# Tags: registered elsewhere than expected; unknown account.
FOREIGN, WITHOUT_ACCOUNT = "foreign", "without-account"
_DOCUMENT = "/latest/dynamic/instance-identity/document"
_REGION, _ACCOUNT = "region", "account"
_LIMIT = 1024 * 1024


def where(site: Site) -> Finding:
    """Check that the node is registered in the expected region and account."""
    try:
        record = site.registration
    except VaultMissing:
        return _without(site, "there is no registration")
    except VaultError:
        return _without(site, "the registration cannot be read: see `registration`")
    if not record.registered:
        return _without(site, "there is no complete registration: see `registration`")
    account, how = _account_of(site, record)
    node = record.instance_id if site.reveal else masked(record.instance_id)
    is_in = f"{node} in {record.region}, account {account or 'unknown'}"
    there = {_REGION: record.region, _ACCOUNT: account}
    wanted = [(what, value, f"--{what}") for what, value in ((_REGION, site.region), (_ACCOUNT, site.account)) if value]
    hints = _hints(site, record)
    wrong = [f"{by} says {value}" for what, value, by in wanted if there[what] and there[what] != value]
    other = [f"{by}: {quoted(value)}" for what, value, by in hints if there[what] and there[what] != value]
    evidence = [how, *other]
    if wrong:
        region = site.region or record.region
        return failed(
            f"this host is registered elsewhere: {is_in}; {', '.join(wrong)}", *evidence,
            remedy="Register it again with an activation of the right region and account",
            command=register_command(region, again=True, provider=record.provider), tag=FOREIGN,
        )  # fmt: skip
    if other and not wanted:
        return warned(
            f"this host is registered elsewhere than its settings say: {is_in}; {other[0]}", *evidence,
            remedy="If this is intended, confirm it with --region and --account", tag=FOREIGN,
        )  # fmt: skip
    if site.account and not account:
        remedy = site.rights if "denied" in how else "Search for the node in the console of the service"
        return unknown(f"{is_in}: unknown whether it is in {site.account}", *evidence, remedy=remedy)
    if not account:
        return Finding(Outcome.SKIPPED, is_in, tuple(evidence), tag=WITHOUT_ACCOUNT)
    return passed(is_in, *evidence)


def _without(site: Site, why: str) -> Finding:
    """Return that there is no hybrid node: unknown if --account or --region requires one, except on EC2."""
    if (site.account or site.region) and site.identity_type != EC2_IDENTITY:
        return unknown(f"unknown whether the node is in the right region and account: {why}")
    return skipped(why)


def _account_of(site: Site, record: RegistrationRecord) -> tuple[str, str]:
    """Return the account, "" if unknown, and its source or why it is unknown."""
    try:
        role = site.timeline.role
    except OSError:
        role = None
    if role is not None and role.node == record.instance_id:
        return role.account, f"account from the ARN of its role {role.name} in the agent's log"
    if site.recorded:
        return "", "the log names no role of this node, and a recording holds no credentials"
    path = site.paths.identity
    try:
        credentials = parse_agent_credentials(site.machine.read_file(path))
    except OSError as error:
        return "", f"the log names no role of this node, and {path} names no credentials ({error.strerror})"
    if credentials is None or not credentials.file:
        return "", "the log names no role of this node, and the agent shares no credentials"
    if credentials.node != record.instance_id:
        return "", "the agent's last credentials are those of another node than the registration's"
    return _account_of_profile(site, credentials.file, credentials.profile)


def _account_of_profile(site: Site, path: str, profile: str) -> tuple[str, str]:
    shown = printable(path)
    try:
        data = site.machine.unrecorded.read_file(path, _LIMIT)
        key = DIALECTS[BOTOCORE](data.decode("utf-8")).get(profile, {}).get(ACCESS_KEY, "")
    except (OSError, ValueError, Unreadable) as error:
        why = error.strerror if isinstance(error, OSError) else "no SDK can read it"
        return "", f"the log names no role of this node, and {shown} cannot be read ({why or error})"
    account = account_of_key(key)
    if not account:
        return "", f"the log names no role of this node, and the key in {shown} does not contain its account"
    return account, f"account from the ID of the access key that the agent shares in {shown}"


def _hints(site: Site, record: RegistrationRecord) -> list[tuple[str, str, str]]:
    """Return (region or account, value, source) of each setting that may name where the node should be."""
    found = [(_REGION, site.setting("Agent", "Region"), f"Agent.Region of {site.paths.config}")]
    if not site.elsewhere:
        found += _of_shell(site)
        found += _of_instance(site, record)
    return [(what, value, by) for what, value, by in found if isinstance(value, str) and value]


def _of_shell(site: Site) -> list[tuple[str, str, str]]:
    environ = os.environ
    if not is_own(environ):
        # The environment belongs to another user than the effective one.
        return []
    named = [(_REGION, environ.get(name, ""), name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")]
    key = account_of_key(environ.get("AWS_ACCESS_KEY_ID", ""))
    path, (_, section) = os.path.expanduser(config_file("~", environ)), named_profile(environ)
    parser = RawConfigParser(default_section="\0", strict=False, allow_no_value=True)
    try:
        # Does not block on anything but a regular file.
        parser.read_string(site.machine.unrecorded.read_file(path, _LIMIT).decode("utf-8"))
        region = parser.get(section, "region", fallback="") or ""
    except (IniError, OSError, UnicodeDecodeError):
        region = ""
    return [*named, (_REGION, region, f"{path}, {section}"), (_ACCOUNT, key, "AWS_ACCESS_KEY_ID")]


def _of_instance(site: Site, record: RegistrationRecord) -> list[tuple[str, str, str]]:
    """Return the region and account of the EC2 instance, if it is one and the network may be used."""
    if without_network(site) is not None or not (record.provider == EC2 or _is_instance(site)):
        return []
    base = base_url(site)
    if not base:
        return []
    try:
        answer, _, _ = ask_ec2(network_of(site), base, _DOCUMENT)
        document = loads(answer.body) if answer.status == 200 else None
    except (Unreached, JsonError):
        return []
    if not isinstance(document, dict):
        return []
    account, region = document.get("accountId"), document.get("region")
    by = "the EC2 instance itself"
    found = [(_REGION, region, by)] if isinstance(region, str) else []
    return found + ([(_ACCOUNT, account, by)] if isinstance(account, str) and is_account(account) else [])


def _is_instance(site: Site) -> bool:
    try:
        return site.machine.read_file("/sys/class/dmi/id/sys_vendor").strip() == b"Amazon EC2"
    except OSError:
        return False
