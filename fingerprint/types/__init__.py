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
    """The rule that decided, in the order in which the rules are asked."""

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
    """What came of reading one attribute."""

    PRESENT: ClassVar[Status]
    ABSENT: ClassVar[Status]
    DENIED: ClassVar[Status]
    FAILED: ClassVar[Status]


Status.define(PRESENT="present", ABSENT="absent", DENIED="denied", FAILED="failed")


class Fault(Vocabulary):
    """Why an attribute is denied or failed, as far as it tells what the agent reads there.

    NONE: it is present or absent; of an unreadable attribute: not known.
    SOURCE: the source fails for whoever has the agent's rights: the agent stores "".
    NOT_TEXT: the value is not valid UTF-8: the agent refuses its whole collection (three attempts in 15 s, then
    an error; it stores nothing and gets no credentials).
    TIME_LIMIT, SIZE_LIMIT: our own limit ended the reading; the agent has none.
    RIGHTS: this process has fewer rights than the agent, or it is not known which it has.
    ENVIRONMENT: this process ran out of memory, descriptors or processes, or was ended from outside.
    NOT_ASKED: nobody asked: the disk is a copied one, or the snapshot does not hold the answer.
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


# The reason of an attribute whose bytes are not UTF-8; the reference fails its collection for one.
INVALID_TEXT = "not valid UTF-8"


class FingerprintRecord(Value):
    """What the vault keeps under `InstanceFingerprint`.

    Attributes:
        fingerprint: the opaque fingerprint; "" in a cleared record.
        hardware_hash: the attributes at registration; None where the file says `null`.
        threshold: similarity threshold: -1 (check disabled), 0 (old agents), 1 to 100.
        extra: fields that this version does not know, name and raw JSON text, kept on rewriting.
    """

    _hidden = ("fingerprint", "extra")
    fingerprint: str = ""
    hardware_hash: HardwareHash | None = None
    threshold: int = 0
    extra: tuple[tuple[str, bytes], ...] = ()


class RegistrationRecord(Value):
    """What the vault keeps under `RegistrationKey`; every field is text, "" if not known.

    Attributes:
        instance_id: the managed node, "mi-" and 17 hexadecimal digits.
        region: the region in which it is registered.
        instance_type: "" for hybrid machines.
        availability_zone: "" for hybrid machines.
        private_key: base64 of the PKCS#1 DER; secret.
        public_key: "" for hybrid machines.
        private_key_type: "Rsa".
        private_key_created_date: local time as Go prints it.
        provider: "EC2", "Azure", or "" for none; None where the record has no such member, as of older agents.
        extra: fields that this version does not know, name and raw JSON text.
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
    """One attribute as it was read.

    Attributes:
        name: the key in the hardware hash.
        value: the value as the hash stores it. That of a denied or failed one is "", and so is that of an absent
            one, unless a tool printed a text that says nothing about the machine: then it is the digest of that.
        status: present, absent (no such source here), denied (no permission) or failed.
        reason: why it is not present; of a present one "", or for a hardware ID why it identifies no machine.
        source: the file, command or interface that was read.
        tool: the tool's name and version where it tells them, else "".
        seconds: how long reading took.
        fault: why it is denied or failed; `Fault.NONE` for one that is neither.
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
        # One by one, as these are made by the dozen in a collection of microseconds.
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
        """True when the source exists and could not be read: the value is unknown, not absent."""
        return self.status in (Status.DENIED, Status.FAILED)

    @property
    def silent(self) -> bool:
        """True when there is a value, and it says nothing about the machine: all without such a source share it."""
        return self.status == Status.ABSENT and bool(self.value)

    @property
    def only_here(self) -> bool:
        """True for an unreadable attribute of which the agent may read a value; False where it reads "", or stops."""
        return self.unreadable and self.fault not in (Fault.SOURCE, Fault.NOT_TEXT)


class DoubtRemedy(Value):
    """What settles a doubt about the hash recipe of Windows.

    Attributes:
        name: a word for programs: "agent-version" or "wmi".
        text: what to do, a sentence without a full stop.
        command: the command for it, "" where there is none to type.
    """

    name: str
    text: str
    command: str = ""


class Collection(Value):
    """All attributes of one machine at one time.

    Two questions have two answers where something could not be read:

    - What will the agent do? `hardware_hash` is what it reads, but for `only_here`, of which it may read more, and
      unless `stops_agent` names something: then its collection fails and there is no verdict of the agent.
      `match(saved, collection.hardware_hash, threshold, unreadable=collection.only_here)` is its verdict, and
      `conclusive` is False where that cannot be known.
    - Is it the same machine? All of `unreadable` is unknown: `unreadable=collection.unreadable`.

    `rights` names what this process was not allowed to read and the agent may. Only for these does it help to read
    with more rights, and `remedy` says how: it never tells root to become root. To uid 0 with all rights, nothing
    is in `rights`.

    Attributes:
        platform: "linux", "windows", "macos", "freebsd", "openbsd", "netbsd" or "dragonfly".
        scheme: the attribute scheme, "ssm".
        sid_key: the key of the hardware ID, "machine-id" or "uuid".
        attributes: the attributes in catalogue order.
        collected_at: seconds since 1970-01-01 UTC.
        seconds: how long the whole collection took.
        remedy: what to do so that more can be read, a sentence without a full stop: "" where nothing is in `rights`.
        recipe: how the hashes were made on Windows, "wmic", "json" or "wql", see `fingerprint.collectors.recipes`; ""
            elsewhere.
        doubt: why the installed agent may take another recipe, a sentence without a full stop; "" where it does not.
        doubt_remedy: what settles that; None without a doubt.
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
        """The attributes as the vault stores them: what is not present is "", as the reference has it."""
        return HardwareHash({a.name: a.value for a in self.attributes})

    @property
    def unreadable(self) -> tuple[str, ...]:
        """Names of the attributes that were denied or failed."""
        return tuple(a.name for a in self.attributes if a.unreadable)

    @property
    def silent(self) -> tuple[str, ...]:
        """Names of the attributes whose value says nothing about the machine."""
        return tuple(a.name for a in self.attributes if a.silent)

    @property
    def id_problem(self) -> str:
        """Why the hardware ID identifies no machine, such as "it is blank"; "" where it does or could not be read.

        On macOS the agent has none at all, which is no matter of this host.
        """
        sid = next((a for a in self.attributes if a.name == self.sid_key), None)
        return "" if sid is None or sid.unreadable or self.platform == "macos" else sid.reason

    @property
    def id_warning(self) -> str:
        """The same as a sentence without a full stop, "" where there is nothing to warn of."""
        if not self.id_problem:
            return ""
        return (
            f"The hardware ID ({self.sid_key}) identifies no machine: {self.id_problem}. To rule 3 every machine with "
            "such an ID is this one, so a copy is not noticed by it"
        )

    @property
    def doubt_warning(self) -> str:
        """`doubt` as a sentence without a full stop, "" where there is nothing to warn of."""
        return f"{self.doubt[:1].upper()}{self.doubt[1:]}"

    @property
    def agent_error(self) -> str:
        """What the agent does where `stops_agent` names something, a sentence without a full stop; else ""."""
        if not self.stops_agent:
            return ""
        return (
            f"The agent refuses its whole collection, because {', '.join(self.stops_agent)} is not valid UTF-8: it "
            "tries three times in 15 s, then reports an error and stores nothing, and it gets no credentials until "
            "that is changed"
        )

    @property
    def only_here(self) -> tuple[str, ...]:
        """Names of the unreadable attributes of which the agent may read a value: a part of `unreadable`."""
        return tuple(a.name for a in self.attributes if a.only_here)

    @property
    def rights(self) -> tuple[str, ...]:
        """Names of the attributes that a process with the agent's rights may read: a part of `only_here`."""
        return tuple(a.name for a in self.attributes if a.fault == Fault.RIGHTS)

    @property
    def stops_agent(self) -> tuple[str, ...]:
        """Names of the attributes for which the agent's whole collection fails: their values are not UTF-8."""
        return tuple(a.name for a in self.attributes if a.fault == Fault.NOT_TEXT)


