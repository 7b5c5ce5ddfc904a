"""Why an attribute differs: known from recordings of both sides, inferred from less, or not known.

Each cause also has signs: the primitive causes that it speaks for, which `explanation.composition` puts together.
"""

from __future__ import annotations

from fingerprint._io.text import masked, printable
from fingerprint._io.times import utc
from fingerprint.attributes.machine_id import problem
from fingerprint.attributes.ssm import SID_KEYS
from fingerprint.explanation.analysis import Analysis, Sign, of
from fingerprint.explanation.disks import disk_analysis
from fingerprint.explanation.dmi_text import TextDifference
from fingerprint.explanation.hardware import compare
from fingerprint.explanation.network import address_analysis, hardware_address_analysis
from fingerprint.explanation.windows_values import UNKNOWN, windows_analysis
from fingerprint.smbios.no_table import DMI, NO_STRUCTURE, is_silent, release_of, why_silent
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.explanation.sources import Sources
    from fingerprint.observation import RecipeChange
    from fingerprint.types import AttributeRow, Collection, Verdict

# Facts: the value has hardware on one side only.
TABLE_GONE, TABLE_APPEARED = "table-gone", "table-appeared"
# How the reason begins if dmidecode is there and finds no table, with any exit code.
_NO_TABLE = "no SMBIOS table"
# The causes of other attributes than those of dmidecode whose value is empty on one side.
_GONE = {"machine-id": "machine-id-invalid"}
_APPEARED = {"machine-id": "machine-id"}


class Cause(Value):
    """The cause of one attribute's state.

    Attributes:
        name: the attribute.
        state: "same", "empty" (equal, as both sides are empty or the same output without hardware), "changed" or
            "unknown".
        saved, current: the values to print; ids are masked, digests shortened.
        text: the cause; "" for an unchanged attribute.
        certain: whether recorded sources prove it; False for an inference.
        facts: keys of what the comparison shows.
        signs: the primitive causes that it speaks for.
    """

    name: str
    state: str
    saved: str
    current: str
    text: str
    certain: bool
    facts: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()


class Context:
    """Both sides of a comparison.

    Args:
        verdict: the verdict over them.
        collection: the current attributes.
        before: the recorded sources of the saved side; None if nothing was kept.
        now: those of the current side.
        started: when the machine was started, in seconds since 1970-01-01 UTC; None if not known.
    """

    def __init__(
        self,
        verdict: Verdict,
        collection: Collection,
        before: Sources | None,
        now: Sources | None,
        started: float | None = None,
    ) -> None:
        self.verdict = verdict
        # As text for users.
        self.booted = utc(started)[:16].replace("T", " ") if started else ""
        # Whether it was started after the saved side was recorded; None if not known.
        self.rebooted = None if started is None or before is None else started > before.machine.now()
        self.collection = collection
        self.before = before
        self.now = now
        # The verdict by another hash recipe of Windows, if that fits the record.
        self.change: RecipeChange | None = None
        self.changed = verdict.changed


def causes(context: Context) -> tuple[Cause, ...]:
    """Return one cause for each attribute of the machine, in the order of the verdict."""
    return tuple(_cause(row, context) for row in context.verdict.rows if row.current is not None)


def _cause(row: AttributeRow, context: Context) -> Cause:
    saved, current = _shown(row.name, row.saved), _shown(row.name, row.current)
    read = next((a for a in context.collection if a.name == row.name), None)
    if row.same:
        silent: tuple[str, ...] = ("no-table",) if silence_now(row.name, context) else ()
        return Cause(row.name, "same" if row.evidence else "empty", saved, current, "", True, silent)
    if read is not None and read.unreadable:
        return Cause(row.name, "unknown", saved, current, f"could not be read now: {read.reason}", True)
    found = _cause_of_change(row, context)
    return Cause(row.name, "changed", saved, current, found.text, found.certain, found.facts, found.signs)


