"""What the agent will do with the machine at its next comparison, and when."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.next_check import NextCheck, Trigger
from fingerprint.types import Outlook, Value


class Forecast(Value):
    """What the agent will do with the machine as it is now, and when.

    Attributes:
        refused: whether the agent will store a new fingerprint, which the service rejects; None for not known.
        check: when it compares the hardware next.
        record_written: when the record was written, seconds since 1970-01-01 UTC; None if not known.
        text: the same for people.
    """

    refused: bool | None
    check: NextCheck
    record_written: float | None
    text: str

    @property
    def trigger(self) -> Trigger:
        """When the agent compares the hardware next: see `NextCheck`."""
        return self.check.trigger

    @property
    def compares_at(self) -> float | None:
        """The time of that, seconds since 1970-01-01 UTC; None where it is at no known time."""
        return self.check.at

    @property
    def seconds_left(self) -> float | None:
        """Seconds until then, None where there is no such time."""
        return self.check.seconds_left


UNREAD = "sources could not be read"


def foretell(outlook: Outlook, check: NextCheck, record_written: float | None, why: str = "") -> Forecast:
    """Return what the agent will do at its next comparison.

    Args:
        outlook: what it does with the machine as it is now.
        check: when the agent compares next.
        record_written: when the record was written, seconds since 1970-01-01 UTC; None if not known.
        why: why it is not known what it does; "" for sources that could not be read.
    """
    refused = None if outlook == Outlook.UNKNOWN else outlook != Outlook.ACCEPTS
    since = f"the agent runs since {utc(check.started)}" if check.started is not None else "an agent runs"
    if refused is None:
        text = f"not known: {why or UNREAD}; the agent compares {check.when}"
    elif outlook == Outlook.STOPS:
        text = f"refused {check.when}: its collection fails on a value that is not valid UTF-8, and it stores nothing"
    elif not refused:
        when = "" if check.trigger == Trigger.UNKNOWN else f"; it compares {check.when}"
        text = f"accepted{f'; {since}' if check.runs else ''}{when}"
    elif check.runs is False:
        text = (
            "refused: no agent is seen to run; the next one compares at its first token request, and stores a new "
            "fingerprint"
        )
    elif check.trigger == Trigger.AT_NEXT_REFRESH:
        text = (
            f"refused {check.when}: {since} and has not compared the hardware yet ({check.how}); it does at its next "
            "token request, and stores a new fingerprint"
        )
    elif check.trigger == Trigger.UNKNOWN:
        text = f"refused {check.when}: {since}, and whether it has compared the hardware is not known ({check.how})"
    elif record_written is not None and check.started is not None and record_written > check.started:
        text = (
            f"refused {check.when}: {since}; the record was written after that ({utc(record_written)}), so what the "
            "agent holds in memory may be an earlier one"
        )
    else:
        text = (
            f"refused {check.when}: {since} and goes on with the fingerprint that it computed ({check.how}); then it "
            "stores a new one"
        )
    return Forecast(refused, check, record_written, text)
