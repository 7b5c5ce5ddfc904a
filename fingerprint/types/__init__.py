"""Values: hash, record, attribute, collection and verdict, and the enumerations that they use.

All are immutable and free of I/O. Their bases, `Value` and `Vocabulary`, are in `base.py` and imported from here.
Longer than 400 lines: most of them describe fields, and every layer above imports its values from this one module.
"""

from __future__ import annotations

from fingerprint._core import HardwareHash
from fingerprint.types.base import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import ClassVar

__all__ = [
    "Attribute",
    "AttributeRow",
    "Collection",
    "Fault",
    "FingerprintRecord",
    "HardwareHash",
    "Reason",
    "RegistrationRecord",
    "Status",
    "Value",
    "Verdict",
    "Vocabulary",
]


class Reason(Vocabulary):
    """The rule that decided, in the order of the rules."""

    DISABLED: ClassVar[Reason]
    NOTHING_TO_COMPARE: ClassVar[Reason]
    SID_DIFFERS: ClassVar[Reason]
    SAME_IP: ClassVar[Reason]
    SIMILAR: ClassVar[Reason]
    NOT_SIMILAR: ClassVar[Reason]


Reason.define(
    DISABLED="DISABLED",
    NOTHING_TO_COMPARE="NOTHING_TO_COMPARE",
    SID_DIFFERS="SID_DIFFERS",
    SAME_IP="SAME_IP",
    SIMILAR="SIMILAR",
    NOT_SIMILAR="NOT_SIMILAR",
)


class Status(Vocabulary):
    """The result of reading one attribute."""

    PRESENT: ClassVar[Status]
    ABSENT: ClassVar[Status]
    DENIED: ClassVar[Status]
    FAILED: ClassVar[Status]


Status.define(PRESENT="present", ABSENT="absent", DENIED="denied", FAILED="failed")


class Fault(Vocabulary):
    """Why an attribute is denied or failed, and so what the agent reads in its place.

    NONE: it is present or absent; for an unreadable attribute: unknown.
    SOURCE: the source fails for every process with the agent's rights: the agent stores "".
    NOT_TEXT: the value is not valid UTF-8: the agent's collection fails (three attempts in 15 s, then an error; it
    stores nothing and gets no credentials).
    TIME_LIMIT, SIZE_LIMIT: our own limit ended the reading; the agent has no such limit.
    RIGHTS: this process has fewer rights than the agent, or its rights are unknown.
    ENVIRONMENT: this process ran out of memory, descriptors or processes, or was killed.
    NOT_ASKED: it was not read: the disk is a copied one, or the snapshot lacks the answer.
    """

    NONE: ClassVar[Fault]
    SOURCE: ClassVar[Fault]
    NOT_TEXT: ClassVar[Fault]
    TIME_LIMIT: ClassVar[Fault]
    SIZE_LIMIT: ClassVar[Fault]
    RIGHTS: ClassVar[Fault]
    ENVIRONMENT: ClassVar[Fault]
    NOT_ASKED: ClassVar[Fault]


Fault.define(
    NONE="",
    SOURCE="source",
    NOT_TEXT="not-text",
    TIME_LIMIT="time-limit",
    SIZE_LIMIT="size-limit",
    RIGHTS="rights",
    ENVIRONMENT="environment",
    NOT_ASKED="not-asked",
)


# The reason of an attribute whose bytes are not UTF-8; such an attribute fails the reference's collection.
INVALID_TEXT = "not valid UTF-8"


class FingerprintRecord(Value):
    """The record that the vault has under `InstanceFingerprint`.

    Attributes:
        fingerprint: the opaque fingerprint; "" in a cleared record.
        hardware_hash: the attributes at registration; None where the file has `null`.
        threshold: similarity threshold: -1 (check disabled), 0 (old agents), 1 to 100.
        extra: fields unknown to this version, as name and raw JSON, kept when the record is written again.
    """

    _hidden = ("fingerprint", "extra")
    fingerprint: str = ""
    hardware_hash: HardwareHash | None = None
    threshold: int = 0
    extra: tuple[tuple[str, bytes], ...] = ()


class RegistrationRecord(Value):
    """The record that the vault has under `RegistrationKey`; every field is text, "" if unknown.

    Attributes:
        instance_id: the ID of the managed node, "mi-" and 17 hexadecimal digits.
        region: the region in which it is registered.
        instance_type: "" for hybrid machines.
        availability_zone: "" for hybrid machines.
        private_key: base64 of the PKCS#1 DER; secret.
        public_key: "" for hybrid machines.
        private_key_type: "Rsa".
        private_key_created_date: local time as Go prints it.
        provider: "EC2", "Azure", or "" for none; None where the record lacks this member, as older agents write it.
        extra: fields unknown to this version, as name and raw JSON.
    """

    _hidden = ("private_key", "extra")
    instance_id: str = ""
    region: str = ""
    instance_type: str = ""
    availability_zone: str = ""
    private_key: str = ""
    public_key: str = ""
    private_key_type: str = ""
    private_key_created_date: str = ""
    provider: str | None = None
    extra: tuple[tuple[str, bytes], ...] = ()

    @property
    def registered(self) -> bool:
        """True when the registration is complete: private key, region and instance id."""
        return bool(self.private_key and self.region and self.instance_id)


