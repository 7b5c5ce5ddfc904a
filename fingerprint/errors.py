"""Every error of the package: one small tree, each with its facts, an exit code and a remedy.

An error tells what was read, where, what is wrong and what to do next. Facts are plain strings and
numbers, so errors pickle, and never hold a secret (no fingerprint, no machine id, no key).
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
    """Base of all errors of this package.

    Args:
        what: what went wrong, in one sentence without a full stop.
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
        """Return an equal error: one that is raised more than once may get another remedy each time."""
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
    """Return a text as one that can be written as JSON: a path may hold bytes that are no text."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def _rebuild(kind: type[FingerprintError], what: str, where: str, remedy: str) -> FingerprintError:
    return kind(what, where=where, remedy=remedy)


class UsageError(FingerprintError):
    """The caller's words are off: an unknown option, a threshold out of range."""

    exit_code = EXIT_USAGE


class CollectError(FingerprintError):
    """The machine's attributes could not be read well enough to decide anything."""


class InputError(FingerprintError):
    """A file that the user named could not be read or written."""


class OutputError(FingerprintError):
    """The answer could not be written to standard output."""


class PipeClosed(OutputError):
    """Whoever read standard output has had enough, such as `head`; that is no mistake."""

    exit_code = EXIT_PIPE_CLOSED

    def __init__(self, what: str = "the answer is not read any more", *, where: str = "standard output",
                 remedy: str = "") -> None:  # fmt: skip
        super().__init__(what, where=where, remedy=remedy)


class SnapshotError(FingerprintError):
    """A recorded machine is unreadable or lacks what was asked of it."""


class VaultError(FingerprintError):
    """Base of all errors of a vault."""


class VaultMissing(VaultError):
    """There is no record: the directory or the file does not exist and never did."""


class FingerprintLost(VaultError):
    """The machine is registered and its fingerprint is gone; a new one is none that the service knows."""


class VaultDenied(VaultError):
    """The vault exists, and the operating system refused to read or write it."""


class VaultUnreadable(VaultError):
    """The vault exists, and reading or writing it failed (I/O error, not a regular file)."""


class VaultCorrupt(VaultError):
    """The bytes were read, and they are not a record or manifest."""


class VaultUnsafe(VaultError):
    """Somebody else could have written the vault: its owner, mode or links are wrong."""


class VaultBusy(VaultError):
    """Another process holds the vault's lock for longer than the caller wanted to wait."""


class VaultChanged(VaultError):
    """Another program wrote the vault while this one was about to; what it wrote is there, and nothing of ours is."""


class KeyUnusable(FingerprintError):
    """The private key of the registration is malformed; nothing was sent."""


class NotRegistered(FingerprintError):
    """There is no complete registration to ask for a token with; nothing was sent."""


class ServiceError(FingerprintError):
    """Base of all that the service, or the way to it, answered other than asked for.

    Attributes:
        code: the service's own word for it, "" if there is none.
        uncertain: whether it may have done what was asked all the same; told of a registration only.
    """

    exit_code = EXIT_SERVICE_REFUSED
    code = ""
    uncertain = False

    def facts(self) -> dict[str, Any]:
        return {**super().facts(), "code": self.code}


class RegistrationError(ServiceError):
    """The service did not register the machine; what was registered before is as it was."""


class ActivationInvalid(RegistrationError):
    """The activation does not exist, or its code is wrong."""


class ActivationExpired(RegistrationError):
    """The activation is too old."""


class RegistrationLimitExceeded(RegistrationError):
    """The activation was used as often as it may be."""


class TokenError(ServiceError):
    """The service gave no role credentials."""


class ServiceMismatch(TokenError):
    """The service knows another fingerprint of this node."""


class AccessDenied(TokenError):
    """The node is not registered any more, or its role or signature is refused."""


class BadAnswer(ServiceError):
    """The answer is not one that this operation has: truncated, no JSON, or a member is missing."""


class Unreachable(ServiceError):
    """No answer came: no network, no name, no TLS, a time-out, or the service is busy for too long."""

    exit_code = EXIT_UNREACHABLE


class Refused(FingerprintError):
    """The command would destroy something and was not confirmed, or makes no sense here."""

    exit_code = EXIT_REFUSED


class FingerprintMismatch(FingerprintError):
    """This is not the machine of the record, and the policy forbids a new fingerprint.

    The verdict's facts are in the text; the verdict itself is `verdict` when the error was raised in
    this process (it does not travel through pickle).
    """

    exit_code = EXIT_DIFFERS
    verdict: Any = None
