"""Call the three operations of the service through botocore: its endpoints, proxies, certificates and retries.

Public models of the service lack these operations; a small model beside this module adds them. Registration is sent
unsigned. The other requests are signed with the node's key, and each retry is signed again.
"""

from __future__ import annotations

import os
from functools import cache
from threading import local
from time import time
from urllib.parse import urlsplit

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    ParamValidationError,
    SSLError,
)
from botocore.loaders import Loader
from botocore.parsers import ResponseParserError
from botocore.session import Session

from fingerprint._io.text import hidden
from fingerprint._io.times import basic
from fingerprint.errors import (
    AccessDenied,
    ActivationExpired,
    ActivationInvalid,
    BadAnswer,
    RegistrationError,
    RegistrationLimitExceeded,
    ServiceError,
    ServiceMismatch,
    TokenError,
    Unreachable,
    UsageError,
)
from fingerprint.registration.keys import KEY_TYPE, NodeKey
from fingerprint.registration.responses import Unusable, node_id, refusal, role_credentials
from fingerprint.registration.routes import require_endpoint
from fingerprint.registration.signing import signed_headers
from fingerprint.registration.transport import CHECK_ENDPOINT, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.agent.client_settings import ClientSettings
    from fingerprint.registration.role_token import RoleCredentials

_MODELS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
_ATTEMPTS = 4
_CONNECT_SECONDS = 10
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_SSM"
# The other settings of AWS SDKs that a client takes, all from the environment: session variable -> variable.
_ENVIRONMENT = {
    "ca_bundle": "AWS_CA_BUNDLE",
    "ignore_configured_endpoint_urls": "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
}
_SIGNED = ("RequestManagedInstanceRoleToken", "UpdateManagedInstancePublicKey")
# Codes of a busy service, which are left after all retries.
_BUSY = (
    "InternalServerError", "ServiceUnavailable", "Throttling", "ThrottlingException", "ThrottledException",
    "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException",
    "ProvisionedThroughputExceededException", "PriorRequestNotComplete", "TransactionInProgressException",
    "EC2ThrottledException", "TooManyUpdates", "500", "502", "503", "504",
)  # fmt: skip
_NEW_ACTIVATION = "Nothing was changed. Create a new activation, and use its ID and code"
_ERRORS: dict[str, tuple[type[ServiceError], str]] = {
    "InvalidActivation": (ActivationInvalid, _NEW_ACTIVATION),
    "InvalidActivationId": (ActivationInvalid, _NEW_ACTIVATION),
    "ActivationExpired": (ActivationExpired, _NEW_ACTIVATION),
    "RegistrationLimitExceeded": (RegistrationLimitExceeded, _NEW_ACTIVATION),
    "InvalidPublicKey": (RegistrationError, "Nothing was changed. Retry"),
    "InstanceAlreadyRegistered": (RegistrationError, "Nothing was changed. The host is already registered"),
    "MachineFingerprintDoesNotMatch": (
        ServiceMismatch, "See why: fingerprint explain. An earlier record may be in: fingerprint vault history",
    ),
    "AccessDeniedException": (
        AccessDenied, "The node may have been deregistered, or its role changed. Register it again if it was",
    ),
    "InvalidInstanceId": (TokenError, "The service does not know this node. Register it again"),
}  # fmt: skip


