"""Whether another first hardware address is another network card: by permanent addresses and devices.

The agent hashes the present address of the first interface. That one also differs if a bond changes to its other card,
for software interfaces, and for cards whose address is made at each start. Pure functions over the interfaces of both
sides (`Machine.links`).
"""

from __future__ import annotations

from fingerprint.machine.base import Link, kept_part
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The causes, by their names in the explanation; `UNKNOWN` if the interfaces do not show one.
OTHER_CARD, OTHER_SLAVE, OTHER_FIRST, MADE = "network-card", "bond-fail-over", "interface-order", "made-address"
UNKNOWN = ""
_KERNEL_OF_WSL = "microsoft"
# The bus of Hyper-V's own network cards, on which a virtual function of Azure lies.
_HYPERV_BUS = "vmbus"


# Beginnings of the names of software interfaces, for recordings that have names and addresses only.
_SOFTWARE_NAMES = (
    "bond", "br-", "br0", "bridge", "cali", "cilium", "cni", "docker", "dummy", "flannel", "gre", "ifb", "ipvlan",
    "lxc", "macvlan", "podman", "tailscale", "tap", "team", "tun", "veth", "virbr", "vlan", "vnet", "vxlan", "wg", "zt",
)  # fmt: skip


class AddressChange(Value):
    """Why the first hardware address differs.

    Attributes:
        cause: `OTHER_CARD`, `OTHER_SLAVE`, `OTHER_FIRST`, `MADE` or `UNKNOWN`.
        text: the evidence, without the addresses; "" if there is none.
        certain: whether the interfaces prove it; False for an inference.
    """

    cause: str
    text: str
    certain: bool


def is_card(link: Link) -> bool:
    """Return whether an interface has a device behind it: no bridge, bond, veth, tap or tunnel."""
    return bool(link.bus)


def links_of_names(links: Sequence[tuple[str, str]]) -> tuple[Link, ...]:
    """Return interfaces for (name, address) pairs; a name that is not usual for a software interface is a card's."""
    return tuple(
        Link(name, address, "", "" if name.startswith(_SOFTWARE_NAMES) or "." in name else "device")
        for name, address in links
    )


def card_key(link: Link) -> str:
    """Return the identity of a card: its permanent address, else its present one; "" for a software interface.

    Of an InfiniBand address only the last 8 bytes count.
    """
    return kept_part(link.permanent or link.address) if is_card(link) else ""


def cards(links: Sequence[Link]) -> dict[str, Link]:
    """Return the cards by `card_key`, the first of each: an Azure virtual function has the address of its partner."""
    found: dict[str, Link] = {}
    for link in links:
        if key := card_key(link):
            found.setdefault(key, link)
    return found


def is_locally_administered(address: str) -> bool:
    """Return whether an address was made by software: bit 1 of its first byte is set."""
    try:
        return bool(int(address[:2], 16) & 2) and len(kept_part(address)) == 17
    except ValueError:
        return False


def address_change(
    saved: str, current: str, before: Sequence[Link], now: Sequence[Link], *, kernel: str = ""
) -> AddressChange:
    """Return why the first hardware address differs.

    Args:
        saved, current: the two addresses, with colons or dashes.
        before, now: the interfaces of each side in kernel order; () if they were not recorded.
        kernel: the current kernel, as in `Machine.kernel`: WSL2 makes new addresses at each start.
    """
    if not now:
        return AddressChange(UNKNOWN, "", False)
    was, first = _with_address(before, saved), _with_address(now, current)
    old_cards, new_cards = cards(before), cards(now)
    if first is None:
        return AddressChange(UNKNOWN, "", False)
    return (
        _same_card(saved, current, was, first, now, new_cards)
        or _still_there(saved, first, now, new_cards)
        or _no_card(was, first, old_cards)
        or _made_for_card(was, first, old_cards, new_cards, kernel)
        or _gone(was, first, old_cards)
    )


def _same_card(
    saved: str, current: str, was: Link | None, first: Link, now: Sequence[Link], new: dict[str, Link]
) -> AddressChange | None:
    """Return the cause if the cards of both addresses are there, or one card has both."""
    if _bytes(saved) != _bytes(current) and kept_part(saved) == kept_part(current):
        text = f"the InfiniBand card of {first.name} is the same: the last 8 bytes of its address are equal"
        return AddressChange(MADE, text, True)
    kept, used = new.get(kept_part(saved)), new.get(kept_part(current))
    if kept is not None and used is not None and kept is not used:
        bond = _bond(saved, current, was, first, now)
        if bond is not None:
            text = f"{bond.name} took the address of {used.name}; {kept.name}, whose address it had, is still there"
            return AddressChange(OTHER_SLAVE, text, True)
    one_card = was is not None and is_card(was) and is_card(first) and card_key(was) == card_key(first)
    if one_card and was is not None and was.permanent and first.permanent:
        text = f"the card of {first.name} is the same by its permanent address; software sets its present one"
        return AddressChange(MADE, text, True)
    return None