class Attribute(Value):
    """One attribute, as it was read.

    Attributes:
        name: the key in the hardware hash.
        value: the value as the hash stores it. It is "" if the attribute is denied, failed or absent, except where a
            tool printed output without hardware in it: then the value is the digest of this output.
        status: present, absent (this host has no such source), denied (no permission) or failed.
        reason: why it is not present. For a present one "", except why a hardware ID identifies no machine, and how the
            processor contradicts the hypervisor of the SMBIOS table.
        source: the file, command or interface that was read.
        tool: name and version of the tool if it prints them, else "".
        seconds: duration of the reading.
        fault: why it is denied or failed; `Fault.NONE` for any other status.
    """

    _hidden = ("value",)
    name: str
    value: str
    status: Status
    reason: str
    source: str
    tool: str
    seconds: float
    fault: Fault

    def __init__(
        self,
        name: str,
        value: str,
        status: Status,
        reason: str = "",
        source: str = "",
        tool: str = "",
        seconds: float = 0.0,
        fault: Fault = Fault.NONE,
    ) -> None:
        # Set one by one, because a collection of microseconds makes a dozen of these.
        put = object.__setattr__
        put(self, "name", name)
        put(self, "value", value)
        put(self, "status", status)
        put(self, "reason", reason)
        put(self, "source", source)
        put(self, "tool", tool)
        put(self, "seconds", seconds)
        put(self, "fault", fault)

    @property
    def unreadable(self) -> bool:
        """True if the source exists but is unreadable: the value is unknown, not absent."""
        return self.status in (Status.DENIED, Status.FAILED)

    @property
    def silent(self) -> bool:
        """True if there is a value that does not depend on the machine: all hosts without this source share it."""
        return self.status == Status.ABSENT and bool(self.value)

    @property
    def only_here(self) -> bool:
        """True for an unreadable attribute that the agent may read; False where it reads "", or fails."""
        return self.unreadable and self.fault not in (Fault.SOURCE, Fault.NOT_TEXT)


class DoubtRemedy(Value):
    """The remedy for a doubt about the hash recipe of Windows.

    Attributes:
        name: the identifier, "agent-version" or "wmi".
        text: what to do, a sentence without a full stop.
        command: the command for it, "" if there is none.
    """

    name: str
    text: str
    command: str = ""


