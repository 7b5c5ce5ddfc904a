"""`python -I -m fingerprint` is the command `fingerprint`; without -I, PYTHONPATH comes first."""

from fingerprint.cli import main_and_exit

main_and_exit()
