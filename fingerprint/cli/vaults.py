"""`fingerprint vault show`, `verify` and `reset`."""

from __future__ import annotations

from fingerprint.cli.render import print_json, secret, shown, table, write
from fingerprint.cli.sources import vault_of
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, Refused, VaultMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.vault import Vault


def run(arguments: Arguments) -> int:
    return {"vault show": _show, "vault verify": _verify, "vault reset": _reset}[arguments.command.path](arguments)


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
    told = show_answer(vault_of(arguments), arguments)
    if arguments.output == "json":
        print_json("vault show", told)
        return EXIT_OK
    registration, attributes = told["registration"], told["hardwareHash"]
    write(f"Vault        {told['vault']}")
    write(f"Fingerprint  {told['fingerprint'] or '(cleared)'}")
    write(f"Threshold    {told['threshold']}")
    if registration:
        state = "complete" if registration["registered"] else "not complete"
        write(
            f"Registration {state}: {registration['instanceId'] or '(no id)'} in {registration['region'] or '(none)'}"
        )
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
    from fingerprint.vault.verify import verify

    findings = verify(vault)
    return {
        "vault": vault.path,
        "sound": not findings,
        "findings": [
            {"kind": f.kind, "what": f.what, "where": f.where, "remedy": f.remedy, "broken": f.broken} for f in findings
        ],
    }


def _verify(arguments: Arguments) -> int:
    told = verify_answer(vault_of(arguments))
    findings = told["findings"]
    if arguments.output == "json":
        print_json("vault verify", told)
    elif findings:
        for finding in findings:
            write(f"{finding['where']}: {finding['what']}")
            write(f"  {finding['remedy']}")
    else:
        write(f"The vault {told['vault']} is sound.")
    if any(finding["broken"] for finding in findings):
        return EXIT_CANNOT_TELL
    return EXIT_DIFFERS if findings else EXIT_OK


def _reset(arguments: Arguments) -> int:
    vault = vault_of(arguments)
    if not arguments.dry_run and not arguments.yes:
        raise Refused(
            "this clears the fingerprint: the machine must then be registered again",
            where=vault.path,
            remedy="See what it would do with --dry-run; do it with --yes. The old record is kept in the history",
        )
    vault.read_bytes("InstanceFingerprint")
    if not arguments.dry_run:
        with vault.edit() as edit:
            edit.clear(why="vault reset")
    answer = {"vault": vault.path, "cleared": not arguments.dry_run, "dryRun": arguments.dry_run,
              "history": vault.history.path}  # fmt: skip
    if arguments.output == "json":
        print_json("vault reset", answer)
    elif arguments.dry_run:
        write(f"Would clear the fingerprint record of {vault.path} and keep the old one in {vault.history.path}.")
    else:
        write(f"Cleared the fingerprint record of {vault.path}; the old one is kept in {vault.history.path}.")
    return EXIT_OK
