"""The interface between the collectors and a machine: files, commands, network, clock.

`fingerprint.machine.live` has the machine that this process runs on, or a copied disk of another one, and
`fingerprint.machine.recorded` the recorded ones.
"""

from __future__ import annotations

import time

from fingerprint.machine.processes import PATH, CommandResult
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from typing_extensions import Self

    from fingerprint.machine.reader import Reader

    _T = TypeVar("_T")

FILE_LIMIT = 64 * 1024
# Of each log, from its end.
END_LIMIT = 8 * 1024 * 1024
ACCOUNTS = "/etc/passwd"
# Has passwords: a recording keeps only the line of the agent's account, and whether it has a password.
PASSWORDS = "/etc/shadow"
GROUPS = "/etc/group"
# Of these a recording keeps only what concerns the agent.
MOUNTS = "/proc/self/mounts"
AUDIT_LOG = "/var/log/audit/audit.log"


# An InfiniBand address: 4 bytes that the driver makes, 8 of the subnet, 8 of the port.
_INFINIBAND_BYTES, _PORT_BYTES = 20, 8


class NotThisMachine(OSError):
    """A copied disk was asked for something that only a running machine has."""


class Addresses(Value):
    """The machine's addresses in the order of its kernel.

    Attributes:
        ipv4: dotted IPv4 addresses that are not loopback ones.
        links: (interface, hardware address) of those that have one.
        source: the kernel interface or the library that returned them.
    """

    ipv4: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    source: str


class Link(Value):
    """One interface as the kernel has it.

    Attributes:
        name: such as "eth0".
        address: its hardware address with colons, "" without one.
        permanent: the address that its hardware was made with, "" if the kernel does not report it.
        bus: the bus of the device behind it, such as "pci", "usb" or "virtio"; "" for a software one
            (bridge, veth, tunnel).
    """

    name: str
    address: str
    permanent: str
    bus: str


def kept_part(address: str) -> str:
    """Return the part of a hardware address that stays: of InfiniBand the last 8 bytes, as drivers make the others.

    Args:
        address: with colons or dashes.
    """
    parts = address.lower().replace("-", ":").split(":")
    return ":".join(parts[-_PORT_BYTES:] if len(parts) == _INFINIBAND_BYTES else parts)