class ServiceClient:
    """A client of one region.

    Args:
        region: the region, such as "eu-west-1".
        endpoint: URL in place of the region's own.
        proxies: scheme -> URL; None for those of the environment.
        agent: settings of the agent of the same vault, which apply where neither the arguments nor the environment
            (AWS_ENDPOINT_URL_SSM, AWS_CA_BUNDLE, proxies) do.
        ca_bundle: file of certificates in place of the usual ones.
        timeout: seconds for a complete exchange; one call has at most four.
        clock: seconds since 1970-01-01 UTC, for the time in signatures.

    Raises:
        UsageError: region, endpoint, proxy or certificates cannot be used.
    """

    def __init__(
        self,
        region: str,
        *,
        endpoint: str | None = None,
        proxies: dict[str, str] | None = None,
        agent: ClientSettings | None = None,
        ca_bundle: str | None = None,
        timeout: float = 60.0,
        clock: Callable[[], float] = time,
    ) -> None:
        self.region = region
        self._clock = clock
        self._signer = local()
        session = Session(session_vars=_variables())
        session.register_component("data_loader", _loader())
        named, where, setting = _endpoint(session, region, endpoint, agent)
        if named:
            require_endpoint(named, where, setting)
        config = Config(
            signature_version=UNSIGNED, retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            ignore_configured_endpoint_urls=True,
        )  # fmt: skip
        try:
            self._client: Any = session.create_client(
                "ssm", region_name=region, endpoint_url=named or None, config=config,
                # Never used; without them botocore would search for credentials.
                aws_access_key_id="unsigned", aws_secret_access_key="unsigned",
            )  # fmt: skip
        except (BotoCoreError, ValueError) as error:
            raise _no_client(region, named, where, setting, error) from None
        if not named:
            require_endpoint(self.endpoint)
        bounds = (min(timeout, _CONNECT_SECONDS), timeout)
        self._client.meta.events.register(
            "before-send.ssm",
            Transport(
                self.endpoint, proxies, ca_bundle or session.get_config_variable("ca_bundle"), bounds,
                agent.proxies if agent is not None else {}, agent.certificates if agent is not None else "",
            ),
        )  # fmt: skip
        self._client.meta.events.register("response-received.ssm.RegisterManagedInstance", self._note_attempt)
        for operation in _SIGNED:
            self._client.meta.events.register(f"request-created.ssm.{operation}", self._sign)

    @property
    def endpoint(self) -> str:
        """The URL that requests go to."""
        return str(self._client.meta.endpoint_url)

    def register(
        self, activation_id: str, activation_code: str, fingerprint: str, key: NodeKey, provider: str = ""
    ) -> str:
        """Register a machine, and return the id of the new node.

        Args:
            activation_id, activation_code: of the activation.
            fingerprint: of the machine.
            key: of the new node.
            provider: its cloud as the service spells it; "" for none, which is not sent.

        Raises:
            ActivationInvalid, ActivationExpired, RegistrationLimitExceeded, RegistrationError: refused.
            BadAnswer, Unreachable: no answer, or an invalid one.
            `uncertain` of each says whether the service may have registered it anyway.
        """
        attempts: list[Exception | None] = []
        self._signer.attempts = attempts
        try:
            answer = self._call(
                "register_managed_instance", ActivationCode=activation_code, ActivationId=activation_id,
                Fingerprint=fingerprint, **({"Provider": provider} if provider else {}), PublicKey=key.public(),
                PublicKeyType=KEY_TYPE,
            )  # fmt: skip
            try:
                return node_id(answer)
            except Unusable as error:
                raise self._bad(str(error)) from None
        except ServiceError as error:
            # A bare status, or a body that is not an answer, may come from a proxy.
            refused = bool(error.code) and not error.code.isdigit() and not isinstance(error, (Unreachable, BadAnswer))
            # botocore does not report an attempt whose answer it cannot parse.
            left = attempts[:-1] if refused else attempts or [None]
            error.uncertain = any(map(_may_have_arrived, left))
            raise
        finally:
            del self._signer.attempts

    def role_token(self, instance_id: str, key: NodeKey, fingerprint: str) -> RoleCredentials:
        """Return role credentials of a node.

        Raises:
            ServiceMismatch, AccessDenied, TokenError: refused.
            BadAnswer, Unreachable: no answer, or an invalid one.
        """
        answer = self._signed(instance_id, key, "request_managed_instance_role_token", Fingerprint=fingerprint)
        try:
            return role_credentials(answer, self._clock())
        except Unusable as error:
            raise self._bad(str(error)) from None

    def update_key(self, instance_id: str, key: NodeKey, new: NodeKey) -> None:
        """Send a node's new key to the service, signed with the old one.

        Raises:
            ServiceError: the service rejected it, or it is unknown whether the service has it.
        """
        self._signed(
            instance_id, key, "update_managed_instance_public_key", NewPublicKey=new.public(), NewPublicKeyType=KEY_TYPE
        )

    def _note_attempt(self, exception: Exception | None = None, **_: Any) -> None:
        """Record the outcome of one attempt to register; botocore calls this once for each, in this thread."""
        self._signer.attempts.append(exception)

    def _signed(self, instance_id: str, key: NodeKey, method: str, **members: str) -> dict[str, Any]:
        # botocore calls the signing handler once for each attempt, in this thread.
        self._signer.node = (instance_id, key)
        try:
            return self._call(method, **members)
        finally:
            del self._signer.node

    def _sign(self, request: Any, **_: Any) -> None:
        instance_id, key = self._signer.node
        body = request.data if isinstance(request.data, bytes) else str(request.data or "").encode("utf-8")
        parts = urlsplit(request.url)
        date = basic(self._clock())
        headers = signed_headers(
            key, instance_id, self.region, parts.netloc, date, request.headers["X-Amz-Target"],
            request.headers["Content-Type"], body,
        )  # fmt: skip
        for name, value in headers.items():
            # A retry has the headers of the previous attempt.
            del request.headers[name]
            request.headers[name] = value

    def _call(self, method: str, **members: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self._client, method)(**members) or {}
        except ClientError as error:
            raise self._refusal(error) from None
        except ParamValidationError:
            raise UsageError(
                "an argument is too short for the service",
                remedy="An activation ID has 36 characters, an activation code at least 20",
            ) from None
        except (ResponseParserError, AttributeError, TypeError, KeyError, RecursionError):
            # The parser of botocore assumes that an answer is an object, and not a deep one.
            raise self._bad("not the JSON of this operation") from None
        except SSLError as error:
            raise self._unreachable(
                f"TLS handshake failed ({_reason(error)})", "Check the certificates and the clock"
            ) from None
        except (EndpointConnectionError, ConnectionError, HTTPClientError) as error:
            raise self._unreachable(f"no answer ({_reason(error)})", "Check network, DNS and proxy") from None
        except (BotoCoreError, ValueError) as error:
            raise self._bad(_reason(error)) from None
        return answer

    def _refusal(self, error: ClientError) -> ServiceError:
        reported = error.response.get("Error", {})
        code, message = refusal(reported.get("Code"), reported.get("Message"))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _BUSY or status in (429, 500, 502, 503, 504):
            found: ServiceError = self._unreachable(f"busy ({code or status})", "Retry later")
        elif 300 <= int(status or 0) < 400:
            found = self._bad(f"a redirect (status {status}), which is not followed")
        else:
            kind, remedy = _ERRORS.get(code, (ServiceError, "See the service's documentation for this error"))
            found = kind(
                f"{code or f'status {status}'}: {message}" if message else code or f"status {status}",
                where=self.endpoint,
                remedy=remedy,
            )
        found.code = code
        return found

    def _bad(self, what: str) -> BadAnswer:
        return BadAnswer(
            f"invalid answer: {what}", where=self.endpoint,
            remedy=CHECK_ENDPOINT,
        )  # fmt: skip

    def _unreachable(self, what: str, remedy: str) -> Unreachable:
        return Unreachable(f"the service is unreachable: {what}", where=self.endpoint, remedy=remedy)


