"""Find which source of AWS credentials wins on this host, for SDKs and for the agent. No secret leaves a file.

For SDKs botocore's own resolver is asked, in a process of its own and without network. Without botocore their order is
unknown. The agent has an order of its own: `agent_order`.
"""

from __future__ import annotations

import os
import sys
from time import time

from fingerprint._io.text import printable
from fingerprint.agent.identity_config import parse_agent_credentials
from fingerprint.agent.paths import SDK_CREDENTIALS, paths_of
from fingerprint.credentials.agent_order import agent_order_of
from fingerprint.credentials.disk import Disk, open_keys
from fingerprint.credentials.profile_dialects import config_file, credentials_file
from fingerprint.credentials.source_values import SHARED_FILE, Finding, Order
from fingerprint.machine.live import LiveMachine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from fingerprint.agent.identity_config import AgentCredentials
    from fingerprint.machine.base import Machine

# The kind of the finding that `diagnose` has in its check `credentials`.
AGENT_KEYS_EXPIRED = "agent-keys-expired"
WITHOUT_BOTOCORE = "which source SDKs use is unknown without botocore"


def credential_order(
    user: str,
    home: str,
    environ: Mapping[str, str] | None,
    *,
    root: str = "/",
    machine: Machine | None = None,
    is_user: bool | None = None,
    run: bool = False,
    credentials: AgentCredentials | None = None,
    now: float | None = None,
) -> Order:
    """Return the sources of an SDK of a user; without botocore an undecided order without sources.

    Args:
        user: the name, for the answer.
        home: the home directory on the machine.
        environ: the environment; None if it is unknown, as for another user or a copied disk.
        root: root directory of a copied disk.
        machine: the machine with that root; None to make one.
        is_user: whether this process has the rights of the user, or more; None to take that from `environ`, which is
            that of the user, and from our own rights.
        run: run the credential_process, if an SDK would.
        credentials: what the agent wrote of its last credentials; None if nothing can be read.
        now: seconds since 1970-01-01 UTC; None for the present.
    """
    from importlib.util import find_spec

    machine = machine or LiveMachine(root)
    disk = Disk(machine)
    known = environ or {}
    if is_user is None:
        is_user = environ is not None or sys.platform == "win32" or os.geteuid() == 0
    paths = [credentials_file(home, known), config_file(home, known)]
    if find_spec("botocore") is None:
        order = Order(user, "", (), "", WITHOUT_BOTOCORE, "", ())
    else:
        from fingerprint.credentials.botocore_order import Unanswered, sdk_order

        try:
            order = sdk_order(user, home, environ, disk, root=root, is_user=is_user, run=run)
        except Unanswered as why:
            order = Order(user, "", (), "", f"which source SDKs use is unknown: {why}", "", ())
    findings = list(order.findings)
    if not order.reader:
        findings += [one for path in paths for one in open_keys(disk, path)]
    if not machine.copied:
        # The clock of a copied disk is unknown.
        findings += _expired(order, credentials, now)
    return Order(
        order.user, order.reader, order.sources, order.winner, order.undecided, order.stopped_by, tuple(findings)
    )  # fmt: skip


def agent_order(
    credentials: AgentCredentials | None, *, registered: bool | None, root: str = "/", platform: str = sys.platform,
    machine: Machine | None = None,
) -> Order:  # fmt: skip
    """Return the sources of the agent.

    Args:
        credentials: what the agent wrote of its last credentials; None if nothing can be read.
        registered: whether the vault has a complete registration; None if that is unknown.
        root: root directory of a copied disk.
        platform: the machine's `sys.platform`.
        machine: the machine with that root; None to make one.
    """
    paths = paths_of(platform)
    shared = paths.shared_credentials if paths.home else os.path.join(os.path.expanduser("~"), *SDK_CREDENTIALS)
    return agent_order_of(
        Disk(machine or LiveMachine(root)), "root" if paths.home else "SYSTEM", platform, shared, registered,
        credentials, time(),
    )  # fmt: skip


def agent_credentials(root: str = "/", platform: str = sys.platform) -> AgentCredentials | None:
    """Return what the agent wrote about its last credentials; None if that is missing or unreadable."""
    try:
        return parse_agent_credentials(Disk(LiveMachine(root)).read(paths_of(platform).identity))
    except OSError:
        return None


def uses_shared(order: Order, credentials: AgentCredentials | None) -> bool | None:
    """Return whether an SDK takes the credentials that the agent shares; None if that is unknown."""
    if order.undecided or credentials is None or not credentials.file:
        return None
    where = f"{printable(credentials.file)}, profile {printable(credentials.profile)}"
    return any(one.name == SHARED_FILE == order.winner and one.where == where for one in order.sources)


def _expired(order: Order, credentials: AgentCredentials | None, now: float | None) -> list[Finding]:
    """Return the finding that the winner is the agent's shared profile with expired keys, if so."""
    if credentials is None or not uses_shared(order, credentials):
        return []
    if not credentials.expired(time() if now is None else now):
        return []
    what = f"the keys of profile {printable(credentials.profile)} expired at {printable(credentials.expires_at)}"
    remedy = "Run `fingerprint diagnose`, which finds why the agent does not renew them"
    return [Finding(AGENT_KEYS_EXPIRED, what, printable(credentials.file), remedy)]
