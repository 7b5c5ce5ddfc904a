"""Commands that create, inspect, verify and restore the vault, and its threshold."""

from __future__ import annotations

from fingerprint.cli.options import DRY_RUN, YES, Command, Option

_NEW_SID = Option("--accept-new-sid", "accept a hardware ID other than that of the record")
_KEY = Option("--key", "the record (else that of entry N; for 0 the fingerprint)", "KEY",
              choices=("fingerprint", "registration"))  # fmt: skip
COMMANDS = (
    Command(
        "vault init",
        "vault_init",
        "mint the first fingerprint and store it with the hash",
        "Refused (exit code 4) when the vault already holds a fingerprint.",
        options=(
            Option("--threshold", "similarity threshold: 1 to 100, or -1 to disable", "N", kind="integer", default=40),
            Option("--if-missing", "succeed if a fingerprint already exists"),
            DRY_RUN,
        ),
        examples=(("sudo fingerprint vault init", "the first record of this host"),),
    ),
    Command("vault show", "vault", "show what the vault holds, without its keys"),
    Command(
        "vault verify",
        "vault",
        "list every defect of the vault with its remedy",
        "Reads only. Exit codes: 0 sound, 1 with findings, 3 missing, corrupt, unreadable or not safe.",
    ),
    Command(
        "vault repair",
        "vault",
        "add unlisted records of Store to the manifest",
        "The agent finds a record only through the manifest. The old file is kept in the history. Files in Store that\n"
        "are no records are named and not listed.\n"
        "Exit codes: 0 nothing to repair or repaired, 1 a part is left, 3 unreadable, 4 --yes is missing or a repair\n"
        "does not help.",
        options=(DRY_RUN, YES),
        examples=(("sudo fingerprint vault repair --dry-run", "see what it would write"),),
    ),
    Command("vault history", "vault_restore", "list replaced records with key, time, cause and user"),
    Command("vault evidence", "vault_evidence", "list the snapshots kept for each record"),
    Command(
        "vault backup",
        "vault_restore",
        "copy fingerprint and registration into the history",
        options=(_KEY, DRY_RUN, Option("--yes", "also if a record is damaged: it was changed on purpose")),
    ),
    Command(
        "vault restore",
        "vault_restore",
        "write a record of the history back",
        "For a record that was lost, damaged or replaced. It works over a missing or corrupt record, too. What is\n"
        "replaced goes to the history. Restart the agent afterwards.\n"
        "It reports whether the record matches this host. If not, the agent replaces it again; --rebaseline restores\n"
        "fingerprint and threshold with the present hardware hash.",
        positionals=(("N", "integer", (), "number of the entry, see `vault history`; 0: as it was written last"),),
        options=(
            _KEY,
            Option("--rebaseline", "with the hardware hash of this host as it is now"),
            DRY_RUN,
            YES,
            _NEW_SID,
        ),
        examples=(
            ("sudo fingerprint vault restore 4 --dry-run", "see what it would write"),
            ("sudo fingerprint vault restore 4 --rebaseline --yes", "after the agent replaced the fingerprint"),
            ("sudo fingerprint vault restore 0 --key registration --yes", "a damaged registration"),
        ),
    ),
    Command(
        "vault rebaseline",
        "vault_restore",
        "keep the fingerprint and store the present hardware hash",
        "For a host that was changed on purpose. Whether the service accepts it depends on the fingerprint alone.",
        options=(Option("--keep-fingerprint", "keep the old fingerprint (required)"), DRY_RUN, YES, _NEW_SID),
        examples=(
            ("sudo fingerprint vault rebaseline --keep-fingerprint --dry-run", "see what would change"),
            (
                "sudo fingerprint vault rebaseline --keep-fingerprint --yes --accept-new-sid",
                "after an update that changed the hash recipe on Windows",
            ),
        ),
    ),
    Command(
        "vault reset",
        "vault",
        "clear the fingerprint record; the history keeps the old one",
        "The next check of the agent, or `vault init`, mints a new fingerprint, and the service then rejects this\n"
        "host until it is registered again.",
        options=(DRY_RUN, YES),
        examples=(("sudo fingerprint vault reset --dry-run", "see what it would do"),),
    ),
    Command("threshold get", "threshold", "print the similarity threshold and what it means"),
    Command(
        "threshold set",
        "threshold",
        "set the similarity threshold",
        "1 to 100, or -1 to disable the check, the hardware ID included. Restart the agent afterwards: it\n"
        "reads the threshold when it starts.",
        positionals=(("N", "integer", (), "the new threshold"),),
        options=(DRY_RUN,),
        examples=(("sudo fingerprint threshold set 33", "3 of 9 matching attributes pass"),),
    ),
    Command(
        "threshold advise",
        "threshold_advise",
        "find thresholds that pass some events and reject others",
        "For this host and its vault, or with --standard for one that has all nine attributes.\n"
        "Exit codes: 0 there are such thresholds, 1 there are none: the conflict is named.",
        options=(
            Option("--tolerate", "events that must pass, alone and together", "EVENTS"),
            Option("--reject", "events that must be rejected", "EVENTS"),
            Option("--standard", "for a standard host; needs no vault"),
        ),
        examples=(
            ("fingerprint threshold advise --standard --tolerate reboot,dhcp --reject clone", "and what it costs"),
        ),
    ),
)
