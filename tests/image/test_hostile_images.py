"""Images with content that stops the search, hides what it should find, or uses up its time and memory."""

from __future__ import annotations

import json
from time import perf_counter

import pytest

from fingerprint.image import leftovers
from fingerprint.image.content import decoded, secrets_in
from fingerprint.image.findings import Findings
from images import Image, needs_linux, no_windows

pytestmark = [no_windows, needs_linux]
CODE = "amazon-ssm-agent -register -code AbCdEfGh1234567890ab -id 11111111-2222-3333-4444-555555555555\n"
UNIT = "etc/systemd/system/amazon-ssm-agent.service"


def searched(image: Image) -> Findings:
    return leftovers(str(image.root), environ=image.env)


def kinds(image: Image) -> dict[str, str]:
    return {item.path.removeprefix(f"{image.root}/"): item.kind for item in searched(image).items}


@pytest.mark.parametrize("number", ["\u00b2", "9" * 5000, "-1", "", "\u0663\u0663\u0663\u0663", "0x10"])
def test_no_number_of_an_account_stops_the_search(image: Image, number: str) -> None:
    image.put("etc/passwd", f"x:x:{number}:1::/home/x:/bin/sh\ny:x:1000:1::/srv/home/y:/bin/sh\n")
    image.put("srv/home/y/.bash_history", CODE)
    assert kinds(image) == {"srv/home/y/.bash_history": "activation"}


@pytest.mark.parametrize("name", ["/home/\\u0000x", "/\\ud800/x", "/home/u/" + "x" * 300, "/home" + "/x" * 3000])
def test_no_name_in_a_configuration_stops_the_search(image: Image, name: str) -> None:
    path = json.loads(f'"{name}"').encode("utf-8", "replace").decode()
    image.put("etc/amazon/ssm/amazon-ssm-agent.json", f'{{"Profile":{{"ShareFile":"{name}"}}}}')
    image.put(
        UNIT, f"[Service]\nEnvironment=AWS_CONFIG_FILE={path}\nEnvironmentFile={path}/*\nEnvironment=HOME={path}\n"
    )
    image.put("root/.bash_history", CODE + f"--private-key {path}\n")
    assert kinds(image)["root/.bash_history"] == "activation"


@pytest.mark.parametrize(
    "pattern", ["/*/../" * 12 + "*", "/*/.." * 20_000, "/*/*/*/*/*/*", "/*\nEnvironmentFile=/*/" * 500]
)
def test_a_pattern_with_many_matches_ends(image: Image, pattern: str) -> None:
    for number in range(40):
        image.put(f"d{number}/e{number}/f", "x")
    image.put(UNIT, f"[Service]\nEnvironmentFile={pattern}\n")
    begin = perf_counter()
    searched(image)
    assert perf_counter() - begin < 20


@pytest.mark.parametrize("path", ["root/.bash_history", "tmp/setup.sh", "etc/rc.local"])
@pytest.mark.parametrize(
    "holes", [("", "\0" * 4096), ("\0" * 4096, ""), ("x\0", "\0y")], ids=["behind", "before", "around"]
)
def test_bytes_that_were_not_written_hide_no_secret(image: Image, path: str, holes: tuple[str, str]) -> None:
    image.put(path, f"{holes[0]}\n{CODE}{holes[1]}")
    assert kinds(image) == {path: "activation"}


def test_utf_16_without_a_mark_is_text() -> None:
    assert secrets_in(decoded(CODE.encode("utf-16-le"))) == secrets_in(decoded(CODE.encode("utf-16-be"))) != ()


@pytest.mark.parametrize("head", [b"\x7fELF\x02\x01\x01", b"SQLite format 3\0\x10\0\x01\x01", b"\x89PNG\r\n\x1a\n\0"])
def test_a_program_is_no_text(head: bytes) -> None:
    assert decoded(head + b"\0" * 9 + CODE.encode()) == ""
