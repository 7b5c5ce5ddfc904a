"""State that an operating system makes once for each machine: of cloud-init, DHCP, SSH, systemd and the kernel."""

from __future__ import annotations

import fnmatch
import os
import re

from fingerprint.image.content import decoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.image.scan import Scan

# Kind, directory, pattern of names. Empty files hold nothing.
_STATE = (
    ("ssh-host-key", "/etc/ssh", "ssh_host_*_key"),
    ("ssh-host-key", "/etc/dropbear", "dropbear_*_host_key"),
    ("random-seed", "/var/lib/systemd", "random-seed"),
    ("random-seed", "/var/lib/urandom", "random-seed"),
    ("random-seed", "/var/lib/misc", "random-seed"),
    ("random-seed", "/var/lib/seedrng", "seed.*"),
    ("random-seed", "/boot/loader", "random-seed"),
    ("random-seed", "/boot/efi/loader", "random-seed"),
    ("random-seed", "/efi/loader", "random-seed"),
    ("credential-secret", "/var/lib/systemd", "credential.secret"),
    ("secret-file", "/etc/credstore", "*"),
    ("dhcp-state", "/var/lib/dhcp", "*.lease*"),
    ("dhcp-state", "/var/lib/dhclient", "*.lease*"),
    ("dhcp-state", "/var/lib/NetworkManager", "*.lease*"),
    ("dhcp-state", "/var/lib/dhcpcd", "*"),
    ("dhcp-state", "/var/lib/dhcpcd5", "*"),
    ("dhcp-state", "/etc", "dhcpcd.duid"),
    ("dhcp-state", "/var/lib/dhcpv6", "*"),
    ("dhcp-state", "/var/lib/wicked", "duid.xml"),
    ("dhcp-state", "/var/lib/wicked", "iaid.xml"),
    ("dhcp-state", "/var/lib/wicked", "lease-*.xml"),
    ("network-secret", "/var/lib/NetworkManager", "secret_key"),
    ("network-secret", "/etc", "dhcpcd.secret"),
)
_CLOUD = "/var/lib/cloud"
_CLOUD_DATA = ("instance-id", "previous-instance-id")
# An instance ID that all machines of the image get, in seeds and in what an installer left.
_SEEDS = (f"{_CLOUD}/seed", "/etc/cloud/cloud.cfg.d")
_INSTANCE_ID = re.compile(r"^[ \t]*[\"']?instance[-_]id[\"']?[ \t]*:[ \t]*\S", re.MULTILINE)
_BOOT_SEEDS = ("/boot/meta-data", "/boot/firmware/meta-data")
_COMMAND_LINES = (
    "/etc/kernel/cmdline", "/etc/default/grub", "/boot/cmdline.txt", "/boot/firmware/cmdline.txt",
    "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg", "/boot/grub2/grubenv", "/boot/extlinux/extlinux.conf",
)  # fmt: skip
_ENTRIES = ("/boot/loader/entries", "/boot/efi/loader/entries", "/efi/loader/entries", "/etc/default/grub.d")
_KERNEL_MACHINE_ID = re.compile(r"\bsystemd\.machine_id=[\"']?(?!firmware)[0-9A-Fa-f]")


def system_state(scan: Scan) -> None:
    """Note the state of the operating system that all machines of the image would share."""
    for kind, directory, pattern in _STATE:
        scan.attempt(_matching, scan, kind, directory, pattern)
    scan.attempt(_cloud_init, scan)
    for directory in _SEEDS:
        for file in scan.files(directory, 2):
            if _INSTANCE_ID.search(decoded(file.data)):
                scan.note_new("cloud-init-seed", file)
    for path in _BOOT_SEEDS:
        scan.attempt(_note_matching, scan, "cloud-init-seed", path, _INSTANCE_ID)
    entries = [f"{directory}/{name}" for directory in _ENTRIES for name in scan.listed(directory)]
    for path in (*_COMMAND_LINES, *entries):
        scan.attempt(_note_matching, scan, "kernel-machine-id", path, _KERNEL_MACHINE_ID)


def _matching(scan: Scan, kind: str, directory: str, pattern: str) -> None:
    for name in fnmatch.filter(scan.listed(directory), pattern):
        found = scan.disk.find(os.path.join(directory, name))
        if found is not None:
            found[0].close()
            if found[2].st_size:
                scan.attempt(scan.file, kind, os.path.join(directory, name))


def _cloud_init(scan: Scan) -> None:
    """Note the data of each instance that cloud-init knows."""
    scan.file("cloud-init", f"{_CLOUD}/instance")
    for name in scan.listed(f"{_CLOUD}/instances"):
        scan.attempt(scan.file, "cloud-init", f"{_CLOUD}/instances/{name}")
    for name in _CLOUD_DATA:
        scan.attempt(scan.file, "cloud-init", f"{_CLOUD}/data/{name}")


def _note_matching(scan: Scan, kind: str, inside: str, pattern: re.Pattern[str]) -> None:
    file = scan.read(inside)
    if file is not None and pattern.search(decoded(file.data)):
        scan.note_new(kind, file)
