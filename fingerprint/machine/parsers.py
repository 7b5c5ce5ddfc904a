"""Parse the output of tools: `ip addr`, `ifconfig -a`, WMI lists, `ioreg`, /proc/cpuinfo.

No function here raises, whatever the text: unreadable parts are left out of the result.
"""

from __future__ import annotations

AddressesAndLinks = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]

# Tunnels whose "hardware address" is an IP address.
_TUNNELS = ("link/ipip", "link/sit", "link/gre", "link/tunnel6", "link/gre6")
# Before a hardware address in ifconfig's lines: most systems; OpenBSD and FireWire; NetBSD; Linux.
_HARDWARE_WORDS = ("ether", "lladdr", "address:", "infiniband")
# The keys of a processor's name, the most specific first: x86 and arm; loongarch; older arm; mips;
# powerpc and sparc; riscv; ia64; riscv if the device tree does not name it.
_CPU_NAMES = ("model name", "Model Name", "Processor", "cpu model", "cpu", "uarch", "family", "isa")


def decode_console(data: bytes) -> str:
    """Return the text of a console, or of a file with its output.

    It is UTF-16 with a byte order mark, UTF-16LE without, UTF-8, or else Windows-1252 with U+FFFD for invalid bytes.
    """
    if data.startswith(b"\xff\xfe") or _is_utf16_without_mark(data):
        text = data.decode("utf-16-le", "replace")
    elif data.startswith(b"\xfe\xff"):
        text = data.decode("utf-16-be", "replace")
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    # Output that was appended to a file with a mark has another one.
    return text.lstrip("\ufeff")


def parse_ip_addr(text: str) -> AddressesAndLinks:
    """Return the IPv4 addresses and the links of `ip addr` text, as netlink would report them.

    Returns:
        The addresses outside 127.0.0.0/8, and (interface, hardware address) of the links that
        have one, in lower case with colons; both in the order of printing.
    """
    ipv4: list[str] = []
    links: list[tuple[str, str]] = []
    name = ""
    for line in _lines(text):
        words = line.split()
        if len(words) < 2:
            continue
        if words[0].endswith(":") and words[0][:-1].isdigit():
            name = words[1].rstrip(":").partition("@")[0]
        elif words[0] == "inet":
            ipv4.append(words[1].partition("/")[0])
        elif words[0].startswith("link/") and words[0] not in _TUNNELS:
            links.append((name, words[1]))
    return _usable(ipv4, links)


def parse_ifconfig(text: str) -> AddressesAndLinks:
    """Return the IPv4 addresses and the links of `ifconfig -a` text.

    The formats are Linux's (net-tools before and since 2.0, BusyBox), those of the BSDs and macOS,
    and that of Solaris and HP-UX.

    Returns:
        The addresses outside 127.0.0.0/8, and (interface, hardware address) of the links that
        have one, in lower case with colons; both in the order of printing. An alias such as
        "eth0:1" is its interface.
    """
    ipv4: list[str] = []
    links: list[tuple[str, str]] = []
    name = ""
    for line in _lines(text):
        words = line.split()
        if len(words) < 2:
            continue
        # A long header may have been wrapped, so a word at the start of a line may not be a name.
        if not line[0].isspace() and ("flags=" in line or "Link encap:" in line):
            name = words[0].partition(":")[0]
            if "HWaddr" in words[:-1]:
                links.append((name, words[words.index("HWaddr") + 1]))
        elif words[0] == "inet":
            ipv4.append(words[1].removeprefix("addr:").partition("/")[0])
        elif words[0] in _HARDWARE_WORDS:
            links.append((name, words[1]))
    addresses, usable = _usable(ipv4, links)
    # Aliases repeat the link, and Solaris prints it for each of IPv4 and IPv6.
    return addresses, tuple(dict.fromkeys(usable))


def parse_wmi_list(text: str) -> list[dict[str, str]]:
    """Return the instances of a WMI list: blocks of Key=Value lines, as `wmic ... get /format:list` prints them.

    A blank line or a repeated key begins the next instance. Values are unchanged.
    """
    instances: list[dict[str, str]] = []
    instance: dict[str, str] = {}
    for line in _lines(text):
        key, equals, value = line.partition("=")
        known = bool(equals) and key.isidentifier()
        if instance and (key in instance if known else not line.strip()):
            instances.append(instance)
            instance = {}
        if known:
            instance[key] = value
    return [*instances, instance] if instance else instances


def wmi_array(value: str) -> tuple[str, ...]:
    """Return the elements of a WMI value: of `{"a","b"}` or `{1,2}`, or a bare value as the only element."""
    value = value.strip()
    if not value.startswith("{"):
        return (value,) if value else ()
    if '"' in value:
        return tuple(value.split('"')[1::2])
    elements = (element.strip() for element in value.strip("{}").split(","))
    return tuple(element for element in elements if element)


