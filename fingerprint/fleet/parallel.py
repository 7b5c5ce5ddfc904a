"""Batches on several threads, in order; only those in progress are in memory."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from fingerprint._fleet import Question, Stream
from fingerprint.errors import InputError
from fingerprint.fleet.schema import Layout, layout_of
from fingerprint.rules.ssm import THRESHOLD_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")


def usual_threads() -> int:
    """Return how many threads this process can run at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(function: Callable[[_Given], _Made], given: Iterable[_Given], threads: int) -> Iterator[_Made]:
    """Yield the result of the function for each item, in order. At most `threads` + 1 are in progress."""
    if threads < 2:
        yield from map(function, given)
        return
    waiting: deque[Future[_Made]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for one in given:
                waiting.append(pool.submit(function, one))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def question_of(batch: pa.RecordBatch) -> tuple[Question, Layout]:
    """Return the native comparison of a batch, and its layout.

    Raises:
        InputError: the columns are not those of a fleet.
    """
    layout = layout_of(batch.schema.names)
    # One record batch is a stream of one batch, also without rows.
    read = next(Stream(BatchStream(batch)))
    try:
        question = read.question(
            layout.saved, layout.current, THRESHOLD_DEFAULT, layout.threshold, layout.sid, layout.ip
        )
    except TypeError as error:
        raise InputError(
            str(error),
            remedy="Attributes are strings, dictionaries, 32-bit IDs or binaries of one size, the same on both sides",
        ) from None
    return question, layout


class BatchStream:
    """A record batch as a stream for the native core."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self._batch = batch

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.RecordBatchReader.from_batches(self._batch.schema, [self._batch]).__arrow_c_stream__()
