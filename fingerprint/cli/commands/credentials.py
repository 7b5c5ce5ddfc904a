"""`fingerprint credentials process` and `update`: role credentials for AWS SDKs."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint._io.times import utc
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import flush, log_handler, print_json, warn, write, write_json
from fingerprint.credentials.cache import cache_of
from fingerprint.errors import EXIT_OK, FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.cli.parser import Arguments
    from fingerprint.credentials.cache import CredentialCache
    from fingerprint.registration.role_token import RoleCredentials

# Of the contract between AWS SDKs and such a process.
_VERSION = 1


def run(arguments: Arguments) -> int:
    return {"credentials process": _process, "credentials update": _update}[arguments.command.path](arguments)


def _process(arguments: Arguments) -> int:
    cache = _cache(arguments)
    credentials = cache.fresh() or _asked_quietly(cache)
    answer = {
        "Version": _VERSION, "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret_access_key, "SessionToken": credentials.session_token,
        "Expiration": utc(credentials.expires_at),
    }  # fmt: skip
    write_json(answer)
    return EXIT_OK


def _asked_quietly(cache: CredentialCache) -> RoleCredentials:
    """Ask without warnings: SDKs show everything on standard error as the reason of a failure."""
    from logging import CRITICAL, getLogger

    from fingerprint.cli.extras import require_extra

    require_extra("aws")
    getLogger("fingerprint").setLevel(CRITICAL)
    return cache.get()


def _cache(arguments: Arguments) -> CredentialCache:
    return cache_of(
        vault_of(arguments), machine_of(arguments), policy=arguments.policy, endpoint=arguments.endpoint,
        proxy=arguments.proxy, rotate_after_days=arguments.rotate_after, timeout=arguments.timeout,
    )  # fmt: skip


def _update(arguments: Arguments) -> int:
    from fingerprint.answers.credentials import credentials_update_answer
    from fingerprint.cli.extras import require_extra
    from fingerprint.credentials.profile_file import default_path, update

    require_extra("aws")
    cache = _cache(arguments)
    path = arguments.file or default_path()

    def write_profile(credentials: RoleCredentials) -> None:
        warnings = update(path, arguments.profile, credentials)
        if arguments.output == "json":
            answer = credentials_update_answer(path, arguments.profile, credentials.expires_at, warnings)
            print_json("credentials update", answer)
        else:
            write(f"Wrote the profile {arguments.profile} in {path}; it expires at {utc(credentials.expires_at)}.")
            for warning in warnings:
                warn(f"{printable(path)}: {warning}")
        flush()

    if arguments.keep:
        return _keep(cache, write_profile, vault_of(arguments).path)
    write_profile(cache.get())
    return EXIT_OK


def _keep(cache: CredentialCache, use: Callable[[RoleCredentials], None], vault: str) -> int:
    """Refresh until SIGTERM or Ctrl-C, and log to standard error."""
    import logging
    from random import SystemRandom
    from time import time

    from fingerprint.agent.client_settings import settings_for
    from fingerprint.credentials.refresher import Refresher
    from fingerprint.monitor.wake import END, Waker

    try:
        agent = settings_for(vault)
    except FingerprintError:
        # Each request logs what is wrong with the configuration, until it is fixed.
        agent = None
    longest = agent.longest_pause if agent is not None else None
    logging.basicConfig(handlers=[log_handler("%(asctime)s %(levelname)s %(message)s")])
    logging.getLogger("fingerprint").setLevel(logging.INFO)
    # An Event that a handler sets would not do: its lock may be held by the very wait that the signal interrupts.
    with Waker(("SIGTERM",), addresses=False) as waker:
        Refresher(cache, use, lambda seconds: waker.wait(seconds) == END, time, SystemRandom(), longest).run()
    return EXIT_OK
