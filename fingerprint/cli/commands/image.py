"""`fingerprint image check` and `image clean`: list and remove what all machines made from a disk would share."""

from __future__ import annotations

import os
import sys
from time import time

from fingerprint._io.text import printable
from fingerprint._io.times import basic
from fingerprint.agent.paths import PACKAGE
from fingerprint.answers.image import image_check_answer, image_clean_answer, image_path
from fingerprint.cli.output import colored, flush, folded, print_json, warn, write
from fingerprint.cli.signals import end_by_every_signal, ignore_signals
from fingerprint.errors import (
    EXIT_CANNOT_TELL,
    EXIT_DIFFERS,
    EXIT_INTERRUPTED,
    EXIT_OK,
    FingerprintError,
    InputError,
    OutputError,
    Refused,
    UsageError,
    writable,
)
from fingerprint.image import KEEP, Done, Findings, clean, is_inside, leftovers
from fingerprint.vault.locations import VAULT_VARIABLE, is_own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_WIDTH = 78
_MARKS = {KEEP: "by hand"}


def run(arguments: Arguments) -> int:
    if arguments.snapshot is not None:
        raise UsageError(
            "a recording holds no image", remedy="Run it on the machine itself, or on a mounted image (--root)"
        )
    if sys.platform == "win32" and arguments.root != "/":
        raise UsageError("--root is not supported on Windows", remedy="Run it there, without --root")
    return {"image check": _check, "image clean": _clean}[arguments.command.path](arguments)


def _check(arguments: Arguments) -> int:
    found = _found(arguments)
    if arguments.output == "json":
        print_json("image check", image_check_answer(found, reveal=arguments.reveal))
    else:
        _show(found, arguments)
    return _exit_code(found)


def _clean(arguments: Arguments) -> int:
    if arguments.no_backup and arguments.backup is not None:
        raise UsageError("--backup and --no-backup are mutually exclusive", remedy="Name one of them")
    if arguments.backup == "":
        raise UsageError("the name of the backup is empty", remedy="Name a new file with --backup, or leave it out")
    if not arguments.dry_run:
        _refuse(arguments)
    found = _found(arguments, arguments.keep_logs)
    if arguments.dry_run:
        _rehearse(found, arguments)
        return _exit_code(found)
    backup = None
    if found.removable and not arguments.no_backup:
        backup = _place_of_backup(arguments.backup)
        _refuse_backup(backup, found.root)
    end_by_every_signal()
    done: list[Done] = []
    try:
        clean(found, backup, done)
        return _report(arguments, found, done, backup)
    except (KeyboardInterrupt, FingerprintError) as error:
        # Whoever reads this must learn what is gone, and where it is kept.
        ignore_signals()
        if not done and isinstance(error, FingerprintError) and not isinstance(error, OutputError):
            raise
        gone = sum(not one.error for one in done)
        kind = "interrupted" if isinstance(error, KeyboardInterrupt) else printable(error.what)
        warn(f"{kind}: at least {gone} of {len(found.removable)} are gone; `fingerprint image check` lists the rest")
        if backup is not None and os.path.lexists(backup):
            warn(f"the backup of all of them is complete: {printable(writable(backup))}")
        return EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else EXIT_CANNOT_TELL


def _report(arguments: Arguments, found: Findings, done: list[Done], backup: str | None) -> int:
    is_within = backup is not None and is_inside(backup, found.root)
    if backup is not None and is_within:
        warn(f"{printable(writable(backup))} holds the old keys: move it off this disk before the image is taken")
    after = _found_after(arguments, found, done)
    if arguments.output == "json":
        print_json("image clean", image_clean_answer(
            after, done, backup, inside=is_within, dry_run=False, reveal=arguments.reveal
        ))  # fmt: skip
    else:
        _show(after, arguments)
        _show_done(done, found, backup, arguments)
    flush()
    return EXIT_DIFFERS if is_within else _exit_code(after)


def _place_of_backup(named: str | None) -> str:
    name = named or f"image-backup-{basic(time())}.tar.gz"
    try:
        return os.path.join(os.path.realpath(os.path.dirname(name) or os.curdir), os.path.basename(name))
    except OSError as error:
        raise InputError(
            f"the current directory cannot be found ({error.strerror}); nothing was removed",
            remedy="Change to an existing directory, or name an absolute path with --backup",
        ) from None


def _refuse_backup(backup: str, root: str) -> None:
    """Refuse one in a mounted image; on the machine itself there is no other place."""
    if root != os.path.abspath(os.sep) and is_inside(backup, root):
        raise Refused(
            "the backup would lie in the image, with the old keys in it; nothing was removed",
            where=writable(backup),
            remedy="Name a file outside of the image with --backup",
        )


