"""Masks of different values differ, and every URL loses its secrets in the same way, wherever it stands."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint._io.text import (
    QUOTES,
    forget_masks,
    hidden,
    masked,
    printable,
    shortened,
    with_ids_masked,
    without_passwords,
)
from fingerprint.cli.output import warn
from fingerprint.explanation.causes import short_value
from fingerprint.machine.snapshot_secrets import of_service, without_secrets
from vault_setup import Setup

UUIDS = (
    "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
    "1b4e9c01-73dd-4c5e-9d0a-7f00aa10a427",
    "1b4e0000-0000-4000-8000-00000000a427",
)
NODES = ("mi-0123456789abcdef0", "mi-0fedcba987654def0")
SERIALS = ("7ABC123", "7XYZ999", "VMware-56 4d 1b 3e", "VMware-57 4d 1b 3e")
MACHINE_IDS = ("3d1219c7c4c5fda4\n", "3d1219c7c4c5fda4", "3d12ffffffffffffffffffffffff fda4"[:28] + "fda4")
MAC_ADDRESSES = ("00:50:56:11:22:07", "00:50:56:33:44:07")
DIGESTS = ("u6X5w73tAAAAAAAAAAAAAA==", "u6X5w73tBBBBBBBBBBBBBB==")


def unnumbered(mask: str) -> str:
    return re.sub(r"\(\d+\)$", "", mask)


@pytest.mark.parametrize("values", [UUIDS, NODES, SERIALS, MACHINE_IDS, MAC_ADDRESSES, DIGESTS], ids=lambda one: one[0])
def test_masks_of_different_values_differ_and_show_ends_only(values: tuple[str, ...]) -> None:
    shown = [masked(value) for value in values]
    for one, other in combinations(shown, 2):
        assert one != other
    assert [masked(value) for value in values] == shown
    assert [unnumbered(mask) for mask in shown] == [shortened(value) for value in values]
    forget_masks()
    assert masked(values[-1]) == shortened(values[-1])


@pytest.mark.parametrize(("name", "values"), [("machine-id", MACHINE_IDS), ("uuid", UUIDS), ("bios-hash", DIGESTS),
                                              ("disk-info", DIGESTS), ("hostname-info", ("a", "b"))])  # fmt: skip
def test_two_values_side_by_side_never_print_alike(name: str, values: tuple[str, ...]) -> None:
    assert len({short_value(name, value) for value in values}) == len(values)


@given(st.lists(st.text(max_size=20), unique=True), st.integers(0, 8), st.integers(0, 4))
def test_different_values_never_share_a_mask(values: list[str], head: int, tail: int) -> None:
    forget_masks()
    values = [value for value in values if value.rstrip("\r\n")]
    shown = [masked(value, head, tail) for value in values]
    assert len(set(shown)) == len(values)
    for value, mask in zip(values, shown, strict=True):
        assert len(unnumbered(mask)) <= max(2, head + tail + 1)
        assert printable(value)[:1] == mask[:1] or head == 0


def test_masks_of_many_threads_differ() -> None:
    values = [f"1b4e{number:024d}a427" for number in range(500)]
    with ThreadPoolExecutor(8) as pool:
        shown = list(pool.map(masked, values * 4))
    assert len(set(shown)) == len(values)
    assert shown[: len(values)] * 4 == shown


def test_masked_ids_within_a_text_differ() -> None:
    printed = with_ids_masked(f"{UUIDS[0]} {UUIDS[1]} {NODES[0]} {NODES[1]} {UUIDS[0]}")
    assert printed == "1b4e…a427 1b4e…a427(2) mi-0…def0 mi-0…def0(2) 1b4e…a427"


SECRETS = ("hunter2", "t0ken")
URLS = {
    "http://h:1": "http://h:1",
    "https://h/a/b": "https://h/a/b",
    "http://u:hunter2@h:1/a": "http://***@h:1/a",
    "http://hunter2@h": "http://***@h",
    "http://u:hun/hunter2@h": "http://***@h",
    "http://u:x//hunter2@h": "http://***@h",
    "http://u:x://hunter2@h": "http://***@h",
    "http://u:hunter2@x@h": "http://***@h",
    "http://u:a?hunter2@h": "http://***@h",
    "http://u:a#hunter2@h": "http://***@h",
    "https://h/a?X-Amz-Security-Token=t0ken&x=1": "https://h/a?***",
    "https://h/a#t0ken": "https://h/a#***",
    "https://u:hunter2@h/?a=t0ken#t0ken": "https://***@h/?***",
    "http://h/a?api-version=2025-04-07&format=json": "http://h/a?api-version=2025-04-07&format=json",
    "http://u:hunter2@h/a?format=json": "http://***@h/a?format=json",
    "http://h/a?format=json&sig=t0ken": "http://h/a?***",
    "http://h/a?format=json#t0ken": "http://h/a?***",
    "http://h/a?format=t0ken/": "http://h/a?***",
    "socks5h://u:hunter2@[::1]:1080": "socks5h://***@[::1]:1080",
}
CONTEXTS = {
    "alone": (hidden, "{}"),
    "in a text": (without_passwords, "dial {} failed"),
    "at the end of a text": (without_passwords, "proxyconnect {}"),
    "in quotes": (without_passwords, 'Get "{}": EOF'),
    "in JSON": (without_passwords, '{{"url":"{}","mail":"a"}}'),
    "in JSON in JSON": (without_passwords, '{{\\"url\\":\\"{}\\",\\"x\\":1}}'),
    "in a log that is recorded": (without_secrets, "dial {} failed"),
    "in quotes that are recorded": (without_secrets, 'Get "{}": EOF'),
    "in a unit that is recorded": (of_service, "Environment=https_proxy={}"),
    "in quotes of a unit": (of_service, 'Environment="https_proxy={}"'),
    "as a proxy in a log": (without_secrets, "https_proxy: {}"),
}


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("url", URLS)
def test_a_url_loses_its_secrets_in_the_same_way_everywhere(url: str, context: str) -> None:
    strip, form = CONTEXTS[context]
    printed = strip(form.format(url))
    assert printed == form.format(URLS[url])
    assert not [secret for secret in SECRETS if secret in printed]
    assert strip(printed) == printed


@pytest.mark.parametrize("url", [url for url in URLS if "\\" not in url])
def test_a_separator_that_json_escapes_is_one(url: str) -> None:
    text = json.dumps({"Endpoint": url}).replace("/", "\\/")
    assert json.loads(without_passwords(text)) == {"Endpoint": URLS[url]}
    assert hidden(url.replace("/", "\\/"), QUOTES).replace("\\/", "/") == URLS[url]


@pytest.mark.parametrize("url", URLS)
def test_no_diagnostic_has_the_secrets_of_a_url(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    warn(f"it is not {url}")
    assert capsys.readouterr().err == f"fingerprint: it is not {URLS[url]}\n"


@pytest.mark.parametrize("url", ["u:hunter2@h:1", "hunter2@h", "u:hunter2://x@h", "://u:hunter2@h", "1 2://hunter2@h",
                                 "u:hunter2://h", "h?t0ken"])  # fmt: skip
def test_what_is_no_url_loses_what_may_be_a_secret(url: str) -> None:
    assert not [secret for secret in SECRETS if secret in hidden(url)]


def test_different_values_print_differently_in_every_answer(tmp_path: Path) -> None:
    before, now = "1b4e28ba2fa111d2883f0016d3cca427\n", "1b4e9c0173dd4c5e9d0a7f00aa10a427\n"
    hosts = [f"a-very-long-name-of-a-host-{number}" for number in (1, 2)]
    setup = Setup.with_record(tmp_path, machine_id=before, host_name=hosts[0])
    setup.is_now(machine_id=now, host_name=hosts[1])
    check = setup("check").stdout
    assert re.search(r"machine-id +1b4e…a427 +1b4e…a427\(2\) +NO\b", check), check
    [line] = [line for line in check.splitlines() if "hostname-info  " in line]
    assert len(set(line.split()[1:3])) == 2, line
    for words in (("check",), ("explain", "--verbose")):
        printed = setup(*words).stdout
        assert "1b4e…a427(2)" in printed
        assert before.strip()[4:-4] not in printed
        assert now.strip()[4:-4] not in printed
    revealed = setup("check", "--reveal").stdout
    assert before.strip() in revealed
    assert now.strip() in revealed
    assert "1b4e…a427" not in revealed
