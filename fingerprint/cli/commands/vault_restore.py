"""`fingerprint vault history`, `backup`, `restore N` and `rebaseline`."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.agent.vault_use import is_of_agent
from fingerprint.answers import secret
from fingerprint.answers.vault_records import (
    changed_attributes,
    vault_backup_answer,
    vault_history_answer,
    vault_rebaseline_answer,
    vault_restore_answer,
)
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.output import folded, print_json, show_log, table, write
from fingerprint.errors import EXIT_OK, Refused, UsageError, VaultCorrupt, VaultError, VaultMissing
from fingerprint.observation import outcome_of
from fingerprint.recovery import carry_out, plan_rebaseline, plan_restore
from fingerprint.rules.ssm import in_words
from fingerprint.types import Outlook
from fingerprint.vault import FINGERPRINT_KEY, REGISTRATION_KEY
from fingerprint.vault.regeneration import rebaselined, replacement
from fingerprint.vault.remedies import KEY_WORDS, restore_command, restore_remedy, usable_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.recovery import Plan
    from fingerprint.types import Verdict
    from fingerprint.vault import Vault


def run(arguments: Arguments) -> int:
    command = {
        "vault history": _history,
        "vault backup": _backup,
        "vault restore": _restore,
        "vault rebaseline": _rebaseline,
    }
    return command[arguments.command.path](arguments)


def _history(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    answer = vault_history_answer(vault, vault.history.entries(), reveal=arguments.reveal)
    entries = answer["entries"]
    if arguments.output == "json":
        print_json("vault history", answer)
        return EXIT_OK
    if not entries:
        write(f"Nothing of the vault {vault.path} was ever replaced.")
    else:
        rows = [
            (
                str(e["number"]), e["replacedAt"], KEY_WORDS.get(e["key"], e["key"]),
                e["fingerprint"] or e["instanceId"], str(e["threshold"] or ""), e["why"],
            )
            for e in entries
        ]  # fmt: skip
        table(("N", "replaced at", "key", "fingerprint or node", "threshold", "why"), rows, (3, 20, 12, 19, 9))
    _print_last_written(vault)
    return EXIT_OK


def _print_last_written(vault: Vault) -> None:
    """Name the copy of what was written last, which is entry 0, for a record that is lost or damaged."""
    for key in KEY_WORDS:
        try:
            found = usable_copy(vault, key)
        except VaultError:
            # `vault verify` says so.
            continue
        if found is not None and not found[0]:
            write(f"Entry 0 is the copy of {key} of {found[1]}. Restore it with: {restore_command(0, key)}")


def _backup(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    keys = _to_back_up(vault, arguments)
    numbers: dict[str, int] = {}
    if not arguments.dry_run:
        with vault.edit() as edit:
            for key in keys:
                numbers[key] = edit.keep(key, why="backup", as_it_is=arguments.yes)
    if arguments.output == "json":
        print_json("vault backup", vault_backup_answer(vault, keys, numbers, dry_run=arguments.dry_run))
        return EXIT_OK
    for key in keys:
        if arguments.dry_run:
            write(f"Would keep a copy of {key} of {vault.path} in {vault.history.path}.")
        else:
            write(f"Kept a copy of {key} of {vault.path} as entry {numbers[key]}.")
            if key == FINGERPRINT_KEY and not vault.read().fingerprint:
                write("  It is cleared: it holds no fingerprint to restore.")
            else:
                write(f"  Restore it with: {restore_command(numbers[key], key)}")
    return EXIT_OK


def _to_back_up(vault: Vault, arguments: Arguments) -> list[str]:
    """Return the keys of which a copy is kept: both, or the one that is named; all can be read.

    Raises:
        VaultMissing: the vault holds none of them.
        VaultError: one could not be read; then no copy is kept.
    """
    keys = []
    missing: VaultMissing | None = None
    for key, read in ((FINGERPRINT_KEY, vault.read), (REGISTRATION_KEY, vault.read_registration)):
        if arguments.key not in (None, KEY_WORDS[key]):
            continue
        try:
            if arguments.yes and vault.raw(key) is not None:
                # A damaged record is kept, too.
                keys.append(key)
                continue
            read()
            keys.append(key)
        except VaultMissing as error:
            missing = missing or error
        except VaultCorrupt as error:
            others = [word for one, word in KEY_WORDS.items() if one != key]
            if arguments.key is None:
                error.remedy += f". To copy the other record only: fingerprint vault backup --key {others[0]}"
            raise
    if not keys and missing is not None:
        raise missing
    return keys


def _restore(arguments: Arguments) -> int:
    if arguments.rebaseline:
        if arguments.root != "/":
            raise Refused(
                "--rebaseline requires the machine itself: the hardware is not on a copied disk", where=arguments.root,
                remedy="Nothing was written. Restore without it, or run it on the machine",
            )  # fmt: skip
        show_log()
    vault = vault_of(arguments)
    key = next((one for one, word in KEY_WORDS.items() if word == arguments.key), "")
    machine, seen = machine_of(arguments), vault.keeping()
    plan = plan_restore(
        seen, arguments.N, machine, key=key, rebaseline=arguments.rebaseline, of_agent=is_of_agent(vault, machine),
        timeout=arguments.timeout,
    )  # fmt: skip
    return _finish("vault restore", plan, vault, seen, arguments)


def _rebaseline(arguments: Arguments) -> int:
    if not arguments.keep_fingerprint:
        raise UsageError(
            "vault rebaseline requires --keep-fingerprint: it stores the present hardware hash, and no new fingerprint",
            remedy="Add --keep-fingerprint. For a new fingerprint: fingerprint vault reset --yes",
        )
    show_log()
    vault = vault_of(arguments)
    machine, seen = machine_of(arguments), vault.keeping()
    plan = plan_rebaseline(seen, machine, of_agent=is_of_agent(vault, machine), timeout=arguments.timeout)
    return _finish("vault rebaseline", plan, vault, seen, arguments)


def _finish(command: str, plan: Plan, vault: Vault, seen: Vault, arguments: Arguments) -> int:
    if not arguments.dry_run and not arguments.yes:
        raise Refused(
            f"{command} requires --yes: it replaces the record of the registered machine",
            where=vault.path,
            remedy="Nothing was written. See what it would do with --dry-run; do it with --yes",
        )
    if not arguments.dry_run:
        carry_out(vault, plan, accept_new_sid=arguments.accept_new_sid)
        # It is another one now.
        seen = vault.keeping()
    notes = _notes(plan, seen, arguments)
    if arguments.output == "json":
        answer = vault_restore_answer if command == "vault restore" else vault_rebaseline_answer
        print_json(command, answer(vault.path, plan, notes, dry_run=arguments.dry_run, reveal=arguments.reveal))
        return EXIT_OK
    changes = changed_attributes(plan.before, plan.after)
    write(f"{'Would write' if arguments.dry_run else 'Wrote'} {plan.key} of {vault.path} ({plan.why}).")
    for word, record in (("before", plan.before), ("after", plan.after)):
        if record:
            fingerprint = printable(secret(record.fingerprint, reveal=arguments.reveal))
            write(f"  {word:7}fingerprint {fingerprint}, threshold {record.threshold}")
    if plan.key == FINGERPRINT_KEY:
        write(f"  changed attributes: {printable(', '.join(changes)) or 'none'}" if plan.before
              else "  the previous record was missing or unreadable")  # fmt: skip
    for text, *commands in notes:
        for line in folded(text, 76):
            write("  " + line)
        for one in commands:
            write(f"      {one}")
    return EXIT_OK


def _notes(plan: Plan, vault: Vault, arguments: Arguments) -> list[tuple[str, ...]]:
    """Return what else to know, each a text and the command that it speaks of."""
    notes: list[tuple[str, ...]] = []
    if plan.after is not None and not plan.after.fingerprint:
        notes.append(("The record is cleared: it holds no fingerprint, and the agent finds none.",))
    elif plan.verdict is not None:
        notes += _of_the_machine(plan, plan.verdict, arguments)
    if plan.other_sid:
        text = "The hardware ID of the record is not that of this host"
        notes.append((f"{text}: it needs --accept-new-sid." if arguments.dry_run else f"{text}, as accepted.",))
    if plan.nodes:
        then, now = (secret(node, reveal=arguments.reveal) for node in plan.nodes)
        if plan.key == FINGERPRINT_KEY:
            text = f"The vault was registered as {then} then, and is {now} now: the service knows {now} by another "
            notes.append((f"{text}fingerprint and rejects this one.",))
        else:
            notes.append((f"This registration is that of {then}; the vault is registered as {now} now.",))
    elif plan.key == FINGERPRINT_KEY:
        notes += _rejected_by_the_service(plan, vault)
    if plan.key == REGISTRATION_KEY:
        without = _without_a_fingerprint(vault)
        notes += without
        if without:
            # A restart comes after that.
            return notes
    if arguments.dry_run:
        return notes
    if plan.outlook == Outlook.REJECTS and arguments.root == "/":
        text = "Do not restart the agent before the record matches: it would replace the fingerprint again."
        return [*notes, (text,)]
    notes.append(("Restart the agent: it keeps what it read until then.",))
    return notes


def _of_the_machine(plan: Plan, verdict: Verdict, arguments: Arguments) -> list[tuple[str, ...]]:
    """Return whether the agent accepts the machine by the record, and how it will if it does not."""
    rule, unread = in_words(verdict), ", ".join(plan.unreadable)
    notes: list[tuple[str, ...]] = []
    if plan.sources is not None and unread:
        notes.append((f"Stored as empty, as the agent reads it: {unread}.",))
    result = {"same": "matches", "different": "does not match"}.get(outcome_of(verdict))
    text = f"The record {result} this host: {rule}." if result else (
        f"It is not known whether the record matches this host: {unread} could not be read."
    )  # fmt: skip
    if plan.outlook == Outlook.ACCEPTS:
        return [*notes, (text if result == "matches" else f"{text} The agent will accept it.",)]
    if plan.outlook == Outlook.UNKNOWN:
        return [*notes, (f"{text} What the agent will do is not known either.",)]
    if plan.outlook == Outlook.STOPS:
        return [*notes, (f"{text} The agent's collection fails: {unread} is not valid UTF-8.",)]
    text = f"{text} The agent will store a new fingerprint over it"
    if arguments.root != "/":
        # What a copied disk shows of the hardware says nothing of the machine that it boots in.
        return [*notes, (f"{text} where it starts with this hardware.",)]
    if plan.unstorable:
        names = ", ".join(plan.unstorable)
        return [*notes, (f"{text}. The present hardware hash cannot be stored: {names} could not be read.",)]
    command = rebaselined(arguments.N, plan.other_sid)
    return [*notes, (f"{text} at its next check. Restore it with the present hardware hash:", command)]


def _rejected_by_the_service(plan: Plan, vault: Vault) -> list[tuple[str, ...]]:
    """Return the warning for a fingerprint that replaced the registered one."""
    state = replacement(vault, plan.after) if plan.after is not None and plan.after.fingerprint else None
    if state is None or not state.regenerated:
        return []
    text = "This fingerprint replaced the registered one, and the service rejects it"
    if state.restorable is None:
        return [(f"{text}.",)]
    return [(f"{text}. See the registered one:", f"fingerprint vault restore {state.restorable} --dry-run")]


def _without_a_fingerprint(vault: Vault) -> list[tuple[str, ...]]:
    """Return the warning for a registration without a fingerprint: the agent makes a new one then."""
    try:
        if vault.read().fingerprint:
            return []
    except VaultError:
        # Whatever it is, it is not a fingerprint that the agent finds.
        pass
    remedy = restore_remedy(vault, FINGERPRINT_KEY)
    return [("The vault holds no intact fingerprint: restore it, too, before the agent starts.", remedy)]
