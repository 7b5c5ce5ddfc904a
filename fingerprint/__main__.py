"""`python -m fingerprint` is the command `fingerprint`."""

import sys

from fingerprint.cli import main

sys.exit(main())
