"""The kinds of leftovers of an image: what each is, why it matters, and what `clean` does with it. Data only."""

from __future__ import annotations

from fingerprint.types import Value

REMOVE, EMPTY, KEEP = "remove", "empty", "keep"
# Why machines must not share it: they would be one machine to a service, or one of them could act for all others.
IDENTITY, SECRET, BOTH = "identity", "secret", "identity and secret"
_BY_US = "Run `fingerprint image clean`"


class Kind(Value):
    """A kind of leftover.

    Attributes:
        what: what it is, in words.
        why: IDENTITY, SECRET or BOTH.
        action: what `clean` does, REMOVE, EMPTY, or KEEP for what it never changes.
        remedy: what to do about it.
    """

    what: str
    why: str
    action: str
    remedy: str


KINDS = {
    "vault": Kind("the vault: registration, private key, fingerprint", BOTH, REMOVE, _BY_US),
    "registration": Kind("node ID and region of the registration", IDENTITY, REMOVE, _BY_US),
    "identity-config": Kind("identity and credentials that the agent's workers use", IDENTITY, REMOVE, _BY_US),
    "host-management": Kind("credentials of the default host management role", SECRET, REMOVE, _BY_US),
    "node-state": Kind("the agent's state of one node", IDENTITY, REMOVE, _BY_US),
    "machine-id": Kind("the machine ID", IDENTITY, EMPTY, _BY_US),
    "dbus-machine-id": Kind("a second copy of the machine ID", IDENTITY, REMOVE, _BY_US),
    "own-state": Kind("our own state: history, evidence, credentials", BOTH, REMOVE, _BY_US),
    "agent-log": Kind("logs of the agent, which name the node", IDENTITY, REMOVE, f"{_BY_US}; --keep-logs leaves them"),
    "agent-config": Kind(
        "an identity in the agent's configuration", IDENTITY, KEEP,
        "Remove Identity.CustomIdentities from it by hand, or let each machine write its own",
    ),
    "shared-credentials": Kind(
        "AWS keys of root", SECRET, KEEP,
        "They may be an administrator's: remove them, or the profile that the agent wrote, by hand",
    ),
    "aws-keys": Kind("AWS keys in a file", SECRET, KEEP, "Remove them by hand, and deactivate keys of a user in IAM"),
    "aws-tokens": Kind(
        "cached tokens of the AWS command line", SECRET, KEEP, "Remove the files by hand; a new login makes new ones"
    ),
    "secret-file": Kind(
        "a token or private key that a service of this image uses", SECRET, KEEP,
        "Remove it by hand; each machine needs its own",
    ),
    "service-secret": Kind(
        "AWS keys in the environment of a service", SECRET, KEEP,
        "Remove the setting by hand, and deactivate keys of a user in IAM",
    ),
    "activation": Kind(
        "a hybrid activation, with which anybody can register machines", SECRET, KEEP,
        "Remove it by hand; end it with `aws ssm delete-activation --activation-id ID`",
    ),
    "ssh-host-key": Kind(
        "a private host key of the SSH server", BOTH, KEEP, "Remove it by hand last; `ssh-keygen -A` makes a new one",
    ),
    "random-seed": Kind(
        "the seed of the random numbers", SECRET, KEEP, "Remove it by hand last; systemd makes a new one"
    ),
    "credential-secret": Kind(
        "the key of systemd's encrypted credentials", SECRET, KEEP,
        "Remove it by hand: systemd makes a new one, and nothing can then open what was encrypted with this one",
    ),
    "cloud-init": Kind("the instance data of cloud-init", IDENTITY, KEEP, "Remove it with: `cloud-init clean`"),
    "cloud-init-seed": Kind(
        "a cloud-init instance ID that is part of the image", IDENTITY, KEEP,
        "Remove it by hand, or with: `cloud-init clean --seed`; keep it only if machines may share it",
    ),
    "dhcp-state": Kind(
        "DHCP leases or the ID of the DHCP client, with which copies get the same address", IDENTITY, KEEP,
        "Remove it by hand; the DHCP client makes a new one",
    ),
    "network-secret": Kind(
        "the secret from which addresses of the network are derived", BOTH, KEEP,
        "Remove it by hand; it is made again at the next start",
    ),
    "kernel-machine-id": Kind(
        "a machine ID on the command line of the kernel, which every machine of the image uses", IDENTITY, KEEP,
        "Remove systemd.machine_id from it by hand",
    ),
    "ecs-state": Kind(
        "the state of the ECS agent, with the ID of the container instance", IDENTITY, KEEP,
        "Remove it by hand, after you have stopped ECS with: `systemctl stop ecs`",
    ),
    "greengrass-key": Kind(
        "a private key of a Greengrass core device", BOTH, KEEP, "Remove it by hand; each device needs its own"
    ),
    "greengrass-certificate": Kind(
        "the certificate of a Greengrass core device", IDENTITY, KEEP, "Remove it by hand; each device needs its own"
    ),
    "greengrass-config": Kind(
        "configuration of Greengrass with the name of a thing", IDENTITY, KEEP,
        'Stop Greengrass; set thingName to "" for fleet provisioning, or remove it by hand',
    ),
    "kubelet-key": Kind(
        "a key or token of a Kubernetes node", BOTH, KEEP,
        "Run `nodeadm uninstall` in the image, or remove it by hand",
    ),
}  # fmt: skip
