"""Sending a request and reading its answer, within bounds: botocore would read an answer of any length, for ever."""

from __future__ import annotations

from time import monotonic
from urllib.parse import urlsplit

from botocore.exceptions import HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from fingerprint.errors import BadAnswer, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ANSWER_LIMIT = 64 * 1024
_CHUNK = 16 * 1024
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Transport:
    """A handler of botocore's event `before-send`.

    Args:
        endpoint: the URL that requests go to.
        proxies: scheme -> URL; None for those of the environment.
        verify: file of certificates; None for the usual ones.
        timeouts: seconds to connect, and to wait for a whole answer.
    """

    def __init__(
        self, endpoint: str, proxies: dict[str, str] | None, verify: str | None, timeouts: tuple[float, float]
    ) -> None:
        self._endpoint = endpoint
        self._seconds = timeouts[1]
        self._session = URLLib3Session(
            verify=verify or True,
            proxies=get_environ_proxies(endpoint) if proxies is None else proxies,
            timeout=timeouts,
        )

    def __call__(self, request: Any, **_: Any) -> Any:
        """Return the answer with its body read.

        Raises:
            BadAnswer: it is longer than any answer of the service.
            HTTPClientError: what botocore raises, and tries again for.
        """
        begin = monotonic()
        request.stream_output = True
        answer = self._session.send(request)
        body = b""
        try:
            # What came is taken as it comes: `stream` would wait for a whole chunk, a byte at a time for hours.
            while chunk := answer.raw.read1(_CHUNK):
                body += chunk
                if len(body) > ANSWER_LIMIT:
                    raise BadAnswer(
                        f"the answer cannot be used: it is longer than {ANSWER_LIMIT} bytes", where=self._endpoint,
                        remedy="Nothing was changed here. Check that the endpoint is the service, then try again",
                    )  # fmt: skip
                if monotonic() - begin > self._seconds:
                    raise ReadTimeoutError(endpoint_url=self._endpoint, error="the answer does not end")
        except HTTPError as error:
            raise HTTPClientError(error=error) from None
        finally:
            answer.raw.close()
        answer._content = body
        return answer


def demand_safe(endpoint: str) -> None:
    """Raise UsageError for an endpoint to which fingerprint, activation code and credentials would go in the clear."""
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    raise UsageError(
        f"the endpoint {endpoint!r} is not safe: secrets would cross the network in the clear",
        remedy="Nothing was sent. Name one that begins with https:// (http:// is for this machine itself only)",
    )
