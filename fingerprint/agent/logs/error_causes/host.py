"""Causes on the host: disk, permissions, worker, crash, credentials file, vault and registration."""

from __future__ import annotations

from fingerprint.agent.logs.error_causes.row import BUNDLE, RESTART, Row, Step
from fingerprint.agent.paths import WORKER
from fingerprint.vault.records import register_command

_VERIFY = Step("Check the vault", "fingerprint vault verify")
_REGISTER = Step("If it cannot be repaired, register the host again", register_command(again=True))
_INSTALLED = Step("Install the agent's package again", "fingerprint diagnose --only installed,package")
_WRITABLE = Step("Show who may write there", linux="namei -l {path}", macos="ls -leO {path}", windows='icacls "{path}"')
_MOUNTED = Step("Show how the file system is mounted", linux="findmnt -T {directory}", macos="mount",
                windows="Get-Disk | Select-Object Number, IsReadOnly, OperationalStatus")  # fmt: skip
_START = ("failed to start worker", "fork/exec", "exec: ")
_SHARED = ("sharedcredentialsstore", "occurred sharing credentials", "failed to write credentials to disk",
           "failed to create shared credentials file")  # fmt: skip

RESOURCES = (
    Row(
        name="inotify-limit", why="the limit of watched directories is used up (the disk is not full)",
        steps=(Step("Raise the limit, also in /etc/sysctl.d", linux="sysctl -w fs.inotify.max_user_watches=524288"),),
        says=("no space left on device",), needs=("add watch", "inotify", "to watcher"),
    ),
    Row(
        name="disk-full", why="the disk is full{of}",
        steps=(Step("Free space there, or inodes (option -i)", linux="df -h {directory}", macos="df -h {directory}",
                    windows="Get-Volume"),),
        says=("no space left on device", "not enough space on the disk", "disk quota exceeded", "disk is full"),
    ),
    Row(
        name="read-only", why="the file system is read-only{of}",
        steps=(_MOUNTED, Step("Repair the file system and mount it for writing")),
        says=("read-only file system", "media is write protected"),
    ),
    Row(
        name="disk-error", why="the disk has errors{of}",
        steps=(Step("Read the kernel's messages", linux="journalctl -k -p err -n 50", windows="Get-PhysicalDisk"),
               Step("Replace or repair the disk")),
        says=("input/output error", "structure needs cleaning", "data error (cyclic redundancy check)"),
    ),
    Row(
        name="open-files", why="the agent may open no more files",
        steps=(Step("Raise LimitNOFILE of its unit", linux="systemctl edit {unit}"),),
        says=("too many open files",),
    ),
    Row(
        name="memory", why="the host has no memory left",
        steps=(Step("Free memory, or add some", linux="free -m", macos="vm_stat",
                    windows="Get-Process | Sort-Object WS -Descending | Select-Object -First 10"),),
        says=("cannot allocate memory", "out of memory", "not enough memory resources", "paging file is too small"),
    ),
)  # fmt: skip

SECURITY = (
    Row(
        name="selinux", why="SELinux denies it{of}",
        steps=(Step("Show what SELinux denied", linux="ausearch -m avc -ts recent"),
               Step("Restore the labels", linux="restorecon -Rv {path}")),
        says=("avc:  denied", "avc: denied", "selinux is preventing", "selinux policy"),
    ),
    Row(
        name="apparmor", why="AppArmor denies it{of}",
        steps=(Step("Show what AppArmor denied", linux="journalctl -k --grep=apparmor"),
               Step("Allow it in the profile, then load that again", linux="systemctl reload apparmor")),
        says=('apparmor="denied"', "apparmor denied", "denied by apparmor"),
    ),
)  # fmt: skip

STARTING = (
    Row(
        name="worker-missing", why=f"a program of the agent is missing, so that {WORKER} does not start{{of}}",
        steps=(_INSTALLED,), says=_START, needs=("no such file or directory", "cannot find the file",
                                                 "cannot find the path", "executable file not found"),
    ),
    Row(
        name="worker-architecture", why="a program of the agent is for another processor, or damaged{of}",
        steps=(Step("Compare with the architecture of the host", linux="uname -m", macos="uname -m"), _INSTALLED),
        says=_START, needs=("exec format error", "not a valid win32 application", "not compatible with the version",
                            "bad cpu type"),
    ),
    Row(
        name="worker-antivirus", why="an antivirus stops the agent's program{of}",
        steps=(Step("Show what it detected", windows="Get-MpThreatDetection"),
               Step("Exempt the agent's directory from the antivirus, then install the agent's package again",
                    "fingerprint diagnose --only installed,package")),
        says=_START, needs=("contains a virus", "potentially unwanted software"),
    ),
    Row(
        name="worker-denied", why="the system does not let the agent start its program{of}: mode, a file system "
            "mounted with noexec, SELinux, AppArmor or an application control",
        steps=(Step("Show mode and label of the program", linux="ls -lZ {path}", macos="ls -le {path}",
                    windows='icacls "{path}"'),
               Step("Show whether its file system is mounted with noexec",
                    linux="findmnt -T {path} -o TARGET,OPTIONS"),
               Step("Show what SELinux or AppArmor denied", linux="journalctl -k --grep='avc|apparmor' -n 20")),
        says=_START, needs=("permission denied", "operation not permitted", "access is denied", "blocked by",
                            "has blocked this file"),
    ),
    Row(
        name="worker-start", why=f"the agent cannot start {WORKER}{{of}}",
        steps=(Step("Read the last messages of the service", linux="journalctl -u {unit} -n 50"), BUNDLE),
        says=("failed to start worker", "fork/exec"),
    ),
    Row(
        name="fips", why="the host is in FIPS mode, which this program of the agent does not support",
        steps=(Step("Update the agent", "fingerprint diagnose --only version,fips"), BUNDLE),
        says=("opensslcrypto", "fips mode requested", "fips: ", "fips 140"), needs=("panic", "fatal", "fips mode"),
    ),
    Row(
        name="panic", why="the agent crashed (Go panic)",
        steps=(Step("Update the agent if a newer version is published", "fingerprint diagnose --only version"), BUNDLE),
        says=("panic: ", "credentials refresher panic", "nil pointer dereference", "sigsegv", "fatal error: ",
              "goroutine 1 [", "recovered from panic"),
    ),
    Row(
        name="configuration", why="its configuration cannot be loaded{of}",
        steps=(Step("Correct the configuration", "fingerprint diagnose --only configuration"),),
        says=("app config could not be loaded", "appconfig could not be loaded", "failed to load app config"),
    ),
)  # fmt: skip