def _cause_of_change(row: AttributeRow, context: Context) -> Analysis:
    name, saved, current = row.name, row.saved or "", row.current or ""
    if not current:
        return _nothing_now(name, context)
    if not saved:
        return _nothing_then(row, context)
    if context.collection.platform == "windows" and name not in ("hostname-info", "ipaddress-info", "macaddr-info"):
        return windows_analysis(name, context)
    if name in DMI:
        return _dmi(name, context)
    if name == "disk-info":
        return disk_analysis(context)
    if name == "ipaddress-info":
        return address_analysis(saved, current, context)
    if name == "macaddr-info":
        return hardware_address_analysis(saved, current, context)
    if name == "hostname-info":
        return of("host-name", f"{saved} -> {current}", "renamed")
    return _machine_id(saved, current)


def _nothing_now(name: str, context: Context) -> Analysis:
    read = next((a for a in context.collection if a.name == name), None)
    text = f"nothing is read now: {read.reason if read else 'no source'}"
    if name not in DMI:
        return of(_GONE.get(name, "value-gone"), text)
    if context.collection.platform == "windows":
        return of("value-gone", text, "tool-gone")
    return of("table-gone" if read and read.reason.startswith(_NO_TABLE) else "tool-gone", text, "tool-gone")


def _nothing_then(row: AttributeRow, context: Context) -> Analysis:
    name = row.name
    facts = ("tool-appeared",) if name in DMI else ()
    by_tool = name in DMI and context.collection.platform != "windows"
    cause = "tool-appeared" if by_tool else _APPEARED.get(name, "value-appeared")
    if row.saved is None:
        return Analysis("the record has no such attribute", True, facts)
    if context.change is not None and context.change.found.without_id:
        return of(cause, f"nothing was read then: {context.change.found.collection[name].reason}", *facts)
    then = context.before.attribute(name) if context.before else None
    if by_tool and then and then.reason.startswith(_NO_TABLE):
        cause = "table-appeared"
    # That the saved value is empty is certain, whatever the reason was.
    text = f"nothing was read then{f': {then.reason}' if then else ''}"
    return Analysis(text, then is not None, facts, (Sign(cause, text),))


def _machine_id(saved: str, current: str) -> Analysis:
    # Why it is another one the value alone does not say; `explanation.history` compares the rest.
    text = "the machine ID was regenerated, or the disk is another installation's"
    then, now = problem(saved), problem(current)
    sign = (
        Sign("machine-id-invalid", f"the machine ID identifies no machine: {now}") if now
        else Sign("machine-id", f"the machine ID was set: then, {then}" if then else "the machine ID is another one")
    )  # fmt: skip
    return Analysis(text, False, ("other-id",), (sign,))


def _dmi(name: str, context: Context) -> Analysis:
    before, now = context.before, context.now
    versions = tuple(side.tool_version(name) if side else "" for side in (before, now))
    silent = silence_then(name, context), silence_now(name, context)
    if any(silent):
        return _with_tool(_without_table(name, silent, context), versions)
    old, new = (before.dmi_table(name) if before else None), (now.dmi_table(name) if now else None)
    if before is None or now is None or old is None or new is None:
        release = _release_then(name, context)
        if release:
            text = f"dmidecode {release} -> {versions[1]}; the rest of its output is equal"
            return of("tool-version", text, "tool-version", "hardware-equal")
        if any(_release_then(other, context) for other in DMI):
            return Analysis("cause not known: more differs than the version of dmidecode", False)
        if all(other in context.changed for other in DMI):
            text = "probably dmidecode's version: all four DMI values changed at once"
            return of("tool-version", text, "all-dmi", certain=False)
        return Analysis(UNKNOWN, False)
    facts: list[str] = []
    signs: list[Sign] = []
    same_tool = versions[0] == versions[1]
    if not same_tool:
        signs.append(Sign("tool-version", f"dmidecode {versions[0] or '?'} -> {versions[1] or '?'}"))
        facts.append("tool-version")
    compared = compare(name, old, new, same_tool=same_tool)
    if compared.found:
        signs += [Sign(kind, text) for kind, text in compared.found]
        facts += _facts(name, [kind for kind, _ in compared.found], [text for _, text in compared.found])
        return Analysis("; ".join(sign.text for sign in signs), True, tuple(facts), tuple(signs))
    equal = "hardware fields equal" if compared.compared else "no hardware field is known on both sides"
    facts += ["hardware-equal"] if compared.compared else []
    if not same_tool:
        signs[0] = Sign("tool-version", f"{signs[0].text}; {equal}")
        return Analysis(signs[0].text, True, tuple(facts), tuple(signs))
    different = TextDifference(before.dmi_text(name) or "", now.dmi_text(name) or "")
    text = f"{equal}; only {different.text} differ" if different.labels else "only the order or form of the text"
    # Fields that do not vary by themselves are of the firmware, if that changed.
    return of("text-form" if different.steady else "text-noise", text, *facts)


