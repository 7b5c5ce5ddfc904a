"""Shared by the benchmarks: sizes of the short and the full form, and how a claim is marked."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pytest
from claims import Seconds

WARMUP_ROUNDS = 5
SHORT = os.environ.get("FINGERPRINT_BENCH_SHORT") == "1"


@pytest.fixture
def claim(benchmark: Any) -> Callable[..., Any]:
    """Return a function that marks a benchmark as one side of a claim.

    claim("one comparison", "ours") and claim("one comparison", "peer", target=15): the median of the
    peer divided by the median of ours is held against the target. With `at_most` the quotient is
    turned round: ours divided by the peer.
    """

    def mark(name: str, role: str, **facts: Any) -> Any:
        benchmark.group = name
        benchmark.extra_info.update(claim=name, role=role, **facts)
        return benchmark

    return mark


@pytest.fixture
def versus(claim: Callable[..., Any]) -> Callable[..., None]:
    """Return a function that measures both sides of a claim by turns, so that a drift of the machine hits both."""

    def measure(
        name: str, ours: Callable[[], Any], peer: Callable[[], Any], *, rounds: int, calls: int = 1, **facts: Any
    ) -> None:
        """Measure; `calls` of ours in a row are one round, for what takes microseconds."""
        seconds = []

        def repeated() -> None:
            for _ in range(calls):
                ours()

        def before() -> None:
            start = perf_counter()
            peer()
            seconds.append(perf_counter() - start)

        bench = claim(name, "ours", calls=calls, **facts)
        bench.pedantic(ours if calls == 1 else repeated, setup=before, rounds=rounds, warmup_rounds=WARMUP_ROUNDS)
        bench.extra_info["peer"] = Seconds(seconds[WARMUP_ROUNDS:]).stats()

    return measure


@pytest.fixture(scope="session")
def short() -> bool:
    return SHORT
