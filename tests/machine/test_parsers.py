"""Output of tools: small examples by hand, arbitrary text, and the corpus of real machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.machine import parsers
from fingerprint.machine.parsers import (
    decode_console,
    parse_cpuinfo,
    parse_ifconfig,
    parse_ioreg,
    parse_ip_addr,
    parse_wmi_addresses,
    parse_wmi_list,
    parse_wmic_table,
    wmi_array,
)
from shared import CORPUS, needs_corpus

IP_ADDR = """\
1: lo: <LOOPBACK,UP> mtu 65536
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
    inet 192.0.2.1/32 scope global lo
2: eth0@if5: <BROADCAST,UP> mtu 1500
    link/ether 02:00:00:AA:00:02 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fe80::2/64 scope link
    vf 0     link/ether 02:00:00:00:00:ff brd ff:ff:ff:ff:ff:ff
3: tun0: <POINTOPOINT,UP> mtu 1500
    link/none
    inet 192.0.2.3 peer 192.0.2.4/32 scope global tun0
4: ppp0: <POINTOPOINT,UP> mtu 1500
    link/ppp
5: gre1@NONE: <NOARP> mtu 1476
    link/gre 198.51.100.1 peer 198.51.100.2
6: ip6gre1@NONE: <NOARP> mtu 1448
    link/gre6 1:2:3:4:5:6:7:8 peer 1:2:3:4:5:6:7:9
7: ib0: <BROADCAST> mtu 2044
    link/infiniband 80:00:00:02:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:07 brd 00:ff
"""

NET_TOOLS_OLD = """\
eth0      Link encap:Ethernet  HWaddr 02:00:00:AA:00:02
          inet addr:192.0.2.2  Bcast:192.0.2.255  Mask:255.255.255.0
          inet6 addr: fe80::2/64 Scope:Link

eth0:1    Link encap:Ethernet  HWaddr 02:00:00:AA:00:02
          inet addr:192.0.2.3  Bcast:192.0.2.255  Mask:255.255.255.0

lo        Link encap:Local Loopback
          inet addr:127.0.0.1  Mask:255.0.0.0

tun0      Link encap:UNSPEC  HWaddr 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00
          inet addr:192.0.2.4  P-t-P:192.0.2.5  Mask:255.255.255.255

virbr0    Link encap:Ethernet  HWaddr 00:00:00:00:00:00
"""

NET_TOOLS_NEW = """\
eth0: flags=4163<UP,BROADCAST>  mtu 1500
        inet 192.0.2.2  netmask 255.255.255.0  broadcast 192.0.2.255
        ether 02:00:00:aa:00:02  txqueuelen 1000  (Ethernet)
ib0: flags=4163<UP,BROADCAST>  mtu 2044
        infiniband 80:00:00:48:FE:80:00:00  txqueuelen 256  (InfiniBand)
tun0: flags=4305<UP,POINTOPOINT>  mtu 1500
        inet 192.0.2.4  netmask 255.255.255.255  destination 192.0.2.5
        unspec 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00  txqueuelen 100  (UNSPEC)
"""

BSD = """\
em0: flags=8843<UP,BROADCAST> metric 0 mtu 1500
\tether 02:00:00:aa:00:02
\tinet 192.0.2.2 netmask 0xffffff00 broadcast 192.0.2.255
vio0: flags=8843<UP,BROADCAST> mtu 1500
\tlladdr 02:00:00:aa:00:03
wm0: flags=0x8843<UP,BROADCAST> mtu 1500
\taddress: 02:00:00:aa:00:04
\tinet 192.0.2.4/24 broadcast 192.0.2.255 flags 0x0
fwip0: flags=8802<BROADCAST> metric 0 mtu 1500
\tlladdr 0.11.22.0.0.33.44.55.a.2.ff.fe.0.0.0.0
tun0: flags=8051<UP,POINTOPOINT> metric 0 mtu 1500
\tinet 192.0.2.5 --> 192.0.2.6 netmask 0xffffffff
gif0: flags=8051<UP,POINTOPOINT> metric 0 mtu 1280
\ttunnel inet 198.51.100.1 --> 198.51.100.2
bridge0: flags=8863<UP,BROADCAST>
mtu 1500
\tether 02:00:00:aa:00:05
\tConfiguration:
\t\tid 0:0:0:0:0:0 priority 0 hellotime 0 fwddelay 0
\tmember: em0 flags=3<LEARNING,DISCOVER>
"""

SOLARIS = """\
net0: flags=1004843<UP,BROADCAST,IPv4> mtu 1500 index 2
        inet 192.0.2.2 netmask ffffff00 broadcast 192.0.2.255
        ether 2:0:0:aa:0:2
