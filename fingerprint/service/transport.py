"""Sending a request and reading its answer, within bounds: botocore would read an answer of any length, for ever."""

from __future__ import annotations

import os
import ssl
from time import monotonic
from urllib.parse import urlsplit

from botocore.exceptions import HTTPClientError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from fingerprint.agent.proxies import proxy_for
from fingerprint.errors import BadAnswer, UsageError
from fingerprint.quoting import without_passwords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ANSWER_LIMIT = 64 * 1024
_CHUNK = 16 * 1024
_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Transport:
    """A handler of botocore's event `before-send`.

    Args:
        endpoint: the URL that requests go to.
        proxies: scheme -> URL; None for those of the environment.
        verify: file of certificates; None for the usual ones.
        timeouts: seconds to connect, and to wait for a whole answer.
        of_agent: variables of the agent's service that name proxies, for where the environment names none.
        certificates: file of certificates to trust beside the others, "" for none.

    Raises:
        UsageError: the agent's proxy, or the file of certificates, cannot be used.
    """

    def __init__(
        self,
        endpoint: str,
        proxies: dict[str, str] | None,
        verify: str | None,
        timeouts: tuple[float, float],
        of_agent: Mapping[str, str],
        certificates: str = "",
    ) -> None:
        self._endpoint = endpoint
        self._seconds = timeouts[1]
        self._session = _Session(
            certificates,
            verify=verify or True,
            proxies=_proxies(endpoint, of_agent) if proxies is None else proxies,
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


class _Session(URLLib3Session):  # type: ignore[misc]
    """A session that trusts further certificates; botocore's own argument takes the place of the usual ones."""

    def __init__(self, certificates: str, **options: Any) -> None:
        self._certificates = certificates
        super().__init__(**options)

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        if self._certificates:
            try:
                context.load_verify_locations(cafile=self._certificates)
            except OSError as error:
                # ssl.SSLError is one, too.
                reason = getattr(error, "reason", None) or error.strerror or error
                raise UsageError(
                    f"the certificates of the agent cannot be used ({reason})", where=self._certificates,
                    remedy="Nothing was sent. Correct the file, or move it away: the agent trusts it as well",
                ) from None  # fmt: skip
        return context


def _proxies(endpoint: str, of_agent: Mapping[str, str]) -> dict[str, str]:
    """Return scheme -> URL of the proxy for an endpoint: of the environment, else of the agent, else of the system."""
    named = any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXY_NAMES)
    if named or not of_agent:
        return dict(get_environ_proxies(endpoint))
    excluded = [value for name in ("no_proxy", "NO_PROXY") for value in (os.environ.get(name), of_agent.get(name))]
    proxy = proxy_for(endpoint, {**of_agent, "NO_PROXY": ",".join(value for value in excluded if value)})
    if not proxy:
        return {}
    scheme = urlsplit(proxy).scheme if "://" in proxy else "http"
    if scheme not in ("http", "https"):
        raise UsageError(
            f"the proxy {without_passwords(proxy)!r} of the agent's service cannot be used",
            remedy="Nothing was sent. Name one that begins with http:// with --proxy",
        )
    return {urlsplit(endpoint).scheme: proxy}


def demand_safe(endpoint: str, where: str = "") -> None:
    """Raise UsageError for an endpoint to which fingerprint, activation code and credentials would go in the clear.

    Args:
        endpoint: the URL.
        where: the file that names it, "" where it is an argument.
    """
    parts = urlsplit(endpoint)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    setting = "Ssm.Endpoint" if where else "the endpoint"
    raise UsageError(
        f"{setting} {without_passwords(endpoint)!r} is not safe: secrets would cross the network in the clear",
        where=where,
        remedy="Nothing was sent. Name one that begins with https:// (http:// is for this machine itself only)",
    )
