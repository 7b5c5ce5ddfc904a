"""The loop that mutates real inputs for a fuzz target."""

from __future__ import annotations

import faulthandler
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

# Most bytes of an input; so none may take long.
LENGTH_LIMIT = 64 * 1024
SECONDS_LIMIT = 1.0
BATCH = 10_000
# So many inputs end within the seconds, also where each takes some milliseconds and the processor is shared.
WATCHED = 500
WATCHDOG_SECONDS = 120


class Target(NamedTuple):
    """A reader of foreign bytes.

    Attributes:
        run: reads bytes and returns whether they were accepted; raises for whatever must not be. The generator is for
            choices that are not part of the input, such as where to cut it.
        seeds: real inputs to start from.
        tokens: words of the format.
    """

    run: Callable[[bytes, Random], bool]
    seeds: tuple[bytes, ...]
    tokens: tuple[bytes, ...]


def mutated(pool: Sequence[bytes], tokens: Sequence[bytes], random: Random) -> bytes:
    """Return one input of the pool with one or more changes: bits, bytes, tokens, parts of it and of others."""
    chance = random.random
    data = bytearray(pool[int(chance() * len(pool))])
    while True:
        length = len(data)
        at = int(chance() * (length + 1))
        kind = int(chance() * 8)
        if kind == 0 and at < length:
            data[at] ^= 1 << int(chance() * 8)
        elif kind == 1 and at < length:
            data[at] = int(chance() * 256)
        elif kind == 2:
            del data[at : at + 1 + int(chance() * chance() * 40)]
        elif kind == 3:
            data[at:at] = data[int(chance() * length) :][: int(chance() * 40)]
        elif kind in (4, 5):
            token = tokens[int(chance() * len(tokens))]
            data[at : at + (len(token) if kind == 4 else 0)] = token
        elif kind == 6:
            other = pool[int(chance() * len(pool))]
            data[at:] = other[int(chance() * len(other)) :]
        elif chance() < 0.02:
            data[at:at] = bytes(data[at : at + 1 + int(chance() * 20)]) * int(chance() * 1000)
        else:
            del data[at:]
        if chance() < 0.4:
            return bytes(data[:LENGTH_LIMIT])


class Campaign(NamedTuple):
    """The result of a share of a campaign."""

    inputs: int
    accepted: int
    slowest: float
    growth: int


def fuzz(target: Target, inputs: int, seed: int, memory: Callable[[], int] = lambda: 0) -> Campaign:
    """Run a target over so many inputs; they are the same for the same seed. A hang ends the process with a traceback.

    Args:
        target: the target.
        inputs: the number of inputs.
        seed: the seed of the first batch.
        memory: returns the memory of this process in bytes; its growth after the first tenth is in the result.

    Raises:
        AssertionError: with the input that the target failed for, or took too long for.
    """
    clock = time.perf_counter
    run, seeds, tokens = target
    done = accepted = 0
    slowest = 0.0
    settled = 0
    for seed_text in seeds:
        # Import modules first, so that they do not count as growth.
        run(seed_text, Random(0))
    for batch in range(-(-inputs // BATCH)):
        random = Random(seed + batch)
        pool = [*seeds] * 4
        if batch == inputs // BATCH // 10:
            settled = memory()
        for number in range(min(BATCH, inputs - done)):
            if number % WATCHED == 0:
                faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True)
            data = mutated(pool, tokens, random)
            started = clock()
            try:
                good = run(data, random)
            except Exception as error:
                raise AssertionError(f"{type(error).__name__}: {error} for the input {data!r}") from error
            spent = clock() - started
            if spent > slowest:
                slowest = spent
                assert spent < SECONDS_LIMIT, f"{spent:.1f} s for the input {data!r}"
            done += 1
            if good:
                accepted += 1
                # Start from accepted inputs, so that changes accumulate.
                if random.random() < 0.05:
                    pool[int(random.random() * len(pool))] = data
    faulthandler.cancel_dump_traceback_later()
    return Campaign(done, accepted, slowest, memory() - settled)
