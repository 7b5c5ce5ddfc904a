"""`fingerprint vault show`, `verify` and `reset`."""

from __future__ import annotations

from fingerprint.cli.render import print_json, secret, shown, table, write
from fingerprint.cli.sources import vault_of
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, Refused, VaultMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments


def run(arguments: Arguments) -> int:
    return {"vault show": _show, "vault verify": _verify, "vault reset": _reset}[arguments.command.path](arguments)


def _show(arguments: Arguments) -> int:
    vault = vault_of(arguments)
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
    if arguments.output == "json":
        values = None if attributes is None else {
            name: secret(value, arguments) if name in ("machine-id", "uuid") else value
            for name, value in attributes.items()
        }  # fmt: skip
        print_json(
            "vault show",
            {
                "vault": vault.path,
                "fingerprint": secret(record.fingerprint, arguments),
                "cleared": not record.fingerprint,
                "threshold": record.threshold,
                "hardwareHash": values,
                "unknownFields": [name for name, _ in record.extra],
                "registration": registration,
                "masked": not arguments.reveal,
            },
        )
        return EXIT_OK
    write(f"Vault        {vault.path}")
    write(f"Fingerprint  {secret(record.fingerprint, arguments) or '(cleared)'}")
    write(f"Threshold    {record.threshold}")
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


def _verify(arguments: Arguments) -> int:
    from fingerprint.vault.verify import verify

    vault = vault_of(arguments)
    findings = verify(vault)
    broken = any(finding.broken for finding in findings)
    if arguments.output == "json":
        print_json(
            "vault verify",
            {
                "vault": vault.path,
                "sound": not findings,
                "findings": [
                    {"kind": f.kind, "what": f.what, "where": f.where, "remedy": f.remedy, "broken": f.broken}
                    for f in findings
                ],
            },
        )
    elif findings:
        for finding in findings:
            write(f"{finding.where}: {finding.what}")
            write(f"  {finding.remedy}")
    else:
        write(f"The vault {vault.path} is sound.")
    if broken:
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
