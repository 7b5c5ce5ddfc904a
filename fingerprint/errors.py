"""All errors of the package, each with its facts, an exit code and a remedy.

An error says what failed, where, and what to do next. Facts are plain strings and numbers, so errors can be pickled;
they never contain a secret (no fingerprint, no machine ID, no key).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Self

EXIT_OK = 0
EXIT_DIFFERS = 1
EXIT_USAGE = 2
EXIT_CANNOT_TELL = 3
EXIT_REFUSED = 4
EXIT_SERVICE_REFUSED = 5
EXIT_UNREACHABLE = 6
EXIT_INTERRUPTED = 130
EXIT_PIPE_CLOSED = 141


class FingerprintError(Exception):
    """Base class of all errors of this package.

    Args:
        what: what failed, in one sentence without a full stop.
        where: the file, directory, command or line that was read or written.
        remedy: what to do next, in one sentence.
    """

    exit_code = EXIT_CANNOT_TELL

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy)

    def again(self) -> Self:
        """Return an equal error, so that an error that is raised again can get another remedy."""
        return type(self)(self.what, where=self.where, remedy=self.remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.remedy}" if self.remedy else text

    def facts(self) -> dict[str, Any]:
        """Return the error as the object that `--output json` prints."""
        return {
            "kind": type(self).__name__,
            "what": writable(self.what),
            "where": writable(self.where),
            "remedy": writable(self.remedy),
            "exitCode": self.exit_code,
        }


def writable(text: str) -> str:
    """Return a text that can be written as JSON: bytes of a path that are not UTF-8 become escapes."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def _rebuild(kind: type[FingerprintError], what: str, where: str, remedy: str) -> FingerprintError:
    return kind(what, where=where, remedy=remedy)


class UsageError(FingerprintError):
    """An argument is invalid, such as an unknown option or a threshold out of range."""

    exit_code = EXIT_USAGE


class CollectError(FingerprintError):
    """Too few attributes of the machine are readable for any decision."""


class InputError(FingerprintError):
    """A file that the user named is unreadable or cannot be written."""


class OutputError(FingerprintError):
    """The answer could not be written to standard output."""


class PipeClosed(OutputError):
    """The reader of standard output, such as `head`, closed the pipe; this is not a failure."""

    exit_code = EXIT_PIPE_CLOSED

    def __init__(self, what: str = "the reader closed the pipe", *, where: str = "standard output",
                 remedy: str = "") -> None:  # fmt: skip
        super().__init__(what, where=where, remedy=remedy)


class SnapshotError(FingerprintError):
    """A recorded machine is unreadable, or lacks the requested data."""


class VaultError(FingerprintError):
    """Base class of the errors of a vault."""


class VaultMissing(VaultError):
    """There is no record: the directory or the file does not exist, and never existed."""


class FingerprintLost(VaultError):
    """The machine is registered but its fingerprint is missing; the service does not know a new one."""


class VaultDenied(VaultError):
    """The vault exists, but the operating system denied access to it."""


class VaultUnreadable(VaultError):
    """The vault exists, but reading or writing it failed (I/O error, not a regular file)."""


class VaultCorrupt(VaultError):
    """The file was read, but is not a record or manifest."""


class VaultUnsafe(VaultError):
    """Other users can write the vault: its owner, mode or links are wrong."""


class VaultBusy(VaultError):
    """Another process held the lock of the vault for longer than the caller's time limit."""


class VaultChanged(VaultError):
    """Another program wrote the vault at the same time; its data is kept, and ours was not written."""


class KeyUnusable(FingerprintError):
    """The private key of the registration is malformed; no request was sent."""


class NotRegistered(FingerprintError):
    """The registration, which a token request requires, is missing or incomplete; no request was sent."""


class ServiceError(FingerprintError):
    """Base class for service and transport errors.

    Attributes:
        code: the error code of the service, "" if there is none.
        uncertain: whether the service may have processed the request nevertheless; set for registrations only.
    """

    exit_code = EXIT_SERVICE_REFUSED
    code = ""
    uncertain = False

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "code": self.code}


class RegistrationError(ServiceError):
    """The service did not register the machine; an earlier registration is unchanged."""


class ActivationInvalid(RegistrationError):
    """The activation does not exist, or its code is wrong."""


class ActivationExpired(RegistrationError):
    """The activation has expired."""


class RegistrationLimitExceeded(RegistrationError):
    """The activation has reached its limit of registrations."""


class TokenError(ServiceError):
    """The service returned no role credentials."""


class ServiceMismatch(TokenError):
    """The service has another fingerprint for this node."""


class AccessDenied(TokenError):
    """The node is no longer registered, or the service rejects its role or signature."""


class BadAnswer(ServiceError):
    """The answer does not fit the operation: it is truncated, not JSON, or lacks a member."""


class Unreachable(ServiceError):
    """The service did not answer: network, name resolution or TLS failed, time ran out, or it was busy for too long."""

    exit_code = EXIT_UNREACHABLE


class Refused(FingerprintError):
    """The command destroys data and was not confirmed, or does not apply here."""

    exit_code = EXIT_REFUSED


class FingerprintMismatch(FingerprintError):
    """The machine does not match its record, and the policy forbids a new fingerprint.

    The message has the facts of the verdict. `verdict` is the verdict itself in the process that raised the error;
    pickle leaves it out.
    """

    exit_code = EXIT_DIFFERS
    verdict: Any = None
