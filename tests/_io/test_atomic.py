"""A new file appears complete or not at all."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fingerprint._io.atomic import AtomicFile, write_new
from fingerprint.errors import InputError, Refused
from fingerprint.monitor.prometheus import write_textfile

BROKEN = OSError(28, os.strerror(28))


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    write_new(str(tmp_path / "new"), b"data", "report")
    assert (tmp_path / "new").read_bytes() == b"data"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_write_that_fails_or_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    for error in (BROKEN, KeyboardInterrupt()):
        monkeypatch.setattr(os, step, fail)
        if step == "link" and error is BROKEN:
            # Without hard links the file is renamed.
            write_new(str(tmp_path / "new"), b"data", "report")
            assert os.listdir(tmp_path) == ["new"]
            os.unlink(tmp_path / "new")
            continue
        with pytest.raises((InputError, KeyboardInterrupt)):
            write_new(str(tmp_path / "new"), b"data", "report")
        assert os.listdir(tmp_path) == []


def test_a_file_that_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "dangling"):
        with pytest.raises(Refused):
            write_new(str(tmp_path / name), b"new", "report")
        # Also if it appears between the check and the naming.
        with monkeypatch.context() as patched:
            patched.setattr(os.path, "lexists", lambda path, name=name: not str(path).endswith(name))
            with pytest.raises(Refused):
                write_new(str(tmp_path / name), b"new", "report")
    assert (tmp_path / "old").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["dangling", "old"]
    with pytest.raises(InputError, match="could not be written"):
        write_new(str(tmp_path / "old" / "new"), b"new", "report")


def test_of_many_writers_of_one_name_one_succeeds(tmp_path: Path) -> None:
    def write(number: int) -> bool:
        try:
            write_new(str(tmp_path / "new"), b"%d" % number * 5000, "report")
        except Refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(write, range(8)))
    assert done.count(True) == 1
    assert (tmp_path / "new").read_bytes() == b"%d" % done.index(True) * 5000


def test_missing_current_directory_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match="the report could not be written"):
        write_new("new", b"data", "report")
    write_new(str(tmp_path / "elsewhere"), b"data", "report")
    with pytest.raises(InputError, match="cannot write the metrics"):
        write_textfile("new.prom", "data\n")
    writers = pytest.importorskip("fingerprint.fleet.io.writer")
    with pytest.raises(InputError, match="cannot write"), writers.TableWriter("new.parquet"):
        pass


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("path", ["link/../file", "./link/./../file", "inner/below/../../link/../file"])
@pytest.mark.skipif(os.name == "nt", reason="Windows takes the link and the dots together for nothing")
def test_the_hidden_file_is_in_the_directory_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, replace: bool
) -> None:
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "inner" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real/below")
    for given in (path, str(tmp_path / path)):
        monkeypatch.chdir(tmp_path)
        with AtomicFile(given, replace=replace) as file:
            file.write(b"new")
            assert sorted(os.listdir(tmp_path)) == ["inner", "link", "real"]
            assert len(os.listdir(tmp_path / "real")) == 2
        assert sorted(os.listdir(tmp_path / "real")) == ["below", "file"]
        (tmp_path / "real" / "file").unlink()


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("character", ["n", "\u00e9", "\u20ac", "\U0001f600"])
def test_every_name_that_the_file_system_takes_can_be_written(tmp_path: Path, replace: bool, character: str) -> None:
    path = tmp_path / (character * (os.pathconf(tmp_path, "PC_NAME_MAX") // len(os.fsencode(character))))
    path.write_bytes(b"old")
    if not replace:
        path.unlink()
    with AtomicFile(str(path), replace=replace) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_has_its_mode_when_it_has_its_name(tmp_path: Path, replace: bool, mode: int) -> None:
    path = tmp_path / "file"
    if replace:
        path.write_bytes(b"old")
    with AtomicFile(str(path), replace=replace, mode=mode) as file:
        file.write(b"new")
        [hidden] = [name for name in os.listdir(tmp_path) if name != "file"]
        assert stat.S_IMODE((tmp_path / hidden).stat().st_mode) == 0o600
        assert path.exists() is replace
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("step", ["fsync", "chmod", "block", "directory"])
@pytest.mark.parametrize("error", [BROKEN, KeyboardInterrupt(), OSError(errno.EIO, os.strerror(errno.EIO))])
@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no directories")
def test_a_failure_at_any_step_leaves_the_old_file_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replace: bool, step: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    if replace:
        path.write_bytes(b"old")
    flush, flushed = os.fsync, []

    def fail(*_: object) -> None:
        raise error

    def fsync(descriptor: int) -> None:
        flushed.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        if flushed[-1] == (step == "directory"):
            raise error
        flush(descriptor)

    if step == "chmod":
        monkeypatch.setattr(os, "chmod", fail)
    elif step != "block":
        monkeypatch.setattr(os, "fsync", fsync)

    def write() -> None:
        with AtomicFile(str(path), replace=replace, mode=0o644) as file:
            file.write(b"new")
            if step == "block":
                raise error

    with pytest.raises(type(error)):
        write()
    assert os.listdir(tmp_path) == ["file"] * replace
    if replace:
        # Its name is the last step, so after that only the flush of the name can fail.
        assert path.read_bytes() == (b"new" if step == "directory" else b"old")


@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no directories")
def test_a_file_and_then_its_name_are_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush, seen = os.fsync, []

    def fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append(("directory" if is_directory else "file", (tmp_path / "file").exists()))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with AtomicFile(str(tmp_path / "file")) as file:
        file.write(b"data")
    assert seen == [("file", False), ("directory", True)]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
@pytest.mark.skipif(os.name == "nt", reason="Windows flushes no directories")
def test_a_file_system_that_flushes_no_directories_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    flush = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_new(str(tmp_path / "new"), b"data", "report")
    assert (tmp_path / "new").read_bytes() == b"data"