def _with_tool(found: Analysis, versions: tuple[str, ...]) -> Analysis:
    """Return an analysis with the versions of dmidecode, if both sides know it and it differs."""
    gone = {"table-gone", "table-appeared"} & {sign.cause for sign in found.signs}
    if gone or not all(versions) or versions[0] == versions[1]:
        # Without a table its text says nothing, whichever version printed it.
        return found
    tool = f"dmidecode {versions[0]} -> {versions[1]}"
    signs = Sign("tool-version", tool), *found.signs
    if "no-table" in found.facts:
        return Analysis(f"{tool}; {found.text}", found.certain, ("tool-version", *found.facts), signs)
    return Analysis(f"{found.text}; {tool}", found.certain, found.facts, signs)


def _release_then(name: str, context: Context) -> str:
    """Return the version of dmidecode whose output was saved, if only that line differs now; "" if not."""
    output = context.now.dmi_output(name) if context.now else None
    saved = next((row.saved or "" for row in context.verdict.rows if row.name == name), "")
    return release_of(saved, output) if output and name in context.changed else ""


def _facts(name: str, kinds: list[str], evidence: list[str]) -> list[str]:
    facts = [{"memory-hash": "modules", "bios-hash": "firmware", "processor-hash": "processor"}.get(name, "system")]
    facts = ["processor-settings"] if set(kinds) == {"processor-settings"} else facts
    facts += ["uuid-turned"] if "uuid-turned" in kinds else []
    facts += ["uuid"] if any(text.startswith("UUID") and "->" in text for text in evidence) else []
    facts += ["maker"] if any(text.startswith("maker") for text in evidence) else []
    return facts


def silence_now(name: str, context: Context) -> str:
    """Return why the current value has no hardware facts; "" if it has some."""
    read = next((a for a in context.collection if a.name == name), None)
    return read.reason if read is not None and read.silent else ""


def silence_then(name: str, context: Context) -> str:
    """Return why the saved value has no hardware facts; "" if it has some or that is not known."""
    text = context.before.dmi_output(name) if context.before else None
    if text is not None:
        return why_silent(text)
    saved = next((row.saved for row in context.verdict.rows if row.name == name), None)
    return "no SMBIOS table found" if saved and is_silent(saved) else ""


def _without_table(name: str, silent: tuple[str, str], context: Context) -> Analysis:
    """Return the analysis if dmidecode printed no structure on one side or both."""
    then, today = silent
    if then and today:
        return of("text-noise", f"{today}, then as now", "no-table")
    if _other_groups(name, context, silence_now if today else silence_then):
        # The table exists: only the structures of this kind are missing.
        word = "now" if today else "then"
        return of("structures-gone" if today else "structures-appeared", f"{word}, {today or then}")
    if today:
        return of("table-gone", f"the SMBIOS table is gone: {today}", TABLE_GONE)
    return of("table-appeared", f"an SMBIOS table appeared: then, {then}", TABLE_APPEARED)


def _other_groups(name: str, context: Context, silence: Callable[[str, Context], str]) -> bool:
    """Whether the table was read, but for this attribute, on the side that `silence` is about."""
    return silence(name, context) == NO_STRUCTURE and any(not silence(other, context) for other in DMI)


def _shown(name: str, value: str | None) -> str:
    if value is None:
        return "(no such key)"
    if not value:
        return "(empty)"
    return short_value(name, value)


def short_value(name: str, value: str) -> str:
    """Return the value of an attribute to print: an ID masked, a digest shortened."""
    if name in SID_KEYS:
        return masked(value)
    digest = name.endswith("-hash") or name == "disk-info"
    return masked(value, 8, 0) if digest and len(value) > 12 else printable(value)
