"""Checks of the registration and of the node's key."""

from __future__ import annotations

from fingerprint._io.text import masked
from fingerprint._io.times import UNDATED_DAYS, age_in_days
from fingerprint.agent.paths import CONFIG_NAME
from fingerprint.agent.retry_schedule import EC2
from fingerprint.diagnose.checks.replaced_key import UNDATED, replaced_key
from fingerprint.diagnose.checks.vault import unreadable
from fingerprint.diagnose.result import failed, passed, skipped, warned
from fingerprint.errors import VaultError, VaultMissing
from fingerprint.vault import REGISTRATION_KEY, other_records
from fingerprint.vault.records import register_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.diagnose.context import Site
    from fingerprint.diagnose.result import Finding


def registration(site: Site) -> Finding:
    """Check that this host has one complete registration."""
    try:
        record = site.registration
    except VaultMissing as error:
        known = _elsewhere(site)
        if known is not None:
            return failed(f"not registered here: {known.what}", remedy=known.remedy, tag="not-registered")
        if site.identity_type == EC2:
            return skipped("this EC2 instance has no hybrid registration", f"source: {site.paths.identity}")
        return failed(
            "this host is not registered", error.where, remedy="Register it with an activation",
            command=register_command(), tag="not-registered",
        )  # fmt: skip
    except VaultError as error:
        return unreadable(error)
    missing = [
        name for name, value in (
            ("node ID", record.instance_id), ("region", record.region), ("private key", record.private_key)
        ) if not value
    ]  # fmt: skip
    if len(missing) == 3:
        return failed(
            "the registration was cleared", remedy="Register it with an activation", command=register_command(),
            tag="not-registered",
        )  # fmt: skip
    if missing:
        return failed(
            f"the registration is incomplete: missing {', '.join(missing)}",
            "a failed attempt to register leaves this",
            remedy="Register it again with an activation", command=register_command(provider=record.provider),
            tag="not-registered",
        )  # fmt: skip
    node = record.instance_id if site.reveal else masked(record.instance_id)
    shown = f"registered as {node} in {record.region}"
    two = other_records.shadowed(site.vault)
    if two is not None:
        return warned(f"{shown}; {two.what}", "nothing new is written until you resolve this", remedy=two.remedy)
    return _registration_file(site, shown, record.instance_id, record.region)


def _elsewhere(site: Site) -> other_records.Elsewhere | None:
    try:
        return other_records.lost(site.vault, REGISTRATION_KEY) or other_records.other(site.vault)
    except VaultError:
        # The check of the vault reports it.
        return None


def _registration_file(site: Site, shown: str, node: str, region: str) -> Finding:
    from fingerprint._core import JsonError, loads

    path = site.paths.registration
    try:
        file = loads(site.machine.read_file(path))
    except FileNotFoundError:
        return passed(shown, f"{path} is missing; other programs read the node ID from it")
    except OSError as error:
        return passed(shown, f"{path}: {error.strerror}")
    except JsonError:
        file = None
    if not isinstance(file, dict) or (file.get("ManagedInstanceID"), file.get("Region")) != (node, region):
        return warned(
            f"{shown}, but {path} names another node", "other programs read the node ID from it",
            remedy="Find the right one in the console of the service; if it is not this registration, register again",
        )  # fmt: skip
    return passed(shown)


def key(site: Site) -> Finding:
    """Check that the running agent has the node's current key, and that the key is rotated in time."""
    try:
        if not site.registered:
            return skipped("there is no registration")
    except VaultError as error:
        return unreadable(error)
    replaced = replaced_key(site)
    if replaced is not None:
        return replaced
    created = site.registration.private_key_created_date
    age = age_in_days(created, site.machine.now())
    every = site.setting("Profile", "KeyAutoRotateDays")
    rotation = (
        f"rotated every {every} days"
        if isinstance(every, int) and every > 0
        else "rotated when the service requests it"
    )
    if age is None:
        return warned(f"unreadable date of the key: {created!r}", "the agent never rotates such a key by age",
                      remedy="Register again, if you need rotation by age", tag=UNDATED)  # fmt: skip
    if age >= UNDATED_DAYS and not created:
        return warned("the key has no date, as in registrations before 2021", rotation,
                      remedy=f"Set Profile.KeyAutoRotateDays in {CONFIG_NAME} to rotate it",
                      tag=UNDATED)  # fmt: skip
    if isinstance(every, int) and 0 < every < age:
        return warned(f"the key is {age} days old and was due for rotation after {every}", rotation,
                      remedy="The agent rotates it with its next token: see `waiting`")  # fmt: skip
    return passed(f"the key is {age} days old, {rotation}")