net0: flags=2000841<UP,IPv6> mtu 1500 index 2
        inet6 fe80::2/10
        ether 2:0:0:aa:0:2
net0:1: flags=2080841<UP,IPv6> mtu 1500 index 2
        inet6 2001:db8::2/64
"""

# wmic ends lines with CR CR LF.
WMI = """

Description=First Adapter
IPAddress={"192.0.2.2","fe80::2"}
MACAddress=02:00:00:AA:00:02


Description=Second Adapter
IPAddress={"0.0.0.0"}
MACAddress=


Description=Loopback
IPAddress={"127.0.0.1","192.0.2.3"}
MACAddress=00:00:00:00:00:00


""".replace("\n", "\r\r\n")

IOREG = """\
+-o Root  <class IORegistryEntry, id 0x1>
  +-o Board1,1  <class IOPlatformExpertDevice, id 0x2, registered>
    | {
    |   "compatible" = <"Board1,1","Family">
    |   "manufacturer" = <"Maker Inc.">
    |   "clock-frequency" = <00d69327>
    |   "IOPlatformUUID" = "00000000-1111-2222-3333-444444444444"
    |   "IONested" = {"key"="value"}
    |   "broken
    | }
    |
    +-o Child  <class AppleACPIPlatformExpert, id 0x3>
      | {
      |   "IOPlatformUUID" = "of the child"
      | }
