from collections.abc import Iterator, Sequence
from typing import Any, final

from _typeshed import WriteableBuffer

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

@final
class Question:
    def decide(
        self,
        begin: int,
        end: int,
        reasons: WriteableBuffer,
        matched: WriteableBuffer | None = None,
        totals: WriteableBuffer | None = None,
    ) -> None: ...
    def changed(self, begin: int, end: int) -> list[int]: ...