CREDENTIALS = (
    Row(
        name="shared-file-gone", why="the file with the shared credentials is missing or lacks them{of}",
        steps=(RESTART, Step("If it vanishes again, search for what removes it", "fingerprint credentials sources")),
        says=("sharedcredsload", "sharedcredsaccesskey", "sharedcredssecret", "runtime config has an empty sharefile",
              "unable to load shared credentials", "failed to load shared config file",
              "failed to get shared config profile", "failed to load shared credentials file"),
        unless=_SHARED, no_credentials=True,
    ),
    Row(
        name="shared-file-unwritable", why="the agent cannot write the file of its shared credentials{of}",
        steps=(_WRITABLE, Step("Make directory and file writable for the agent (no other owner, no attribute "
                               "read-only or immutable, no directory of that name)")),
        says=_SHARED,
    ),
    Row(
        name="no-credentials", why="the agent finds no credentials",
        steps=(Step("Show where it searches for credentials", "fingerprint credentials sources"),
               Step("Outside EC2 check the registration", "fingerprint diagnose --only registration")),
        codes=("NoCredentialProviders", "EmptyStaticCreds"),
        says=("no valid providers in chain", "static credentials are empty"), no_credentials=True,
    ),
    Row(
        name="key-rotation", why="a rotation of the node's key failed halfway, so that the service may know another "
            "key than the vault holds",
        steps=(_VERIFY, _REGISTER),
        codes=("InvalidPublicKey", "InvalidPublicKeyException"),
        says=("failed to update remote public key", "rotate private key", "failed to save new private key",
              "needs to be re-registered",
              "unable to verify neither new nor old key"),
    ),
)  # fmt: skip

UNREGISTERED = (
    Row(
        name="not-registered", why="the vault holds no registration, and the agent takes the host for an EC2 instance",
        steps=(_VERIFY, Step("If this is not an EC2 instance, register it", register_command())),
        says=("registrationkey does not exist", "data from vault is empty"), no_credentials=True,
    ),
)  # fmt: skip

VAULT = (
    Row(
        name="vault-damaged", why="the agent cannot read its vault{of}", steps=(_VERIFY, _REGISTER),
        says=("failed to unmarshal vault manifest", "failed to unmarshal instance info", "data file of",
              "failed to read data file", "failed to load vault", "could not read instancefingerprint",
              "fingerprint data from vault", "failed to load instance info from vault", "failed to write data file",
              "failed to save manifest", "failed to create vault folder", "permission for vault folder",
              "unable to decode private key", "parse private key", "illegal base64 data", "asn1: ",
              "failed to decode private key"),
    ),
    Row(
        name="no-identity", why="the agent finds no identity: the host is not registered, or its registration is "
            "unreadable",
        steps=(_VERIFY, Step("If it is not registered, register it", register_command())),
        says=("failed to find agent identity", "failed to assume any identity", "failed to get identity",
              "failed to find identity"),
        no_credentials=True,
    ),
    Row(
        name="identity-changed", why="the agent found another identity than the one it was started with",
        steps=(Step("Check what the host is registered as", "fingerprint diagnose --only registration,account"),),
        says=("unexpected identity retrieved",),
    ),
    Row(
        name="invalid-text", why="a value of the hardware, such as the host name, is not valid UTF-8",
        steps=(Step("Give the host a name that is valid UTF-8", linux="hostnamectl set-hostname NAME"),
               Step("Show which source fails", "fingerprint check")),
        says=("contains invalid character",),
    ),
    Row(
        name="no-fingerprint", why="the agent cannot read the hardware, so that it has no fingerprint",
        steps=(Step("Show which source fails", "fingerprint check"),),
        says=("failed to get machine fingerprint", "unexpected error while calculat", "unable to fetch machine-id",
              "failed to wait for wmi", "fetching hardware hashes"),
    ),
    Row(
        name="file-missing", why="a file is missing{of}",
        steps=(Step("Check files and programs of the agent", "fingerprint diagnose --only installed,package,vault"),),
        says=("no such file or directory", "cannot find the file", "cannot find the path"),
    ),
    Row(
        name="permission", why="the system denies access{of}: the agent does not run as root (Windows: SYSTEM), or "
            "SELinux, AppArmor or a file attribute prevents it",
        steps=(_WRITABLE, Step("Check the account of the service", "fingerprint diagnose --only running")),
        says=("permission denied", "operation not permitted", "access is denied"),
    ),
)  # fmt: skip
