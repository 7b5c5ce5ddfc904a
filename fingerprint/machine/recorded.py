"""Play back a recorded machine: the answers that a collection got from a machine, from a snapshot file.

The same code collects from a live and a recorded machine. The format is in docs/formats.md.
"""

from __future__ import annotations

import errno
import os

from fingerprint._core import JsonError, loads
from fingerprint.agent.paths import CORE
from fingerprint.errors import InputError
from fingerprint.machine.base import FILE_LIMIT, Addresses, FileStatus, Link, Machine, Process
from fingerprint.machine.processes import DEFAULT_TIMEOUT, CommandResult
from fingerprint.machine.snapshot_format import (
    broken,
    bytes_of,
    is_count,
    is_text,
    raise_recorded,
    require_snapshot,
    seconds_at,
)
from fingerprint.types import INVALID_TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from fingerprint.machine.reader import Reader

_SNAPSHOT_LIMIT = 64 * 1024 * 1024
_TEXT_FORMS = ("ip", "ifconfig", "wmi")
_STATUS_NUMBERS = ("uid", "gid", "size")
_MODE_DIGITS = 6


class RecordedMachine(Machine):
    """The machine of a snapshot. Its clock advances only by `sleep`.

    Args:
        snapshot: the parsed snapshot.
        where: the file that it comes from, for errors.

    Raises:
        SnapshotError: it is not a valid snapshot.
    """

    def __init__(self, snapshot: dict[str, Any], where: str = "") -> None:
        require_snapshot(snapshot, where)
        self.snapshot = snapshot
        self.where = where
        self.platform = snapshot["platform"]
        self.kernel = snapshot["kernel"]
        self.timeout = DEFAULT_TIMEOUT
        self._recorded_at = seconds_at(snapshot["recordedAt"], "recordedAt", where)
        self._slept = 0.0

    @classmethod
    def load(cls, path: str) -> RecordedMachine:
        """Return the machine that a snapshot file holds.

        Raises:
            InputError: the file could not be read.
            SnapshotError: it is not a valid snapshot.
        """
        try:
            with open(path, "rb") as file:
                data = file.read(_SNAPSHOT_LIMIT + 1)
        except OSError as error:
            raise InputError(
                f"cannot open the snapshot: {error.strerror}",
                where=path,
                remedy="Record a machine with: fingerprint snapshot FILE",
            ) from None
        return cls.from_bytes(data, path)

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> RecordedMachine:
        """Return the machine that the bytes of a snapshot hold. Raises SnapshotError: they are not a snapshot."""
        if len(data) > _SNAPSHOT_LIMIT:
            raise broken(f"more than {_SNAPSHOT_LIMIT} bytes", where)
        try:
            snapshot = loads(data)
        except JsonError as error:
            raise broken(f"not JSON: {error}", where) from None
        if not isinstance(snapshot, dict):
            raise broken("not a JSON object", where)
        return cls(snapshot, where)

    @property
    def recorded(self) -> bool:
        return True

    def reader(self) -> Reader:
        from fingerprint.machine.reader import Reader

        recorded = self._optional("takenBy", dict)
        uid, as_agent, raw_io = (recorded.get(name) for name in ("uid", "asAgent", "rawIo"))
        return Reader(uid, as_agent, raw_io)

    def read_file(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        entry = self.snapshot["files"].get(path)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        raise_recorded(entry, path)
        data = bytes_of(entry, "text", "base64", f"{self.where}: {path}")
        if data is None:
            raise OSError(errno.ENODATA, "the snapshot records only that the file exists", path)
        if len(data) > limit:
            raise OSError(errno.EFBIG, f"it has more than {limit} bytes", path)
        return data

    def read_end(self, path: str, limit: int) -> bytes:
        data = self.read_file(path, _SNAPSHOT_LIMIT)
        return data if len(data) <= limit else data[-limit:].partition(b"\n")[2]

    def status(self, path: str) -> FileStatus:
        entry = self._optional("statuses", dict).get(path)
        if entry is None:
            if self.exists(path):
                raise OSError(errno.ENODATA, "the snapshot records only that it exists", path)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        raise_recorded(entry, path)
        kind, mode = entry.get("kind"), entry.get("mode")
        octal = isinstance(mode, str) and 0 < len(mode) <= _MODE_DIGITS and not mode.strip("01234567")
        if not isinstance(kind, str) or not octal or not all(is_count(entry.get(name)) for name in _STATUS_NUMBERS):
            raise broken(f"the status of {path} lacks kind, mode, uid, gid or size", self.where)
        modified = seconds_at(entry.get("modified"), f"when {path} was modified", self.where)
        return FileStatus(kind, int(mode, 8), entry["uid"], entry["gid"], entry["size"], modified)

    def knows_status(self, path: str) -> bool:
        return path in self._optional("statuses", dict)

    def agent_processes(self) -> tuple[Process, ...]:
        found = []
        for one in self._asked("agentProcesses", list):
            process: dict[str, Any] = one if isinstance(one, dict) else {}
            name, pid, user = (process.get(field) for field in ("name", "pid", "user"))
            if not (isinstance(name, str) and isinstance(user, str) and "started" in process) or not is_count(pid):
                raise broken("an agent process lacks name, pid, user or started", self.where)
            started = process["started"]
            if started is not None:
                started = seconds_at(started, f"when process {pid} was started", self.where)
            found.append(Process(name, process["pid"], user, started))
        return tuple(found)

    def utc_offset(self) -> int:
        return int(self._asked("utcOffset", int))

    def exists(self, path: str) -> bool:
        return self.snapshot["files"].get(path) is not None

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        meanwhile()
        recorded = {tuple(entry["argv"]): entry for entry in self.snapshot["commands"]}
        return [self._result(tuple(argv), recorded.get(tuple(argv))) for argv in commands]

    def which(self, program: str) -> str:
        usual = super().which(program)
        if self.exists(usual):
            return usual
        # The agent's service may have another PATH.
        ran = (entry["argv"][0] for entry in self.snapshot["commands"])
        return next((path for path in ran if path.rpartition("/")[2] == program), usual)

    def _result(self, argv: tuple[str, ...], entry: dict[str, Any] | None) -> CommandResult:
        if entry is None:
            return CommandResult(argv, problem="not-recorded")
        output = bytes_of(entry, "stdout", "stdoutBase64", f"{self.where}: {' '.join(argv)}")
        return CommandResult(
            argv,
            entry.get("returncode"),
            output or b"",
            entry.get("stderr", ""),
            entry.get("problem", ""),
            float(entry.get("seconds", 0.0)),
        )

    def host_name(self) -> str:
        name = self.snapshot["hostName"]
        if isinstance(name, dict):
            raise_recorded(name, "hostName")
            raise broken("hostName is neither a name nor an error", self.where)
        if not is_text(name):
            # As on a live machine: the name exists and is not valid text.
            raise OSError(errno.EILSEQ, INVALID_TEXT, "hostName")
        return str(name)

    def addresses(self) -> Addresses:
        entry = self.snapshot["addresses"]
        raise_recorded(entry, "addresses")
        for form in _TEXT_FORMS:
            if isinstance(entry.get(form), str):
                return _parsed_addresses(form, entry[form])
        try:
            ipv4, links = tuple(entry["ipv4"]), tuple((name, address) for name, address in entry["links"])
        except (KeyError, TypeError, ValueError):
            raise broken("addresses lacks ipv4 and links, or the output of ip, ifconfig or wmi", self.where) from None
        if not all(isinstance(text, str) for text in (*ipv4, *(text for link in links for text in link))):
            raise broken("an address is not a string", self.where)
        return Addresses(ipv4, links, str(entry.get("source", "recorded")))

    def list_directory(self, path: str) -> tuple[str, ...]:
        entry = self._optional("folders", dict).get(path)
        if entry is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if isinstance(entry, dict):
            raise_recorded(entry, path)
        if not isinstance(entry, list):
            raise broken(f"the directory {path} is not a list of names", self.where)
        return tuple(self._name(name) for name in entry)

    def _name(self, entry: Any) -> str:
        """Return a name in a directory; a name that is not valid text is recorded as bytes."""
        if not isinstance(entry, dict):
            if not isinstance(entry, str):
                raise broken("a name in a directory is not a string", self.where)
            return entry
        return (bytes_of(entry, "text", "base64", self.where) or b"").decode("utf-8", "surrogateescape")

    def links(self) -> tuple[Link, ...]:
        found = []
        for link in self._asked("links", list):
            values: dict[str, Any] = link if isinstance(link, dict) else {}
            if not all(isinstance(values.get(name), str) for name in Link._names):
                raise broken("a link lacks name, address, permanent or bus", self.where)
            found.append(Link(*(values[name] for name in Link._names)))
        return tuple(found)

    def outgoing_address(self) -> str:
        return str(self._asked("outgoingAddress", str))

    def processor_id(self) -> tuple[str, str, str]:
        entry = self._asked("processorId", list)
        if len(entry) != 3 or not all(isinstance(text, str) for text in entry):
            raise broken("processorId is not name, id and hypervisor", self.where)
        return entry[0], entry[1], entry[2]

    def firmware_table(self) -> bytes:
        entry = self._asked("firmwareTable", dict)
        return bytes_of(entry, "text", "base64", f"{self.where}: firmwareTable") or b""

    def machine_guid(self) -> str:
        return str(self._asked("machineGuid", str))

    def _optional(self, name: str, kind: type) -> Any:
        entry = self.snapshot.get(name, kind())
        if not isinstance(entry, kind):
            raise broken(f"{name} is of the wrong type", self.where)
        return entry

    def _asked(self, name: str, kind: type) -> Any:
        """Return the recorded answer, or raise the recorded error."""
        entry = self.snapshot.get(name)
        if entry is None:
            raise OSError(errno.ENODATA, "the snapshot does not hold this", name)
        if isinstance(entry, dict):
            raise_recorded(entry, name)
        if not isinstance(entry, kind):
            raise broken(f"{name} is of the wrong type", self.where)
        return entry

    def access_list(self, path: str) -> str:
        lists = self._asked("accessLists", dict)
        if path not in lists:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        entry = lists[path]
        if isinstance(entry, dict):
            raise_recorded(entry, path)
        if not isinstance(entry, str):
            raise broken(f"the access control list of {path} is not a string", self.where)
        return entry

    def service_state(self, name: str) -> str:
        state = self.snapshot["services"].get(name)
        if state is None:
            raise OSError(errno.ENOENT, "the snapshot does not hold this service", name)
        if not isinstance(state, str):
            raise broken(f"the state of the service {name} is not a string", self.where)
        return state

    def windows_directory(self) -> str:
        return self._text("windowsFolder", r"C:\Windows")

    def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        entry = self._optional("wmi", dict).get(class_name)
        if entry is None:
            raise OSError(errno.ENODATA, f"the snapshot does not hold the WMI class {class_name}", class_name)
        if isinstance(entry, dict):
            raise_recorded(entry, class_name)
        if not isinstance(entry, list) or not all(isinstance(one, dict) for one in entry):
            raise broken(f"the WMI class {class_name} is neither a list of objects nor an error", self.where)
        return tuple(entry)

    def agent_version(self) -> str:
        if "agentVersion" in self.snapshot:
            return str(self._asked("agentVersion", str))
        from fingerprint.machine.process_list import version_in

        # `diagnose` runs this command.
        for entry in self.snapshot["commands"]:
            if entry["argv"][1:] == ["-version"] and entry["argv"][0].lower().endswith(f"{CORE}.exe"):
                version = version_in(self._result(tuple(entry["argv"]), entry).stdout)
                if version:
                    return version
        raise OSError(errno.ENODATA, "the snapshot does not hold the version of the agent", "agentVersion")

    def default_route(self) -> str:
        return self._text("defaultRoute")

    def processor(self) -> str:
        return self._text("processor")

    def _text(self, name: str, default: str = "") -> str:
        value = self.snapshot.get(name, default)
        if not isinstance(value, str):
            raise broken(f"{name} is not a string", self.where)
        return value

    def now(self) -> float:
        return self._recorded_at + self._slept

    def monotonic(self) -> float:
        return self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


def _parsed_addresses(form: str, text: str) -> Addresses:
    from fingerprint.machine.parsers import parse_ifconfig, parse_ip_addr, parse_wmi_addresses

    parse = {"ip": parse_ip_addr, "ifconfig": parse_ifconfig, "wmi": parse_wmi_addresses}[form]
    ipv4, links = parse(text)
    return Addresses(ipv4, links, f"text of {form}")
