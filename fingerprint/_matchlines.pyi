import sys
from typing import final

if sys.version_info >= (3, 12):
    from collections.abc import Buffer
else:
    from typing_extensions import Buffer

__test__: dict[str, str]

@final
class Matcher:
    def feed(self, data: Buffer) -> bytes: ...
    def finish(self) -> bytes: ...
    @property
    def lines(self) -> int: ...
    @property
    def differs(self) -> int: ...
    @property
    def errors(self) -> int: ...
    @property
    def first_error(self) -> str: ...
