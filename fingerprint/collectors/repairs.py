"""What to do about a source that fails for the agent as it fails here: repair it, and change nothing else until then.

A read that failed says nothing about the machine, so no other remedy may follow from it: neither a rebaseline, which
would store empty values, nor a new registration.
"""

from __future__ import annotations

import re
import shlex

from fingerprint.collectors.recipes import WMIC, WQL, WQL_SINCE, possible_recipes
from fingerprint.collectors.wmi_errors import is_of_class
from fingerprint.types import DoubtRemedy, Fault, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.types import Attribute, Collection

UNTIL_THEN = "do not restart the agent until then: it would read empty values and store a new fingerprint"
# Defines the classes of which the agent asks.
_CLASSES = r"mofcomp C:\Windows\System32\wbem\cimwin32.mof"
INSTALL_WMIC = "DISM /Online /Add-Capability /CapabilityName:WMIC~~~~"
# The error of a file, in the words of the C library -> what to do.
_OF_FILES = (
    ("Input/output error", "the disk cannot read it: check the disk, then put the file back from a backup",
     "dmesg --level=err,crit"),
    ("Structure needs cleaning", "its file system is damaged: check it, then put the file back from a backup",
     "dmesg --level=err,crit"),
    ("Is a directory", "it is a directory, as a container makes it for a missing file: put the file of this host there",
     ""),
    ("Permission denied", "root may not read it: restore its mode, or its SELinux context", ""),
    ("Operation not permitted", "root may not read it: restore its mode, or its SELinux context", ""),
)  # fmt: skip


def failing(collection: Collection) -> tuple[Attribute, ...]:
    """Return the attributes whose source fails for the agent, too: it reads "" in their place."""
    return tuple(a for a in collection if a.status == Status.FAILED and a.fault in (Fault.SOURCE, Fault.NONE))


def repairs_of(collection: Collection) -> tuple[DoubtRemedy, ...]:
    """Return the steps that repair the failing sources of a machine, in order; () if none fails."""
    found: dict[str, DoubtRemedy] = {}
    for attribute in failing(collection):
        steps = _of_wmi(attribute) if is_of_wmi(attribute, collection) else (_of_source(attribute),)
        for one in steps:
            found.setdefault(one.text, one)
    return tuple(found.values())


def is_of_wmi(attribute: Attribute, collection: Collection) -> bool:
    """Return whether an attribute of Windows is read by WMI."""
    return bool(collection.recipe) and (attribute.name.endswith("-hash") or attribute.name in ("uuid", "disk-info"))


def _of_wmi(attribute: Attribute) -> tuple[DoubtRemedy, ...]:
    text = "If it is inconsistent, repair it"
    steps = [
        DoubtRemedy("repair-wmi", f"Repair WMI first, and {UNTIL_THEN}. Check its repository",
                    "winmgmt /verifyrepository"),
        DoubtRemedy("salvage-wmi", text, "winmgmt /salvagerepository"),
    ]  # fmt: skip
    if is_of_class(attribute.reason):
        steps.append(DoubtRemedy("register-classes", "If it is consistent, define the missing class again", _CLASSES))
    return tuple(steps)


def _of_source(attribute: Attribute) -> DoubtRemedy:
    source, reason = attribute.source, attribute.reason
    if not source.startswith("/"):
        return DoubtRemedy(
            "repair-source", f"Make {attribute.name} readable ({source}: {reason}), and {UNTIL_THEN}"
        )  # fmt: skip
    path, _, words = source.partition(" ")
    if words:
        return DoubtRemedy("repair-source", f"Run {path} by hand, fix what it reports ({reason}), and {UNTIL_THEN}",
                           source)  # fmt: skip
    meaning, command = next(
        ((f": {meaning}", command) for words, meaning, command in _OF_FILES if words in reason), ("", "")
    )
    return DoubtRemedy("repair-source", f"Make {path} readable first ({reason}{meaning}), and {UNTIL_THEN}",
                       command or f"ls -l {shlex.quote(path)}")  # fmt: skip


# Windows without wmic.


def without_wmic(collection: Collection) -> bool:
    """Return whether the agent hashes by wmic and there is none, so that all six hashes are empty."""
    if collection.recipe != WMIC:
        return False
    read = [a for a in collection if "wmic.exe" in a.source.lower()]
    return bool(read) and all(a.status == Status.ABSENT and not a.value for a in read)


def update_without_wmic(collection: Collection) -> tuple[DoubtRemedy, ...]:
    """Return the steps for an agent that hashes by a missing wmic; () if there is one, or the agent needs none."""
    if not without_wmic(collection):
        return ()
    found = re.search(r"Windows (\d+(?:\.\d+)+)", collection["uuid"].tool)
    windows = found[1] if found else ""
    if windows and possible_recipes(windows, windows)[0] == WQL:
        text = (
            f"Update the agent to {WQL_SINCE} or later, which needs no wmic: wmic is removed from Windows {windows}, "
            f"and {UNTIL_THEN}"
        )
        return (DoubtRemedy("update-agent", text),)
    return (
        DoubtRemedy("install-wmic", f"Install wmic, by which this agent hashes, and {UNTIL_THEN}", INSTALL_WMIC),
    )  # fmt: skip
