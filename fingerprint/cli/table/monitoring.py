"""Commands for monitoring systems, golden images and IAM policies."""

from __future__ import annotations

from fingerprint.cli.options import DRY_RUN, PROXY, TEXT_ONLY, YES, Command, Option

COMMANDS = (
    Command(
        "monitor nagios",
        "nagios",
        "run the check as a Nagios plug-in",
        "One line with performance data, and 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (usage errors, too).\n"
        "Conditions: any-drift (an attribute changed), ip-alone (only the same address keeps it), vacuous (any\n"
        "host with this hardware ID passes), weak-id (the hardware ID is blank, zeros or otherwise invalid), copy\n"
        "(scheme stable sees another machine), will-hibernate (the agent stores a new fingerprint at its next check,\n"
        "or has), blocked (`fingerprint guard` keeps the agent from starting), never.",
        options=(
            Option("--warning", "conditions of WARNING (else any-drift,weak-id,blocked)", "CONDITIONS", short="-w"),
            Option("--critical", "conditions of CRITICAL (else will-hibernate)", "CONDITIONS", short="-c"),
            TEXT_ONLY,
        ),
        examples=(("fingerprint monitor nagios -w any-drift,ip-alone -c will-hibernate", "alert before hibernation"),),
    ),
    Command(
        "monitor prometheus",
        "prometheus",
        "write the result of a check as Prometheus metrics",
        "The file is replaced atomically, for the textfile collector of node_exporter; it holds no identifiers. It\n"
        "is written also if the check cannot tell, and says so. Exit codes: those of check.",
        options=(
            Option("--textfile", "the file, such as fingerprint.prom (else standard output)", "FILE", files="file"),
        ),
        examples=(
            ("sudo fingerprint monitor prometheus --textfile /var/lib/node_exporter/fingerprint.prom", "from a timer"),
        ),
    ),
    Command(
        "monitor watch",
        "watch",
        "check periodically and log changes",
        "Checks at each interval, and soon after an address changed (Linux). Notifies systemd that it is ready and\n"
        "alive. With --output json each line is a JSON object. SIGHUP checks at once; SIGTERM or Ctrl-C stops it.",
        options=(
            Option("--interval", "seconds between checks (else 300)", "SECONDS", kind="seconds", default=300.0),
            Option("--textfile", "also write metrics to this file at each check", "FILE", files="file"),
            Option("--checks", "stop after this number of checks", "N", kind="integer"),
        ),
        examples=(("sudo fingerprint monitor watch --output json", "structured lines, for a journal"),),
    ),
    Command(
        "monitor units",
        "units",
        "write service files for `monitor watch` and `prometheus`",
        "For systemd (service and timer), launchd or the Windows task scheduler, with the path of this program. They\n"
        "are written, not installed; existing files are never overwritten.",
        positionals=(("DIR", "text", (), "directory to write them into"),),
        options=(
            Option("--system", "systemd, launchd or windows (else that of this host)", "SYSTEM"),
            Option("--program", "path of the program in them (else this one)", "FILE", files="file"),
            Option("--textfile", "metrics file in them", "FILE", files="file"),
        ),
        examples=(
            (
                "sudo fingerprint monitor units /etc/systemd/system",
                "then: systemctl enable --now fingerprint-watch",
            ),
        ),
    ),
    Command(
        "image check",
        "image",
        "list host-specific state left in an image",
        "Registration, fingerprint, machine ID, our own state, logs, keys: exact files. Reads only; --root names a\n"
        "mounted image. Exit codes: 0 clean, 1 something is left, 3 cannot tell.",
        examples=(("fingerprint --root /mnt/image image check", "a mounted image"),),
    ),
    Command(
        "image clean",
        "image",
        "remove host-specific state from an image",
        "Removes or empties what `image check` marks as removable, after a backup into a new file (mode 0600).\n"
        "Refused while the agent runs here. Exit codes: 0 clean, 1 something is left, 4 refused.",
        options=(
            Option("--backup", "the new backup file (else image-backup-TIME.tar.gz here)", "FILE", files="file"),
            Option("--no-backup", "keep no backup"),
            Option("--keep-logs", "keep the agent's logs"),
            DRY_RUN,
            YES,
        ),
        examples=(
            ("sudo fingerprint image clean --dry-run", "see what it would remove"),
            ("fingerprint --root /mnt/image image clean --backup golden.tar.gz --yes", "a mounted image"),
        ),
    ),
    Command(
        "s3-policy",
        "s3_policy",
        "print the IAM policy for the agent's S3 buckets in a region",
        "GetObject on buckets that AWS owns, with the exceptions of each region and its partition. Required where S3\n"
        "is reached through a VPC endpoint; docs/s3-policy.md has the sources.\n"
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
            Option("--resources-only", "print only the list of ARNs"),
            Option("--comments", "write the purpose of each bucket into a new file", "FILE", files="file"),
            Option("--check", "try to reach them over HTTPS"),
            Option("--endpoint", "URL of S3 in place of the region's own, for --check", "URL"),
            Option("--dual-stack", "check the endpoint for IPv4 and IPv6"),
            Option("--fips", "check the FIPS endpoint, as botocore's data list it"),
            PROXY,
        ),
        examples=(
            ("fingerprint s3-policy --region eu-west-1 > policy.json", "for `aws iam create-policy`"),
            ("fingerprint s3-policy --region me-south-1 --os linux --comments buckets.md", "and what each is for"),
            ("fingerprint s3-policy --region us-east-1 --check --dual-stack --fips", "whether it can be reached"),
        ),
    ),
)