def _bond(saved: str, current: str, was: Link | None, first: Link, now: Sequence[Link]) -> Link | None:
    """Return the software interface that changed to another of its cards; it may give all of them its address."""
    if not is_card(first):
        return first if was is not None and was.name == first.name else None
    if _with_address(now, saved) is not None:
        return None
    return next((link for link in now if not is_card(link) and _bytes(link.address) == _bytes(current)), None)


def _still_there(saved: str, first: Link, now: Sequence[Link], new: dict[str, Link]) -> AddressChange | None:
    """Return the cause if an interface has the old address, or had it from its maker."""
    still = _with_address(now, saved)
    if still is not None:
        text = f"{first.name} comes first now, and {still.name} still has the old address"
        return AddressChange(OTHER_FIRST, text, True)
    kept = new.get(kept_part(saved))
    if kept is None:
        return None
    if kept is first:
        text = f"{first.name} still has the old one as its permanent address; software sets its present one"
        return AddressChange(MADE, text, True)
    text = f"{first.name} comes first now, and {kept.name} still has the old one as its permanent address"
    return AddressChange(OTHER_FIRST, text, True)


def _no_card(was: Link | None, first: Link, old: dict[str, Link]) -> AddressChange | None:
    """Return the cause if the old address was that of a software interface, unless a new card comes first."""
    if was is None or is_card(was):
        return None
    lent = old.get(kept_part(was.address))
    if lent is not None:
        if lent.permanent:
            text = f"{lent.name}, whose address {was.name} had, is gone; {first.name} comes first now"
            return AddressChange(OTHER_CARD, text, True)
        text = f"{was.name} has the address of one of its cards; their permanent addresses are not known"
        return AddressChange(OTHER_SLAVE, text, False)
    if not is_card(first):
        if was.name == first.name:
            text = f"{first.name} is a software interface, whose address is made again at each start"
            return AddressChange(MADE, text, True)
        text = f"{first.name} comes first now, and {was.name} did then; both are software interfaces"
        return AddressChange(OTHER_FIRST, text, True)
    if card_key(first) in old:
        text = f"{first.name} comes first now; then {was.name} did, which is a software interface"
        return AddressChange(OTHER_FIRST, text, True)
    return None


def _made_for_card(
    was: Link | None, first: Link, old: dict[str, Link], new: dict[str, Link], kernel: str
) -> AddressChange | None:
    """Return the cause if the address of a card is made at each start, or the card may come and go."""
    if _KERNEL_OF_WSL in kernel.lower():
        return AddressChange(MADE, f"WSL2 makes another address of {first.name} at each start", True)
    if was is None or not is_card(was):
        return None
    partner = next((new[key] for key, link in old.items() if link.bus == _HYPERV_BUS and key in new), None)
    if partner is not None and was.bus == "pci":
        text = f"{was.name} was the virtual function beside {partner.name}, which still has its address"
        return AddressChange(MADE if first.bus == "pci" else OTHER_FIRST, text, False)
    no_permanent = not was.permanent and not first.permanent and _reports_permanent(kernel, new)
    local = is_locally_administered(was.address) and is_locally_administered(first.address)
    if no_permanent and local and (was.name, was.bus) == (first.name, first.bus):
        # There is none for an address that the driver made at random.
        text = f"{first.name} has no permanent address, and both present ones are made by software"
        return AddressChange(MADE, text, False)
    if was.bus == "usb" and _was_there(first, old):
        text = f"{was.name} was on USB and is unplugged; {first.name}, which comes first now, was there then"
        return AddressChange(OTHER_FIRST, text, True)
    return None


def _gone(was: Link | None, first: Link, old: dict[str, Link]) -> AddressChange:
    """Return that the card is gone; certain if it was recorded."""
    if was is None:
        text = f"no interface has the old address; {first.name} comes first now"
        return AddressChange(OTHER_CARD if is_card(first) else UNKNOWN, text, False)
    if not is_card(was):
        return AddressChange(OTHER_CARD, f"{first.name} is a new card, and comes before {was.name}", True)
    if was.name == first.name:
        then = f"{first.name} has another one"
    else:
        then = f"{first.name}, which was there then, comes first now" if _was_there(first, old) else (
            f"{first.name} comes first now"
        )  # fmt: skip
    return AddressChange(OTHER_CARD, f"the card of {was.name} is gone; {then}", True)


def _reports_permanent(kernel: str, links: dict[str, Link]) -> bool:
    """Return whether the kernel reports permanent addresses: Linux does from 5.6 on."""
    if any(link.permanent for link in links.values()):
        return True
    numbers = kernel.removeprefix("Linux ").split(".")[:2]
    return len(numbers) == 2 and all(map(str.isdigit, numbers)) and [int(n) for n in numbers] >= [5, 6]


def _was_there(link: Link, old: dict[str, Link]) -> bool:
    return card_key(link) in old


def _with_address(links: Sequence[Link], address: str) -> Link | None:
    """Return the first interface with an address."""
    wanted = _bytes(address)
    return next((link for link in links if link.address and _bytes(link.address) == wanted), None)


def _bytes(address: str) -> tuple[str, ...]:
    return tuple(address.lower().replace("-", ":").split(":"))
