"""What the three outcomes of a verdict are called, their exit codes, and what an event leaves of the machine."""

from __future__ import annotations

from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK

OUTCOME_EXIT_CODES = {"same": EXIT_OK, "different": EXIT_DIFFERS, "cannot-tell": EXIT_CANNOT_TELL}
# With the colour of each.
OUTCOME_HEADS = {
    "same": ("SAME MACHINE", "good"),
    "different": ("NOT THE SAME MACHINE", "bad"),
    "cannot-tell": ("CANNOT TELL", "doubt"),
}
# Of an event, by `Event.truth`.
TRUTHS = {"same": "the same machine", "other": "another machine", "undecidable": "not to be decided"}
