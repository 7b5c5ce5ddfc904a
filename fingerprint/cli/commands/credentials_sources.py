"""`fingerprint credentials sources`: which source of AWS credentials wins on this host."""

from __future__ import annotations

import os
import sys
from time import time

from fingerprint.agent.paths import paths_of
from fingerprint.answers.credentials import credentials_sources_answer
from fingerprint.cli.context import vault_of
from fingerprint.cli.extras import install_remedy
from fingerprint.cli.output import colored, folded, print_json, write
from fingerprint.credentials.source_values import ENVIRONMENT, Finding, Order, State
from fingerprint.credentials.sources import (
    WITHOUT_BOTOCORE,
    agent_credentials,
    agent_order,
    credential_order,
    uses_shared,
)
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError, VaultError, VaultMissing
from fingerprint.vault.locations import is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.cli.parser import Arguments

_WORDS_WIDTH = 76
_REGISTERED = {"registered": True, "not-registered": False, "unreadable": None}


def run(arguments: Arguments) -> int:
    if arguments.snapshot is not None:
        raise UsageError(
            "a recording holds no credential files",
            remedy="Run it on the machine itself, or on a copied disk (--root)",
        )
    if arguments.run_process and arguments.root != "/":
        raise UsageError(
            "--run-process and --root are mutually exclusive: programs of a copied disk are not run",
            remedy="Omit one of them",
        )
    agent = agent_credentials(arguments.root)
    orders = _orders(arguments, agent)
    registered = _registered(arguments)
    own = agent_order(agent, registered=_REGISTERED[registered], root=arguments.root)
    now = time()
    if arguments.output == "json":
        print_json("credentials sources", credentials_sources_answer(orders, own, registered, agent, now))
    else:
        for order in orders:
            _show(order, arguments)
        _show_agent(own, orders, registered, agent, now)
    if any(order.findings for order in (*orders, own)) or (agent is not None and agent.expired(now)):
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if any(order.undecided for order in orders) else EXIT_OK


def _orders(arguments: Arguments, agent: AgentCredentials | None) -> list[Order]:
    """Return the order of SDKs for whoever asks, and for root; of a copied disk for root only."""
    if arguments.root != "/":
        return [credential_order("root", paths_of("linux").home, None, root=arguments.root, credentials=agent)]
    may_run = bool(arguments.run_process)
    environ: Mapping[str, str] | None = os.environ if is_own(os.environ) else None
    if sys.platform == "win32":
        user, home = os.environ.get("USERNAME", "you"), os.path.expanduser("~")
        return [credential_order(user, home, environ, run=may_run, credentials=agent)]
    import pwd

    own, admin = pwd.getpwuid(os.geteuid()), pwd.getpwuid(0)
    home = (environ["HOME"] if environ and environ.get("HOME") else "") or own.pw_dir
    may_run = may_run and environ is not None
    orders = [credential_order(own.pw_name, home, environ, run=may_run, credentials=agent)]
    if own.pw_uid != admin.pw_uid:
        orders.append(credential_order(admin.pw_name, admin.pw_dir, None, credentials=agent))
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
    head, color = _head(order)
    for line in folded(head, _WORDS_WIDTH):
        write(colored(line, color, arguments))
    _show_sources(order)
    _show_findings(order.findings)
    write()


def _head(order: Order) -> tuple[str, str]:
    """Return the first sentence, and its color."""
    reader = f" ({order.reader})" if order.reader else ""
    unknown = order.sources[:1] and order.sources[0].name == ENVIRONMENT and order.sources[0].state is State.NOT_CHECKED
    unless = ", unless the environment of its processes says otherwise" if unknown else ""
    if order.stopped_by:
        return f"For {order.user} SDKs stop with an error at {order.stopped_by}{unless}{reader}.", "bad"
    if order.winner:
        untried = any(one.name == order.winner and one.reason for one in order.sources)
        return f"For {order.user}: {order.winner} wins{', if it answers' if untried else ''}{unless}{reader}.", "good"
    if order.undecided == WITHOUT_BOTOCORE:
        return f"For {order.user}: {order.undecided}. {install_remedy('aws')}", "doubt"
    if order.undecided:
        return f"For {order.user} it is not known which wins: {order.undecided}{reader}.", "doubt"
    return f"For {order.user} there are no credentials{unless}{reader}.", "doubt"


def _show_sources(order: Order) -> None:
    """Print the sources; those that are not configured in one line."""
    absent = []
    for source in order.sources:
        if source.state is State.ABSENT and not source.reason:
            absent.append(source.name)
            continue
        mark = "->" if source.name == order.winner else "  "
        state = f"{source.state}, shadowed" if source.shadowed_by else str(source.state)
        write(f"  {mark} {source.name:24} {state}")
        # botocore ends its errors with a full stop.
        reason = source.reason.removesuffix(".")
        for line in folded(f"{reason}: {source.where}" if reason else source.where, _WORDS_WIDTH - 5):
            write(f"       {line}")
    if absent:
        for number, line in enumerate(folded(f"absent: {', '.join(absent)}", _WORDS_WIDTH - 7)):
            write(f"     {'  ' if number else ''}{line}")


def _show_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        for number, line in enumerate(folded(f"{finding.where}: {finding.what}. {finding.remedy}", _WORDS_WIDTH - 4)):
            write(f"  {'  ' if number else '! '}{line}")


def _show_agent(
    own: Order, orders: list[Order], registered: str, agent: AgentCredentials | None, now: float
) -> None:  # fmt: skip
    words = {
        "registered": "The agent of this node requests credentials with its registration, whatever the environment "
        "says, and shares them in a profile of the shared credentials file.",
        "not-registered": "This host has no registration: the agent takes the order below.",
        "unreadable": "The registration is unreadable: whether the agent uses it is not known.",
    }[registered]
    if agent is not None and agent.expires_at:
        words += (
            f" It last got credentials at {agent.retrieved_at}, in {agent.file or 'no file'}, profile {agent.profile}; "
            f"they {'EXPIRED' if agent.expired(now) else 'expire'} at {agent.expires_at}."
        )
        root = next((order for order in orders if order.user == own.user), None)
        shared = None if root is None else uses_shared(root, agent)
        if shared is not None:
            words += f" SDKs of {own.user} {'use them' if shared else 'do not use them'}."
    for line in folded(words, _WORDS_WIDTH):
        write(line)
    if registered != "registered":
        _show_sources(own)
    reported = {(one.kind, one.where) for order in orders for one in order.findings}
    _show_findings(one for one in own.findings if (one.kind, one.where) not in reported)
