"""Commands for many hosts at once."""

from __future__ import annotations

from fingerprint.cli.options import Command, Option

_FLEET = ("FLEET", "text", (), "the file or directory")
_FLEETS = (
    "A fleet is Parquet, Arrow IPC, JSON Lines, a directory or tar file of vaults and snapshots, or a directory of\n"
    "SSM Inventory; docs/fleet.md has its columns. Requires the extra fleet.\n"
)
_FORMAT = Option("--format", "parquet, arrow, jsonl, machines, tar or inventory (else by name)", "FORMAT")
_REJECTS = Option("--rejects", "write rejected rows, with reasons, as JSON Lines", "FILE", files="file")
_UNPACK = Option("--unpack-limit", "MiB that a compressed tar file may unpack to", "MIB", "integer", default=512)
_THREADS = Option("--threads", "number of threads (else all)", "N", kind="integer")
_SCHEME = Option(
    "--scheme", "ssm: the rules of the agent; stable: saved values", "SCHEME", choices=("ssm", "stable"), default="ssm"
)
COMMANDS = (
    Command(
        "fleet check",
        "fleet",
        "check every host of a fleet and list drifted attributes",
        _FLEETS + "With --scheme stable each host is same, different or cannot-tell, see docs/stable.md.\n"
        "Exit codes: 0 all match, 1 some would be rejected or are different, 3 cannot tell for some, rows were\n"
        "rejected, or there are none.",
        positionals=(_FLEET,),
        options=(
            _SCHEME,
            _FORMAT,
            _UNPACK,
            Option("--to", "write a row for each host: .parquet, .arrow or .jsonl", "FILE", files="file"),
            _REJECTS,
            _THREADS,
        ),
        examples=(("fingerprint fleet check fleet.parquet --to verdicts.parquet", "totals here, all verdicts there"),),
    ),
    Command(
        "fleet plan",
        "fleet",
        "count hosts rejected at each threshold, now and after events",
        _FLEETS + "With a column `group` the highest threshold of each group is printed, too.\n"
        "Exit codes: 0 each group has a threshold, 1 one has none, 3 rows were rejected, or there are none.",
        positionals=(_FLEET,),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--event", "events to count, of `fingerprint whatif`; else the usual ones", "EVENTS"),
            Option("--tolerate", "events that the threshold must tolerate (else reboot-dhcp)", "EVENTS"),
            Option("--refused", "percentage of the hosts that may be rejected nevertheless (else 0)", "PERCENT"),
            _REJECTS,
            _THREADS,
        ),
        examples=(
            (
                "fingerprint fleet plan fleet.parquet --tolerate reboot-dhcp,os-upgrade",
                "the highest threshold that every host passes",
            ),
        ),
    ),
    Command(
        "fleet clones",
        "fleet",
        "find hosts that share an identity, and near-clones",
        _FLEETS + "Shared node IDs, fingerprints, vaults, hardware IDs, system UUIDs and hardware addresses; and\n"
        "hosts with other hardware IDs and most attributes equal: all of them, none by guess.\n"
        "With --scheme stable: node IDs of one machine, and node IDs, fingerprints, vaults and machine IDs on several\n"
        "machines, each same, different or cannot-tell, see docs/fleet.md.\n"
        "Exit codes: 0 no clones, 1 there are some, 3 cannot tell for some, rows were rejected, or there are none.",
        positionals=(_FLEET,),
        options=(
            Option(
                "--scheme",
                "ssm: hardware hashes; stable: values of the hardware",
                "SCHEME",
                choices=("ssm", "stable"),
                default="ssm",
            ),
            _FORMAT,
            _UNPACK,
            Option("--percent", "share of equal attributes of near-clones (else 75)", "N", kind="integer"),
            Option("--window", "hours within which two were seen at the same time", "HOURS", "integer", default=24),
            Option("--limit", "groups to print and pairs to keep", "N", "integer", default=1000),
            Option("--to", "write a row for each host of each group", "FILE", files="file"),
            _REJECTS,
            _THREADS,
        ),
        examples=(
            ("fingerprint fleet clones fleet.parquet --percent 60", "also with fewer attributes in common"),
            ("fingerprint fleet clones fleet.parquet --scheme stable", "machines with several node IDs, and copies"),
        ),
    ),
    Command(
        "fleet diff",
        "fleet",
        "list what drifted between two observations of a fleet",
        _FLEETS + "Current hashes are compared, by node ID; of a node that is there twice the row observed last.\n"
        "Exit codes: 0 nothing drifted, 1 something did, 3 rows were rejected, or no node is in both.",
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
        "fleet report",
        "fleet",
        "write an HTML page: verdicts, thresholds, drift, clones",
        _FLEETS + "The page needs no network.",
        positionals=(_FLEET, ("PAGE", "text", (), "the new file, such as fleet.html")),
        options=(
            _FORMAT,
            _UNPACK,
            Option("--by-group", "drift by the column group, not by week"),
            Option("--no-clones", "do not search for clones, for which the fleet must fit into memory"),
            _REJECTS,
            _THREADS,
        ),
    ),
    Command(
        "fleet pack",
        "fleet",
        "write a fleet with 128-bit digests in place of its values",
        _FLEETS + "The other commands read the result, faster. The values cannot be recovered from it.",
        positionals=(_FLEET, ("TO", "text", (), "the new file: .arrow or .parquet")),
        options=(_FORMAT, _UNPACK, _REJECTS, _THREADS),
    ),
    Command(
        "fleet row",
        "fleet_row",
        "print this host as a row of a fleet, with both hashes",
        "A line of JSON Lines; with --inventory a custom inventory document for SSM. It holds identifiers: keep it\n"
        "safe.",
        options=(
            Option("--inventory", "print a document of the type Custom:HardwareFingerprint"),
            Option("--node", "its name in the fleet (else the node ID, else the host's name)", "NAME"),
        ),
        examples=(("sudo fingerprint fleet row >> fleet.jsonl", "from every host"),),
    ),
    Command(
        "match",
        "match",
        "match pairs of hardware hashes, one JSON object a line",
        'A line in: {"saved":{},"current":{},"threshold":40,"sidKey":"machine-id"}; sidKey may be left out. A line\n'
        'out, in order: {"match":true,"reason":"SAME_IP","matched":9,"total":9,"percent":100}. A bad line gives\n'
        '{"match":null,"reason":"INVALID_INPUT","error":"..."} in its place. Needs no vault.\n'
        "Exit codes: 0 all match, 1 some do not, 3 some lines were bad or the file could not be read.",
        positionals=(("FILE", "text", (), "JSON Lines; - for standard input"),),
        examples=(("fingerprint match pairs.jsonl > verdicts.jsonl", "a million pairs in about a second"),),
    ),
)
