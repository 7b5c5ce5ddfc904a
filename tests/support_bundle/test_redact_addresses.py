"""Addresses are replaced however they are written, equal ones by equal pseudonyms, and in linear time."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_machines import machine, snapshot
from fingerprint.support_bundle.bundle import bundle
from fingerprint.support_bundle.identifiers import learn
from fingerprint.support_bundle.known_values import KnownValues
from fingerprint.support_bundle.redact import Redactor

V4 = st.ip_addresses(v=4).filter(lambda a: a.is_global and not a.is_multicast)
V6 = st.ip_addresses(network="2000::/3").filter(lambda a: a.is_global and len(set(a.exploded)) > 8)
MAC = st.from_regex(r"\A02(:[0-9a-f]{2}){5}\Z").filter(lambda mac: len(set(mac)) > 4)
# How logs, names of hosts, files and units, name servers and URLs write them.
V4_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda a: a,
    "reversed": lambda a: ".".join(a.split(".")[::-1]) + ".in-addr.arpa",
    "reversed, with a last dot": lambda a: ".".join(a.split(".")[::-1]) + ".in-addr.arpa.",
    "reversed, in capitals": lambda a: ".".join(a.split(".")[::-1]) + ".IN-ADDR.ARPA",
    "reversed, below a name": lambda a: "b._dns-sd._udp." + ".".join(a.split(".")[::-1]) + ".in-addr.arpa",
    "dashes": lambda a: a.replace(".", "-"),
    "of EC2": lambda a: f"ip-{a.replace('.', '-')}.eu-west-1.compute.internal",
    "of EC2, public": lambda a: f"ec2-{a.replace('.', '-')}.compute-1.amazonaws.com",
    "behind the number of a name": lambda a: f"srv7-{a.replace('.', '-')}",
    "of a provider": lambda a: f"dhcp{a.replace('.', '-')}.isp.example",
    "underscores": lambda a: a.replace(".", "_"),
    "of systemd": lambda a: a.replace(".", r"\x2d"),
    "leading zeros": lambda a: ".".join(part.zfill(3) for part in a.split(".")),
    "a port": lambda a: f"{a}:443",
    "a port after a dot": lambda a: f"{a}.50123",
    "a network": lambda a: f"{a}/24",
    "of IPv6": lambda a: f"::ffff:{a}",
}
V6_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda a: a,
    "in full": lambda a: ipaddress.ip_address(a).exploded,
    "in capitals": str.upper,
    "reversed": lambda a: ipaddress.ip_address(a).reverse_pointer,
    "reversed, in capitals": lambda a: ipaddress.ip_address(a).reverse_pointer.upper(),
    "reversed, below a name": lambda a: "node." + ipaddress.ip_address(a).reverse_pointer,
    "dashes": lambda a: ipaddress.ip_address(a).exploded.replace(":", "-"),
    "underscores": lambda a: ipaddress.ip_address(a).exploded.replace(":", "_"),
    "of Windows": lambda a: a.replace(":", "-") + ".ipv6-literal.net",
    "of Windows, with a scope": lambda a: a.replace(":", "-") + "s4.ipv6-literal.net",
    "of a URL": lambda a: f"https://[{a}]:8443/",
    "escaped for a URL": lambda a: a.replace(":", "%3A"),
    "a scope": lambda a: f"{a}%eth0",
    "a port after a dot": lambda a: f"{a}.443",
}
MAC_FORMS: dict[str, Callable[[str], str]] = {
    "plain": lambda a: a,
    "in capitals": str.upper,
    "dashes": lambda a: a.replace(":", "-"),
    "underscores": lambda a: a.replace(":", "_"),
    "dots": lambda a: f"{a[:2]}{a[3:5]}.{a[6:8]}{a[9:11]}.{a[12:14]}{a[15:]}",
    "of an interface": lambda a: f"enx{a.replace(':', '')}",
    "escaped for a URL": lambda a: a.replace(":", "%3a"),
}
AROUND = (
    "{}", " {} ", "x {} y", "/opt/{}/x", "/opt/backup-{}.tar.gz", "/srv/{}.log", "/var/log/{}_old", "log_{}.txt",
    "/etc/{}.conf", "C:\\logs\\{}.log", "({})", "'{}'", "{},", "{};", "={}", "{}\n", "<{}>", "\t{}\t", "@{}",
)  # fmt: skip


def survivors(address: str, form: str, text: str) -> list[str]:
    """Return what of an address a text still has: all of it, or three of its numbers in a row."""
    numbers = re.split(r"[.:]", ipaddress.ip_address(address).exploded if ":" in address else address)
    found = [form] if form.lower() in text.lower() else []
    if "." in address:
        for row in (numbers, numbers[::-1]):
            for dash in (".", "-", "_", r"\x2d"):
                piece = dash.join(row[1:])
                found += [piece] if re.search(rf"(?<![0-9]){re.escape(piece)}(?![0-9])", text) else []
    return found


@settings(max_examples=20, deadline=None)
@given(V4.map(str), st.sampled_from(AROUND))
def test_an_ipv4_address_is_replaced_in_every_form(address: str, around: str) -> None:
    redactor = Redactor()
    expected = redactor.pseudonym("ip", address)
    for name, write in V4_FORMS.items():
        redacted = redactor.text(around.format(write(address)))
        assert survivors(address, write(address), redacted) == [], (name, redacted)
        if name != "of IPv6":
            assert expected in redacted, (name, redacted)


@settings(max_examples=20, deadline=None)
@given(V6.map(str), st.sampled_from(AROUND))
def test_an_ipv6_address_is_replaced_in_every_form(address: str, around: str) -> None:
    redactor = Redactor()
    expected = redactor.pseudonym("ip6", address)
    for name, write in V6_FORMS.items():
        redacted = redactor.text(around.format(write(address)))
        assert survivors(address, write(address), redacted) == [], (name, redacted)
        assert expected in redacted, (name, redacted)


@settings(max_examples=20, deadline=None)
@given(MAC, st.sampled_from(AROUND))
def test_the_address_of_an_adapter_is_replaced_in_every_form(address: str, around: str) -> None:
    redactor = Redactor()
    expected = redactor.pseudonym("mac", address)
    for name, write in MAC_FORMS.items():
        redacted = redactor.text(around.format(write(address)))
        assert expected in redacted, (name, redacted)
        assert write(address).lower() not in redacted.lower(), (name, redacted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.10.in-addr.arpa", "net"), ("0.10.in-addr.arpa", "net"), ("10.in-addr.arpa", "net"),
        ("64-26.1.168.192.in-addr.arpa", "net"), ("8.b.d.0.1.0.0.2.ip6.arpa", "net"),
    ],
)  # fmt: skip
def test_of_a_reversed_network_the_numbers_are_replaced(text: str, expected: str) -> None:
    redacted = Redactor().text(text)
    assert re.fullmatch(rf"(?:64-)?(?:ip|{expected})-[0-9a-f]{{6}}\.(?:in-addr|ip6)\.arpa", redacted), redacted


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1", "1.0.0.127.in-addr.arpa", "localhost-127-0-0-1", "0.0.0.0", "255.255.255.0", "::1", "::",
        "00:00:00:00:00:00", "ff-ff-ff-ff-ff-ff", "1.3.6.1.4.1.311.2.1", "0000:00:1f.2", "/sys/bus/pci/0000:00:1f.2",
        "12:30:45", "2026-11-24 12:30:45", "2026-11-24-12-30", "3.3.1230.0", "300.1.2.3", "1-2-3", "std::vector",
        "a--b",
        "--exclude", "x--0", "20-11-2026", "dead-beef", "ip-address", "log-2026-11-24-12-30-45",
        "in-addr.arpa", "BIOS version 2.1.4.0",
    ],
)  # fmt: skip
def test_what_is_no_address_stays(text: str) -> None:
    redactor = Redactor()
    learn(redactor, snapshot(machine()))
    assert redactor.text(text) == text


def test_an_address_is_not_replaced_within_another_one() -> None:
    redactor = Redactor()
    redactor.learn("ip", "10.20.30.4")
    redactor.learn("ip6", "2001:db8::12")
    redacted = redactor.text("10.20.30.4 10.20.30.42 110.20.30.4 2001:db8::12 2001:db8::123 2001:DB8::12%eth0")
    one, two, three, four, five, six = redacted.split()
    assert len({one, two, three}) == 3
    assert all(re.fullmatch(r"ip-[0-9a-f]{6}", each) for each in (one, two, three))
    assert four != five
    assert six == f"{four}%eth0"


PATHS = (
    "/etc/sysconfig/network-198.51.100.7.conf", "/sys/class/net/enx02a1b2c3d4e5/address",
    "/run/dhcp/198.51.100.7.lease",
    "/proc/net/198-51-100-7", "/usr/share/2001:db8::77/x", "/opt/198.51.100.7/app.log", "/dev/198_51_100_7",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_an_address_in_the_name_of_a_file_is_not_in_a_report(path: str) -> None:
    taken = snapshot(machine())
    taken["files"][path] = {"text": "x"}
    taken.setdefault("folders", {})[path] = [path.rpartition("/")[2]]
    taken["commands"].append({"argv": ["/bin/cat", path], "returncode": 0, "stdout": path, "stderr": path})
    files = bundle({"free": lambda: [{"file": path, "where": f"{path}: no such file"}]}, taken, Redactor())
    joined = b"".join(files.values()).decode()
    for piece in ("198.51.100", "198-51-100", "198_51_100", "02a1b2c3d4e5", "2001:db8"):
        assert piece not in joined, piece
    assert len(json.loads(files["snapshot.json"])["files"]) == len(taken["files"])


# Time.

TEN_MEGABYTES = 10_000_000
CHARACTERS = (" ", "\t", "\n", "a", "0", ":", ".", "-", '"', "\\", "=", "é")
MORE = (
    "\r", "A", "f", "x", "_", "/", "'", "|", "+", "%", "(", "{", ",", ";", "\0", "\x1b", "\u0130", "\u0660", "\u2028",
    "a ", "a:", "aa:", "1.", "1-", "1_", "a.", "a-", "::", ": ", "= ", '"a"', '"a":', '\\"', '"\\', "a=", "Serial: ",
    "1.1.1.1 ", "aa-bb-cc-dd-ee-ff ", "/home/", "ip6.arpa ", "1.1.in-addr.arpa ", "mi-0 ", "id-000000 ", "\\x2d", "%3a",
    "Handle 0x1, DMI type 11, 1 bytes\nString 1: a\n", " -> ", "version 1.1.1.1 ", '"serial":"', "Serial Number: x  ",
)  # fmt: skip
BEFORE = ("", "Serial Number: x", '"serial":"', '{"a":"', "Handle 0x1, DMI type 11, 1 bytes\n\tString 1: ")


def ready() -> Redactor:
    redactor = Redactor()
    learn(redactor, snapshot(machine()))
    return redactor


def seconds(redactor: Redactor, text: str) -> float:
    begin = time.process_time()
    redactor.text(text)
    return time.process_time() - begin


@pytest.mark.parametrize("char", CHARACTERS, ids=ascii)
def test_ten_megabytes_of_one_character_take_a_few_passes(char: str) -> None:
    """The plain pass reads each character, as every one of some thirty patterns has to."""
    text = "Serial Number: x" + char * TEN_MEGABYTES + "y"
    begin = time.process_time()
    re.sub("(?<!\x01)\x01(?!\x01)", "", text)
    re.sub("(?<![\x01-\x02])[\x01-\x02]{2}", "", text)
    plain = time.process_time() - begin
    assert seconds(ready(), text) < 100 * plain


@pytest.mark.parametrize("piece", CHARACTERS + MORE, ids=ascii)
def test_time_grows_with_the_text_and_no_faster(piece: str) -> None:
    for before in BEFORE:
        small, large = (before + piece * (size // len(piece)) + "\0!" for size in (8_000, 64_000))
        taken = seconds(ready(), large)
        if taken > 0.2:
            assert taken < 24 * min(seconds(ready(), small) for _ in range(3)), before


def test_time_does_not_grow_with_what_is_known() -> None:
    """8,000 serial numbers that begin alike, in a text of as many that do so, too."""
    few, many = Redactor(), Redactor()
    few.learn("serial", "PLANTED-000001-X")
    for number in range(8000):
        many.learn("serial", f"PLANTED-{number:06d}-X")
    text = "\n".join(f"PLANTED-{number:06d}-Y" for number in range(40_000))
    seconds(many, "")
    assert seconds(many, text) < 5 * max(seconds(few, text), 0.1)


# Known values.


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text("abAB1-", min_size=2, max_size=12), max_size=8), st.text("abAB1- ", max_size=60))
def test_known_values_are_found_as_a_pattern_of_all_finds_them(values: list[str], text: str) -> None:
    known = KnownValues()
    ways = []
    for value in sorted({value.lower() for value in values}, key=lambda value: (-len(value), value)):
        known.add(value)
        escaped = re.escape(value)
        ways.append(escaped if len(value) >= 8 else f"(?<![A-Za-z0-9]){escaped}(?![A-Za-z0-9])")
    expected = re.sub("|".join(ways) or "(?!)", lambda found: f"<{found[0].lower()}>", text, flags=re.IGNORECASE)
    assert known.sub(lambda value: f"<{value}>", text) == expected


def test_a_long_value_is_replaced_completely() -> None:
    redactor = Redactor()
    value = "".join(chr(97 + number * 7 % 26) + str(number) for number in range(4000))
    redactor.learn("fingerprint", value)
    redacted = redactor.text(f"before {value} after")
    assert re.fullmatch(r"before (fingerprint-[0-9a-f]{6})+ after", redacted)


@pytest.mark.parametrize("char", ["İ", "ẞ", "Σ", "K", "ſ"])
def test_letters_whose_lower_case_is_another_length_move_nothing(char: str) -> None:
    redactor = Redactor()
    redactor.learn("serial", "PLANTED-77X")
    redacted = redactor.text(f"{char * 50} PLANTED-77X {char}")
    assert re.fullmatch(rf"{char * 50} serial-[0-9a-f]{{6}} {char}", redacted)
