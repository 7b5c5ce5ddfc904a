"""Reaching several places at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fingerprint.diagnose.network import Unreached

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.diagnose.network import Network

_AT_ONCE = 8
_NO_SUCH_BUCKET = 404


def reach_buckets(network: Network, endpoint: str, names: Sequence[str]) -> list[tuple[str, bool, str]]:
    """Return of each bucket (name, whether it can be reached, what was answered), in order.

    An answer of any kind but "no such bucket" says that the way is open; what may be read is another question.

    Args:
        network: how to ask.
        endpoint: URL below which the buckets are.
        names: of the buckets.
    """

    def reach(name: str) -> tuple[str, bool, str]:
        try:
            answer = network.ask(f"{endpoint.rstrip('/')}/{name}/")
        except Unreached as error:
            return name, False, error.text
        if answer.status == _NO_SUCH_BUCKET:
            return name, False, "there is no such bucket (404)"
        return name, True, f"reached (HTTP {answer.status}, {answer.seconds * 1000:.0f} ms)"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(reach, names))
