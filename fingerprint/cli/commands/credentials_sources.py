"""`fingerprint credentials sources`: which source of AWS credentials wins on this host."""

from __future__ import annotations

import os
import sys
from time import time

from fingerprint.agent.paths import paths_of
from fingerprint.answers.credentials import credentials_sources_answer
from fingerprint.cli.context import vault_of
from fingerprint.cli.output import colored, folded, print_json, write
from fingerprint.credentials.sources import Order, State, agent_credentials, credential_order
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError, VaultError, VaultMissing
from fingerprint.vault.locations import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.cli.parser import Arguments

_WORDS_WIDTH = 76


def run(arguments: Arguments) -> int:
    if arguments.snapshot is not None:
        raise UsageError(
            "a recording holds no credential files",
            remedy="Run it on the machine itself, or on a copied disk (--root)",
        )
    orders = _orders(arguments.root)
    registered = _registered(arguments)
    agent = agent_credentials(arguments.root)
    now = time()
    if arguments.output == "json":
        print_json("credentials sources", credentials_sources_answer(orders, registered, agent, now))
    else:
        for order in orders:
            _show(order, arguments)
        _show_agent(registered, agent, now)
    if any(order.findings for order in orders) or (agent is not None and agent.expired(now)):
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if any(order.undecided for order in orders) else EXIT_OK


def _orders(root: str) -> list[Order]:
    """Return the order for whoever asks, and for root; of a copied disk for root only."""
    if root != "/":
        return [credential_order("root", paths_of("linux").home, None, root=root)]
    environ: Mapping[str, str] | None = os.environ if is_own(os.environ) else None
    if sys.platform == "win32":
        return [credential_order(os.environ.get("USERNAME", "you"), os.path.expanduser("~"), environ)]
    import pwd

    own, admin = pwd.getpwuid(os.geteuid()), pwd.getpwuid(0)
    home = (environ["HOME"] if environ and environ.get("HOME") else "") or own.pw_dir
    orders = [credential_order(own.pw_name, home, environ)]
    if own.pw_uid != admin.pw_uid:
        orders.append(credential_order(admin.pw_name, admin.pw_dir, None))
    return orders


def _registered(arguments: Arguments) -> str:
    """Return "registered", "not-registered" or "unreadable"."""
    try:
        return "registered" if vault_of(arguments).read_registration().registered else "not-registered"
    except VaultMissing:
        return "not-registered"
    except VaultError:
        return "unreadable"


def _show(order: Order, arguments: Arguments) -> None:
    unless = ", unless the environment of its processes has keys" if _is_environment_unknown(order) else ""
    if order.winner:
        head, color = f"For {order.user}: {order.winner} wins{unless}.", "good"
    elif order.undecided:
        head, color = f"For {order.user} it is not known which wins: {order.undecided}.", "doubt"
    else:
        head, color = f"For {order.user} there are no credentials{unless}.", "doubt"
    for line in folded(head, _WORDS_WIDTH):
        write(colored(line, color, arguments))
    for source in order.sources:
        mark = "->" if source.name == order.winner else "  "
        state = f"{source.state}, shadowed" if source.shadowed_by else str(source.state)
        write(f"  {mark} {source.name:24} {state}")
        for line in folded(f"{source.reason}: {source.where}" if source.reason else source.where, _WORDS_WIDTH - 5):
            write(f"       {line}")
    write()
    for finding in order.findings:
        for line in folded(f"{finding.where}: {finding.what}. {finding.remedy}", _WORDS_WIDTH):
            write(f"  {line}")
    if order.findings:
        write()


def _is_environment_unknown(order: Order) -> bool:
    return order.sources[0].state is State.NOT_CHECKED


def _show_agent(registered: str, agent: AgentCredentials | None, now: float) -> None:
    words = {
        "registered": "The agent of this node asks with its registration, whatever the environment says, and shares "
        "what it gets in a profile of the shared credentials file.",
        "not-registered": "This host has no registration: the agent takes the order above.",
        "unreadable": "The registration could not be read: whether the agent has one of its own is not known.",
    }[registered]
    if agent is not None and agent.expires_at:
        words += (
            f" It last got credentials at {agent.retrieved_at}, in {agent.file or 'no file'}, profile {agent.profile}; "
            f"they {'EXPIRED' if agent.expired(now) else 'expire'} at {agent.expires_at}."
        )
    for line in folded(words, _WORDS_WIDTH):
        write(line)
