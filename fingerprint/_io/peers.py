"""Identify the peer of a local connection, from the kernel."""

from __future__ import annotations

import socket
import struct
import sys

from fingerprint.types import Value

# linux/netlink.h, linux/sock_diag.h and linux/inet_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_ADDRESSES = struct.Struct("!HH16s16s")
_ANY_COOKIE = struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
# Family, state, timer, retransmissions, the socket's addresses, expires, two queues; then uid and inode.
_OWNER = struct.Struct("=4x48x12xII")
_CREDENTIALS = struct.Struct("=3i")


class Peer(Value):
    """The program at the other end.

    Attributes:
        uid: of the user who connected; None if the kernel does not report it.
        pid: of the process that connected; None if the kernel does not report it, as over TCP.
    """

    uid: int | None = None
    pid: int | None = None

    def __str__(self) -> str:
        uid = "uid ?" if self.uid is None else f"uid {self.uid}"
        return uid if self.pid is None else f"{uid} pid {self.pid}"


def peer_of(connection: socket.socket) -> Peer:
    """Return the peer of a connection.

    For a Unix socket SO_PEERCRED has user and process at the time of connecting. For TCP on loopback the kernel's list
    of sockets has the user who created the other socket (inet_diag, Linux only): enough to share out connections and
    for a log, but no proof of identity, as a socket can be passed on.
    """
    try:
        if connection.family == getattr(socket, "AF_UNIX", None):
            if not hasattr(socket, "SO_PEERCRED"):
                return Peer()
            pid, uid, _ = _CREDENTIALS.unpack(
                connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            )
            return Peer(uid, pid)
        if sys.platform == "linux" and connection.family == socket.AF_INET:
            return Peer(_owner(connection.getpeername(), connection.getsockname()))
    except (OSError, struct.error):
        pass
    return Peer()


def _owner(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """Return the user who made the TCP socket with these addresses, None if it is closed."""
    addresses = _ADDRESSES.pack(theirs[1], ours[1], socket.inet_aton(theirs[0]), socket.inet_aton(ours[0]))
    body = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + addresses + _ANY_COOKIE
    with socket.socket(getattr(socket, "AF_NETLINK"), socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:  # noqa: B009
        kernel.settimeout(1)
        kernel.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + body)
        answer = kernel.recv(8192)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    uid, inode = _OWNER.unpack_from(answer, _HEADER.size)
    # A socket that its program has closed belongs to nobody, and is listed as root's.
    return uid if inode else None
