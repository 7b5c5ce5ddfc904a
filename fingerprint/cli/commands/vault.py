"""`fingerprint vault show`, `verify`, `repair` and `reset`."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.answers.vault import vault_repair_answer, vault_reset_answer, vault_show_answer, vault_verify_answer
from fingerprint.cli.context import vault_of
from fingerprint.cli.output import print_json, shown, table, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, Refused, VaultMissing
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.other_records import lost
from fingerprint.vault.records import existing_registration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.vault import Vault
    from fingerprint.vault.repair import RepairPlan


def run(arguments: Arguments) -> int:
    commands = {"vault show": _show, "vault verify": _verify, "vault repair": _repair, "vault reset": _reset}
    return commands[arguments.command.path](arguments)


def _show(arguments: Arguments) -> int:
    vault = vault_of(arguments).keeping()
    record = vault.read()
    answer = vault_show_answer(vault.path, record, existing_registration(vault), reveal=arguments.reveal)
    if arguments.output == "json":
        print_json("vault show", answer)
        return EXIT_OK
    # The answer's values are masked already: a second mask leaves one character.
    registration, attributes = answer["registration"], record.hardware_hash
    write(f"Vault        {answer['vault']}")
    write(f"Fingerprint  {printable(answer['fingerprint']) or '(cleared)'}")
    write(f"Threshold    {answer['threshold']}")
    if registration:
        state = "complete" if registration["registered"] else "not complete"
        node, region = printable(registration["instanceId"]), printable(registration["region"])
        write(f"Registration {state}: {node or '(no id)'} in {region or '(none)'}")
        if registration["provider"]:
            write(f"Provider     {printable(registration['provider'])}")
    else:
        write("Registration (none)")
    write()
    if attributes is None:
        write("  hardware hash: null")
    else:
        table(("attribute", "saved"), [(name, shown(name, value, arguments)) for name, value in attributes.items()],
              (15,))  # fmt: skip
    return EXIT_OK


def _verify(arguments: Arguments) -> int:
    from fingerprint.vault.verify import verify

    vault = vault_of(arguments).keeping()
    answer = vault_verify_answer(vault.path, verify(vault))
    findings = answer["findings"]
    if arguments.output == "json":
        print_json("vault verify", answer)
    elif findings:
        for finding in findings:
            write(f"{finding['where']}: {finding['what']}")
            write(f"  {finding['remedy']}")
    else:
        write(f"The vault {vault.path} is sound.")
    if answer["readable"]:
        return EXIT_DIFFERS if findings else EXIT_OK
    return EXIT_CANNOT_TELL


def _repair(arguments: Arguments) -> int:
    from fingerprint.vault.repair import plan_repair, repair

    vault = vault_of(arguments)
    plan = plan_repair(vault)
    if plan.left and not plan.writes:
        state = plan.left[0][1]
        raise Refused(f"a repair does not help: {state.what}", where=state.where, remedy=state.remedy)
    done = bool(plan.writes) and not arguments.dry_run
    if done and arguments.yes:
        repair(vault, plan)
    if arguments.output != "json":
        _print_repair(plan, vault, done and arguments.yes)
    if done and not arguments.yes:
        raise Refused(
            "vault repair requires --yes", where=vault.path,
            remedy="Nothing was written. Do it with: fingerprint vault repair --yes",
        )  # fmt: skip
    if arguments.output == "json":
        print_json("vault repair", vault_repair_answer(vault, plan, done=done, dry_run=arguments.dry_run))
    return EXIT_DIFFERS if plan.left else EXIT_OK


def _print_repair(plan: RepairPlan, vault: Vault, done: bool) -> None:
    from fingerprint.vault.agent_manifest import MISSING

    if not plan.writes:
        write(f"Nothing to repair: the manifest of {vault.path} lists every record that lies in Store.")
    for _, state in plan.writes:
        write(f"{'Wrote' if done else 'Would write'} {state.where}.")
        write(f"  before: {state.what}; {state.consequence}")
        before = dict(state.listed)
        for key, path in state.repaired or ():
            word = "kept" if before.get(key) == path else "added" if not before.get(key) else f"was {before[key]}"
            write(f"  lists {key}: {path} ({word})")
    for _, state in plan.left:
        write(f"{state.where}: not repaired: {state.what}")
        write(f"  {state.remedy}")
    if plan.unknown:
        write(f"  not listed, because these files are no records: {', '.join(printable(one) for one in plan.unknown)}")
    if done:
        if any(state.kind != MISSING for _, state in plan.writes):
            write(f"  The old file is kept in {vault.history.path}.")
        write("  A running agent keeps what it read until it is restarted.")


def _reset(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    if not arguments.dry_run and not arguments.yes:
        raise Refused(
            "this clears the fingerprint: the machine must then be registered again",
            where=vault.path,
            remedy="See what it would do with --dry-run; do it with --yes. The old record is kept in the history",
        )
    try:
        vault.read_bytes(FINGERPRINT_KEY)
    except VaultMissing:
        # Our journal forgets it, too: the remedy of `vault init` requires that.
        if lost(vault, FINGERPRINT_KEY) is None:
            raise
    if not arguments.dry_run:
        vault.change(lambda edit: edit.clear(why="vault reset"))
    if arguments.output == "json":
        print_json("vault reset", vault_reset_answer(vault, dry_run=arguments.dry_run))
    elif arguments.dry_run:
        write(f"Would clear the fingerprint record of {vault.path} and keep the old one in {vault.history.path}.")
    else:
        write(f"Cleared the fingerprint record of {vault.path}; the old one is kept in {vault.history.path}.")
    return EXIT_OK
