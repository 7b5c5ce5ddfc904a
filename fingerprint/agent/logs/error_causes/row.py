"""The form of the table of causes: one row for each cause, with what its error says and its remedy."""

from __future__ import annotations

from fingerprint.types import Value


class Step(Value):
    """One step of a remedy. Text and commands may have the details of an error in braces, such as {host}.

    Attributes:
        text: what to do.
        command: for each system; "" for none.
        linux, macos, windows: in its place, where the systems differ.
    """

    text: str
    command: str = ""
    linux: str = ""
    macos: str = ""
    windows: str = ""

    def on(self, system: str) -> str:
        """Return the command for a system, as `Machine.platform` names it; "" for none."""
        return self.command or {"linux": self.linux, "macos": self.macos, "windows": self.windows}.get(system, "")


class Row(Value, kw_only=True):
    """A cause.

    An error matches if it has one of `codes`, says one of `says`, or matches `pattern`, and meets `needs`, `unless` and
    `operation`.

    Attributes:
        name: of the cause.
        why: the words after "because"; details of the error in braces.
        steps: the remedy, in order; a restart of the agent is added if `restart`.
        codes: of the service or of the SDK.
        says: parts of the error in lower case.
        pattern: a regular expression.
        needs: parts of the error in lower case, of which one must be there; () for no condition.
        unless: parts in lower case, of which none may be there.
        operation: that failed; "" for any.
        network: whether the way to the service is the cause.
        restart: whether the agent waits until it is restarted or until its pause ends.
        complete: whether `why` also fits an error of a worker without the words that its health pings fail.
        no_credentials: whether an agent with this error may have no credentials.
    """

    name: str
    why: str
    steps: tuple[Step, ...]
    codes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    pattern: str = ""
    needs: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    operation: str = ""
    network: bool = False
    restart: bool = True
    complete: bool = False
    no_credentials: bool = False


NETWORK = Step("Check the network", "fingerprint diagnose --network")
BUNDLE = Step("Send the support bundle to support", "fingerprint report --redact ticket.tar.gz")
RESTART = Step("Restart the agent: it retries at once", "{restart}")
