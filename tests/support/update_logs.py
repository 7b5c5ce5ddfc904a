"""Lines of the agent's log of updates: each form of the two messages of a region that is behind."""

from __future__ import annotations

from agent_machines import line

WANTED, INSTALLED = "3.3.5828.0", "3.3.4851.0"
# Each form in which agents of 2016 to 2026 log the two messages: kind, version of before, wanted version.
REASONS = {
    "amazon-ssm-agent target version 3.3.5828.0 is unsupported on current platform": ("unsupported", "", WANTED),
    "amazon-ssm-agent source version 3.3.4851.0 is unsupported on current platform": ("unsupported", INSTALLED, ""),
    "amazon-ssm-agent current version 3.3.4851.0 is unsupported on current platform": ("unsupported", INSTALLED, ""),
    "agent version 3.3.5828.0 is unsupported on current platform": ("unsupported", "", WANTED),
    "amazon-ssm-agent version 3.3.5828.0 is not supported on current platform": ("unsupported", "", WANTED),
    "Unsupported on current platform": ("unsupported", "", ""),
    f"Updating {INSTALLED} to an older version 3.3.4793.0, please enable allow downgrade to proceed": (
        "downgrade", INSTALLED, "3.3.4793.0"),
    "Updating 3.3.4793.0 to an older version, please enable allow downgrade to proceed": (
        "downgrade", "", "3.3.4793.0"),
    "updating amazon-ssm-agent to an older version, please enable allow downgrade to proceed": ("downgrade", "", ""),
    "updating amazon-ssm-agent to an older version, please turn on allow downgrade to proceed": ("downgrade", "", ""),
}  # fmt: skip


def info(at: str, text: str) -> str:
    return line(at, "INFO", text, "")


def failure(at: str, reason: str, target: str = WANTED) -> str:
    return (
        info(at, reason) + info(at, f"Failed to update amazon-ssm-agent to {target}") + info(at, "No rollback needed")
    )
