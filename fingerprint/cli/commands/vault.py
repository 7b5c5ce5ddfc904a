"""`fingerprint vault show`, `verify`, `repair` and `reset`."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.cli.context import vault_of
from fingerprint.cli.output import print_json, secret, shown, table, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, Refused, VaultMissing
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.other_records import lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.vault import Vault
    from fingerprint.vault.integrity import ManifestState
    from fingerprint.vault.repair import RepairPlan


def run(arguments: Arguments) -> int:
    commands = {"vault show": _show, "vault verify": _verify, "vault repair": _repair, "vault reset": _reset}
    return commands[arguments.command.path](arguments)


def show_answer(vault: Vault, arguments: Arguments) -> dict[str, Any]:
    """Return what a vault holds, as JSON has it; never its keys."""
    record = vault.read()
    attributes = record.hardware_hash
    registration: dict[str, Any] | None = None
    try:
        found = vault.read_registration()
        registration = {
            "registered": found.registered,
            "instanceId": secret(found.instance_id, arguments),
            "region": found.region,
            "provider": found.provider,
            "privateKeyType": found.private_key_type,
            "privateKeyCreatedDate": found.private_key_created_date,
        }
    except VaultMissing:
        pass
    values = None if attributes is None else {
        name: secret(value, arguments) if name in ("machine-id", "uuid") else value
        for name, value in attributes.items()
    }  # fmt: skip
    return {
        "vault": vault.path,
        "fingerprint": secret(record.fingerprint, arguments),
        "cleared": not record.fingerprint,
        "threshold": record.threshold,
        "hardwareHash": values,
        "unknownFields": [name for name, _ in record.extra],
        "registration": registration,
        "masked": not arguments.reveal,
    }


def _show(arguments: Arguments) -> int:
    told = show_answer(vault_of(arguments).keeping(), arguments)
    if arguments.output == "json":
        print_json("vault show", told)
        return EXIT_OK
    registration, attributes = told["registration"], told["hardwareHash"]
    write(f"Vault        {told['vault']}")
    write(f"Fingerprint  {printable(told['fingerprint']) or '(cleared)'}")
    write(f"Threshold    {told['threshold']}")
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


def verify_answer(vault: Vault) -> dict[str, Any]:
    """Return every defect of a vault, as JSON has it."""
    from fingerprint.vault.verify import DECIDED, verify

    findings = verify(vault)
    return {
        "vault": vault.path,
        "sound": not findings,
        "readable": not any(finding.broken and finding.kind not in DECIDED for finding in findings),
        "findings": [
            {"kind": f.kind, "what": f.what, "where": f.where, "remedy": f.remedy, "broken": f.broken} for f in findings
        ],
    }


def _verify(arguments: Arguments) -> int:
    told = verify_answer(vault_of(arguments).keeping())
    findings = told["findings"]
    if arguments.output == "json":
        print_json("vault verify", told)
    elif findings:
        for finding in findings:
            write(f"{finding['where']}: {finding['what']}")
            write(f"  {finding['remedy']}")
    else:
        write(f"The vault {told['vault']} is sound.")
    if told["readable"]:
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
        print_json("vault repair", _repair_answer(plan, vault, done, arguments))
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


def _repair_answer(plan: RepairPlan, vault: Vault, done: bool, arguments: Arguments) -> dict[str, Any]:
    def told(name: str, state: ManifestState) -> dict[str, Any]:
        return {
            "manifest": name, "kind": state.kind, "what": state.what, "agentDoes": state.agent_does,
            "consequence": state.consequence, "before": dict(state.listed),
            "after": None if state.repaired is None else dict(state.repaired), "remedy": state.remedy,
        }  # fmt: skip

    return {
        "vault": vault.path,
        "manifests": [told(*one) for one in (*plan.writes, *plan.left)],
        "unknownFiles": list(plan.unknown),
        "done": done,
        "dryRun": arguments.dry_run,
        "history": vault.history.path,
    }


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
        # What our journal knows of it is forgotten, too, as `vault init` tells to do.
        if lost(vault, FINGERPRINT_KEY) is None:
            raise
    if not arguments.dry_run:
        vault.change(lambda edit: edit.clear(why="vault reset"))
    answer = {"vault": vault.path, "cleared": not arguments.dry_run, "dryRun": arguments.dry_run,
              "history": vault.history.path}  # fmt: skip
    if arguments.output == "json":
        print_json("vault reset", answer)
    elif arguments.dry_run:
        write(f"Would clear the fingerprint record of {vault.path} and keep the old one in {vault.history.path}.")
    else:
        write(f"Cleared the fingerprint record of {vault.path}; the old one is kept in {vault.history.path}.")
    return EXIT_OK