def parse_wmi_addresses(text: str) -> AddressesAndLinks:
    """Return the IPv4 addresses and the links of a WMI list of Win32_NetworkAdapterConfiguration.

    Returns:
        The addresses outside 127.0.0.0/8, and (description, hardware address) of the adapters
        that have one, in lower case with colons; both in the order of printing.
    """
    adapters = parse_wmi_list(text)
    return _usable(
        [address for adapter in adapters for address in wmi_array(adapter.get("IPAddress", ""))],
        [(adapter.get("Description", ""), adapter.get("MACAddress", "").strip()) for adapter in adapters],
    )


def parse_wmic_table(text: str) -> list[dict[str, str]]:
    """Return the rows of the table that `wmic ... get` prints: a header, and columns padded with blanks.

    A line of blanks only is an instance without values.
    """
    lines = [line for line in _lines(text) if line]
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines:
        return []
    names = lines[0].split()
    starts: list[int] = []
    at = 0
    for name in names:
        starts.append(lines[0].index(name, at))
        at = starts[-1] + len(name)
    columns = list(zip(names, starts, [*starts[1:], None], strict=True))
    return [{name: line[start:end].rstrip() for name, start, end in columns} for line in lines[1:]]


def parse_ioreg(text: str) -> dict[str, str]:
    """Return the properties of the IOPlatformExpertDevice node in the text of `ioreg`.

    Strings lose their quotes, also as data (`<"...">`); other values are unchanged. Text without the line of a node has
    the properties in its first block of braces.
    """
    found: dict[str, str] = {}
    wanted = "+-o " not in text
    inside = False
    for line in _lines(text):
        line = line.lstrip(" |").rstrip()
        if line.startswith("+-o "):
            wanted = "<class IOPlatformExpertDevice" in line
        elif wanted and line == "{":
            inside = True
        elif inside and line == "}":
            break
        elif inside and line.startswith('"'):
            key, equals, value = line[1:].partition('" = ')
            if equals:
                found[key] = _unquoted(value)
    return found


def parse_cpuinfo(text: str) -> dict[str, str]:
    """Return the values of Linux's /proc/cpuinfo, on any architecture.

    Returns:
        The keys that it has, of these: "model", the name of the first processor or else its
        numbers, such as "implementer 0x41 part 0xd0c"; "vendor"; "processors", how many logical
        ones there are.
    """
    values: dict[str, str] = {}
    numbered = 0
    for line in _lines(text):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "processor" and value.isdigit():
            numbered += 1
        elif key.startswith("processor ") and key[10:].isdigit():
            # s390x has each processor in one line.
            numbered += 1
            key, value = "machine", value.partition("machine = ")[2]
        if value:
            values.setdefault(key, value)
    if not numbered and "Processor" in values:
        # An arm kernel for a single processor does not number it.
        numbered = 1
    counts = (values.get("# processors", ""), values.get("ncpus active", ""), str(numbered or ""))
    found = {
        "model": _cpu_model(values),
        "vendor": values.get("vendor_id") or values.get("vendor", ""),
        "processors": next((count for count in counts if count.isdigit()), ""),
    }
    return {key: value for key, value in found.items() if value}


def _cpu_model(values: dict[str, str]) -> str:
    for key in _CPU_NAMES:
        # ia64 has both names and numbers as family.
        if key in values and not values[key].isdigit():
            return values[key]
    if "CPU implementer" in values and "CPU part" in values:
        return f"implementer {values['CPU implementer']} part {values['CPU part']}"
    return f"machine {values['machine']}" if "machine" in values else ""


def _lines(text: str) -> list[str]:
    # wmic ends lines with CR CR LF, and values may hold other line ends of str.splitlines.
    return text.replace("\r", "").split("\n")


def _is_utf16_without_mark(data: bytes) -> bool:
    odd = data[1::2]
    return odd.count(0) * 2 > len(odd) and odd.count(0) > data[::2].count(0)


def _usable(ipv4: list[str], links: list[tuple[str, str]]) -> AddressesAndLinks:
    normal = ((name, _hardware_address(address)) for name, address in links)
    return tuple(filter(_is_usable, ipv4)), tuple((name, address) for name, address in normal if address)


def _is_usable(address: str) -> bool:
    octets = address.split(".")
    valid = all(len(o) <= 3 and o.isascii() and o.isdigit() and o == str(int(o)) and int(o) < 256 for o in octets)
    # Windows prints 0.0.0.0 for an adapter without address.
    return len(octets) == 4 and valid and octets[0] != "127" and address != "0.0.0.0"


def _hardware_address(text: str) -> str:
    """Return a hardware address with two digits an octet (Solaris prints one); "" for zeros and other text."""
    octets = text.lower().split(":")
    if any(not 1 <= len(octet) <= 2 or octet.strip("0123456789abcdef") for octet in octets):
        return ""
    address = ":".join(octet.zfill(2) for octet in octets)
    return address if address.strip("0:") else ""


def _unquoted(value: str) -> str:
    if value.startswith('<"') and value.endswith('">') and '"' not in value[2:-2]:
        return value[2:-2]
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        return value[1:-1]
    return value
