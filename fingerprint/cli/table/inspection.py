"""Commands that inspect this host, a copied disk or a recorded machine."""

from __future__ import annotations

from fingerprint.agent.paths import UPDATE_LOG, paths_of
from fingerprint.cli.options import PROXY, VERBOSE, Command, Option

COMMANDS = (
    Command(
        "show",
        "show",
        "show this host's hardware hash, with sources and statuses",
        "Exit codes: 0 every source answered or is absent here, 3 a source was denied or failed.",
        options=(
            Option(
                "--scheme",
                "attributes as the agent computes them, or ours",
                "SCHEME",
                choices=("ssm", "stable"),
                default="ssm",
            ),
            Option("--facts", "add what is not in the hash: default route, interfaces, processor (slow)"),
        ),
        examples=(
            ("sudo fingerprint show", "the hash as the agent computes it"),
            ("sudo fingerprint show --scheme stable", "attributes that differ only on another machine"),
        ),
    ),
    Command(
        "check",
        "check",
        "verify this host against the vault and explain the verdict",
        "Reads only. Exit codes: 0 same machine, 1 different machine or a finding, 3 cannot tell.",
        examples=(
            ("sudo fingerprint check", "this host against the agent's vault"),
            ("fingerprint check --output json | jq .reason", "the deciding rule, for a script"),
            ("fingerprint --snapshot web-7.json --vault copy/Vault check", "a recorded machine against a copied vault"),
        ),
    ),
    Command(
        "explain",
        "explain",
        "explain what changed, why, what follows and what to do",
        "Without arguments: this host against the vault, with causes named from the evidence that was kept when the\n"
        "record was made (`vault evidence`). With two snapshots: A is the saved side, B the current one; no vault is\n"
        "needed. Reads only.\n"
        "Exit codes: 0 same machine, 1 different machine or a finding, 3 cannot tell.",
        positionals=(("A", "text", (), "snapshot taken before"), ("B", "text", (), "snapshot taken now")),
        options=(
            VERBOSE,
            Option("--before", "snapshot from when the record was made, as evidence", "FILE", files="file"),
            Option("--threshold", "similarity threshold for A and B (else 40)", "N", kind="integer"),
        ),
        examples=(
            ("sudo fingerprint explain", "this host against the agent's vault"),
            ("fingerprint --vault copy/Vault --snapshot now.json explain --before then.json", "elsewhere"),
            ("fingerprint explain monday.json today.json", "what happened since Monday"),
        ),
        optional=True,
    ),
    Command(
        "diagnose",
        "diagnose",
        "find out whether the agent hibernates, why, and what to do",
        "Checks registration, vault, fingerprint, agent, logs, credentials and platform in parallel, each\n"
        "with a time limit. Reads only, and uses the network only with --network: endpoints, clock, buckets,\n"
        "published versions, metadata service, proxy. `diagnose logs` reads log files alone.\n"
        "Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 3 cannot tell.",
        options=(
            Option(
                "--output",
                "output format; ssm-cli is that of `ssm-cli get-diagnostics`",
                "FORMAT",
                choices=("text", "json", "ssm-cli"),
                default="text",
            ),
            VERBOSE,
            Option("--network", "also use the network"),
            PROXY,
            Option("--region", "region that the node should be in, and of the endpoints", "REGION"),
            Option("--account", "account that the node should be in, 12 digits", "ID"),
            Option(
                "--latest", "file or URL of a VERSION file (else those of the region and of all)", "FILE", files="file"
            ),
            Option("--only", "run these checks, separated by commas; see --list", "CHECKS"),
            Option("--list", "list the checks and run none"),
        ),
        examples=(
            ("sudo fingerprint diagnose", "why the node is offline"),
            ("sudo fingerprint diagnose --verbose", "with the result of each check"),
            ("sudo fingerprint diagnose --network --output json | jq .conclusion", "with the network, for a script"),
            ("sudo fingerprint diagnose --region eu-west-1 --account 123456789012", "is it in that account"),
            ("sudo fingerprint diagnose --only waiting,version,configuration", "three of the checks"),
            ("fingerprint --root /mnt/disk diagnose", "a host that does not start"),
        ),
    ),
    Command(
        "diagnose logs",
        "diagnose_logs",
        "report the agent's state, its cause and history by its logs",
        "Also when the host is gone. Takes logs of any form (rotated, compressed, of journals and containers)\n"
        "and merges them by time. The last state wins.\n"
        "Exit codes: 0 healthy, 1 failing, not started or stopped, 3 cannot tell.",
        positionals=(("FILE", "several", (), "logs, or their directory; - for standard input"),),
        options=(
            VERBOSE,
            Option("--utc-offset", "offset of the log's local time, to print times in UTC", "+HH:MM"),
        ),
        examples=(
            (f"fingerprint diagnose logs {paths_of('linux').logs}", "how the agent is, and why"),
            (f"fingerprint diagnose logs *.log {UPDATE_LOG}", "and how the last update ended"),
        ),
    ),
    Command(
        "whatif",
        "whatif",
        "predict the verdict after an event or a change",
        "Takes this host and its vault as they are, and changes what the event changes, in its worst case.\n"
        "Exit codes: 0 it would pass, 1 it would be rejected, 3 cannot tell.",
        options=(
            Option("--event", "the event; see --list-events", "NAME"),
            Option("--change", "attributes that change: id, ip, mac, host, disk, cpu, mem, bios, sys", "NAMES"),
            Option("--threshold", "use this threshold instead of the vault's", "N", kind="integer"),
            Option("--sweep", "print the verdict at every threshold"),
            Option("--list-events", "list the events and what they change; needs no vault"),
        ),
        examples=(
            ("sudo fingerprint whatif --event vm-migration --sweep", "will the migration be rejected?"),
            ("sudo fingerprint whatif --change ip,mac --threshold 60", "a new card, and a stricter threshold"),
        ),
    ),
    Command(
        "snapshot",
        "snapshot",
        "record this host in a file, to inspect it elsewhere or later",
        "All that the other commands read of a machine: files, outputs of commands, addresses, ends of the agent's\n"
        "logs. Nothing of the vault; what is named as a secret is removed.\n"
        "It holds identifiers and serial numbers: the file gets mode 0600. An existing file is never overwritten.\n"
        "Exit codes: 0 every source answered or is absent here, 3 a source was denied or failed (it is recorded so).",
        positionals=(("FILE", "text", (), "the new file; - for standard output"),),
        options=(Option("--keep", "also keep it as evidence of the vault's present record"),),
        examples=(
            ("sudo fingerprint snapshot web-7.json", "record this host"),
            ("fingerprint --snapshot web-7.json show", "inspect it elsewhere"),
            ("sudo fingerprint snapshot before-upgrade.json --keep", "so that later differences can be explained"),
        ),
    ),
    Command(
        "report",
        "report",
        "write a support bundle of what the commands print",
        "A compressed tar file with check, explanation, vault, history, evidence and snapshot. With --redact\n"
        "identifiers, names, addresses and serial numbers are pseudonyms, the same in all files. Keys, credentials\n"
        "and fingerprints are never in it.",
        positionals=(("FILE", "text", (), "the new file, such as ticket.tar.gz"),),
        options=(Option("--redact", "write pseudonyms in place of identifiers"),),
        examples=(("sudo fingerprint report --redact ticket.tar.gz", "to send to support"),),
    ),
)
