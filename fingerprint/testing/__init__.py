"""What others need to test with this package: a local service, for tests and for trying things out."""

from __future__ import annotations

from fingerprint.service.local import Activation, LocalService

__all__ = ["Activation", "LocalService"]
