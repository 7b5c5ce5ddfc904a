"""`python -m fingerprint` is the command `fingerprint`."""

from fingerprint.cli import main_and_exit

main_and_exit()
