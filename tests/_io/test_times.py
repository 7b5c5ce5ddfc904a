"""Times as text: the one reader and writer, held against Python's calendar and the formats of those who write them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from fingerprint._io import times

NO_TIME = (
    "", "never", "2026", "2026-11", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
    "2026-11-31T00:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T23:60:00Z", "2026-11-24T23:00:61Z",
    "0000-01-01T00:00:00Z", "2026-11-24T10:00:00.Z", "2026-1-24T10:00:00Z", "２０２６-11-24T10:00:00Z",
    "+026-11-24T10:00:00Z", "2026-11-24T10:00:00 Z", "2026/11/24T10:00:00Z", "2026-11-24T1०:00:00Z",
)  # fmt: skip
NO_OFFSET = ("", "+", "-0", "+99:99", "+24:00", "+02:60", "+2:00", "+02:", "+02:0", "UTC", "ZZ", "+02:00 ", "+０２:00")


def some_times(count: int) -> list[datetime]:
    draw = random.Random(1)
    first, last = datetime(1, 1, 2), datetime(9999, 12, 30)
    return [
        first
        + timedelta(seconds=draw.randrange(int((last - first).total_seconds())), microseconds=draw.randrange(10**6))
        for _ in range(count)
    ] + [datetime(2000, 2, 29, 23, 59, 59), datetime(1900, 3, 1), datetime(1969, 12, 31, 23, 59, 59)]


def since_1970(at: datetime) -> float:
    return at.replace(tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize("at", some_times(200), ids=str)
def test_what_is_written_is_read_again(at: datetime) -> None:
    seconds = since_1970(at.replace(microsecond=0))
    assert times.utc(seconds) == at.isoformat()[:19] + "Z"
    assert times.seconds_of(times.utc(seconds)) == seconds
    assert times.local_seconds(times.local(seconds)) == seconds
    assert times.basic_seconds(times.basic(seconds)) == seconds
    assert times.basic(seconds) == at.isoformat()[:19].replace("-", "").replace(":", "") + "Z"
    assert times.created_seconds(times.created_date(int(seconds) * 10**9)) == seconds
    assert times.moment(at.isoformat() + "Z") == at.replace(tzinfo=timezone.utc)
    assert times.moment(at.isoformat()) == at.replace(tzinfo=timezone.utc)
    if at.year >= 1970:
        assert times.http_seconds(times.http_date(seconds)) == seconds


@pytest.mark.parametrize("offset", ["Z", "z", "+00:00", "-00:00", "+02:00", "-0530", "+14", "-23:59"])
@pytest.mark.parametrize("fraction", ["", ".5", ".123456789", ".1234567891"])
@pytest.mark.parametrize("between", ["T", "t", " "])
def test_every_offset_and_fraction_of_rfc_3339_is_read(offset: str, fraction: str, between: str) -> None:
    ahead = {"Z": 0, "z": 0, "+00:00": 0, "-00:00": 0, "+02:00": 120, "-0530": -330, "+14": 840, "-23:59": -1439}[
        offset
    ]
    expected = since_1970(datetime(2026, 11, 24, 10)) - ahead * 60 + float(fraction or 0)
    found = times.seconds_of(f"2026-11-24{between}10:00:00{fraction}{offset}")
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("text", NO_TIME)
def test_no_reader_takes_what_is_no_time(text: str) -> None:
    readers: list[Callable[[str], object]] = [
        times.seconds_of, times.moment, times.local_seconds, times.created_seconds, times.basic_seconds,
        times.http_seconds,
    ]  # fmt: skip
    assert [read(text) for read in readers] == [None] * len(readers)
    date = text.removesuffix("Z")
    assert times.local_seconds(date) is None
    assert times.created_seconds(f"{date.replace('T', ' ')} +0000 UTC") is None
    assert times.basic_seconds(re.sub("[-:]", "", text)) is None


@pytest.mark.parametrize("offset", NO_OFFSET)
def test_a_time_with_no_offset_from_utc_is_none_to_who_needs_one(offset: str) -> None:
    assert times.seconds_of(f"2026-11-24T10:00:00{offset}") is None
    assert times.created_seconds(f"2026-11-24 10:00:00 {offset}") is None
    if offset:
        assert times.moment(f"2026-11-24T10:00:00{offset}") is None
        assert times.local_seconds(f"2026-11-24 10:00:00{offset}") is None


@pytest.mark.parametrize("text", ["2026-11-24", "2026-11-24T10:00", "2026-11-24 10:00"])
def test_time_without_seconds_is_none_where_they_are_needed(text: str) -> None:
    for offset in ("Z", "+00:00", "-0100"):
        assert times.seconds_of(text + offset) is None
    for offset in ("+0000", "-0100"):
        assert times.created_seconds(f"{text.replace('T', ' ')} {offset} UTC") is None


def test_a_leap_second_is_no_date_of_a_key_as_for_go() -> None:
    assert times.created_seconds("2016-12-31 23:59:59 +0000 UTC") == 1483228799
    assert times.created_seconds("2016-12-31 23:59:60 +0000 UTC") is None
    assert times.seconds_of("2016-12-31T23:59:60Z") == 1483228800


def test_a_datetime_beyond_the_calendar_is_none() -> None:
    assert times.moment("0001-01-01T00:00:00+14:00") is None
    assert times.moment("9999-12-31T23:59:59-14:00") is None


def test_a_date_alone_is_its_first_second() -> None:
    assert times.moment("2026-11-24") == datetime(2026, 11, 24, tzinfo=timezone.utc)
    assert times.seconds_of("2026-11-24") is None


@pytest.mark.parametrize("at", ["2026-01-15 12:00:00", "2026-07-15 12:00:00"])
def test_local_time_uses_an_offset_or_the_zone_of_this_host(at: str) -> None:
    assert times.local_seconds(at, 7200) == since_1970(datetime.fromisoformat(at)) - 7200
    assert times.local_seconds(at, None) == datetime.fromisoformat(at).timestamp()


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Tue, 24 Nov 2026 10:00:00 GMT", datetime(2026, 11, 24, 10)),
        ("Tue, 24 Nov 2026 12:00:00 +0200", datetime(2026, 11, 24, 10)),
        ("Tue, 24 Nov 2026 10:00:00 -0000", datetime(2026, 11, 24, 10)),
        ("Tuesday, 24-Nov-26 10:00:00 GMT", datetime(2026, 11, 24, 10)),
    ],
)
def test_dates_of_http_are_read(date: str, expected: datetime) -> None:
    assert times.http_seconds(date) == since_1970(expected)


@pytest.mark.parametrize(
    "created", ["2026-11-24 10:00:00.5 +0000 UTC m=+0.000000001", "2026-11-24 12:00:00.5 +0200 CEST"]
)
def test_the_date_of_a_key_is_read_as_go_prints_it(created: str) -> None:
    assert times.created_seconds(created) == since_1970(datetime(2026, 11, 24, 10)) + 0.5
