"""A changed first hardware address: another card only where a card is gone."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from fingerprint.explanation.network_cards import (
    MADE,
    OTHER_CARD,
    OTHER_FIRST,
    OTHER_SLAVE,
    UNKNOWN,
    address_change,
    card_key,
    cards,
    is_locally_administered,
    links_of_names,
)
from fingerprint.machine.base import Link
from shared import CASES

A, B, C = "3c:52:82:5f:10:a7", "3c:52:82:5f:10:a8", "3c:52:82:99:00:01"
DOCKER, OTHER_DOCKER = "02:42:e8:ec:ba:1b", "02:42:11:22:33:44"
PORT, OTHER_PORT = "f4:52:14:03:00:7b:cb:a1", "f4:52:14:03:00:7b:cb:a2"


def card(name: str, permanent: str, address: str = "", bus: str = "pci") -> Link:
    return Link(name, address or permanent, permanent, bus)


def software(name: str, address: str) -> Link:
    return Link(name, address, "", "")


def infiniband(made: str, port: str) -> str:
    return f"80:00:02:{made}:fe:80:00:00:00:00:00:00:{port}"


def bonded(active: str, first: str = "bond0") -> list[Link]:
    return [software(first, active), card("eth0", A, active), card("eth1", B, active)]


ETH = [card("eth0", A), card("eth1", B)]
NETVSC = card("eth0", A, bus="vmbus")
SOFTWARE = ("docker0", "br-72c019320e42", "veth12ab", "tap0", "dummy0", "virbr0", "cni0", "wg0", "eth0.100")
KINDS: dict[str, tuple[list[Link], list[Link], str, str]] = {
    # name -> (interfaces before, now, kernel, cause); the addresses are those of the first interfaces.
    "bond": (bonded(A), bonded(B), "", OTHER_SLAVE),
    "team": (bonded(A, "team0"), bonded(B, "team0"), "", OTHER_SLAVE),
    "bond behind its cards": (bonded(A)[1:] + bonded(A)[:1], bonded(B)[1:] + bonded(B)[:1], "", OTHER_SLAVE),
    "bond with its own addresses": ([software("bond0", A), *ETH], [software("bond0", B), *ETH], "", OTHER_SLAVE),
    "bridge over two cards": ([software("br0", A), *ETH], [software("br0", B), *ETH], "", OTHER_SLAVE),
    "bond before permanent addresses": (
        [software("bond0", A), Link("eth0", A, "", "pci")], [software("bond0", B), Link("eth0", B, "", "pci")],
        "Linux 4.18.0", OTHER_SLAVE,
    ),
    "bond whose card is gone": (bonded(A), [software("bond0", B), card("eth1", B)], "", OTHER_CARD),
    "bond made": (ETH, [*ETH[1:], software("bond0", B), ETH[0]], "", OTHER_FIRST),
    **{
        f"{name} made again": ([software(name, DOCKER), *ETH], [software(name, OTHER_DOCKER), *ETH], "", MADE)
        for name in SOFTWARE
    },
    "container": ([software("eth0", "02:42:ac:11:00:02")], [software("eth0", "02:42:ac:11:00:09")], "", MADE),
    "another bridge": ([software("br-1", DOCKER), *ETH], [software("br-2", OTHER_DOCKER), *ETH], "", OTHER_FIRST),
    "docker came": (ETH, [software("docker0", DOCKER), *ETH], "", OTHER_FIRST),
    "docker went": ([software("docker0", DOCKER), *ETH], ETH, "", OTHER_FIRST),
    "cards in another order": (ETH, ETH[::-1], "", OTHER_FIRST),
    "a card more, first": (ETH, [card("eth2", C), *ETH], "", OTHER_FIRST),
    "a new card before docker": ([software("docker0", DOCKER), *ETH], [card("eth2", C), *ETH], "", OTHER_CARD),
    "InfiniBand": (
        [card("ib0", infiniband("08", PORT)), *ETH], [card("ib0", infiniband("09", PORT)), *ETH], "", MADE,
    ),
    "InfiniBand card replaced": (
        [card("ib0", infiniband("08", PORT))], [card("ib0", infiniband("08", OTHER_PORT))], "", OTHER_CARD,
    ),
    "WSL2": (
        [card("eth0", "00:15:5d:09:b0:a0", bus="vmbus")], [card("eth0", "00:15:5d:77:01:02", bus="vmbus")],
        "Linux 5.15.153.1-microsoft-standard-WSL2", MADE,
    ),
    "Hyper-V": (
        [card("eth0", "00:15:5d:09:b0:a0", bus="vmbus")], [card("eth0", "00:15:5d:77:01:02", bus="vmbus")],
        "Linux 5.15.0", OTHER_CARD,
    ),
    "Azure, other virtual function": ([card("enP1s1", B), NETVSC], [card("enP9s1", C), NETVSC], "", MADE),
    "Azure, virtual function gone": ([card("enP1s1", B), NETVSC], [NETVSC], "", OTHER_FIRST),
    "address set by software": ([card("eth0", A)], [card("eth0", A, "02:11:22:33:44:55")], "", MADE),
    "address not set any more": ([card("wlan0", A, "a2:11:22:33:44:55")], [card("wlan0", A)], "", MADE),
    "random address of Wi-Fi": (
        [card("wlan0", A, "a2:11:22:33:44:55")], [card("wlan0", A, "b6:99:88:77:66:55")], "", MADE,
    ),
    "random address of a board": (
        [Link("eth0", "a2:11:22:33:44:55", "", "platform")], [Link("eth0", "b6:99:88:77:66:55", "", "platform")],
        "Linux 6.1.0", MADE,
    ),
    "copy in a cloud, old kernel": (
        [Link("eth0", "0a:11:22:33:44:55", "", "vif")], [Link("eth0", "0e:99:88:77:66:55", "", "vif")],
        "Linux 4.14.355", OTHER_CARD,
    ),
    "copy of a virtual machine": (
        [card("ens18", "52:54:00:12:34:56", bus="virtio")], [card("ens18", "52:54:00:99:34:56", bus="virtio")],
        "Linux 6.1.0", OTHER_CARD,
    ),
    "USB adapter unplugged": ([card("enx", C, bus="usb"), *ETH], ETH, "", OTHER_FIRST),
    "card replaced": (ETH, [card("eth0", C), ETH[1]], "", OTHER_CARD),
    "card removed": (ETH, ETH[1:], "", OTHER_CARD),
    "all replaced": (ETH, [card("eth0", C)], "", OTHER_CARD),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_change_has_its_cause(name: str) -> None:
    before, now, kernel, cause = KINDS[name]
    saved, current = before[0].address, now[0].address
    found = address_change(saved, current, before, now, kernel=kernel)
    assert found.cause == cause
    assert found.text
    # The form of the addresses and the interfaces behind the first one decide nothing.
    assert address_change(saved.upper(), current.replace(":", "-"), before, now, kernel=kernel) == found
    more = [software("lxcbr0", "02:42:00:00:00:99")]
    assert address_change(saved, current, [*before, *more], [*now, *more], kernel=kernel) == found


def test_another_card_is_named_only_without_the_old_one() -> None:
    """Whatever the order of any of these interfaces, a card that is still there was not replaced."""
    pool = [card("eth0", A), card("eth1", B, A), software("bond0", A), software("docker0", DOCKER), software("br0", B)]
    for before, now in itertools.product(itertools.permutations(pool, 3), repeat=2):
        saved, current = before[0].address, now[0].address
        if saved == current:
            continue
        found = address_change(saved, current, before, now)
        if found.cause == OTHER_CARD:
            kept = {card_key(link) for link in before if link.bus} <= {card_key(link) for link in now if link.bus}
            assert not kept or card_key(now[0]) not in cards(before)


def test_unrecorded_interfaces_show_nothing() -> None:
    assert address_change(A, B, ETH, []).cause == UNKNOWN
    assert address_change(A, "00:00:5e:00:53:01", ETH, ETH).cause == UNKNOWN
    found = address_change(C, A, [], ETH)
    assert (found.cause, found.certain) == (OTHER_CARD, False)
    assert address_change(DOCKER, OTHER_DOCKER, [], [software("docker0", OTHER_DOCKER), *ETH]).cause == UNKNOWN
    assert address_change(A, B, [], ETH[::-1]).cause == OTHER_FIRST


@pytest.mark.parametrize("name", [*SOFTWARE, "eth0", "ens18", "enp2s0f0", "Ethernet", "ib0", "wlan0"])
def test_without_devices_names_stand_for_them(name: str) -> None:
    pairs = [((name, DOCKER), ("eth9", A)), ((name, OTHER_DOCKER), ("eth9", A))]
    before, now = map(links_of_names, pairs)
    found = address_change(DOCKER, OTHER_DOCKER, before, now)
    assert found.cause == (MADE if name in SOFTWARE else OTHER_CARD)


def test_a_card_is_known_by_its_permanent_address() -> None:
    assert card_key(card("eth0", A, B)) == A
    assert card_key(Link("eth0", A.upper(), "", "pci")) == A
    assert card_key(card("ib0", infiniband("08", PORT))) == PORT
    assert card_key(software("docker0", DOCKER)) == ""
    assert list(cards([software("docker0", DOCKER), NETVSC, card("enP1s1", A)])) == [A]


@pytest.mark.parametrize(
    ("address", "local"),
    [(DOCKER, True), ("52:54:00:12:34:56", True), (A, False), ("a2:11:22:33:44:55", True), ("", False), ("xx", False),
     (infiniband("08", PORT), False)],
)  # fmt: skip
def test_locally_administered_addresses(address: str, local: bool) -> None:
    assert is_locally_administered(address) == local


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not part of the repository")
@pytest.mark.parametrize(
    ("name", "cause"), [("bond", OTHER_SLAVE), ("bridge", MADE), ("infiniband", MADE), ("wsl", MADE)]
)
def test_reported_cases(name: str, cause: str) -> None:
    directory = CASES / "13-network-cards-that-were-not-replaced"
    before, now = (json.loads(Path(directory, f"{name}-{side}.json").read_text()) for side in "ab")
    links = [[Link(**link) for link in side["links"]] for side in (before, now)]
    addresses = [side["addresses"]["links"][0][1] for side in (before, now)]
    found = address_change(*addresses, *links, kernel=now["kernel"])
    assert (found.cause, found.certain) == (cause, True)
