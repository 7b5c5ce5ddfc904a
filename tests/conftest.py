"""What holds for all tests."""

from __future__ import annotations

import signal

# A runner that was started in the background ignores Ctrl-C, and whatever it starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
