"""Registrations with a provider at the local service, also interrupted ones."""

from __future__ import annotations

from typing import Any

import pytest

from event_machines import before_and_after
from fingerprint import Vault
from fingerprint.errors import Unreachable
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.registration import Registration
from fingerprint.testing import LocalService
from fingerprint.types import RegistrationRecord

MACHINE, _ = before_and_after("agent-restart")
REGION = "eu-west-1"
REGISTER = "RegisterManagedInstance"


def flow(vault: Vault, service: LocalService, machine: RecordedMachine | None = None) -> Registration:
    return Registration(vault, machine or RecordedMachine(MACHINE), policy="strict", endpoint=service.endpoint)


def register(vault: Vault, service: LocalService, **options: Any) -> RegistrationRecord:
    machine = options.pop("machine", None)
    made = service.activation()
    return flow(vault, service, machine).register(made.id, made.code, REGION, **options)


def interrupted(vault: Vault, service: LocalService, provider: str) -> None:
    """Let the service make a node whose answer is lost."""
    made = service.activation()
    service.drop_next(REGISTER, after=True, times=4)
    with pytest.raises(Unreachable):
        flow(vault, service).register(made.id, made.code, REGION, provider=provider)
