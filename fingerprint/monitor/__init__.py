"""Warning before it hurts: one look at a machine and its vault, as monitoring needs it. Reads only."""

from __future__ import annotations

from fingerprint.monitor.status import CONDITIONS, Look, look

__all__ = ["CONDITIONS", "Look", "look"]
