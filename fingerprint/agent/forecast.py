"""Forecast: the outcome of the agent's next comparison of the hardware, and when it compares."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.next_check import NextCheck, Trigger
from fingerprint.types import Outlook, Value


class Forecast(Value):
    """The outcome of the agent's next comparison if the machine stays as it is, and when it compares.

    Attributes:
        refused: whether the agent will store a new fingerprint, which the service rejects; None for not known.
        check: when it compares the hardware next.
        record_written: when the record was written, seconds since 1970-01-01 UTC; None if not known.
        text: the forecast as a phrase.
    """

    refused: bool | None
    check: NextCheck
    record_written: float | None
    text: str

    @property
    def trigger(self) -> Trigger:
        """What causes the next comparison: see `NextCheck`."""
        return self.check.trigger

    @property
    def compares_at(self) -> float | None:
        """When the agent compares next, seconds since 1970-01-01 UTC; None if unknown or after a start."""
        return self.check.at

    @property
    def seconds_left(self) -> float | None:
        """Seconds until `compares_at`; None without it."""
        return self.check.seconds_left


UNREAD = "sources could not be read"


def foretell(outlook: Outlook, check: NextCheck, record_written: float | None, why: str = "") -> Forecast:
    """Return the forecast of the agent's next comparison.

    Args:
        outlook: its outcome for the machine as it is now.
        check: when the agent compares next.
        record_written: when the record was written, seconds since 1970-01-01 UTC; None if not known.
        why: why the outcome is not known; "" for unreadable sources.
    """
    refused = None if outlook == Outlook.UNKNOWN else outlook != Outlook.ACCEPTS
    since = f"the agent runs since {utc(check.started)}" if check.started is not None else "an agent runs"
    if refused is None:
        text = f"not known: {why or UNREAD}; the agent compares {check.when}"
    elif outlook == Outlook.STOPS:
        text = f"rejected {check.when}: its collection fails on a value that is not valid UTF-8, and it stores nothing"
    elif not refused:
        when = "" if check.trigger == Trigger.UNKNOWN else f"; it compares {check.when}"
        text = f"accepted{f'; {since}' if check.runs else ''}{when}"
    elif check.runs is False:
        text = (
            "rejected: no agent is running; the next one compares at its first token request and stores a new "
            "fingerprint"
        )
    elif check.trigger == Trigger.AT_NEXT_REFRESH:
        text = (
            f"rejected {check.when}: {since} and has not compared the hardware yet ({check.how}); it does at its next "
            "token request, and stores a new fingerprint"
        )
    elif check.trigger == Trigger.UNKNOWN:
        text = f"rejected {check.when}: {since}, and whether it has compared the hardware is not known ({check.how})"
    elif record_written is not None and check.started is not None and record_written > check.started:
        text = (
            f"rejected {check.when}: {since}; the record was written after that ({utc(record_written)}), so what the "
            "agent holds in memory may be an earlier one"
        )
    else:
        text = (
            f"rejected {check.when}: {since} and goes on with the fingerprint that it computed ({check.how}); then it "
            "stores a new one"
        )
    return Forecast(refused, check, record_written, text)
