"""How often credentials are asked for: by `credentials update --keep`, and by programs that ask the cache."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint import Vault
from fingerprint.credentials import CredentialCache, session
from fingerprint.credentials.cache import SHORTEST_PAUSE_SECONDS
from fingerprint.credentials.imds_server import ROLE, CredentialServer
from fingerprint.credentials.refresher import Refresher, pause_after
from fingerprint.errors import (
    AccessDenied,
    ActivationInvalid,
    BadAnswer,
    FingerprintError,
    FingerprintMismatch,
    InputError,
    NotRegistered,
    ServiceMismatch,
    Unreachable,
    UsageError,
)
from fingerprint.registration.role_token import RoleCredentials

HOUR = 3600.0
CREDENTIALS_PATH = f"/latest/meta-data/iam/security-credentials/{ROLE}"


class Service:
    """A clock, and a service whose tokens live so long by it; each request is noted."""

    def __init__(self, life: float = HOUR) -> None:
        self.now = 1_800_000_000.0
        self.life = life
        self.asked: list[float] = []
        self.error: FingerprintError | None = None

    def clock(self) -> float:
        return self.now

    def __call__(self) -> RoleCredentials:
        self.asked.append(self.now)
        if self.error:
            raise self.error
        return RoleCredentials(f"ASIA{len(self.asked)}", "secret", "token", self.now + self.life)

    def gaps(self) -> list[float]:
        return [after - before for before, after in zip(self.asked, self.asked[1:], strict=False)]


@pytest.mark.parametrize("longest", [60, 61, 299, 300, 301, 1800])
def test_a_limit_of_the_agents_configuration_ends_the_doubling(longest: int) -> None:
    pauses = [pause_after(Unreachable("x"), 20, Random(seed), longest) for seed in range(3000)]
    assert max(pauses) == longest
    assert longest - min(300, longest) < min(pauses) <= longest - min(300, longest) + 5
    # A rejection waits as long as ever, and so does a short pause.
    assert pause_after(AccessDenied("x"), 20, Random(1), longest) >= 1500
    assert pause_after(Unreachable("x"), 0, Random(1), longest) <= 20


class Waits:
    """Waiting that moves the clock on, so many times; before each, `then` may change what comes."""

    def __init__(self, service: Service, times: int, then: Callable[[int], None] = lambda _: None) -> None:
        self.service = service
        self.times = times
        self.then = then
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.service.now += seconds
        self.then(len(self.pauses))
        return len(self.pauses) == self.times


def cache_of(path: Path, service: Service, *, kept: bool = True) -> CredentialCache:
    state = path / "state"
    if not kept:
        state.write_text("a file where the directory would be")
    return CredentialCache(Vault(str(path / "Vault"), state=str(state), now=service.clock), service)


def keep(path: Path, service: Service, waits: Waits, *, kept: bool = True) -> list[str]:
    """Run the refresher to the end of the waits; return the access keys that it handed over."""
    used: list[str] = []
    cache = cache_of(path, service, kept=kept)
    Refresher(cache, lambda new: used.append(new.access_key_id), waits, service.clock, Random(1)).run()
    return used


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "nothing can be kept"])
@pytest.mark.parametrize("life", [25.0, 40.0, 60.0, 90.0, 120.0, 900.0, HOUR, 12 * HOUR])
def test_the_next_are_asked_for_at_half_of_their_life(life: float, kept: bool, tmp_path: Path) -> None:
    """With jitter, so that nodes that started together part, and never twice within the shortest pause."""
    service = Service(life)
    waits = Waits(service, 6)
    assert keep(tmp_path, service, waits, kept=kept) == [f"ASIA{n}" for n in range(1, 7)]
    half = max(life / 2, SHORTEST_PAUSE_SECONDS)
    assert all(half <= gap <= half + min(half / 10, 60.0) for gap in service.gaps())
    assert len(set(service.gaps())) > 1
    assert all(gap < life for gap in service.gaps())


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "nothing can be kept"])
@pytest.mark.parametrize("life", [-30 * 24 * HOUR, -HOUR, -1.0, 0.0, 1.0, 5.0, SHORTEST_PAUSE_SECONDS])
def test_tokens_that_are_as_good_as_expired_are_an_error(life: float, kept: bool, tmp_path: Path) -> None:
    """So the pauses double, as after other answers of the service: a wrong clock makes no storm."""
    service = Service(life)
    waits = Waits(service, 12)
    assert len(keep(tmp_path, service, waits, kept=kept)) == 12
    assert all(2**n + 10 <= pause <= 1.2 * 2**n + 20 for n, pause in enumerate(waits.pauses[:10]))
    assert all(1500 < pause <= 1800 for pause in waits.pauses[11:])
    assert min(service.gaps()) >= SHORTEST_PAUSE_SECONDS


@pytest.mark.parametrize("error", [Unreachable("x"), AccessDenied("x"), ServiceMismatch("x"), BadAnswer("x")])
def test_errors_follow_the_schedule_with_kept_credentials_too(error: FingerprintError, tmp_path: Path) -> None:
    """In the second half of the life of kept ones there is still something to hand over, and no reason to hurry."""
    service = Service()

    def then(number: int) -> None:
        if number == 1:
            service.error = error

    waits = Waits(service, 9, then)
    assert keep(tmp_path, service, waits) == ["ASIA1"]
    for number, pause in enumerate(waits.pauses[1:]):
        if isinstance(error, (AccessDenied, ServiceMismatch)):
            assert 1500 <= pause < 1800
        else:
            assert 2**number + 10 <= pause <= 1.2 * 2**number + 20


def test_kept_credentials_are_used_while_the_service_is_down(tmp_path: Path) -> None:
    """A process that starts without a network writes what is good still, once."""
    service = Service()
    cache_of(tmp_path, service).get()
    service.now += 0.8 * HOUR
    service.error = Unreachable("no network")
    waits = Waits(service, 4)
    assert keep(tmp_path, service, waits) == ["ASIA1"]
    assert len(service.asked) == 5


def test_errors_never_end_it_and_success_resets_pauses(tmp_path: Path) -> None:
    service = Service()
    service.error = InputError("the file cannot be written", where="x")

    def then(number: int) -> None:
        service.error = ServiceMismatch("another") if number > 4 else None if number == 4 else service.error

    waits = Waits(service, 8, then)
    keep(tmp_path, service, waits)
    growing, after = waits.pauses[:4], waits.pauses[4:]
    assert [1 <= pause < 1.3 * 2**n + 1 for n, pause in enumerate(growing)] == [True] * 4
    assert HOUR / 2 <= after[0] <= HOUR / 2 + 60
    assert all(1500 <= pause < 1800 for pause in after[1:])


def test_write_is_retried_without_a_request_to_the_service(tmp_path: Path) -> None:
    for kept in (True, False):
        service = Service()
        waits = Waits(service, 8)

        def use(_: RoleCredentials) -> None:
            raise InputError("the file cannot be written", where="x")

        path = tmp_path / str(kept)
        path.mkdir()
        Refresher(cache_of(path, service, kept=kept), use, waits, service.clock, Random(1)).run()
        assert len(service.asked) == 1


def test_error_that_no_retry_can_fix_ends_it(tmp_path: Path) -> None:
    service = Service()

    def use(_: RoleCredentials) -> None:
        raise UsageError("invalid profile name")

    with pytest.raises(UsageError):
        Refresher(cache_of(tmp_path, service), use, Waits(service, 3), service.clock, Random(1)).run()


LIVES = st.one_of(st.floats(-HOUR, 12 * HOUR), st.floats(-5, 130))
ERRORS = st.sampled_from([None, None, Unreachable("x"), AccessDenied("x"), BadAnswer("x"), NotRegistered("x")])


@given(st.lists(st.tuples(LIVES, ERRORS), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_answers_of_the_service_are_apart_by_the_shortest_pause(
    tmp_path_factory: pytest.TempPathFactory, course: list[tuple[float, FingerprintError | None]], random: Random
) -> None:
    """Whatever lives and errors come in whatever order."""
    path = tmp_path_factory.mktemp("course")
    service = Service()

    def then(number: int) -> None:
        service.life, service.error = course[min(number, len(course) - 1)]

    then(0)
    waits = Waits(service, len(course) + 1, then)
    Refresher(cache_of(path, service), lambda _: None, waits, service.clock, random).run()
    answered = [g for g, (_, e) in zip(service.gaps(), course, strict=False) if not isinstance(e, NotRegistered)]
    assert all(gap >= 1 for gap in service.gaps())
    if not any(isinstance(error, NotRegistered) for _, error in course):
        assert all(gap >= SHORTEST_PAUSE_SECONDS for gap in answered)


HARD = (AccessDenied("x"), ServiceMismatch("x"))
OF_THE_SERVICE = (Unreachable("x"), ActivationInvalid("x"), BadAnswer("x"))
OWN = (NotRegistered("x"), FingerprintMismatch("x"), InputError("x"))


@given(st.sampled_from([*HARD, *OF_THE_SERVICE, *OWN]), st.integers(0, 40), st.randoms(use_true_random=False))
def test_pauses_are_those_of_the_agent(error: FingerprintError, failures: int, random: Random) -> None:
    """behaviour of the agent from 3.3.808.0: the table of its refresher."""
    pause = pause_after(error, failures, random)
    doubled = 2 ** min(failures, 16)
    most = doubled + math.ceil(0.2 * doubled) - 1
    if error in HARD:
        assert 1500 <= pause <= 1799
    elif error in OF_THE_SERVICE:
        assert doubled + 10 <= pause <= most + 19 or 1501 <= pause <= 1800 < most + 19
    else:
        assert doubled <= pause <= most or 1501 <= pause <= 1800 < most


def ask_by_process(cache: CredentialCache) -> None:
    cache.get()


def ask_by_boto3(cache: CredentialCache) -> None:
    vault = Vault("/nowhere", state="/nowhere")
    session(vault, cache=cache, region_name="eu-west-1").get_credentials().get_frozen_credentials()


def ask_by_server(cache: CredentialCache) -> None:
    server = CredentialServer(cache, dict, port=0)
    try:
        status, _ = server.answer(CREDENTIALS_PATH)
    finally:
        server.stop()
    if status != 200:
        raise BadAnswer(str(status))


ASKERS = [ask_by_process, ask_by_boto3, ask_by_server]


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "nothing can be kept"])
@pytest.mark.parametrize("ask", ASKERS)
@pytest.mark.parametrize("life", [15.0, 30.0, 60.0, 119.0])
def test_short_lived_credentials_are_kept_for_half_of_their_life(
    ask: Callable[[CredentialCache], None], life: float, kept: bool, tmp_path: Path
) -> None:
    """An SDK asks for each of its requests when little is left."""
    service = Service(life)
    service.now = time.time()
    cache = cache_of(tmp_path, service, kept=kept)
    for _ in range(20):
        ask(cache)
        service.now += 0.5
    assert len(service.asked) == 1


@pytest.mark.parametrize("ask", ASKERS)
@pytest.mark.parametrize("error", [AccessDenied("x"), Unreachable("x"), ServiceMismatch("x"), BadAnswer("x")])
def test_refusing_service_is_not_asked_for_each_request(
    ask: Callable[[CredentialCache], None], error: FingerprintError, tmp_path: Path
) -> None:
    """A second error in a row is the answer for the pause of the schedule, a minute at most; the first may be over."""
    service = Service()
    service.error = error
    cache = cache_of(tmp_path, service)
    for _ in range(20):
        with pytest.raises(FingerprintError):
            ask(cache)
        service.now += 0.1
    assert len(service.asked) == 2
    service.error = None
    service.now += 60
    ask(cache)
    assert len(service.asked) == 3


@pytest.mark.parametrize("error", [NotRegistered("x"), FingerprintMismatch("x")])
def test_error_before_the_service_is_checked_each_time(error: FingerprintError, tmp_path: Path) -> None:
    service = Service()
    service.error = error
    cache = cache_of(tmp_path, service)
    for _ in range(3):
        with pytest.raises(type(error)):
            cache.get()
    service.error = None
    assert cache.get().access_key_id == "ASIA4"


def test_pauses_of_the_cache_grow_and_start_anew(tmp_path: Path) -> None:
    service = Service()
    service.error = BadAnswer("x")
    cache = cache_of(tmp_path, service)
    for _ in range(3000):
        with pytest.raises(BadAnswer):
            cache.get()
        service.now += 0.1
    assert all(2**n + 10 <= gap <= 1.2 * 2**n + 20.2 for n, gap in enumerate(service.gaps()[1:6]))
    assert service.gaps()[-1] == pytest.approx(60, abs=0.2)
    service.now -= 3 * HOUR
    service.error = None
    cache.get()
    service.now += HOUR
    service.error = BadAnswer("x")
    for _ in range(300):
        with pytest.raises(BadAnswer):
            cache.get()
        service.now += 0.1
    assert 11 <= service.gaps()[-1] < 22


def test_the_newest_are_used_when_they_cannot_be_kept_any_more(tmp_path: Path) -> None:
    """The file is older than what this process has; forgetting removes both."""
    service = Service(60.0)
    cache = cache_of(tmp_path, service)
    cache.get()
    path = Path(cache.path).parent
    old = Path(cache.path).read_bytes()
    service.now += 40
    # A directory in the place of the temporary file: it can be neither written nor removed.
    Path(cache.path + ".tmp").mkdir()
    assert [cache.get().access_key_id for _ in range(3)] == ["ASIA2"] * 3
    assert Path(cache.path).read_bytes() == old
    assert path.is_dir()
    Path(cache.path + ".tmp").rmdir()
    cache.forget()
    assert cache.get().access_key_id == "ASIA3"
