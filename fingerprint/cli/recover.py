"""`fingerprint vault history`, `backup`, `restore N` and `rebaseline`."""

from __future__ import annotations

from fingerprint.cli.render import print_json, secret, show_log, table, write
from fingerprint.cli.sources import machine_of, vault_of
from fingerprint.errors import EXIT_OK, Refused, UsageError, VaultCorrupt
from fingerprint.recovery import carry_out, plan_rebaseline, plan_restore
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.records import decode_fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.model import FingerprintRecord
    from fingerprint.recovery import Plan
    from fingerprint.vault import Vault


def run(arguments: Arguments) -> int:
    command = {
        "vault history": _history,
        "vault backup": _backup,
        "vault restore": _restore,
        "vault rebaseline": _rebaseline,
    }
    return command[arguments.command.path](arguments)


def history_answer(vault: Vault, arguments: Arguments) -> dict[str, Any]:
    """Return the records that were replaced, as JSON has them."""
    entries = [_entry(entry, vault, arguments) for entry in vault.history.entries()]
    return {"vault": vault.path, "history": vault.history.path, "entries": entries}


def _history(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    told = history_answer(vault, arguments)
    entries = told["entries"]
    if arguments.output == "json":
        print_json("vault history", told)
    elif not entries:
        write(f"Nothing of the vault {vault.path} was ever replaced.")
    else:
        rows = [
            (str(e["number"]), e["replacedAt"], e["fingerprint"] or e["key"], str(e["threshold"] or ""), e["why"])
            for e in entries
        ]
        table(("N", "replaced at", "fingerprint", "threshold", "why"), rows, (3, 20, 12, 9))
    return EXIT_OK


def _entry(entry: dict[str, Any], vault: Vault, arguments: Arguments) -> dict[str, Any]:
    fingerprint, threshold = "", None
    if entry["key"] == FINGERPRINT_KEY and entry["record"] is not None:
        try:
            record = decode_fingerprint(entry["record"].encode("utf-8"), vault.history.path)
            fingerprint, threshold = secret(record.fingerprint, arguments), record.threshold
        except VaultCorrupt:
            fingerprint = "(corrupt)"
    return {
        "number": entry["number"],
        "key": entry["key"],
        "replacedAt": entry["replacedAt"],
        "why": entry["why"],
        "rule": entry["rule"],
        "by": entry["by"],
        "fingerprint": fingerprint,
        "threshold": threshold,
    }


def _backup(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    if not arguments.yes:
        vault.read()
    number = None
    if not arguments.dry_run:
        with vault.edit() as edit:
            number = edit.keep(FINGERPRINT_KEY, why="backup", as_it_is=arguments.yes)
    answer = {"vault": vault.path, "number": number, "dryRun": arguments.dry_run, "history": vault.history.path}
    if arguments.output == "json":
        print_json("vault backup", answer)
    elif arguments.dry_run:
        write(f"Would keep the record of {vault.path} in {vault.history.path}.")
    else:
        write(f"Kept the record of {vault.path} as entry {number}: fingerprint vault restore {number}")
    return EXIT_OK


def _restore(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    plan = plan_restore(vault, arguments.N, machine_of(arguments), timeout=arguments.timeout)
    return _finish("vault restore", plan, vault, arguments)


def _rebaseline(arguments: Arguments) -> int:
    if not arguments.keep_fingerprint:
        raise UsageError(
            "a rebaseline keeps the fingerprint and takes the machine as it is now",
            remedy="Say so with --keep-fingerprint. For a new fingerprint: fingerprint vault reset --yes",
        )
    show_log()
    vault = vault_of(arguments)
    plan = plan_rebaseline(vault, machine_of(arguments), timeout=arguments.timeout)
    return _finish("vault rebaseline", plan, vault, arguments)


def _finish(command: str, plan: Plan, vault: Vault, arguments: Arguments) -> int:
    if not arguments.dry_run and not arguments.yes:
        raise Refused(
            "this weakens the guard against clones: what it writes is taken for the machine that registered",
            where=vault.path,
            remedy="See what it would do with --dry-run; do it with --yes",
        )
    if not arguments.dry_run:
        carry_out(vault, plan, accept_new_sid=arguments.accept_new_sid)
    changes = _changes(plan.before, plan.after)
    if arguments.output == "json":
        print_json(
            command,
            {
                "vault": vault.path,
                "key": plan.key,
                "before": _summary(plan.before, arguments),
                "after": _summary(plan.after, arguments),
                "changedAttributes": changes,
                "otherSid": plan.other_sid,
                "done": not arguments.dry_run,
                "dryRun": arguments.dry_run,
            },
        )
        return EXIT_OK
    write(f"{'Would write' if arguments.dry_run else 'Wrote'} {plan.key} of {vault.path} ({plan.why}).")
    for word, record in (("before", plan.before), ("after", plan.after)):
        if record:
            write(f"  {word:7}fingerprint {secret(record.fingerprint, arguments)}, threshold {record.threshold}")
    if plan.before or plan.key != FINGERPRINT_KEY:
        write(f"  changed attributes: {', '.join(changes) or 'none'}")
    else:
        write("  what was there was missing or not to be read")
    if plan.other_sid:
        write("  The hardware ID of the record is not that of this machine: it needs --accept-new-sid.")
    if not arguments.dry_run:
        write("  A running agent keeps what it read until it is restarted.")
    return EXIT_OK


def _summary(record: FingerprintRecord | None, arguments: Arguments) -> dict[str, Any] | None:
    if record is None:
        return None
    return {"fingerprint": secret(record.fingerprint, arguments), "threshold": record.threshold}


def _changes(before: FingerprintRecord | None, after: FingerprintRecord | None) -> list[str]:
    """Return the names of the attributes that change; none where there is nothing to compare."""
    if before is None:
        return []
    old = dict(before.hardware_hash or {})
    new = dict((after and after.hardware_hash) or {})
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
