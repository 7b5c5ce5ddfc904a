"""The machine ID on a disk and its second copy, that of D-Bus."""

from __future__ import annotations

from fingerprint.attributes.machine_id import MACHINE_ID_FILES, UNINITIALIZED, problem
from fingerprint.image.disk import identity
from fingerprint.image.kinds import KEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.image.scan import Scan

_LIMIT = 4096
_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")


def first_machine_id(scan: Scan, inside: str) -> None:
    """Note the machine ID, unless each machine makes one of its own."""
    found = scan.disk.resolve(inside)
    if found is None:
        return
    directory, name, status = found
    with directory:
        scan.require_no_mount(directory, name, status)
        text = directory.read(name, _LIMIT)
        if _is_regenerated(scan, text):
            return
    wrong = problem(text.decode("utf-8", "replace"))
    what = f"an invalid machine ID ({wrong}), which every machine of the image keeps" if wrong else ""
    if scan.is_link(inside):
        scan.note("machine-id", directory.of(name), status, KEEP, _linked(inside), what)
    else:
        scan.note("machine-id", directory.of(name), status, what=what)


def second_machine_id(scan: Scan, inside: str) -> None:
    """Note the machine ID of D-Bus, unless it is a link to the first one."""
    if not scan.is_link(inside):
        scan.file("dbus-machine-id", inside)
        return
    found = scan.disk.resolve(inside)
    if found is None:
        return
    directory, name, status = found
    with directory:
        is_regenerated = _is_regenerated(scan, directory.read(name, _LIMIT))
    first = scan.disk.resolve(MACHINE_ID_FILES[0])
    if first is not None:
        first[0].close()
    if not is_regenerated and (first is None or identity(first[2]) != identity(status)):
        scan.note("dbus-machine-id", directory.of(name), status, KEEP, _linked(inside))


def _linked(inside: str) -> str:
    return f"{inside} is a link to this file: empty it by hand"


def _is_regenerated(scan: Scan, text: bytes) -> bool:
    """Return whether a machine replaces this text by an ID of its own when it starts.

    All systems replace an empty file, only systemd the word "uninitialized": others check the size.
    """
    return not text or (text.strip() == UNINITIALIZED.encode() and any(map(scan.exists, _SYSTEMD)))
