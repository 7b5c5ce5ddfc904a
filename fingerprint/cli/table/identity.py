"""Commands that register a host and get its role credentials."""

from __future__ import annotations

from fingerprint.cli.options import DRY_RUN, ENDPOINT, POLICY, PROXY, ROTATE, YES, Command, Option

COMMANDS = (
    Command(
        "register",
        "register",
        "register this host with the service by an activation",
        "The activation code comes from a file, standard input or FINGERPRINT_ACTIVATION_CODE, never from an\n"
        "argument. Nothing of an earlier registration changes before the service has accepted the new one. An\n"
        "interrupted registration is finished first; `vault verify` reports it. Requires the extra aws.\n"
        "With --provider the cloud's metadata service must answer here, as it must for the agent's health reports.\n"
        "Exit codes: 0 registered, 4 registered already, 5 rejected by the service, 6 the service is unreachable.",
        options=(
            Option("--activation-id", "ID of the activation (else FINGERPRINT_ACTIVATION_ID)", "ID"),
            Option("--code-file", "file with the activation code; - for standard input", "FILE", files="file"),
            Option("--region", "region of the node", "REGION"),
            ENDPOINT,
            PROXY,
            Option("--threshold", "similarity threshold of a new fingerprint", "N", kind="integer", default=40),
            Option(
                "--provider", "cloud that the host is in, for agents from 3.3.4793", "NAME", choices=("azure", "ec2")
            ),
            Option("--again", "register as another node if it is registered already"),
            Option("--node", "finish an interrupted registration as this node", "ID"),
            DRY_RUN,
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
        "remove registration and fingerprint; the history keeps them",
        "The service is not informed: it has no such operation for nodes.",
        options=(DRY_RUN, YES),
    ),
    Command(
        "guard",
        "guard",
        "renew the record before the agent starts, detect a copy",
        "Compares as the agent does, and with the hardware of the record's evidence. A machine that the agent would\n"
        "reject and that is certainly the same keeps its fingerprint: its record gets the present hardware hash. One\n"
        "that the agent would accept and that is certainly another is reported; with --on-mismatch block it must not\n"
        "start. The fingerprint is in the history before the agent can replace it.\n"
        "Exit codes: 0 the agent may start, also where nothing is known; 1 blocked.",
        options=(
            Option("--refresh", "also renew the record of a machine that matches and changed"),
            Option(
                "--on-mismatch",
                "what to do if it is not certainly the same",
                "ACTION",
                choices=("allow", "block"),
                default="allow",
            ),
            Option("--limit", "end after this time, and let the agent start", "SECONDS", kind="seconds", default=60.0),
            DRY_RUN,
        ),
        examples=(
            ("sudo fingerprint guard --dry-run", "what it would do now"),
            ("sudo fingerprint guard --refresh --on-mismatch block", "keep the record up to date, and stop copies"),
        ),
    ),
    Command(
        "guard install",
        "guard_units",
        "run `guard` before each start of the agent",
        "Writes a drop-in for each installed unit of the agent (package and snap) with one line, an ExecCondition=.\n"
        "The unit's own file stays as it is, and no setting of the agent changes. The agent starts unless `guard`\n"
        "blocks it, also if the program is missing, fails or takes too long. Repeated it changes nothing; with other\n"
        "options it writes the drop-in again. Requires systemd 243. With --to it writes the files for launchd or the\n"
        "Windows task scheduler, installs nothing, and prints the commands (docs/guard.md); these are unverified:\n"
        "generated and parsed, not run on macOS or Windows.\n"
        "Exit codes: 0 installed, 3 not readable or not reloaded, 4 refused.",
        options=(
            Option("--refresh", "run it with --refresh"),
            Option(
                "--on-mismatch",
                "what it does if this is not certainly the same machine",
                "ACTION",
                choices=("allow", "block"),
                default="allow",
            ),
            Option("--limit", "end it after this time", "SECONDS", kind="limit", default=60),
            Option("--program", "path of the program (else this one)", "FILE", files="file"),
            Option("--to", "only write the files for launchd or windows there", "DIR", files="directory"),
            Option("--system", "launchd or windows, for --to (else that of this host)", "SYSTEM"),
            DRY_RUN,
            Option("--yes", "also replace a drop-in that was edited"),
        ),
        examples=(
            ("sudo fingerprint guard install --refresh --on-mismatch block", "keep the record up to date, stop copies"),
            ("sudo fingerprint --root /mnt/image guard install", "in a mounted image, which has the program"),
            (
                "fingerprint guard install --system launchd --to DIR --program /usr/local/bin/fingerprint",
                "files for macOS",
            ),
        ),
    ),
    Command(
        "guard uninstall",
        "guard_units",
        "remove what `guard install` wrote",
        "Other drop-ins and the unit's own file stay.\n"
        "Exit codes: 0 removed, or never installed; 3 not readable or not reloaded; 4 refused.",
        options=(DRY_RUN, Option("--yes", "also remove a drop-in that was edited")),
    ),
    Command(
        "guard status",
        "guard_units",
        "print whether `guard` runs before the agent, and works",
        "Runs the command of the drop-in with --dry-run, as its unit would, and prints the last decision.\n"
        "Exit codes: 0 installed and works; 1 not installed, or does not work; 3 cannot tell.",
    ),
    Command(
        "credentials process",
        "credentials",
        "print role credentials as an SDK's `credential_process`",
        "In ~/.aws/config: `credential_process = /usr/bin/fingerprint credentials process`.\n"
        "Credentials are cached for half of their life. With the policies strict and evidence nothing is sent for\n"
        "another machine; evidence keeps the fingerprint where the hardware is certainly the same (docs/guard.md).\n"
        "Exit codes: 0 credentials, 1 not the same machine, 3 not registered, 4 refused, 5 rejected, 6 unreachable.",
        options=(POLICY, ENDPOINT, PROXY, ROTATE),
        terse=True,
    ),
    Command(
        "credentials update",
        "credentials",
        "write role credentials into a profile of the shared file",
        "Comments, other settings and other profiles stay; the file gets mode 0600. A file that botocore rejects, or\n"
        "that cannot be changed without harm for an AWS SDK, stays as it is. With --keep it runs until it is stopped:\n"
        "new credentials at half of their life, after errors with the retry schedule of the agent.\n"
        "Exit codes: 0 written, 1 not the same machine, 3 not registered, 4 file kept, 5 rejected, 6 unreachable.",
        options=(
            Option("--profile", "the profile", "NAME", default="default"),
            Option("--file", "the file (else AWS_SHARED_CREDENTIALS_FILE, ~/.aws/credentials)", "FILE", files="file"),
            Option("--keep", "keep running and keep the profile fresh"),
            POLICY,
            ENDPOINT,
            PROXY,
            ROTATE,
        ),
    ),
    Command(
        "credentials serve",
        "credentials_serve",
        "serve role credentials like EC2's metadata service",
        "For SDKs without `credential_process`, on loopback. Every program of this host can then have the node's\n"
        "role: run it only where that is wanted. With --socket only who may write to that socket can; SDKs do not\n"
        "connect to one. Requires the extra aws. SIGTERM or Ctrl-C stops it.",
        options=(
            Option("--port", "the port on 127.0.0.1 (else 1338); 0 for any", "N", kind="integer"),
            Option("--socket", "listen on a Unix socket instead of a port", "FILE", files="file"),
            Option("--socket-mode", "permissions of the socket, octal (else 0660)", "MODE"),
            Option("--socket-group", "group of the socket (else that of this process)", "GROUP"),
            POLICY,
            ENDPOINT,
            PROXY,
            ROTATE,
        ),
        examples=(
            ("sudo fingerprint credentials serve", "for SDKs, with the address that it prints"),
            (
                "sudo fingerprint credentials serve --socket /run/node.sock --socket-group app",
                "for programs of the group app alone",
            ),
        ),
    ),
    Command(
        "credentials sources",
        "credentials_sources",
        "list which source of AWS credentials wins on this host",
        "For SDKs, for you and for root: what the providers of botocore find, one by one. No request is sent, nothing\n"
        "is written. Without the extra aws it is not known what SDKs do. Then what the agent does with these files.\n"
        "Exit codes: 0 the winner is known, or no source has credentials; 1 a finding; 3 the winner is unknown.",
        options=(Option("--run-process", "run the credential_process that an SDK would run"),),
        examples=(
            ("sudo fingerprint credentials sources", "which credentials the AWS CLI and SDKs take"),
            ("fingerprint --root /mnt/disk credentials sources", "those of a copied disk"),
        ),
    ),
    Command(
        "local-service",
        "local_service",
        "run a local service for tests and print an activation",
        "Requires the extra aws. The credentials it issues are fake. Press Ctrl-C to stop.",
        options=(
            Option("--port", "the port; 0 for any", "N", kind="integer", default=0),
            Option("--database", "keep its nodes in this file", "FILE", files="file"),
            Option("--limit", "registrations that the activation allows", "N", kind="integer", default=10),
        ),
    ),
)
