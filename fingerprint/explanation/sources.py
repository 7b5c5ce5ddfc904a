"""The recorded sources of the attributes of one side of a comparison."""

from __future__ import annotations

from fingerprint.attributes.ssm import attributes_of
from fingerprint.collectors import collect
from fingerprint.collectors.ssm_unix import DISK_LINKS, DMIDECODE
from fingerprint.errors import FingerprintError
from fingerprint.machine.base import Addresses
from fingerprint.smbios.dmidecode import dmidecode_version, parse_dmidecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.smbios.table import SmbiosTable
    from fingerprint.types import Attribute, Collection, HardwareHash

_GROUPS = {
    "processor-hash": "processor", "memory-hash": "memory", "bios-hash": "bios", "system-hash": "system",
}  # fmt: skip


class Sources:
    """The recorded sources of one side; None for each that was not recorded.

    Args:
        machine: the recording.
        values: the hash that the sources must give; an attribute with another value has no source here, as it was
            recorded at another time. None: all are used.
    """

    def __init__(self, machine: RecordedMachine, values: HardwareHash | None = None) -> None:
        self.machine = machine
        try:
            self.collection: Collection | None = collect(machine)
        except FingerprintError:
            self.collection = None
        names = attributes_of(machine.platform)
        self.known = {name for name in names if self._accounts_for(name, values)}

    def _accounts_for(self, name: str, values: HardwareHash | None) -> bool:
        if self.collection is None:
            return False
        return values is None or self.collection[name].value == values.get(name, "")

    def attribute(self, name: str) -> Attribute | None:
        """Return an attribute; None if it was not recorded."""
        return self.collection[name] if name in self.known and self.collection is not None else None

    def dmi_text(self, name: str) -> str | None:
        """Return the output of dmidecode for an attribute; None if it was empty or not recorded."""
        if name not in self.known or name not in _GROUPS:
            return None
        return self.output_of((DMIDECODE, "-t", _GROUPS[name])) or None

    def dmi_output(self, name: str) -> bytes | None:
        """Return the output of dmidecode for an attribute, also if empty; None if it failed or was not recorded."""
        if name not in self.known or name not in _GROUPS:
            return None
        text = self.output_of((DMIDECODE, "-t", _GROUPS[name]))
        return None if text is None else text.encode("utf-8", "replace")

    def dmi_table(self, name: str) -> SmbiosTable | None:
        """Return the SMBIOS structures of an attribute; None if they were not recorded."""
        text = self.dmi_text(name)
        return None if text is None else parse_dmidecode(text)

    def tool_version(self, name: str) -> str:
        """Return the version of dmidecode that read an attribute; "" if it is not known."""
        return dmidecode_version(self.dmi_text(name) or "")

    def disk_listing(self) -> str | None:
        """Return the listing of the disk links; None without one."""
        if "disk-info" not in self.known:
            return None
        listings = (tuple(entry["argv"]) for entry in self.machine.snapshot["commands"])
        argv = next((argv for argv in listings if argv[1:] == ("-l", DISK_LINKS)), None)
        return None if argv is None else self.output_of(argv)

    def output_of(self, argv: tuple[str, ...]) -> str | None:
        """Return the output of a recorded command; None if it failed or was not recorded.

        Bytes that are not UTF-8 become escapes, as firmware has strings in any code page.
        """
        try:
            [result] = self.machine.run([argv], 0.0)
        except FingerprintError:
            return None
        return result.stdout.decode("utf-8", "backslashreplace") if result.succeeded else None

    def addresses(self) -> Addresses:
        """Return the addresses of the machine; empty if they are not known."""
        try:
            return self.machine.addresses()
        except (OSError, FingerprintError):
            return Addresses((), (), "")

    def agent_version(self) -> str:
        """Return the version of the installed agent; "" if it was not recorded."""
        try:
            return self.machine.agent_version()
        except (OSError, FingerprintError):
            return ""

    def source_of(self, name: str) -> str:
        """Return the command or file that an attribute was read from; "" if it is not known."""
        attribute = self.attribute(name)
        return attribute.source if attribute else ""
