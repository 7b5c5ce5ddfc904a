"""The one table of commands and options; parsing, help and completion are made from it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Option:
    """One option of the command line.

    Args:
        flag: its name with dashes.
        text: its line of help.
        metavar: what follows it; "" for a switch.
        kind: "text", "integer" or "seconds".
        choices: the words that may follow it.
        default: its value when it is not given.
        files: what completion offers after it: "file", "folder" or "".
        short: its name of one letter with a dash, "" for none.
    """

    __slots__ = ("flag", "name", "text", "metavar", "kind", "choices", "default", "files", "short")

    def __init__(
        self,
        flag: str,
        text: str,
        metavar: str = "",
        kind: str = "text",
        choices: tuple[str, ...] = (),
        default: Any = None,
        files: str = "",
        short: str = "",
    ) -> None:
        self.flag = flag
        self.name = flag.lstrip("-").replace("-", "_")
        self.text = text
        self.metavar = metavar
        self.kind = kind
        self.choices = choices
        self.default = default if metavar else False
        self.files = files
        self.short = short


class Command:
    """One command.

    Args:
        path: its words, such as "threshold set".
        module: the module of `fingerprint.cli` whose function `run` does it.
        text: its line of help.
        about: more of it, for its own help page.
        positionals: (name, kind, choices, line of help) of each argument; of kind "several" the last may repeat.
        options: its own options.
        examples: command lines, each with what it does.
        terse: whether what goes wrong is told in one line, for programs that pass it on.
    """

    __slots__ = ("path", "module", "text", "about", "positionals", "options", "examples", "terse")

    def __init__(
        self,
        path: str,
        module: str,
        text: str,
        about: str = "",
        positionals: tuple[tuple[str, str, tuple[str, ...], str], ...] = (),
        options: tuple[Option, ...] = (),
        examples: tuple[tuple[str, str], ...] = (),
        terse: bool = False,
    ) -> None:
        self.path = path
        self.module = module
        self.text = text
        self.about = about
        self.positionals = positionals
        self.options = options
        self.examples = examples
        self.terse = terse


GLOBAL = (
    Option("--vault", "folder of the vault (else FINGERPRINT_VAULT, the agent's, our own)", "DIR", files="folder"),
    Option("--root", "look at a copied disk mounted there instead of this machine", "DIR", default="/", files="folder"),
    Option("--snapshot", "look at a machine recorded by `snapshot`", "FILE", files="file"),
    Option("--output", "form of the answer", "FORM", choices=("text", "json"), default="text"),
    Option("--timeout", "seconds that one command of a collection may take", "SECONDS", kind="seconds"),
    Option("--reveal", "print ids in full instead of masked"),
    Option("--no-color", "no colour, also on a terminal (so does NO_COLOR)"),
)
_DRY_RUN = Option("--dry-run", "say what would be done and change nothing")
_YES = Option("--yes", "confirm (required)")
_ENDPOINT = Option("--endpoint", "URL of the service (else the agent's, the region's)", "URL")
_POLICY = Option(
    "--policy", "what to do for another machine", "POLICY", choices=("strict", "regenerate", "audit"), default="strict"
)
_PROXY = Option("--proxy", "URL of the proxy (else the environment's, the agent's)", "URL")
_ROTATE = Option("--rotate-after", "age of the node's key at which it is changed; 0 never", "DAYS", kind="integer",
                 default=0)  # fmt: skip
_NEW_SID = Option("--accept-new-sid", "also if the hardware ID of the record is not that of this machine")

_KEY = Option("--key", "the record (else that of entry N; for 0 the fingerprint)", "KEY",
              choices=("fingerprint", "registration"))  # fmt: skip

_FLEET = ("FLEET", "text", (), "the file or folder")
_FLEETS = (
    "A fleet is Parquet, Arrow IPC, JSON Lines, a folder or tar of vaults and snapshots, or a folder of SSM\n"
    "Inventory; docs/fleet.md has its columns. Needs the extra fleet.\n"
)
_FORMAT = Option(
    "--format", "parquet, arrow, jsonl, machines, tar or inventory; else told from the name", "FORMAT",
)  # fmt: skip
_REJECTS = Option("--rejects", "write the rows that are left out, with reasons, as JSON Lines", "FILE", files="file")
_UNPACK = Option("--unpack-limit", "MiB that a compressed tar file may unpack to", "MIB", "integer", default=512)
_THREADS = Option("--threads", "how many work at once (else all that there are)", "N", kind="integer")
COMMANDS = (
    Command(
        "show",
        "show",
        "show this machine's hardware hash, with sources and statuses",
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
            ("sudo fingerprint show --scheme stable", "what only another machine changes"),
        ),
    ),
    Command(
        "check",
        "check",
        "tell whether this is still the machine of the vault, and why",
        "Reads only. Exit codes: 0 same machine, 1 not the same, 3 cannot tell. With --format nagios it is a plug-in:\n"
        "one line with performance data, and 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (usage errors, too).\n"
        "Conditions: any-drift (an attribute changed), ip-alone (only the same address keeps it), vacuous (any\n"
        "machine with this hardware ID passes), weak-id (the hardware ID is blank, zeros or else no ID), copy\n"
        "(scheme stable sees another machine), will-hibernate (the agent stores a new fingerprint at its next check,\n"
        "or has), never.",
        options=(
            Option(
                "--format",
                "for people, or as a plug-in of Nagios",
                "FORM",
                choices=("plain", "nagios"),
                default="plain",
            ),
            Option("--warning", "conditions of WARNING, commas (else any-drift,weak-id)", "CONDITIONS", short="-w"),
            Option("--critical", "conditions of CRITICAL, with commas (else will-hibernate)", "CONDITIONS", short="-c"),
        ),
        examples=(
            ("sudo fingerprint check", "this machine against the agent's vault"),
            ("fingerprint check --output json | jq .reason", "the deciding rule, for a script"),
            ("fingerprint --snapshot web-7.json --vault copy/Vault check", "a recorded machine against a copied vault"),
            ("fingerprint check --format nagios -w any-drift,ip-alone -c will-hibernate", "before it hurts"),
        ),
    ),
    Command(
        "diagnose",
        "diagnose",
        "tell whether the agent hibernates, since when, why, and what to do",
        "Ordered checks of registration, vault, fingerprint, agent, logs, credentials and platform, at once, each\n"
        "with a time limit. Reads only, and uses the network only with --network: endpoints, clock, buckets,\n"
        "published versions, metadata service, proxy.\n"
        "Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 3 it cannot be told.",
        options=(
            Option(
                "--output",
                "form of the answer; ssm-cli is that of `ssm-cli get-diagnostics`",
                "FORM",
                choices=("text", "json", "ssm-cli"),
                default="text",
            ),
            Option("--network", "also ask the network"),
            _PROXY,
            Option("--region", "region that the node should be in, and of the endpoints", "REGION"),
            Option("--account", "account that the node should be in, 12 digits", "ID"),
            Option(
                "--latest", "file or URL of a VERSION file (else those of the region and of all)", "PLACE", files="file"
            ),
            Option("--only", "these checks, with commas; see --list", "CHECKS"),
            Option("--list", "list the checks, and look at nothing"),
        ),
        examples=(
            ("sudo fingerprint diagnose", "at three in the morning"),
            ("sudo fingerprint diagnose --network --output json | jq .conclusion", "with the network, for a script"),
            ("sudo fingerprint diagnose --region eu-west-1 --account 123456789012", "is it in that account"),
            ("sudo fingerprint diagnose --only waiting,version,configuration", "three of the checks"),
            ("fingerprint --root /mnt/disk diagnose", "of a machine that does not start"),
        ),
    ),
    Command(
        "metrics",
        "prometheus",
        "write what a check finds as metrics for Prometheus",
        "The file is replaced as a whole, for the textfile collector of node_exporter; no ids are in it. It is\n"
        "written also when it cannot be told, and says so. Exit codes: those of check.",
        options=(
            Option("--textfile", "the file, such as fingerprint.prom (else standard output)", "FILE", files="file"),
        ),
        examples=(("sudo fingerprint metrics --textfile /var/lib/node_exporter/fingerprint.prom", "from a timer"),),
    ),
    Command(
        "watch",
        "watch",
        "stay, check again and again, and log what changes",
        "Checks at each interval, and soon after an address changed (Linux). Tells systemd when it is ready and that\n"
        "it lives. With --output json each line is a JSON object. SIGHUP checks at once; SIGTERM or Ctrl-C ends it.",
        options=(
            Option("--interval", "seconds between checks (else 300)", "SECONDS", kind="seconds", default=300.0),
            Option("--textfile", "also write metrics to this file at each check", "FILE", files="file"),
            Option("--checks", "end after so many checks", "N", kind="integer"),
        ),
        examples=(("sudo fingerprint watch --output json", "structured lines, for a journal"),),
    ),
    Command(
        "units",
        "units",
        "write service files that run watch and metrics here",
        "For systemd (service and timer), launchd or the Windows task scheduler, with the path of this program. They\n"
        "are written, not installed; existing files are never overwritten.",
        positionals=(("DIR", "text", (), "folder to write them into"),),
        options=(
            Option("--system", "systemd, launchd or windows (else that of this system)", "SYSTEM"),
            Option("--program", "path of the program in them (else this one)", "FILE", files="file"),
            Option("--textfile", "metrics file in them", "FILE", files="file"),
        ),
        examples=(("sudo fingerprint units /etc/systemd/system", "then: systemctl enable --now fingerprint-watch"),),
    ),
    Command(
        "s3-policy",
        "s3_policy",
        "print the IAM policy for the S3 buckets that the agent uses in a region",
        "GetObject on buckets that AWS owns, with the exceptions of each region and its partition. Needed where S3 is\n"
        "reached through a VPC endpoint; docs/s3-policy.md has the sources.\n"
        "Exit codes: 0 fine, 1 --check found one that cannot be reached.",
        options=(
            Option("--region", "the region, such as us-east-2", "REGION"),
            Option(
                "--os",
                "linux, windows, macos or all (else all)",
                "OS",
                choices=("all", "linux", "windows", "macos"),
                default="all",
            ),
            Option("--resources-only", "only the list of ARNs"),
            Option("--comments", "write what each bucket is for into a new file", "FILE", files="file"),
            Option("--check", "try to reach them, by HTTPS"),
            Option("--endpoint", "URL of S3 in place of the region's own, for --check", "URL"),
            Option("--dual-stack", "check the endpoint for IPv4 and IPv6"),
            Option("--fips", "check the FIPS endpoint, as botocore's data list it"),
            _PROXY,
        ),
        examples=(
            ("fingerprint s3-policy --region eu-west-1 > policy.json", "for `aws iam create-policy`"),
            ("fingerprint s3-policy --region me-south-1 --os linux --comments buckets.md", "and what each is for"),
            ("fingerprint s3-policy --region us-east-1 --check --dual-stack --fips", "whether it can be reached"),
        ),
    ),
    Command(
        "image check",
        "image",
        "list what would make the machines from this image one and the same",
        "Registration, fingerprint, machine ID, our own state, logs, keys: exact files. Reads only; --root looks at a\n"
        "mounted image. Exit codes: 0 clean, 1 something is left, 3 it cannot be told.",
        examples=(("fingerprint --root /mnt/image image check", "a mounted image"),),
    ),
    Command(
        "image clean",
        "image",
        "remove from this image what its machines must not share",
        "Removes or empties what `image check` marks as removable, after a backup into a new file (mode 0600).\n"
        "Refused while the agent runs here. Exit codes: 0 clean, 1 something is left, 4 refused.",
        options=(
            Option(
                "--backup", "the new backup file (else image-backup-TIME.tar.gz in this folder)", "FILE", files="file"
            ),
            Option("--no-backup", "keep nothing"),
            Option("--keep-logs", "leave the agent's logs"),
            _DRY_RUN,
            _YES,
        ),
        examples=(
            ("sudo fingerprint image clean --dry-run", "see what it would remove"),
            ("fingerprint --root /mnt/image image clean --backup golden.tar.gz --yes", "a mounted image"),
        ),
    ),
    Command(
        "explain",
        "explain",
        "tell what changed on this machine, why, what follows and what to do",
        "Reads only. Names causes from what was kept when the record was made (`vault evidence`).\n"
        "Exit codes: 0 same machine, 1 not the same, 3 cannot tell.",
        options=(Option("--before", "a snapshot from when the record was made, as evidence", "FILE", files="file"),),
        examples=(
            ("sudo fingerprint explain", "this machine against the agent's vault"),
            ("fingerprint --vault copy/Vault --snapshot now.json explain --before then.json", "elsewhere"),
        ),
    ),
    Command(
        "compare",
        "explain",
        "tell what lies between two recorded machines, or two states of one",
        "A is held as the saved side, B as the current one. Needs no vault.\n"
        "Exit codes: 0 same machine, 1 not the same, 3 cannot tell.",
        positionals=(("A", "text", (), "snapshot of before"), ("B", "text", (), "snapshot of now")),
        options=(Option("--threshold", "similarity threshold", "N", kind="integer", default=40),),
        examples=(("fingerprint compare monday.json today.json", "what happened since Monday"),),
    ),
    Command(
        "simulate",
        "whatif",
        "tell what the verdict would be after an event or a change",
        "Takes this machine and its vault as they are, and changes what the event changes, at its worst.\n"
        "Exit codes: 0 it would pass, 1 it would be refused, 3 cannot tell.",
        options=(
            Option("--event", "the event; see --list-events", "NAME"),
            Option("--change", "attributes that change: id, ip, mac, host, disk, cpu, mem, bios, sys", "NAMES"),
            Option("--threshold", "with this threshold in place of the vault's", "N", kind="integer"),
            Option("--sweep", "for every threshold, in the steps that make a difference"),
            Option("--list-events", "list the events and what they change; needs no vault"),
        ),
        examples=(
            ("sudo fingerprint simulate --event vm-migration --sweep", "will the move at the weekend be refused?"),
            ("sudo fingerprint simulate --change ip,mac --threshold 60", "a new card, and a stricter threshold"),
        ),
    ),
    Command(
        "snapshot",
        "snapshot",
        "record this machine in a file, to look at it elsewhere or later",
        "All that the other commands read of a machine: files, outputs of commands, addresses, ends of the agent's\n"
        "logs. Nothing of the vault; what is named as a secret is taken out.\n"
        "It holds ids and serial numbers: the file gets mode 0600. An existing file is never overwritten.\n"
        "Exit codes: 0 every source answered or is absent here, 3 a source was denied or failed (it is recorded so).",
        positionals=(("FILE", "text", (), "the new file; - for standard output"),),
        options=(Option("--keep", "keep it as evidence of the vault's present record, too"),),
        examples=(
            ("sudo fingerprint snapshot web-7.json", "record this machine"),
            ("fingerprint --snapshot web-7.json show", "look at it elsewhere"),
            ("sudo fingerprint snapshot before-upgrade.json --keep", "so that later differences can be named"),
        ),
    ),
    Command(
        "match",
        "match",
        "decide many pairs of hardware hashes, one JSON object a line",
        'A line in: {"saved":{},"current":{},"threshold":40,"sidKey":"machine-id"}; sidKey may be left out. A line\n'
        'out, in order: {"match":true,"reason":"SAME_IP","matched":9,"total":9,"percent":100}. A bad line gives\n'
        '{"match":null,"reason":"INVALID_INPUT","error":"..."} in its place. Needs no vault.\n'
        "Exit codes: 0 all match, 1 some do not, 3 some lines were bad or the file could not be read.",
        positionals=(("FILE", "text", (), "JSON Lines; - for standard input"),),
        examples=(("fingerprint match pairs.jsonl > verdicts.jsonl", "a million pairs in about a second"),),
    ),
    Command(
        "init",
        "vault_init",
        "mint the first fingerprint and store it with the hardware hash",
        "Refused (exit code 4) when the vault already holds a fingerprint.",
        options=(
            Option("--threshold", "similarity threshold: 1 to 100, or -1 to disable", "N", kind="integer", default=40),
            Option("--if-missing", "be content with a fingerprint that is already there"),
            _DRY_RUN,
        ),
        examples=(("sudo fingerprint init", "the first record of this machine"),),
    ),
    Command("threshold get", "threshold", "print the similarity threshold and what it means"),
    Command(
        "threshold set",
        "threshold",
        "replace the similarity threshold",
        "1 to 100, or -1 to disable the whole check, the hardware ID included. Restart the agent afterwards: it\n"
        "reads the threshold when it starts.",
        positionals=(("N", "integer", (), "the new threshold"),),
        options=(_DRY_RUN,),
        examples=(("sudo fingerprint threshold set 33", "3 of 9 matching attributes pass"),),
    ),
    Command(
        "register",
        "register",
        "register this machine with the service, by an activation",
        "The activation code comes from a file, standard input or FINGERPRINT_ACTIVATION_CODE, never from an\n"
        "argument. Nothing of an earlier registration is touched before the service has accepted the new one. One\n"
        "that was interrupted is finished first; `vault verify` reports it. Needs the extra aws.\n"
        "With --provider the cloud's metadata service must answer here, as it must for the agent's health reports.\n"
        "Exit codes: 0 registered, 4 registered already, 5 refused by the service, 6 the service cannot be reached.",
        options=(
            Option("--activation-id", "id of the activation (else FINGERPRINT_ACTIVATION_ID)", "ID"),
            Option("--code-file", "file with the activation code; - for standard input", "FILE", files="file"),
            Option("--region", "region of the node", "REGION"),
            _ENDPOINT,
            _PROXY,
            Option("--threshold", "similarity threshold of a new fingerprint", "N", kind="integer", default=40),
            Option(
                "--provider", "cloud that the machine is in, for agents from 3.3.4793", "NAME", choices=("azure", "ec2")
            ),
            Option("--again", "also if it is registered already: as another node"),
            Option("--node", "finish an interrupted registration as this node", "ID"),
            _DRY_RUN,
        ),
        examples=(
            ("sudo fingerprint register --region eu-west-1 --activation-id ID --code-file code.txt", "register"),
            (
                "sudo fingerprint register --region eu-west-1 --activation-id ID --code-file code.txt --provider azure",
                "as a node in Azure, for agents from 3.3.4793",
            ),
        ),
    ),
    Command(
        "deregister",
        "register",
        "forget the registration and the fingerprint here; both stay in the history",
        "The service is not told: it has no such operation for nodes.",
        options=(_DRY_RUN, _YES),
    ),
    Command(
        "credential-process",
        "credentials",
        "print role credentials for AWS SDKs, as their `credential_process`",
        "In ~/.aws/config:  credential_process = /usr/bin/fingerprint credential-process\n"
        "Credentials are kept for half of their life. By the policy strict nothing is sent for another machine.\n"
        "Exit codes: 0 credentials, 1 not the same machine, 3 not registered, 5 refused, 6 unreachable.",
        options=(_POLICY, _ENDPOINT, _PROXY, _ROTATE),
        terse=True,
    ),
    Command(
        "update",
        "credentials",
        "write role credentials into a profile of the shared credentials file",
        "Comments, other settings and other profiles stay; the file gets mode 0600. A file that botocore rejects, or\n"
        "that cannot be changed without harm for an AWS SDK, stays as it is. With --keep it runs until it is ended:\n"
        "new credentials at half of their life, after errors with the pauses of the agent.\n"
        "Exit codes: 0 written, 1 not the same machine, 3 not registered, 4 file kept, 5 refused, 6 unreachable.",
        options=(
            Option("--profile", "the profile", "NAME", default="default"),
            Option("--file", "the file (else AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials)", "FILE", files="file"),
            Option("--keep", "stay, and keep the profile fresh"),
            _POLICY,
            _ENDPOINT,
            _PROXY,
            _ROTATE,
        ),
    ),
    Command(
        "credentials order",
        "credentials_sources",
        "which source of AWS credentials wins here, and what it shadows",
        "In the order that AWS documents: environment, shared credentials file, container, instance profile, default\n"
        "host management; for you and for root. Names only, no network, nothing is written.\n"
        "Exit codes: 0 it is clear, 1 something is wrong, 3 it cannot be told.",
    ),
    Command(
        "serve",
        "credentials_serve",
        "serve role credentials on loopback, in the shape of EC2's metadata service",
        "For SDKs without `credential_process`. Every program of this machine can then have the node's role: run it\n"
        "only where that is wanted. With --socket only who may write to that socket can; SDKs do not connect to one.\n"
        "Needs the extra aws. SIGTERM or Ctrl-C ends it.",
        options=(
            Option("--port", "the port on 127.0.0.1 (else 1338); 0 for any", "N", kind="integer"),
            Option("--socket", "a Unix socket to listen on instead of a port", "FILE", files="file"),
            Option("--socket-mode", "permissions of the socket, octal (else 0660)", "MODE"),
            Option("--socket-group", "group of the socket (else that of this process)", "GROUP"),
            _POLICY,
            _ENDPOINT,
            _PROXY,
            _ROTATE,
        ),
        examples=(
            ("sudo fingerprint serve", "for SDKs, with the address that it prints"),
            (
                "sudo fingerprint serve --socket /run/node.sock --socket-group app",
                "for programs of the group app alone",
            ),
        ),
    ),
    Command(
        "local-service",
        "local_service",
        "serve a service for trials on loopback, and print an activation for it",
        "Needs the extra aws. Its credentials open nothing. Ctrl-C ends it.",
        options=(
            Option("--port", "the port; 0 for any", "N", kind="integer", default=0),
            Option("--database", "file to keep its nodes in; else they are forgotten", "FILE", files="file"),
            Option("--limit", "machines that the activation is for", "N", kind="integer", default=10),
        ),
    ),
    Command(
        "threshold advise",
        "threshold_advise",
        "tell which thresholds tolerate some events and refuse others",
        "For this machine and its vault, or with --standard for one that has all nine attributes.\n"
        "Exit codes: 0 there are such thresholds, 1 there are none: the conflict is named.",
        options=(
            Option("--tolerate", "events that must pass, alone and together", "EVENTS"),
            Option("--reject", "events that must be refused", "EVENTS"),
            Option("--standard", "for a standard machine; needs no vault"),
        ),
        examples=(
            ("fingerprint threshold advise --standard --tolerate reboot,dhcp --reject clone", "and what it costs"),
        ),
    ),
    Command(
        "report",
        "report",
        "bundle for a ticket what the commands say of this machine",
        "A compressed tar file with check, explanation, vault, history, evidence and snapshot. With --redact ids,\n"
        "names, addresses and serial numbers are pseudonyms, the same in all files. Keys, credentials and\n"
        "fingerprints are never in it.",
        positionals=(("FILE", "text", (), "the new file, such as ticket.tar.gz"),),
        options=(Option("--redact", "with pseudonyms in place of ids"),),
        examples=(("sudo fingerprint report --redact ticket.tar.gz", "to send to somebody"),),
    ),
    Command(
        "explain-log",
        "explain_log",
        "tell the agent's state by its logs, its cause and history",
        "Also when the machine is gone. Takes rotated and compressed logs, and merges them by time. The last state\n"
        "wins. Exit codes: 0 healthy, 1 failing, not started or stopped, 3 cannot tell.",
        positionals=(("FILE", "several", (), "logs of the agent; - for standard input"),),
        options=(Option("--utc-offset", "offset of the log's local time, to tell times in UTC", "+HH:MM"),),
        examples=(
            ("fingerprint explain-log /var/log/amazon/ssm/*.log*", "how the agent is, and why"),
            ("fingerprint explain-log *.log AmazonSSMAgent-update.txt", "and how the last update ended"),
        ),
    ),
    Command(
        "fleet check",
        "fleet",
        "the verdict on every machine of a fleet, and which attributes drifted",
        _FLEETS + "Exit codes: 0 all match, 1 some would be refused, 3 rows were left out, or there are none.",
        positionals=(_FLEET,),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--to", "write a row for each machine: .parquet, .arrow or .jsonl", "FILE", files="file"),
            _REJECTS,
            _THREADS,
        ),
        examples=(("fingerprint fleet check fleet.parquet --to verdicts.parquet", "sums here, all verdicts there"),),
    ),
    Command(
        "fleet plan",
        "fleet",
        "how many machines each threshold would refuse, now and after events",
        _FLEETS + "With a column `group` the highest threshold of each group is told, too.\n"
        "Exit codes: 0 each group has a threshold, 1 one has none, 3 rows were left out, or there are none.",
        positionals=(_FLEET,),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--event", "events to look at, of `fingerprint simulate`; else the usual ones", "EVENTS"),
            Option("--tolerate", "events that the threshold must tolerate (else reboot-dhcp)", "EVENTS"),
            Option("--refused", "percentage of the machines that may be refused nevertheless (else 0)", "PERCENT"),
            _REJECTS,
            _THREADS,
        ),
        examples=(
            ("fingerprint fleet plan fleet.parquet --tolerate reboot-dhcp,os-upgrade", "the strictest that will do"),
        ),
    ),
    Command(
        "fleet clones",
        "fleet",
        "which machines of a fleet share what one alone should have, or are nearly alike",
        _FLEETS + "Shared node IDs, fingerprints, vaults, hardware IDs, system UUIDs and hardware addresses; and\n"
        "machines with other hardware IDs and most attributes equal: all of them, none by guess.\n"
        "Exit codes: 0 no clones, 1 there are some, 3 rows were left out, or there are none.",
        positionals=(_FLEET,),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--percent", "near-clones have this share of the attributes in common", "N", "integer", default=75),
            Option("--window", "hours within which two were seen at the same time", "HOURS", "integer", default=24),
            Option("--limit", "groups that are told, and pairs that are kept", "N", "integer", default=1000),
            Option("--to", "write a row for each machine of each group", "FILE", files="file"),
            _REJECTS,
            _THREADS,
        ),
        examples=(("fingerprint fleet clones fleet.parquet --percent 60", "also what is less alike"),),
    ),
    Command(
        "fleet diff",
        "fleet",
        "what drifted between two observations of a fleet, and where",
        _FLEETS + "Current hashes are compared, by node ID; of a node that is there twice the row observed last.\n"
        "Exit codes: 0 nothing drifted, 1 something did, 3 rows were left out, or no node is in both.",
        positionals=(
            ("BEFORE", "text", (), "the first observation"),
            ("AFTER", "text", (), "the second observation"),
        ),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--to", "write a row for each node that is in both", "FILE", files="file"),
            _REJECTS,
            _THREADS,
        ),
        examples=(("fingerprint fleet diff may.parquet june.parquet", "a month's drift"),),
    ),
    Command(
        "fleet pack",
        "fleet",
        "write a fleet with 128-bit digests in place of its values, to be read fast",
        _FLEETS + "The other commands read what it writes. The values cannot be had back.",
        positionals=(_FLEET, ("TO", "text", (), "the new file: .arrow or .parquet")),
        options=(_FORMAT, _UNPACK, _REJECTS, _THREADS),
    ),
    Command(
        "fleet report",
        "fleet",
        "write one HTML page on a fleet: verdicts, thresholds, drift, clones",
        _FLEETS + "The page needs no network.",
        positionals=(_FLEET, ("PAGE", "text", (), "the new file, such as fleet.html")),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--by-group", "drift by the column group, not by week"),
            Option("--no-clones", "do not look for clones, for which the fleet must fit into memory"),
            _REJECTS,
            _THREADS,
        ),
    ),
    Command(
        "fleet row",
        "fleet_row",
        "print this machine as a row of a fleet, saved and current hash in full",
        "A line of JSON Lines; with --inventory a custom inventory document for SSM. It holds ids: keep it safe.",
        options=(
            Option("--inventory", "a document of the type Custom:HardwareFingerprint"),
            Option("--node", "its name in the fleet (else the node ID, else the host's name)", "NAME"),
        ),
        examples=(("sudo fingerprint fleet row >> fleet.jsonl", "from every machine"),),
    ),
    Command("vault show", "vault", "print what the vault holds; never its keys"),
    Command(
        "vault verify",
        "vault",
        "name every defect of the vault, with its remedy; changes nothing",
        "Exit codes: 0 sound, 1 with findings, 3 missing, corrupt, unreadable or not safe.",
    ),
    Command(
        "vault repair",
        "vault",
        "list the records in Store in the manifest again",
        "The agent finds a record only through the manifest. The old file is kept in the history. Files in Store that\n"
        "are no records are named and not listed.\n"
        "Exit codes: 0 nothing to repair or repaired, 1 a part is left, 3 unreadable, 4 --yes is missing or a repair\n"
        "does not help.",
        options=(_DRY_RUN, Option("--yes", "confirm (required)")),
        examples=(("sudo fingerprint vault repair --dry-run", "see what it would write"),),
    ),
    Command(
        "vault reset",
        "vault",
        "clear the fingerprint record; the old one is kept in the history",
        "The next check of the agent, or `init`, mints a new fingerprint, and the service then refuses this machine\n"
        "until it is registered again.",
        options=(_DRY_RUN, _YES),
        examples=(("sudo fingerprint vault reset --dry-run", "see what it would do"),),
    ),
    Command(
        "vault evidence", "vault_evidence", "list what is kept of the machine for each record, to name differences by"
    ),
    Command("vault history", "vault_restore", "list the records that were replaced, with key, time, cause and user"),
    Command(
        "vault backup",
        "vault_restore",
        "keep a copy of fingerprint and registration in the history",
        options=(_KEY, _DRY_RUN, Option("--yes", "also if a record looks damaged: it was changed on purpose")),
    ),
    Command(
        "vault restore",
        "vault_restore",
        "write a record of the history back, as it was",
        "For a record that was lost, damaged or replaced. It works over a missing or corrupt record, too. What is\n"
        "replaced goes to the history. Restart the agent afterwards.\n"
        "It says whether the record matches this machine. If not, the agent replaces it again; --rebaseline restores\n"
        "fingerprint and threshold with the present hardware hash.",
        positionals=(("N", "integer", (), "number of the entry, see `vault history`; 0: as it was written last"),),
        options=(
            _KEY,
            Option("--rebaseline", "with the hardware hash of this machine as it is now"),
            _DRY_RUN,
            _YES,
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
        "keep the fingerprint, take the machine as it is now",
        "For a machine that was changed on purpose. Whether the service accepts it depends on the fingerprint alone.",
        options=(Option("--keep-fingerprint", "say that the old fingerprint stays"), _DRY_RUN, _YES, _NEW_SID),
        examples=(
            ("sudo fingerprint vault rebaseline --keep-fingerprint --dry-run", "see what would change"),
            (
                "sudo fingerprint vault rebaseline --keep-fingerprint --yes --accept-new-sid",
                "after an update that changed the hash recipe on Windows",
            ),
        ),
    ),
    Command(
        "completion",
        "completion",
        "print the completion script of a shell",
        positionals=(("SHELL", "text", ("bash", "zsh", "fish"), "the shell"),),
        examples=(('eval "$(fingerprint completion bash)"', "completion in this shell"),),
    ),
    Command("version", "version", "print the version"),
)
