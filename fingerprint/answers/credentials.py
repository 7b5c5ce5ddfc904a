"""The answers of `credentials update`, `serve` and `sources`."""

from __future__ import annotations

from fingerprint._io.times import utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.credentials.source_values import Order


def credentials_update_answer(path: str, profile: str, expires_at: float, warnings: Sequence[str]) -> dict[str, Any]:
    """Return the profile that was written.

    Args:
        path: the file.
        profile: the name of the profile.
        expires_at: when its credentials expire, seconds since 1970-01-01 UTC.
        warnings: what to know about the file.
    """
    return {"file": path, "profile": profile, "expiresAt": utc(expires_at), "warnings": list(warnings)}


def credentials_serve_answer(*, endpoint: str = "", socket: str = "") -> dict[str, Any]:
    """Return where credentials are served: the URL of an endpoint, or the path of a Unix socket."""
    return {"socket": socket} if socket else {"endpoint": endpoint}


def credentials_sources_answer(
    orders: Iterable[Order], own: Order, registration: str, agent: AgentCredentials | None, now: float
) -> dict[str, Any]:
    """Return which source of credentials wins.

    Args:
        orders: the sources of SDKs, for each user.
        own: the sources of the agent.
        registration: "registered", "not-registered" or "unreadable".
        agent: what the agent wrote of its last credentials; None if nothing can be read.
        now: seconds since 1970-01-01 UTC.
    """
    return {
        "users": [_order(order) for order in orders], "registration": registration, "agentOrder": _order(own),
        "agent": None if agent is None else {
            "file": agent.file, "profile": agent.profile, "retrievedAt": agent.retrieved_at,
            "expiresAt": agent.expires_at, "expired": agent.expired(now),
        },
    }  # fmt: skip


def _order(order: Order) -> dict[str, Any]:
    return {
        "user": order.user, "reader": order.reader or None, "winner": order.winner or None,
        "undecided": order.undecided or None, "stoppedBy": order.stopped_by or None,
        "sources": [
            {"name": source.name, "where": source.where, "state": str(source.state), "reason": source.reason,
             "shadowedBy": source.shadowed_by or None}
            for source in order.sources
        ],
        "findings": [
            {"kind": one.kind, "what": one.what, "where": one.where, "remedy": one.remedy} for one in order.findings
        ],
    }  # fmt: skip
