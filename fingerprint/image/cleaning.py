"""Removal of what all machines made from a disk would share, after a backup of it."""

from __future__ import annotations

import errno
import os
import stat

from fingerprint._io.atomic import AtomicFile
from fingerprint._io.permissions import rights_remedy
from fingerprint.errors import InputError, Refused, writable
from fingerprint.image.disk import FILE, Disk, identity, is_directory, reason
from fingerprint.image.findings import Done, masked_path
from fingerprint.image.kinds import EMPTY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tarfile import TarFile, TarInfo

    from fingerprint.image.disk import Directory
    from fingerprint.image.findings import Findings, Leftover

_NANOSECONDS = 10**9
_CHANGED = "it changed after the search"


def clean(found: Findings, backup: str | None, done: list[Done] | None = None) -> list[Done]:
    """Remove or empty the findings after a backup of all of them. A failure is reported, and the rest goes on.

    Args:
        found: what `leftovers` returned. A file that has changed since then stays.
        backup: the new tar.gz file; None for no backup. It is complete and durable before the first removal.
        done: gets each result at once, so that the caller has them after an interruption; None for a new list.

    Raises:
        Refused: the backup exists, or would be in a directory that is cleaned. Nothing was removed.
        InputError: the backup could not be written, or the mount points are unknown. Nothing was removed.
    """
    done = [] if done is None else done
    if not found.removable:
        return done
    disk = Disk(found.root)
    if not disk.knows_mounts:
        raise InputError(
            "the mount points within the image are unknown; nothing was removed", where="/proc/self/mountinfo",
            remedy="Mount /proc, so that no file of another disk is removed",
        )  # fmt: skip
    if backup is not None:
        _write_backup(disk, found, backup)
    # Files that had other names (hard links): each removal changes their time of change, and that change is ours.
    unnamed: set[tuple[int, ...]] = set()
    for item in found.removable:
        if not item.is_directory:
            done.append(_removed(disk, item, unnamed))
    for path in found.directories:
        try:
            with disk.parent(path) as directory:
                directory.call(os.rmdir, os.path.basename(path))
        except OSError:
            # The file that keeps it is reported above or is new; the directory alone is harmless.
            continue
    for item in found.removable:
        if item.is_directory:
            done.append(_removed(disk, item, unnamed))
    return done


def is_inside(path: str, root: str) -> bool:
    """Return whether a file is, or would be, below a root."""
    top = os.stat(root)
    return (top.st_dev, top.st_ino) in _above(path)


def _above(path: str) -> set[tuple[int, int]]:
    """Return device and inode of every directory above a file."""
    directory = os.path.dirname(os.path.realpath(path))
    found = set()
    while True:
        try:
            status = os.stat(directory)
            found.add((status.st_dev, status.st_ino))
        except OSError:
            # Writing there fails, too, and reports why.
            pass
        if directory == os.path.dirname(directory):
            return found
        directory = os.path.dirname(directory)


def _removed(disk: Disk, item: Leftover, unnamed: set[tuple[int, ...]]) -> Done:
    try:
        for path in item.leads_to:
            if _exists(disk, path):
                raise OSError(errno.EBUSY, f"it leads to {path}, which is not gone", item.path)
        with disk.parent(item.path) as directory:
            return Done(item.path, _remove(directory, item, unnamed))
    except OSError as error:
        return Done(item.path, "nothing", reason(error))


def _exists(disk: Disk, path: str) -> bool:
    """Return whether a path that was found on the disk is still there."""
    try:
        with disk.parent(path) as directory:
            directory.status(os.path.basename(path))
    except FileNotFoundError:
        return False
    return True


