"""Monitoring: checks of a host that warn before the agent rejects it. Nothing is written but metrics."""

from __future__ import annotations

from fingerprint.monitor.status import CONDITIONS, CheckResult, check_host

__all__ = ["CONDITIONS", "CheckResult", "check_host"]