class Collection(Value):
    """All attributes of one machine at one time.

    Where attributes are unreadable, two questions have different answers:

    - What will the agent do? It reads `hardware_hash`, except that it may read more of `only_here`. If `stops_agent`
      names an attribute, the agent's collection fails and it makes no verdict. Otherwise its verdict is
      `match(saved, collection.hardware_hash, threshold, unreadable=collection.only_here)`; `conclusive` is False
      where the verdict depends on what only the agent can read.
    - Is it the same machine? All of `unreadable` is unknown: `unreadable=collection.unreadable`.

    `rights` names the attributes that the agent may read and this process may not. Only these become readable with
    more rights, and `remedy` says how. For uid 0 with all rights `rights` is empty, so `remedy` never advises root to
    become root.

    Attributes:
        platform: "linux", "windows", "macos", "freebsd", "openbsd", "netbsd" or "dragonfly".
        scheme: the attribute scheme, "ssm".
        sid_key: the key of the hardware ID, "machine-id" or "uuid".
        attributes: the attributes in catalogue order.
        collected_at: seconds since 1970-01-01 UTC.
        seconds: duration of the collection.
        remedy: what to do so that more is readable, a sentence without a full stop; "" if `rights` is empty.
        recipe: how the hashes were made on Windows, "wmic", "json" or "wql", see `fingerprint.collectors.recipes`; ""
            on other systems.
        doubt: why the installed agent may use another recipe, a sentence without a full stop; "" without a doubt.
        doubt_remedy: how to resolve the doubt; None without a doubt.
    """

    platform: str
    scheme: str
    sid_key: str
    attributes: tuple[Attribute, ...]
    collected_at: float = 0.0
    seconds: float = 0.0
    remedy: str = ""
    recipe: str = ""
    doubt: str = ""
    doubt_remedy: DoubtRemedy | None = None

    def __getitem__(self, name: str) -> Attribute:
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise KeyError(name)

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def hardware_hash(self) -> HardwareHash:
        """The attributes as the vault stores them; as in the reference, one that is not present is ""."""
        return HardwareHash({a.name: a.value for a in self.attributes})

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Names of the attributes that were denied or failed."""
        return tuple(a.name for a in self.attributes if a.unreadable)

    @property
    def silent(self) -> tuple[str, ...]:
        """Names of the attributes whose value does not depend on the machine."""
        return tuple(a.name for a in self.attributes if a.silent)

    @property
    def id_problem(self) -> str:
        """Why the hardware ID identifies no machine, such as "it is blank"; "" if it does, or is unreadable.

        It is "" on macOS, where the agent has no hardware ID on any host.
        """
        sid = next((a for a in self.attributes if a.name == self.sid_key), None)
        return "" if sid is None or sid.unreadable or self.platform == "macos" else sid.reason

    @property
    def id_warning(self) -> str:
        """The warning about `id_problem`, a sentence without a full stop; "" without a problem."""
        if not self.id_problem:
            return ""
        return (
            f"The hardware ID ({self.sid_key}) identifies no machine: {self.id_problem}. Rule 3 takes every machine "
            "with such an ID for this one, so it does not detect copies"
        )

    @property
    def doubt_warning(self) -> str:
        """`doubt` as a sentence without a full stop, "" where there is nothing to warn of."""
        return f"{self.doubt[:1].upper()}{self.doubt[1:]}"

    @property
    def agent_error(self) -> str:
        """What the agent does if `stops_agent` names an attribute, a sentence without a full stop; else ""."""
        if not self.stops_agent:
            return ""
        return (
            f"The agent's collection fails, because {', '.join(self.stops_agent)} is not valid UTF-8: it tries three "
            "times in 15 s, then reports an error and stores nothing. It gets no credentials until this is fixed"
        )

    @property
    def only_here(self) -> tuple[str, ...]:
        """Names of the unreadable attributes that the agent may read: a subset of `unreadable`."""
        return tuple(a.name for a in self.attributes if a.only_here)

    @property
    def rights(self) -> tuple[str, ...]:
        """Names of the attributes that a process with the agent's rights may read: a subset of `only_here`."""
        return tuple(a.name for a in self.attributes if a.fault == Fault.RIGHTS)

    @property
    def stops_agent(self) -> tuple[str, ...]:
        """Names of the attributes that fail the agent's collection: their values are not UTF-8."""
        return tuple(a.name for a in self.attributes if a.fault == Fault.NOT_TEXT)


class AttributeRow(Value):
    """One row of a verdict's table.

    Attributes:
        name: the attribute.
        saved: the saved value, None if the saved hash lacks the key.
        current: the current value, None if the current hash lacks the key (then it is not counted).
        same: whether the rule counts it as a match.
        evidence: whether both sides have a value that depends on the machine, so that `same` is evidence.
        unreadable: whether the current value is unknown, not absent.
    """

    _hidden = ("saved", "current")
    name: str
    saved: str | None
    current: str | None
    same: bool
    evidence: bool
    unreadable: bool


class Verdict(Value):
    """Whether this is still the same machine, and why. Its truth value is `match`.

    Attributes:
        match: the result of the reference's rules.
        reason: the rule that decided.
        matched: keys of the current hash with an equal saved value (counted for all rules).
        total: keys of the current hash.
        percent: matched / total * 100 in single precision; 0.0 when total is 0.
        threshold: the similarity threshold, compared with `percent`.
        sid_key: the key of the hardware ID.
        effective: number of attributes for which both sides have a value that depends on the machine.
        effective_matched: how many of these match.
        vacuous: whether the check is weak: only another SID could cause a mismatch, no other readable attribute.
        highest_passing_threshold: the highest of 1..100 that passes; None if only -1 does.
        conclusive: False for a mismatch that unreadable attributes could turn into a match.
        rows: one row per attribute, keys of the current hash first.
    """

    match: bool
    reason: Reason
    matched: int
    total: int
    percent: float
    threshold: int
    sid_key: str
    effective: int
    effective_matched: int
    vacuous: bool
    highest_passing_threshold: int | None
    conclusive: bool
    rows: tuple[AttributeRow, ...]

    def __bool__(self) -> bool:
        return self.match

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the readable attributes that differ from the record."""
        return tuple(r.name for r in self.rows if r.current is not None and not r.same and not r.unreadable)


class Outlook(Vocabulary):
    """What the agent does when it compares the machine with the record.

    ACCEPTS: it finds a match. REJECTS: it finds a mismatch and stores a new fingerprint, which the service rejects.
    STOPS: its collection fails (a value that is not UTF-8); it stores nothing and gets no credentials.
    UNKNOWN: the result depends on attributes that are unreadable here, and the agent may read them.
    """

    ACCEPTS: ClassVar[Outlook]
    REJECTS: ClassVar[Outlook]
    STOPS: ClassVar[Outlook]
    UNKNOWN: ClassVar[Outlook]


Outlook.define(ACCEPTS="will-accept", REJECTS="will-reject", STOPS="stops", UNKNOWN="cannot-tell")
