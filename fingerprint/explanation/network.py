"""Why the first IP address or hardware address differs: other card, other order, or an address made at each start."""

from __future__ import annotations

from fingerprint._io.text import MAC_GAP, masked
from fingerprint.errors import FingerprintError
from fingerprint.explanation.analysis import Analysis, of
from fingerprint.explanation.network_cards import (
    OTHER_CARD,
    OTHER_FIRST,
    OTHER_SLAVE,
    UNKNOWN,
    AddressChange,
    address_change,
    links_of_names,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.causes import Context
    from fingerprint.explanation.sources import Sources
    from fingerprint.machine.base import Link

_FACTS = {OTHER_CARD: "nic", OTHER_FIRST: "other-first", OTHER_SLAVE: "other-first"}
_OR_MACHINE = ": another card, or another machine"


def address_analysis(saved: str, current: str, context: Context) -> Analysis:
    """Return why the IP address differs."""
    change = f"{saved} -> {current}"
    listed = context.now.addresses().ipv4 if context.now else ()
    if saved in listed:
        text = f"{change}; the old one is still there, and another comes first now"
        return of("interface-order", text, "other-first")
    if listed:
        return of("address", f"{change}; the old one is gone", "address")
    return of("address", change, "address", certain=False)


def hardware_address_analysis(saved: str, current: str, context: Context) -> Analysis:
    """Return why the hardware address differs."""
    change = f"{_half(saved)} -> {_half(current)}"
    names = _names(context.now)
    still = next((name for name, address in names.items() if address == saved), "")
    kernel = context.now.machine.kernel if context.now else ""
    found = address_change(saved, current, _links(context.before), _links(context.now), kernel=kernel)
    if still and found.cause in (OTHER_FIRST, UNKNOWN):
        first = next((name for name, address in names.items() if address == current), "?")
        return of(OTHER_FIRST, f"{change}; {first} comes first now, {still} is still there", "other-first")
    if found.cause == UNKNOWN and names:
        # Which interfaces are cards was not recorded: the list of addresses has only names.
        pairs = [tuple(_names(side).items()) for side in (context.before, context.now)]
        by_names = address_change(saved, current, *map(links_of_names, pairs), kernel=kernel)
        found = AddressChange(by_names.cause, by_names.text, False)
    if found.cause == UNKNOWN:
        return Analysis(change, False, ("mac",))
    text = f"{change}; {found.text}{_OR_MACHINE if found.cause == OTHER_CARD else ''}"
    return of(found.cause, text, _FACTS.get(found.cause, "made"), certain=found.certain)


def _names(sources: Sources | None) -> dict[str, str]:
    return dict(sources.addresses().links) if sources else {}


def _links(sources: Sources | None) -> tuple[Link, ...]:
    """Return the interfaces in kernel order; () if they were not recorded."""
    try:
        return sources.machine.links() if sources else ()
    except (OSError, FingerprintError):
        return ()


def _half(address: str) -> str:
    """Return a hardware address with its maker and the last digits, enough to distinguish two."""
    return address if len(address) < 17 else masked(address, 8, 2, MAC_GAP)
