"""The answers of `register`, `deregister`, `local-service` and `s3-policy`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from fingerprint.agent.buckets import Bucket
    from fingerprint.types import RegistrationRecord
    from fingerprint.vault import Vault


def register_answer(vault: str, record: RegistrationRecord, *, dry_run: bool) -> dict[str, Any]:
    """Return the registration of a machine in a vault, by its path; a dry run registers nothing."""
    return {
        "vault": vault, "instanceId": record.instance_id, "region": record.region,
        "provider": record.provider, "registered": not dry_run, "dryRun": dry_run,
    }  # fmt: skip


def deregister_answer(vault: Vault, node: str, *, dry_run: bool) -> dict[str, Any]:
    """Return the node whose registration was forgotten, or would be; "" for one without an id."""
    return {"vault": vault.path, "instanceId": node, "dryRun": dry_run, "history": vault.history.path}


def local_service_answer(endpoint: str, activation_id: str, activation_code: str) -> dict[str, Any]:
    """Return the URL of a local service, and its activation."""
    return {"endpoint": endpoint, "activationId": activation_id, "activationCode": activation_code}


def s3_policy_answer(
    region: str,
    system: str | None,
    policy: Mapping[str, Any],
    buckets: Iterable[Bucket],
    *,
    note: str,
    comments: str | None,
    reached: Iterable[tuple[str, bool, str]] | None,
) -> dict[str, Any]:
    """Return the policy for the buckets of a region.

    Args:
        region: the region.
        system: the operating system of the agents; None for all.
        policy: the policy, as IAM takes it.
        buckets: the buckets in it.
        note: what to know about the region, "" for nothing.
        comments: the file of the comments that was written; None without one.
        reached: name of each bucket, whether it answers, and what it answered; None if none was asked.
    """
    return {
        "region": region,
        "os": system,
        "policy": policy,
        "buckets": [
            {"name": b.name, "purpose": b.purpose, "systems": list(b.systems), "older": b.older, "listed": b.listed}
            for b in buckets
        ],
        "note": note or None,
        "comments": comments,
        "reached": None if reached is None else [
            {"name": name, "reached": answers, "text": text} for name, answers, text in reached
        ],
    }  # fmt: skip
