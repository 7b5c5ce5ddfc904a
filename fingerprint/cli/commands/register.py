"""`fingerprint register` and `deregister`."""

from __future__ import annotations

import os
import sys

from fingerprint.agent.providers import provider_named
from fingerprint.answers.registration import deregister_answer, register_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import print_json, warn, write
from fingerprint.errors import EXIT_OK, InputError, Refused, UsageError, VaultCorrupt, VaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.types import RegistrationRecord
    from fingerprint.vault import Vault

ID_VARIABLE = "FINGERPRINT_ACTIVATION_ID"
CODE_VARIABLE = "FINGERPRINT_ACTIVATION_CODE"
_LIMIT = 4096
# As long as the agent waits.
_METADATA_SECONDS = 2.0


def run(arguments: Arguments) -> int:
    return {"register": _register, "deregister": _deregister}[arguments.command.path](arguments)


def _register(arguments: Arguments) -> int:
    from fingerprint.cli.extras import require_extra

    require_extra("aws")
    from fingerprint.registration.flow import Registration

    vault = vault_of(arguments)
    flow = Registration(
        vault,
        machine_of(arguments),
        policy="strict",
        endpoint=arguments.endpoint,
        proxy=arguments.proxy,
        timeout=arguments.timeout,
    )
    if arguments.node == "":
        # Without a node it would be another registration.
        raise UsageError("--node is empty", remedy="Name the node that the service lists, or leave --node out")
    if arguments.node and arguments.dry_run:
        raise UsageError("--node and --dry-run are mutually exclusive", remedy="Name one of them")
    provider = provider_named(arguments.provider) if arguments.provider else ""
    finished = record = flow.finish(arguments.node or "", dry_run=arguments.dry_run)
    if record is None:
        activation_id = arguments.activation_id or os.environ.get(ID_VARIABLE, "")
        code = _code(arguments.code_file)
        if not arguments.region:
            raise UsageError("--region is required", remedy="Name the region, such as --region eu-west-1")
        if provider:
            _require_metadata(arguments, provider)
        try:
            record = flow.register(
                activation_id, code, arguments.region, again=arguments.again, threshold=arguments.threshold,
                provider=provider, dry_run=arguments.dry_run,
            )  # fmt: skip
        except KeyboardInterrupt:
            _warn_of_pending(vault)
            raise
    if provider and record.provider != provider:
        warn(
            f"the registration of {record.instance_id} was asked for with "
            f"{f'provider {record.provider}' if record.provider else 'no provider'}, and keeps that. For another one "
            "register again: add --again"
        )
    if arguments.output == "json":
        print_json("register", register_answer(vault.path, record, dry_run=arguments.dry_run))
    elif arguments.dry_run and record.instance_id:
        write(f"Would finish the registration that was interrupted: {record.instance_id}, stored in {vault.path}.")
    elif arguments.dry_run:
        place = f"{record.region}{_with(record)}"
        write(f"Would register this host in {place} and store the registration in {vault.path}.")
    else:
        if finished:
            write("Finished the registration that was interrupted; no activation was used.")
        write(f"Registered as {record.instance_id} in {record.region}{_with(record)}; stored in {vault.path}.")
        write("Try it: fingerprint credentials process | head -c 60")
    return EXIT_OK


def _with(record: RegistrationRecord) -> str:
    return f" with provider {record.provider}" if record.provider else ""


def _require_metadata(arguments: Arguments, provider: str) -> None:
    """Raise Refused unless the metadata service of a provider answers: without it the agent reports no health.

    The agent refuses such a registration, too.
    """
    from fingerprint.diagnose.metadata_service import why_silent, wrong_setting
    from fingerprint.diagnose.network import Network

    if arguments.snapshot or arguments.root != "/":
        warn(f"whether the metadata service of {provider} answers cannot be asked from another machine")
        return
    reason = why_silent(Network(seconds=_METADATA_SECONDS), provider)
    if reason:
        wrong = wrong_setting(provider)
        way = f"Correct {wrong}" if wrong else (
            "Name the provider that this host is in, let it reach that service without a proxy"
        )  # fmt: skip
        raise Refused(
            f"provider {provider}: {reason}",
            remedy="Nothing was sent, and no option confirms it: a node with a provider is offline while its "
            f"metadata service does not answer. {way}, or leave --provider out",
        )


def _warn_of_pending(vault: Vault) -> None:
    from fingerprint.registration.activation import MAY_EXIST
    from fingerprint.vault.pending_registration import pending

    try:
        if pending(vault):
            warn(MAY_EXIST)
    except VaultError:
        # `vault verify` reports it.
        return


def _code(path: str | None) -> str:
    """Return the activation code out of a file, standard input or the environment; never of an argument."""
    if path is None:
        return os.environ.get(CODE_VARIABLE, "").strip()
    try:
        if path == "-":
            return sys.stdin.readline(_LIMIT).strip()
        with open(path, encoding="utf-8") as file:
            return file.read(_LIMIT).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"the activation code could not be read ({getattr(error, 'strerror', None) or 'it is not text'})",
            where=path, remedy="Nothing was sent",
        ) from None  # fmt: skip


def _deregister(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    if not arguments.dry_run and not arguments.yes:
        raise Refused(
            "this forgets the registration: the machine must then be registered again", where=vault.path,
            remedy="See what it would do with --dry-run; do it with --yes. What is forgotten stays in the history",
        )  # fmt: skip
    try:
        node = vault.read_registration().instance_id
    except VaultCorrupt:
        # A damaged one without a copy can only be forgotten; its bytes stay in the history.
        node, shown = "", "(unreadable)"
    else:
        shown = node or "(none)"
    if not arguments.dry_run:
        from fingerprint.credentials.cache import cache_of
        from fingerprint.registration.metadata_file import forget_registration

        forget_registration(vault)
        cache_of(vault).forget()
    if arguments.output == "json":
        print_json("deregister", deregister_answer(vault, node, dry_run=arguments.dry_run))
    else:
        verb = "Would forget" if arguments.dry_run else "Forgot"
        write(f"{verb} the registration {shown} of {vault.path}.")
        write(f"It stays in {vault.history.path}. The service still lists the node: remove it there, too.")
    return EXIT_OK
