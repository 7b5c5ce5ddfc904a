"""Shared by the benchmarks: sizes of the short and the full form, and how a claim is marked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

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


@pytest.fixture(scope="session")
def short() -> bool:
    return SHORT
