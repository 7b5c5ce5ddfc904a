"""Record a machine: keep every answer, for `recorded` to play back.

The format is in docs/formats.md. The caller gets the answer of the machine unchanged. What is kept of the agent's
files, logs and service has no secrets; the inputs of hashes are kept to the byte.
"""

from __future__ import annotations

import errno

from fingerprint._core import dumps
from fingerprint._io.atomic import write_new
from fingerprint._io.times import utc
from fingerprint.machine.base import FILE_LIMIT, Machine
from fingerprint.machine.reader import Reader
from fingerprint.machine.snapshot_format import SCHEMA_VERSION
from fingerprint.machine.snapshot_secrets import kept_file, kept_output
from fingerprint.types import INVALID_TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from typing_extensions import Self

    from fingerprint.machine.base import Addresses, FileStatus, Link, Process
    from fingerprint.machine.processes import CommandResult

    _T = TypeVar("_T")


class Recorder(Machine):
    """A machine that records the answers of another one, and asks it each question once.

    A second answer, for another scheme, might differ from the first one, from which the values were made.

    Args:
        machine: the machine that answers.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine.keeping()
        self.platform = machine.platform
        self.kernel = machine.kernel
        self.timeout = machine.timeout
        self.snapshot: dict[str, Any] = {
            "schemaVersion": SCHEMA_VERSION,
            "platform": machine.platform,
            "kernel": machine.kernel,
            "recordedAt": utc(machine.now()),
            "hostName": "",
            "files": {},
            "commands": [],
            "addresses": {"ipv4": [], "links": [], "source": "not asked for"},
            "services": {},
        }
        reader = machine.reader()
        if reader != Reader():
            self.snapshot["takenBy"] = {"uid": reader.uid, "asAgent": reader.as_agent, "rawIo": reader.raw_io}
        self._kept: set[str] = set()

    def text(self) -> str:
        """Return the answers so far as the JSON of a snapshot file."""
        return dumps(self.snapshot, html_safe=False, indent=1).decode("utf-8") + "\n"

    def save(self, path: str) -> None:
        """Write the answers so far into a new file that only its owner can read.

        Raises:
            Refused: the file exists.
            InputError: it could not be written; no partial file is left.
        """
        write_new(path, self.text().encode("utf-8"), "snapshot")

    @property
    def copied(self) -> bool:
        return self._machine.copied

    @property
    def recorded(self) -> bool:
        """Whether it records a recording, which has no other answers than those it holds."""
        return self._machine.recorded

    @property
    def unrecorded(self) -> Machine:
        return self._machine

    def keeping(self) -> Self:
        return self

    def require_fresh(self) -> None:
        self._machine.require_fresh()

    def reader(self) -> Reader:
        return self._machine.reader()

    def read_file(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        return self._kept_file(path, lambda: self._machine.read_file(path, limit))

    def read_end(self, path: str, limit: int) -> bytes:
        return self._kept_file(path, lambda: self._machine.read_end(path, limit))

    def _kept_file(self, path: str, read: Callable[[], bytes]) -> bytes:
        try:
            data = read()
        except FileNotFoundError:
            raise
        except OSError as error:
            self._keep_file(path, _error_entry(error))
            raise
        self._keep_file(path, _entry(kept_file(path, data), "text", "base64"))
        return data

    def _keep_file(self, path: str, entry: dict[str, Any]) -> None:
        # An empty entry records only that the file exists.
        if not self.snapshot["files"].get(path):
            self.snapshot["files"][path] = entry

    def status(self, path: str) -> FileStatus:
        kept = self.snapshot.setdefault("statuses", {})
        try:
            found = self._machine.status(path)
        except OSError as error:
            # That it is missing is an answer, too, unless it is that of a recording that was not asked.
            if self._machine.knows_status(path):
                kept.setdefault(path, _error_entry(error))
            raise
        entry = {
            "kind": found.kind, "mode": f"{found.mode:04o}", "uid": found.uid, "gid": found.gid, "size": found.size,
            "modified": utc(found.modified),
        }  # fmt: skip
        kept.setdefault(path, entry)
        return found

    def knows_status(self, path: str) -> bool:
        return self._machine.knows_status(path)

    def agent_processes(self) -> tuple[Process, ...]:
        found = self._asked("agentProcesses", self._machine.agent_processes)
        entries = [
            {"name": p.name, "pid": p.pid, "user": p.user, "started": None if p.started is None else utc(p.started)}
            for p in found
        ]
        self._keep("agentProcesses", entries)
        return found

    def utc_offset(self) -> int:
        offset = self._asked("utcOffset", self._machine.utc_offset)
        self._keep("utcOffset", offset)
        return offset

    def exists(self, path: str) -> bool:
        found = self._machine.exists(path)
        if found:
            self.snapshot["files"].setdefault(path, {})
        return found

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        results = self._machine.run(commands, timeout, meanwhile)
        recorded = self.snapshot["commands"]
        for result in results:
            argv = list(result.argv)
            before = next((entry for entry in recorded if entry["argv"] == argv), None)
            if before is not None and before["problem"] == "timeout" != result.problem:
                # It had more time in this run.
                recorded.remove(before)
                before = None
            if before is None:
                output, complaint = kept_output(argv, result.stdout, result.stderr)
                recorded.append(
                    {
                        "argv": argv,
                        "returncode": result.returncode,
                        **_entry(output, "stdout", "stdoutBase64"),
                        "stderr": complaint,
                        "problem": result.problem,
                        "seconds": round(result.seconds, 6),
                    }
                )
        return results

    def which(self, program: str) -> str:
        found = self._machine.which(program)
        # Recorded, so that it is found in the snapshot.
        self.exists(found)
        return found

    def host_name(self) -> str:
        name = self._asked("hostName", self._machine.host_name)
        # A name that is not valid text is kept as the error that playing it back raises.
        valid = name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name)
        self._keep("hostName", name if valid else {"error": "EILSEQ", "message": INVALID_TEXT})
        return name

    def addresses(self) -> Addresses:
        found = self._asked("addresses", self._machine.addresses)
        entry = {"ipv4": list(found.ipv4), "links": [list(link) for link in found.links], "source": found.source}
        self._keep("addresses", entry)
        return found

    def list_directory(self, path: str) -> tuple[str, ...]:
        directories = self.snapshot.setdefault("folders", {})
        try:
            names = self._machine.list_directory(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            directories[path] = _error_entry(error)
            raise
        directories[path] = [_name_entry(name) for name in names]
        return names

    def links(self) -> tuple[Link, ...]:
        found = self._asked("links", self._machine.links)
        entries = [{"name": k.name, "address": k.address, "permanent": k.permanent, "bus": k.bus} for k in found]
        self._keep("links", entries)
        return found

    def outgoing_address(self) -> str:
        address = self._asked("outgoingAddress", self._machine.outgoing_address)
        self._keep("outgoingAddress", address)
        return address

    def processor_id(self) -> tuple[str, str, str]:
        found = self._asked("processorId", self._machine.processor_id)
        self._keep("processorId", list(found))
        return found

    def firmware_table(self) -> bytes:
        table = self._asked("firmwareTable", self._machine.firmware_table)
        self._keep("firmwareTable", _entry(table, "text", "base64"))
        return table

    def machine_guid(self) -> str:
        guid = self._asked("machineGuid", self._machine.machine_guid)
        self._keep("machineGuid", guid)
        return guid

    def access_list(self, path: str) -> str:
        try:
            found = self._machine.access_list(path)
        except FileNotFoundError:
            # Record that access lists were read.
            self.snapshot.setdefault("accessLists", {})
            raise
        except OSError as error:
            if error.errno != errno.ENODATA or not self.recorded:
                self.snapshot.setdefault("accessLists", {}).setdefault(path, _error_entry(error))
            raise
        self.snapshot.setdefault("accessLists", {}).setdefault(path, found)
        return found

    def service_state(self, name: str) -> str:
        state = self._machine.service_state(name)
        self.snapshot["services"][name] = state
        return state

    def windows_directory(self) -> str:
        self.snapshot["windowsFolder"] = directory = self._machine.windows_directory()
        return directory

    def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        kept = self.snapshot.setdefault("wmi", {})
        try:
            found = self._machine.wmi(class_name, members)
        except OSError as error:
            kept.setdefault(class_name, _error_entry(error))
            raise
        kept.setdefault(class_name, [{name: _typed(value) for name, value in one.items()} for one in found])
        return found

    def agent_version(self) -> str:
        version = self._asked("agentVersion", self._machine.agent_version)
        self._keep("agentVersion", version)
        return version

    def default_route(self) -> str:
        self.snapshot["defaultRoute"] = route = self._machine.default_route()
        return route

    def processor(self) -> str:
        self.snapshot["processor"] = processor = self._machine.processor()
        return processor

    def now(self) -> float:
        return self._machine.now()

    def monotonic(self) -> float:
        return self._machine.monotonic()

    def sleep(self, seconds: float) -> None:
        self._machine.sleep(seconds)

    def _asked(self, name: str, question: Callable[[], _T]) -> _T:
        try:
            return question()
        except OSError as error:
            self._keep(name, _error_entry(error))
            raise

    def _keep(self, name: str, answer: Any) -> None:
        if name not in self._kept:
            self._kept.add(name)
            self.snapshot[name] = answer


def _entry(data: bytes, text_name: str, base64_name: str) -> dict[str, str]:
    try:
        return {text_name: data.decode("utf-8")}
    except UnicodeDecodeError:
        from base64 import b64encode

        return {base64_name: b64encode(data).decode("ascii")}


def _typed(value: Any) -> Any:
    """Return a member of a WMI object for JSON: with its type, and without unpaired surrogates."""
    # Imported here: only Windows needs it.
    from fingerprint._io.text import replace_surrogates

    if isinstance(value, str):
        return replace_surrogates(value)
    return value if value is None or isinstance(value, (bool, int)) else {"unknown": replace_surrogates(str(value))}


def _name_entry(name: str) -> str | dict[str, str]:
    """Return a name in a directory, which may not be valid text, for JSON."""
    entry = _entry(name.encode("utf-8", "surrogateescape"), "text", "base64")
    return entry.get("text", entry)


def _error_entry(error: OSError) -> dict[str, Any]:
    # By name, as the numbers differ between systems.
    name = errno.errorcode.get(error.errno or errno.EIO, "EIO")
    return {"error": name, "message": error.strerror or str(error)}
