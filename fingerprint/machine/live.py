"""The machine that this process runs on, or a copied disk of another one."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time

from fingerprint.machine.base import FILE_LIMIT, Addresses, FileStatus, Link, Machine, NotThisMachine, Process
from fingerprint.machine.processes import DEFAULT_TIMEOUT, PATH, CommandResult, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from fingerprint.machine.reader import Reader

# A running kernel makes their content; a copied disk has at most leftovers there.
_KERNEL_DIRECTORIES = ("/sys/", "/proc/", "/dev/", "/run/")


class LiveMachine(Machine):
    """This host, or with another root the copied disk of another one.

    Only files of a copied disk can be read: its commands, names and addresses would be those of this host. Links on it
    do not lead out of it.

    Args:
        root: the directory that stands for "/".
        executables: files to run in place of some paths, for tests.
    """

    def __init__(self, root: str = "/", executables: Mapping[str, str] | None = None) -> None:
        self.root = os.path.abspath(root)
        self.platform = _platform()
        uname = os.uname() if hasattr(os, "uname") else None
        self.kernel = f"{uname.sysname} {uname.release}" if uname else "Windows"
        self.timeout = _WINDOWS_TIMEOUT if self.platform == "windows" else DEFAULT_TIMEOUT
        self._executables = dict(executables or {})
        self._quick_read: Callable[[str, int], bytes] | None = None
        self._environment: dict[str, str] | None = None

    @property
    def copied(self) -> bool:
        """True for a copied disk."""
        return self.root != "/" and self.platform != "windows"

    def _require_running(self, what: str, path: str | None = None) -> None:
        """Raise NotThisMachine on a copied disk, for what only a running host has."""
        if self.copied:
            reason = f"{self.root} is a copied disk; reading {what} requires a running host"
            raise NotThisMachine(errno.ENOTSUP, reason, path)

    def _inside(self, path: str) -> str:
        """Return the real path of a path, following links as if the root were "/"."""
        _require_name(path)
        if not self.copied:
            return path
        if path.startswith(_KERNEL_DIRECTORIES):
            self._require_running("files of the kernel", path)
        from fingerprint._io.chroot import on_disk

        return on_disk(self.root, path)

    def reader(self) -> Reader:
        from fingerprint.machine.reader import live_reader

        return live_reader()

    def read_file(self, path: str, limit: int = FILE_LIMIT) -> bytes:
        if self._quick_read is None and self.platform == "linux" and not self.copied:
            from fingerprint._core import read_file

            self._quick_read = read_file
        if self._quick_read is not None:
            try:
                return self._quick_read(path, limit)
            except ValueError:
                raise _no_name(path) from None
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self._inside(path), flags)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            if not stat.S_ISREG(status.st_mode) and not _is_null(status):
                raise OSError(errno.EINVAL, "it is not a regular file", path)
            data = b""
            while chunk := os.read(descriptor, limit + 1 - len(data)):
                data += chunk
                if len(data) > limit:
                    raise OSError(errno.EFBIG, f"it has more than {limit} bytes", path)
            return data
        finally:
            os.close(descriptor)

    def read_end(self, path: str, limit: int) -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with open(os.open(self._inside(path), flags), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", path)
            cut = status.st_size > limit
            file.seek(max(0, status.st_size - limit))
            data = file.read(limit)
        return data.partition(b"\n")[2] if cut else data

    def status(self, path: str) -> FileStatus:
        status = os.stat(self._inside(path))
        kind = "file" if stat.S_ISREG(status.st_mode) else "folder" if stat.S_ISDIR(status.st_mode) else "other"
        return FileStatus(
            kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_size, status.st_mtime
        )

    def agent_processes(self) -> tuple[Process, ...]:
        self._require_running("processes")
        from fingerprint.machine.process_list import agent_processes

        return agent_processes(self.platform)

    def utc_offset(self) -> int:
        self._require_running("the time zone")
        return time.localtime().tm_gmtoff

    def exists(self, path: str) -> bool:
        _require_name(path)
        try:
            os.stat(self._inside(path))
        except (FileNotFoundError, NotADirectoryError):
            return False
        except NotThisMachine:
            raise
        except OSError as error:
            # It may exist; reading it will report the error. Links that lead to each other have no target.
            return error.errno != errno.ELOOP
        return True

    def run(
        self, commands: Sequence[tuple[str, ...]], timeout: float, meanwhile: Callable[[], None] = lambda: None
    ) -> list[CommandResult]:
        if self.copied:
            meanwhile()
            reason = f"{self.root} is a copied disk"
            return [CommandResult(tuple(argv), problem="not-run", stderr=reason) for argv in commands]
        if self.platform == "windows":
            from fingerprint.machine.windows_processes import run as run_on_windows

            meanwhile()
            return run_on_windows(commands, timeout)
        environment, self._environment = self._environment or self.environment(), None
        return run(commands, timeout, environment, lambda path: self._executables.get(path, path), meanwhile)

    def environment(self) -> dict[str, str]:
        """Return the environment in which the agent runs its tools."""
        from fingerprint.machine.service_environment import service_environment

        return service_environment(self, PATH)

    def which(self, program: str) -> str:
        if self.copied or self.platform == "windows":
            return super().which(program)
        # `run` uses it for the next commands.
        self._environment = self.environment()
        for directory in self._environment.get("PATH", "").split(":"):
            path = f"{directory}/{program}"
            if directory.startswith("/") and os.access(path, os.X_OK) and not os.path.isdir(path):
                return path
        return super().which(program)

    def host_name(self) -> str:
        self._require_running("the host name")
        if self.platform == "windows":
            from fingerprint.machine.windows import physical_host_name

            return physical_host_name()
        # As bytes, because Python decodes it by the caller's locale; invalid UTF-8 stays visible.
        data = os.fsencode(os.uname().nodename)
        if self.platform == "linux" and not 0 < len(data) < 64:
            data = self.read_file("/proc/sys/kernel/hostname", 512).removesuffix(b"\n")
        return data.decode("utf-8", "surrogateescape")

    def addresses(self) -> Addresses:
        self._require_running("addresses")
        from fingerprint.machine.network import read_addresses

        return read_addresses(self.platform, self._link_dump)

    def list_directory(self, path: str) -> tuple[str, ...]:
        return tuple(sorted(os.listdir(self._inside(path))))

    def links(self) -> tuple[Link, ...]:
        self._require_running("interfaces")
        from fingerprint.machine.network import read_links

        return read_links(self.platform, self._link_dump)

    def _link_dump(self) -> bytes:
        """Return the kernel's dump of the interfaces, which both schemes read."""
        from fingerprint.machine.network import link_dump

        return self.once("RTM_GETLINK", link_dump)

    def outgoing_address(self) -> str:
        self._require_running("routes")
        from fingerprint.machine.network import read_outgoing_address

        return read_outgoing_address(self.platform)

    def processor_id(self) -> tuple[str, str, str]:
        self._require_running("the processor")
        from fingerprint._core import processor

        return processor()

    def firmware_table(self) -> bytes:
        from fingerprint.machine.windows import firmware_table

        return firmware_table()

    def machine_guid(self) -> str:
        from fingerprint.machine.windows import machine_guid

        return machine_guid()

    def default_route(self) -> str:
        self._require_running("routes")
        from fingerprint.machine.network import read_default_route

        return read_default_route(self)

    def processor(self) -> str:
        self._require_running("the processor")
        # Its first call takes 0.15 to 1.1 s, so only a collection with facts makes it.
        from cpuinfo import get_cpu_info

        return str(get_cpu_info().get("brand_raw", ""))

    def access_list(self, path: str) -> str:
        # GetFileSecurityW does not distinguish a missing file from other errors.
        os.stat(self._inside(path))
        from fingerprint._io.windows_acl import access_of

        return access_of(path)

    def service_state(self, name: str) -> str:
        from fingerprint.machine.windows import service_state

        return service_state(name)

    def windows_directory(self) -> str:
        from fingerprint.machine.windows import windows_directory

        return windows_directory()

    def wmi_objects(self, class_name: str, members: Sequence[str]) -> tuple[dict[str, Any], ...]:
        from fingerprint.machine.windows_processes import run as run_on_windows
        from fingerprint.machine.wmi import powershell_path, query

        return query(class_name, members, self.timeout, powershell_path(self.windows_directory()), run_on_windows)

    def agent_version(self) -> str:
        from fingerprint.machine.process_list import version_in
        from fingerprint.machine.windows import agent_program

        path = agent_program()
        [result] = self.run([(path, "-version")], self.timeout)
        version = version_in(result.stdout) if result.succeeded else ""
        if not version:
            raise OSError(errno.EIO, f"{path} -version: {result.problem or 'it prints no version'}", path)
        return version


def _is_null(status: os.stat_result) -> bool:
    """Return whether this is the null device, with which systemd and containers mask a file."""
    try:
        return stat.S_ISCHR(status.st_mode) and status.st_rdev == os.stat(os.devnull).st_rdev
    except OSError:
        return False


def _require_name(path: str) -> None:
    """Raise OSError for an impossible file name, for which Python raises other errors."""
    try:
        if b"\0" not in os.fsencode(path):
            return
    except UnicodeEncodeError:
        pass
    raise _no_name(path)


def _no_name(path: str) -> OSError:
    return OSError(errno.EINVAL, "no file can have this name", path)


_WINDOWS_TIMEOUT = 60.0
_PLATFORMS = (
    ("linux", "linux"),
    ("darwin", "macos"),
    ("win32", "windows"),
    ("freebsd", "freebsd"),
    ("openbsd", "openbsd"),
    ("netbsd", "netbsd"),
    ("dragonfly", "dragonfly"),
)


def _platform() -> str:
    for prefix, platform in _PLATFORMS:
        if sys.platform.startswith(prefix):
            return platform
    return sys.platform