"""


@pytest.mark.parametrize(
    "data",
    [
        "Name=é\r\n".encode(),
        "Name=é\r\n".encode("utf-8-sig"),
        b"\xff\xfe" + "Name=é\r\n".encode("utf-16-le"),
        b"\xff\xfe\xff\xfe" + "Name=é\r\n".encode("utf-16-le"),
        b"\xfe\xff" + "Name=é\r\n".encode("utf-16-be"),
        "Name=é\r\n".encode("utf-16-le"),
        "Name=é\r\n".encode("cp1252"),
    ],
    ids=["utf-8", "utf-8-mark", "utf-16-mark", "utf-16-two-marks", "utf-16-be", "utf-16-no-mark", "cp1252"],
)
def test_console_output_is_decoded_by_its_bytes(data: bytes) -> None:
    assert decode_console(data) == "Name=é\r\n"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"abc\0", "abc\0"),
        (b"A\x81", "A\ufffd"),
        (b"\xff\xfeA\0B", "A\ufffd"),
        (b"\xff\xfe\x00\xd8", "\ufffd"),
        (b"\xff\xfe", ""),
    ],
)
def test_broken_console_text_is_decoded_as_far_as_it_goes(data: bytes, text: str) -> None:
    assert decode_console(data) == text


def test_ip_addr_gives_the_same_as_netlink() -> None:
    ipv4, links = parse_ip_addr(IP_ADDR)
    assert ipv4 == ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert links == (
        ("eth0", "02:00:00:aa:00:02"),
        ("ib0", "80:00:00:02:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:07"),
    )


@pytest.mark.parametrize(
    "address", ["192.0.2", "192.0.2.256", "192.0.02.1", "a.b.c.d", "1.2.3.4.5", "1" * 5000, "١.2.3.4"]
)
def test_what_is_no_ipv4_address_is_left_out(address: str) -> None:
    assert parse_ip_addr(f"    inet {address}/24 scope global eth0\n") == ((), ())
    assert parse_ifconfig(f"eth0: flags=1<UP>\n\tinet {address} netmask 0\n") == ((), ())


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "00:00:00:00:00:00", "0:0:0:0:0:0", "02:00:00:00:00:0g", "020:1", "02::1"]
)
def test_what_is_no_hardware_address_is_left_out(address: str) -> None:
    assert parse_ip_addr(f"2: eth0: <UP>\n    link/ether {address} brd ff:ff:ff:ff:ff:ff\n") == ((), ())
    assert parse_ifconfig(f"eth0: flags=1<UP>\n\tether {address}\n") == ((), ())


@pytest.mark.parametrize(
    ("text", "ipv4", "links"),
    [
        (NET_TOOLS_OLD, ("192.0.2.2", "192.0.2.3", "192.0.2.4"), (("eth0", "02:00:00:aa:00:02"),)),
        (
            NET_TOOLS_NEW,
            ("192.0.2.2", "192.0.2.4"),
            (
                ("eth0", "02:00:00:aa:00:02"),
                ("ib0", "80:00:00:48:fe:80:00:00"),
            ),
        ),
        (
            BSD,
            ("192.0.2.2", "192.0.2.4", "192.0.2.5"),
            (
                ("em0", "02:00:00:aa:00:02"),
                ("vio0", "02:00:00:aa:00:03"),
                ("wm0", "02:00:00:aa:00:04"),
                ("bridge0", "02:00:00:aa:00:05"),
            ),
        ),
        (SOLARIS, ("192.0.2.2",), (("net0", "02:00:00:aa:00:02"),)),
    ],
    ids=["net-tools-1", "net-tools-2", "bsd", "solaris"],
)
def test_ifconfig_is_read_in_each_dialect(text: str, ipv4: tuple[str, ...], links: tuple[tuple[str, str], ...]) -> None:
    assert parse_ifconfig(text) == (ipv4, links)


def test_wmi_instances_are_parted_by_blank_lines_in_order() -> None:
    instances = parse_wmi_list(WMI)
    assert [instance["Description"] for instance in instances] == ["First Adapter", "Second Adapter", "Loopback"]
    assert instances[0]["IPAddress"] == '{"192.0.2.2","fe80::2"}'
    assert instances[1]["MACAddress"] == ""


def test_a_repeated_wmi_key_begins_an_instance() -> None:
    assert parse_wmi_list("A=1\nB=2\nA=3\nB=4") == [{"A": "1", "B": "2"}, {"A": "3", "B": "4"}]


def test_wmi_values_are_as_they_stand() -> None:
    assert parse_wmi_list("A= x=y \n") == [{"A": " x=y "}]


@pytest.mark.parametrize(
    "text", ["", "\r\r\n", "No Instance(s) Available.\r\r\n", "=value\n", "Description = Invalid\n"]
)
def test_text_without_wmi_values_has_no_instances(text: str) -> None:
    assert parse_wmi_list(text) == []
    assert parse_wmi_addresses(text) == ((), ())


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ('{"a","b"}', ("a", "b")),
        ('{"a, b", ""}', ("a, b", "")),
        ('{"a","b', ("a", "b")),
        ("{3, 4}", ("3", "4")),
        ("{}", ()),
        ("", ()),
        (" ", ()),
        ("bare", ("bare",)),
    ],
)
def test_a_wmi_array_is_its_elements(value: str, elements: tuple[str, ...]) -> None:
    assert wmi_array(value) == elements


def test_wmi_adapters_give_ipv4_addresses_and_links() -> None:
    assert parse_wmi_addresses(WMI) == (("192.0.2.2", "192.0.2.3"), (("First Adapter", "02:00:00:aa:00:02"),))


def test_a_wmic_table_is_cut_at_its_header() -> None:
    text = (
        "Name         SerialNumber  Version  \r\r\nFirst  One   ABC 1         2        \r\r\n"
        "Second                     3        \r\r\n                                    \r\r\n\r\r\n"
    )
    assert parse_wmic_table(text) == [
        {"Name": "First  One", "SerialNumber": "ABC 1", "Version": "2"},
        {"Name": "Second", "SerialNumber": "", "Version": "3"},
        {"Name": "", "SerialNumber": "", "Version": ""},
    ]


@pytest.mark.parametrize("text", ["", "\r\r\n  \r\r\n", "UUID  \r\r\n\r\r\n"])
def test_a_wmic_table_without_rows_is_empty(text: str) -> None:
    assert parse_wmic_table(text) == []


def test_ioreg_gives_the_platform_experts_own_properties() -> None:
    assert parse_ioreg(IOREG) == {
        "compatible": '<"Board1,1","Family">',
        "manufacturer": "Maker Inc.",
        "clock-frequency": "<00d69327>",
        "IOPlatformUUID": "00000000-1111-2222-3333-444444444444",
        "IONested": '{"key"="value"}',
    }


def test_ioreg_of_other_nodes_gives_nothing() -> None:
    assert parse_ioreg(IOREG.replace("IOPlatformExpertDevice", "IOOther")) == {}
    # Without its properties, the node is not given those of the next one.
    assert parse_ioreg("+-o A  <class IOPlatformExpertDevice>\n" + IOREG.partition("|\n")[2]) == {}


def test_ioreg_without_a_node_is_its_first_block() -> None:
    assert parse_ioreg('{\n  "a" = "1"\n  "b" = ""\n}\n{\n  "a" = "2"\n}\n') == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n",
            {"model": "AMD EPYC", "vendor": "AuthenticAMD", "processors": "2"},
        ),
        (
            "Processor\t: ARMv7 Processor rev 2 (v7l)\nprocessor\t: 0\nprocessor\t: 1\nCPU implementer\t: 0x51\n"
            "CPU part\t: 0x06f\nHardware\t: Board\n",
            {"model": "ARMv7 Processor rev 2 (v7l)", "processors": "2"},
        ),
        ("Processor\t: Feroceon\n", {"model": "Feroceon", "processors": "1"}),
        (
            "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\nCPU implementer\t: 0x42\nCPU part\t: 0xd05\n",
            {"model": "implementer 0x41 part 0xd0c", "processors": "1"},
        ),
        (
            "processor\t: 0\ncpu\t\t: POWER9, altivec supported\n\nmodel\t\t: Board\nmachine\t\t: PowerNV Board\n",
            {"model": "POWER9, altivec supported", "processors": "1"},
        ),
        (
            "vendor_id : IBM/S390\n# processors : 2\nprocessor 0: version = FF,  machine = 2964\n",
            {"model": "machine 2964", "vendor": "IBM/S390", "processors": "2"},
        ),
        (
            "processor  : 0\nvendor     : GenuineIntel\nfamily     : 32\nmodel      : 1\nmodel name : Itanium 9040\n",
            {"model": "Itanium 9040", "vendor": "GenuineIntel", "processors": "1"},
        ),
        ("processor  : 0\nfamily     : 32\n", {"processors": "1"}),
        ("cpu\t\t: TI UltraSparc\nncpus active\t: 2\n", {"model": "TI UltraSparc", "processors": "2"}),
        ("processor\t: 0\nisa\t: rv64imafdc\nuarch\t: sifive,u74\n", {"model": "sifive,u74", "processors": "1"}),
        ("processor\t: 0\nhart\t: 1\nisa\t: rv64imafdc\n", {"model": "rv64imafdc", "processors": "1"}),
        (
            "system type\t: generic\n\nprocessor\t: 0\nCPU Family\t: Loongson-64bit\nModel Name\t: Loongson-3A6000\n",
            {"model": "Loongson-3A6000", "processors": "1"},
        ),
        ("system type : Board\nprocessor : 0\ncpu model : MIPS 74Kc\n", {"model": "MIPS 74Kc", "processors": "1"}),
        ("", {}),
        ("processor\nmodel name\t:\n", {}),
    ],
    ids=[
        "x86", "arm", "arm-one", "arm64", "ppc", "s390x", "ia64", "ia64-number", "sparc", "riscv", "riscv-isa",
        "loongarch", "mips", "empty", "cut",
    ],
)  # fmt: skip
def test_cpuinfo_is_read_on_each_architecture(text: str, expected: dict[str, str]) -> None:
    assert parse_cpuinfo(text) == expected


PARSERS: list[Any] = [
    parse_ip_addr, parse_ifconfig, parse_wmi_list, parse_wmi_addresses, parse_wmic_table, parse_ioreg, parse_cpuinfo,
    wmi_array,
]  # fmt: skip
SAMPLES = (IP_ADDR, NET_TOOLS_OLD, NET_TOOLS_NEW, BSD, SOLARIS, WMI, IOREG, "processor 0: machine = 1\ncpu : x\n")
PIECES = sorted({piece for sample in SAMPLES for piece in sample.split()} | {"\n", "\r", " ", "=", ":", '"', "{", "}"})
STRINGS = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map(" ".join)


@given(st.binary() | STRINGS.map(lambda text: text.encode("utf-16-le", "surrogatepass")))
def test_no_bytes_are_too_odd_to_decode(data: bytes) -> None:
    assert isinstance(decode_console(data), str)


@given(STRINGS)
def test_no_text_is_too_odd_to_parse(text: str) -> None:
    for parse in PARSERS:
        parse(text)


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
def test_no_text_is_cut_where_parsing_fails(parse: Any) -> None:
    for sample in SAMPLES:
        for end in range(len(sample)):
            parse(sample[:end])


@given(STRINGS)
def test_addresses_are_well_formed_whatever_the_text(text: str) -> None:
    for parse in (parse_ip_addr, parse_ifconfig, parse_wmi_addresses):
        ipv4, links = parse(text)
        assert all(address.count(".") == 3 and not address.startswith("127.") for address in ipv4)
        assert all(bytes.fromhex(address.replace(":", "")).strip(b"\0") for _, address in links)


# The addresses, the first and the last link, and how many links there are.
IP_ADDR_FILES: dict[str, Any] = {
    "facter/ip_link_show": ([], "ens160 00:50:56:9a:cb:a4", "ens160 00:50:56:9a:cb:a4", 1),
    "glpi-agent/ip_addr-1": (
        ["192.168.0.10", "192.168.41.6", "192.168.222.14", "172.28.218.101"],
        "eth0 00:23:18:91:db:8d",
        "tap0 8a:84:99:29:46:05",
        3,
    ),
    "glpi-agent/ip_addr-2": (["11.11.11.11", "172.16.0.201"], "eth0 0f:0f:0f:0f:0f:0f", "wlan0 0f:0f:0f:0f:0f:0f", 2),
    "glpi-agent/ip_addr-3": (["10.40.1.16"], "eth0 00:50:56:8b:70:b7", "eth0 00:50:56:8b:70:b7", 1),
    "glpi-agent/ip_addr-4": (
        ["10.89.96.11"],
        "ib0 a0:00:01:00:fe:80:00:00:00:00:00:00:00:02:c9:03:00:15:94:d1",
        "ib0 a0:00:01:00:fe:80:00:00:00:00:00:00:00:02:c9:03:00:15:94:d1",
        1,
    ),
    "glpi-agent/ip_addr-5": (
        ["128.93.189.62", "192.168.1.11", "192.168.1.11"],
        "wlan0 00:1a:6b:0d:78:03",
        "br0 aa:4b:c2:02:31:15",
        4,
    ),
    "glpi-agent/ip_addr-el8": (
        ["10.10.220.100", "10.10.220.101", "172.17.0.1"],
        "eth0 e4:11:5b:ed:36:0c",
        "docker0 02:42:0c:d5:0f:d7",
        6,
    ),
}
IFCONFIG_FILES: dict[str, Any] = {
    "cloud-init/new-ifconfig-output": (["192.168.2.18"], "enp0s25 50:7b:9d:2c:af:91", "enp0s25 50:7b:9d:2c:af:91", 1),
    "cloud-init/openbsd-ifconfig-output": (["192.168.122.81"], "vio0 52:54:00:35:4f:b8", "vio0 52:54:00:35:4f:b8", 1),
    "glpi-agent/dragonfly-1": (["10.0.1.117"], "em0 08:00:27:2e:70:97", "em0 08:00:27:2e:70:97", 1),
    "glpi-agent/freebsd-8.1": (
        ["129.132.95.98", "192.168.200.6"],
        "re0 c8:0a:a9:3f:35:fa",
        "vboxnet0 0a:00:27:00:00:00",
        3,
    ),
    "glpi-agent/freebsd-ter": (
        ["10.0.0.254", "10.0.0.1", "192.168.0.158"],
        "em0 00:23:18:cf:0d:93",
        "vboxnet0 0a:00:27:00:00:00",
        4,
    ),
    "glpi-agent/hpux1-lan0": (["10.0.4.56"], None, None, 0),
    "glpi-agent/linux-archlinux": (["192.168.2.43"], "eth0 48:5b:39:c6:53:ba", "vboxnet0 0a:00:27:00:00:00", 2),
    "glpi-agent/linux-fc17": (["10.1.65.145"], "em1 00:23:ae:8c:33:b6", "em1 00:23:ae:8c:33:b6", 1),
    "glpi-agent/linux-rhel5.6": (
        ["10.202.0.31", "192.168.122.1"],
        "eth0 00:1e:68:2f:85:d8",
        "vif6.0 fe:ff:ff:ff:ff:ff",
        8,
    ),
    "glpi-agent/macbook-m1-pro-2021-macosx-14.5": ([], "anpi2 aa:aa:aa:aa:aa:aa", "en8 aa:aa:aa:aa:aa:da", 15),
    "glpi-agent/macosx-01": (["172.77.220.189"], "en0 0c:4d:e9:c9:6c:3c", "bridge0 32:00:1e:77:00:00", 7),
    "glpi-agent/opensolaris": (["192.168.0.41"], "e1000g0 08:00:27:fc:ad:56", "e1000g0 08:00:27:fc:ad:56", 1),
    "jc/osx-10.11.6_ifconfig.out": (["192.168.1.81"], "en0 68:a8:6d:12:f5:75", "bridge0 6a:a8:6d:21:38:00", 4),
    "jc/osx-10.11.6_ifconfig2.out": (["192.168.1.65"], "en0 60:c5:47:0a:ce:0b", "bridge0 62:c5:47:a0:f7:10", 4),
    "jc/osx-10.14.6_ifconfig.out": (["192.168.1.72"], "en5 ac:de:48:00:13:23", "bridge0 02:00:31:81:94:02", 9),
    "jc/osx-10.14.6_ifconfig2.out": (
        ["192.168.1.221", "192.168.101.1", "192.168.71.1"],
        "en5 ac:de:48:00:10:20",
        "vmnet8 00:50:56:c0:00:08",
        12,
    ),
}
OTHER_NETWORK_FILES = [
    "cloud-init/sample-iproute-output-v4-missing-gateway",
    "cloud-init/sample-route-output-v4",
    "facter/ip_route_show",
    "facter/ip_route_show_default",
    "glpi-agent/macbook-m1-pro-2021-macosx-14.5-networksetup",
    "glpi-agent/macosx-01-networksetup",
]


def corpus_text(*names: str) -> str:
    return decode_console(CORPUS.joinpath(*names).read_bytes())


def in_corpus(directory: str, pattern: str = "*/*") -> list[str]:
    root = CORPUS / directory
    return sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))


def summary(parsed: parsers.AddressesAndLinks) -> tuple[list[str], str | None, str | None, int]:
    ipv4, links = parsed
    joined = [" ".join(link) for link in links]
    return list(ipv4), next(iter(joined), None), next(iter(reversed(joined)), None), len(joined)


@needs_corpus
@pytest.mark.parametrize("name", IP_ADDR_FILES)
def test_ip_addr_of_real_machines(name: str) -> None:
    assert summary(parse_ip_addr(corpus_text("network", name))) == IP_ADDR_FILES[name]


@needs_corpus
@pytest.mark.parametrize("name", IFCONFIG_FILES)
def test_ifconfig_of_real_machines(name: str) -> None:
    assert summary(parse_ifconfig(corpus_text("network", name))) == IFCONFIG_FILES[name]


@needs_corpus
def test_interfaces_of_real_machines_keep_their_names_and_order() -> None:
    _, links = parse_ip_addr(corpus_text("network", "glpi-agent/ip_addr-el8"))
    assert [name for name, _ in links] == ["eth0", "eth2", "eth1", "eth3", "macvlan0", "docker0"]
    _, links = parse_ifconfig(corpus_text("network", "glpi-agent/freebsd-8.1"))
    assert [name for name, _ in links] == ["re0", "fwe0", "vboxnet0"]
    _, links = parse_ifconfig(corpus_text("network", "glpi-agent/macosx-01"))
    assert [name for name, _ in links] == ["en0", "en1", "p2p0", "awdl0", "en2", "en3", "bridge0"]
    _, links = parse_ifconfig(corpus_text("network", "glpi-agent/linux-rhel5.6"))
    assert [name for name, _ in links][:3] == ["eth0", "peth0", "vif1.0"]


@needs_corpus
@pytest.mark.parametrize("name", OTHER_NETWORK_FILES)
def test_output_of_other_network_tools_gives_nothing(name: str) -> None:
    text = corpus_text("network", name)
    assert parse_ip_addr(text) == parse_ifconfig(text) == ((), ())


@needs_corpus
def test_every_network_text_has_an_expectation() -> None:
    assert in_corpus("network") == sorted([*IP_ADDR_FILES, *IFCONFIG_FILES, *OTHER_NETWORK_FILES])


# How many instances there are, and of one of them some values.
WMI_FILES: dict[str, tuple[int, int, dict[str, str]]] = {
    "10-Win32_NetworkAdapter.wmi": (4, 1, {"MACAddress": "08:00:27:37:A7:5D", "PhysicalAdapter": "TRUE"}),
    "10-Win32_NetworkAdapterConfiguration.wmi": (4, 1, {"DHCPEnabled": "TRUE", "IPConnectionMetric": "25"}),
    "2008-Enterprise-Win32_DiskDrive.wmi": (16, 0, {"Index": "5", "Capabilities": "{3,4}", "FirmwareRevision": "1.0 "}),
    "2008-Enterprise-Win32_OperatingSystem.wmi": (1, 0, {"SystemDrive": "C:"}),
    "2008-with-2-different-cpus-Win32_Processor.wmi": (2, 0, {"DeviceID": "CPU0", "ProcessorId": "BFEBFBFF000106A5"}),
    "proxmox-Win32_Bios.wmi": (1, 0, {"Version": "BOCHS  - 1", "SerialNumber": "", "SMBIOSPresent": "FALSE"}),
    "proxmox-Win32_ComputerSystem.wmi": (1, 0, {"Manufacturer": "BOCHS_", "Model": "BXPC____"}),
    "win10-crypt-Win32_DiskDrive.wmi": (1, 0, {"Model": "KXG50ZNV512G NVMe TOSHIBA 512GB"}),
    "win7-sp1-x64-Win32_DiskDrive.wmi": (2, 1, {"Model": "Msft Virtual Disk SCSI Disk Device", "SerialNumber": ""}),
    "win7-sp1-x64-Win32_OperatingSystem.wmi": (
        1,
        0,
        {"Version": "6.1.7600", "LastBootUpTime": "20130822204218.500000+120"},
    ),
    "xp-Win32_NetworkAdapter.wmi": (14, 0, {"Description": "Adaptador asínc. de RAS", "MACAddress": ""}),
    "xp-Win32_NetworkAdapterConfiguration.wmi": (14, 7, {"Index": "8", "IPAddress": '{"10.36.6.30"}'}),
    "xp-Win32_PhysicalMemory.wmi": (2, 1, {"Capacity": "2147483648", "DeviceLocator": "DIMM_B"}),
    "xp-Win32_PhysicalMemoryArray.wmi": (1, 0, {"MemoryDevices": "2", "MaxCapacity": "8388608"}),
    "xp-Win32_Processor.wmi": (1, 0, {"ProcessorId": "BFEBFBFF00010676", "NumberOfCores": "2"}),
}


@needs_corpus
@pytest.mark.parametrize("name", WMI_FILES)
def test_wmi_lists_of_real_machines(name: str) -> None:
    count, at, expected = WMI_FILES[name]
    instances = parse_wmi_list(corpus_text("windows", "glpi-agent", name))
    assert len(instances) == count
    assert expected.items() <= instances[at].items()
    # All instances of a class have the same properties.
    assert len({tuple(instance) for instance in instances}) == 1


@needs_corpus
def test_two_unlike_processors_stay_in_order() -> None:
    text = corpus_text("windows", "glpi-agent", "2008-with-2-different-cpus-Win32_Processor.wmi")
    assert [cpu["Name"] for cpu in parse_wmi_list(text)] == [
        "Intel(R) Xeon(R) CPU E5506 @ 2.13GHz",
        "Intel(R) Xeon(R) CPU E5504 @ 2.00GHz",
    ]


@needs_corpus
def test_wmi_addresses_of_real_machines() -> None:
    assert parse_wmi_addresses(corpus_text("windows", "glpi-agent", "10-Win32_NetworkAdapterConfiguration.wmi")) == (
        ("0.0.0.9",),
        (("Intel(R) PRO/1000 MT Desktop Adapter", "08:00:27:37:a7:5d"),),
    )
    assert summary(
        parse_wmi_addresses(corpus_text("windows", "glpi-agent", "xp-Win32_NetworkAdapterConfiguration.wmi"))
    ) == (
        ["10.36.6.30", "10.36.6.30"],
        "Minipuerto WAN (PPTP) 50:50:54:50:30:30",
        "Teefer2 Miniport 26:0f:20:52:41:53",
        8,
    )


@needs_corpus
def test_every_wmi_list_has_an_expectation() -> None:
    assert in_corpus("windows", "*/*.wmi") == sorted(f"glpi-agent/{name}" for name in WMI_FILES)


@needs_corpus
@pytest.mark.parametrize("name", ["2008-with-2-different-cpus-CentralProcessor.reg", "xp-CentralProcessor.reg"])
def test_registry_files_are_decoded(name: str) -> None:
    assert corpus_text("windows", "glpi-agent", name).startswith("Windows Registry Editor Version 5.00\r\n")


@needs_corpus
@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        (
            "IOPlatformExpertDevice",
            17,
            {
                "IOPlatformUUID": "00000000-0000-1000-8000-001B633026B1",
                "IOPlatformSerialNumber": "W87305UMYA8",
                "model": "MacBook2,1",
                "clock-frequency": "<00d69327>",
                "IOInterruptControllers": '("io-apic-0")',
            },
        ),
        (
            "IOPlatformExpertDevice-2",
            19,
            {
                "IOPlatformUUID": "CE3A2773-AF9E-515B-918B-5EE5C09372D7",
                "IOPlatformSerialNumber": "C02QM3FSFVH8",
                "board-id": "Mac-E43C1C25D4880AD6",
                "manufacturer": "Apple Inc.",
                "system-type": "<02>",
            },
        ),
    ],
)
def test_ioreg_of_real_machines(name: str, count: int, expected: dict[str, str]) -> None:
    properties = parse_ioreg(corpus_text("macos", "glpi-agent", name))
    assert len(properties) == count
    assert expected.items() <= properties.items()


# Model, vendor and how many processors.
CPUINFO_FILES: dict[str, tuple[str, str, str]] = {
    "ansible/arm64-4cpu-cpuinfo": ("implementer 0x41 part 0xd03", "", "4"),
    "ansible/armv6-rev7-1cpu-cpuinfo": ("ARMv6-compatible processor rev 7 (v6l)", "", "1"),
    "ansible/s390x-z13-2cpu-cpuinfo": ("machine 2964", "IBM/S390", "2"),
    "ansible/x86_64-8cpu-cpuinfo": ("Intel(R) Core(TM) i7-4800MQ CPU @ 2.70GHz", "GenuineIntel", "8"),
    "facter/cpuinfo": ("Intel(R) Xeon(R) CPU E5-2697 v4 @ 2.30GHz", "GenuineIntel", "4"),
    "facter/cpuinfo_powerpc": ("POWER8 (raw), altivec supported", "", "4"),
    "glpi-agent/linux-2.6.35-1-core-2-thread": ("Intel(R) Atom(TM) CPU N270   @ 1.60GHz", "GenuineIntel", "2"),
    "glpi-agent/linux-686-samsung-nc10-1": ("Intel(R) Atom(TM) CPU N270   @ 1.60GHz", "GenuineIntel", "2"),
    "glpi-agent/linux-armel-1": ("XScale-80219 rev 0 (v5l)", "", "1"),
    "glpi-agent/linux-armel-2": ("Feroceon 88FR131 rev 1 (v5l)", "", "1"),
    "glpi-agent/linux-armel-3": ("ARMv6-compatible processor rev 7 (v6l)", "", "1"),
    "glpi-agent/linux-ia64-1": ("Itanium 2", "GenuineIntel", "2"),
    "glpi-agent/linux-raspberry-pi-3-model-b-on-bookworm": ("implementer 0x41 part 0xd03", "", "4"),
    "glpi-agent/linux-sparc-1": ("TI UltraSparc IIIi (Jalapeno)", "", "2"),
    "glpi-agent/rhel-5.6": ("Intel(R) Xeon(R) CPU           E5620  @ 2.40GHz", "GenuineIntel", "16"),
    "glpi-agent/rhel-6.2-vmware-2vcpus": ("Intel(R) Xeon(R) CPU           E7520  @ 1.87GHz", "GenuineIntel", "2"),
    "glpi-agent/rhel-6.3-esx-1vcpu": ("Intel(R) Core(TM) i5-2500S CPU @ 2.70GHz", "GenuineIntel", "1"),
    "glpi-agent/toshiba-r630-2-core": ("Intel(R) Core(TM) i3 CPU       M 350  @ 2.27GHz", "GenuineIntel", "4"),
    "ohai/cpuinfo-aarch64-graviton2.output": ("implementer 0x41 part 0xd0c", "", "2"),
    "ohai/cpuinfo-ppc64le-p8-guest-kvm.output": ("POWER8 (architected), altivec supported", "", "16"),
    "ohai/cpuinfo-ppc64le-p8-host.output": ("POWER8E (raw), altivec supported", "", "20"),
    "ohai/cpuinfo-ppc64le-p9-host.output": ("POWER9, altivec supported", "", "2"),
    "ohai/cpuinfo-s390x.output": ("machine 8561", "IBM/S390", "4"),
    "ohai/cpuinfo-x86-guest-kvm.output": ("QEMU Virtual CPU version 2.5+", "GenuineIntel", "4"),
    "ohai/cpuinfo-x86-guest-vtx.output": ("Intel(R) Xeon(R) CPU           X5570  @ 2.93GHz", "GenuineIntel", "2"),
    "ohai/cpuinfo-x86-host-vuln.output": ("Intel(R) Core(TM) i5-5200U CPU @ 2.20GHz", "GenuineIntel", "4"),
}


@needs_corpus
@pytest.mark.parametrize("name", CPUINFO_FILES)
def test_cpuinfo_of_real_machines(name: str) -> None:
    values = parse_cpuinfo(corpus_text("linux-cpuinfo", name))
    assert (values.get("model", ""), values.get("vendor", ""), values.get("processors", "")) == CPUINFO_FILES[name]
    assert "" not in values.values()


@needs_corpus
def test_lscpu_output_is_empty_and_each_cpuinfo_is_expected() -> None:
    names = in_corpus("linux-cpuinfo")
    of_lscpu = [name for name in names if name.startswith("ohai/lscpu-")]
    assert sorted(set(names) - set(of_lscpu)) == sorted(CPUINFO_FILES)
    assert of_lscpu
    assert all(parse_cpuinfo(corpus_text("linux-cpuinfo", name)) == {} for name in of_lscpu)


@needs_corpus
def test_no_text_of_the_corpus_is_too_odd() -> None:
    folders = ("network", "windows", "macos", "linux-cpuinfo")
    paths: list[Path] = [CORPUS / directory / name for directory in folders for name in in_corpus(directory)]
    assert len(paths) > 100
    for path in paths:
        text = decode_console(path.read_bytes())
        assert "\ufffd" not in text
        for parse in PARSERS:
            parse(text)