def _may_have_arrived(exception: Exception | None) -> bool:
    """Return whether an attempt with this outcome may have reached the service."""
    return not getattr(exception, "unsent", False)


def _variables() -> dict[str, tuple[Any, ...]]:
    """Return the variables of a session: a few come from the environment, and none from files.

    `$HOME/.aws/config`, and a file that AWS_CONFIG_FILE names, could send activation code and fingerprint elsewhere
    (`endpoint_url`, `services`, `ca_bundle`, `csm_host`) or start a program (`credential_process`). Under `sudo -E`
    they belong to another user.
    """
    files = dict.fromkeys(("config_file", "credentials_file"), os.devnull)
    return {
        # Setting of a file, variable of the environment, default, conversion.
        name: (None, _ENVIRONMENT.get(name), files.get(name, default), convert)
        for name, (_, _, default, convert) in Session.SESSION_VARIABLES.items()
    }


def _endpoint(
    session: Session, region: str, endpoint: str | None, agent: ClientSettings | None
) -> tuple[str, str, str]:
    """Return the configured endpoint, "" for the region's own, and the file and setting that have it."""
    if endpoint is not None:
        return endpoint, "", ""
    variable = os.environ.get(_ENDPOINT_VARIABLE, "")
    if variable and not session.get_config_variable("ignore_configured_endpoint_urls"):
        return variable, "", ""
    of_agent = agent.endpoint(region) if agent is not None else ""
    return (of_agent, agent.path, agent.endpoint_setting) if agent is not None and of_agent else ("", "", "")


def _no_client(region: str, endpoint: str, where: str, setting: str, error: Exception) -> UsageError:
    if setting:
        return UsageError(
            f"{setting} gives an endpoint that cannot be used: {hidden(endpoint)!r}", where=where,
            remedy="Nothing was sent. Correct it, or name one such as https://host:port with --endpoint",
        )  # fmt: skip
    return UsageError(
        f"no client for region {region!r} and endpoint {hidden(endpoint) or '(its own)'}: {_reason(error)}",
        remedy="Name a region such as eu-west-1, and an endpoint such as https://host:port",
    )


@cache
def _loader() -> Any:
    """Return the loader of models, with ours. It is cached, because reading them takes longer than a request.

    botocore's own reads `~/.aws/models` first, whose rules could name any endpoint.
    """
    return Loader(extra_search_paths=[_MODELS, Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
