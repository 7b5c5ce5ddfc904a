"""Why the first IP address or hardware address differs: other card, other order, or an address made at each start."""

from __future__ import annotations

from fingerprint._io.text import MAC_GAP, masked
from fingerprint.errors import FingerprintError
from fingerprint.explanation.analysis import Analysis, of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.causes import Context
    from fingerprint.explanation.sources import Sources
    from fingerprint.machine.base import Link

# Characters of an InfiniBand address, and of its last eight bytes, which are those of the card.
_INFINIBAND, _PORT = 59, 23


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
    names, old_names = _names(context.now), _names(context.before)
    if not names:
        return Analysis(change, False, ("mac",))
    first = next((name for name, address in names.items() if address == current), "?")
    was = next((name for name, address in old_names.items() if address == saved), "")
    links, old_links = _links(context.now), _links(context.before)
    kept = next((link for link in links.values() if link.permanent == saved), None)
    if kept is not None and not _bus(links, first) and old_links and not _bus(old_links, was) and first == was:
        text = f"{change}; {first} took the address of its other card, {kept.name} still has the old one"
        return of("bond-fail-over", text, "other-first")
    if saved in names.values():
        still = next(name for name, address in names.items() if address == saved)
        return of("interface-order", f"{change}; {first} comes first now, {still} is still there", "other-first")
    if kept is not None:
        text = f"{change}; {first} comes first now, {kept.name} still has the old one as its permanent address"
        return of("interface-order", text, "other-first")
    if len(saved) == len(current) == _INFINIBAND and saved[-_PORT:] == current[-_PORT:]:
        return of("made-address", f"{change}; the InfiniBand card is the same: its last 8 bytes are equal", "made")
    if first in links and was in old_links and not _bus(links, first) and not _bus(old_links, was):
        text = f"{change}; {first} is no card, and such an address is made again at each start"
        return of("made-address", text, "made")
    if context.now is not None and "microsoft" in context.now.machine.kernel.lower():
        return of("made-address", f"{change}; WSL gives {first} another address at each start", "made")
    of_ = f" of {was}" if was else ""
    return of("network-card", f"{change}; the old address{of_} is gone: another card, or another machine", "nic")


def _bus(links: dict[str, Link], name: str) -> str:
    return links[name].bus if name in links else ""


def _names(sources: Sources | None) -> dict[str, str]:
    return dict(sources.addresses().links) if sources else {}


def _links(sources: Sources | None) -> dict[str, Link]:
    """Return the interfaces by name; {} if they were not recorded."""
    try:
        return {link.name: link for link in sources.machine.links()} if sources else {}
    except (OSError, FingerprintError):
        return {}


def _half(address: str) -> str:
    """Return a hardware address with its maker and the last digits, enough to distinguish two."""
    return address if len(address) < 17 else masked(address, 8, 2, MAC_GAP)