def _refuse(arguments: Arguments) -> None:
    if not arguments.yes:
        raise Refused(
            "this removes the machine's registration, fingerprint and ID",
            where=arguments.root,
            remedy="See what it would do with --dry-run; do it with --yes",
        )
    # An empty root is refused later, and must not pass for a mounted image here.
    root = arguments.root or os.sep
    if os.path.exists(root) and os.path.samefile(root, os.path.abspath(os.sep)) and _agent_runs():
        raise Refused(
            "the agent is running: it would write back what is removed",
            where=arguments.root,
            remedy=f"Stop it (systemctl stop {PACKAGE}) and see that it is not started again",
        )


def _agent_runs() -> bool:
    from fingerprint.machine.live import LiveMachine

    return bool(LiveMachine().agent_processes())


def _found(arguments: Arguments, keep_logs: bool = False) -> Findings:
    named = arguments.vault
    if named is None and arguments.root == "/" and is_own(os.environ):
        named = os.environ.get(VAULT_VARIABLE) or None
        # What only the environment names may not be there yet.
        named = named if _is_vault(named) else None
    return leftovers(arguments.root, keep_logs=keep_logs, vault=named)


def _found_after(arguments: Arguments, before: Findings, done: list[Done]) -> Findings:
    """Search again. A named vault may be gone, or no longer known as one; what could not be removed counts."""
    try:
        after = _found(arguments, arguments.keep_logs)
    except UsageError:
        after = leftovers(arguments.root, keep_logs=arguments.keep_logs)
    known = {item.path for item in after.items}
    failed = {one.path for one in done if one.error and one.path not in known and os.path.lexists(one.path)}
    left = tuple(item for item in before.removable if item.path in failed)
    return Findings(after.root, (*after.items, *left), after.unreadable, after.directories, after.trees)


def _is_vault(path: str | None) -> bool:
    return path is not None and any(
        os.path.lexists(os.path.join(path, *name)) for name in (("Store",), ("Manifest",), ("Vault", "Store"))
    )


def _exit_code(found: Findings) -> int:
    if found.items:
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if found.unreadable else EXIT_OK


def _show(found: Findings, arguments: Arguments) -> None:
    count = len(found.items)
    if count:
        things = "1 thing" if count == 1 else f"{count} things"
        text, color = f"NOT CLEAN: {things} would be shared by all machines of this image", "bad"
    elif found.unreadable:
        text, color = "CANNOT TELL: some paths could not be read", "doubt"
    else:
        text, color = "CLEAN: nothing was found that machines of this image would share", "good"
    write(colored(text, color, arguments))
    before = None
    for item in found.items:
        head = (item.what, item.why, item.action, item.remedy)
        if head != before:
            write()
            remedy = image_path(item.remedy, found, reveal=arguments.reveal)
            for line in folded(printable(f"{item.what[:1].upper()}{item.what[1:]} ({item.why}). {remedy}."), _WIDTH):
                write(line)
            before = head
        path = printable(image_path(item.path, found, reveal=arguments.reveal))
        write(f"  {_MARKS.get(item.action, item.action):8} {path}")
    if found.unreadable:
        write()
        write("Unreadable:")
    for path, reason in found.unreadable:
        write(f"  {printable(image_path(path, found, reveal=arguments.reveal))}")
        write(f"    {reason}")


def _rehearse(found: Findings, arguments: Arguments) -> None:
    if arguments.output == "json":
        would = [Done(item.path, f"would-{item.action}") for item in found.removable]
        print_json("image clean", image_clean_answer(
            found, would, None, inside=False, dry_run=True, reveal=arguments.reveal
        ))  # fmt: skip
        return
    for item in found.removable:
        write(f"would {item.action} {printable(image_path(item.path, found, reveal=arguments.reveal))}")
    if not found.removable:
        write("Nothing would be removed.")
    for path, reason in found.unreadable:
        warn(f"{printable(image_path(path, found, reveal=arguments.reveal))} could not be read ({reason})")


def _show_done(done: list[Done], found: Findings, backup: str | None, arguments: Arguments) -> None:
    if done:
        write()
        write("What was done:")
    for one in done:
        path = printable(image_path(one.path, found, reveal=arguments.reveal))
        write(f"  {'NOT DONE' if one.error else one.did:8} {path}")
        if one.error:
            write(f"           {one.error}")
    if backup is not None:
        write()
        write("The backup, which restores all of it with `tar -xpf FILE -C ROOT`:")
        write(f"  {printable(writable(backup))}")
