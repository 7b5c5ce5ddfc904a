"""The state of each recorded agent by time: recorded_states.txt beside this file."""

from __future__ import annotations

from pathlib import Path

from agent_runs import Row

# State of the table -> state that is concluded.
STATES = {
    "unknown": "cannot-tell", "starting": "cannot-tell", "healthy": "healthy", "waiting": "failing",
    "hibernating": "failing", "worker": "failing", "stopped": "stopped", "not-started": "not-started",
}  # fmt: skip
# Cause of the table -> what the cause that is shown must say.
CAUSES = {
    "": "", "disk": "found on the disk", "denied": "AccessDenied|rejects the node", "differs": "differs from its",
    "mismatch": "new fingerprint|first fingerprint", "clock": "clock", "network": "RequestError|connect|network",
    "unreadable": "invalid characters", "identity": "failed to get identity", "pings": "health (pings fail|reports)",
    "worker": "worker", "crash": "crash",
}  # fmt: skip


def recorded() -> dict[str, list[Row]]:
    """Return the rows (time, state, cause) of each recorded log."""
    rows: dict[str, list[Row]] = {}
    for one in Path(__file__).with_suffix(".txt").read_text().splitlines():
        if not one.startswith("#"):
            name, at, state, *cause = one.split(" ")
            rows.setdefault(name, []).append((at, state, "".join(cause)))
    return rows