def _remove(directory: Directory, item: Leftover, unnamed: set[tuple[int, ...]]) -> str:
    name = os.path.basename(item.path)
    status = directory.status(name)
    now = identity(status)
    # The last element is the time of change.
    if now != item.identity and not (now[:-1] == item.identity[:-1] and now[:-1] in unnamed):
        raise OSError(errno.EAGAIN, _CHANGED, item.path)
    if item.action != EMPTY:
        directory.call(os.rmdir if is_directory(status) else os.unlink, name)
        if status.st_nlink > 1:
            unnamed.add(now[:-1])
        return "removed"
    if status.st_nlink > 1:
        raise OSError(errno.EMLINK, "it has other names (hard links), which would be emptied, too", item.path)
    descriptor = directory.call(os.open, name, os.O_WRONLY | FILE)
    try:
        if identity(os.fstat(descriptor)) != item.identity:
            raise OSError(errno.EAGAIN, _CHANGED, item.path)
        os.ftruncate(descriptor, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return "emptied"


def _write_backup(disk: Disk, found: Findings, backup: str) -> None:
    # Imported here: it takes longer than a complete search of an image.
    import tarfile

    if _above(backup) & found.trees:
        raise Refused(
            "the backup would be in a directory that is cleaned; nothing was removed",
            where=backup,
            remedy="Name a file elsewhere with --backup",
        )
    identities = {item.path: item.identity for item in found.removable}
    try:
        with (
            AtomicFile(backup) as file,
            tarfile.open(fileobj=file, mode="w:gz", format=tarfile.PAX_FORMAT, compresslevel=6) as archive,
        ):
            # Sorted, a directory comes before what is in it.
            for path in sorted({*identities, *found.directories}, key=lambda one: one.split(os.sep)):
                _add(archive, disk, path, identities.get(path))
    except FileExistsError:
        raise Refused(
            "the file exists; nothing was removed", where=backup, remedy="Name a new file with --backup"
        ) from None
    except OSError as error:
        raise InputError(
            f"cannot write the backup: {reason(error)}; nothing was removed",
            where=backup,
            remedy="Name a writable path with --backup",
        ) from None


def _add(archive: TarFile, disk: Disk, path: str, expected: tuple[int, ...] | None) -> None:
    """Add a file or directory under its path below the root."""
    try:
        with disk.parent(path) as directory:
            name = os.path.basename(path)
            status = directory.status(name)
            if expected is not None and identity(status) != expected:
                raise OSError(errno.EAGAIN, _CHANGED, path)
            if not stat.S_ISREG(status.st_mode):
                _add_special(archive, disk, directory, name, status)
                return
            descriptor = directory.call(os.open, name, os.O_RDONLY | FILE)
    except OSError as error:
        raise InputError(
            f"cannot read it for the backup: {reason(error)}; nothing was removed",
            where=masked_path(writable(path), writable(disk.root)),
            remedy="Run it again" if error.errno == errno.EAGAIN else rights_remedy(copied=writable(disk.root) != "/"),
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        entry = _entry(archive, disk.name(path), before)
        entry.size = before.st_size
        archive.addfile(entry, file)
        if expected is not None and not (expected == identity(before) == identity(os.fstat(descriptor))):
            raise InputError(
                f"{_CHANGED}; nothing was removed", where=masked_path(writable(path), writable(disk.root)),
                remedy="Run it again",
            )  # fmt: skip


def _add_special(archive: TarFile, disk: Disk, directory: Directory, name: str, status: os.stat_result) -> None:
    entry = _entry(archive, disk.name(directory.of(name)), status)
    if is_directory(status):
        entry.type = b"5"
    elif stat.S_ISLNK(status.st_mode):
        entry.type, entry.linkname = b"2", directory.target(name) or ""
    elif stat.S_ISFIFO(status.st_mode):
        entry.type = b"6"
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        entry.type = b"3" if stat.S_ISCHR(status.st_mode) else b"4"
        entry.devmajor, entry.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    else:
        # A socket has no content.
        return
    archive.addfile(entry)


def _entry(archive: TarFile, name: str, status: os.stat_result) -> TarInfo:
    entry = archive.tarinfo(name)
    entry.mode, entry.mtime = stat.S_IMODE(status.st_mode), status.st_mtime
    entry.uid, entry.gid = status.st_uid, status.st_gid
    # A floating-point number would lose its last digits.
    seconds, rest = divmod(abs(status.st_mtime_ns), _NANOSECONDS)
    entry.pax_headers = {"mtime": f"{'-' * (status.st_mtime_ns < 0)}{seconds}.{rest:09}"}
    return entry