class FileStatus(Value):
    """The status of a file or directory in the file system, links followed.

    Attributes:
        kind: "file", "folder" or "other".
        mode: its permission bits.
        uid, gid: its owner and group; 0 on Windows, where they have no meaning.
        size: in bytes.
        modified: seconds since 1970-01-01 UTC.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    modified: float


class Process(Value):
    """A running process.

    Attributes:
        name: of its program.
        pid: its number.
        user: name of its user, or the number if it has no name; "" if unknown.
        started: seconds since 1970-01-01 UTC; None if unknown.
    """

    name: str
    pid: int
    user: str
    started: float | None


class Machine:
    """What a collector may ask of a machine. The methods raise OSError for what is unavailable.

    Attributes:
        platform: "linux", "windows", "macos", "freebsd", "openbsd", "netbsd" or "dragonfly".
        kernel: name and release of the kernel, which is the tool of values that the kernel reports.
        timeout: the usual seconds for one command.
    """

    platform: str
    kernel: str
    timeout: float

    @property
    def copied(self) -> bool:
        """Whether it is a copied disk, on which nothing runs."""
        return False

    @property
    def recorded(self) -> bool:
        """Whether it is a recording, which holds no more than was asked for when it was made."""
        return False

    @property
    def elsewhere(self) -> bool:
        """Whether it is not the machine that this process runs on."""
        return self.copied or self.recorded

    @property
    def unrecorded(self) -> Machine:
        """The machine that this one records, else this one: secrets are read from it, as no recording holds them."""
        return self

    def keeping(self) -> Self:
        """Return this machine as one that reads each source once; see `fingerprint.machine.keeping`.

        A new observation takes a new one from the machine itself.
        """
        from fingerprint.machine.keeping import keep

        return keep(self)

    def require_fresh(self) -> None:
        """Raise RuntimeError if it keeps its answers: a new observation and a write need fresh ones."""

    def once(self, key: object, ask: Callable[[], _T]) -> _T:
        """Return what `ask` returns; a machine that keeps its answers returns the first one, or raises its error.

        Args:
            key: identifies the question.
            ask: returns the answer; it may raise OSError.
        """
        return ask()

    def reader(self) -> Reader:
        """Return who reads this machine, to compare a denied access with the rights of the agent."""
        from fingerprint.machine.reader import Reader

        return Reader()

    def read_file(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        """Return the bytes of a regular file; b"" for the null device, which stands for an empty file."""
        raise NotImplementedError

    def exists(self, path: str) -> bool:
        """Return whether a path exists; raise NotThisMachine if that is unknown."""
        raise NotImplementedError

    def read_end(self, path: str, limit: int) -> bytes:
        """Return the last bytes of a regular file, from the start of a line."""
        raise NotImplementedError

    def status(self, path: str) -> FileStatus:
        """Return the status of a file or directory."""
        raise NotImplementedError

    def knows_status(self, path: str) -> bool:
        """Return whether a missing file is an answer: not for a recording that was not asked for its status."""
        return True

    def agent_processes(self) -> tuple[Process, ...]:
        """Return the processes of the agent, the oldest first."""
        raise NotImplementedError

    def utc_offset(self) -> int:
        """Return the seconds by which local time is ahead of UTC now."""
        raise NotImplementedError

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        """Run commands at once, each with an absolute path; `meanwhile` is called once, while they run."""
        raise NotImplementedError

    def which(self, program: str) -> str:
        """Return the path of a program as the agent finds it, on the PATH of its service."""
        paths = [f"{directory}/{program}" for directory in PATH.split(":")]
        return next((path for path in paths if self.exists(path)), paths[-1])

    def host_name(self) -> str:
        """Return the host name as the kernel has it (Windows: the physical DNS host name)."""
        raise NotImplementedError

    def addresses(self) -> Addresses:
        """Return the addresses in kernel order."""
        raise NotImplementedError

    def list_directory(self, path: str) -> tuple[str, ...]:
        """Return the names in a directory, sorted."""
        raise NotImplementedError

    def links(self) -> tuple[Link, ...]:
        """Return the interfaces in kernel order, without loopback."""
        raise NotImplementedError

    def outgoing_address(self) -> str:
        """Return the address that a packet to the outside would come from; "" without a default route."""
        raise NotImplementedError

    def processor_id(self) -> tuple[str, str, str]:
        """Return name, id (16 hexadecimal digits as in SMBIOS) and hypervisor as the processor reports them."""
        raise NotImplementedError

    def firmware_table(self) -> bytes:
        """Return the raw SMBIOS table as Windows gives it, with its header of 8 bytes."""
        raise NotImplementedError

    def machine_guid(self) -> str:
        """Return the MachineGuid of Windows."""
        raise NotImplementedError

    def access_list(self, path: str) -> str:
        """Return owner and access control list of a file of Windows as SDDL text."""
        raise NotImplementedError

    def service_state(self, name: str) -> str:
        """Return the state of a Windows service, such as "running"."""
        raise NotImplementedError

    def windows_directory(self) -> str:
        """Return the directory of Windows, such as C:\\Windows."""
        raise NotImplementedError

    def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """Return all objects of a class of WMI, member -> str, int, None for null, or another type of WMI."""
        raise NotImplementedError

    def wmi(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        """Return `wmi_objects`; a machine that keeps its answers returns the first one, or raises its error."""
        return self.once(("wmi", class_name, *members), lambda: self.wmi_objects(class_name, members))

    def agent_version(self) -> str:
        """Return the version of the installed agent, as its program prints it; raise FileNotFoundError without one.

        For machines with Windows, where the hardware hash depends on it.
        """
        raise NotImplementedError

    def default_route(self) -> str:
        """Return the primary interface and its gateway, such as "eth0 via 192.0.2.1"; "" without one."""
        raise NotImplementedError

    def processor(self) -> str:
        """Return the processor's name as the system reports it; slow."""
        raise NotImplementedError

    def now(self) -> float:
        """Return the time in seconds since 1970-01-01 UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of a clock that only goes forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
