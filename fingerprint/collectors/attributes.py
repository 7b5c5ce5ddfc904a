"""Make an `Attribute` from the answer of a source: the value as the reference stores it, and the status."""

from __future__ import annotations

import errno

from fingerprint.machine.base import NotThisMachine
from fingerprint.machine.processes import NO_RESOURCES
from fingerprint.types import INVALID_TEXT, Attribute, Fault, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.machine.base import Machine
    from fingerprint.machine.processes import CommandResult

_DENIED = (errno.EACCES, errno.EPERM)
_NOT_ASKED = (errno.ENOTSUP, errno.ENODATA, errno.EINVAL)
_COMPLAINT_SHOWN = 200
# Signals from outside of a command: an operator, a limit of time or size, the kernel out of memory.
_FROM_OUTSIDE = (1, 2, 9, 15, 24, 25)


def unread(name: str, error: OSError, source: str, machine: Machine, seconds: float = 0.0, tool: str = "") -> Attribute:
    """Return the attribute of a source that exists and is unreadable."""
    status = Status.DENIED if error.errno in _DENIED else Status.FAILED
    reason = error.strerror or str(error)
    return Attribute(name, "", status, reason, source, tool, seconds, _fault_of(error, machine))


def _fault_of(error: OSError, machine: Machine) -> Fault:
    """Return the fault of an error: whether the agent gets it too."""
    number = error.errno
    if number == errno.EILSEQ:
        return Fault.NOT_TEXT
    if number == errno.EFBIG:
        return Fault.SIZE_LIMIT
    if number == errno.ETIMEDOUT:
        return Fault.TIME_LIMIT
    if number in NO_RESOURCES or number == errno.EINTR:
        return Fault.ENVIRONMENT
    # EINVAL is a pipe or a device, which is not opened here and may block the agent.
    if isinstance(error, NotThisMachine) or number in _NOT_ASKED or number is None:
        return Fault.NOT_ASKED
    return refusal(machine) if number in _DENIED else Fault.SOURCE


def refusal(machine: Machine) -> Fault:
    """Return the fault of a denied access: the agent is denied too if the reader has all its rights."""
    return Fault.SOURCE if machine.reader().as_agent else Fault.RIGHTS


def text_attribute(
    name: str, data: bytes, source: str, tool: str, seconds: float, problem: Callable[[str], str]
) -> Attribute:
    """Return the attribute whose value is an unchanged text; invalid UTF-8 makes it a failed one.

    Args:
        problem: returns what is wrong with a valid text, "" for nothing.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return Attribute(name, "", Status.FAILED, INVALID_TEXT, source, tool, seconds, Fault.NOT_TEXT)
    return Attribute(name, text, Status.PRESENT, problem(text), source, tool, seconds)


def hashed(
    name: str, result: CommandResult, tool: str, machine: Machine, *, absent: str = "", silent: str = ""
) -> Attribute:
    """Return the attribute whose value is the digest of a command's output.

    A failed command gives "", even if it printed something; a command that succeeded without output gives the digest
    of nothing.

    Args:
        name: the attribute.
        result: the result of the command.
        tool: name and version of the tool.
        machine: where it ran.
        absent: why there is nothing to read here, if that is the reason of the failure.
        silent: why the output of a successful command has no information about the machine; the value is its digest.
    """
    source = " ".join(result.argv)
    if result.succeeded:
        # Imported here: it is not needed if every command fails.
        from fingerprint._core import md5_base64

        status = Status.ABSENT if silent else Status.PRESENT
        return Attribute(name, md5_base64(result.stdout), status, silent, source, tool, result.seconds)
    status, reason, fault = (Status.ABSENT, absent, Fault.NONE) if absent else _failure(result, machine)
    return Attribute(name, "", status, reason, source, tool, result.seconds, fault)


def _failure(result: CommandResult, machine: Machine) -> tuple[Status, str, Fault]:
    command = result.argv[0]
    if result.problem == "not-found":
        return Status.ABSENT, f"{command} is not installed", Fault.NONE
    if result.problem == "denied":
        return Status.DENIED, f"no permission to run {command}", refusal(machine)
    causes = {
        "timeout": (f"no answer within {result.seconds:.1f} s, so it was killed", Fault.TIME_LIMIT),
        "too-long": ("it printed more than 1 MiB, so it was killed", Fault.SIZE_LIMIT),
        "not-recorded": ("the snapshot does not hold this command", Fault.NOT_ASKED),
        "not-run": (f"not run: {result.stderr}", Fault.NOT_ASKED),
        "no-resources": (f"it could not be started here ({result.stderr})", Fault.ENVIRONMENT),
        "failed": (f"it could not be started ({result.stderr})", Fault.SOURCE),
    }
    if result.problem:
        unknown = f"it did not run to its end: {result.problem}", Fault.NONE
        return Status.FAILED, *causes.get(result.problem, unknown)
    code = result.returncode or 0
    ended = f"signal {-code}" if code < 0 else f"exit code {code}"
    complaint = " ".join(result.stderr.split())[:_COMPLAINT_SHOWN]
    # A command that fails for a user may succeed for root.
    fault = Fault.ENVIRONMENT if -code in _FROM_OUTSIDE else refusal(machine)
    return Status.FAILED, f"{ended}: {complaint}" if complaint else ended, fault


def _of_text(name: str, value: str, source: str, tool: str, seconds: float) -> Attribute:
    """Return the attribute of a text from the kernel; surrogates for invalid UTF-8 make it a failed one."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return Attribute(name, "", Status.FAILED, INVALID_TEXT, source, tool, seconds, Fault.NOT_TEXT)
    return Attribute(name, value, Status.PRESENT, "", source, tool, seconds)


def host_name_attribute(machine: Machine, source: str) -> Attribute:
    """Return `hostname-info`: the host name as the kernel has it."""
    started = machine.monotonic()
    try:
        name = machine.host_name()
    except OSError as error:
        return unread("hostname-info", error, source, machine, tool=machine.kernel)
    seconds = machine.monotonic() - started
    if not name:
        return Attribute("hostname-info", "", Status.ABSENT, "the host has no name", source, machine.kernel, seconds)
    return _of_text("hostname-info", name, source, machine.kernel, seconds)


def address_attributes(machine: Machine) -> tuple[Attribute, Attribute]:
    """Return `ipaddress-info` and `macaddr-info`: the first of each in the order of the kernel."""
    started = machine.monotonic()
    try:
        addresses = machine.addresses()
    except OSError as error:
        seconds = machine.monotonic() - started
        return (
            unread("ipaddress-info", error, "the interfaces", machine, seconds, machine.kernel),
            unread("macaddr-info", error, "the interfaces", machine, seconds, machine.kernel),
        )
    seconds = machine.monotonic() - started
    return (
        _first(
            "ipaddress-info", addresses.ipv4[:1], "no IPv4 address but loopback", addresses.source, seconds, machine
        ),
        _first(
            "macaddr-info",
            tuple(address for _, address in addresses.links[:1]),
            "no interface with a hardware address",
            ", ".join((addresses.source, *(name for name, _ in addresses.links[:1]))),
            seconds,
            machine,
        ),
    )


def _first(
    name: str, values: tuple[str, ...], without: str, source: str, seconds: float, machine: Machine
) -> Attribute:
    if not values:
        return Attribute(name, "", Status.ABSENT, without, source, machine.kernel, seconds)
    return _of_text(name, values[0], source, machine.kernel, seconds)
