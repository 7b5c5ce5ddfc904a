from collections.abc import Iterator, Sequence
from typing import Any, final

from typing_extensions import disjoint_base

# Buffers are `Any`: those of NumPy are known as such to type checkers from Python 3.12 on only.

__test__: dict[str, str]

@final
class Stream:
    names: tuple[str, ...]
    formats: tuple[str, ...]
    def __init__(self, table: Any) -> None: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def __next__(self) -> Batch: ...

@final
class Batch:
    def __len__(self) -> int: ...
    def question(
        self,
        saved: Sequence[int],
        current: Sequence[int],
        threshold: int,
        thresholds: int | None = None,
        sid_key: int = 0,
        ip_key: int = 0,
    ) -> Question: ...
    def stable_question(
        self,
        saved: Sequence[int],
        current: Sequence[int],
        points: Sequence[tuple[bool, bool, tuple[int, int], tuple[int, int]]],
        hypervisor: int,
        platform: int,
        generation: int,
        names: Sequence[str],
        deciding: int,
        limit: int,
    ) -> StableQuestion: ...

@disjoint_base
class Pairs:
    """A saved and a current column for each attribute."""

@final
class StableQuestion(Pairs):
    # Made by Batch.stable_question.
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def outcomes(
        self,
        begin: int,
        end: int,
        outcomes: Any,
        notes: Any = None,
        identity: Any = None,
        circumstance: Any = None,
        words: Any = None,
        changed: Any = None,
        unread: Any = None,
    ) -> None: ...

@final
class Question(Pairs):
    # Made by Batch.question.
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def decide(
        self,
        begin: int,
        end: int,
        reasons: Any,
        matched: Any = None,
        totals: Any = None,
        changed: Any = None,
    ) -> None: ...
    def compare(self, attribute: int, begin: int, end: int, same: Any, has: Any, had: Any = None) -> None: ...

@final
class Near:
    def __new__(cls, rows: int, columns: int, at_least: int, sids: bool = True) -> Near: ...
    def encode(self, column: int, runs: list[tuple[Batch, int]], seed: int) -> int: ...
    def codes_of(self, column: int) -> bytes: ...
    def frequencies_of(self, column: int) -> bytes: ...
    def collect(self, parts: int) -> list[tuple[int, int, int]]: ...
    def pairs(self, column: int, begin: int, end: int, answer: Answer) -> None: ...
    def brute(self, begin: int, end: int, answer: Answer) -> None: ...

@final
class Answer:
    def __new__(cls, rows: int, limit: int) -> Answer: ...
    @property
    def counts(self) -> tuple[int, ...]: ...
    @property
    def compared(self) -> int: ...
    def listed(self) -> bytes: ...
    def clusters(self) -> bytes: ...
    def join(self, one: Any, other: Any) -> None: ...
    def add(self, other: Answer) -> None: ...

@final
class StablePairs:
    def __init__(
        self, question: StableQuestion, codes: Any, unread: Any, names: Any, sets: Sequence[tuple[Any, Any] | None]
    ) -> None: ...
    def outcomes(self, one: Any, other: Any, outcomes: Any, notes: Any = None) -> None: ...

def elements_of(batch: Batch, column: int) -> tuple[bytes, bytes, bytes]: ...
def digests(batch: Batch, column: int, to: Any) -> None: ...
def offsets_fit(offsets: Any, width: int, at: int, rows: int, size: int) -> bool: ...
def views_fit(views: Any, valid: Any, at: int, rows: int, pieces: list[Any]) -> bool: ...
def nulls_in(valid: Any, at: int, rows: int) -> int: ...