class AttributeRow(Value):
    """One line of a verdict's table.

    Attributes:
        name: the attribute.
        saved: the saved value, None where the saved hash lacks the key.
        current: the current value, None where the current hash lacks the key (it is not counted).
        same: whether the rule counts it as a match.
        evidence: whether both sides hold a value that says something, so that `same` does about the machine.
        unreadable: whether the current value is unknown rather than absent.
    """

    _hidden = ("saved", "current")
    name: str
    saved: str | None
    current: str | None
    same: bool
    evidence: bool
    unreadable: bool


class Verdict(Value):
    """Whether this is still the same machine, and why. It is true exactly when it matches.

    Attributes:
        match: the answer of the reference's rules.
        reason: the rule that decided.
        matched: keys of the current hash with an equal saved value (counted whatever rule decided).
        total: keys of the current hash.
        percent: matched / total * 100 in single precision; 0.0 when total is 0.
        threshold: the similarity threshold that was held against `percent`.
        sid_key: the key that served as hardware ID.
        effective: attributes for which both sides hold a value that says something about the machine.
        effective_matched: those of them that are equal.
        vacuous: no change of a readable attribute other than the SID could make this guard refuse.
        highest_passing_threshold: the highest of 1..100 that would still pass; None if only -1 would.
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
        """Names of the attributes that differ from the record for certain: an unreadable one is not known to."""
        return tuple(r.name for r in self.rows if r.current is not None and not r.same and not r.unreadable)


class Outlook(Vocabulary):
    """What the agent does when it holds the machine against the record.

    ACCEPTS: it matches. REJECTS: it finds a mismatch and stores a new fingerprint, which the service rejects.
    STOPS: its collection fails (a value that is not UTF-8); it stores nothing and gets no credentials.
    UNKNOWN: it may read what could not be read here, and that decides.
    """

    ACCEPTS: ClassVar[Outlook]
    REJECTS: ClassVar[Outlook]
    STOPS: ClassVar[Outlook]
    UNKNOWN: ClassVar[Outlook]


Outlook.define(ACCEPTS="will-accept", REJECTS="will-reject", STOPS="stops", UNKNOWN="cannot-tell")
